//! Lambda: invokes functions, and reads their settings.

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
use shared::arn::function_name;
use shared::settings::more;

use crate::aws::{Aws, AwsError, Call, Kind};
use crate::terminal::output::plain;

/// Lambda in one Region.
pub(crate) struct Functions {
    client: aws_sdk_lambda::Client,
    region: String,
}

/// The result of a synchronous invocation.
pub(crate) struct InvocationResponse {
    /// The function's response as JSON, or a [`FunctionError`] if it failed.
    pub(crate) payload: String,
    pub(crate) function_error: Option<FunctionError>,
    /// The last 4 KB of the log.
    pub(crate) log: String,
}

/// Why a function failed, as Lambda reports it.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct FunctionError {
    pub(crate) error_type: String,
    pub(crate) error_message: String,
}

impl fmt::Display for FunctionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error_type, error_message } = self;
        match error_type.as_str() {
            // The kernel's error message for a program for another processor; the type differs between Lambda's reports.
            _ if error_message.contains("exec format error") => formatter.write_str(
                "Lambda can't start it, because it is built for another processor: run `make build`, which checks the \
                 processor, and deploy again",
            ),
            "Sandbox.Timedout" => formatter.write_str("it timed out"),
            "Runtime.ExitError" => {
                formatter.write_str("its process exited, usually because of an invalid setting (see its log)")
            }
            // Some of Lambda's own error reports have no type.
            "" if error_message.contains("Task timed out") => formatter.write_str("it timed out"),
            "" if error_message.is_empty() => formatter.write_str("it failed without an error type"),
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

    /// Queues an event for a function. Lambda responds before the function runs.
    ///
    /// If the response gets lost, the call is retried, so the function may get the event twice.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn invoke_later(&self, function_arn: &str, event: &str) -> Result<(), AwsError> {
        // Lambda's error message may quote the payload.
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

    /// Runs a function and returns its response, with the end of its log.
    ///
    /// An event that is not `repeatable` is sent only once, even if the call times out.
    ///
    /// # Errors
    /// If Lambda does not run the function. If the function fails, that is not an error of this call.
    pub(crate) async fn invoke(
        &self,
        function: &str,
        event: &str,
        repeatable: bool,
    ) -> Result<InvocationResponse, AwsError> {
        // Lambda's error message may quote the payload.
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
        let function_error =
            answer.function_error.map(|_| serde_json::from_str(&payload).unwrap_or_default());
        Ok(InvocationResponse { payload, function_error, log })
    }

    /// The environment variables of a deployed function.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html>
    ///
    /// # Errors
    /// If there is no such function, if the call fails, or if the variables are encrypted with a key that these
    /// credentials can't use.
    pub(crate) async fn variables(&self, function_arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        self.configuration(function_arn).await?.variables
    }
}

/// Changes to a function's policy, if the operator agrees.
impl Functions {
    /// Allows one user pool to invoke a function.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn allow_invoke(
        &self,
        function_arn: &str,
        statement_id: &str,
        pool_arn: &str,
        account: &str,
    ) -> Result<(), AwsError> {
        let action = "lambda:AddPermission";
        let call = Call { service: "Lambda", action, region: &self.region, quotes: false };
        self.client
            .add_permission()
            .function_name(function_arn)
            .statement_id(statement_id)
            .action("lambda:InvokeFunction")
            .principal("cognito-idp.amazonaws.com")
            .source_arn(pool_arn)
            .source_account(account)
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failure(&error))
    }
}

/// The settings of a function that decide whether events reach it.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// Without a qualifier.
    pub(crate) name: String,
    /// The role that it runs as.
    pub(crate) role: Option<String>,
    /// `provided.al2023`; `None` for a container image.
    pub(crate) runtime: Option<String>,
    /// `arm64`, `x86_64`.
    pub(crate) architecture: Option<String>,
    /// `Active`, `Pending`, `Inactive`, `Failed`; `None` for old functions.
    pub(crate) state: Option<String>,
    /// Why it is not active, in Lambda's words.
    pub(crate) state_reason: Option<String>,
    /// `Successful`, `Failed`, `InProgress`.
    pub(crate) last_update: Option<String>,
    /// Why the last update failed, in Lambda's words.
    pub(crate) last_update_reason: Option<String>,
    /// Its log group.
    pub(crate) log_group: String,
    /// Its environment variables.
    pub(crate) variables: Result<BTreeMap<String, String>, AwsError>,
}

/// What Lambda does with an event of an asynchronous invocation that fails.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionEventInvokeConfig.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventInvoke {
    /// 0 to 2; 2 by default.
    pub(crate) retries: Option<i32>,
    /// 60 to 21600; 6 hours by default.
    pub(crate) seconds: Option<i32>,
    /// The ARN of the on-failure destination: queue, topic, function or bus.
    pub(crate) on_failure: Option<String>,
}

