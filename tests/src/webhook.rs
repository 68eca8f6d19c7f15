//! A mock of a webhook, the provider of `webhook-sender`.

use serde_json::Value;

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// A mock of a webhook that accepts JSON.
pub type Webhook = Service<Posts>;

/// The protocol of [`Webhook`].
#[derive(Default)]
pub struct Posts;

impl Protocol for Posts {
    type Body = Value;

    const SIGNING_NAME: &'static str = "";
    const ENDPOINT_VARIABLE: &'static str = "WEBHOOK_URL";
    const EXPIRED_TOKEN: (u16, &'static str) = (403, "");

    fn parse(&self, request: &Request) -> Result<Value, Refusal> {
        serde_json::from_slice(&request.body).map_err(|_| Refusal::new(400, "", "not JSON"))
    }

    fn accept(&self, _: &Value, number: usize) -> Result<Response, Refusal> {
        Ok(Response::new(200, "text/plain", "").with("x-message-id", format!("post-{number}")))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        Response::new(refusal.status, "text/plain", "")
    }
}
