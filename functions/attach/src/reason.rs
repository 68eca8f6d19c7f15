//! What went wrong, in words that CloudFormation shows to whoever deploys: what it is about, and the remedy.

use std::fmt;

use pool::aws::{CallError, Kind};
use pool::control;
use pool::plan::Refusal;

use crate::plan::Why;
use crate::request::Malformed;

/// What went wrong.
#[derive(Debug)]
pub enum Problem {
    /// The request cannot be read.
    Malformed(Malformed),
    /// Nothing may be changed.
    Refused(Why),
    /// A call failed, or the pool is not what was written.
    Control(control::Error),
    /// The time was up.
    NoTime,
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Why> for Problem {
    fn from(why: Why) -> Self {
        Self::Refused(why)
    }
}

impl From<control::Error> for Problem {
    fn from(error: control::Error) -> Self {
        match error {
            control::Error::Refused(refusals) => Self::Refused(Why::Refused(refusals)),
            other => Self::Control(other),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Malformed(malformed) => malformed.to_string(),
            Self::Refused(why) => why.to_string(),
            Self::Control(error) => error.to_string(),
            Self::NoTime => "Cognito did not answer in time".to_owned(),
        };
        formatter.write_str(&without_addresses(&text))
    }
}

/// In bytes: with the remedy and everything else that an answer holds, written as JSON, below its limit of 4,096.
const LONGEST: usize = 1000;

impl Problem {
    /// Whether another attempt may go better.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            // What was written is found when the pool is read again.
            Self::NoTime
            | Self::Control(control::Error::ChangedMeanwhile(_) | control::Error::NotReadAgain(_)) => true,
            // Cognito may show a change late.
            Self::Control(control::Error::Differs(found)) => {
                found.iter().all(|one| one.member.split('.').next() == Some("LambdaConfig"))
            }
            Self::Control(control::Error::Call(error)) => match error.kind() {
                // A permission that was only just given is not known everywhere at once.
                Kind::Denied | Kind::Throttled | Kind::Conflict | Kind::Unanswered => true,
                // So does Cognito say it where somebody else refused, such as KMS.
                Kind::Refused => error.message().is_some_and(|message| denied_action(message).is_some()),
                Kind::NotFound => false,
            },
            Self::Malformed(_) | Self::Refused(_) | Self::Control(_) => false,
        }
    }

    /// Whether the pool is certainly as it was.
    #[must_use]
    pub fn wrote_nothing(&self) -> bool {
        match self {
            Self::Malformed(_) | Self::Refused(_) => true,
            Self::Control(error) => error.was_written() == Some(false),
            Self::NoTime => false,
        }
    }

    /// Whether there is no such user pool.
    #[must_use]
    pub fn is_no_pool(&self) -> bool {
        matches!(self, Self::Control(control::Error::Call(error)) if error.kind() == Kind::NotFound)
    }

    /// What CloudFormation shows.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut problem = self.to_string();
        while problem.len() > LONGEST {
            problem.pop();
        }
        format!("{problem}. {}", without_addresses(&self.remedy()))
    }

    fn remedy(&self) -> String {
        match self {
            Self::Malformed(_) => "Deploy the template of this version.".to_owned(),
            Self::Refused(why) => remedy_of_refusal(why).to_owned(),
            Self::Control(control::Error::Call(error)) => remedy_of_call(error),
            Self::NoTime
            | Self::Control(control::Error::ChangedMeanwhile(_) | control::Error::NotReadAgain(_)) => {
                "Look at the user pool with `cognito-triggers diff`, then deploy again.".to_owned()
            }
            Self::Control(control::Error::Differs(_)) => {
                "Compare the user pool with what you know of it; `cognito-triggers diff` shows its triggers."
                    .to_owned()
            }
            Self::Control(control::Error::Malformed(_) | control::Error::Refused(_)) => {
                "Deploy with AttachTriggers=false, and attach with `cognito-triggers attach`.".to_owned()
            }
        }
    }
}

