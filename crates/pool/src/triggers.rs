//! What this project attaches to a user pool: four functions, and the key with which Cognito encrypts the codes.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};
use shared::arn::{Arn, unqualified};
use shared::trigger::Trigger;

/// The only version of custom sender events that there is.
///
/// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CustomEmailLambdaVersionConfigType.html>
const LAMBDA_VERSION: &str = "V1_0";

/// A member of the pool's `LambdaConfig` that this project sets. It leaves all others as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LambdaConfigMember {
    /// The function of a Lambda trigger.
    Function(Trigger),
    /// The key with which Cognito encrypts the codes for both senders.
    Key,
}

/// The values of the members in `LambdaConfig`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Triggers(BTreeMap<LambdaConfigMember, Value>);

impl LambdaConfigMember {
    /// In the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Function(Trigger::PreSignUp),
        Self::Function(Trigger::CustomMessage),
        Self::Function(Trigger::CustomEmailSender),
        Self::Function(Trigger::CustomSmsSender),
        Self::Key,
    ];

    /// Its name in `LambdaConfig`.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_LambdaConfigType.html>
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Function(trigger) => trigger.lambda_config_member(),
            Self::Key => "KMSKeyID",
        }
    }

    /// Whether its function gets codes that are encrypted with the key.
    #[must_use]
    pub fn is_sender(self) -> bool {
        matches!(self, Self::Function(trigger) if trigger.is_sender())
    }

    /// The value of the member for this ARN.
    fn value(self, arn: &str) -> Value {
        if self.is_sender() {
            json!({ "LambdaVersion": LAMBDA_VERSION, "LambdaArn": arn })
        } else {
            arn.into()
        }
    }
}

impl fmt::Display for LambdaConfigMember {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Triggers {
    /// Those of a `LambdaConfig`; also what the stack's output `LambdaConfigToAttach` holds.
    #[must_use]
    pub fn from_lambda_config(config: &Value) -> Self {
        let value =
            |member: LambdaConfigMember| config.get(member.name()).filter(|value| arn_of(value).is_some());
        Self(
            LambdaConfigMember::ALL
                .into_iter()
                .filter_map(|member| Some((member, value(member)?.clone())))
                .collect(),
        )
    }

    /// Sets a member to this ARN. An empty ARN leaves the member as it is.
    #[must_use]
    pub fn with(mut self, member: LambdaConfigMember, arn: &str) -> Self {
        if !arn.is_empty() {
            self.0.insert(member, member.value(arn));
        }
        self
    }

    /// As a `LambdaConfig` that holds nothing else.
    #[must_use]
    pub fn to_lambda_config(&self) -> Value {
        let members: Map<_, _> =
            self.0.iter().map(|(member, value)| (member.name().to_owned(), value.clone())).collect();
        Value::Object(members)
    }

    /// The ARN of the function or key in a member.
    #[must_use]
    pub fn arn(&self, member: LambdaConfigMember) -> Option<&str> {
        self.value(member).and_then(arn_of)
    }

    /// The functions, without the key.
    pub fn functions(&self) -> impl Iterator<Item = (LambdaConfigMember, &str)> {
        self.0
            .keys()
            .filter(|member| **member != LambdaConfigMember::Key)
            .filter_map(|member| Some((*member, self.arn(*member)?)))
    }

    /// Whether no member is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn value(&self, member: LambdaConfigMember) -> Option<&Value> {
        self.0.get(&member)
    }

    pub(crate) fn set(&mut self, member: LambdaConfigMember, value: Option<Value>) {
        match value {
            Some(value) => self.0.insert(member, value),
            None => self.0.remove(&member),
        };
    }

    /// Whether the same function or key is in this member here; versions and aliases of a function count as one.
    pub(crate) fn holds(&self, member: LambdaConfigMember, arn: &str) -> bool {
        self.arn(member).is_some_and(|own| unqualified(own) == unqualified(arn))
    }
}

/// The ARN in a member's value.
pub(crate) fn arn_of(value: &Value) -> Option<&str> {
    value.get("LambdaArn").unwrap_or(value).as_str().filter(|arn| !arn.is_empty())
}

/// A function's ARN without version or alias, and the version or alias.
///
/// Any other ARN stays as it is.
pub(crate) fn split_qualifier(arn: &str) -> (&str, Option<&str>) {
    match Arn::parse(arn).and_then(Arn::lambda_function) {
        Some(function) => (function.unqualified, function.qualifier),
        None => (arn, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-custom-email-sender";
    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555";

    #[test]
    fn a_lambda_config_is_read_and_written() {
        let config = json!({
            "PreSignUp": FUNCTION,
            "CustomEmailSender": { "LambdaVersion": "V1_0", "LambdaArn": FUNCTION },
            "KMSKeyID": KEY,
        });
        let triggers = Triggers::from_lambda_config(&config);
        assert_eq!(triggers.to_lambda_config(), config);
        assert_eq!(triggers.arn(LambdaConfigMember::Function(Trigger::CustomEmailSender)), Some(FUNCTION));
        let made = Triggers::default()
            .with(LambdaConfigMember::Function(Trigger::PreSignUp), FUNCTION)
            .with(LambdaConfigMember::Function(Trigger::CustomEmailSender), FUNCTION)
            .with(LambdaConfigMember::Key, KEY)
            .with(LambdaConfigMember::Function(Trigger::CustomMessage), "");
        assert_eq!(made, triggers);
        assert_eq!(made.functions().count(), 2);
    }

    #[test]
    fn other_and_empty_members_are_not_read() {
        let config =
            json!({ "PostConfirmation": FUNCTION, "PreSignUp": "", "CustomSMSSender": {}, "KMSKeyID": null });
        assert!(Triggers::from_lambda_config(&config).is_empty());
        assert!(Triggers::from_lambda_config(&json!("no object")).is_empty());
    }

    #[test]
    fn versions_and_aliases_are_one_function() {
        assert_eq!(split_qualifier(&format!("{FUNCTION}:live")), (FUNCTION, Some("live")));
        assert_eq!((split_qualifier(FUNCTION), split_qualifier(KEY)), ((FUNCTION, None), (KEY, None)));
        let triggers = Triggers::default().with(LambdaConfigMember::Function(Trigger::PreSignUp), FUNCTION);
        assert!(
            triggers.holds(LambdaConfigMember::Function(Trigger::PreSignUp), &format!("{FUNCTION}:live"))
        );
        assert!(!triggers.holds(LambdaConfigMember::Function(Trigger::PreSignUp), &format!("{FUNCTION}-2")));
    }
}
