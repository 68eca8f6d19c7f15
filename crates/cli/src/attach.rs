//! `attach`, `detach` and `diff`: the Lambda triggers of a stack in a user pool.

mod attachment;
mod backup;
mod needs;
mod report;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pool::aws::Kind;
use pool::control::{self, Revoked};
use pool::model::UnknownFields;
use pool::permission;
use pool::plan::{OnConflict, Plan};
use pool::triggers::LambdaConfigMember;
use pool::user_pool::UserPool;

use crate::common::Common;
use crate::exit::{End, Error};
use crate::terminal::output::Output;
use attachment::Attachment;
use report::{FunctionPermission, PoolReport};

#[derive(Debug, Args)]
#[command(after_long_help = ATTACH_DETAILS)]
pub(crate) struct AttachOptions {
    #[command(flatten)]
    target: Target,
    /// Makes the changes; without it, the command is a dry run
    #[arg(long)]
    apply: bool,
    /// Replaces functions that are not the stack's
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    safety: SafetyOptions,
}

#[derive(Debug, Args)]
#[command(after_long_help = DETACH_DETAILS)]
pub(crate) struct DetachOptions {
    #[command(flatten)]
    target: Target,
    /// Makes the changes; without it, the command is a dry run
    #[arg(long)]
    apply: bool,
    /// Restores the functions in this backup of `attach`; without it, the Lambda triggers are only removed
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
    #[command(flatten)]
    safety: SafetyOptions,
}

#[derive(Debug, Args)]
#[command(after_long_help = DIFF_DETAILS)]
pub(crate) struct DiffOptions {
    #[command(flatten)]
    target: Target,
}

/// Which triggers, and which pool.
#[derive(Debug, Args)]
struct Target {
    /// Stack whose functions and key are attached
    #[arg(long, value_name = "NAME")]
    stack_name: String,
    /// User pool; default: the one in the stack's outputs
    #[arg(long, value_name = "ID")]
    user_pool_id: Option<String>,
}

/// How the pool's other settings are kept safe.
#[derive(Debug, Args)]
struct SafetyOptions {
    /// File for a backup of the pool's settings; default: `<pool>-<time>.json`
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// What to do with settings of the pool that this version does not support
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    unknown_fields: Unknown,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Unknown {
    /// Change nothing
    #[default]
    Refuse,
    /// Write them back unchanged; Cognito may reject them
    Keep,
    /// Leave them out; Cognito may reset them
    Drop,
}

impl From<Unknown> for UnknownFields {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Refuse => Self::Refuse,
            Unknown::Keep => Self::Write,
            Unknown::Drop => Self::LeaveOut,
        }
    }
}

const ATTACH_DETAILS: &str = "\
Cognito resets every setting of a user pool that is missing from an update. So `attach` reads all settings, changes \
PreSignUp, CustomMessage, CustomEmailSender, CustomSMSSender and KMSKeyID in LambdaConfig, and writes everything back. \
Before that it writes a backup and reads the pool again: if the pool changed since, nothing is written. Afterwards \
it reads the pool a third time, and reports any other difference as an error. Other Lambda triggers are never changed.

Nothing is changed, and the exit code is 1, if
- one of these triggers already points to another function (--replace overrides it);
- another function's codes are encrypted with another key: deploy the stack with that key as CodeKeyArn;
- the stack has EmailIsUsername=true, but email is not the only sign-in attribute of the pool;
- CustomMessage would have to write email for a pool with the default email configuration (COGNITO_DEFAULT);
- a Deny statement in a function's policy denies the invocation;
- the pool has settings that this version does not support (--unknown-fields overrides it).

You need cloudformation:DescribeStacks, cognito-idp:DescribeUserPool, lambda:GetPolicy, and with --apply \
cognito-idp:UpdateUserPool, iam:PassRole for the role with which the pool sends SMS, kms:CreateGrant on the key, and \
lambda:AddPermission if the stack does not let the pool invoke its functions. `attach` checks the permissions for pool, \
role and key beforehand if you have sts:GetCallerIdentity, iam:GetRole and iam:SimulatePrincipalPolicy.

