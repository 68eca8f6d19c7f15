//! How an invocation ends that did not send: what Lambda is told, and the one line in the log.
//!
//! Error types are stable names, because alarms and queries rely on them.

use runtime::Failure;
use shared::event::EventError;
use shared::message::RenderError;
use shared::recipient::RecipientHash;

use crate::delivery::CallFailure;
use crate::job::{Job, Reason};
use crate::kms::DecryptError;

/// The event lacks what the message needs.
#[must_use]
pub fn malformed(id: &str, error: &EventError) -> Failure {
    let message = format!("malformed event: {error}");
    tracing::error!(invocation.id = id, "{message}");
    Failure { error_type: "MalformedEvent", message }
}

/// The code could not be decrypted.
#[must_use]
pub fn decryption(id: &str, job: &Job, recipient: RecipientHash, error: &DecryptError) -> Failure {
    let class = error.class().name();
    not_sent(id, job, recipient, "DecryptionFailed", class, error.to_string())
}

/// The service did not take the message.
#[must_use]
pub fn sending(id: &str, job: &Job, recipient: RecipientHash, error: &CallFailure) -> Failure {
    not_sent(id, job, recipient, "SendFailed", error.class.name(), error.to_string())
}

/// A built-in template did not render, which tests rule out.
#[must_use]
pub fn rendering(id: &str, job: &Job, error: &RenderError) -> Failure {
    let message = error.to_string();
    tracing::error!(invocation.id = id, trigger.source = job.trigger_source, "{message}");
    Failure { error_type: "RenderFailed", message }
}

fn not_sent(
    id: &str,
    job: &Job,
    recipient: RecipientHash,
    error_type: &'static str,
    class: &str,
    message: String,
) -> Failure {
    tracing::error!(
        invocation.id = id,
        trigger.source = job.trigger_source,
        message.kind = job.kind.name(),
        recipient.hash = %recipient,
        error.r#type = error_type,
        error.class = class,
        "did not send a message: {message}"
    );
    Failure { error_type, message }
}

/// Says why there was nothing to send.
pub fn log_nothing(id: &str, reason: &Reason) {
    match reason {
        Reason::UnknownSource(source) => tracing::warn!(
            invocation.id = id,
            trigger.source = %source.escape_debug(),
            "unknown trigger source, nothing is sent"
        ),
        Reason::AccountTakeOver(event_id) => tracing::warn!(
            invocation.id = id,
            security.event_id = event_id.as_deref().filter(|text| is_id(text)),
            "threat protection reports a risky sign-in; the event carries no address, so nobody is written to"
        ),
        Reason::NoPassword => tracing::warn!(
            invocation.id = id,
            "the user was created without a password, so there is no invitation to send"
        ),
    }
}

/// An event id is a UUID: only what looks like one is logged, since the event holds tokens and links as well.
fn is_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
