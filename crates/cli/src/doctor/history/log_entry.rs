//! The one log entry with which a sender ends each invocation.

use std::time::SystemTime;

use serde_json::Value;
use shared::trigger::MessageKind;

use super::old_lines;
use crate::logs::Line;

/// How an invocation for the user ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InvocationEnd {
    /// With the provider's id of the message.
    Sent(Option<String>),
    Duplicate,
    InProgress,
    Expired,
    /// Because of a setting or the recipient; the reason.
    NotSent(String),
    /// With the class of the failure and the reason.
    Failed(&'static str, String),
}

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
        let end = old_lines::end(text("message")?, text("error.class"), message_id)?;
        Some(Self { time: line.time, kind, end })
    }
}

/// Ids of SES, SNS and End User Messaging are letters, digits and hyphens.
fn is_message_id(text: &str) -> bool {
    (8..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_message_id_is_shown() {
        assert!(is_message_id("0102018c-aaaa-bbbb-cccc-000000"));
        for text in ["", "ann@example.com", "+12065550123", "a b c d e f g h"] {
            assert!(!is_message_id(text), "{text}");
        }
    }
}
