//! Searches a function's log for a recipient, who is in it under a keyed hash.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use shared::recipient::RecipientHasher;
use shared::trigger::Trigger;

use crate::aws::AwsError;
use crate::aws::logs::{Line, Logs};
use crate::doctor::subject::Subject;

/// The number of log entries that is enough to show what happened.
pub(super) const MAX_LINES: usize = 20;

/// The format of CloudWatch Logs, to the second.
pub(super) fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = DateTime::from_secs(i64::try_from(seconds).unwrap_or_default());
    time.fmt(Format::DateTime).unwrap_or_default()
}

/// The hash under which a function logs a recipient; `None` if its key can't be read.
pub(super) fn recipient_hash(subject: &Subject<'_>, trigger: Trigger, recipient: &str) -> Option<String> {
    // The functions ignore white space around the variable too.
    let key = subject.setting(trigger, "RECIPIENT_HASH_KEY")?.trim();
    (!key.is_empty()).then(|| RecipientHasher::new(key.as_bytes()).hash(recipient).to_string())
}

/// The latest log entries with the hash of the recipient.
pub(super) async fn lines_about(
    subject: &Subject<'_>,
    logs: &Logs,
    group: &str,
    hash: &str,
) -> Result<Vec<Line>, AwsError> {
    let since = SystemTime::now() - Duration::from_hours(subject.hours.into());
    subject.progress.of(logs.latest(group, &format!("\"{hash}\""), since, MAX_LINES)).await
}
