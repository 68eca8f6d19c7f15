//! Lambda: hands events to functions, and tells their settings.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::aws::{Aws, AwsError, Call, Kind};
use crate::output::plain;

/// Lambda in one Region.
pub(crate) struct Functions {
    client: aws_sdk_lambda::Client,
    region: String,
}

/// What came of an invocation.
pub(crate) struct Answer {
    /// JSON, what the function answered; of a failure its report.
    pub(crate) payload: String,
    pub(crate) failure: Option<Failure>,
    /// The last 4 KB of the log.
    pub(crate) log: String,
}

/// Why a function failed, as Lambda reports it.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) error_type: String,
    pub(crate) error_message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error_type, error_message } = self;
        match error_type.as_str() {
            "Sandbox.Timedout" => formatter.write_str("its time was up before it answered"),
            "Runtime.ExitError" => formatter.write_str(
                "its process ended, mostly because of a setting that it does not start with; its log says which",
            ),
            // Some of Lambda's own reports have no type.
            "" if error_message.contains("Task timed out") => {
                formatter.write_str("its time was up before it answered")
            }
            "" if error_message.is_empty() => formatter.write_str("it failed and does not say why"),
            "" => write!(formatter, "it failed: {}", plain(error_message)),
            _ => write!(formatter, "{}: {}", plain(error_type), plain(error_message)),
        }
    }
}

/// A sender has 15 s; the rest is for a cold start.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

impl Functions {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { client: aws_sdk_lambda::Client::new(aws.config()), region: aws.region().to_owned() }
    }

    /// Queues an event for a function; Lambda answers before the function runs.
    ///
    /// A call whose answer got lost is tried again, so the function may get the event twice.
    ///
    /// # Errors
    /// When Lambda does not say that it took the event.
    pub(crate) async fn invoke_later(&self, function_arn: &str, event: &str) -> Result<(), AwsError> {
        // Lambda quotes a payload that it cannot read.
        let call =
            Call { service: "Lambda", action: "lambda:InvokeFunction", region: &self.region, quotes: true };
        self.client
            .invoke()
            .function_name(function_arn)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event))
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failure(&error))
    }

    /// Runs a function and waits for its answer, with the end of its log.
    ///
    /// Where the event is not `repeatable` it is handed over once, even if no answer comes.
    ///
    /// # Errors
    /// When Lambda does not run the function; that it ran and failed is an answer.
    pub(crate) async fn invoke(
        &self,
        function: &str,
        event: &str,
        repeatable: bool,
    ) -> Result<Answer, AwsError> {
        // Lambda quotes a payload that it cannot read.
        let call =
            Call { service: "Lambda", action: "lambda:InvokeFunction", region: &self.region, quotes: true };
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ANSWER_TIMEOUT).build();
        let mut patience = aws_sdk_lambda::config::Builder::new().timeout_config(timeouts);
        if !repeatable {
            patience = patience.retry_config(RetryConfig::disabled());
        }
        let answer = self
            .client
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::RequestResponse)
            .log_type(LogType::Tail)
            .payload(Blob::new(event))
            .customize()
            .config_override(patience)
            .send()
            .await
            .map_err(|error| call.failure(&error))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let payload = answer.payload.map(|blob| text(blob.into_inner())).unwrap_or_default();
        let log = answer.log_result.and_then(|log| STANDARD.decode(log).ok()).map(text).unwrap_or_default();
        let failure = answer.function_error.map(|_| serde_json::from_str(&payload).unwrap_or_default());
        Ok(Answer { payload, failure, log })
    }

    /// The environment variables of a function as it was deployed.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html>
    ///
    /// # Errors
    /// When there is no such function, or Lambda does not tell its variables: they may be encrypted with a key that
    /// these credentials may not use.
    pub(crate) async fn variables(&self, function_arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let action = "lambda:GetFunctionConfiguration";
        let call = Call { service: "Lambda", action, region: &self.region, quotes: false };
        let answer = self
            .client
            .get_function_configuration()
            .function_name(function_arn)
            .send()
            .await
            .map_err(|error| call.failure(&error))?;
        let Some(environment) = answer.environment else { return Ok(BTreeMap::new()) };
        if let Some(error) = environment.error() {
            let code = plain(error.error_code().unwrap_or("no reason"));
            let text =
                format!("Lambda cannot read the variables of {function_arn} for these credentials: {code}");
            return Err(AwsError::new(Kind::Other, text));
        }
        Ok(environment.variables.unwrap_or_default().into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(report: &str, expected: &str) {
        let failure: Failure = serde_json::from_str(report).unwrap_or_default();
        assert_eq!(failure.to_string(), expected);
    }

    #[test]
    fn a_failure_is_said_in_plain_words() {
        check(r#"{"errorType":"SignUpRefused","errorMessage":"No.","stackTrace":[]}"#, "SignUpRefused: No.");
        check(r#"{"errorType":"Sandbox.Timedout"}"#, "its time was up before it answered");
        check(
            r#"{"errorMessage":"2026-11-22T10:00:00Z 1 Task timed out after 5.00 seconds"}"#,
            "its time was up before it answered",
        );
        check(
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error"}"#,
            "its process ended, mostly because of a setting that it does not start with; its log says which",
        );
        check("nonsense", "it failed and does not say why");
    }
}
