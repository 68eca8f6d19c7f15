//! Whether Cognito may invoke a function for a user pool, and the statement that allows it.

use std::collections::BTreeMap;

use shared::arn::account_of;

use crate::aws::{CallError, Clients, Kind};
use crate::policy::{Access, AllowedBy, Effect, Policy, Principal, Request, Statement, UnknownBecause};
use crate::triggers::split_qualifier;
use crate::user_pool::UserPool;

/// The service principal that invokes Lambda triggers.
pub const COGNITO: &str = "cognito-idp.amazonaws.com";

const SOURCE_ARN: &str = "aws:sourcearn";
const SOURCE_ACCOUNT: &str = "aws:sourceaccount";

/// Whether Cognito may invoke a function for one user pool, according to the function's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokePermission {
    /// It may.
    Allowed(PermittedPools),
    /// No statement allows it.
    NotAllowed {
        /// The user pools and accounts that statements allow instead.
        allowed_instead: Vec<String>,
    },
    /// A Deny statement applies.
    Denied,
    /// It depends on a condition that cannot be evaluated.
    Unknown {
        /// `Deny`: a statement allows it, but a Deny statement with that condition may apply. `Allow`: only a
        /// statement with that condition allows it.
        effect: Effect,
        /// The condition key.
        condition_key: String,
    },
}

/// For which user pools the narrowest of the statements that apply lets Cognito invoke a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PermittedPools {
    /// Those that a condition on `aws:SourceArn` names.
    Named,
    /// All of the account: there is a condition on `aws:SourceAccount` alone.
    OfAccount,
    /// All of every account: there is no condition.
    OfEveryAccount,
}

impl InvokePermission {
    /// Reads the policy of a function.
    #[must_use]
    pub fn in_policy(policy: &Policy, pool_arn: &str) -> Self {
        let account = account_of(pool_arn).unwrap_or_default();
        let request = Request {
            action: "lambda:InvokeFunction",
            principal: Principal::Service(COGNITO),
            context: BTreeMap::from([(SOURCE_ARN, pool_arn), (SOURCE_ACCOUNT, account)]),
        };
        match policy.access(&request) {
            Access::Allowed(allowed) => Self::Allowed(permitted_pools(&allowed)),
            Access::NotAllowed { allowed_instead } => Self::NotAllowed { allowed_instead },
            Access::Denied(_) => Self::Denied,
            Access::Unknown(UnknownBecause::Deny { condition_key, .. }) => {
                Self::Unknown { effect: Effect::Deny, condition_key: condition_key.to_owned() }
            }
            Access::Unknown(UnknownBecause::Allow { condition_key }) => {
                Self::Unknown { effect: Effect::Allow, condition_key: condition_key.to_owned() }
            }
        }
    }

    /// Whether no statement certainly allows it, so that [`grant`] adds one. A Deny statement would win over it.
    #[must_use]
    pub fn needs_statement(&self) -> bool {
        matches!(self, Self::NotAllowed { .. } | Self::Unknown { effect: Effect::Allow, .. })
    }
}

fn permitted_pools(allowed: &AllowedBy<'_>) -> PermittedPools {
    let AllowedBy::Statements(statements) = allowed else { return PermittedPools::OfEveryAccount };
    let pools = |statement: &&Statement| {
        if statement.tests(SOURCE_ARN) {
            PermittedPools::Named
        } else if statement.tests(SOURCE_ACCOUNT) {
            PermittedPools::OfAccount
        } else {
            PermittedPools::OfEveryAccount
        }
    };
    statements.iter().map(pools).min().unwrap_or(PermittedPools::OfEveryAccount)
}

/// The name (`Sid`) of the statement that [`grant`] adds to a function's policy for a user pool and [`revoke`] removes.
#[must_use]
pub fn statement_id(pool_id: &str) -> String {
    format!("cognito-triggers-{pool_id}")
}

/// Reads the policy of a function.
///
/// # Errors
/// When Lambda does not return it.
pub async fn check(
    clients: &Clients,
    function: &str,
    pool: &UserPool,
) -> Result<InvokePermission, CallError> {
    Ok(InvokePermission::in_policy(&policy(clients, function).await?, pool.arn()))
}

