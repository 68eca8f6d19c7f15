//! `doctor`: why a user got no code.
//!
//! First the pool, the user and the stack are looked up, then every area asks its own questions, all side by side.
//! An area turns answers into findings and changes nothing; only [`step`] can, and only after a yes.

mod finding;
mod fix;
mod step;

mod client;
mod email;
mod key;
mod sms;
mod startup;
mod trail;
mod triggers;
mod user;
mod who;

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use crate::aws::{Aws, AwsError, Kind};
use crate::cognito::{Pool, Pools, User};
use crate::deployment::Deployment;
use crate::lambda::{Configuration, Functions};
use crate::output::{Output, Tone, plain};
use crate::progress::Progress;
use crate::{Common, End, Error};
use finding::{Finding, Level, Mend};
use shared::trigger::Trigger;
use user::Contact;
use who::Found;

/// The one question of the frame itself.
const STACK: &str = "stack.found";

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    /// User name, alias, e-mail address, E.164 number or `sub`; `-` reads a line of standard input, which keeps it out
    /// of the shell's history
    #[arg(value_name = "USER")]
    user: String,
    /// The user pool; else that of the stack
    #[arg(long, value_name = "ID", required_unless_present = "stack_name")]
    user_pool_id: Option<String>,
    /// The stack of the triggers; else the one that the pool's functions belong to
    #[arg(long, value_name = "NAME")]
    stack_name: Option<String>,
    /// App client that the user comes through; else the first 60 of the pool are looked at
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Prints how each conclusion was reached
    #[arg(long)]
    why: bool,
    /// Asks for each command that mends what was found, and runs it after a `y`
    #[arg(long)]
    fix: bool,
    /// For how many hours back the functions' logs are read
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    hours: u32,
    /// DNS server for DMARC and for the recipient's domain (MX), 192.0.2.1:53; else those of the system
    #[arg(long, value_name = "ADDRESS")]
    resolver: Option<std::net::SocketAddr>,
}

const DETAILS: &str = "\
Nothing is changed without --fix, and with it only what is answered with `y`. Each check, with the calls that it makes \
and the permissions that it takes, is in docs/operating.md.

The exit code is 0 when neither cause nor warning was found, 1 when one was, and 3 when the pool could not even be \
described. With --fix it is 0 when everything that was found was mended. All exit codes: cognito-triggers --help.";

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
    pub(super) found: &'a Found,
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

/// All that was found, in words for programs.
#[derive(Serialize)]
struct Report<'a> {
    user_pool_id: &'a str,
    verdict: &'a str,
    causes: usize,
    warnings: usize,
    not_checked: usize,
    findings: Vec<&'a Finding>,
    /// How an administrator lets the user in while no code arrives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    meanwhile: &'a Vec<String>,
}

/// What one file of this folder looks at.
struct Area {
    title: &'static str,
    /// Where it stands in the chain from the request to the mailbox: what comes first stops what comes after.
    place: u8,
    findings: Vec<Finding>,
}

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    if options.fix && common.format == crate::Format::Json {
        return Err(Error::Usage("--fix asks questions, which --format json has no place for".to_owned()));
    }
    let asked = asked(&options.user)?;
    let region = options.user_pool_id.as_deref().map(region_of_pool).filter(|region| !region.is_empty());
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
    if let Err(error) = &pool
        && error.kind != Kind::Denied
    {
        // Without pool, credentials or network nothing else can be asked either.
        progress.finish();
        return Err(error.clone().into());
    }
    let (found, functions) = tokio::join!(
        who::find(aws, &pool_id, pool.as_ref().ok(), &asked, progress),
        functions(aws, &pool, named.as_ref(), progress),
    );
    let settings = settings(&functions);
    let deployment = match named {
        Some(deployment) => Some(Ok(deployment)),
        None => found_stack(aws, &settings, progress).await,
    };

    let subject = &Subject {
        aws,
        options: &options,
        asked: &asked,
        pool_id: &pool_id,
        pool: &pool,
        users: &found.users,
        found: &found,
        deployment: deployment.as_ref().and_then(|deployment| deployment.as_ref().ok()),
        settings: &settings,
        functions: &functions,
        progress,
    };
    let mut areas = Box::pin(look(subject)).await;
    if let (Some(stack), Some(first)) = (stack(deployment.as_ref(), &settings), areas.first_mut()) {
        first.findings.push(stack);
    }
    progress.finish();
    let end = tell(&areas, subject, output)?;
    let end = if options.fix { fix::offer(&areas, aws, output).await?.unwrap_or(end) } else { end };
    match pool {
        Ok(_) => Ok(end),
        Err(error) => Err(error.into()),
    }
}

/// The user as the operator names them, from the first line of standard input if the argument says so.
fn asked(argument: &str) -> Result<String, Error> {
    let mut line = String::new();
    let text = if argument == "-" {
        // The lines after it answer the questions of --fix.
        std::io::stdin().read_line(&mut line)?;
        &line
    } else {
        argument
    };
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err(Error::Usage("one user is needed".to_owned()));
    }
    Ok(text.to_owned())
}

