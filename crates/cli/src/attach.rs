//! `attach`, `detach` and `diff`: the triggers of a stack on a user pool.

mod backup;
mod deployment;
mod needs;
mod report;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use pool::aws::Kind;
use pool::control::{self, Revoked};
use pool::description::Description;
use pool::model::UnknownFields;
use pool::permission;
use pool::plan::{Foreign, Plan};
use pool::triggers::Slot;

use crate::terminal::output::Output;
use crate::{Common, End, Error};
use deployment::Deployment;
use report::{Permission, Report};

#[derive(Debug, Args)]
#[command(after_long_help = ATTACH_DETAILS)]
pub(crate) struct AttachOptions {
    #[command(flatten)]
    target: Target,
    /// Attaches; without it nothing is changed
    #[arg(long)]
    apply: bool,
    /// Takes the place of functions that are not the stack's
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    care: Care,
}

#[derive(Debug, Args)]
#[command(after_long_help = DETACH_DETAILS)]
pub(crate) struct DetachOptions {
    #[command(flatten)]
    target: Target,
    /// Takes them off; without it nothing is changed
    #[arg(long)]
    apply: bool,
    /// Puts back what was attached when `attach` wrote this backup; else the slots are left empty
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
    #[command(flatten)]
    care: Care,
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
    /// Stack whose outputs name functions and key
    #[arg(long, value_name = "NAME")]
    stack_name: String,
    /// User pool; else the one that the stack names
    #[arg(long, value_name = "ID")]
    user_pool_id: Option<String>,
}

