//! Dry runs of the senders: the check that a function supports them, and the reader of the response.

use shared::dry_run::{DryRun, DryRunAnswer};
use shared::trigger::Trigger;

use crate::aws::AwsError;
use crate::aws::lambda::Functions;
use crate::event::{EventOverrides, Kind, set_dry_run};

/// Reads a sender's response to a dry run; `None` if it is another response.
pub(crate) fn read_answer(payload: &str) -> Option<DryRun> {
    serde_json::from_str(payload).ok().map(|answer: DryRunAnswer| answer.dry_run)
}

/// Checks that a sender supports dry runs. The event carries neither a code nor an address, so a version without dry
/// runs returns it and sends nothing.
///
/// The inner error says what is wrong with the function.
///
/// # Errors
/// If Lambda doesn't invoke the function.
pub(crate) async fn check_support(
    functions: &Functions,
    function: &str,
    trigger: Trigger,
) -> Result<Result<(), String>, AwsError> {
    let Some(kind) = Kind::of(trigger, "account-take-over-notification") else { return Ok(Ok(())) };
    let mut event = EventOverrides::default().event(kind);
    set_dry_run(&mut event, true);
    let response = functions.invoke(function, &event.to_string(), true).await?;
    Ok(match (&response.function_error, read_answer(&response.payload)) {
        (Some(failure), _) => Err(format!("the function failed: {failure}")),
        (None, Some(_)) => Ok(()),
        (None, None) => {
            Err("the function is not a sender of this project, or its version doesn't support dry runs and \
                 would send the message: deploy this version"
                .to_owned())
        }
    })
}
