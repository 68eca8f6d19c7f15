//! Sends the response to CloudFormation's presigned S3 URL.
//!
//! Source: "Custom resource response objects", AWS CloudFormation user guide.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use client::time::Deadline;
use tokio::time::{sleep, timeout};

use crate::stack::Stack;

/// A secret: it lets anyone send the response. So it cannot be printed.
#[derive(Clone)]
pub struct ResponseUrl(String);

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResponseUrl(…)")
    }
}

impl ResponseUrl {
    /// Reads a URL, `None` unless CloudFormation waits there for responses about this stack.
    #[must_use]
    pub fn read(text: &str, stack: &Stack) -> Option<Self> {
        text.parse().is_ok_and(|url| stack.awaits_response_at(&url)).then(|| Self(text.to_owned()))
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
    use crate::stack::tests::{ID, stack};

    #[test]
    fn a_url_is_never_printed() {
        let url = ResponseUrl::read("http://localhost:4566/a", &stack(ID, "http://localhost:4566"));
        assert_eq!(format!("{url:?}"), "Some(ResponseUrl(…))");
    }
}
