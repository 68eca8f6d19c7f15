//! Whether Cognito can invoke a function for a user pool.

use shared::arn::{function_name, unqualified};

use crate::aws::AwsError;
use crate::aws::cognito::Pool;
use crate::doctor::finding::Finding;
use crate::doctor::function::{AttachedFunction, account_of};
use crate::doctor::policy::{ConditionResult, Policy, Statement};
use crate::doctor::registry::CheckId;
use crate::doctor::step::Step;

const PERMISSION: CheckId = CheckId::TriggersPermission;

/// The principal that invokes the functions.
const COGNITO: &str = "cognito-idp.amazonaws.com";

const TRIGGER_PAGE: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html";

/// Whether Cognito can invoke a function for a user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
enum InvokePermission {
    Allowed,
    /// No condition restricts it to this user pool or its account.
    AnyPool,
    /// The function has no policy.
    NoPolicy,
    /// No statement is about Cognito.
    Missing,
    /// The conditions name other user pools and accounts.
    Others(Vec<String>),
    Denied,
    /// It depends on a condition that isn't understood here.
    Unknown(String),
}

pub(super) fn finding(
    attached: AttachedFunction<'_>,
    policy: &Result<Option<String>, AwsError>,
    pool: &Pool,
) -> Finding {
    let name = function_name(attached.arn);
    let policy = match policy {
        Ok(policy) => policy.as_deref(),
        Err(error) => {
            return Finding::not_checked(PERMISSION, &format!("whether Cognito can invoke {name}"), error);
        }
    };
    let cause = |reason: &str| {
        Finding::cause(
            PERMISSION,
            format!("Cognito can't invoke {name} for this user pool ({reason}): {}", attached.consequence()),
        )
    };
    let permission = invoke_permission(policy, &pool.arn);
    let finding = match &permission {
        InvokePermission::Allowed => {
            Finding::ok(PERMISSION, format!("Cognito can invoke {name} for this user pool"))
        }
        InvokePermission::AnyPool => Finding::warning(
            PERMISSION,
            format!("every user pool of every account can invoke {name}"),
        )
        .advice("Replace that statement with one that has aws:SourceArn: attach adds it."),
        InvokePermission::NoPolicy => cause("the function has no policy"),
        InvokePermission::Missing => cause("no statement of its policy is about Cognito"),
        InvokePermission::Others(others) => cause(&format!("its policy names {}", others.join(", "))),
        InvokePermission::Denied => cause("a statement of its policy denies it"),
        InvokePermission::Unknown(key) => Finding::warning(
            PERMISSION,
            format!("whether Cognito can invoke {name} depends on the condition {key}, which doctor can't evaluate"),
        )
        .advice("Check that condition in the function's policy (aws lambda get-policy)."),
    };
    let qualified = attached.arn != unqualified(attached.arn);
    let qualified = if qualified { ", for that version or alias, which has its own policy" } else { "" };
    let finding = finding
        .evidence(format!(
            "lambda:GetPolicy{qualified}: Cognito needs a statement for lambda:InvokeFunction and {COGNITO} with \
             aws:SourceArn {} and its account as aws:SourceAccount",
            pool.arn
        ))
        .source(TRIGGER_PAGE);
    match permission {
        InvokePermission::NoPolicy | InvokePermission::Missing | InvokePermission::Others(_) => {
            finding.step(Step::AllowInvoke {
                function_arn: attached.arn.to_owned(),
                pool_arn: pool.arn.clone(),
                account: account_of(&pool.arn).to_owned(),
            })
        }
        InvokePermission::Denied => finding.advice(
            "Remove that statement with aws lambda remove-permission, or in the stack that added it.",
        ),
        InvokePermission::Allowed | InvokePermission::AnyPool | InvokePermission::Unknown(_) => finding,
    }
}

fn invoke_permission(policy: Option<&str>, pool_arn: &str) -> InvokePermission {
    let Some(policy) = policy.and_then(Policy::parse) else { return InvokePermission::NoPolicy };
    let statements =
        policy.about("lambda:InvokeFunction").filter(|statement| statement.names_service(COGNITO));
    let (mut others, mut allowed, mut any_pool) = (Vec::new(), false, false);
    let (mut unknown_allow, mut unknown_deny) = (None, None);
    for statement in statements {
        match (applies(statement, pool_arn), statement.allows) {
            (Applies::Yes | Applies::ToAll, false) => return InvokePermission::Denied,
            (Applies::Yes, true) => allowed = true,
            (Applies::ToAll, true) => any_pool = true,
            (Applies::No(named), true) => others.extend(named),
            (Applies::No(_), false) => {}
            (Applies::Unknown(key), true) => unknown_allow = Some(key),
            (Applies::Unknown(key), false) => unknown_deny = Some(key),
        }
    }
    // A Deny takes precedence over every Allow, so one that isn't understood leaves the result open.
    match (unknown_deny, unknown_allow) {
        (Some(key), _) if allowed || any_pool => InvokePermission::Unknown(key),
        _ if allowed => InvokePermission::Allowed,
        _ if any_pool => InvokePermission::AnyPool,
        (_, Some(key)) => InvokePermission::Unknown(key),
        _ if others.is_empty() => InvokePermission::Missing,
        _ => {
            others.sort();
            others.dedup();
            InvokePermission::Others(others)
        }
    }
}

