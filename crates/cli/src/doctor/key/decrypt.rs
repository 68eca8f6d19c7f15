//! Whether the senders can decrypt codes with the key.

use shared::arn::function_name;

use super::{
    CONTEXT_CONDITION, Conditions, GRANT_PAGE, KEY_POLICY_PAGE, POOL_IN_CONTEXT, SenderRole, conditions,
    except, exempted, show_policy,
};
use crate::aws::cognito::Pool;
use crate::aws::kms::Grant;
use crate::doctor::finding::Finding;
use crate::doctor::function::account_of;
use crate::doctor::policy::Policy;
use crate::doctor::registry::CheckId;

const DECRYPT: CheckId = CheckId::TriggersDecrypt;

/// What a key policy says about a role that decrypts codes of a user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyPolicyDecision {
    /// It allows the role by its ARN.
    Allows,
    /// It leaves the decision to the IAM policies of the account.
    DelegatesToIam,
    /// A statement denies it, except for these user pools.
    Denies(Vec<String>),
    /// It allows the role only for these other user pools.
    AllowsOtherPools(Vec<String>),
    /// Nothing allows it.
    NotAllowed,
    /// It depends on a condition that isn't understood here.
    Unknown(String),
}

fn key_policy_decision(policy: &Policy, role: &str, pool: &Pool) -> KeyPolicyDecision {
    let mut best = KeyPolicyDecision::NotAllowed;
    let mut unknown_deny = None;
    for statement in policy.about("kms:Decrypt") {
        let named = statement.names_role(role);
        let delegated = statement.leaves_it_to(account_of(role));
        if !named && !delegated {
            continue;
        }
        best = match (conditions(statement, pool), statement.allows) {
            (Conditions::Fulfilled, false) => return KeyPolicyDecision::Denies(exempted(statement)),
            (Conditions::Unknown(key), false) => {
                unknown_deny = Some(key);
                best
            }
            (Conditions::Fulfilled, true) if named => KeyPolicyDecision::Allows,
            (Conditions::Fulfilled, true) if best != KeyPolicyDecision::Allows => {
                KeyPolicyDecision::DelegatesToIam
            }
            (Conditions::NotFulfilled(values), true) if best == KeyPolicyDecision::NotAllowed => {
                KeyPolicyDecision::AllowsOtherPools(values)
            }
            (Conditions::Unknown(key), true) if best == KeyPolicyDecision::NotAllowed => {
                KeyPolicyDecision::Unknown(key)
            }
            _ => best,
        };
    }
    // A Deny takes precedence over every Allow, so one that isn't understood leaves the result open.
    match (unknown_deny, best) {
        (Some(key), KeyPolicyDecision::Allows | KeyPolicyDecision::DelegatesToIam) => {
            KeyPolicyDecision::Unknown(key)
        }
        (_, best) => best,
    }
}

/// Why the key policy alone keeps a role from decrypting.
fn prevented_by(decision: &KeyPolicyDecision) -> Option<String> {
    match decision {
        KeyPolicyDecision::Denies(exempted) => Some(format!("the key policy denies it{}", except(exempted))),
        KeyPolicyDecision::AllowsOtherPools(others) => {
            Some(format!("the key policy allows it only for {}", others.join(", ")))
        }
        KeyPolicyDecision::NotAllowed => {
            Some("the key policy neither names its role nor delegates to IAM".to_owned())
        }
        KeyPolicyDecision::Allows | KeyPolicyDecision::DelegatesToIam | KeyPolicyDecision::Unknown(_) => None,
    }
}

/// Whether a grant lets a role decrypt codes of this user pool.
pub(super) fn is_granted(grants: &[Grant], role: &str, pool: &Pool) -> bool {
    grants.iter().any(|grant| {
        grant.grantees.iter().any(|grantee| grantee == role)
            && grant.operations.iter().any(|operation| operation == "Decrypt")
            && grant.context.iter().all(|(name, value)| name == POOL_IN_CONTEXT && *value == pool.id)
            && grant.source_arn.is_none()
    })
}

