//! The one log entry with which a sender ends each invocation.

use std::time::SystemTime;

use serde_json::Value;
use shared::outcome::{FailureClass, Outcome};
use shared::trigger::MessageKind;

use super::invocation_end::InvocationEnd;
use super::old_lines;
use crate::aws::logs::Line;
use crate::record::harmless;

/// One log entry about the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogEntry {
    pub(super) time: SystemTime,
    pub(super) kind: Option<&'static str>,
    pub(super) end: InvocationEnd,
}

impl LogEntry {
    /// Reads a line; `None` if it isn't about that recipient or isn't the final entry of an invocation.
    pub(super) fn read(line: &Line, hash: &str) -> Option<Self> {
        let fields: Value = serde_json::from_str(&line.text).ok()?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        (text("recipient.hash")? == hash).then_some(())?;
        let kind = text("message.kind")
            .and_then(|kind| MessageKind::ALL.into_iter().map(MessageKind::name).find(|name| *name == kind));
        let message_id = text("message.id").filter(|id| is_message_id(id)).map(str::to_owned);
        let class = text("error.class").and_then(|class| class.parse().ok());
        let end = match text("outcome") {
            Some(outcome) => end(outcome.parse().ok()?, text("outcome.reason"), class, message_id)?,
            None => old_lines::end(text("message")?, class, message_id)?,
        };
        Some(Self { time: line.time, kind, end })
    }
}

/// The result for the user; `None` if the outcome is not about a message.
fn end(
    outcome: Outcome,
    reason: Option<&str>,
    class: Option<FailureClass>,
    message_id: Option<String>,
) -> Option<InvocationEnd> {
    let reason = || reason.map_or_else(|| "see the log for the reason".to_owned(), harmless);
    Some(match outcome {
        Outcome::Sent => InvocationEnd::Sent(message_id),
        Outcome::Duplicate => InvocationEnd::Duplicate,
        Outcome::InProgress => InvocationEnd::InProgress,
        Outcome::Expired => InvocationEnd::Expired,
        Outcome::Blocked | Outcome::SmsLimit | Outcome::Recipient | Outcome::Malformed => {
            InvocationEnd::NotSent(reason())
        }
        Outcome::Failed => InvocationEnd::Failed(class.unwrap_or(FailureClass::Configuration), reason()),
        Outcome::NothingToSend
        | Outcome::DryRun
        | Outcome::SignUpConfirmed
        | Outcome::SignUpPassedOn
        | Outcome::SignUpUnchanged
        | Outcome::SignUpRefused
        | Outcome::MessageWritten
        | Outcome::MessageUnchanged
        | Outcome::RequestSucceeded
        | Outcome::RequestFailed
        | Outcome::Unanswered
        | Outcome::NotStarted
        | Outcome::Panicked => return None,
    })
}

/// Ids of SES, SNS and End User Messaging are letters, digits and hyphens.
fn is_message_id(text: &str) -> bool {
    (8..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &Value, expected: Option<&InvocationEnd>) {
        let line = Line { time: std::time::UNIX_EPOCH, text: fields.to_string() };
        assert_eq!(LogEntry::read(&line, "h").map(|entry| entry.end).as_ref(), expected, "{fields}");
    }

    #[test]
    fn the_outcome_decides_and_not_the_sentence() {
        let line = |outcome: &str, reason: &str| {
            serde_json::json!({
                "recipient.hash": "h",
                "message": "any sentence",
                "outcome": outcome,
                "outcome.reason": reason,
                "error.class": "transient",
            })
        };
        check(&line("sent", ""), Some(&InvocationEnd::Sent(None)));
        check(&line("duplicate", ""), Some(&InvocationEnd::Duplicate));
        check(&line("in-progress", ""), Some(&InvocationEnd::InProgress));
        check(&line("expired", ""), Some(&InvocationEnd::Expired));
        check(&line("sms-limit", "the limit"), Some(&InvocationEnd::NotSent("the limit".to_owned())));
        let failed = InvocationEnd::Failed(FailureClass::Transient, "throttled".to_owned());
        check(&line("failed", "throttled"), Some(&failed));
        check(&line("dry-run", ""), None);
        check(&line("a word of a later version", ""), None);
        // A reason never shows a person, whatever the function logged.
        let hidden = LogEntry::read(
            &Line { time: std::time::UNIX_EPOCH, text: line("blocked", "ann@example.com").to_string() },
            "h",
        );
        assert!(!format!("{hidden:?}").contains("ann@"), "{hidden:?}");
    }

    #[test]
    fn only_what_looks_like_a_message_id_is_shown() {
        assert!(is_message_id("0102018c-aaaa-bbbb-cccc-000000"));
        for text in ["", "ann@example.com", "+12065550123", "a b c d e f g h"] {
            assert!(!is_message_id(text), "{text}");
        }
    }
}