A second run changes nothing.";

const DETACH_DETAILS: &str = "\
Each Lambda trigger that points to a function of the stack is removed, or restored from the backup. Functions that \
replaced the stack's functions stay. The key is removed if no other function needs it. Then the permissions that \
`attach` added are removed from the functions' policies; those of the stack stay. All other settings keep their \
current values, not those of the backup.

Nothing is changed, and the exit code is 1, if
- a function to restore does not exist, or Cognito may not invoke it: leave out --restore;
- the pool has settings that this version does not support (--unknown-fields overrides it).

`attach --help` lists the required permissions; detach also needs lambda:RemovePermission.";

const DIFF_DETAILS: &str = "\
The exit code is 1 if a function or the key of the stack is not attached, if another one is attached, if Cognito may \
not invoke a function of the stack or only under a condition that cannot be evaluated, if the stack has \
EmailIsUsername=true although email is not the only sign-in attribute of the pool, or if `attach` would refuse the \
change. Otherwise it is 0. Settings that the stack does not define make no difference.

You need cloudformation:DescribeStacks, cognito-idp:DescribeUserPool and lambda:GetPolicy.";

pub(crate) async fn attach(
    options: AttachOptions,
    common: &Common,
    output: &mut Output,
) -> Result<End, Error> {
    let attachment = Attachment::load(&options.target, common).await?;
    let pool = attachment.describe_pool().await?;
    let on_conflict = if options.replace { OnConflict::Replace } else { OnConflict::Refuse };
    let plan = Plan::attach(&pool, &attachment.desired, &attachment.former(&pool), on_conflict);
    let permissions = invoke_permissions(&attachment, attachment.desired.functions(), &pool).await?;
    let mut report = PoolReport::new("attach", &attachment, &plan, permissions);
    report.parameter(attachment.email_is_username(&pool));
    report.refuse_unsafe();
    let changes =
        PoolChanges { attachment: &attachment, plan: &plan, safety: &options.safety, apply: options.apply };
    let to_grant = report.permissions.iter().any(FunctionPermission::is_missing);
    changes
        .finish(report, plan.is_empty() && !to_grant, output, async |unknown| {
            let functions =
                control::apply_and_grant(&attachment.clients, &plan, &attachment.desired, unknown).await?;
            Ok(Revoked { functions, failure: None })
        })
        .await
}

pub(crate) async fn detach(
    options: DetachOptions,
    common: &Common,
    output: &mut Output,
) -> Result<End, Error> {
    let attachment = Attachment::load(&options.target, common).await?;
    let before =
        options.restore.as_deref().map(|path| backup::triggers(path, &attachment.pool_id)).transpose()?;
    let pool = attachment.describe_pool().await?;
    let ours = attachment.ours(&pool);
    let plan = Plan::detach(&pool, &ours, &before.unwrap_or_default());
    let mut permissions = Vec::new();
    for (_, function) in ours.functions() {
        let granted = permission::is_granted(&attachment.clients, function, &pool).await;
        if granted.map_err(|error| attachment.failure(error.into()))? {
            permissions.push(FunctionPermission::added_before(function));
        }
    }
    let nothing_to_do = plan.is_empty() && permissions.is_empty();
    let mut report = PoolReport::new("detach", &attachment, &plan, permissions);
    let restored = plan.after().triggers();
    let restored = restored.functions().filter(|(member, arn)| pool.triggers().arn(*member) != Some(*arn));
    report.refuse_to_restore(&invoke_permissions(&attachment, restored, &pool).await?);
    let changes =
        PoolChanges { attachment: &attachment, plan: &plan, safety: &options.safety, apply: options.apply };
    changes
        .finish(report, nothing_to_do, output, async |unknown| {
            control::apply_and_revoke(&attachment.clients, &plan, &ours, unknown).await
        })
        .await
}

