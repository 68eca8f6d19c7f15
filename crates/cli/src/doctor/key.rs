//! The key of the codes: whether it is the right one and works, and whether Cognito and the senders may use it.

use shared::arn::{Arn, function_name};
use shared::trigger::Trigger;

use std::collections::BTreeMap;

use pool::permission::COGNITO;
use pool::policy::{Access, AllowedBy, Denial, Policy, Principal, Request, UnknownBecause};

use super::Subject;
use super::finding::{Finding, Level};
use super::step::{Step, region_of};
use super::triggers::{Attached, account_of, attach};
use crate::aws::{AwsError, Kind};
use crate::cognito::Pool;
use crate::deployment::Deployment;
use crate::iam::Policies;
use crate::kms::{Grant, Key, Keys};
use crate::shell::quote;

const KEY: &str = "triggers.key";
const STATE: &str = "triggers.key-state";
const GRANT: &str = "triggers.grant";
const DECRYPT: &str = "triggers.decrypt";

/// Which pool a code was encrypted for, in the encryption context and in conditions on it.
const POOL_IN_CONTEXT: &str = "userpool-id";
const CONTEXT_CONDITION: &str = "kms:EncryptionContext:userpool-id";

const SENDER_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sender-triggers.html";
const STATE_PAGE: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html";
const GRANT_PAGE: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/grants.html";
const KEY_POLICY_PAGE: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html";

/// What KMS and IAM answered.
struct Answers<'a> {
    /// As the pool has it: the ARN of a key, or of an alias.
    given: &'a str,
    key: Result<Key, AwsError>,
    grants: Result<Vec<Grant>, AwsError>,
    policy: Result<String, AwsError>,
    /// What IAM says to each sender's role.
    roles: Vec<(Attached<'a>, String, Result<bool, AwsError>)>,
}

pub(super) async fn look(subject: &Subject<'_>, pool: &Pool) -> Vec<Finding> {
    let senders: Vec<_> = [Trigger::CustomEmailSender, Trigger::CustomSmsSender]
        .into_iter()
        .filter_map(|trigger| Some(Attached { trigger, arn: pool.triggers.function_arn(trigger)? }))
        .collect();
    match pool.triggers.key_arn.as_deref() {
        _ if senders.is_empty() => Vec::new(),
        None => vec![none(subject, pool)],
        Some(given) => {
            let answers = Box::pin(Answers::ask(subject, pool, given, &senders)).await;
            answers.findings(subject, pool, &senders)
        }
    }
}

/// A sender without a key to encrypt its codes with.
fn none(subject: &Subject<'_>, pool: &Pool) -> Finding {
    let finding = Finding::cause(
        KEY,
        "the pool invokes a custom sender but has no key for the codes: it cannot hand a code over",
    )
    .why("cognito-idp:DescribeUserPool shows no LambdaConfig.KMSKeyID")
    .why(SENDER_PAGE);
    match subject.deployment {
        Some(deployment) => finding.command(attach(&pool.id, deployment)),
        None => finding.advice("Attach the triggers again, with the key."),
    }
}

impl<'a> Answers<'a> {
    async fn ask(subject: &Subject<'_>, pool: &Pool, given: &'a str, senders: &[Attached<'a>]) -> Self {
        let (keys, policies) = (&Keys::new(subject.aws), &Policies::new(subject.aws));
        let progress = subject.progress;
        let describe = async || progress.of(keys.describe(given)).await;
        // Grants and policies are of the key itself, so an alias has to be followed first.
        let early = if is_alias(given) { Some(describe().await) } else { None };
        let own = early.as_ref().and_then(|key| key.as_ref().ok()).map(|key| key.arn.clone());
        let own = own.filter(|arn| !arn.is_empty()).unwrap_or_else(|| given.to_owned());
        let role = async |sender: Option<&Attached<'a>>| {
            let sender = *sender?;
            let role = subject.functions.get(&sender.trigger)?.as_ref().ok()?.role.clone()?;
            let context = [(CONTEXT_CONDITION, pool.id.as_str())];
            let answer = progress.of(policies.allow(&role, "kms:Decrypt", &own, &context)).await;
            Some((sender, role, answer))
        };
        let late = async {
            match early {
                Some(key) => key,
                None => describe().await,
            }
        };
        let (key, grants, policy, first, second) = tokio::join!(
            late,
            progress.of(keys.grants(&own)),
            progress.of(keys.policy(&own)),
            role(senders.first()),
            role(senders.get(1)),
        );
        Self { given, key, grants, policy, roles: [first, second].into_iter().flatten().collect() }
    }

