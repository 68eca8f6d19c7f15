//! Dry runs of the senders: whether a function knows them, and what it answers (`crates/sender/src/dry_run.rs`).

use serde::Deserialize;
use shared::trigger::Trigger;

use crate::aws::AwsError;
use crate::aws::lambda::Functions;
use crate::event::{EventOverrides, Kind, set_dry_run};

/// What a dry run found out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Findings {
    pub(crate) would_send: bool,
    pub(crate) error_type: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message_kind: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) overridden: Option<bool>,
    pub(crate) template_problems: Vec<String>,
    pub(crate) message: Option<Message>,
}

/// A message that was written, and its way.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Message {
    /// The address that e-mails come from; what SMS come from, if it is not the service that chooses.
    pub(crate) from: Option<String>,
    /// Of an email.
    pub(crate) routes: Vec<Route>,
    /// Of an email.
    pub(crate) text_characters: usize,
    /// Of an SMS.
    pub(crate) characters: usize,
    /// SMS that the text takes; none of an email.
    pub(crate) parts: Option<usize>,
}

/// Where SES is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Route {
    pub(crate) region: String,
    pub(crate) configuration_set: Option<String>,
}

impl Findings {
    /// Reads the answer of a dry run; `None` where it is none.
    pub(crate) fn read(payload: &str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            dry_run: Findings,
        }
        serde_json::from_str(payload).ok().map(|answer: Answer| answer.dry_run)
    }
}

/// Whether a sender answers to dry runs, asked with an event that carries neither a code nor an address: a version
/// that knows no dry run gives it back and sends nothing. Otherwise what is wrong, as a sentence.
///
/// # Errors
/// When Lambda does not run the function.
pub(crate) async fn knows_dry_runs(
    functions: &Functions,
    function: &str,
    role: Trigger,
) -> Result<Result<(), String>, AwsError> {
    let Some(kind) = Kind::of(role, "account-take-over-notification") else { return Ok(Ok(())) };
    let mut event = EventOverrides::default().event(kind);
    set_dry_run(&mut event, true);
    let answer = functions.invoke(function, &event.to_string(), true).await?;
    Ok(match (&answer.failure, Findings::read(&answer.payload)) {
        (Some(failure), _) => Err(format!("the function does not work: {failure}")),
        (None, Some(_)) => Ok(()),
        (None, None) => {
            Err("the function is none of the senders, or of a version that knows no dry run and would \
                             send: deploy this version"
                .to_owned())
        }
    })
}
