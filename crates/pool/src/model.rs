//! The members of a user pool: those that `UpdateUserPool` sets, and those that are read-only.
//!
//! Sources: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolType.html> and
//! <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html>, November
//! 2026. `properties.rs` compares the lists with the service model, `aws.rs` with the SDK: they fail when the lists are
//! out of date.
//!
//! Other differences between the two:
//!
//! - The name is read as `Name` and set as `PoolName`.
//! - `AdminCreateUserConfig.UnusedAccountValidityDays` "is no longer in use" and reads as what
//!   `PasswordPolicy.TemporaryPasswordValidityDays` is; if both are given, Cognito returns "Please use
//!   `TemporaryPasswordValidityDays` in `PasswordPolicy` instead of `UnusedAccountValidityDays`". So only the newer
//!   one is sent back.
//! - Tags whose names begin with `aws:` belong to AWS: they can be read, but only AWS sets or removes them. So they
//!   are not sent back. Source: <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>

use serde_json::{Map, Value};

/// The members of `DescribeUserPool` that `UpdateUserPool` accepts.
pub const SETTABLE: [&str; 23] = [
    "AccountRecoverySetting",
    "AcrConfiguration",
    "AdminCreateUserConfig",
    "AutoVerifiedAttributes",
    "DeletionProtection",
    "DeviceConfiguration",
    "EmailConfiguration",
    "EmailVerificationMessage",
    "EmailVerificationSubject",
    "IssuerConfiguration",
    "KeyConfiguration",
    "LambdaConfig",
    "MfaConfiguration",
    "Policies",
    "SmsAuthenticationMessage",
    "SmsConfiguration",
    "SmsVerificationMessage",
    "UserAttributeUpdateSettings",
    "UserPoolAddOns",
    "UserPoolTags",
    "UserPoolTier",
    "VerificationMessageTemplate",
    "Name",
];

/// The members that are read-only, or can be set only when the pool is created.
pub const READ_ONLY: [&str; 14] = [
    "AliasAttributes",
    "Arn",
    "CreationDate",
    "CustomDomain",
    "Domain",
    "EmailConfigurationFailure",
    "EstimatedNumberOfUsers",
    "Id",
    "LastModifiedDate",
    "SchemaAttributes",
    "SmsConfigurationFailure",
    "Status",
    "UsernameAttributes",
    "UsernameConfiguration",
];

/// Members that change without an update: they are not settings.
pub(crate) const VOLATILE: [&str; 4] =
    ["EmailConfigurationFailure", "EstimatedNumberOfUsers", "LastModifiedDate", "SmsConfigurationFailure"];

/// What happens to members in neither list, because Cognito is newer than this program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// Nothing is written.
    #[default]
    Refuse,
    /// They are sent back as they were read. Cognito may reject them.
    Write,
    /// They are not sent. Cognito may reset them.
    LeaveOut,
}

/// The name of a member in `UpdateUserPool`.
#[must_use]
pub fn name_in_update(member: &str) -> &str {
    if member == "Name" { "PoolName" } else { member }
}

/// Whether a member is in neither list.
#[must_use]
pub fn is_unknown(member: &str) -> bool {
    !SETTABLE.contains(&member) && !READ_ONLY.contains(&member)
}

/// The members that are sent back, with their names in `UpdateUserPool`.
pub(crate) fn settings(pool: &Map<String, Value>, unknown: UnknownFields) -> Map<String, Value> {
    let sent =
        |member: &str| SETTABLE.contains(&member) || unknown == UnknownFields::Write && is_unknown(member);
    let mut settings: Map<_, _> = pool
        .iter()
        .filter(|(member, value)| sent(member) && !value.is_null())
        .map(|(member, value)| (name_in_update(member).to_owned(), value.clone()))
        .collect();
    prefer_temporary_password_validity(&mut settings);
    if let Some(Value::Object(tags)) = settings.get_mut("UserPoolTags") {
        tags.retain(|name, _| !name.starts_with("aws:"));
    }
    settings
}

/// Leaves out the older of the two names of one setting.
fn prefer_temporary_password_validity(pool: &mut Map<String, Value>) {
    let newer = pool
        .get("Policies")
        .and_then(|policies| policies.get("PasswordPolicy")?.get("TemporaryPasswordValidityDays"));
    if newer.is_some_and(Value::is_number)
        && let Some(Value::Object(config)) = pool.get_mut("AdminCreateUserConfig")
    {
        config.shift_remove("UnusedAccountValidityDays");
    }
}