/// Lets Cognito invoke a function for this user pool, unless it may already. Returns whether a statement was added.
///
/// # Errors
/// When Lambda rejects the statement.
pub async fn grant(clients: &Clients, function: &str, pool: &UserPool) -> Result<bool, CallError> {
    if !check(clients, function, pool).await?.needs_statement() {
        return Ok(false);
    }
    let name = statement_id(pool.id());
    let function = split_qualifier(function);
    match clients.add_permission(function, &name, pool).await {
        // An operator changed the statement of that name, so that it allows something else.
        Err(error) if error.kind() == Kind::Conflict => {
            clients.remove_permission(function, &name).await?;
            clients.add_permission(function, &name, pool).await?;
        }
        result => result?,
    }
    Ok(true)
}

/// Removes the statement that [`grant`] added, and no other. Returns whether it existed.
///
/// # Errors
/// When Lambda does not remove it.
pub async fn revoke(clients: &Clients, function: &str, pool: &UserPool) -> Result<bool, CallError> {
    clients.remove_permission(split_qualifier(function), &statement_id(pool.id())).await
}

/// Whether the statement that [`grant`] adds exists.
///
/// # Errors
/// When Lambda does not return the policy.
pub async fn is_granted(clients: &Clients, function: &str, pool: &UserPool) -> Result<bool, CallError> {
    Ok(policy(clients, function).await?.has_statement(&statement_id(pool.id())))
}

