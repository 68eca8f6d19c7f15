//! The AWS JSON protocols: every operation is a POST to `/` with its name in the `X-Amz-Target` header.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>

use serde_json::{Map, Value, json};

use crate::http::{Request, Response};
use crate::service::Refusal;

/// The name of the operation, without that prefix of the service, and its input.
pub(crate) fn operation(request: &Request, prefix: &str) -> Result<(String, Map<String, Value>), Refusal> {
    let target = request.header("x-amz-target").unwrap_or_default();
    match (request.method.as_str(), request.target.as_str(), target.strip_prefix(prefix)) {
        ("POST", "/", Some(name)) => {
            let input = serde_json::from_slice(&request.body)
                .map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))?;
            Ok((name.to_owned(), input))
        }
        _ => Err(unknown(target)),
    }
}

/// The error for an operation that the mock does not know.
pub(crate) fn unknown(target: &str) -> Refusal {
    Refusal::new(400, "UnknownOperationException", format!("{target} is not known here"))
}

/// The answer of an operation, in version 1.0.
pub(crate) fn answer(output: &Value) -> Response {
    Response::new(200, MEDIA_TYPE, output.to_string())
}

/// An error, in version 1.0, with that prefix of its code.
pub(crate) fn refuse(refusal: &Refusal, prefix: &str) -> Response {
    let mut body = Map::from_iter(refusal.details.clone());
    body.insert("__type".to_owned(), json!(format!("{prefix}{}", refusal.code)));
    body.insert("message".to_owned(), json!(refusal.message));
    Response::new(refusal.status, MEDIA_TYPE, Value::Object(body).to_string())
}

const MEDIA_TYPE: &str = "application/x-amz-json-1.0";
