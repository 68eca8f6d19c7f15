//! The words that the functions log when an invocation ends: the contract between the functions and the tool.
//!
//! Every function ends an invocation with one log line. These fields of that line are stable:
//!
//! | Field | Value |
//! |---|---|
//! | `outcome` | an [`Outcome`] |
//! | `outcome.reason` | one sentence that explains why no message was sent, for people |
//! | `error.type` | an [`ErrorType`], only on failure; Lambda reports the same name as `errorType` |
//! | `error.class` | a [`FailureClass`], only if the outcome is [`Outcome::Failed`] |
//!
//! All sentences, `message` and `outcome.reason` included, are for people and may change in any version. A program
//! reads the words above.

use std::fmt;
use std::str::FromStr;

/// An unknown word, from a newer version or another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

/// Gives an enum its words: `ALL`, `name`, `Display` and `FromStr`.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownWord),
                }
            }
        }
    };
}

words! {
    /// How an invocation ended, logged as `outcome`.
    ///
    /// *Retried* means that Lambda invokes the function again with the same event, twice at most, and then sends the
    /// event to the on-failure destination. Lambda retries only asynchronous invocations, which are those of the
    /// senders.
    Outcome {
        /// A sender: the provider accepted the message. The user gets it, unless it is lost after that. Not retried.
        Sent = "sent",
        /// A sender: an earlier invocation sent the message or settled it otherwise. This invocation sent nothing.
        /// Not retried.
        Duplicate = "duplicate",
        /// A sender: the code was no longer valid. The user gets no message. Not retried.
        Expired = "expired",
        /// A sender: a setting forbids the message, or the recipient's attribute is not an address or number. The
        /// user gets no message. Not retried.
        Blocked = "blocked",
        /// The SMS sender: an SMS limit is reached. The user gets no message. Not retried.
        SmsLimit = "sms-limit",
        /// A sender: the provider rejected the recipient. The user gets no message. Not retried.
        Recipient = "recipient",
        /// A sender: the event asks for no message. Not retried.
        NothingToSend = "nothing-to-send",
        /// A dry run: nothing was sent, whatever the result without a dry run. Not retried.
        DryRun = "dry-run",
        /// A sender: another invocation is sending this message. This invocation sent nothing. Retried.
        InProgress = "in-progress",
        /// The event lacks a field that the function needs. A sender sends no message and Lambda retries; pre-sign-up
        /// rejects the sign-up; custom-message leaves the message to Cognito.
        Malformed = "malformed",
        /// A sender: the message was not sent. With the class [`FailureClass::Ambiguous`] it may have been sent
        /// nevertheless. Retried.
        Failed = "failed",
        /// Pre-sign-up: the user is confirmed and gets no code.
        SignUpConfirmed = "sign-up-confirmed",
        /// Pre-sign-up: the user may sign up and gets Cognito's code.
        SignUpPassedOn = "sign-up-passed-on",
        /// Pre-sign-up: the function doesn't decide about this user, who was created by an administrator or comes
        /// from an identity provider, or doesn't know the trigger source.
        SignUpUnchanged = "sign-up-unchanged",
        /// Pre-sign-up: the sign-up is rejected. The user reads the text of `REFUSAL_MESSAGE` and gets no message.
        SignUpRefused = "sign-up-refused",
        /// Custom-message: Cognito sends the message with the function's text.
        MessageWritten = "message-written",
        /// Custom-message: Cognito sends the message with its own text.
        MessageUnchanged = "message-unchanged",
        /// Attach: the request succeeded, and CloudFormation received the response.
        RequestSucceeded = "request-succeeded",
        /// Attach: the request failed, and CloudFormation received the reason.
        RequestFailed = "request-failed",
        /// Attach: CloudFormation received no response. Retried.
        Unanswered = "unanswered",
        /// Every function: a setting is invalid, so the process ended before its first event. The user gets no
        /// message. Retried.
        NotStarted = "not-started",
        /// Every function: a bug ended the process. A sender may have sent the message. Retried.
        Panicked = "panicked",
    }
}

words! {
    /// Why an invocation failed, logged as `error.type` and reported to Lambda as `errorType`.
    ErrorType {
        /// The code could not be decrypted.
        DecryptionFailed = "DecryptionFailed",
        /// Another invocation is sending this message.
        DeliveryInProgress = "DeliveryInProgress",
        /// The SMS limits can't be counted, and the process has sent as many SMS as it may without counting.
        GuardUnavailable = "GuardUnavailable",
        /// The event lacks a field that the function needs, or the field has the wrong type.
        MalformedEvent = "MalformedEvent",
        /// A built-in template could not be rendered, which is a bug.
        RenderFailed = "RenderFailed",
        /// The provider didn't accept the message, or its response was lost.
        SendFailed = "SendFailed",
        /// Pre-sign-up rejected the sign-up.
        SignUpRefused = "SignUpRefused",
        /// Attach: the request has no URL for the response.
        Malformed = "Malformed",
        /// Attach: the response did not reach CloudFormation.
        Unanswered = "Unanswered",
        /// Attach: the request failed. The response to CloudFormation has the reason.
        RequestFailed = "RequestFailed",
        /// A setting is invalid.
        InvalidConfiguration = "InvalidConfiguration",
        /// A bug ended the process.
        Panic = "Panic",
    }
}

impl ErrorType {
    /// Whether the senders report it. Their error messages hold no personal data, so a program may show them.
    #[must_use]
    pub const fn is_of_sender(self) -> bool {
        match self {
            Self::DecryptionFailed
            | Self::DeliveryInProgress
            | Self::GuardUnavailable
            | Self::MalformedEvent
            | Self::RenderFailed
            | Self::SendFailed => true,
            Self::SignUpRefused
            | Self::Malformed
            | Self::Unanswered
            | Self::RequestFailed
            | Self::InvalidConfiguration
            | Self::Panic => false,
        }
    }
}

words! {
    /// What caused a failure, logged as `error.class`. It decides what happens to the event.
    FailureClass {
        /// The service did nothing, and a retry will probably succeed: the sender retries, and then Lambda does.
        Transient = "transient",
        /// The recipient can't be reached, and no retry changes that, so the invocation succeeds.
        Recipient = "recipient",
        /// A setting, a permission or the account is wrong: the invocation fails, so that the event is kept until
        /// that is fixed.
        Configuration = "configuration",
        /// The service may have done what it was called for, but its response was lost.
        Ambiguous = "ambiguous",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[track_caller]
    fn check<T: FromStr<Err = UnknownWord> + Copy + Eq + fmt::Debug>(all: &[T], name: fn(T) -> &'static str) {
        for value in all {
            assert_eq!(name(*value).parse(), Ok(*value));
        }
        let names: BTreeSet<_> = all.iter().map(|value| name(*value)).collect();
        assert_eq!(names.len(), all.len(), "each word has one meaning");
        assert_eq!("another word".parse::<T>(), Err(UnknownWord));
    }

    #[test]
    fn every_word_is_read_back_and_is_unique() {
        check(Outcome::ALL, Outcome::name);
        check(ErrorType::ALL, ErrorType::name);
        check(FailureClass::ALL, FailureClass::name);
    }
}