    fn findings(&self, subject: &Subject<'_>, pool: &Pool, senders: &[Attached<'_>]) -> Vec<Finding> {
        let key = match &self.key {
            Ok(key) => key,
            Err(error) if error.kind == Kind::NotFound => {
                // Whoever asks in the pool's Region does not find the key of another one.
                if let Some(abroad) = elsewhere(pool, self.given).filter(|found| found.level == Level::Cause)
                {
                    return vec![abroad];
                }
                return vec![
                    Finding::cause(
                        STATE,
                        format!("the pool's key {} does not exist: no code can be encrypted", self.given),
                    )
                    .why("kms:DescribeKey of LambdaConfig.KMSKeyID answered NotFoundException")
                    .advice("Deploy the stack again, so that it has a key, and attach the triggers again."),
                ];
            }
            // An alias has neither grants nor a policy, and the senders are told the key.
            Err(error) if is_alias(self.given) => {
                return vec![Finding::not_checked(STATE, "the key behind the alias, and its state", error)];
            }
            // What depends on the key's own ARN alone can still be said.
            Err(error) => {
                let mut findings = same(subject, pool, senders, self.given);
                findings.push(Finding::not_checked(STATE, "the state of the key", error));
                findings.extend(self.permissions(pool, subject.deployment, self.given));
                return findings;
            }
        };
        let mut findings = same(subject, pool, senders, &key.arn);
        findings.extend(elsewhere(pool, &key.arn));
        findings.push(state(key));
        findings.extend(kind(key));
        findings.extend(self.permissions(pool, subject.deployment, &key.arn));
        findings
    }

    fn permissions(&self, pool: &Pool, deployment: Option<&Deployment>, key_arn: &str) -> Vec<Finding> {
        let mut findings = vec![grant(&self.grants, pool, deployment)];
        let policy = match &self.policy {
            Ok(document) => {
                let policy = Policy::parse(document).unwrap_or_default();
                findings.extend(encryption_denied(&policy, pool, key_arn));
                Some(policy)
            }
            Err(error) => {
                findings.push(Finding::not_checked(DECRYPT, "the key's policy", error));
                None
            }
        };
        for (sender, role, iam) in &self.roles {
            let granted = self.grants.as_ref().is_ok_and(|grants| may_decrypt(grants, role, pool));
            findings.push(decrypts(*sender, role, iam, policy.as_ref(), granted, pool, key_arn));
        }
        findings
    }
}

fn is_alias(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| arn.resource().starts_with("alias/"))
}

/// The pool's key against the one that each sender is told.
fn same(subject: &Subject<'_>, pool: &Pool, senders: &[Attached<'_>], key_arn: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for sender in senders {
        let name = function_name(sender.arn);
        // A function of somebody else need not have the setting.
        let Some(told) = subject.setting(sender.trigger, "CODE_KEY_ARN") else { continue };
        if told != key_arn {
            let finding = Finding::cause(
                KEY,
                format!(
                    "the pool encrypts with the key {key_arn}, but {name} decrypts with {told}: it refuses \
                     every code"
                ),
            )
            .why(
                "LambdaConfig.KMSKeyID of the pool against CODE_KEY_ARN of the function \
                 (lambda:GetFunctionConfiguration)",
            );
            findings.push(match subject.deployment {
                Some(deployment) if deployment.key_arn() == Some(told) => {
                    finding.command(attach(&pool.id, deployment))
                }
                _ => finding.advice(format!("Deploy the stack with CodeKeyArn={key_arn}.")),
            });
        }
    }
    if findings.is_empty() {
        findings.push(
            Finding::ok(KEY, "the pool encrypts with the key that the senders decrypt with")
                .why(format!("LambdaConfig.KMSKeyID is {key_arn}, and so is CODE_KEY_ARN")),
        );
    }
    findings
}

