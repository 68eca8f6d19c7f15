//! What happened to this user's messages: failed events, log entries about the user, errors, Cognito's own log.
//!
//! Nothing from a log or an event is shown except the words and sentences of this project's functions.

mod errors;
mod failed_events;
mod log_delivery;
mod log_entry;
mod messages;
mod old_lines;
mod sign_up;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use shared::recipient::RecipientHasher;
use shared::trigger::Trigger;

use super::finding::Finding;
use super::subject::Subject;
use crate::aws::AwsError;
use crate::aws::logs::{Line, Logs};

/// Log entries that are enough to tell what happened.
const MAX_LINES: usize = 20;

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let logs = &Logs::new(subject.aws);
    let (failed_events, messages, sign_up, errors, delivery) = tokio::join!(
        failed_events::check(subject),
        messages::check(subject, logs),
        sign_up::check(subject, logs),
        errors::check(subject, logs),
        log_delivery::check(subject),
    );
    let failed_events = failed_events.map(|events| events.finding(&messages.last_sent));
    [
        messages.findings,
        sign_up.into_iter().collect(),
        failed_events.into_iter().collect(),
        errors,
        vec![delivery],
    ]
    .concat()
}

/// In the format of CloudWatch Logs, to the second.
fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = DateTime::from_secs(i64::try_from(seconds).unwrap_or_default());
    time.fmt(Format::DateTime).unwrap_or_default()
}

/// The hash under which a function logs a recipient; `None` if its key can't be read.
fn recipient_hash(subject: &Subject<'_>, trigger: Trigger, recipient: &str) -> Option<String> {
    // The functions ignore white space around the variable too.
    let key = subject.setting(trigger, "RECIPIENT_HASH_KEY")?.trim();
    (!key.is_empty()).then(|| RecipientHasher::new(key.as_bytes()).hash(recipient).to_string())
}

/// The latest lines with the hash of the recipient.
async fn lines_about(
    subject: &Subject<'_>,
    logs: &Logs,
    group: &str,
    hash: &str,
) -> Result<Vec<Line>, AwsError> {
    let since = SystemTime::now() - Duration::from_hours(subject.hours.into());
    subject.progress.of(logs.latest(group, &format!("\"{hash}\""), since, MAX_LINES)).await
}