/// Every area's answers, asked for side by side.
async fn look(subject: &Subject<'_>) -> [Area; 5] {
    let (user, email, sms, triggers, trail) = tokio::join!(
        user::look(subject),
        email::look(subject),
        sms::look(subject),
        triggers::look(subject),
        trail::look(subject),
    );
    let channels = user::channels(subject);
    let weigh = |findings: Vec<Finding>, contact| {
        let weighed = findings.into_iter().map(|finding| user::weigh(finding, contact, channels.as_deref()));
        weighed.collect::<Vec<_>>()
    };
    let (email, sms) = (weigh(email, Contact::Email), weigh(sms, Contact::Phone));
    [
        Area { title: "The user and the pool", place: 0, findings: user },
        Area { title: "E-mail", place: 2, findings: email },
        Area { title: "SMS", place: 3, findings: sms },
        Area { title: "The triggers", place: 1, findings: triggers },
        Area { title: "What happened", place: 4, findings: trail },
    ]
}

/// Shows the whole report.
fn tell(areas: &[Area], subject: &Subject<'_>, output: &mut Output) -> std::io::Result<End> {
    let findings: Vec<&Finding> = areas.iter().flat_map(|area| &area.findings).collect();
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (causes, warnings, not_checked) =
        (count(Level::Cause), count(Level::Warning), count(Level::NotChecked));
    let verdict = &verdict(areas);
    let helped =
        subject.user().filter(|user| causes > 0 && user.enabled && user.status != "EXTERNAL_PROVIDER");
    let meanwhile =
        &helped.map(|user| user::meanwhile(subject.aws.region(), subject.pool_id, user)).unwrap_or_default();

    show(areas, subject.options, output)?;
    output.text(if causes > 0 { Tone::Warning } else { Tone::Strong }, 2, verdict)?;
    if !meanwhile.is_empty() {
        output.text(Tone::Plain, 0, "")?;
        output.text(
            Tone::Plain,
            2,
            "Until then an administrator can let the user in, with a password for good or with one that has to be \
             replaced at the next sign-in:",
        )?;
        for command in meanwhile {
            output.row(Tone::Plain, &format!("  {command}"))?;
        }
    }
    let user_pool_id = subject.pool_id;
    output.json(&Report { user_pool_id, verdict, causes, warnings, not_checked, findings, meanwhile })?;
    Ok(if causes + warnings > 0 { End::LookAtIt } else { End::Done })
}

/// What it all means, in one or two sentences.
fn verdict(areas: &[Area]) -> String {
    let mut chain: Vec<&Area> = areas.iter().collect();
    chain.sort_by_key(|area| area.place);
    let of = |level| {
        let findings = chain.iter().flat_map(|area| &area.findings).filter(move |found| found.level == level);
        findings.map(|finding| finding.sentence.trim_end_matches('.')).collect::<Vec<_>>()
    };
    let (causes, warnings, not_checked) = (of(Level::Cause), of(Level::Warning), of(Level::NotChecked));
    let numbers = [(causes.len(), "cause"), (warnings.len(), "warning"), (not_checked.len(), "not checked")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| {
            let many = if number == 1 || noun == "not checked" { "" } else { "s" };
            format!("{number} {noun}{many}")
        })
        .collect::<Vec<_>>()
        .join(", ");
    match (causes.as_slice(), warnings.as_slice(), not_checked.as_slice()) {
        ([], [], []) => {
            "Nothing is wrong that can be seen from here. Look into the junk folder; the log of the sender \
                         names the message that the service took (message.id)."
                .to_owned()
        }
        ([], [], _) => format!(
            "Nothing is wrong that could be seen, but not everything could be looked at ({numbers}). Look into the \
             junk folder; the log of the sender names the message that the service took (message.id)."
        ),
        ([], _, _) => {
            format!("No cause was found. What may be the reason: {}. ({numbers})", warnings.join("; "))
        }
        (_, _, _) => format!("No code arrives because: {}. ({numbers})", causes.join("; ")),
    }
}

fn show(areas: &[Area], options: &Options, output: &mut Output) -> std::io::Result<()> {
    for area in areas.iter().filter(|area| !area.findings.is_empty()) {
        output.text(Tone::Strong, 0, area.title)?;
        for finding in &area.findings {
            let (word, tone) = match finding.level {
                Level::Ok => ("ok     ", Tone::Good),
                Level::NotChecked => ("-      ", Tone::Plain),
                Level::Warning => ("warning", Tone::Warning),
                Level::Cause => ("CAUSE  ", Tone::Warning),
            };
            output.text(tone, 10, &format!("{word}   {}", finding.sentence))?;
            for mend in &finding.mends {
                match mend {
                    Mend::Step(step) => row(&step.command(), output)?,
                    Mend::Command(command) => row(command, output)?,
                    Mend::Advice(advice) => output.text(Tone::Plain, 12, &format!("            {advice}"))?,
                }
            }
            if options.why {
                for why in &finding.why {
                    if why.starts_with("https://") {
                        output.row(Tone::Plain, &format!("          see {why}"))?;
                    } else {
                        output.text(Tone::Plain, 14, &format!("          because {why}"))?;
                    }
                }
            }
        }
        output.text(Tone::Plain, 0, "")?;
    }
    Ok(())
}