/// A key is of use in its own Region only; one of another account is not documented for Cognito.
fn elsewhere(pool: &Pool, key_arn: &str) -> Option<Finding> {
    let (region, account) = (region_of(&pool.arn), account_of(&pool.arn));
    if !region.is_empty() && region_of(key_arn) != region {
        return Some(
            Finding::cause(
                KEY,
                format!(
                    "the key is in {}, the pool in {region}: KMS keys do not leave their Region",
                    region_of(key_arn)
                ),
            )
            .why("the ARNs of both")
            .advice("Attach the triggers again with a key of the pool's Region."),
        );
    }
    (!account.is_empty() && account_of(key_arn) != account).then(|| {
        Finding::warning(
            KEY,
            "the key belongs to another account than the pool, of which Cognito's guide knows nothing",
        )
        .why("the ARNs of both")
        .why(SENDER_PAGE)
    })
}

fn state(key: &Key) -> Finding {
    let key_arn = || key.arn.clone();
    let cause = |sentence: &str| Finding::cause(STATE, sentence);
    let finding = match key.state.as_str() {
        "Enabled" => Finding::ok(STATE, "the key of the codes is enabled"),
        "Disabled" => cause("the key of the codes is disabled: no code can be encrypted or read")
            .step(Step::EnableKey { key_arn: key_arn() }),
        "PendingDeletion" | "PendingReplicaDeletion" => {
            cause("the key of the codes is about to be deleted: no code can be encrypted or read")
                .step(Step::CancelKeyDeletion { key_arn: key_arn() })
                .step(Step::EnableKey { key_arn: key_arn() })
        }
        "PendingImport" => {
            cause("the key of the codes has no key material: it expired or was never imported")
                .advice("Import the key material again: aws kms import-key-material.")
        }
        "Unavailable" => cause("the key store of the key of the codes does not answer")
            .advice("Connect its custom key store again: aws kms connect-custom-key-store."),
        other => Finding::warning(STATE, format!("the key of the codes is in the state {other}")),
    };
    let replica =
        if key.multi_region { "; it is a multi-Region key, of which only this ARN counts" } else { "" };
    finding.why(format!("kms:DescribeKey: KeyState {}{replica}", key.state)).why(STATE_PAGE)
}

fn kind(key: &Key) -> Option<Finding> {
    (key.spec != "SYMMETRIC_DEFAULT" || key.usage != "ENCRYPT_DECRYPT").then(|| {
        Finding::cause(
            STATE,
            format!(
                "the key of the codes is {} for {}: Cognito needs a symmetric one for encryption",
                key.spec, key.usage
            ),
        )
        .why("kms:DescribeKey: KeySpec and KeyUsage")
        .why(SENDER_PAGE)
        .advice(
            "Deploy without CodeKeyArn, so that the stack makes a fitting key, and attach the triggers \
             again.",
        )
    })
}

// ---------------------------------------------------------------------------------- grants

/// Whether a key's grants let Cognito encrypt for a pool.
///
/// What Cognito's grant looks like is not documented: so what might be it is never called missing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Granted {
    Yes,
    /// Cognito has grants, but for these pools.
    OtherPools(Vec<String>),
    /// Grants of which it cannot be said whose they are: so many.
    Perhaps(usize),
    No,
}

