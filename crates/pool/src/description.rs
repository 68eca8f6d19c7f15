//! A user pool as Cognito describes it, with everything that it says.

use serde_json::{Map, Value};
use shared::arn::account_of;

use crate::model;
use crate::triggers::Triggers;

/// The `UserPool` of an answer of `DescribeUserPool`.
#[derive(Clone, Debug, PartialEq)]
pub struct Description(Map<String, Value>);

/// What users of a pool sign in with, as far as e-mail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInName {
    /// The e-mail address is the user name: nobody can sign up with an address that somebody else has.
    Email,
    /// Users sign up with an e-mail address or with a phone number. The address of the latter is an attribute like any
    /// other one, so it is not what Cognito keeps unique.
    EmailOrPhone,
    /// The e-mail address is an alias: Cognito takes it from its present owner when another user verifies it.
    EmailAlias,
    /// The e-mail address is no way to sign in.
    NotEmail,
}

/// What was read is no description of a user pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a description of a user pool: {0}")]
pub struct Malformed(String);

impl Description {
    /// Reads the answer of `DescribeUserPool`, or a backup, which is one.
    ///
    /// # Errors
    /// When it is no JSON object with a `UserPool` that has `Id` and `Arn`.
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

    /// As [`Self::parse`] reads it.
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

    /// The name that its owner gave it.
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

    /// What is in our slots.
    #[must_use]
    pub fn triggers(&self) -> Triggers {
        self.0.get("LambdaConfig").map(Triggers::from_lambda_config).unwrap_or_default()
    }

    /// What users sign in with.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>
    #[must_use]
    pub fn sign_in_name(&self) -> SignInName {
        if self.lists("UsernameAttributes", "email") {
            if self.lists("UsernameAttributes", "phone_number") {
                SignInName::EmailOrPhone
            } else {
                SignInName::Email
            }
        } else if self.lists("AliasAttributes", "email") {
            SignInName::EmailAlias
        } else {
            SignInName::NotEmail
        }
    }

    /// Whether e-mails go out through the owner's SES instead of Cognito's own account.
    ///
    /// Only then may a custom message trigger write e-mails.
    /// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html>
    #[must_use]
    pub fn sends_email_itself(&self) -> bool {
        self.text("/EmailConfiguration/EmailSendingAccount") == Some("DEVELOPER")
    }

    /// The roles that whoever writes this description back has to be allowed to pass on to Cognito.
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
    fn only_an_address_that_everybody_signs_up_with_is_the_user_name() {
        for (members, expected) in [
            (json!({ "UsernameAttributes": ["email"] }), SignInName::Email),
            (json!({ "UsernameAttributes": ["phone_number", "email"] }), SignInName::EmailOrPhone),
            (json!({ "UsernameAttributes": ["phone_number"] }), SignInName::NotEmail),
            (json!({ "AliasAttributes": ["email"] }), SignInName::EmailAlias),
            (json!({}), SignInName::NotEmail),
        ] {
            let mut pool = members.clone();
            pool["Id"] = json!("eu-central-1_Example01");
            pool["Arn"] =
                json!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01");
            let pool = Description::parse(json!({ "UserPool": pool }).to_string().as_bytes()).unwrap();
            assert_eq!(pool.sign_in_name(), expected, "{members}");
        }
    }
}
