//! The complete description of a user pool.

use serde_json::{Map, Value};
use shared::arn::account_of;

use crate::model;
use crate::triggers::Triggers;

/// The `UserPool` of a response of `DescribeUserPool`.
#[derive(Clone, Debug, PartialEq)]
pub struct Description(Map<String, Value>);

/// Whether email is a sign-in attribute of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailSignIn {
    /// Users sign in with their email address, which Cognito keeps unique.
    Only,
    /// Users sign up with an email address or a phone number. Cognito does not keep the email address of the latter
    /// unique.
    OrPhone,
    /// Email is an alias attribute: Cognito moves it to another user who verifies it.
    Alias,
    /// Users don't sign in with an email address.
    No,
}

/// The document is not a description of a user pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a description of a user pool: {0}")]
pub struct Malformed(String);

impl Description {
    /// Reads a response of `DescribeUserPool`, or a backup, which has the same format.
    ///
    /// # Errors
    /// When it is not a JSON object with a `UserPool` that has `Id` and `Arn`.
    pub fn parse(answer: &[u8]) -> Result<Self, Malformed> {
        let mut answer: Value =
            serde_json::from_slice(answer).map_err(|error| Malformed(error.to_string()))?;
        let Some(Value::Object(pool)) = answer.get_mut("UserPool").map(Value::take) else {
            return Err(Malformed("it has no UserPool".to_owned()));
        };
        let description = Self(pool);
        if description.id().is_empty() || description.account().is_empty() {
            return Err(Malformed("it lacks Id or Arn".to_owned()));
        }
        Ok(description)
    }

    /// The document that [`Self::parse`] reads.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let answer = [("UserPool".to_owned(), Value::Object(self.0.clone()))];
        Value::Object(answer.into_iter().collect())
    }

    /// The pool itself.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// `eu-central-1_Example01`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.text("/Id").unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/Name").unwrap_or_default()
    }

    /// `arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01`.
    #[must_use]
    pub fn arn(&self) -> &str {
        self.text("/Arn").unwrap_or_default()
    }

    /// The account that the pool belongs to.
    #[must_use]
    pub fn account(&self) -> &str {
        account_of(self.arn()).unwrap_or_default()
    }

    /// Its Lambda triggers.
    #[must_use]
    pub fn triggers(&self) -> Triggers {
        self.0.get("LambdaConfig").map(Triggers::from_lambda_config).unwrap_or_default()
    }

    /// Whether users sign in with their email address.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>
    #[must_use]
    pub fn email_sign_in(&self) -> EmailSignIn {
        if self.lists("UsernameAttributes", "email") {
            if self.lists("UsernameAttributes", "phone_number") {
                EmailSignIn::OrPhone
            } else {
                EmailSignIn::Only
            }
        } else if self.lists("AliasAttributes", "email") {
            EmailSignIn::Alias
        } else {
            EmailSignIn::No
        }
    }

    /// Whether the pool sends email through SES instead of the default email configuration.
    ///
    /// Only then does Cognito accept email of a custom message Lambda trigger.
    /// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html>
    #[must_use]
    pub fn sends_email_through_ses(&self) -> bool {
        self.text("/EmailConfiguration/EmailSendingAccount") == Some("DEVELOPER")
    }

    /// The roles for which an update of the pool needs `iam:PassRole`.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_SmsConfigurationType.html>
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<_> = ["/SmsConfiguration/SnsCallerArn", "/SmsConfiguration/EumsSms/CallerArn"]
            .into_iter()
            .filter_map(|pointer| self.text(pointer))
            .filter(|role| !role.is_empty())
            .collect();
        roles.dedup();
        roles
    }

    /// Members that are newer than this program.
    pub fn unknown_members(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|member| model::is_unknown(member))
    }

    /// The same pool with another `LambdaConfig`.
    pub(crate) fn with_lambda_config(&self, config: Map<String, Value>) -> Self {
        let mut pool = self.0.clone();
        pool.insert("LambdaConfig".to_owned(), Value::Object(config));
        Self(pool)
    }

    pub(crate) fn lambda_config(&self) -> Map<String, Value> {
        self.0.get("LambdaConfig").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    pub(crate) fn last_modified(&self) -> Option<&Value> {
        self.0.get("LastModifiedDate")
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        let mut value = self.0.get(pointer.split('/').nth(1)?)?;
        for member in pointer.split('/').skip(2) {
            value = value.get(member)?;
        }
        value.as_str()
    }

    fn lists(&self, member: &str, item: &str) -> bool {
        self.0.get(member).and_then(Value::as_array).is_some_and(|items| items.iter().any(|one| one == item))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn email_is_the_only_sign_in_attribute_or_not() {
        for (members, expected) in [
            (json!({ "UsernameAttributes": ["email"] }), EmailSignIn::Only),
            (json!({ "UsernameAttributes": ["phone_number", "email"] }), EmailSignIn::OrPhone),
            (json!({ "UsernameAttributes": ["phone_number"] }), EmailSignIn::No),
            (json!({ "AliasAttributes": ["email"] }), EmailSignIn::Alias),
            (json!({}), EmailSignIn::No),
        ] {
            let mut pool = members.clone();
            pool["Id"] = json!("eu-central-1_Example01");
            pool["Arn"] =
                json!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01");
            let pool = Description::parse(json!({ "UserPool": pool }).to_string().as_bytes()).unwrap();
            assert_eq!(pool.email_sign_in(), expected, "{members}");
        }
    }
}
