//! Whether Cognito can invoke a function for a user pool.

use pool::permission::{COGNITO, InvokePermission, PermittedPools};
use pool::policy::{Effect, Policy};
use shared::arn::{function_name, unqualified};

use crate::aws::AwsError;
use crate::doctor::finding::Finding;
use crate::doctor::function::{AttachedFunction, account_of};
use crate::doctor::registry::CheckId;
use crate::doctor::step::Step;
use pool::user_pool::UserPool;

const PERMISSION: CheckId = CheckId::TriggersPermission;

const TRIGGER_PAGE: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html";

pub(super) fn finding(
    attached: AttachedFunction<'_>,
    policy: &Result<Option<String>, AwsError>,
    pool: &UserPool,
) -> Finding {
    let name = function_name(attached.arn);
    let policy = match policy {
        Ok(policy) => policy.as_deref().and_then(Policy::parse),
        Err(error) => {
            return Finding::not_checked(PERMISSION, &format!("whether Cognito can invoke {name}"), error);
        }
    };
    let permission = policy.map(|policy| InvokePermission::in_policy(&policy, pool.arn()));
    let finding = described(attached, permission.as_ref());
    let qualified = attached.arn != unqualified(attached.arn);
    let qualified = if qualified { ", for that version or alias, which has its own policy" } else { "" };
    let finding = finding
        .evidence(format!(
            "lambda:GetPolicy{qualified}: Cognito needs a statement for lambda:InvokeFunction and {COGNITO} with \
             aws:SourceArn {} and its account as aws:SourceAccount",
            pool.arn()
        ))
        .source(TRIGGER_PAGE);
    match permission {
        None | Some(InvokePermission::NotAllowed { .. }) => finding.step(Step::AllowInvoke {
            function_arn: attached.arn.to_owned(),
            pool_arn: pool.arn().to_owned(),
            account: account_of(pool.arn()).to_owned(),
        }),
        Some(InvokePermission::Denied) => finding.advice(
            "Remove that statement with aws lambda remove-permission, or in the stack that added it.",
        ),
        Some(InvokePermission::Unknown { .. }) => {
            finding.advice("Check that condition in the function's policy (aws lambda get-policy).")
        }
        Some(InvokePermission::Allowed(PermittedPools::OfEveryAccount)) => {
            finding.advice("Replace that statement with one that has aws:SourceArn: attach adds it.")
        }
        Some(InvokePermission::Allowed(PermittedPools::Named | PermittedPools::OfAccount)) => finding,
    }
}

