//! How Cognito and the senders use the key, as a key policy sees it.

use std::collections::BTreeMap;

use pool::permission::COGNITO;
use pool::policy::{Principal, Request};

use crate::doctor::function::account_of;
use crate::doctor::step::region_of;
use crate::terminal::shell::quote;
use pool::user_pool::UserPool;

/// The member of the encryption context that names the user pool of a code, and the condition on it.
pub(super) const POOL_IN_CONTEXT: &str = "userpool-id";
pub(super) const CONTEXT_CONDITION: &str = "kms:EncryptionContext:userpool-id";

/// That condition key in lower case, as the policy reader compares it.
const CONTEXT_CONDITION_KEY: &str = "kms:encryptioncontext:userpool-id";

pub(super) const SENDER_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sender-triggers.html";
pub(super) const GRANT_PAGE: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/grants.html";
pub(super) const KEY_POLICY_PAGE: &str =
    "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html";

/// A role decrypts a code of a user pool.
pub(super) fn decryption<'a>(role_arn: &'a str, pool: &'a UserPool) -> Request<'a> {
    let account = account_of(role_arn);
    Request {
        action: "kms:Decrypt",
        principal: Principal::Role { arn: role_arn, account },
        context: BTreeMap::from([
            (CONTEXT_CONDITION_KEY, pool.id()),
            ("aws:principalarn", role_arn),
            ("aws:principalaccount", account),
            ("kms:calleraccount", account),
        ]),
    }
}

/// Cognito encrypts a code of a user pool.
pub(super) fn encryption<'a>(action: &'a str, pool: &'a UserPool) -> Request<'a> {
    Request {
        action,
        principal: Principal::Service(COGNITO),
        context: BTreeMap::from([(CONTEXT_CONDITION_KEY, pool.id())]),
    }
}

/// "for all user pools except …", if there are any.
pub(super) fn except(exempted: &[String]) -> String {
    if exempted.is_empty() {
        String::new()
    } else {
        format!(" for all user pools except {}", exempted.join(", "))
    }
}

/// The command that shows the policy of a key.
pub(super) fn show_policy(key_arn: &str) -> String {
    let region = region_of(key_arn);
    format!("aws kms get-key-policy --key-id {} --region {} --output text", quote(key_arn), quote(region))
}

#[cfg(test)]
pub(super) fn test_condition(operator: &str, pool_id: &str) -> String {
    format!(r#","Condition":{{"{operator}":{{"{CONTEXT_CONDITION}":"{pool_id}"}}}}"#)
}
