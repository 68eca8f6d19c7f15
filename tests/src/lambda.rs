//! A stand-in for Lambda: `Invoke`, for events that a function gets later.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use serde_json::json;
use serde_json::value::RawValue;

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// A stand-in for Lambda that knows the functions it was started with, and runs none.
pub type Lambda = Service<Invoke>;

/// The protocol of [`Lambda`].
pub struct Invoke {
    functions: Vec<String>,
    when_invoked: Box<dyn Fn(usize) + Send + Sync>,
}

/// An invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The ARN or name that was invoked.
    pub function: String,
    /// `Event`, `RequestResponse`.
    pub invocation_type: String,
    /// The event.
    pub payload: String,
}

impl Service<Invoke> {
    /// Listens; functions are known by the ARN they are invoked with. For every invocation that is taken the hook
    /// gets its number, before the answer goes out.
    #[must_use]
    pub fn start(functions: &[&str], when_invoked: impl Fn(usize) + Send + Sync + 'static) -> Self {
        let functions = functions.iter().map(|&function| function.to_owned()).collect();
        Self::serve(Invoke { functions, when_invoked: Box::new(when_invoked) }, None)
    }
}

impl Protocol for Invoke {
    type Body = Invocation;

    const SIGNING_NAME: &'static str = "lambda";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_LAMBDA";

    fn parse(&self, request: &Request) -> Result<Invocation, Refusal> {
        let path: Vec<_> = request.target.trim_start_matches('/').split('/').collect();
        let ("POST", ["2015-03-31", "functions", function, "invocations"]) =
            (request.method.as_str(), path.as_slice())
        else {
            return Err(Refusal::new(404, "UnknownOperationException", "only Invoke is known"));
        };
        Ok(Invocation {
            function: function.replace("%3A", ":").replace("%24", "$"),
            invocation_type: request.header("x-amz-invocation-type").unwrap_or_default().to_owned(),
            payload: String::from_utf8(request.body.clone())
                .map_err(|_| Refusal::new(400, "InvalidRequestContentException", "not UTF-8"))?,
        })
    }

    fn accept(&self, invocation: &Invocation, number: usize) -> Result<Response, Refusal> {
        if !self.functions.contains(&invocation.function) {
            let message = format!("Function not found: {}", invocation.function);
            return Err(Refusal::new(404, "ResourceNotFoundException", message));
        }
        if serde_json::from_str::<&RawValue>(&invocation.payload).is_err() {
            let message = format!("Could not parse request body into json: {}", invocation.payload);
            return Err(Refusal::new(400, "InvalidRequestContentException", message));
        }
        (self.when_invoked)(number);
        Ok(Response::new(202, "application/json", ""))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body = json!({ "Type": "User", "message": refusal.message });
        Response::new(refusal.status, "application/json", body.to_string())
            .with("x-amzn-ErrorType", refusal.code.clone())
    }
}
