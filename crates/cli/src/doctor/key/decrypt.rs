//! Whether the senders can decrypt codes with the key.

use pool::policy::{Access, AllowedBy, Denial, Policy, UnknownBecause};
use shared::arn::function_name;

use super::key_use::{
    CONTEXT_CONDITION, GRANT_PAGE, KEY_POLICY_PAGE, POOL_IN_CONTEXT, decryption, except, show_policy,
};
use crate::aws::AwsError;
use crate::aws::kms::Grant;
use crate::doctor::finding::Finding;
use crate::doctor::function::AttachedFunction;
use crate::doctor::registry::CheckId;
use pool::user_pool::UserPool;

const DECRYPT: CheckId = CheckId::TriggersDecrypt;

/// Whether IAM allows the role of a sender to decrypt.
pub(super) struct SenderRole<'a> {
    pub(super) sender: AttachedFunction<'a>,
    pub(super) role_arn: String,
    pub(super) allowed: Result<bool, AwsError>,
}

/// A statement that a decision depends on.
const DENY: &str = "a Deny statement";

/// Whether a grant lets a role decrypt codes of this user pool.
pub(super) fn is_granted(grants: &[Grant], role: &str, pool: &UserPool) -> bool {
    grants.iter().any(|grant| {
        grant.grantees.iter().any(|grantee| grantee == role)
            && grant.operations.iter().any(|operation| operation == "Decrypt")
            && grant.context.iter().all(|(name, value)| name == POOL_IN_CONTEXT && *value == pool.id())
            && grant.source_arn.is_none()
    })
}

