//! `doctor`: why a user got no code.
//!
//! First the pool, the user and the stack are looked up, then every area asks its own questions, all side by side.
//! An area turns answers into findings and changes nothing; only [`step`] can, and only after a yes.

mod finding;
mod step;

mod email;
mod key;
mod policy;
mod sms;
mod startup;
mod trail;
mod triggers;
mod user;

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::aws::{Aws, AwsError};
use crate::cognito::{Pool, Pools, User};
use crate::deployment::{Deployment, Trigger};
use crate::lambda::{Configuration, Functions};
use crate::output::{Output, Tone};
use crate::progress::Progress;
use crate::{Common, End, Error};
use finding::{Finding, Level, Mend};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// User name, alias, e-mail address, E.164 number or `sub`; `-` reads it from standard input, which keeps it out
    /// of the shell's history
    #[arg(value_name = "USER")]
    user: String,
    /// The user pool; else that of the stack
    #[arg(long, value_name = "ID", required_unless_present = "stack_name")]
    user_pool_id: Option<String>,
    /// The stack of the triggers; else the one that the pool's functions belong to
    #[arg(long, value_name = "NAME")]
    stack_name: Option<String>,
    /// App client that the user comes through; else every client of the pool is looked at
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Prints how each conclusion was reached
    #[arg(long)]
    why: bool,
    /// Offers to run the commands that mend what was found, and asks before each
    #[arg(long, conflicts_with = "format")]
    fix: bool,
    /// For how many hours back the functions' logs are read
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    hours: u32,
    /// DNS server for DMARC, 192.0.2.1:53; else those of the system
    #[arg(long, value_name = "ADDRESS")]
    resolver: Option<std::net::SocketAddr>,
}

/// What all areas look at.
pub(super) struct Subject<'a> {
    pub(super) aws: &'a Aws,
    pub(super) options: &'a Options,
    /// The user as the operator named them.
    pub(super) asked: &'a str,
    pub(super) pool_id: &'a str,
    pub(super) pool: &'a Result<Pool, AwsError>,
    /// Whom the name means: nobody, one, or several in a pool where addresses are not unique.
    pub(super) users: &'a Result<Vec<User>, AwsError>,
    pub(super) deployment: Option<&'a Deployment>,
    /// The variables of the functions that the pool invokes, or that the stack deploys.
    pub(super) settings: &'a BTreeMap<Trigger, Result<BTreeMap<String, String>, AwsError>>,
    /// The same functions, with all that Lambda says of them.
    pub(super) functions: &'a BTreeMap<Trigger, Result<Configuration, AwsError>>,
    pub(super) progress: &'a Progress,
}