/// A function without a policy has one without statements.
async fn policy(clients: &Clients, function: &str) -> Result<Policy, CallError> {
    let (function, qualifier) = split_qualifier(function);
    let policy = clients.policy(function, qualifier).await?;
    Ok(policy.as_deref().and_then(Policy::parse).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-pre-sign-up";
    const ARN: &str = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01";
    const OTHER: &str = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/another";

    const NAMED: InvokePermission = InvokePermission::Allowed(PermittedPools::Named);
    const OF_ACCOUNT: InvokePermission = InvokePermission::Allowed(PermittedPools::OfAccount);
    const OF_EVERY_ACCOUNT: InvokePermission = InvokePermission::Allowed(PermittedPools::OfEveryAccount);

    fn statement(effect: &str, condition: &Value) -> Value {
        json!({
            "Effect": effect,
            "Principal": { "Service": "cognito-idp.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": FUNCTION,
            "Condition": condition,
        })
    }

    fn allow(condition: &Value) -> Value {
        statement("Allow", condition)
    }

    fn not_allowed(instead: &[&str]) -> InvokePermission {
        InvokePermission::NotAllowed {
            allowed_instead: instead.iter().map(|&value| value.to_owned()).collect(),
        }
    }

    fn unknown(effect: Effect, condition_key: &str) -> InvokePermission {
        InvokePermission::Unknown { effect, condition_key: condition_key.to_owned() }
    }

    #[track_caller]
    fn check(statements: &Value, expected: &InvokePermission) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let policy = Policy::parse(&policy).expect("a policy");
        assert_eq!(&InvokePermission::in_policy(&policy, ARN), expected, "{statements}");
    }

    #[test]
    fn a_statement_for_this_pool_allows_it() {
        for condition in [
            json!({ "ArnLike": { "AWS:SourceArn": ARN }, "StringEquals": { "AWS:SourceAccount": "123456789012" } }),
            json!({ "ArnEquals": { "aws:sourcearn": [ARN, "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/b"] } }),
            json!({ "StringEquals": { "AWS:SourceArn": ARN } }),
            json!({ "StringLike": { "AWS:SourceArn": "arn:aws:cognito-idp:*:123456789012:userpool/*_Example0?" } }),
            json!({ "ArnLikeIfExists": { "AWS:SourceArn": ARN } }),
            json!({ "ForAnyValue:ArnLike": { "AWS:SourceArn": ARN } }),
        ] {
            check(&json!([allow(&condition)]), &NAMED);
            check(&allow(&condition), &NAMED);
        }
    }

    #[test]
    fn a_statement_for_another_pool_account_service_or_action_does_not() {
        for (condition, instead) in [
            (json!({ "ArnLike": { "AWS:SourceArn": OTHER } }), OTHER),
            (
                json!({ "StringEquals": { "AWS:SourceArn": "arn:aws:cognito-idp:*" } }),
                "arn:aws:cognito-idp:*",
            ),
            (
                json!({ "ArnLike": { "AWS:SourceArn": ARN }, "StringEquals": { "AWS:SourceAccount": "210987654321" } }),
                "210987654321",
            ),
            (json!({ "ArnNotLike": { "AWS:SourceArn": ARN } }), ARN),
        ] {
            check(&json!([allow(&condition)]), &not_allowed(&[instead]));
        }
        let [account, other] = [
            json!({ "StringEquals": { "aws:SourceAccount": ["111122223333"] } }),
            json!({ "ArnEquals": { "aws:SourceArn": OTHER } }),
        ];
        let both = not_allowed(&["111122223333", OTHER]);
        check(&json!([allow(&other), allow(&account), allow(&other)]), &both);
        for (member, value) in
            [("Principal", json!({ "Service": "s3.amazonaws.com" })), ("Action", json!("lambda:GetFunction"))]
        {
            let mut statement = allow(&json!({}));
            statement[member] = value;
            check(&json!([statement]), &not_allowed(&[]));
        }
        check(&json!([]), &not_allowed(&[]));
    }

    #[test]
    fn a_statement_that_names_no_pool_allows_all_of_the_account_or_of_every_account() {
        check(&json!([allow(&json!({}))]), &OF_EVERY_ACCOUNT);
        check(&allow(&json!({ "StringEquals": { "AWS:SourceAccount": "123456789012" } })), &OF_ACCOUNT);
        let mut everyone = allow(&json!({}));
        (everyone["Principal"], everyone["Action"]) = (json!("*"), json!(["lambda:*"]));
        check(&json!([everyone]), &OF_EVERY_ACCOUNT);
        check(&json!([everyone, allow(&json!({ "ArnLike": { "AWS:SourceArn": ARN } }))]), &NAMED);
    }

    #[test]
    fn a_denial_wins() {
        let own = allow(&json!({ "ArnLike": { "AWS:SourceArn": ARN } }));
        let deny = |condition: Value| statement("Deny", &condition);
        check(&json!([own, deny(json!({}))]), &InvokePermission::Denied);
        check(&json!([own, deny(json!({ "ArnLike": { "AWS:SourceArn": OTHER } }))]), &NAMED);
        let mut others = json!({ "Effect": "Deny", "NotPrincipal": { "AWS": "123456789012" }, "NotAction": "lambda:GetFunction" });
        check(&json!([own, others]), &InvokePermission::Denied);
        others["NotPrincipal"] = json!({ "Service": COGNITO });
        check(&json!([own, others]), &NAMED);
    }

    #[test]
    fn a_condition_that_is_not_understood_makes_the_answer_unknown() {
        let own = json!({ "ArnLike": { "AWS:SourceArn": ARN } });
        for (operator, key) in [("Bool", "aws:SecureTransport"), ("StringEquals", "aws:PrincipalOrgID")] {
            let mut condition = own.clone();
            condition[operator] = json!({ key: "true" });
            let key = key.to_ascii_lowercase();
            let only_if = unknown(Effect::Allow, &key);
            check(&json!([allow(&condition)]), &only_if);
            check(
                &json!([allow(&condition), allow(&json!({ "ArnLike": { "AWS:SourceArn": OTHER } }))]),
                &only_if,
            );
            check(&json!([allow(&condition), allow(&own)]), &NAMED);
            let unless = unknown(Effect::Deny, &key);
            check(&json!([allow(&own), statement("Deny", &condition)]), &unless);
            check(&json!([statement("Deny", &condition), allow(&own)]), &unless);
            assert!(only_if.needs_statement() && !unless.needs_statement());
        }
    }

    #[test]
    fn lambda_accepts_the_name_of_the_statement() {
        let name = statement_id("eu-central-1_Example01");
        assert_eq!(name, "cognito-triggers-eu-central-1_Example01");
        assert!(
            name.len() <= 100 && name.chars().all(|one| one.is_ascii_alphanumeric() || "-_".contains(one))
        );
    }
}
