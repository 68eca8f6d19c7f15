//! The KMS key of the codes: whether it is the right one and usable, and whether Cognito and the senders can use it.

mod decrypt;
mod grants;
mod key_use;
mod state;

use pool::policy::Policy;
use shared::arn::Arn;
use shared::trigger::Trigger;

use super::finding::Finding;
use super::function::{AttachedFunction, attach_command};
use super::level::Level;
use super::registry::CheckId;
use super::subject::Subject;
use crate::aws::iam::Policies;
use crate::aws::kms::{Grant, Key, Keys};
use crate::aws::{AwsError, Kind};
use decrypt::SenderRole;
use key_use::{CONTEXT_CONDITION, SENDER_PAGE};
use pool::user_pool::UserPool;

/// What KMS and IAM returned.
struct KeyFacts<'a> {
    /// The ARN in the user pool's settings: of a key or of an alias.
    configured: &'a str,
    key: Result<Key, AwsError>,
    grants: Result<Vec<Grant>, AwsError>,
    policy: Result<String, AwsError>,
    /// What IAM returned for each sender's role.
    roles: Vec<SenderRole<'a>>,
}

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    // The trigger checks report that the user pool couldn't be described.
    let Ok(pool) = subject.pool else { return Vec::new() };
    let senders: Vec<_> = [Trigger::CustomEmailSender, Trigger::CustomSmsSender]
        .into_iter()
        .filter_map(|trigger| Some(AttachedFunction { trigger, arn: pool.function_arn(trigger)? }))
        .collect();
    match pool.key_arn() {
        _ if senders.is_empty() => Vec::new(),
        None => vec![no_key(subject, pool)],
        Some(configured) => {
            let facts = Box::pin(KeyFacts::load(subject, pool, configured, &senders)).await;
            facts.findings(subject, pool, &senders)
        }
    }
}

/// A sender without a key to encrypt its codes with.
fn no_key(subject: &Subject<'_>, pool: &UserPool) -> Finding {
    let finding = Finding::cause(
        CheckId::TriggersKey,
        "the user pool invokes a custom sender but has no KMS key for the codes: Cognito can't pass codes to it",
    )
    .evidence("cognito-idp:DescribeUserPool returns no LambdaConfig.KMSKeyID")
    .source(SENDER_PAGE);
    match subject.stack {
        Some(stack) => finding.command(attach_command(pool.id(), stack)),
        None => finding.advice("Attach the triggers again, with the key."),
    }
}

impl<'a> KeyFacts<'a> {
    async fn load(
        subject: &Subject<'_>,
        pool: &UserPool,
        configured: &'a str,
        senders: &[AttachedFunction<'a>],
    ) -> Self {
        let (keys, policies) = (&Keys::new(subject.aws), &Policies::new(subject.aws));
        let progress = subject.progress;
        let describe = async || progress.of(keys.describe(configured)).await;
        // Grants and policies belong to the key itself, so an alias is resolved first.
        let early = if is_alias(configured) { Some(describe().await) } else { None };
        let key_arn = early.as_ref().and_then(|key| key.as_ref().ok()).map(|key| key.arn.clone());
        let key_arn = key_arn.filter(|arn| !arn.is_empty()).unwrap_or_else(|| configured.to_owned());
        let role = async |sender: Option<&AttachedFunction<'a>>| {
            let sender = *sender?;
            let role_arn = subject.function(sender.trigger)?.role.clone()?;
            let context = [(CONTEXT_CONDITION, pool.id())];
            let allowed = progress.of(policies.allow(&role_arn, "kms:Decrypt", &key_arn, &context)).await;
            Some(SenderRole { sender, role_arn, allowed })
        };
        let late = async {
            match early {
                Some(key) => key,
                None => describe().await,
            }
        };
        let (key, grants, policy, first, second) = tokio::join!(
            late,
            progress.of(keys.grants(&key_arn)),
            progress.of(keys.policy(&key_arn)),
            role(senders.first()),
            role(senders.get(1)),
        );
        Self { configured, key, grants, policy, roles: [first, second].into_iter().flatten().collect() }
    }

    fn findings(
        &self,
        subject: &Subject<'_>,
        pool: &UserPool,
        senders: &[AttachedFunction<'_>],
    ) -> Vec<Finding> {
        let key = match &self.key {
            Ok(key) => key,
            Err(error) if error.kind == Kind::NotFound => {
                // In the user pool's Region, KMS doesn't find a key in another Region.
                let elsewhere = state::location(pool, self.configured);
                if let Some(elsewhere) = elsewhere.filter(|found| found.level == Level::Cause) {
                    return vec![elsewhere];
                }
                return vec![state::missing(self.configured)];
            }
            // An alias has neither grants nor a policy, and the senders have the ARN of the key.
            Err(error) if is_alias(self.configured) => {
                let what = "the key behind the alias, and its state";
                return vec![Finding::not_checked(CheckId::TriggersKeyState, what, error)];
            }
            // The ARN of the key is enough for the other checks.
            Err(error) => {
                let mut findings = state::same_key(subject, pool, senders, self.configured);
                findings.push(Finding::not_checked(CheckId::TriggersKeyState, "the state of the key", error));
                findings.extend(self.permissions(subject, pool, self.configured));
                return findings;
            }
        };
        let mut findings = state::same_key(subject, pool, senders, &key.arn);
        findings.extend(state::location(pool, &key.arn));
        findings.push(state::state(key));
        findings.extend(state::kind(key));
        findings.extend(self.permissions(subject, pool, &key.arn));
        findings
    }

    fn permissions(&self, subject: &Subject<'_>, pool: &UserPool, key_arn: &str) -> Vec<Finding> {
        let mut findings = vec![grants::finding(&self.grants, pool, subject.stack)];
        let policy = match &self.policy {
            Ok(document) => {
                let policy = Policy::parse(document).unwrap_or_default();
                findings.extend(grants::denied_by_policy(&policy, pool, key_arn));
                Some(policy)
            }
            Err(error) => {
                findings.push(Finding::not_checked(CheckId::TriggersDecrypt, "the key policy", error));
                None
            }
        };
        for role in &self.roles {
            let granted =
                self.grants.as_ref().is_ok_and(|grants| decrypt::is_granted(grants, &role.role_arn, pool));
            findings.push(decrypt::finding(role, policy.as_ref(), granted, pool, key_arn));
        }
        findings
    }
}

fn is_alias(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| arn.resource().starts_with("alias/"))
}
