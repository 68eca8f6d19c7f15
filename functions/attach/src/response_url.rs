//! Puts the answer where CloudFormation waits for it: a presigned address of S3.
//!
//! Source: "Custom resource response objects", AWS CloudFormation user guide.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use client::time::Deadline;
use tokio::time::{sleep, timeout};

/// Whoever knows the address can answer in our place, so it shows itself to nobody.
#[derive(Clone)]
pub struct ResponseUrl(String);

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResponseUrl(…)")
    }
}

impl FromStr for ResponseUrl {
    type Err = &'static str;

    /// Takes addresses with TLS, and without it those of this machine, where stand-ins listen.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: http::Uri = text.parse().map_err(|_| "is no address")?;
        match (url.scheme_str(), url.host()) {
            (Some("https"), Some(_)) | (Some("http"), Some("127.0.0.1" | "localhost")) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("is no https address"),
        }
    }
}

/// Each attempt may take that long; S3 answers within a fraction of it.
const EACH: Duration = Duration::from_secs(5);
/// The pause before the second attempt; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const ATTEMPTS: u32 = 6;

/// No attempt was taken: the last status, or none where there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken(pub Option<u16>);

/// Puts the answer, several times if need be. The same answer twice does no harm.
///
/// # Errors
/// When none was taken before the deadline.
pub async fn put(
    connector: &SharedHttpConnector,
    url: &ResponseUrl,
    body: &str,
    deadline: Deadline,
) -> Result<(), NotTaken> {
    let mut pause = FIRST_PAUSE;
    let mut last = NotTaken(None);
    for attempt in 1..=ATTEMPTS {
        let sent = timeout(EACH.min(deadline.left()), connector.call(request(url, body)?)).await;
        last = match sent {
            Ok(Ok(answer)) if answer.status().is_success() => return Ok(()),
            Ok(Ok(answer)) => NotTaken(Some(answer.status().as_u16())),
            Ok(Err(_)) | Err(_) => NotTaken(None),
        };
        if attempt == ATTEMPTS || deadline.left() < pause {
            break;
        }
        sleep(pause).await;
        pause *= 2;
    }
    Err(last)
}

/// Without a content type: the signature was made without one.
fn request(url: &ResponseUrl, body: &str) -> Result<HttpRequest, NotTaken> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("PUT").map_err(|_| NotTaken(None))?;
    request.set_uri(url.0.as_str()).map_err(|_| NotTaken(None))?;
    request.headers_mut().insert("content-length", body.len().to_string());
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_tls_or_from_this_machine_and_never_shown() {
        for (text, taken) in [
            (
                "https://cloudformation-custom-resource-response-eucentral1.s3.eu-central-1.amazonaws.com/a?X=b",
                true,
            ),
            ("http://127.0.0.1:4566/a", true),
            ("http://localhost:4566/a", true),
            ("http://example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost.example.com:80/", false),
            ("http://localhost:80@example.com/", false),
            ("file:///etc/passwd", false),
            ("", false),
        ] {
            let url = text.parse::<ResponseUrl>();
            assert_eq!(url.is_ok(), taken, "{text}");
            assert!(!format!("{url:?}").contains("4566"));
        }
    }
}