/// Whether a statement applies to a user pool.
enum Applies {
    Yes,
    ToAll,
    /// It names these user pools or accounts.
    No(Vec<String>),
    Unknown(String),
}

fn applies(statement: &Statement, pool_arn: &str) -> Applies {
    let mut restricted = false;
    let mut unknown = None;
    for condition in &statement.conditions {
        let actual = match condition.key.as_str() {
            "aws:sourcearn" => pool_arn,
            "aws:sourceaccount" => account_of(pool_arn),
            other => {
                unknown = Some(other.to_owned());
                continue;
            }
        };
        match condition.holds_for(actual) {
            ConditionResult::Fulfilled => restricted = true,
            ConditionResult::NotFulfilled => return Applies::No(condition.values.clone()),
            ConditionResult::Unknown => unknown = Some(condition.key.clone()),
        }
    }
    match unknown {
        Some(key) => Applies::Unknown(key),
        None if restricted => Applies::Yes,
        None => Applies::ToAll,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL_ARN: &str = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01";

    fn statement(effect: &str, conditions: &str) -> String {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"Service":"{COGNITO}"}},"Action":"lambda:InvokeFunction","Condition":{{{conditions}}}}}"#
        )
    }

    #[track_caller]
    fn check(statements: &[String], expected: &InvokePermission) {
        let policy = format!(r#"{{"Statement":[{}]}}"#, statements.join(","));
        assert_eq!(&invoke_permission(Some(&policy), POOL_ARN), expected, "{policy}");
    }

    #[test]
    fn one_allow_for_this_user_pool_is_enough_and_one_deny_takes_precedence() {
        let own = statement("Allow", &format!(r#""ArnLike":{{"AWS:SourceArn":"{POOL_ARN}"}}"#));
        let wild = statement(
            "Allow",
            r#""StringLike":{"aws:SourceArn":"arn:aws:cognito-idp:*:123456789012:userpool/*"}"#,
        );
        let other = statement(
            "Allow",
            r#""ArnEquals":{"aws:SourceArn":"arn:aws:cognito-idp:eu-central-1:1:userpool/other"}"#,
        );
        let account = statement("Allow", r#""StringEquals":{"aws:SourceAccount":["111122223333"]}"#);
        let unknown = statement("Allow", r#""Bool":{"aws:SecureTransport":"true"}"#);
        let others =
            ["111122223333".to_owned(), "arn:aws:cognito-idp:eu-central-1:1:userpool/other".to_owned()];
        assert_eq!(invoke_permission(None, POOL_ARN), InvokePermission::NoPolicy);
        check(&[], &InvokePermission::Missing);
        check(&[other.clone(), own.clone()], &InvokePermission::Allowed);
        check(std::slice::from_ref(&wild), &InvokePermission::Allowed);
        check(&[statement("Allow", "")], &InvokePermission::AnyPool);
        check(&[other.clone(), account, other.clone()], &InvokePermission::Others(others.to_vec()));
        check(&[unknown.clone(), other], &InvokePermission::Unknown("aws:securetransport".to_owned()));
        check(&[unknown, own.clone()], &InvokePermission::Allowed);
        // A Deny whose condition isn't understood is not forgotten.
        let unknown_deny = statement("Deny", r#""Bool":{"aws:SecureTransport":"false"}"#);
        let unknown_result = InvokePermission::Unknown("aws:securetransport".to_owned());
        check(&[own.clone(), unknown_deny.clone()], &unknown_result);
        check(&[unknown_deny.clone(), own.clone()], &unknown_result);
        check(&[unknown_deny.clone(), statement("Allow", "")], &unknown_result);
        check(&[unknown_deny], &InvokePermission::Missing);
        check(&[own, statement("Deny", "")], &InvokePermission::Denied);
        check(
            &[wild, statement("Deny", r#""ArnLike":{"aws:SourceArn":"arn:other"}"#)],
            &InvokePermission::Allowed,
        );
    }
}
