//! How an invocation of a sender ended, according to its log.

use shared::outcome::FailureClass;

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
    Failed(FailureClass, String),
}
