//! What this project attaches to a user pool: four functions and the key that Cognito encrypts the codes with.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};
use shared::arn::{Arn, unqualified};

/// The only version of custom sender events that there is.
///
/// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CustomEmailLambdaVersionConfigType.html>
const LAMBDA_VERSION: &str = "V1_0";

/// A place in the pool's `LambdaConfig`. All other members of it are somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Decides on sign-ups.
    PreSignUp,
    /// Writes the messages that Cognito sends itself.
    CustomMessage,
    /// Sends e-mails.
    CustomEmailSender,
    /// Sends SMS.
    CustomSmsSender,
    /// The key that both senders' codes are encrypted with; not a function.
    Key,
}

/// What is, or ought to be, in the slots: each value as it stands in `LambdaConfig`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Triggers(BTreeMap<Slot, Value>);

impl Slot {
    /// In the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::PreSignUp, Self::CustomMessage, Self::CustomEmailSender, Self::CustomSmsSender, Self::Key];

    /// Its name in `LambdaConfig`.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_LambdaConfigType.html>
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::PreSignUp => "PreSignUp",
            Self::CustomMessage => "CustomMessage",
            Self::CustomEmailSender => "CustomEmailSender",
            Self::CustomSmsSender => "CustomSMSSender",
            Self::Key => "KMSKeyID",
        }
    }

    /// Whether the function in it gets codes that are encrypted with the key.
    #[must_use]
    pub fn is_sender(self) -> bool {
        matches!(self, Self::CustomEmailSender | Self::CustomSmsSender)
    }

    /// What stands in the slot for this ARN.
    fn value(self, arn: &str) -> Value {
        if self.is_sender() {
            json!({ "LambdaVersion": LAMBDA_VERSION, "LambdaArn": arn })
        } else {
            arn.into()
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.member())
    }
}

impl Triggers {
    /// Those of a `LambdaConfig`; also what the stack's output `LambdaConfigToAttach` holds.
    #[must_use]
    pub fn from_lambda_config(config: &Value) -> Self {
        let value = |slot: Slot| config.get(slot.member()).filter(|value| arn_of(value).is_some());
        Self(Slot::ALL.into_iter().filter_map(|slot| Some((slot, value(slot)?.clone()))).collect())
    }

    /// The same with this ARN in a slot. An empty ARN leaves the slot as it is.
    #[must_use]
    pub fn with(mut self, slot: Slot, arn: &str) -> Self {
        if !arn.is_empty() {
            self.0.insert(slot, slot.value(arn));
        }
        self
    }

    /// As a `LambdaConfig` that holds nothing else.
    #[must_use]
    pub fn to_lambda_config(&self) -> Value {
        let members: Map<_, _> =
            self.0.iter().map(|(slot, value)| (slot.member().to_owned(), value.clone())).collect();
        Value::Object(members)
    }

    /// The function, or the key, in a slot.
    #[must_use]
    pub fn arn(&self, slot: Slot) -> Option<&str> {
        self.value(slot).and_then(arn_of)
    }

    /// The functions, without the key.
    pub fn functions(&self) -> impl Iterator<Item = (Slot, &str)> {
        self.0.keys().filter(|slot| **slot != Slot::Key).filter_map(|slot| Some((*slot, self.arn(*slot)?)))
    }

    /// Whether nothing is in any slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn value(&self, slot: Slot) -> Option<&Value> {
        self.0.get(&slot)
    }

    pub(crate) fn set(&mut self, slot: Slot, value: Option<Value>) {
        match value {
            Some(value) => self.0.insert(slot, value),
            None => self.0.remove(&slot),
        };
    }

    /// Whether the same function or key is in this slot here; versions and aliases of a function count as one.
    pub(crate) fn holds(&self, slot: Slot, arn: &str) -> bool {
        self.arn(slot).is_some_and(|own| unqualified(own) == unqualified(arn))
    }
}

/// The ARN in a slot's value.
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
        assert_eq!(triggers.arn(Slot::CustomEmailSender), Some(FUNCTION));
        let made = Triggers::default()
            .with(Slot::PreSignUp, FUNCTION)
            .with(Slot::CustomEmailSender, FUNCTION)
            .with(Slot::Key, KEY)
            .with(Slot::CustomMessage, "");
        assert_eq!(made, triggers);
        assert_eq!(made.functions().count(), 2);
    }

    #[test]
    fn what_is_not_ours_or_empty_is_in_no_slot() {
        let config =
            json!({ "PostConfirmation": FUNCTION, "PreSignUp": "", "CustomSMSSender": {}, "KMSKeyID": null });
        assert!(Triggers::from_lambda_config(&config).is_empty());
        assert!(Triggers::from_lambda_config(&json!("no object")).is_empty());
    }

    #[test]
    fn versions_and_aliases_are_one_function() {
        assert_eq!(split_qualifier(&format!("{FUNCTION}:live")), (FUNCTION, Some("live")));
        assert_eq!((split_qualifier(FUNCTION), split_qualifier(KEY)), ((FUNCTION, None), (KEY, None)));
        let triggers = Triggers::default().with(Slot::PreSignUp, FUNCTION);
        assert!(triggers.holds(Slot::PreSignUp, &format!("{FUNCTION}:live")));
        assert!(!triggers.holds(Slot::PreSignUp, &format!("{FUNCTION}-2")));
    }
}
