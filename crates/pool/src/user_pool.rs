//! A user pool as Cognito describes it, with all its members.

use serde_json::{Map, Value};
use shared::arn::account_of;
use shared::trigger::Trigger;

use crate::model;
use crate::triggers::{LambdaConfigMember, Triggers, arn_of};

/// The `UserPool` of a response of `DescribeUserPool`.
#[derive(Clone, Debug, PartialEq)]
pub struct UserPool(Map<String, Value>);

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

/// A pool's own SMS configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmsConfiguration<'a> {
    /// The Region that it sends from, `None` for the pool's own.
    pub region: Option<&'a str>,
    /// Whether it sends through AWS End User Messaging instead of SNS.
    pub end_user_messaging: bool,
}

/// The validity of a temporary password if the pool has 0. Source:
/// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_PasswordPolicyType.html>
const DEFAULT_TEMPORARY_PASSWORD_DAYS: i64 = 7;

/// The document is not a description of a user pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a description of a user pool: {0}")]
pub struct Malformed(String);

impl UserPool {
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

    /// The function of a Lambda trigger.
    #[must_use]
    pub fn function_arn(&self, trigger: Trigger) -> Option<&str> {
        self.lambda_config_arn(LambdaConfigMember::Function(trigger))
    }

    /// The key, or its alias, that Cognito encrypts the codes for custom senders with.
    #[must_use]
    pub fn key_arn(&self) -> Option<&str> {
        self.lambda_config_arn(LambdaConfigMember::Key)
    }

    fn lambda_config_arn(&self, member: LambdaConfigMember) -> Option<&str> {
        self.0.get("LambdaConfig")?.get(member.name()).and_then(arn_of)
    }

    /// The version of the events for a custom sender, `V1_0`. `None` without that sender.
    #[must_use]
    pub fn event_version(&self, sender: Trigger) -> Option<&str> {
        self.0.get("LambdaConfig")?.get(sender.lambda_config_member())?.get("LambdaVersion")?.as_str()
    }

    /// `OFF`, `ON` or `OPTIONAL`.
    #[must_use]
    pub fn mfa(&self) -> &str {
        self.text("/MfaConfiguration").unwrap_or("OFF")
    }

    /// How users can recover their account, by priority: `verified_email`, `verified_phone_number`, `admin_only`.
    /// Empty if the pool doesn't set it.
    #[must_use]
    pub fn recovery_mechanisms(&self) -> Vec<&str> {
        let mechanisms = self
            .0
            .get("AccountRecoverySetting")
            .and_then(|setting| setting.get("RecoveryMechanisms")?.as_array());
        let mut mechanisms: Vec<_> = mechanisms
            .into_iter()
            .flatten()
            .filter_map(|mechanism| {
                let priority = mechanism.get("Priority").and_then(Value::as_i64).unwrap_or_default();
                Some((priority, mechanism.get("Name")?.as_str()?))
            })
            .collect();
        mechanisms.sort_by_key(|(priority, _)| *priority);
        mechanisms.into_iter().map(|(_, name)| name).collect()
    }

    /// The contacts that Cognito sends a code to at sign-up: `email`, `phone_number`.
    #[must_use]
    pub fn auto_verified_attributes(&self) -> Vec<&str> {
        self.list("AutoVerifiedAttributes")
    }

    /// The alias attributes, which users may enter instead of the username: `email`, `phone_number`,
    /// `preferred_username`.
    #[must_use]
    pub fn alias_attributes(&self) -> Vec<&str> {
        self.list("AliasAttributes")
    }

    /// The sign-in attributes, which replace the username: `email`, `phone_number`.
    #[must_use]
    pub fn username_attributes(&self) -> Vec<&str> {
        self.list("UsernameAttributes")
    }

    /// Whether usernames are case-sensitive. A pool without this setting is.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UsernameConfigurationType.html>
    #[must_use]
    pub fn is_case_sensitive(&self) -> bool {
        let configuration = self.0.get("UsernameConfiguration").and_then(Value::as_object);
        configuration.is_none_or(|configuration| {
            configuration.get("CaseSensitive").and_then(Value::as_bool).unwrap_or_default()
        })
    }

    /// How long a temporary password is valid, in days.
    #[must_use]
    pub fn temporary_password_days(&self) -> i64 {
        let policy = self.0.get("Policies").and_then(|policies| policies.get("PasswordPolicy"));
        let days = policy.and_then(|policy| policy.get("TemporaryPasswordValidityDays")?.as_i64());
        days.filter(|days| *days > 0).unwrap_or(DEFAULT_TEMPORARY_PASSWORD_DAYS)
    }

