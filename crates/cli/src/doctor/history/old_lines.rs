//! Reads log entries of version 0.1.0 and earlier, which have sentences and no field `outcome`.
//!
//! The sentences of those versions don't change any more; doctor shows them with its own spelling of "email".
//! Remove this file one release after the field `outcome`.

use shared::outcome::FailureClass;

use super::invocation_end::InvocationEnd;
use crate::record::harmless;

/// The beginning of each entry about a message that wasn't sent.
const NOT_SENT: &str = "did not send a message: ";

/// The beginnings of the reasons that hold no personal data.
const REASONS: [&str; 18] = [
    "the e-mail domain is on DENIED_EMAIL_DOMAINS",
    "the e-mail domain is on the disposable-mail list of ",
    "the attribute `email` is not one plain address",
    "the attribute `phone_number` is not a number in E.164 form",
    "the number is in ",
    "the number's country ",
    "the limit of SMS_",
    "the SMS guard cannot count",
    "the event's `request.code` ",
    "the code is encrypted under another key",
    "the code was encrypted for another user pool",
    "the code's encryption context names no user pool",
    "SES did not take the message: ",
    "SNS did not take the message: ",
    "End User Messaging did not take the message: ",
    "KMS did not decrypt the code: ",
    "KMS decrypted with another key",
    "DynamoDB did not keep the record: ",
];

/// How the invocation ended; `None` if the sentence isn't the final entry of an invocation.
pub(super) fn end(
    message: &str,
    class: Option<FailureClass>,
    message_id: Option<String>,
) -> Option<InvocationEnd> {
    if message == "sent an e-mail" || message == "sent an SMS" {
        return Some(InvocationEnd::Sent(message_id));
    }
    let reason = message.strip_prefix(NOT_SENT)?;
    Some(match reason {
        "it was dealt with by an earlier invocation" => InvocationEnd::Duplicate,
        "another invocation is sending it" => InvocationEnd::InProgress,
        "its code is no longer valid" => InvocationEnd::Expired,
        _ => match class {
            Some(class) => InvocationEnd::Failed(class, known(reason)),
            None => InvocationEnd::NotSent(known(reason)),
        },
    })
}

/// A reason, if it is one of those sentences.
fn known(reason: &str) -> String {
    if REASONS.iter().any(|beginning| reason.starts_with(beginning)) {
        return in_doctors_spelling(&harmless(reason));
    }
    "see the log for the reason".to_owned()
}

/// Why pre-sign-up rejected a sign-up.
const REFUSALS: [&str; 4] = [
    "refused: the e-mail domain is on DENIED_EMAIL_DOMAINS",
    "refused: the e-mail domain is on the disposable-mail list",
    "refused: the e-mail address cannot be read, and DENIED_EMAIL_DOMAINS or DENY_DISPOSABLE_EMAIL is set",
    "refused: SIGN_UP_MODE is closed and the e-mail domain is not on ALLOWED_EMAIL_DOMAINS",
];

/// Why pre-sign-up rejected a sign-up, without what follows the known sentence.
pub(super) fn refusal(message: &str) -> String {
    let sentence = REFUSALS.into_iter().find(|sentence| message.starts_with(sentence));
    in_doctors_spelling(sentence.unwrap_or("refused"))
}

fn in_doctors_spelling(sentence: &str) -> String {
    // With the space, because "disposable-mail" has these letters too.
    sentence.replace(" e-mail", " email")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_reasons_are_shown() {
        let hidden = "see the log for the reason";
        assert_eq!(
            known("the limit of SMS_DAILY_BUDGET_USD is reached"),
            "the limit of SMS_DAILY_BUDGET_USD is reached"
        );
        assert_eq!(
            known("the e-mail domain is on DENIED_EMAIL_DOMAINS"),
            "the email domain is on DENIED_EMAIL_DOMAINS"
        );
        assert_eq!(known("ann@example.com"), hidden);
        assert_eq!(known(""), hidden);
        for person in ["ann@example.com", "+12065550123"] {
            assert!(!known(&format!("SES did not take the message: {person}")).contains(person));
        }
    }

    #[test]
    fn only_known_refusals_are_shown() {
        for sentence in REFUSALS {
            assert_eq!(refusal(sentence), sentence.replace(" e-mail", " email"));
        }
        assert_eq!(
            refusal(&format!("{} of 2026-11-09", REFUSALS[1])),
            "refused: the email domain is on the disposable-mail list"
        );
        assert_eq!(refusal("ann@example.com"), "refused");
    }
}