impl Subject<'_> {
    /// The one user that is meant.
    pub(super) fn user(&self) -> Option<&User> {
        match self.users.as_deref() {
            Ok([user]) => Some(user),
            _ => None,
        }
    }

    /// A setting of a function, none where it is empty or could not be read.
    pub(super) fn setting(&self, trigger: Trigger, name: &str) -> Option<&str> {
        let variables = self.settings.get(&trigger)?.as_ref().ok()?;
        variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether our function, not Cognito itself, sends the messages of that channel.
    pub(super) fn sends(&self, trigger: Trigger) -> bool {
        let Ok(pool) = self.pool else { return false };
        match trigger {
            Trigger::CustomEmailSender => pool.triggers.custom_email_sender.is_some(),
            Trigger::CustomSmsSender => pool.triggers.custom_sms_sender.is_some(),
            Trigger::PreSignUp | Trigger::CustomMessage => false,
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    user_pool_id: &'a str,
    causes: usize,
    warnings: usize,
    not_checked: usize,
    findings: &'a [Finding],
}

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    let asked = crate::hash::recipient(options.user.clone())?;
    let region = options.user_pool_id.as_deref().and_then(|id| id.split_once('_')).map(|(region, _)| region);
    let aws = &Aws::load(common, region).await?;
    let progress = &Progress::new();

    let named = match &options.stack_name {
        Some(stack) => Some(progress.of(Deployment::load(aws, stack)).await?),
        None => None,
    };
    let from_stack = named.as_ref().and_then(Deployment::user_pool_id).map(str::to_owned);
    let pool_id = options.user_pool_id.clone().or(from_stack).ok_or_else(|| {
        Error::Usage("the stack names no user pool: name one with --user-pool-id".to_owned())
    })?;
    let pools = Pools::new(aws);
    let pool = progress.of(pools.describe(&pool_id)).await;
    let (users, functions) = tokio::join!(
        user::find(&pools, &pool_id, &pool, &asked, progress),
        functions(aws, &pool, named.as_ref(), progress),
    );
    let settings = settings(&functions);
    let deployment = match named {
        Some(deployment) => Some(deployment),
        None => found_stack(aws, &settings, progress).await,
    };

    let subject = &Subject {
        aws,
        options: &options,
        asked: &asked,
        pool_id: &pool_id,
        pool: &pool,
        users: &users,
        deployment: deployment.as_ref(),
        settings: &settings,
        functions: &functions,
        progress,
    };
    let (user, email, sms, triggers, trail) = tokio::join!(
        user::look(subject),
        email::look(subject),
        sms::look(subject),
        triggers::look(subject),
        trail::look(subject),
    );
    progress.finish();
    let areas = [
        ("The user and the pool", user),
        ("E-mail", email),
        ("SMS", sms),
        ("The triggers", triggers),
        ("What happened", trail),
    ];
    show(&areas, &options, output)?;
    let findings: Vec<Finding> = areas.into_iter().flat_map(|(_, findings)| findings).collect();
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let report = Report {
        user_pool_id: &pool_id,
        causes: count(Level::Cause),
        warnings: count(Level::Warning),
        not_checked: count(Level::NotChecked),
        findings: &findings,
    };
    output.json(&report)?;
    Ok(if report.causes + report.warnings > 0 { End::LookAtIt } else { End::Done })
}

fn show(areas: &[(&str, Vec<Finding>)], options: &Options, output: &mut Output) -> std::io::Result<()> {
    for (title, findings) in areas.iter().filter(|(_, findings)| !findings.is_empty()) {
        output.text(Tone::Strong, 0, title)?;
        for finding in findings {
            let (word, tone) = match finding.level {
                Level::Ok => ("ok     ", Tone::Good),
                Level::NotChecked => ("-      ", Tone::Plain),
                Level::Warning => ("warning", Tone::Warning),
                Level::Cause => ("CAUSE  ", Tone::Warning),
            };
            output.text(tone, 10, &format!("{word}   {}", finding.sentence))?;
            for mend in &finding.mends {
                match mend {
                    Mend::Step(step) => {
                        output.row(Tone::Plain, &format!("            {}", step.command()))?
                    }
                    Mend::Command(command) => output.row(Tone::Plain, &format!("            {command}"))?,
                    Mend::Advice(advice) => output.text(Tone::Plain, 12, &format!("            {advice}"))?,
                }
            }
            if options.why {
                for why in &finding.why {
                    output.text(Tone::Plain, 14, &format!("          because {why}"))?;
                }
            }
        }
        output.text(Tone::Plain, 0, "")?;
    }
    Ok(())
}

/// What Lambda says of each function: of those that the pool invokes where it invokes any, else of the stack's.
async fn functions(
    aws: &Aws,
    pool: &Result<Pool, AwsError>,
    deployment: Option<&Deployment>,
    progress: &Progress,
) -> BTreeMap<Trigger, Result<Configuration, AwsError>> {
    let functions = &Functions::new(aws);
    let one = async |trigger: Trigger| {
        let attached = pool.as_ref().ok().and_then(|pool| pool.triggers.function_arn(trigger));
        let arn = attached.or_else(|| deployment?.function_arn(trigger))?;
        Some((trigger, progress.of(functions.configuration(arn)).await))
    };
    let [first, second, third, fourth] = Trigger::ALL;
    let all = tokio::join!(one(first), one(second), one(third), one(fourth));
    [all.0, all.1, all.2, all.3].into_iter().flatten().collect()
}

/// Their variables.
fn settings(
    functions: &BTreeMap<Trigger, Result<Configuration, AwsError>>,
) -> BTreeMap<Trigger, Result<BTreeMap<String, String>, AwsError>> {
    let variables = |answer: &Result<Configuration, AwsError>| match answer {
        Ok(configuration) => configuration.variables.clone(),
        Err(error) => Err(error.clone()),
    };
    functions.iter().map(|(trigger, answer)| (*trigger, variables(answer))).collect()
}

/// The stack that the functions belong to: it names itself in their variables.
async fn found_stack(
    aws: &Aws,
    settings: &BTreeMap<Trigger, Result<BTreeMap<String, String>, AwsError>>,
    progress: &Progress,
) -> Option<Deployment> {
    let stack = settings
        .values()
        .filter_map(|variables| variables.as_ref().ok()?.get("METRICS_NAMESPACE"))
        .find(|stack| !stack.is_empty())?;
    progress.of(Deployment::load(aws, stack)).await.ok()
}