/// Whether a sender can decrypt codes of this user pool: by a grant, by the key policy, or, if that delegates to IAM, by
/// the policies of its role. A Deny statement in the key policy takes precedence over all of them.
///
/// `policy` is `None` if the key policy couldn't be read.
pub(super) fn finding(
    role: &SenderRole<'_>,
    policy: Option<&Policy>,
    granted: bool,
    pool: &UserPool,
    key_arn: &str,
) -> Finding {
    let SenderRole { sender, role_arn, allowed } = role;
    let name = function_name(sender.arn);
    let request = decryption(role_arn, pool);
    let fine = || Finding::ok(DECRYPT, format!("{name} can decrypt codes of this user pool"));
    let unknown = |statement: &str, key: &str| {
        Finding::warning(
            DECRYPT,
            format!(
                "whether {name} can decrypt codes of this user pool depends on {statement} in the key policy with a \
                 condition on {key}, which doctor can't evaluate"
            ),
        )
        .advice("Check that condition in the key policy:")
        .command(show_policy(key_arn))
    };
    if granted {
        let by_grant = |finding: Finding| {
            finding.evidence(format!("kms:ListGrants: a grant lets {role_arn} do Decrypt")).source(GRANT_PAGE)
        };
        match policy.map_or(Denial::None, |policy| policy.denial(&request)) {
            Denial::None => return by_grant(fine()),
            Denial::Unknown { condition_key } => return by_grant(unknown(DENY, condition_key)),
            Denial::By(_) => {}
        }
    }
    let cause = |reason: &str| {
        Finding::cause(DECRYPT, format!("{name} can't decrypt codes of this user pool: {reason}"))
    };
    let by_key_policy = |reason: &str| {
        cause(reason)
            .advice(
                "Let the key policy delegate to IAM (Allow kms:* for the account's root) without a Deny that applies. \
                 The policy:",
            )
            .command(show_policy(key_arn))
    };
    let access = policy.map(|policy| policy.access(&request));
    let finding = match (&access, allowed) {
        (Some(Access::Denied(statement)), _) => {
            by_key_policy(&format!("the key policy denies it{}", except(&statement.exceptions())))
        }
        (Some(Access::NotAllowed { allowed_instead }), _) if allowed_instead.is_empty() => {
            by_key_policy("the key policy neither names its role nor delegates to IAM")
        }
        (Some(Access::NotAllowed { allowed_instead }), _) => {
            by_key_policy(&format!("the key policy allows it only for {}", allowed_instead.join(", ")))
        }
        (Some(Access::Unknown(UnknownBecause::Allow { condition_key })), _) => {
            unknown("an Allow statement", condition_key)
        }
        (Some(Access::Unknown(UnknownBecause::Deny { condition_key, otherwise: AllowedBy::Statements(_) })), _)
        | (Some(Access::Unknown(UnknownBecause::Deny { condition_key, otherwise: AllowedBy::Iam })), Ok(true)) => {
            unknown(DENY, condition_key)
        }
        (Some(Access::Allowed(AllowedBy::Statements(_))), _) | (_, Ok(true)) => fine(),
        (_, Ok(false)) => cause("its role's policies don't allow kms:Decrypt on the key for it").advice(
            "Deploy the stack again with UserPoolId set to this user pool: the role can decrypt codes of that user \
             pool only.",
        ),
        (_, Err(error)) => {
            return Finding::not_checked(DECRYPT, &format!("whether {name} can decrypt codes"), error);
        }
    };
    let finding = match &access {
        Some(Access::Allowed(AllowedBy::Iam)) => finding.evidence("kms:GetKeyPolicy delegates to IAM"),
        _ => finding.evidence(format!("kms:GetKeyPolicy, kms:Decrypt for {role_arn}")),
    };
    let finding = finding.source(KEY_POLICY_PAGE);
    match allowed {
        Ok(allowed) => finding.evidence(format!(
            "iam:SimulatePrincipalPolicy of {role_arn}, kms:Decrypt on the key with {CONTEXT_CONDITION}={}: {}",
            pool.id(),
            if *allowed { "allowed" } else { "not allowed" },
        )),
        Err(_) => finding,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::trigger::Trigger;

    use super::super::key_use::test_condition;
    use super::*;
    use crate::aws::cognito::sample_pool;
    use crate::doctor::level::Level;

    const ROLE: &str = "arn:aws:iam::123456789012:role/triggers-sender";

    const DELEGATES: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}"#;

    const FINE: &str = "sender can decrypt codes of this user pool";

    fn statement(effect: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt","Resource":"*"{condition}}}"#
        )
    }

    /// What doctor finds with these statements in the key policy, what IAM returned, and perhaps a grant.
    #[track_caller]
    fn check(statements: &str, iam: bool, granted: bool, level: Level, expected: &str) {
        let policy = Policy::parse(&format!(r#"{{"Statement":[{statements}]}}"#)).expect("a policy");
        let sender = AttachedFunction {
            trigger: Trigger::CustomEmailSender,
            arn: "arn:aws:lambda:eu-central-1:123456789012:function:sender",
        };
        let allowed: Result<bool, AwsError> = Ok(iam);
        let role = SenderRole { sender, role_arn: ROLE.to_owned(), allowed };
        let finding = finding(&role, Some(&policy), granted, &sample_pool(json!({})), "arn:key");
        assert_eq!((finding.level, finding.summary.as_str()), (level, expected), "{statements}");
    }

    #[track_caller]
    fn check_cause(statements: &str, iam: bool, reason: &str) {
        let expected = format!("sender can't decrypt codes of this user pool: {reason}");
        check(statements, iam, false, Level::Cause, &expected);
    }

    #[track_caller]
    fn check_unknown(statements: &str, iam: bool, granted: bool, statement: &str, key: &str) {
        let expected = format!(
            "whether sender can decrypt codes of this user pool depends on {statement} in the key policy with a \
             condition on {key}, which doctor can't evaluate"
        );
        check(statements, iam, granted, Level::Warning, &expected);
    }

    #[test]
    fn a_key_policy_allows_or_delegates_to_iam() {
        let own = "eu-central-1_Example01";
        check(DELEGATES, true, false, Level::Ok, FINE);
        check_cause(DELEGATES, false, "its role's policies don't allow kms:Decrypt on the key for it");
        check(&statement("Allow", ""), false, false, Level::Ok, FINE);
        check(&format!("{},{DELEGATES}", statement("Allow", "")), false, false, Level::Ok, FINE);
        check(&statement("Allow", &test_condition("StringEquals", own)), false, false, Level::Ok, FINE);
        let nothing = "the key policy neither names its role nor delegates to IAM";
        check_cause("", true, nothing);
        check_cause(&DELEGATES.replace("123456789012", "111122223333"), true, nothing);
        check_cause(&DELEGATES.replace("kms:*", "kms:Describe*"), true, nothing);
        check_cause(
            &statement("Allow", &test_condition("StringEquals", "eu-central-1_Other")),
            true,
            "the key policy allows it only for eu-central-1_Other",
        );
        check_unknown(
            &statement("Allow", r#","Condition":{"Bool":{"aws:ViaAWSService":"true"}}"#),
            true,
            false,
            "an Allow statement",
            "aws:viaawsservice",
        );
    }

    #[test]
    fn a_deny_statement_takes_precedence_over_every_permission() {
        let (own, other) = ("eu-central-1_Example01", "eu-central-1_Other");
        let with = |deny: &str| format!("{DELEGATES},{deny}");
        let denied = "sender can't decrypt codes of this user pool: the key policy denies it";
        check(&with(&statement("Deny", "")), true, true, Level::Cause, denied);
        check_cause(
            &with(&statement("Deny", &test_condition("StringNotEquals", other))),
            true,
            "the key policy denies it for all user pools except eu-central-1_Other",
        );
        let except_own = with(&statement("Deny", &test_condition("StringNotEquals", own)));
        check(&except_own, true, false, Level::Ok, FINE);
    }

    #[test]
    fn a_deny_statement_applies_to_all_principals_and_actions_that_it_does_not_except() {
        let deny = |principal: &str, action: &str| {
            format!(r#"{DELEGATES},{{"Effect":"Deny","NotPrincipal":{principal},"NotAction":"{action}"}}"#)
        };
        let (other, own) =
            (r#"{"AWS":"arn:aws:iam::123456789012:role/other"}"#, format!(r#"{{"AWS":"{ROLE}"}}"#));
        check_cause(&deny(other, "kms:Encrypt"), true, "the key policy denies it");
        check(&deny(other, "kms:Decrypt"), true, false, Level::Ok, FINE);
        check(&deny(&own, "kms:Encrypt"), true, false, Level::Ok, FINE);
    }

    #[test]
    fn a_deny_whose_condition_is_not_understood_is_never_forgotten() {
        let deny = statement("Deny", r#","Condition":{"Bool":{"aws:ViaAWSService":"false"}}"#);
        let key = "aws:viaawsservice";
        let delegates = format!("{deny},{DELEGATES}");
        check_unknown(&format!("{},{deny}", statement("Allow", "")), false, false, DENY, key);
        check_unknown(&delegates, true, false, DENY, key);
        check_cause(&delegates, false, "its role's policies don't allow kms:Decrypt on the key for it");
        check_unknown(&delegates, false, true, DENY, key);
        check_unknown(&deny, false, true, DENY, key);
        check_cause(&deny, true, "the key policy neither names its role nor delegates to IAM");
        // A policy variable is not compared as text.
        let variable =
            statement("Deny", &test_condition("ForAnyValue:StringEquals", "${aws:PrincipalTag/pool}"));
        check_unknown(
            &format!("{DELEGATES},{variable}"),
            true,
            false,
            DENY,
            "kms:encryptioncontext:userpool-id",
        );
    }

    #[test]
    fn conditions_on_the_role_and_its_account_are_evaluated() {
        let condition =
            |key: &str, value: &str| format!(r#","Condition":{{"StringEquals":{{"{key}":"{value}"}}}}"#);
        for (key, value) in [
            ("aws:PrincipalArn", ROLE),
            ("aws:PrincipalAccount", "123456789012"),
            ("kms:CallerAccount", "123456789012"),
        ] {
            check(&statement("Allow", &condition(key, value)), false, false, Level::Ok, FINE);
        }
    }
}