/// What keeps the pool safe.
#[derive(Debug, Args)]
struct Care {
    /// Where the pool's settings are written before anything is changed; else `<pool>-<time>.json`
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// Settings of the pool that this version does not know
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    unknown_fields: Unknown,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Unknown {
    /// Nothing is changed
    #[default]
    Refuse,
    /// They are written back as they were read; Cognito may refuse them
    Keep,
    /// They are not written; Cognito may reset them
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
Cognito changes a user pool as a whole and resets what it is not given. So every setting is read, PreSignUp, \
CustomMessage, CustomEmailSender, CustomSMSSender and KMSKeyID are changed as the stack wants them, and \
everything is written back, as JSON and not through the types of an SDK, which would lose what is newer than they \
are. Before that the settings go into a backup file, and the pool is read once more: when somebody changed it \
meanwhile, nothing is written. After it the pool is read again, and anything else that differs is an error.

A slot that holds a function of somebody else is left alone, and nothing is changed, unless --replace is given. \
Other triggers are never touched.

You need cloudformation:DescribeStacks, cognito-idp:DescribeUserPool, lambda:GetPolicy, and with --apply \
cognito-idp:UpdateUserPool, iam:PassRole for the role that the pool sends SMS with, kms:CreateGrant on the key, \
and, where the stack does not let \
the pool invoke its functions, lambda:AddPermission. Whether you have those of the pool, the role and the key is \
asked beforehand where sts:GetCallerIdentity, iam:GetRole and iam:SimulatePrincipalPolicy permit.

Done twice, the second time changes nothing.";

const DETACH_DETAILS: &str = "\
A slot that holds a function of the stack is emptied, or gets back what it held according to the backup; what \
somebody else put there meanwhile is left alone. The key goes when no function needs it any more. Then the \
permissions that `attach` added are taken out of the functions' policies; those of the stack stay.

All other settings stay as they are now, not as they were when the backup was made. How that is done, and what you \
need, is said in `attach --help`.";

const DIFF_DETAILS: &str = "\
The exit code is 1 when a function or the key of the stack is not attached, another one is, or Cognito may not \
invoke it; 0 when all is as the stack wants it. Settings that the stack says nothing about make no difference.

You need cloudformation:DescribeStacks, cognito-idp:DescribeUserPool and lambda:GetPolicy.";

pub(crate) async fn attach(
    options: AttachOptions,
    common: &Common,
    output: &mut Output,
) -> Result<End, Error> {
    let stack = Deployment::load(&options.target, common).await?;
    let pool = stack.read().await?;
    let foreign = if options.replace { Foreign::Replace } else { Foreign::Refuse };
    let plan = Plan::attach(&pool, &stack.wanted, &stack.former(&pool), foreign);
    let permissions = verdicts(&stack, stack.wanted.functions(), &pool).await?;
    let mut report = Report::new("attach", &stack, &plan, permissions);
    report.parameter(stack.email_is_username(&pool));
    report.refuse_harm();
    let work = Work { stack: &stack, plan: &plan, care: &options.care, apply: options.apply };
    let to_grant = report.permissions.iter().any(Permission::is_missing);
    work.finish(report, plan.is_empty() && !to_grant, output, async |unknown| {
        let functions = control::carry_out(&stack.clients, &plan, &stack.wanted, unknown).await?;
        Ok(Revoked { functions, failure: None })
    })
    .await
}

pub(crate) async fn detach(
    options: DetachOptions,
    common: &Common,
    output: &mut Output,
) -> Result<End, Error> {
    let stack = Deployment::load(&options.target, common).await?;
    let before = options.restore.as_deref().map(|path| backup::triggers(path, &stack.pool_id)).transpose()?;
    let pool = stack.read().await?;
    let ours = stack.ours(&pool);
    let plan = Plan::detach(&pool, &ours, &before.unwrap_or_default());
    let mut permissions = Vec::new();
    for (_, function) in ours.functions() {
        let granted = permission::is_granted(&stack.clients, function, &pool).await;
        if granted.map_err(|error| stack.failure(error.into()))? {
            permissions.push(Permission::added_before(function));
        }
    }
    let nothing_to_do = plan.is_empty() && permissions.is_empty();
    let mut report = Report::new("detach", &stack, &plan, permissions);
    let restored = plan.after().triggers();
    let restored = restored.functions().filter(|(slot, arn)| pool.triggers().arn(*slot) != Some(*arn));
    report.refuse_to_restore(&verdicts(&stack, restored, &pool).await?);
    let work = Work { stack: &stack, plan: &plan, care: &options.care, apply: options.apply };
    work.finish(report, nothing_to_do, output, async |unknown| {
        control::give_back(&stack.clients, &plan, &ours, unknown).await
    })
    .await
}

pub(crate) async fn diff(options: DiffOptions, common: &Common, output: &mut Output) -> Result<End, Error> {
    let stack = Deployment::load(&options.target, common).await?;
    let pool = stack.read().await?;
    let plan = Plan::attach(&pool, &stack.wanted, &stack.former(&pool), Foreign::Replace);
    let permissions = verdicts(&stack, stack.wanted.functions(), &pool).await?;
    let mut report = Report::new("diff", &stack, &plan, permissions);
    report.parameter(stack.email_is_username(&pool));
    report.refusals(plan.refusals.clone());
    let drift = report.drift();
    report.show_drift(output)?;
    Ok(if drift { End::LookAtIt } else { End::Done })
}

/// Whether Cognito may invoke these functions.
async fn verdicts(
    stack: &Deployment,
    functions: impl Iterator<Item = (Slot, &str)>,
    pool: &Description,
) -> Result<Vec<Permission>, Error> {
    let mut permissions = Vec::new();
    for (_, function) in functions {
        let verdict = permission::check(&stack.clients, function, pool)
            .await
            .map_err(|error| stack.failure(error.into()))?;
        permissions.push(Permission::new(function, verdict));
    }
    Ok(permissions)
}

/// What `attach` and `detach` do alike: show, save, change, check.
struct Work<'a> {
    stack: &'a Deployment,
    plan: &'a Plan,
    care: &'a Care,
    apply: bool,
}

impl Work<'_> {
    async fn finish(
        &self,
        mut report: Report,
        nothing_to_do: bool,
        output: &mut Output,
        change: impl AsyncFnOnce(UnknownFields) -> Result<Revoked, control::Error>,
    ) -> Result<End, Error> {
        let unknown = self.care.unknown_fields.into();
        report.refusals(self.plan.refusals(unknown));
        if !nothing_to_do && !self.plan.is_empty() {
            report.needs = needs::check(&self.stack.aws, self.plan).await;
        }
        if report.is_refused() || nothing_to_do || !self.apply {
            report.end(nothing_to_do);
            report.show(output)?;
            let look = report.is_refused() || !nothing_to_do && report.lacks_permission();
            return Ok(if look { End::LookAtIt } else { End::Done });
        }
        let saved = if self.plan.is_empty() { None } else { Some(self.save()?) };
        match change(unknown).await {
            Ok(Revoked { functions, failure }) => {
                report.done(&functions, saved.as_deref());
                report.show(output)?;
                let Some(error) = failure else { return Ok(End::Done) };
                output.note("Cognito may still invoke a function that is not attached any more.");
                Err(self.stack.failure(error.into()))
            }
            Err(error) => {
                if let Some(path) = &saved {
                    self.explain(&error, path, output);
                }
                match error {
                    control::Error::Call(_) => Err(self.stack.failure(error)),
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
        let path = self.care.backup.clone().unwrap_or_else(|| backup::default_path(pool));
        backup::write(&path, pool)?;
        Ok(path)
    }

    /// Where the pool stands after a failure, and what is probably missing.
    fn explain(&self, error: &control::Error, backup: &Path, output: &mut Output) {
        let backup = backup.display();
        output.note(&match error.was_written() {
            Some(false) => format!("The pool was not changed. Its settings are in {backup} nevertheless."),
            Some(true) => format!("The pool was changed. Its settings before that are in {backup}."),
            None => format!(
                "Whether the pool was changed is not known: `cognito-triggers diff` tells. Its settings before that \
                 are in {backup}."
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
