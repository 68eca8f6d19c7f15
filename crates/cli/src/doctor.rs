//! `doctor`: why a user got no code.
//!
//! First the user pool, the user and the stack are looked up. Then all areas run their checks concurrently. A check
//! turns responses of AWS into findings and changes nothing. Only a [`step`] makes a change, after a confirmation.

mod conclusion;
mod contact;
mod display;
mod event;
mod finding;
mod fix;
mod function;
mod level;
mod lookup;
mod registry;
mod settings;
mod severity;
mod step;
mod subject;

mod client;
mod email;
mod history;
mod key;
mod sms;
mod triggers;
mod user;

use std::collections::BTreeMap;

use clap::Args;
use shared::trigger::Trigger;

use crate::aws::cognito::Pools;
use crate::aws::lambda::{Configuration, Functions};
use crate::aws::{Aws, AwsError, Kind};
use crate::common::{Common, Format};
use crate::exit::{End, Error};
use crate::stack::Stack;
use crate::terminal::output::Output;
use crate::terminal::progress::Progress;
use conclusion::{AreaFindings, Conclusion};
use contact::Contact;
use finding::Finding;
use pool::user_pool::UserPool;
use registry::{Area, CheckId};
use subject::Subject;

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS, override_usage = USAGE)]
pub(crate) struct Options {
    /// Username, alias, email address, E.164 number or `sub`; `-` reads a line of standard input, so that it isn't in
    /// the shell's history
    #[arg(value_name = "USER", required_unless_present = "list_checks")]
    user: Option<String>,
    /// User pool; default: the stack's user pool
    #[arg(long, value_name = "ID")]
    user_pool_id: Option<String>,
    /// Stack of the triggers; default: the stack that the user pool's functions belong to
    #[arg(long, value_name = "NAME")]
    stack_name: Option<String>,
    /// App client that the user signs in with; default: the first 60 app clients of the user pool
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Shows the evidence for each finding
    #[arg(long)]
    why: bool,
    /// Offers each command that fixes a finding, and runs it if you enter `y`
    #[arg(long)]
    fix: bool,
    /// Number of hours of the functions' logs to read
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    hours: u32,
    /// DNS server for DMARC and MX lookups, such as 192.0.2.1:53; default: the system's DNS servers
    #[arg(long, value_name = "ADDRESS")]
    resolver: Option<std::net::SocketAddr>,
    /// Lists all checks with the IAM actions that they need, and checks nothing
    #[arg(long)]
    list_checks: bool,
}

const USAGE: &str = "\
cognito-triggers doctor [OPTIONS] --user-pool-id <ID> <USER>
       cognito-triggers doctor [OPTIONS] --stack-name <NAME> <USER>
       cognito-triggers doctor --list-checks";

const DETAILS: &str = "\
Without --fix, doctor changes nothing. With --fix, it runs only the commands that you confirm with `y`. \
--list-checks shows the calls of each check and the permissions that they need. docs/operating.md has the same \
list.

The exit code is 0 if there is neither a cause nor a warning, 1 if there is one, and 3 if the user pool can't be \
described. With --fix, it is 0 if all findings were fixed. All exit codes: cognito-triggers --help.";

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    if options.list_checks {
        match common.format {
            Format::Text => display::text::list_checks(output)?,
            Format::Json => display::json::list_checks(output)?,
        }
        return Ok(End::Done);
    }
    if options.fix && common.format == Format::Json {
        return Err(Error::Usage("--fix asks questions, so it can't be used with --format json".to_owned()));
    }
    if options.user_pool_id.is_none() && options.stack_name.is_none() {
        let text = "no user pool is set: pass --user-pool-id ID, or --stack-name NAME to use the stack's user \
                    pool";
        return Err(Error::Usage(text.to_owned()));
    }
    let asked = asked(options.user.as_deref().unwrap_or_default())?;
    let region = options.user_pool_id.as_deref().map(region_of_pool).filter(|region| !region.is_empty());
    let aws = &Aws::load(common, region).await?;
    let progress = &Progress::new();

    let named = match &options.stack_name {
        Some(stack) => Some(progress.of(Stack::load_template(aws, stack)).await?),
        None => None,
    };
    let from_stack = named.as_ref().and_then(Stack::user_pool_id).map(str::to_owned);
    let pool_id = options.user_pool_id.clone().or(from_stack).ok_or_else(|| {
        Error::Usage("the stack has no output UserPoolId: pass --user-pool-id ID as well".to_owned())
    })?;
    let pools = Pools::new(aws);
    let pool = progress.of(pools.describe(&pool_id)).await;
    if let Err(error) = &pool
        && error.kind != Kind::Denied
    {
        // Without user pool, credentials or network no other call can work either.
        progress.finish();
        return Err(error.clone().into());
    }
    let (lookup, functions) = tokio::join!(
        lookup::find(aws, &pool_id, pool.as_ref().ok(), &asked, progress),
        functions(aws, &pool, named.as_ref(), progress),
    );
    let settings = settings(&functions);
    let stack = match named {
        Some(stack) => Some(Ok(stack)),
        None => find_stack(aws, &settings, progress).await,
    };

    let subject = &Subject {
        aws,
        asked: &asked,
        pool_id: &pool_id,
        pool: &pool,
        lookup: &lookup,
        stack: stack.as_ref().and_then(|stack| stack.as_ref().ok()),
        settings: &settings,
        functions: &functions,
        client_id: options.client_id.as_deref(),
        hours: options.hours,
        resolver: options.resolver,
        progress,
    };
    let mut areas = Box::pin(check(subject)).await;
    if let (Some(finding), Some(first)) = (stack_found(stack.as_ref(), &settings), areas.first_mut()) {
        first.findings.push(finding);
    }
    progress.finish();
    let conclusion = conclude(&areas, subject);
    display::show(&areas, &conclusion, &pool_id, options.why, common.format, output)?;
    let end = if conclusion.needs_attention() { End::LookAtIt } else { End::Done };
    let end = if options.fix { fix::offer(&areas, aws, output).await?.unwrap_or(end) } else { end };
    match pool {
        Ok(_) => Ok(end),
        Err(error) => Err(error.into()),
    }
}