    /// Whether users sign in with their email address.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html>
    #[must_use]
    pub fn email_sign_in(&self) -> EmailSignIn {
        let sign_in = self.username_attributes();
        if sign_in.contains(&"email") {
            if sign_in.contains(&"phone_number") { EmailSignIn::OrPhone } else { EmailSignIn::Only }
        } else if self.alias_attributes().contains(&"email") {
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
        self.email_sending_account() == Some("DEVELOPER")
    }

    /// `COGNITO_DEFAULT` or `DEVELOPER`.
    #[must_use]
    pub fn email_sending_account(&self) -> Option<&str> {
        self.text("/EmailConfiguration/EmailSendingAccount")
    }

    /// The ARN of the SES identity that the pool itself sends email with.
    #[must_use]
    pub fn email_identity_arn(&self) -> Option<&str> {
        self.text("/EmailConfiguration/SourceArn")
    }

    /// The sender of the email that the pool itself sends.
    #[must_use]
    pub fn email_from(&self) -> Option<&str> {
        self.text("/EmailConfiguration/From")
    }

    /// The SES configuration set of the email that the pool itself sends.
    #[must_use]
    pub fn email_configuration_set(&self) -> Option<&str> {
        self.text("/EmailConfiguration/ConfigurationSet")
    }

    /// `EmailConfigurationFailure`, as Cognito words it.
    #[must_use]
    pub fn email_configuration_failure(&self) -> Option<&str> {
        self.text("/EmailConfigurationFailure")
    }

    /// `SmsConfigurationFailure`, as Cognito words it.
    #[must_use]
    pub fn sms_configuration_failure(&self) -> Option<&str> {
        self.text("/SmsConfigurationFailure")
    }

    /// The pool's own SMS configuration, if it has one.
    #[must_use]
    pub fn sms_configuration(&self) -> Option<SmsConfiguration<'_>> {
        let sms = self.0.get("SmsConfiguration").and_then(Value::as_object)?;
        let end_user_messaging = sms.get("EumsSms").is_some_and(Value::is_object);
        let region = if end_user_messaging {
            "/SmsConfiguration/EumsSms/Region"
        } else {
            "/SmsConfiguration/SnsRegion"
        };
        Some(SmsConfiguration { region: self.text(region), end_user_messaging })
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

    fn list(&self, member: &str) -> Vec<&str> {
        let items = self.0.get(member).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).collect()
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
            let pool = pool(members.clone());
            assert_eq!(pool.email_sign_in(), expected, "{members}");
        }
    }

    fn pool(members: Value) -> UserPool {
        let mut pool = members;
        pool["Id"] = json!("eu-central-1_Example01");
        pool["Arn"] = json!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01");
        UserPool::parse(json!({ "UserPool": pool }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_a_pool_does_not_set_has_cognitos_default() {
        let pool = pool(json!({ "LambdaConfig": {}, "SmsConfiguration": null }));
        assert_eq!((pool.mfa(), pool.is_case_sensitive(), pool.temporary_password_days()), ("OFF", true, 7));
        assert!(pool.recovery_mechanisms().is_empty() && pool.auto_verified_attributes().is_empty());
        assert_eq!((pool.sms_configuration(), pool.function_arn(Trigger::PreSignUp)), (None, None));
    }

    #[test]
    fn recovery_mechanisms_are_in_the_order_of_their_priority() {
        let mechanisms = json!([
            { "Priority": 2, "Name": "verified_phone_number" },
            { "Priority": 1, "Name": "verified_email" },
        ]);
        let pool = pool(json!({ "AccountRecoverySetting": { "RecoveryMechanisms": mechanisms } }));
        assert_eq!(pool.recovery_mechanisms(), ["verified_email", "verified_phone_number"]);
    }

    #[test]
    fn sms_go_through_one_of_two_services() {
        let sms = |configuration: Value| {
            let pool = pool(json!({ "SmsConfiguration": configuration }));
            pool.sms_configuration().map(|sms| (sms.region.map(str::to_owned), sms.end_user_messaging))
        };
        let region = Some("eu-west-1".to_owned());
        assert_eq!(sms(json!({ "SnsRegion": "eu-west-1" })), Some((region.clone(), false)));
        assert_eq!(sms(json!({ "EumsSms": { "Region": "eu-west-1" } })), Some((region, true)));
        assert_eq!(sms(json!({ "SnsCallerArn": "arn" })), Some((None, false)));
    }
}
