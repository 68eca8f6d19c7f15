//! Whether Cognito can encrypt codes with the key.

use pool::policy::{Denial, Policy};

use super::key_use::{
    GRANT_PAGE, KEY_POLICY_PAGE, POOL_IN_CONTEXT, SENDER_PAGE, encryption, except, show_policy,
};
use crate::aws::AwsError;
use crate::aws::kms::Grant;
use crate::doctor::finding::Finding;
use crate::doctor::function::{attach_command, detach_command};
use crate::doctor::registry::CheckId;
use crate::stack::Stack;
use crate::terminal::words::count;
use pool::user_pool::UserPool;

const GRANT: CheckId = CheckId::TriggersGrant;

/// Whether a key's grants let Cognito encrypt for a user pool.
///
/// AWS doesn't document what Cognito's grant looks like, so a grant that may be Cognito's is never called missing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum GrantState {
    Granted,
    /// Cognito has grants, all of them for these other user pools.
    OtherPools(Vec<String>),
    /// This number of grants may be Cognito's.
    Possible(usize),
    Missing,
}

fn grant_state(grants: &[Grant], pool: &UserPool) -> GrantState {
    // The AWS Encryption SDK needs one of these to begin a message.
    let encrypts = |grant: &&Grant| {
        grant.operations.iter().any(|name| name == "Encrypt" || name.starts_with("GenerateDataKey"))
    };
    let of_pool = |grant: &Grant| match (grant.context.get(POOL_IN_CONTEXT), &grant.source_arn) {
        (Some(id), _) => Some(*id == pool.id()),
        (None, Some(arn)) => Some(*arn == pool.arn()),
        (None, None) => None,
    };
    let of_cognito = |grant: &Grant| grant.grantees.iter().any(|grantee| grantee.starts_with("cognito-idp."));
    // Another service's grant can't be Cognito's; a user, role or account may represent a service.
    let of_other_service = |grant: &Grant| {
        grant.grantees.iter().any(|grantee| grantee.ends_with(".amazonaws.com")) && !of_cognito(grant)
    };
    let (mut others, mut possible) = (Vec::new(), 0_usize);
    for grant in grants.iter().filter(encrypts).filter(|grant| !of_other_service(grant)) {
        match of_pool(grant) {
            Some(true) => return GrantState::Granted,
            None if of_cognito(grant) => return GrantState::Granted,
            Some(false) => others.extend(grant.context.get(POOL_IN_CONTEXT).cloned()),
            None => possible = possible.saturating_add(1),
        }
    }
    others.sort();
    others.dedup();
    match (possible, others.is_empty()) {
        (1.., _) => GrantState::Possible(possible),
        (_, false) => GrantState::OtherPools(others),
        _ => GrantState::Missing,
    }
}

pub(super) fn finding(
    grants: &Result<Vec<Grant>, AwsError>,
    pool: &UserPool,
    stack: Option<&Stack>,
) -> Finding {
    let grants = match grants {
        Ok(grants) => grants,
        Err(error) => {
            return Finding::not_checked(GRANT, "whether Cognito can encrypt codes with the key", error);
        }
    };
    let state = grant_state(grants, pool);
    let finding = match &state {
        GrantState::Granted => {
            Finding::ok(GRANT, "Cognito has a grant to encrypt codes with the key for this user pool")
        }
        GrantState::OtherPools(pools) => Finding::cause(
            GRANT,
            format!(
                "Cognito can encrypt codes with the key only for {}, not for this user pool",
                pools.join(", ")
            ),
        ),
        GrantState::Possible(number) => Finding::warning(
            GRANT,
            format!(
                "no grant of the key names Cognito or this user pool, but {number} of them may be Cognito's: AWS doesn't \
                 document what its grant looks like"
            ),
        ),
        GrantState::Missing => Finding::cause(
            GRANT,
            "Cognito has no grant to encrypt codes with the key: the credentials that attached the triggers lacked \
             kms:CreateGrant",
        ),
    };
    let finding = if state == GrantState::Granted { finding } else { reattach(finding, pool, stack) };
    finding
        .evidence(format!(
            "kms:ListGrants returns {}; doctor looks for Encrypt or GenerateDataKey with the principal cognito-idp or \
             the encryption context {POOL_IN_CONTEXT}={}",
            count(grants.len(), "grant"),
            pool.id()
        ))
        .source(SENDER_PAGE)
        .source(GRANT_PAGE)
}