fn granted(grants: &[Grant], pool: &Pool) -> Granted {
    // What the Encryption SDK needs to begin a message.
    let encrypts = |grant: &&Grant| {
        grant.operations.iter().any(|name| name == "Encrypt" || name.starts_with("GenerateDataKey"))
    };
    let of_pool = |grant: &Grant| match (grant.context.get(POOL_IN_CONTEXT), &grant.source_arn) {
        (Some(id), _) => Some(*id == pool.id),
        (None, Some(arn)) => Some(*arn == pool.arn),
        (None, None) => None,
    };
    let of_cognito = |grant: &Grant| grant.grantees.iter().any(|grantee| grantee.starts_with("cognito-idp."));
    // Another service's grant cannot be Cognito's; a user, role or account may stand for a service.
    let of_other_service = |grant: &Grant| {
        grant.grantees.iter().any(|grantee| grantee.ends_with(".amazonaws.com")) && !of_cognito(grant)
    };
    let (mut others, mut perhaps) = (Vec::new(), 0_usize);
    for grant in grants.iter().filter(encrypts).filter(|grant| !of_other_service(grant)) {
        match of_pool(grant) {
            Some(true) => return Granted::Yes,
            None if of_cognito(grant) => return Granted::Yes,
            Some(false) => others.extend(grant.context.get(POOL_IN_CONTEXT).cloned()),
            None => perhaps = perhaps.saturating_add(1),
        }
    }
    others.sort();
    others.dedup();
    match (perhaps, others.is_empty()) {
        (1.., _) => Granted::Perhaps(perhaps),
        (_, false) => Granted::OtherPools(others),
        _ => Granted::No,
    }
}

/// Cognito makes its grant when the pool is given the key; to a pool that has the key, `attach` has nothing to give.
fn again(finding: Finding, pool: &Pool, deployment: Option<&Deployment>) -> Finding {
    let finding = finding.advice(
        "Attach the triggers again, as somebody who may do kms:CreateGrant on the key: Cognito makes its grant in \
         their name. Take them off first; in between Cognito sends by itself.",
    );
    match deployment {
        Some(deployment) => {
            let attach = attach(&pool.id, deployment);
            finding.command(format!("{} && {attach}", attach.replacen(" attach ", " detach ", 1)))
        }
        None => finding,
    }
}

fn grant(grants: &Result<Vec<Grant>, AwsError>, pool: &Pool, deployment: Option<&Deployment>) -> Finding {
    let grants = match grants {
        Ok(grants) => grants,
        Err(error) => {
            return Finding::not_checked(GRANT, "whether Cognito may encrypt codes with the key", error);
        }
    };
    let granted = granted(grants, pool);
    let found = granted == Granted::Yes;
    let finding = match granted {
        Granted::Yes => Finding::ok(GRANT, "Cognito has a grant to encrypt codes with the key for this pool"),
        Granted::OtherPools(pools) => Finding::cause(
            GRANT,
            format!(
                "Cognito may encrypt codes with the key for {} only, not for this pool",
                pools.join(", ")
            ),
        ),
        Granted::Perhaps(count) => Finding::warning(
            GRANT,
            format!(
                "none of the key's grants names Cognito or this pool, but {count} of them may be Cognito's \
                 all the same: what its grant looks like is not documented"
            ),
        ),
        Granted::No => Finding::cause(
            GRANT,
            "Cognito has no grant to encrypt codes with the key: whoever attached the triggers lacked \
             kms:CreateGrant",
        ),
    };
    let finding = if found { finding } else { again(finding, pool, deployment) };
    finding
        .why(format!(
            "kms:ListGrants shows so many grants: {}; looked for: Encrypt or GenerateDataKey, the service \
             cognito-idp or the encryption context {POOL_IN_CONTEXT}={}",
            grants.len(),
            pool.id
        ))
        .why(SENDER_PAGE)
        .why(GRANT_PAGE)
}

// ---------------------------------------------------------------------------------- decryption

/// What a key's policy says to a role that decrypts codes of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyPolicy {
    /// The role by its name.
    Allows,
    /// The account's IAM policies.
    LeavesItToIam,
    /// A statement denies it; the other pools that it lets pass.
    Denies(Vec<String>),
    /// It allows the role to decrypt for these other pools.
    AllowsOthers(Vec<String>),
    /// Nothing allows it.
    Silent,
    /// It allows the role or leaves it to IAM, unless a Deny statement with a condition on this key applies.
    UnlessDenied { condition_key: String, iam_decides: bool },
    /// It allows the role only under a condition on this key that is not known here.
    Unclear(String),
}