pub(crate) async fn diff(options: DiffOptions, common: &Common, output: &mut Output) -> Result<End, Error> {
    let attachment = Attachment::load(&options.target, common).await?;
    let pool = attachment.describe_pool().await?;
    let plan = Plan::attach(&pool, &attachment.desired, &attachment.former(&pool), OnConflict::Replace);
    let permissions = invoke_permissions(&attachment, attachment.desired.functions(), &pool).await?;
    let mut report = PoolReport::new("diff", &attachment, &plan, permissions);
    report.parameter(attachment.email_is_username(&pool));
    report.refusals(plan.refusals.clone());
    let drift = report.drift();
    report.show_drift(output)?;
    Ok(if drift { End::LookAtIt } else { End::Done })
}

/// Whether Cognito may invoke these functions.
async fn invoke_permissions(
    attachment: &Attachment,
    functions: impl Iterator<Item = (LambdaConfigMember, &str)>,
    pool: &UserPool,
) -> Result<Vec<FunctionPermission>, Error> {
    let mut permissions = Vec::new();
    for (_, function) in functions {
        let permission = permission::check(&attachment.clients, function, pool)
            .await
            .map_err(|error| attachment.failure(error.into()))?;
        permissions.push(FunctionPermission::new(function, permission));
    }
    Ok(permissions)
}

/// What `attach` and `detach` have in common: show, save a backup, change, check.
struct PoolChanges<'a> {
    attachment: &'a Attachment,
    plan: &'a Plan,
    safety: &'a SafetyOptions,
    apply: bool,
}

impl PoolChanges<'_> {
    async fn finish(
        &self,
        mut report: PoolReport,
        nothing_to_do: bool,
        output: &mut Output,
        change: impl AsyncFnOnce(UnknownFields) -> Result<Revoked, control::Error>,
    ) -> Result<End, Error> {
        let unknown = self.safety.unknown_fields.into();
        report.refusals(self.plan.refusals(unknown));
        if !nothing_to_do && !self.plan.is_empty() {
            report.needs = needs::check(&self.attachment.aws, self.plan).await;
        }
        if report.is_refused() || nothing_to_do || !self.apply {
            report.end(nothing_to_do);
            report.show(output)?;
            let needs_attention = report.is_refused() || !nothing_to_do && report.lacks_permission();
            return Ok(if needs_attention { End::LookAtIt } else { End::Done });
        }
        let saved = if self.plan.is_empty() { None } else { Some(self.save()?) };
        match change(unknown).await {
            Ok(Revoked { functions, failure }) => {
                report.done(&functions, saved.as_deref());
                report.show(output)?;
                let Some(error) = failure else { return Ok(End::Done) };
                output.note("Cognito may still invoke a function that is not attached any more.");
                Err(self.attachment.failure(error.into()))
            }
            Err(error) => {
                if let Some(path) = &saved {
                    self.explain(&error, path, output);
                }
                match error {
                    control::Error::Call(_) => Err(self.attachment.failure(error)),
                    error => {
                        output.error(&error.to_string());
                        Ok(End::LookAtIt)
                    }
                }
            }
        }
    }

    fn save(&self) -> Result<PathBuf, Error> {
        let pool = self.plan.before();
        let path = self.safety.backup.clone().unwrap_or_else(|| backup::default_path(pool));
        backup::write(&path, pool)?;
        Ok(path)
    }

    /// Explains the state of the pool after a failure, and the permissions that are probably missing.
    fn explain(&self, error: &control::Error, backup: &Path, output: &mut Output) {
        let backup = backup.display();
        output.note(&match error.was_written() {
            Some(false) => format!("The pool was not changed. The backup {backup} has its settings."),
            Some(true) => format!("The pool was changed. The backup {backup} has its previous settings."),
            None => format!(
                "It is not known whether the pool was changed: check with `cognito-triggers diff`. The backup \
                 {backup} has its previous settings."
            ),
        });
        if let control::Error::Call(error) = error
            && error.kind() == Kind::Denied
        {
            output.note("Probably one of these permissions is missing:");
            for (action, resource) in self.plan.needs() {
                output.note(&format!("  {action} on {resource}"));
            }
        }
    }
}
