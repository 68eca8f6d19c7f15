//! Turns a cause into a warning in circumstances that no single check sees.

use super::contact::Contact;
use super::finding::Finding;
use super::level::Level;

/// Why a problem that stops messages is not the cause of a missing code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mitigation {
    /// The sender has a second SES route that works.
    Fallback,
    /// The user's codes use this other channel, or none.
    OtherChannel { affected: Contact, used: Option<Contact> },
    /// Cognito reports it, but a function sends the messages.
    SentByFunction,
    /// The provider accepted a later message to the same user.
    DeliveredLater,
}

impl Mitigation {
    /// The text that is added to the summary.
    fn words(self) -> Option<String> {
        Some(match self {
            Self::Fallback => "the sender uses its fallback instead".to_owned(),
            Self::OtherChannel { used: Some(used), .. } => format!("this user's codes go {}", used.by()),
            Self::OtherChannel { affected, used: None } => {
                format!("this user gets no codes {}", affected.by())
            }
            Self::DeliveredLater => "a later message to this user was accepted".to_owned(),
            Self::SentByFunction => return None,
        })
    }
}

/// A cause becomes a warning. Other levels stay unchanged.
pub(super) fn mitigate(mut finding: Finding, mitigation: Mitigation) -> Finding {
    if finding.level == Level::Cause {
        finding.level = Level::Warning;
        if let Some(words) = mitigation.words() {
            finding.summary = format!("{}; {words}", finding.summary.trim_end_matches('.'));
        }
    }
    finding
}

/// A problem of one channel is a cause only if codes of this user use that channel. `used` is unknown if the user is.
pub(super) fn for_channel(finding: Finding, affected: Contact, used: Option<&[Contact]>) -> Finding {
    match used {
        Some(used) if !used.contains(&affected) => {
            mitigate(finding, Mitigation::OtherChannel { affected, used: used.first().copied() })
        }
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::registry::CheckId;

    fn judged(used: Option<&[Contact]>) -> (Level, String) {
        let finding = for_channel(Finding::cause(CheckId::SmsSpend, "no more SMS."), Contact::Phone, used);
        (finding.level, finding.summary)
    }

    #[test]
    fn a_problem_of_an_unused_channel_is_a_warning() {
        let cause = (Level::Cause, "no more SMS.".to_owned());
        assert_eq!(judged(None), cause);
        assert_eq!(judged(Some(&[Contact::Email, Contact::Phone])), cause);
        let warning = |words: &str| (Level::Warning, format!("no more SMS; {words}"));
        assert_eq!(judged(Some(&[Contact::Email])), warning("this user's codes go by email"));
        assert_eq!(judged(Some(&[])), warning("this user gets no codes by SMS"));
    }

    #[test]
    fn only_causes_are_mitigated() {
        let mitigated = |finding| mitigate(finding, Mitigation::Fallback);
        assert_eq!(mitigated(Finding::ok(CheckId::EmailQuota, "fine")).summary, "fine");
        let finding = mitigated(Finding::cause(CheckId::EmailQuota, "used up"));
        assert_eq!(
            (finding.level, finding.summary.as_str()),
            (Level::Warning, "used up; the sender uses its fallback instead")
        );
    }
}