/// What the function's policy means for this user pool; `None` if the function has no policy.
fn described(attached: AttachedFunction<'_>, permission: Option<&InvokePermission>) -> Finding {
    let (name, consequence) = (function_name(attached.arn), attached.consequence());
    let cause = |reason: &str| {
        Finding::cause(
            PERMISSION,
            format!("Cognito can't invoke {name} for this user pool ({reason}): {consequence}"),
        )
    };
    match permission {
        None => cause("the function has no policy"),
        Some(InvokePermission::Allowed(PermittedPools::Named)) => {
            Finding::ok(PERMISSION, format!("Cognito can invoke {name} for this user pool"))
        }
        Some(InvokePermission::Allowed(PermittedPools::OfAccount)) => {
            Finding::ok(PERMISSION, format!("Cognito can invoke {name} for every user pool of its account"))
        }
        Some(InvokePermission::Allowed(PermittedPools::OfEveryAccount)) => {
            Finding::warning(PERMISSION, format!("every user pool of every account can invoke {name}"))
        }
        Some(InvokePermission::NotAllowed { allowed_instead }) if allowed_instead.is_empty() => {
            cause("no statement of its policy is about Cognito")
        }
        Some(InvokePermission::NotAllowed { allowed_instead }) => {
            cause(&format!("its policy allows only {}", allowed_instead.join(", ")))
        }
        Some(InvokePermission::Denied) => cause("a Deny statement of its policy applies"),
        Some(InvokePermission::Unknown { effect: Effect::Allow, condition_key }) => Finding::warning(
            PERMISSION,
            format!(
                "whether Cognito can invoke {name} depends on a condition on {condition_key} in its policy, which \
                 doctor can't evaluate"
            ),
        ),
        Some(InvokePermission::Unknown { effect: Effect::Deny, condition_key }) => Finding::warning(
            PERMISSION,
            format!(
                "whether Cognito can invoke {name} depends on a Deny statement in its policy with a condition on \
                 {condition_key}, which doctor can't evaluate: if the statement applies, {consequence}"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::trigger::Trigger;

    use super::*;
    use crate::aws::cognito::sample_pool;
    use crate::doctor::level::Level;

    const POOL_ARN: &str = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01";
    const SENDER: AttachedFunction<'_> = AttachedFunction {
        trigger: Trigger::CustomEmailSender,
        arn: "arn:aws:lambda:eu-central-1:123456789012:function:sender",
    };

    fn statement(effect: &str, condition: &Value) -> Value {
        json!({
            "Effect": effect,
            "Principal": { "Service": COGNITO },
            "Action": "lambda:InvokeFunction",
            "Condition": condition,
        })
    }

    fn allow_this_pool() -> Value {
        statement("Allow", &json!({ "ArnLike": { "AWS:SourceArn": POOL_ARN } }))
    }

    #[track_caller]
    fn check(statements: &Value, level: Level, expected: &str) {
        let policy = json!({ "Statement": statements }).to_string();
        let pool = sample_pool(json!({}));
        let finding = finding(SENDER, &Ok(Some(policy)), &pool);
        assert_eq!((finding.level, finding.summary.as_str()), (level, expected), "{statements}");
    }

    #[test]
    fn a_statement_names_the_user_pool_its_account_or_all() {
        check(&json!([allow_this_pool()]), Level::Ok, "Cognito can invoke sender for this user pool");
        check(
            &json!([statement("Allow", &json!({ "StringEquals": { "aws:SourceAccount": "123456789012" } }))]),
            Level::Ok,
            "Cognito can invoke sender for every user pool of its account",
        );
        let every = "every user pool of every account can invoke sender";
        check(&json!([statement("Allow", &json!({}))]), Level::Warning, every);
        // This principal includes services.
        let mut everyone = statement("Allow", &json!({}));
        everyone["Principal"] = json!({ "AWS": "*" });
        check(&json!([everyone]), Level::Warning, every);
    }

    #[test]
    fn what_the_policy_allows_instead_is_named() {
        let nothing = "Cognito can't invoke sender for this user pool (no statement of its policy is about Cognito): \
                       no email is sent";
        check(&json!([]), Level::Cause, nothing);
        let other = json!({ "StringEquals": { "aws:SourceAccount": "111122223333" } });
        check(
            &json!([statement("Allow", &other)]),
            Level::Cause,
            "Cognito can't invoke sender for this user pool (its policy allows only 111122223333): no email is sent",
        );
    }

    #[test]
    fn a_deny_statement_applies_to_all_principals_and_actions_that_it_does_not_except() {
        let denied = "Cognito can't invoke sender for this user pool (a Deny statement of its policy applies): no email \
                      is sent";
        let allowed = "Cognito can invoke sender for this user pool";
        let deny = |principal: Value, action: &str| json!([allow_this_pool(), { "Effect": "Deny", "NotPrincipal": principal, "NotAction": action }]);
        let role = json!({ "AWS": "arn:aws:iam::123456789012:role/deployer" });
        check(&deny(role.clone(), "lambda:GetFunction"), Level::Cause, denied);
        check(&deny(role, "lambda:InvokeFunction"), Level::Ok, allowed);
        for principal in [json!({ "Service": COGNITO }), json!({ "AWS": "*" }), json!("*")] {
            check(&deny(principal, "lambda:GetFunction"), Level::Ok, allowed);
        }
    }

    #[test]
    fn qualifiers_of_operators_are_known_and_others_are_not_guessed() {
        let allow =
            |operator: &str| json!([statement("Allow", &json!({ operator: { "aws:SourceArn": POOL_ARN } }))]);
        for operator in ["ForAnyValue:ArnLike", "ForAllValues:StringEquals", "ForAnyValue:StringLikeIfExists"]
        {
            check(&allow(operator), Level::Ok, "Cognito can invoke sender for this user pool");
        }
        check(
            &allow("ForSomeValue:ArnLike"),
            Level::Warning,
            "whether Cognito can invoke sender depends on a condition on aws:sourcearn in its policy, which doctor \
             can't evaluate",
        );
    }

    #[test]
    fn a_deny_whose_condition_is_not_understood_is_never_forgotten() {
        for (condition, key) in [
            (json!({ "Bool": { "aws:SecureTransport": "false" } }), "aws:securetransport"),
            (json!({ "StringEquals": { "aws:SourceArn": "${aws:PrincipalArn}" } }), "aws:sourcearn"),
            (json!({ "ForSomeValue:StringEquals": { "aws:SourceArn": "arn:other" } }), "aws:sourcearn"),
        ] {
            let (allow, deny) = (allow_this_pool(), statement("Deny", &condition));
            let expected = format!(
                "whether Cognito can invoke sender depends on a Deny statement in its policy with a condition on {key}, \
                 which doctor can't evaluate: if the statement applies, no email is sent"
            );
            check(&json!([allow, deny]), Level::Warning, &expected);
            check(&json!([deny, allow]), Level::Warning, &expected);
        }
    }
}
