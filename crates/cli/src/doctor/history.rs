//! What happened to this user's messages: failed events, log entries about the user, errors, Cognito's own log.
//!
//! Nothing from a log or an event is shown except the words and sentences of this project's functions.

mod errors;
mod failed_events;
mod invocation_end;
mod log_delivery;
mod log_entry;
mod messages;
mod old_lines;
mod recipient_log;
mod sign_up;

use super::finding::Finding;
use super::subject::Subject;
use crate::aws::logs::Logs;

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
