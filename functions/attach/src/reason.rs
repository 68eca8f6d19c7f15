//! Errors of a request, with a reason that CloudFormation shows to the operator: what failed, why, and what to do.

use std::fmt;

use pool::aws::{CallError, Kind};
use pool::control;
use pool::plan::Refusal;

use crate::plan::Rejection;
use crate::request::Malformed;

/// Why a request failed.
#[derive(Debug)]
pub enum RequestError {
    /// The request cannot be read.
    Malformed(Malformed),
    /// The change is rejected before any call that writes.
    Refused(Rejection),
    /// A call failed, or the pool differs from what was written.
    Control(control::Error),
    /// The deadline passed.
    TimedOut,
}

impl From<Malformed> for RequestError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Rejection> for RequestError {
    fn from(why: Rejection) -> Self {
        Self::Refused(why)
    }
}

impl From<control::Error> for RequestError {
    fn from(error: control::Error) -> Self {
        match error {
            control::Error::Refused(refusals) => Self::Refused(Rejection::Refused(refusals)),
            other => Self::Control(other),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Malformed(malformed) => malformed.to_string(),
            Self::Refused(why) => why.to_string(),
            Self::Control(error) => error.to_string(),
            Self::TimedOut => "Cognito did not respond in time".to_owned(),
        };
        formatter.write_str(&without_addresses(&text))
    }
}

/// In bytes: with the remedy and the other members, the response as JSON stays below its limit of 4,096.
const LONGEST: usize = 1000;

impl RequestError {
    /// Whether a retry may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            // The retry reads the pool again and finds what was written.
            Self::TimedOut
            | Self::Control(control::Error::ChangedMeanwhile(_) | control::Error::NotReadAgain(_)) => true,
            // Cognito may show a change late.
            Self::Control(control::Error::Differs(found)) => {
                found.iter().all(|one| one.member.split('.').next() == Some("LambdaConfig"))
            }
            Self::Control(control::Error::Call(error)) => match error.kind() {
                // IAM needs some seconds until a new permission is known everywhere.
                Kind::Denied | Kind::Throttled | Kind::Conflict | Kind::NoResponse => true,
                // Cognito reports an access denied error of another service, such as KMS, like this.
                Kind::Rejected => error.message().is_some_and(|message| denied_action(message).is_some()),
                Kind::NotFound => false,
            },
            Self::Malformed(_) | Self::Refused(_) | Self::Control(_) => false,
        }
    }

    /// Whether the pool was certainly not changed.
    #[must_use]
    pub fn wrote_nothing(&self) -> bool {
        match self {
            Self::Malformed(_) | Self::Refused(_) => true,
            Self::Control(error) => error.was_written() == Some(false),
            Self::TimedOut => false,
        }
    }

    /// Whether the user pool does not exist.
    #[must_use]
    pub fn is_pool_not_found(&self) -> bool {
        matches!(self, Self::Control(control::Error::Call(error)) if error.kind() == Kind::NotFound)
    }

    /// The reason that CloudFormation shows.
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
            Self::Malformed(_) => "Deploy the template and the functions of the same version.".to_owned(),
            Self::Refused(why) => remedy_of_refusal(why).to_owned(),
            Self::Control(control::Error::Call(error)) => remedy_of_call(error),
            Self::TimedOut
            | Self::Control(control::Error::ChangedMeanwhile(_) | control::Error::NotReadAgain(_)) => {
                "Check the user pool with `cognito-triggers diff`, then deploy again.".to_owned()
            }
            Self::Control(control::Error::Differs(_)) => {
                "Check the settings of the user pool. `cognito-triggers diff` compares its Lambda triggers."
                    .to_owned()
            }
            Self::Control(control::Error::Malformed(_) | control::Error::Refused(_)) => {
                "Deploy with AttachTriggers=false, and attach with `cognito-triggers attach`.".to_owned()
            }
        }
    }
}