fn key_policy(policy: &Policy, role: &str, pool: &Pool) -> KeyPolicy {
    match policy.access(&decryption(role, pool)) {
        Access::Allowed(AllowedBy::Statements(_)) => KeyPolicy::Allows,
        Access::Allowed(AllowedBy::Iam) => KeyPolicy::LeavesItToIam,
        Access::Denied(statement) => KeyPolicy::Denies(statement.exceptions()),
        Access::NotAllowed { allowed_instead } if allowed_instead.is_empty() => KeyPolicy::Silent,
        Access::NotAllowed { allowed_instead } => KeyPolicy::AllowsOthers(allowed_instead),
        Access::Unknown(UnknownBecause::Deny { condition_key, otherwise }) => KeyPolicy::UnlessDenied {
            condition_key: condition_key.to_owned(),
            iam_decides: otherwise == AllowedBy::Iam,
        },
        Access::Unknown(UnknownBecause::Allow { condition_key }) => {
            KeyPolicy::Unclear(condition_key.to_owned())
        }
    }
}

/// A sender decrypts a code of a pool.
fn decryption<'a>(role: &'a str, pool: &'a Pool) -> Request<'a> {
    let account = account_of(role);
    Request {
        action: "kms:Decrypt",
        principal: Principal::Role { arn: role, account },
        context: BTreeMap::from([
            ("kms:encryptioncontext:userpool-id", pool.id.as_str()),
            ("aws:principalarn", role),
            ("aws:principalaccount", account),
            ("kms:calleraccount", account),
        ]),
    }
}

/// Cognito encrypts a code of a pool.
fn encryption<'a>(action: &'a str, pool: &'a Pool) -> Request<'a> {
    Request {
        action,
        principal: Principal::Service(COGNITO),
        context: BTreeMap::from([("kms:encryptioncontext:userpool-id", pool.id.as_str())]),
    }
}

/// A denial keeps Cognito from encrypting, whatever it was granted.
fn encryption_denied(policy: &Policy, pool: &Pool, key_arn: &str) -> Option<Finding> {
    let denials =
        ["kms:Encrypt", "kms:GenerateDataKey"].map(|action| policy.denial(&encryption(action, pool)));
    let certain = denials.iter().find_map(|denial| match denial {
        Denial::By(statement) => Some(*statement),
        Denial::Unknown { .. } | Denial::None => None,
    });
    let Some(denial) = certain else {
        return denials.iter().find_map(|denial| match denial {
            Denial::Unknown { condition_key } => Some(encryption_perhaps_denied(condition_key, key_arn)),
            Denial::By(_) | Denial::None => None,
        });
    };
    let others = denial.exceptions();
    let but =
        if others.is_empty() { String::new() } else { format!(" for all pools but {}", others.join(", ")) };
    Some(
        Finding::cause(
            GRANT,
            format!("the key's policy denies Cognito to encrypt codes{but}: it cannot hand a code over"),
        )
        .why("kms:GetKeyPolicy: a denial wins over every grant")
        .why(KEY_POLICY_PAGE)
        .advice("Take that statement out of the key's policy, or this pool into it; it reads:")
        .command(read_policy(key_arn)),
    )
}

fn encryption_perhaps_denied(condition_key: &str, key_arn: &str) -> Finding {
    Finding::warning(
        GRANT,
        format!(
            "a Deny statement of the key's policy depends on the condition {condition_key}, which cannot be evaluated \
             here: if it applies to Cognito, no code can be encrypted"
        ),
    )
    .why("kms:GetKeyPolicy: a denial wins over every grant")
    .why(KEY_POLICY_PAGE)
    .advice("Check that statement of the key's policy:")
    .command(read_policy(key_arn))
}