/// The calls of `doctor`.
impl Functions {
    fn asking(&self, action: &'static str) -> Call<'_> {
        Call { service: "Lambda", action, region: &self.region, quotes: false }
    }

    /// State, role, log group and variables of a function. An ARN with a qualifier asks for that version or alias.
    ///
    /// # Errors
    /// If there is no such function ([`Kind::NotFound`]), or if the call fails.
    pub(crate) async fn configuration(&self, function_arn: &str) -> Result<Configuration, AwsError> {
        let answer = self
            .client
            .get_function_configuration()
            .function_name(function_arn)
            .send()
            .await
            .map_err(|error| self.asking("lambda:GetFunctionConfiguration").failure(&error))?;
        let name = answer.function_name.unwrap_or_else(|| function_name(function_arn).to_owned());
        let log_group = answer.logging_config.and_then(|logging| logging.log_group);
        let environment = answer.environment;
        let variables = if let Some(error) =
            environment.as_ref().and_then(aws_sdk_lambda::types::EnvironmentResponse::error)
        {
            let code = plain(error.error_code().unwrap_or("no reason"));
            let text =
                format!("Lambda cannot read the variables of {function_arn} for these credentials: {code}");
            Err(AwsError::new(Kind::Other, text))
        } else {
            let variables = environment.and_then(|environment| environment.variables);
            let mut variables = variables.unwrap_or_default().into_iter().collect();
            more::expand(&mut variables);
            Ok(variables)
        };
        Ok(Configuration {
            log_group: log_group.unwrap_or_else(|| format!("/aws/lambda/{name}")),
            name,
            role: answer.role,
            runtime: answer.runtime.map(|runtime| runtime.to_string()),
            architecture: answer.architectures.and_then(|all| Some(all.first()?.to_string())),
            state: answer.state.map(|state| state.to_string()),
            state_reason: answer.state_reason.as_deref().map(plain),
            last_update: answer.last_update_status.map(|status| status.to_string()),
            last_update_reason: answer.last_update_status_reason.as_deref().map(plain),
            variables,
        })
    }

    /// The function's resource-based policy, a JSON document; `None` if it has none. A version or alias has its own
    /// policy.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html>
    ///
    /// # Errors
    /// If the call fails. A function that does not exist has no policy either.
    pub(crate) async fn policy(&self, function_arn: &str) -> Result<Option<String>, AwsError> {
        let answer = self.client.get_policy().function_name(function_arn).send().await;
        match answer.map_err(|error| self.asking("lambda:GetPolicy").failure(&error)) {
            Ok(answer) => Ok(answer.policy),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The reserved concurrency of the function, which is also its maximum; `None` if it uses the unreserved
    /// concurrency of the account.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn reserved_concurrency(&self, function_arn: &str) -> Result<Option<i32>, AwsError> {
        let answer =
            self.client.get_function_concurrency().function_name(function_name(function_arn)).send().await;
        answer
            .map(|answer| answer.reserved_concurrent_executions)
            .map_err(|error| self.asking("lambda:GetFunctionConcurrency").failure(&error))
    }

    /// The settings for events that fail; `None` if Lambda's defaults apply.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn event_invoke(&self, function_arn: &str) -> Result<Option<EventInvoke>, AwsError> {
        let answer = self.client.get_function_event_invoke_config().function_name(function_arn).send().await;
        match answer.map_err(|error| self.asking("lambda:GetFunctionEventInvokeConfig").failure(&error)) {
            Ok(answer) => Ok(Some(EventInvoke {
                retries: answer.maximum_retry_attempts,
                seconds: answer.maximum_event_age_in_seconds,
                on_failure: answer
                    .destination_config
                    .and_then(|destinations| destinations.on_failure?.destination)
                    .filter(|destination| !destination.is_empty()),
            })),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(report: &str, expected: &str) {
        let error: FunctionError = serde_json::from_str(report).unwrap_or_default();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_failure_is_said_in_plain_words() {
        check(r#"{"errorType":"SignUpRefused","errorMessage":"No.","stackTrace":[]}"#, "SignUpRefused: No.");
        check(r#"{"errorType":"Sandbox.Timedout"}"#, "it timed out");
        check(
            r#"{"errorMessage":"2026-11-22T10:00:00Z 1 Task timed out after 5.00 seconds"}"#,
            "it timed out",
        );
        check(
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error"}"#,
            "its process exited, usually because of an invalid setting (see its log)",
        );
        check(
            r#"{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: 1 Error: fork/exec /var/task/bootstrap: exec format error"}"#,
            "Lambda can't start it, because it is built for another processor: run `make build`, which checks the \
             processor, and deploy again",
        );
        check("nonsense", "it failed without an error type");
    }
}
