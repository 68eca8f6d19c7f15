//! Sends the response to CloudFormation's presigned S3 URL.
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

/// A secret: it lets anyone send the response. So it cannot be printed.
#[derive(Clone)]
pub struct ResponseUrl(String);

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResponseUrl(…)")
    }
}

impl FromStr for ResponseUrl {
    type Err = &'static str;

    /// Accepts https URLs, and http URLs of this machine for emulators.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url: http::Uri = text.parse().map_err(|_| "must be a URL")?;
        match (url.scheme_str(), url.host()) {
            (Some("https"), Some(_)) | (Some("http"), Some("127.0.0.1" | "localhost")) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("must be an https URL"),
        }
    }
}

/// The timeout of one attempt. S3 needs a fraction of it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before the second attempt; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const ATTEMPTS: u32 = 6;

/// No attempt succeeded: the last HTTP status, if there was a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDelivered(pub Option<u16>);

/// Sends the response, with retries. Sending it twice does no harm.
///
/// # Errors
/// When no attempt succeeded before the deadline.
pub async fn put(
    connector: &SharedHttpConnector,
    url: &ResponseUrl,
    body: &str,
    deadline: Deadline,
) -> Result<(), NotDelivered> {
    let mut pause = FIRST_PAUSE;
    let mut last = NotDelivered(None);
    for attempt in 1..=ATTEMPTS {
        let sent = timeout(ATTEMPT_TIMEOUT.min(deadline.left()), connector.call(request(url, body)?)).await;
        last = match sent {
            Ok(Ok(answer)) if answer.status().is_success() => return Ok(()),
            Ok(Ok(answer)) => NotDelivered(Some(answer.status().as_u16())),
            Ok(Err(_)) | Err(_) => NotDelivered(None),
        };
        if attempt == ATTEMPTS || deadline.left() < pause {
            break;
        }
        sleep(pause).await;
        pause *= 2;
    }
    Err(last)
}

/// Without a content type, because the URL was signed without one.
fn request(url: &ResponseUrl, body: &str) -> Result<HttpRequest, NotDelivered> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("PUT").map_err(|_| NotDelivered(None))?;
    request.set_uri(url.0.as_str()).map_err(|_| NotDelivered(None))?;
    request.headers_mut().insert("content-length", body.len().to_string());
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_urls_and_local_urls_are_accepted_and_never_printed() {
        for (text, accepted) in [
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
            assert_eq!(url.is_ok(), accepted, "{text}");
            assert!(!format!("{url:?}").contains("4566"));
        }
    }
}