/// A command stays one line, so that it can be copied. Nothing in it can steer the terminal.
fn row(command: &str, output: &mut Output) -> std::io::Result<()> {
    let command: String =
        command.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    output.row(Tone::Plain, &format!("            {command}"))
}

/// The Region in the id of a pool; empty where there is none.
fn region_of_pool(pool_id: &str) -> &str {
    shared::arn::region_of_user_pool(pool_id).unwrap_or_default()
}

/// A value from outside as it is shown.
pub(super) fn shown(value: &str) -> String {
    plain(value)
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
) -> Option<Result<Deployment, AwsError>> {
    let stack = settings
        .values()
        .filter_map(|variables| variables.as_ref().ok()?.get("METRICS_NAMESPACE"))
        .find(|stack| !stack.is_empty())?;
    Some(progress.of(Deployment::load(aws, stack)).await)
}

/// Which stack it is; none where there is none, and nothing that could have named it.
fn stack(
    deployment: Option<&Result<Deployment, AwsError>>,
    settings: &BTreeMap<Trigger, Result<BTreeMap<String, String>, AwsError>>,
) -> Option<Finding> {
    let failure = || settings.values().find_map(|variables| variables.as_ref().err());
    let error = match deployment {
        Some(Ok(deployment)) => {
            let sentence = format!("the triggers are those of the stack {}", deployment.stack);
            return Some(Finding::ok(STACK, sentence).why(
                "--stack-name names it, or the variable METRICS_NAMESPACE of a function that the pool invokes",
            ));
        }
        Some(Err(error)) => error,
        None => failure()?,
    };
    Some(Finding::not_checked(STACK, "the stack of the triggers", error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names that the areas give to their questions.
    fn checks() -> BTreeSet<&'static str> {
        let sources = [
            include_str!("doctor.rs"),
            include_str!("doctor/client.rs"),
            include_str!("doctor/email.rs"),
            include_str!("doctor/key.rs"),
            include_str!("doctor/sms.rs"),
            include_str!("doctor/trail.rs"),
            include_str!("doctor/triggers.rs"),
            include_str!("doctor/user.rs"),
        ];
        let constants = sources.iter().flat_map(|source| source.lines());
        let values = constants
            .filter_map(|line| line.strip_prefix("const ")?.split_once(": &str = \"")?.1.strip_suffix("\";"));
        let word = |word: &str| {
            !word.is_empty() && word.chars().all(|letter| letter == '-' || letter.is_ascii_lowercase())
        };
        values
            .filter(|value| {
                value.split_once('.').is_some_and(|(area, question)| word(area) && word(question))
            })
            .collect()
    }

    #[test]
    fn the_documentation_has_a_row_for_every_check_and_none_more() {
        let page = include_str!("../../../docs/operating.md");
        let (_, section) = page.split_once("## Why did I get no code? `doctor`\n").expect("the section");
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let rows: Vec<&str> = rows.map(|row| row.0).filter(|name| name.contains('.')).collect();
        let checks = checks();
        assert!(checks.contains("user.found") && checks.contains("client.secret"), "{checks:?}");
        assert_eq!(rows.iter().copied().collect::<BTreeSet<_>>(), checks);
        assert_eq!(rows.len(), checks.len(), "every check once");
    }

    fn area(place: u8, findings: Vec<Finding>) -> Area {
        Area { title: "", place, findings }
    }

    #[track_caller]
    fn check(areas: &[Area], expected: &str) {
        assert_eq!(verdict(areas), expected);
    }

    #[test]
    fn the_verdict_names_the_causes_in_the_order_of_the_chain() {
        let denied = AwsError::new(Kind::Denied, "no");
        let late = || vec![Finding::cause("c.d", "the second."), Finding::warning("c.e", "odd")];
        let early =
            || vec![Finding::cause("a.b", "the first"), Finding::not_checked("a.c", "something", &denied)];
        check(
            &[area(2, late()), area(1, early())],
            "No code arrives because: the first; the second. (2 causes, 1 warning, 1 not checked)",
        );
        check(
            &[area(0, vec![Finding::warning("a.b", "odd")])],
            "No cause was found. What may be the reason: odd. (1 warning)",
        );
        let nothing = verdict(&[area(0, vec![Finding::ok("a.b", "fine")])]);
        assert!(nothing.contains("junk folder") && nothing.contains("message.id"), "{nothing}");
        let gap = verdict(&[area(0, vec![Finding::not_checked("a.b", "something", &denied)])]);
        assert!(gap.contains("(1 not checked)") && gap.contains("junk folder"), "{gap}");
    }
}