fn read_policy(key_arn: &str) -> String {
    let region = region_of(key_arn);
    format!("aws kms get-key-policy --key-id {} --region {} --output text", quote(key_arn), quote(region))
}

/// Why the key's policy alone keeps a role from decrypting.
fn kept_by(by_key: &KeyPolicy) -> Option<String> {
    match by_key {
        KeyPolicy::Denies(others) if others.is_empty() => {
            Some("a statement of the key's policy denies it".to_owned())
        }
        KeyPolicy::Denies(others) => {
            Some(format!("the key's policy denies it for all pools but {}", others.join(", ")))
        }
        KeyPolicy::AllowsOthers(others) => {
            Some(format!("the key's policy allows it for {} only", others.join(", ")))
        }
        KeyPolicy::Silent => Some("the key's policy neither names its role nor leaves it to IAM".to_owned()),
        KeyPolicy::Allows
        | KeyPolicy::LeavesItToIam
        | KeyPolicy::UnlessDenied { .. }
        | KeyPolicy::Unclear(_) => None,
    }
}

/// Whether a grant lets a role decrypt codes of this pool.
fn may_decrypt(grants: &[Grant], role: &str, pool: &Pool) -> bool {
    grants.iter().any(|grant| {
        grant.grantees.iter().any(|grantee| grantee == role)
            && grant.operations.iter().any(|operation| operation == "Decrypt")
            && grant.context.iter().all(|(name, value)| name == POOL_IN_CONTEXT && *value == pool.id)
            && grant.source_arn.is_none()
    })
}