/// Whether a sender can decrypt codes of this user pool: by a grant, by the key policy, or, if that delegates to IAM, by
/// the policies of its role.
pub(super) fn finding(
    role: &SenderRole<'_>,
    policy: Option<&Policy>,
    granted: bool,
    pool: &Pool,
    key_arn: &str,
) -> Finding {
    let SenderRole { sender, role_arn, allowed } = role;
    let name = function_name(sender.arn);
    let decision = policy.map(|policy| key_policy_decision(policy, role_arn, pool));
    let cause = |reason: &str| {
        Finding::cause(DECRYPT, format!("{name} can't decrypt codes of this user pool: {reason}"))
    };
    let fine = || Finding::ok(DECRYPT, format!("{name} can decrypt codes of this user pool"));
    let finding = match (decision.as_ref().and_then(prevented_by), &decision, allowed) {
        (reason, _, _) if granted && !matches!(decision, Some(KeyPolicyDecision::Denies(_) | KeyPolicyDecision::Unknown(_))) => {
            drop(reason);
            return fine()
                .evidence(format!("kms:ListGrants: a grant lets {role_arn} do Decrypt"))
                .source(GRANT_PAGE);
        }
        (Some(reason), _, _) => cause(&reason)
            .advice(
                "Let the key policy delegate to IAM (Allow kms:* for the account's root) without a Deny that applies. \
                 The policy:",
            )
            .command(show_policy(key_arn)),
        (None, Some(KeyPolicyDecision::Unknown(key)), _) => Finding::warning(
            DECRYPT,
            format!(
                "whether {name} can decrypt codes of this user pool depends on the condition {key} in the key policy, \
                 which doctor can't evaluate"
            ),
        )
        .advice("Check that condition in the key policy:")
        .command(show_policy(key_arn)),
        (None, Some(KeyPolicyDecision::Allows), _) | (None, _, Ok(true)) => fine(),
        (None, _, Ok(false)) => cause("its role's policies don't allow kms:Decrypt on the key for it").advice(
            "Deploy the stack again with UserPoolId set to this user pool: with DecryptForUserPoolOnly=true the role \
             can decrypt codes of that user pool only.",
        ),
        (None, _, Err(error)) => {
            return Finding::not_checked(DECRYPT, &format!("whether {name} can decrypt codes"), error);
        }
    };
    let finding = match &decision {
        Some(KeyPolicyDecision::DelegatesToIam) => {
            finding.evidence("kms:GetKeyPolicy delegates to IAM").source(KEY_POLICY_PAGE)
        }
        _ => {
            finding.evidence(format!("kms:GetKeyPolicy, kms:Decrypt for {role_arn}")).source(KEY_POLICY_PAGE)
        }
    };
    match allowed {
        Ok(allowed) => finding.evidence(format!(
            "iam:SimulatePrincipalPolicy of {role_arn}, kms:Decrypt on the key with {CONTEXT_CONDITION}={}: {}",
            pool.id,
            if *allowed { "allowed" } else { "not allowed" },
        )),
        Err(_) => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{test_condition, test_pool};
    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/triggers-sender";

    const DELEGATES: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}"#;

    #[track_caller]
    fn check_policy(statements: &str, expected: &KeyPolicyDecision) {
        let policy = Policy::parse(&format!(r#"{{"Statement":[{statements}]}}"#)).expect("a policy");
        assert_eq!(&key_policy_decision(&policy, ROLE, &test_pool()), expected, "{statements}");
    }

    fn statement(effect: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt","Resource":"*"{condition}}}"#
        )
    }

    #[test]
    fn a_key_policy_allows_denies_or_delegates_to_iam() {
        let (own, other) = ("eu-central-1_Example01", "eu-central-1_Other");
        check_policy(DELEGATES, &KeyPolicyDecision::DelegatesToIam);
        check_policy("", &KeyPolicyDecision::NotAllowed);
        check_policy(&DELEGATES.replace("123456789012", "111122223333"), &KeyPolicyDecision::NotAllowed);
        check_policy(&DELEGATES.replace("kms:*", "kms:Describe*"), &KeyPolicyDecision::NotAllowed);
        check_policy(&statement("Allow", ""), &KeyPolicyDecision::Allows);
        check_policy(&format!("{},{DELEGATES}", statement("Allow", "")), &KeyPolicyDecision::Allows);
        check_policy(&statement("Allow", &test_condition("StringEquals", own)), &KeyPolicyDecision::Allows);
        check_policy(
            &statement("Allow", &test_condition("StringEquals", other)),
            &KeyPolicyDecision::AllowsOtherPools(vec![other.to_owned()]),
        );
        check_policy(
            &format!("{DELEGATES},{}", statement("Deny", "")),
            &KeyPolicyDecision::Denies(Vec::new()),
        );
        check_policy(
            &format!("{DELEGATES},{}", statement("Deny", &test_condition("StringNotEquals", other))),
            &KeyPolicyDecision::Denies(vec![other.to_owned()]),
        );
        check_policy(
            &format!("{DELEGATES},{}", statement("Deny", &test_condition("StringNotEquals", own))),
            &KeyPolicyDecision::DelegatesToIam,
        );
        check_policy(
            &statement("Allow", r#","Condition":{"Bool":{"aws:ViaAWSService":"true"}}"#),
            &KeyPolicyDecision::Unknown("aws:viaawsservice".to_owned()),
        );
        // A Deny whose condition isn't understood is not forgotten.
        let unknown_deny = statement("Deny", r#","Condition":{"Bool":{"aws:ViaAWSService":"false"}}"#);
        let unknown = KeyPolicyDecision::Unknown("aws:viaawsservice".to_owned());
        check_policy(&format!("{},{unknown_deny}", statement("Allow", "")), &unknown);
        check_policy(&format!("{unknown_deny},{DELEGATES}"), &unknown);
        check_policy(&unknown_deny, &KeyPolicyDecision::NotAllowed);
    }
}