/// The user as the operator named them, from the first line of standard input if the argument is `-`.
fn asked(argument: &str) -> Result<String, Error> {
    let mut line = String::new();
    let text = if argument == "-" {
        // The following lines answer the questions of --fix.
        std::io::stdin().read_line(&mut line)?;
        &line
    } else {
        argument
    };
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        let text = "the user is empty or has control characters: pass one username, address, number or `sub`";
        return Err(Error::Usage(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// Runs the checks of all areas concurrently.
async fn check(subject: &Subject<'_>) -> [AreaFindings; 5] {
    let (user, email, sms, triggers, key, history) = tokio::join!(
        user::check(subject),
        email::check(subject),
        sms::check(subject),
        triggers::check(subject),
        key::check(subject),
        history::check(subject),
    );
    let channels = user::state::channels(subject);
    let for_channel = |findings: Vec<Finding>, contact| {
        let findings = findings.into_iter();
        findings
            .map(|finding| severity::for_channel(finding, contact, channels.as_deref()))
            .collect::<Vec<_>>()
    };
    [
        AreaFindings { area: Area::User, findings: user },
        AreaFindings { area: Area::Email, findings: for_channel(email, Contact::Email) },
        AreaFindings { area: Area::Sms, findings: for_channel(sms, Contact::Phone) },
        AreaFindings { area: Area::Triggers, findings: [triggers, key].concat() },
        AreaFindings { area: Area::History, findings: history },
    ]
}

/// The conclusion from all findings, with a way to let the user in if codes don't arrive.
fn conclude(areas: &[AreaFindings], subject: &Subject<'_>) -> Conclusion {
    let mut conclusion = Conclusion::new(areas);
    let helped = |user: &&crate::aws::cognito::User| {
        conclusion.causes > 0 && user.enabled && user.status != "EXTERNAL_PROVIDER"
    };
    if let Some(user) = subject.user().filter(helped) {
        conclusion.workaround = user::state::workaround(subject.region(), subject.pool_id, user);
    }
    conclusion
}

/// The Region in the id of a user pool; empty if there is none.
fn region_of_pool(pool_id: &str) -> &str {
    shared::arn::region_of_user_pool(pool_id).unwrap_or_default()
}

/// What Lambda returns about each function: those that the user pool invokes, else those of the stack.
async fn functions(
    aws: &Aws,
    pool: &Result<UserPool, AwsError>,
    stack: Option<&Stack>,
    progress: &Progress,
) -> BTreeMap<Trigger, Result<Configuration, AwsError>> {
    let functions = &Functions::new(aws);
    let one = async |trigger: Trigger| {
        let attached = pool.as_ref().ok().and_then(|pool| pool.function_arn(trigger));
        let arn = attached.or_else(|| stack?.function_arn(trigger))?;
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

/// The stack that the functions belong to: a variable of theirs has its name.
async fn find_stack(
    aws: &Aws,
    settings: &BTreeMap<Trigger, Result<BTreeMap<String, String>, AwsError>>,
    progress: &Progress,
) -> Option<Result<Stack, AwsError>> {
    let stack = settings
        .values()
        .filter_map(|variables| variables.as_ref().ok()?.get("METRICS_NAMESPACE"))
        .find(|stack| !stack.is_empty())?;
    Some(progress.of(Stack::load_template(aws, stack)).await)
}

/// The finding about the stack; `None` if there is none.
fn stack_found(
    stack: Option<&Result<Stack, AwsError>>,
    settings: &BTreeMap<Trigger, Result<BTreeMap<String, String>, AwsError>>,
) -> Option<Finding> {
    let failure = || settings.values().find_map(|variables| variables.as_ref().err());
    let error = match stack {
        Some(Ok(stack)) => {
            let summary = format!("the triggers belong to the stack {}", stack.name());
            return Some(Finding::ok(CheckId::StackFound, summary).evidence(
                "the name is from --stack-name, or from the variable METRICS_NAMESPACE of a function that the user \
                 pool invokes",
            ));
        }
        Some(Err(error)) => error,
        None => failure()?,
    };
    Some(Finding::not_checked(CheckId::StackFound, "the stack of the triggers", error))
}
