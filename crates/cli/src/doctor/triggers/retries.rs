//! What happens to events that a sender failed to handle.

use shared::arn::function_name;

use crate::aws::AwsError;
use crate::aws::lambda::EventInvoke;
use crate::doctor::finding::Finding;
use crate::doctor::function::{AttachedFunction, lambda_command};
use crate::doctor::registry::CheckId;

const RETRIES: CheckId = CheckId::TriggersRetries;

/// The longest validity of an MFA code, and the template's default.
const MAX_EVENT_AGE_SECONDS: i32 = 900;

/// How long Lambda retries without a setting.
const DEFAULT_EVENT_AGE_SECONDS: i32 = 21_600;

const ASYNC_PAGE: &str = "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html";

pub(super) fn findings(
    attached: AttachedFunction<'_>,
    answer: &Result<Option<EventInvoke>, AwsError>,
) -> Vec<Finding> {
    let name = function_name(attached.arn);
    let settings = match answer {
        Ok(settings) => settings.clone().unwrap_or_default(),
        Err(error) => {
            let what = format!("what happens to failed events of {name}");
            return vec![Finding::not_checked(RETRIES, &what, error)];
        }
    };
    // Without a configuration there is none to update.
    let verb = if matches!(answer, Ok(None)) { "put" } else { "update" };
    let update = |rest: &str| {
        let command = lambda_command(&format!("{verb}-function-event-invoke-config"), attached.arn);
        format!("{command} {rest}")
    };
    let mut findings = Vec::new();
    if settings.retries == Some(0) {
        findings.push(
            Finding::warning(
                RETRIES,
                format!("Lambda doesn't retry {name}: a fault of one second loses the message"),
            )
            .command(update("--maximum-retry-attempts 2")),
        );
    }
    let seconds = settings.seconds.unwrap_or(DEFAULT_EVENT_AGE_SECONDS);
    if seconds > MAX_EVENT_AGE_SECONDS {
        findings.push(
            Finding::warning(
                RETRIES,
                format!(
                    "Lambda retries {name} for up to {} minutes: MFA codes expire after at most 15, password reset \
                     codes after 60",
                    seconds / 60
                ),
            )
            .command(update("--maximum-event-age-in-seconds 900")),
        );
    }
    if settings.on_failure.is_none() {
        findings.push(
            Finding::warning(
                RETRIES,
                format!("{name} has no on-failure destination: events that fail permanently are lost"),
            )
            .advice("Deploy the stack again: its OnFailureQueue keeps them, and redrive sends them again."),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            RETRIES,
            format!(
                "Lambda retries {name} for up to {} minutes, then the event goes to the on-failure destination",
                seconds / 60
            ),
        ));
    }
    let evidence = match answer {
        Ok(None) => {
            "lambda:GetFunctionEventInvokeConfig returns no configuration, so Lambda's defaults apply"
                .to_owned()
        }
        _ => format!(
            "lambda:GetFunctionEventInvokeConfig: MaximumRetryAttempts {}, MaximumEventAgeInSeconds {}, OnFailure {}",
            settings.retries.map_or("not set".to_owned(), |retries| retries.to_string()),
            settings.seconds.map_or("not set".to_owned(), |seconds| seconds.to_string()),
            settings.on_failure.as_deref().unwrap_or("not set"),
        ),
    };
    findings.into_iter().map(|finding| finding.evidence(evidence.clone()).source(ASYNC_PAGE)).collect()
}