/// Cognito creates its grant when the key is set in the user pool. If the key is set already, `attach` changes nothing.
fn reattach(finding: Finding, pool: &UserPool, stack: Option<&Stack>) -> Finding {
    let finding = finding.advice(
        "Detach the triggers and attach them again with credentials that have kms:CreateGrant on the key: Cognito \
         creates its grant with them. In between, Cognito sends the messages itself.",
    );
    match stack {
        Some(stack) => finding.command(format!(
            "{} && {}",
            detach_command(pool.id(), stack),
            attach_command(pool.id(), stack)
        )),
        None => finding,
    }
}

/// A Deny in the key policy takes precedence over every grant.
pub(super) fn denied_by_policy(policy: &Policy, pool: &UserPool, key_arn: &str) -> Option<Finding> {
    let denials =
        ["kms:Encrypt", "kms:GenerateDataKey"].map(|action| policy.denial(&encryption(action, pool)));
    let certain = denials.iter().find_map(|denial| match denial {
        Denial::By(statement) => Some(statement),
        Denial::Unknown { .. } | Denial::None => None,
    });
    let possible = denials.iter().find_map(|denial| match denial {
        Denial::Unknown { condition_key } => Some(condition_key),
        Denial::By(_) | Denial::None => None,
    });
    let finding = match (certain, possible) {
        (Some(statement), _) => Finding::cause(
            GRANT,
            format!("the key policy denies Cognito the encryption of codes{}", except(&statement.exceptions())),
        )
        .advice("Remove that statement from the key policy, or exempt this user pool. The policy:"),
        (None, Some(key)) => Finding::warning(
            GRANT,
            format!(
                "whether Cognito can encrypt codes depends on a Deny statement in the key policy with a condition on \
                 {key}, which doctor can't evaluate"
            ),
        )
        .advice("Check that condition in the key policy:"),
        (None, None) => return None,
    };
    Some(
        finding
            .command(show_policy(key_arn))
            .evidence("kms:GetKeyPolicy: a Deny takes precedence over every grant")
            .source(KEY_POLICY_PAGE),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::key_use::test_condition;
    use super::*;
    use crate::aws::cognito::sample_pool;
    use crate::doctor::level::Level;

    fn grant_of(grantee: &str, operation: &str, of_pool: Option<&str>) -> Grant {
        Grant {
            grantees: vec![grantee.to_owned()],
            operations: vec![operation.to_owned()],
            context: of_pool
                .map(|id| BTreeMap::from([(POOL_IN_CONTEXT.to_owned(), id.to_owned())]))
                .unwrap_or_default(),
            source_arn: None,
        }
    }

    #[track_caller]
    fn check_grants(grants: &[Grant], expected: &GrantState) {
        assert_eq!(&grant_state(grants, &sample_pool(json!({}))), expected, "{grants:?}");
    }

    #[test]
    fn a_grant_that_may_be_cognitos_is_not_missing() {
        let own = Some("eu-central-1_Example01");
        let cognito = "cognito-idp.amazonaws.com";
        let account = "arn:aws:iam::111122223333:root";
        check_grants(&[], &GrantState::Missing);
        check_grants(&[grant_of(cognito, "GenerateDataKey", own)], &GrantState::Granted);
        check_grants(&[grant_of(cognito, "GenerateDataKeyWithoutPlaintext", None)], &GrantState::Granted);
        check_grants(
            &[grant_of("cognito-idp.eu-central-1.amazonaws.com", "Encrypt", own)],
            &GrantState::Granted,
        );
        check_grants(&[grant_of(account, "Encrypt", own)], &GrantState::Granted);
        check_grants(&[grant_of(account, "Encrypt", None)], &GrantState::Possible(1));
        check_grants(&[grant_of(cognito, "Decrypt", own)], &GrantState::Missing);
        check_grants(
            &[grant_of("dynamodb.eu-central-1.amazonaws.com", "Encrypt", None)],
            &GrantState::Missing,
        );
        check_grants(
            &[grant_of(cognito, "Encrypt", Some("eu-central-1_Other")), grant_of(account, "Decrypt", None)],
            &GrantState::OtherPools(vec!["eu-central-1_Other".to_owned()]),
        );
    }

    #[track_caller]
    fn check_denial(statement: &str, expected: Option<(Level, &str)>) {
        let policy = Policy::parse(&format!(r#"{{"Statement":{statement}}}"#)).expect("a policy");
        let finding = denied_by_policy(&policy, &sample_pool(json!({})), "");
        let found = finding.as_ref().map(|finding| (finding.level, finding.summary.as_str()));
        assert_eq!(found, expected, "{statement}");
    }

    fn deny(action: &str, principal: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect":"Deny","Principal":{principal},"Action":"{action}","Resource":"*"{condition}}}"#
        )
    }

    const DENIED: Option<(Level, &str)> =
        Some((Level::Cause, "the key policy denies Cognito the encryption of codes"));

    #[test]
    fn a_deny_in_the_key_policy_takes_precedence() {
        let everyone = r#""*""#;
        for principal in [everyone, r#"{"AWS":"*"}"#, r#"{"Service":"cognito-idp.amazonaws.com"}"#] {
            check_denial(&deny("kms:GenerateDataKey*", principal, ""), DENIED);
        }
        check_denial(&deny("kms:*", r#"{"Service":"sqs.amazonaws.com"}"#, ""), None);
        check_denial(&deny("kms:Decrypt", everyone, ""), None);
        let except =
            |pool_id: &str| deny("kms:Encrypt", everyone, &test_condition("StringNotEquals", pool_id));
        check_denial(&except("eu-central-1_Example01"), None);
        check_denial(
            &except("eu-central-1_Other"),
            Some((
                Level::Cause,
                "the key policy denies Cognito the encryption of codes for all user pools except eu-central-1_Other",
            )),
        );
    }

    #[test]
    fn a_deny_statement_applies_to_all_principals_and_actions_that_it_does_not_except() {
        let deny = |principal: &str, actions: &str| {
            format!(r#"{{"Effect":"Deny","NotPrincipal":{principal},"NotAction":{actions}}}"#)
        };
        let role = r#"{"AWS":"arn:aws:iam::123456789012:role/deployer"}"#;
        check_denial(&deny(role, r#""kms:Decrypt""#), DENIED);
        check_denial(&deny(role, r#"["kms:Encrypt","kms:GenerateDataKey*"]"#), None);
        check_denial(&deny(r#"{"Service":"cognito-idp.amazonaws.com"}"#, r#""kms:Decrypt""#), None);
    }

    #[test]
    fn a_deny_whose_condition_is_not_understood_is_never_forgotten() {
        let (bool, variable) = (
            r#","Condition":{"Bool":{"aws:ViaAWSService":"false"}}"#,
            test_condition("StringEquals", "${aws:PrincipalTag/pool}"),
        );
        for (condition, key) in
            [(bool, "aws:viaawsservice"), (variable.as_str(), "kms:encryptioncontext:userpool-id")]
        {
            let expected = format!(
                "whether Cognito can encrypt codes depends on a Deny statement in the key policy with a condition on \
                 {key}, which doctor can't evaluate"
            );
            check_denial(&deny("kms:Encrypt", r#""*""#, condition), Some((Level::Warning, &expected)));
        }
    }
}
