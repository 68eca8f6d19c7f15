//! A stand-in for Secrets Manager with one secret: `GetSecretValue` in AWS JSON 1.1.
//!
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// The ARN of the secret.
pub const SECRET_ARN: &str =
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:RecipientHashKey-a1b2c3";

/// A stand-in for Secrets Manager. The body of a call is the request's JSON.
pub type SecretsManager = Service<OneSecret>;

/// The protocol of [`SecretsManager`].
pub struct OneSecret(String);

impl Service<OneSecret> {
    /// Listens; the secret is that text.
    #[must_use]
    pub fn start(text: &str) -> Self {
        Self::serve(OneSecret(text.to_owned()), None)
    }
}

impl Protocol for OneSecret {
    type Body = Value;

    const SIGNING_NAME: &'static str = "secretsmanager";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_SECRETS_MANAGER";

    fn parse(&self, request: &Request) -> Result<Value, Refusal> {
        if request.header("x-amz-target") != Some("secretsmanager.GetSecretValue") {
            return Err(Refusal::new(400, "UnknownOperationException", "only GetSecretValue is known"));
        }
        serde_json::from_slice(&request.body)
            .map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))
    }

    fn accept(&self, body: &Value, _: usize) -> Result<Response, Refusal> {
        if body.get("SecretId").and_then(Value::as_str) != Some(SECRET_ARN) {
            let message = "Secrets Manager can't find the specified secret.";
            return Err(Refusal::new(400, "ResourceNotFoundException", message));
        }
        let answer = json!({ "ARN": SECRET_ARN, "Name": "RecipientHashKey", "SecretString": self.0 });
        Ok(Response::new(200, "application/x-amz-json-1.1", answer.to_string()))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body = json!({ "__type": refusal.code, "Message": refusal.message });
        Response::new(refusal.status, "application/x-amz-json-1.1", body.to_string())
    }
}