fn remedy_of_refusal(why: &Rejection) -> &'static str {
    match why {
        Rejection::EmailIsNotUsername(_) => {
            "Deploy with EmailIsUsername=false: trusted users then enter a code like all others."
        }
        Rejection::TooLong(_) => {
            "Deploy with AttachTriggers=false, and attach with `cognito-triggers attach`."
        }
        Rejection::CannotBeRestored { .. } => "Detach that function from the user pool, then deploy again.",
        Rejection::Refused(refusals) => match refusals.first() {
            Some(Refusal::Occupied { .. }) => {
                "Detach that function from the user pool, or deploy with AttachTriggers=replace: the stack then \
                 replaces it, and restores it when you delete the stack."
            }
            Some(Refusal::KeyInUse { .. }) => {
                "Deploy with that key as CodeKeyArn, or let this stack send those messages too \
                 (EmailDelivery=sender or SmsDelivery=sender)."
            }
            Some(Refusal::EmailByCognito) => {
                "Let the user pool send through SES (EmailSendingAccount DEVELOPER), or deploy with EmailDelivery=sender."
            }
            Some(Refusal::NoKey) => "Deploy the template and the functions of the same version.",
            Some(Refusal::UnknownMembers(_)) | None => {
                "Deploy a newer version of this project, or use `cognito-triggers` with --unknown-fields: to attach, \
                 deploy with AttachTriggers=false and run `attach`; to detach, run `detach`, then deploy again."
            }
        },
    }
}

fn remedy_of_call(error: &CallError) -> String {
    let role = "the role of the attach function (AttachRole in the stack)";
    if let Some((action, resource)) = denied_action(error.message().unwrap_or_default()) {
        if action == "iam:PassRole" {
            return format!(
                "Set PoolSmsRoleArn to {resource}, the SMS role of the user pool, then deploy again."
            );
        }
        return format!("Allow {role} the action {action} on {resource}, then deploy again.");
    }
    match error.kind() {
        Kind::Denied => {
            format!(
                "Allow {role} to do this, and check that the policy of the KMS key delegates to IAM. Then \
                 deploy again."
            )
        }
        Kind::NotFound => {
            "UserPoolId must name a user pool in the account and Region of this stack.".to_owned()
        }
        Kind::Rejected => {
            "Fix the setting in the user pool that Cognito rejects, then deploy again.".to_owned()
        }
        Kind::Throttled | Kind::Conflict | Kind::NoResponse => "Deploy again in a few minutes.".to_owned(),
    }
}

/// The missing permission in IAM's message: "… is not authorized to perform: ACTION on resource: ARN …".
fn denied_action(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("to perform: ")?;
    let (action, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let resource = rest.split_once("on resource: ").and_then(|(_, rest)| rest.split(' ').next());
    Some((action, resource.unwrap_or("the resource")))
}

/// Cognito's message may quote a setting, such as the pool's FROM address.
fn without_addresses(text: &str) -> String {
    let number = |word: &str| word.starts_with('+') && word.bytes().filter(u8::is_ascii_digit).count() > 4;
    let shown = |word| if str::contains(word, '@') || number(word) { "…" } else { word };
    text.split_whitespace().map(shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_permission_is_read_from_the_message() {
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
    fn addresses_and_phone_numbers_are_masked_and_arns_are_not() {
        let arn = "arn:aws:iam::123456789012:role/a";
        assert_eq!(
            without_addresses(&format!("from Ann <ann@example.com>, +12065550123 or {arn} + 1")),
            format!("from Ann … … or {arn} + 1")
        );
    }

    #[test]
    fn a_long_error_is_cut_and_its_remedy_is_not() {
        let names: Vec<_> = (0..200).map(|number| format!("Setting{number}")).collect();
        let reason = RequestError::from(Rejection::Refused(vec![Refusal::UnknownMembers(names)])).reason();
        assert!(reason.contains("Setting1,") && !reason.contains("Setting199"), "{reason}");
        assert!(reason.ends_with("to detach, run `detach`, then deploy again."), "{reason}");
        assert!(reason.len() < 1500);
    }
}