/// Whether a sender may decrypt codes of this pool: by a grant, by the key's policy, and where that leaves it to IAM, by its role.
fn decrypts(
    sender: Attached<'_>,
    role: &str,
    iam: &Result<bool, AwsError>,
    policy: Option<&Policy>,
    granted: bool,
    pool: &Pool,
    key_arn: &str,
) -> Finding {
    let name = function_name(sender.arn);
    let by_key = policy.map(|policy| key_policy(policy, role, pool));
    let cause =
        |why: &str| Finding::cause(DECRYPT, format!("{name} may not decrypt codes of this pool: {why}"));
    let fine = || Finding::ok(DECRYPT, format!("{name} may decrypt codes of this pool"));
    let unknown = |key: &str| {
        Finding::warning(
            DECRYPT,
            format!(
                "whether {name} may decrypt codes of this pool depends on a condition on {key} in the key's policy, \
                 which cannot be evaluated here"
            ),
        )
        .advice("Check that statement of the key's policy:")
        .command(read_policy(key_arn))
    };
    if granted {
        let by_grant = || format!("kms:ListGrants: a grant lets {role} do Decrypt");
        match policy.map_or(Denial::None, |policy| policy.denial(&decryption(role, pool))) {
            Denial::By(_) => {}
            Denial::Unknown { condition_key } => {
                return unknown(condition_key).why(by_grant()).why(GRANT_PAGE);
            }
            Denial::None => return fine().why(by_grant()).why(GRANT_PAGE),
        }
    }
    let finding = match (by_key.as_ref().and_then(kept_by), &by_key, iam) {
        (Some(why), _, _) => cause(&why)
            .advice(
                "Let the key's policy leave it to IAM (Allow kms:* to the account's root), without that \
                 denial; it reads:",
            )
            .command(read_policy(key_arn)),
        (None, Some(KeyPolicy::UnlessDenied { condition_key, iam_decides: false }), _)
        | (
            None,
            Some(KeyPolicy::UnlessDenied { condition_key, .. } | KeyPolicy::Unclear(condition_key)),
            Ok(true),
        ) => unknown(condition_key),
        (None, Some(KeyPolicy::Allows), _) | (None, _, Ok(true)) => fine(),
        (None, _, Ok(false)) => cause(
            "no policy of its role allows kms:Decrypt on the key for it, or one denies it",
        )
        .advice(
            "Deploy the stack again with the UserPoolId of this pool: with DecryptForUserPoolOnly=true its \
             role may decrypt codes of that pool alone.",
        ),
        (None, _, Err(error)) => {
            return Finding::not_checked(DECRYPT, &format!("whether {name} may decrypt codes"), error);
        }
    };
    let finding = match &by_key {
        Some(KeyPolicy::Unclear(key) | KeyPolicy::UnlessDenied { condition_key: key, .. }) => finding
            .why(format!("a statement of the key's policy depends on {key}, which cannot be judged here")),
        Some(KeyPolicy::LeavesItToIam) => {
            finding.why("kms:GetKeyPolicy leaves it to IAM").why(KEY_POLICY_PAGE)
        }
        _ => finding.why(format!("kms:GetKeyPolicy, kms:Decrypt for {role}")).why(KEY_POLICY_PAGE),
    };
    match iam {
        Ok(allowed) => finding.why(format!(
            "iam:SimulatePrincipalPolicy of {role}, kms:Decrypt on the key with {CONTEXT_CONDITION}={}: {}",
            pool.id,
            if *allowed { "allowed" } else { "not allowed" },
        )),
        Err(_) => finding,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/triggers-sender";

    fn pool() -> Pool {
        Pool {
            id: "eu-central-1_Example01".to_owned(),
            arn: "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01".to_owned(),
            ..Pool::default()
        }
    }

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
    fn check_grants(grants: &[Grant], expected: &Granted) {
        assert_eq!(&granted(grants, &pool()), expected, "{grants:?}");
    }

    #[test]
    fn what_may_be_the_grant_of_cognito_is_not_called_missing() {
        let own = Some("eu-central-1_Example01");
        let cognito = "cognito-idp.amazonaws.com";
        let account = "arn:aws:iam::111122223333:root";
        check_grants(&[], &Granted::No);
        check_grants(&[grant_of(cognito, "GenerateDataKey", own)], &Granted::Yes);
        check_grants(&[grant_of(cognito, "GenerateDataKeyWithoutPlaintext", None)], &Granted::Yes);
        check_grants(&[grant_of("cognito-idp.eu-central-1.amazonaws.com", "Encrypt", own)], &Granted::Yes);
        check_grants(&[grant_of(account, "Encrypt", own)], &Granted::Yes);
        check_grants(&[grant_of(account, "Encrypt", None)], &Granted::Perhaps(1));
        check_grants(&[grant_of(cognito, "Decrypt", own)], &Granted::No);
        check_grants(&[grant_of("dynamodb.eu-central-1.amazonaws.com", "Encrypt", None)], &Granted::No);
        check_grants(
            &[grant_of(cognito, "Encrypt", Some("eu-central-1_Other")), grant_of(account, "Decrypt", None)],
            &Granted::OtherPools(vec!["eu-central-1_Other".to_owned()]),
        );
    }

    const IAM_DECIDES: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}"#;

    #[track_caller]
    fn check_policy(statements: &str, expected: &KeyPolicy) {
        let policy = Policy::parse(&format!(r#"{{"Statement":[{statements}]}}"#)).expect("a policy");
        assert_eq!(&key_policy(&policy, ROLE, &pool()), expected, "{statements}");
    }

    fn statement(effect: &str, condition: &str) -> String {
        format!(
            r#"{{"Effect":"{effect}","Principal":{{"AWS":"{ROLE}"}},"Action":"kms:Decrypt","Resource":"*"{condition}}}"#
        )
    }

    fn on_pool(operator: &str, id: &str) -> String {
        format!(r#","Condition":{{"{operator}":{{"{CONTEXT_CONDITION}":"{id}"}}}}"#)
    }

    #[test]
    fn a_denial_keeps_cognito_from_encrypting() {
        let check = |action: &str, principal: &str, condition: &str, expected: bool| {
            let statement = format!(
                r#"{{"Effect":"Deny","Principal":{principal},"Action":"{action}","Resource":"*"{condition}}}"#
            );
            let policy = Policy::parse(&format!(r#"{{"Statement":{statement}}}"#)).expect("a policy");
            assert_eq!(encryption_denied(&policy, &pool(), "").is_some(), expected, "{statement}");
        };
        check("kms:GenerateDataKey*", r#""*""#, "", true);
        check("kms:*", r#"{"Service":"cognito-idp.amazonaws.com"}"#, "", true);
        check("kms:*", r#"{"Service":"sqs.amazonaws.com"}"#, "", false);
        check("kms:Decrypt", r#""*""#, "", false);
        check("kms:Encrypt", r#""*""#, &on_pool("StringNotEquals", "eu-central-1_Other"), true);
        check("kms:Encrypt", r#""*""#, &on_pool("StringNotEquals", "eu-central-1_Example01"), false);
    }

    #[test]
    fn a_key_policy_allows_denies_or_leaves_it_to_iam() {
        let (own, other) = ("eu-central-1_Example01", "eu-central-1_Other");
        check_policy(IAM_DECIDES, &KeyPolicy::LeavesItToIam);
        check_policy("", &KeyPolicy::Silent);
        check_policy(&IAM_DECIDES.replace("123456789012", "111122223333"), &KeyPolicy::Silent);
        check_policy(&IAM_DECIDES.replace("kms:*", "kms:Describe*"), &KeyPolicy::Silent);
        check_policy(&statement("Allow", ""), &KeyPolicy::Allows);
        check_policy(&format!("{},{IAM_DECIDES}", statement("Allow", "")), &KeyPolicy::Allows);
        check_policy(&statement("Allow", &on_pool("StringEquals", own)), &KeyPolicy::Allows);
        check_policy(
            &statement("Allow", &on_pool("StringEquals", other)),
            &KeyPolicy::AllowsOthers(vec![other.to_owned()]),
        );
        check_policy(&format!("{IAM_DECIDES},{}", statement("Deny", "")), &KeyPolicy::Denies(Vec::new()));
        check_policy(
            &format!("{IAM_DECIDES},{}", statement("Deny", &on_pool("StringNotEquals", other))),
            &KeyPolicy::Denies(vec![other.to_owned()]),
        );
        check_policy(
            &format!("{IAM_DECIDES},{}", statement("Deny", &on_pool("StringNotEquals", own))),
            &KeyPolicy::LeavesItToIam,
        );
        check_policy(
            &statement("Allow", r#","Condition":{"Bool":{"aws:ViaAWSService":"true"}}"#),
            &KeyPolicy::Unclear("aws:viaawsservice".to_owned()),
        );
    }

    #[test]
    fn a_deny_whose_condition_is_not_understood_is_not_forgotten() {
        let deny = statement("Deny", r#","Condition":{"Bool":{"aws:ViaAWSService":"true"}}"#);
        let unless_denied = |iam_decides| KeyPolicy::UnlessDenied {
            condition_key: "aws:viaawsservice".to_owned(),
            iam_decides,
        };
        check_policy(&format!("{IAM_DECIDES},{deny}"), &unless_denied(true));
        check_policy(&format!("{deny},{IAM_DECIDES}"), &unless_denied(true));
        check_policy(&format!("{},{deny}", statement("Allow", "")), &unless_denied(false));

        let policy = Policy::parse(&format!(r#"{{"Statement":[{IAM_DECIDES},{deny}]}}"#)).expect("a policy");
        let sender = Attached {
            trigger: Trigger::CustomEmailSender,
            arn: "arn:aws:lambda:eu-central-1:123456789012:function:sender",
        };
        let level = |iam: bool, granted: bool| {
            decrypts(sender, ROLE, &Ok(iam), Some(&policy), granted, &pool(), "arn:key").level
        };
        assert_eq!(level(true, false), Level::Warning);
        assert_eq!(level(false, false), Level::Cause);
        assert_eq!(level(false, true), Level::Warning);

        let deny = r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}"#;
        let policy = Policy::parse(&format!(r#"{{"Statement":{deny}}}"#)).expect("a policy");
        let finding = encryption_denied(&policy, &pool(), "arn:key").expect("a finding");
        assert_eq!(finding.level, Level::Warning);
    }
}
