//! Whether the key is the senders' key, and usable.

use shared::arn::function_name;

use super::key_use::SENDER_PAGE;
use crate::aws::kms::Key;
use crate::doctor::finding::Finding;
use crate::doctor::function::{AttachedFunction, account_of, attach_command};
use crate::doctor::registry::CheckId;
use crate::doctor::step::{Step, region_of};
use crate::doctor::subject::Subject;
use pool::user_pool::UserPool;

const KEY: CheckId = CheckId::TriggersKey;
const STATE: CheckId = CheckId::TriggersKeyState;

const STATE_PAGE: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html";

/// Compares the user pool's key with the one in each sender's settings.
pub(super) fn same_key(
    subject: &Subject<'_>,
    pool: &UserPool,
    senders: &[AttachedFunction<'_>],
    key_arn: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for sender in senders {
        let name = function_name(sender.arn);
        // A function of another project need not have the setting.
        let Some(senders_key) = subject.setting(sender.trigger, "CODE_KEY_ARN") else { continue };
        if senders_key != key_arn {
            let finding = Finding::cause(
                KEY,
                format!(
                    "the user pool encrypts with the key {key_arn}, but {name} expects {senders_key}: it rejects every \
                     code"
                ),
            )
            .evidence(
                "LambdaConfig.KMSKeyID of the user pool, compared with CODE_KEY_ARN of the function \
                 (lambda:GetFunctionConfiguration)",
            );
            findings.push(match subject.stack {
                Some(stack) if stack.key_arn() == Some(senders_key) => {
                    finding.command(attach_command(pool.id(), stack))
                }
                _ => finding.advice(format!("Deploy the stack with CodeKeyArn={key_arn}.")),
            });
        }
    }
    if findings.is_empty() {
        findings.push(
            Finding::ok(KEY, "the user pool and the senders use the same KMS key")
                .evidence(format!("LambdaConfig.KMSKeyID and CODE_KEY_ARN are {key_arn}")),
        );
    }
    findings
}

/// A key works only in its own Region; Cognito's guide doesn't describe keys of other accounts.
pub(super) fn location(pool: &UserPool, key_arn: &str) -> Option<Finding> {
    let (region, account) = (region_of(pool.arn()), account_of(pool.arn()));
    if !region.is_empty() && region_of(key_arn) != region {
        return Some(
            Finding::cause(
                KEY,
                format!(
                    "the key is in {}, the user pool in {region}: a KMS key can't be used in another Region",
                    region_of(key_arn)
                ),
            )
            .evidence("the ARNs of both")
            .advice("Attach the triggers again with a key in the user pool's Region."),
        );
    }
    (!account.is_empty() && account_of(key_arn) != account).then(|| {
        Finding::warning(
            KEY,
            "the key belongs to another account than the user pool; Cognito's guide doesn't describe that",
        )
        .advice("Use a key of the user pool's account.")
        .evidence("the ARNs of both")
        .source(SENDER_PAGE)
    })
}

pub(super) fn missing(configured: &str) -> Finding {
    Finding::cause(
        STATE,
        format!("the user pool's key {configured} doesn't exist: Cognito can't encrypt codes"),
    )
    .evidence("kms:DescribeKey of LambdaConfig.KMSKeyID returned NotFoundException")
    .advice("Deploy the stack again, so that it has a key, and attach the triggers again.")
}

pub(super) fn state(key: &Key) -> Finding {
    let key_arn = || key.arn.clone();
    let cause = |summary: &str| Finding::cause(STATE, summary);
    let finding = match key.state.as_str() {
        "Enabled" => Finding::ok(STATE, "the KMS key of the codes is enabled"),
        "Disabled" => cause("the KMS key of the codes is disabled: codes can't be encrypted or decrypted")
            .step(Step::EnableKey { key_arn: key_arn() }),
        "PendingDeletion" | "PendingReplicaDeletion" => {
            cause("the KMS key of the codes is scheduled for deletion: codes can't be encrypted or decrypted")
                .step(Step::CancelKeyDeletion { key_arn: key_arn() })
                .step(Step::EnableKey { key_arn: key_arn() })
        }
        "PendingImport" => {
            cause("the KMS key of the codes has no key material: it expired or was never imported")
                .advice("Import the key material again: aws kms import-key-material.")
        }
        "Unavailable" => cause("the custom key store of the KMS key is not connected")
            .advice("Connect it again: aws kms connect-custom-key-store."),
        other => Finding::warning(STATE, format!("the KMS key of the codes is in the state {other}")),
    };
    let replica = if key.multi_region { "; a multi-Region key, of which only this ARN counts" } else { "" };
    finding.evidence(format!("kms:DescribeKey: KeyState {}{replica}", key.state)).source(STATE_PAGE)
}

pub(super) fn kind(key: &Key) -> Option<Finding> {
    (key.spec != "SYMMETRIC_DEFAULT" || key.usage != "ENCRYPT_DECRYPT").then(|| {
        Finding::cause(
            STATE,
            format!(
                "the KMS key of the codes is {} for {}: Cognito needs a symmetric encryption key",
                key.spec, key.usage
            ),
        )
        .evidence("kms:DescribeKey: KeySpec and KeyUsage")
        .source(SENDER_PAGE)
        .advice(
            "Deploy the stack without CodeKeyArn, so that it creates a suitable key, and attach the triggers again.",
        )
    })
}