fn remedy_of_refusal(why: &Why) -> &'static str {
    match why {
        Why::AddressIsNoUserName(_) => {
            "Deploy with EmailIsUsername=false: trusted users then type a code like everybody else."
        }
        Why::TooLong(_) => "Deploy with AttachTriggers=false, and attach with `cognito-triggers attach`.",
        Why::CannotBePutBack { .. } => "Take it off the user pool first.",
        Why::Refused(refusals) => match refusals.first() {
            Some(Refusal::Occupied { .. }) => {
                "Take it off, or deploy with ReplaceTriggers=true: then it is put back when the stack is deleted."
            }
            Some(Refusal::KeyInUse { .. }) => {
                "Deploy with that key as CodeKeyArn, or let this stack send those messages too."
            }
            Some(Refusal::EmailByCognito) => {
                "Let the pool send through SES (EmailSendingAccount DEVELOPER), or deploy with EmailDelivery=sender."
            }
            Some(Refusal::NoKey) => "Deploy the template of this version.",
            Some(Refusal::UnknownMembers(_)) | None => {
                "Deploy a newer version of this project, or attach and detach with `cognito-triggers`, which can be \
                 told what to do with them; after that nothing is left to do here."
            }
        },
    }
}

fn remedy_of_call(error: &CallError) -> String {
    let role = "the role of the attach function (AttachRole in the stack)";
    if let Some((action, resource)) = denied_action(error.message().unwrap_or_default()) {
        return format!("Allow {role} {action} on {resource}, then deploy again.");
    }
    match error.kind() {
        Kind::Denied => {
            format!("Allow {role} what it asks for, and see that the key policy lets IAM decide.")
        }
        Kind::NotFound => {
            "UserPoolId must name a user pool in the account and Region of this stack.".to_owned()
        }
        Kind::Refused => {
            "Cognito does not take back a setting that it shows: mend that in the user pool first.".to_owned()
        }
        Kind::Throttled | Kind::Conflict | Kind::Unanswered => "Deploy again later.".to_owned(),
    }
}

/// What IAM says is missing: "… is not authorized to perform: ACTION on resource: ARN …".
fn denied_action(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("to perform: ")?;
    let (action, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let resource = rest.split_once("on resource: ").and_then(|(_, rest)| rest.split(' ').next());
    Some((action, resource.unwrap_or("the resource")))
}

/// Cognito's own words may quote a setting, and so the address that the pool sends from.
fn without_addresses(text: &str) -> String {
    let number = |word: &str| word.starts_with('+') && word.bytes().filter(u8::is_ascii_digit).count() > 4;
    let shown = |word| if str::contains(word, '@') || number(word) { "…" } else { word };
    text.split_whitespace().map(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iam_says_is_missing_is_read() {
        for (message, expected) in [
            (
                "User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: kms:CreateGrant on \
                 resource: arn:aws:kms:eu-central-1:123456789012:key/1 because no policy allows it",
                Some(("kms:CreateGrant", "arn:aws:kms:eu-central-1:123456789012:key/1")),
            ),
            ("not authorized to perform: iam:PassRole", Some(("iam:PassRole", "the resource"))),
            ("access denied", None),
            ("", None),
        ] {
            assert_eq!(denied_action(message), expected, "{message}");
        }
    }

    #[test]
    fn addresses_and_numbers_are_left_out_and_arns_are_not() {
        let arn = "arn:aws:iam::123456789012:role/a";
        assert_eq!(
            without_addresses(&format!("from Ann <ann@example.com>, +12065550123 or {arn} + 1")),
            format!("from Ann … … or {arn} + 1")
        );
    }

    #[test]
    fn a_long_problem_is_cut_and_its_remedy_is_not() {
        let names: Vec<_> = (0..200).map(|number| format!("Setting{number}")).collect();
        let reason = Problem::from(Why::Refused(vec![Refusal::UnknownMembers(names)])).reason();
        assert!(reason.contains("Setting1,") && !reason.contains("Setting199"), "{reason}");
        assert!(reason.ends_with("after that nothing is left to do here."), "{reason}");
        assert!(reason.len() < 1500);
    }
}
