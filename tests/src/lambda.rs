//! A stand-in for Lambda: `Invoke`, for events that a function gets later, and `GetFunctionConfiguration`.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// A stand-in for Lambda that knows the functions it was started with, and runs none.
pub type Lambda = Service<Functions>;

/// The protocol of [`Lambda`].
pub struct Functions {
    /// What is told of the environment of each, by its ARN.
    environments: BTreeMap<String, Value>,
    when_invoked: Box<dyn Fn(usize) + Send + Sync>,
}

/// What is asked of Lambda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `Invoke`.
    Invoke(Invocation),
    /// `GetFunctionConfiguration` of this function.
    GetFunctionConfiguration(String),
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

impl Service<Functions> {
    /// Listens; functions are known by the ARN they are invoked with. For every invocation that is taken the hook
    /// gets its number, before the answer goes out.
    #[must_use]
    pub fn start(functions: &[&str], when_invoked: impl Fn(usize) + Send + Sync + 'static) -> Self {
        let environments = functions.iter().map(|&function| (function.to_owned(), Value::Null)).collect();
        Self::serve(Functions { environments, when_invoked: Box::new(when_invoked) }, None)
    }

    /// Listens; functions are known by their ARN, and have this `Environment`, null for none.
    #[must_use]
    pub fn with_environments(functions: &[(&str, Value)]) -> Self {
        let owned = |(function, environment): &(&str, Value)| ((*function).to_owned(), environment.clone());
        let environments = functions.iter().map(owned).collect();
        Self::serve(Functions { environments, when_invoked: Box::new(|_| {}) }, None)
    }
}

impl Functions {
    fn environment(&self, function: &str) -> Result<&Value, Refusal> {
        let missing =
            || Refusal::new(404, "ResourceNotFoundException", format!("Function not found: {function}"));
        self.environments.get(function).ok_or_else(missing)
    }
}

impl Protocol for Functions {
    type Body = Operation;

    const SIGNING_NAME: &'static str = "lambda";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_LAMBDA";

    fn parse(&self, request: &Request) -> Result<Operation, Refusal> {
        let path: Vec<_> = request.target.trim_start_matches('/').split('/').collect();
        let decoded = |function: &str| function.replace("%3A", ":").replace("%24", "$");
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["2015-03-31", "functions", function, "invocations"]) => {
                Ok(Operation::Invoke(Invocation {
                    function: decoded(function),
                    invocation_type: request.header("x-amz-invocation-type").unwrap_or_default().to_owned(),
                    payload: String::from_utf8(request.body.clone())
                        .map_err(|_| Refusal::new(400, "InvalidRequestContentException", "not UTF-8"))?,
                }))
            }
            ("GET", ["2015-03-31", "functions", function, "configuration"]) => {
                Ok(Operation::GetFunctionConfiguration(decoded(function)))
            }
            _ => Err(Refusal::new(404, "UnknownOperationException", "that operation is not known here")),
        }
    }

    fn accept(&self, operation: &Operation, number: usize) -> Result<Response, Refusal> {
        match operation {
            Operation::Invoke(invocation) => {
                self.environment(&invocation.function)?;
                if serde_json::from_str::<&RawValue>(&invocation.payload).is_err() {
                    let message = format!("Could not parse request body into json: {}", invocation.payload);
                    return Err(Refusal::new(400, "InvalidRequestContentException", message));
                }
                (self.when_invoked)(number);
                Ok(Response::new(202, "application/json", ""))
            }
            Operation::GetFunctionConfiguration(function) => {
                // Without variables Lambda leaves the member out; null means the same.
                let environment = self.environment(function)?;
                let body = json!({ "FunctionArn": function, "State": "Active", "Environment": environment });
                Ok(Response::new(200, "application/json", body.to_string()))
            }
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body = json!({ "Type": "User", "message": refusal.message });
        Response::new(refusal.status, "application/json", body.to_string())
            .with("x-amzn-ErrorType", refusal.code.clone())
    }
}
