//! A mock of SES v2: `SendEmail` as REST JSON.
//!
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// A mock of SES. The body of a call is the request's JSON, with every field.
pub type Ses = Service<SendEmail>;

/// The protocol of [`Ses`].
#[derive(Default)]
pub struct SendEmail;

impl Protocol for SendEmail {
    type Body = Value;

    const SIGNING_NAME: &'static str = "ses";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_SESV2";
    const EXPIRED_TOKEN: (u16, &'static str) = (403, "ExpiredTokenException");

    fn parse(&self, request: &Request) -> Result<Value, Refusal> {
        if (request.method.as_str(), request.target.as_str()) != ("POST", "/v2/email/outbound-emails") {
            return Err(Refusal::new(404, "NotFoundException", "only SendEmail is known"));
        }
        serde_json::from_slice(&request.body)
            .map_err(|error| Refusal::new(400, "BadRequestException", error.to_string()))
    }

    fn accept(&self, _: &Value, number: usize) -> Result<Response, Refusal> {
        let id = format!("0107018c3f5d7a2e-6f0e4c1a-0000-4000-8000-{number:012}-000000");
        Ok(Response::new(200, "application/json", json!({ "MessageId": id }).to_string()))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body = json!({ "message": refusal.message });
        let response = Response::new(refusal.status, "application/json", body.to_string());
        if refusal.code.is_empty() { response } else { response.with("x-amzn-errortype", &refusal.code) }
    }
}
