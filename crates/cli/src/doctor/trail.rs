//! What happened: dead letters, the functions' last lines about this user, their errors, Cognito's own log.
//!
//! Of what a log or an event says only our own sentences and names are shown.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;
use shared::arn::{Arn, region_of};
use shared::outcome::ErrorType;
use shared::policy::{Decision, RefuseReason};
use shared::recipient::RecipientHasher;
use shared::trigger::{MessageKind, Trigger};

use super::finding::Finding;
use super::user::{self, Contact};
use super::{Subject, finding::Level, startup, who};
use crate::aws::AwsError;
use crate::aws::cognito::{LogDelivery, Pools};
use crate::aws::lambda::Configuration;
use crate::aws::logs::{Line, Logs};
use crate::aws::sqs::Queue;
use crate::deployment::Deployment;
use crate::record::{Record, harmless};
use crate::terminal::shell::quote;

const QUEUE: &str = "trail.dead-letters";
const MESSAGES: &str = "trail.messages";
const SIGN_UP: &str = "trail.sign-up";
const ERRORS: &str = "trail.errors";
const LOG_DELIVERY: &str = "trail.log-delivery";

/// Lines about the user that are enough to say what happened.
const ENOUGH: usize = 20;

/// For how long back errors of the functions matter.
const ERRORS_SINCE: Duration = Duration::from_hours(1);

/// Receives in a row that may show a message not seen before.
const PEEKS: usize = 5;

const LOG_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/exporting-quotas-and-usage.html";

pub(super) async fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let logs = &Logs::new(subject.aws);
    let (dead, messages, sign_up, errors, delivery) = tokio::join!(
        dead_letters(subject),
        messages(subject, logs),
        sign_up(subject, logs),
        errors(subject, logs),
        log_delivery(subject),
    );
    let (messages, sent) = messages;
    let dead = dead.map(|(finding, theirs)| outdated(finding, &theirs, &sent));
    [messages, sign_up.into_iter().collect(), dead.into_iter().collect(), errors, vec![delivery]].concat()
}

/// As in the logs of AWS, to the second.
fn shown(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = DateTime::from_secs(i64::try_from(seconds).unwrap_or_default());
    time.fmt(Format::DateTime).unwrap_or_default()
}

/// The user's address and number: as Cognito has them, else what was asked for.
fn contact(subject: &Subject<'_>, attribute: &str) -> Option<String> {
    let known = subject.user().and_then(|user| user.attribute(attribute));
    known.map(str::to_owned).or_else(|| match attribute {
        "email" => subject.asked.contains('@').then(|| subject.asked.to_owned()),
        _ => who::number(subject.asked),
    })
}

// ---------------------------------------------------------------------------------- dead letters

/// An event of the user that failed for good.
struct Theirs {
    channel: &'static str,
    failed_at: SystemTime,
    /// What is known of it.
    words: String,
}

/// What the channels' services took last for the user, by "e-mail" and "SMS".
type Sent = BTreeMap<&'static str, SystemTime>;

/// An event that failed does not matter any more where a later message of its channel went out.
fn outdated(mut finding: Finding, theirs: &[Theirs], sent: &Sent) -> Finding {
    let later = |theirs: &Theirs| sent.get(theirs.channel).is_some_and(|time| *time > theirs.failed_at);
    if finding.level == Level::Cause && theirs.iter().all(later) {
        finding.level = Level::Warning;
        finding.sentence.push_str("; a later message to this user was taken by the service");
    }
    finding
}

async fn dead_letters(subject: &Subject<'_>) -> Option<(Finding, Vec<Theirs>)> {
    let deployment = subject.deployment?;
    let url = deployment.queue_url()?;
    let depth = match subject.progress.of(Queue::new(subject.aws, url).length()).await {
        Ok(depth) => depth,
        Err(error) => {
            return Some((Finding::not_checked(QUEUE, "events that failed for good", &error), Vec::new()));
        }
    };
    if depth == 0 {
        let finding = Finding::ok(QUEUE, "no event waits in the queue of those that failed for good")
            .why("sqs:GetQueueAttributes: ApproximateNumberOfMessages and …NotVisible are 0");
        return Some((finding, Vec::new()));
    }
    let peeked = subject.progress.of(Box::pin(peek(subject, deployment, url))).await;
    let bodies = peeked.as_deref().unwrap_or_default();
    let theirs: Vec<_> = bodies.iter().filter_map(|body| theirs(subject, body)).collect();
    let looked_at = peeked.map(|bodies| bodies.len());
    Some((waiting(deployment, depth, looked_at, &theirs), theirs))
}

/// Bodies of messages, which stay where they are. The queue lets its own role alone read it.
async fn peek(subject: &Subject<'_>, deployment: &Deployment, url: &str) -> Result<Vec<String>, AwsError> {
    let aws = subject.aws.clone();
    let queue = match deployment.redrive_role_arn() {
        Some(role) => Queue::new(&aws.assuming(role).await, url),
        None => Queue::new(&aws, url),
    };
    let mut bodies = BTreeMap::new();
    for _ in 0..PEEKS {
        let before = bodies.len();
        bodies.extend(queue.peek().await?.into_iter().map(|message| (message.id, message.body)));
        if bodies.len() == before {
            break;
        }
    }
    Ok(bodies.into_values().collect())
}

fn waiting(
    deployment: &Deployment,
    depth: u64,
    looked_at: Result<usize, AwsError>,
    theirs: &[Theirs],
) -> Finding {
    let failed = format!(
        "{depth} {} in the queue of those that failed for good",
        plural(depth, "event waits", "events wait")
    );
    let (level, sentence, why) = match looked_at {
        Ok(looked_at) => match theirs.first() {
            Some(Theirs { words, .. }) => (
                Level::Cause,
                format!(
                    "{failed}; of {looked_at} that were looked at, {} {} this user's: {words}",
                    theirs.len(),
                    if theirs.len() == 1 { "is" } else { "are" }
                ),
                "sqs:ReceiveMessage, hiding nothing; told by user name, sub, address and number".to_owned(),
            ),
            None => (
                Level::Warning,
                format!("{failed}; of {looked_at} that were looked at, none is this user's"),
                "sqs:ReceiveMessage, hiding nothing; told by user name, sub, address and number".to_owned(),
            ),
        },
        Err(error) => {
            let role = deployment.redrive_role_arn();
            let whose = role.map(|role| format!(" with the role {role}")).unwrap_or_default();
            (
                Level::Warning,
                format!("{failed}; whether one is this user's: not checked, the queue cannot be read{whose}"),
                format!(
                    "{error}; the queue's policy lets its own role alone read it, which takes sts:AssumeRole"
                ),
            )
        }
    };
    let finding =
        Finding::new(QUEUE, level, sentence).why("sqs:GetQueueAttributes of the output OnFailureQueueUrl");
    finding.why(why).command(format!("cognito-triggers redrive --stack-name {}", quote(&deployment.stack)))
}

fn plural<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// What is known of an event that is this user's.
fn theirs(subject: &Subject<'_>, body: &str) -> Option<Theirs> {
    let record = Record::parse(body, "0", Some(UNIX_EPOCH)).ok()?;
    let event: Value = serde_json::from_str(record.event).ok()?;
    let attributes = event.get("request").and_then(|request| request.get("userAttributes"));
    let attribute =
        |name: &str| attributes.and_then(|attributes| attributes.get(name)).and_then(Value::as_str);
    let name = event.get("userName").and_then(Value::as_str);
    let same = |value: Option<&str>, known: Option<&str>| {
        value.zip(known).is_some_and(|(value, known)| value.eq_ignore_ascii_case(known))
    };
    let user = subject.user();
    let is_theirs = same(name, user.map(|user| user.name.as_str()))
        || same(attribute("sub"), user.and_then(|user| user.attribute("sub")))
        || same(attribute("email"), contact(subject, "email").as_deref())
        || same(attribute("phone_number"), contact(subject, "phone_number").as_deref());
    let channel = record.channel.name();
    is_theirs.then(|| Theirs {
        channel,
        failed_at: record.failed_at,
        words: format!("{} by {channel} ({})", record.subject.name(), record.cause),
    })
}

// ---------------------------------------------------------------------------------- lines about the user

/// How a sender's invocation for the user ended, by its one line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// With the service's id of the message.
    Sent(Option<String>),
    Duplicate,
    InProgress,
    Expired,
    /// As configured, or because of the recipient: in our own words.
    Refused(String),
    /// With its class and our own words.
    Failed(&'static str, String),
}

/// One line about the user.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    time: SystemTime,
    kind: Option<&'static str>,
    outcome: Outcome,
}

/// How our sentences begin that say why a message was not sent; see docs/troubleshooting.md.
const REASONS: [&str; 18] = [
    "the e-mail domain is on DENIED_EMAIL_DOMAINS",
    "the e-mail domain is on the disposable-mail list of ",
    "the attribute `email` is not one plain address",
    "the attribute `phone_number` is not a number in E.164 form",
    "the number is in ",
    "the number's country ",
    "the limit of SMS_",
    "the SMS guard cannot count",
    "the event's `request.code` ",
    "the code is encrypted under another key",
    "the code was encrypted for another user pool",
    "the code's encryption context names no user pool",
    "SES did not take the message: ",
    "SNS did not take the message: ",
    "End User Messaging did not take the message: ",
    "KMS did not decrypt the code: ",
    "KMS decrypted with another key",
    "DynamoDB did not keep the record: ",
];

/// The classes of failures (`crates/sender/src/errors.rs`).
const CLASSES: [&str; 4] = ["transient", "recipient", "configuration", "ambiguous"];

/// The beginning of every line about a message that was not sent.
const NOT_SENT: &str = "did not send a message: ";

impl Told {
    /// Reads a line; none where it is not about that recipient or not the one line of an event.
    fn read(line: &Line, hash: &str) -> Option<Self> {
        let fields: Value = serde_json::from_str(&line.text).ok()?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        (text("recipient.hash")? == hash).then_some(())?;
        let kind = text("message.kind")
            .and_then(|kind| MessageKind::ALL.into_iter().map(MessageKind::name).find(|name| *name == kind));
        let sentence = text("message")?;
        let outcome = if sentence == "sent an e-mail" || sentence == "sent an SMS" {
            Outcome::Sent(text("message.id").filter(|id| is_id(id)).map(str::to_owned))
        } else {
            let reason = sentence.strip_prefix(NOT_SENT)?;
            match reason {
                "it was dealt with by an earlier invocation" => Outcome::Duplicate,
                "another invocation is sending it" => Outcome::InProgress,
                "its code is no longer valid" => Outcome::Expired,
                _ => {
                    let class = text("error.class")
                        .and_then(|class| CLASSES.into_iter().find(|known| *known == class));
                    match class {
                        Some(class) => Outcome::Failed(class, ours(reason)),
                        None => Outcome::Refused(ours(reason)),
                    }
                }
            }
        };
        Some(Self { time: line.time, kind, outcome })
    }
}

/// A reason, if it is one of our own sentences.
fn ours(reason: &str) -> String {
    if REASONS.iter().any(|beginning| reason.starts_with(beginning)) {
        return harmless(reason);
    }
    "for a reason that only the log itself shows".to_owned()
}

/// Ids of SES and SNS are letters, digits and hyphens.
fn is_id(text: &str) -> bool {
    (8..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Under which hash a function logs a recipient.
fn hash(subject: &Subject<'_>, trigger: Trigger, recipient: &str) -> Option<String> {
    // As the functions read their variable: without white space around it.
    let key = subject.setting(trigger, "RECIPIENT_HASH_KEY")?.trim();
    (!key.is_empty()).then(|| RecipientHasher::new(key.as_bytes()).hash(recipient).to_string())
}

fn configuration<'a>(subject: &'a Subject<'_>, trigger: Trigger) -> Option<&'a Configuration> {
    subject.functions.get(&trigger)?.as_ref().ok()
}

/// What a channel's log says, for the channels that have a sender and a contact to send to.
struct Channel<'a> {
    configuration: &'a Configuration,
    contact: Contact,
    /// "e-mail".
    word: &'static str,
    hash: Option<String>,
    told: Result<Vec<Told>, AwsError>,
    /// Whether what was sent is logged at all.
    quiet: bool,
}

async fn messages(subject: &Subject<'_>, logs: &Logs) -> (Vec<Finding>, Sent) {
    let (email, sms) = tokio::join!(
        channel(subject, logs, Trigger::CustomEmailSender, Contact::Email),
        channel(subject, logs, Trigger::CustomSmsSender, Contact::Phone),
    );
    let channels: Vec<_> = [email, sms].into_iter().flatten().collect();
    let taken = user::channels(subject);
    let finding = |channel: &Channel<'_>| {
        Some(user::weigh(channel.finding(subject)?, channel.contact, taken.as_deref()))
    };
    let mut findings: Vec<_> = channels.iter().filter_map(finding).collect();
    let silent = channels.iter().all(|channel| channel.told.as_ref().is_ok_and(Vec::is_empty));
    if findings.is_empty() && !channels.is_empty() && silent {
        findings.push(never_invoked(subject, &channels));
    }
    let sent = channels.iter().filter_map(|channel| Some((channel.word, channel.last_sent()?))).collect();
    (findings, sent)
}

async fn channel<'a>(
    subject: &'a Subject<'_>,
    logs: &Logs,
    trigger: Trigger,
    contact: Contact,
) -> Option<Channel<'a>> {
    // A function that the pool does not invoke writes no lines.
    subject.sends(trigger).then_some(())?;
    let configuration = configuration(subject, trigger)?;
    let (attribute, word) = match contact {
        Contact::Email => ("email", "e-mail"),
        Contact::Phone => ("phone_number", "SMS"),
    };
    let hash = hash(subject, trigger, &self::contact(subject, attribute)?);
    let told = match &hash {
        Some(hash) => {
            let lines = about(subject, logs, &configuration.log_group, hash).await;
            lines.map(|lines| lines.iter().filter_map(|line| Told::read(line, hash)).collect())
        }
        None => Ok(Vec::new()),
    };
    let level = subject.setting(trigger, "LOG_LEVEL").unwrap_or_default().to_ascii_lowercase();
    let quiet = ["warn", "error", "fatal"].contains(&level.as_str());
    Some(Channel { configuration, contact, word, hash, told, quiet })
}

/// The latest lines that name the recipient.
async fn about(subject: &Subject<'_>, logs: &Logs, group: &str, hash: &str) -> Result<Vec<Line>, AwsError> {
    let since = SystemTime::now() - Duration::from_hours(subject.options.hours.into());
    subject.progress.of(logs.latest(group, &format!("\"{hash}\""), since, ENOUGH)).await
}

impl Channel<'_> {
    fn last_sent(&self) -> Option<SystemTime> {
        let sent = self.told.as_ref().ok()?.iter().filter(|told| matches!(told.outcome, Outcome::Sent(_)));
        sent.map(|told| told.time).max()
    }

    fn finding(&self, subject: &Subject<'_>) -> Option<Finding> {
        let (name, word) = (&self.configuration.name, self.word);
        if self.hash.is_none() {
            return Some(
                Finding::new(
                    MESSAGES,
                    Level::NotChecked,
                    format!(
                        "the lines of {name} about this user: not checked, its RECIPIENT_HASH_KEY is empty \
                         or unknown"
                    ),
                )
                .why("without it every process of the function makes up a key, so no hash can be computed"),
            );
        }
        let told = match &self.told {
            Ok(told) => told,
            Err(error) => {
                return Some(Finding::not_checked(
                    MESSAGES,
                    &format!("the lines of {name} about this user"),
                    error,
                ));
            }
        };
        let last = told.last()?;
        let what = last.kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
        let at = shown(last.time);
        let finding = match &last.outcome {
            Outcome::Sent(id) => {
                let id = id.as_deref().map(|id| format!(", message id {id}")).unwrap_or_default();
                Finding::ok(
                    MESSAGES,
                    format!("the last {word} to this user{what} was taken by the service at {at}{id}"),
                )
                .why(
                    "that a service took a message does not say that it arrived: junk folder, suppression, \
                     spend limit",
                )
            }
            Outcome::Duplicate => Finding::ok(
                MESSAGES,
                format!(
                    "the last event for this user{what}, at {at}, had been dealt with before: its {word} is \
                     out"
                ),
            ),
            Outcome::InProgress => Finding::warning(
                MESSAGES,
                format!(
                    "the last {word} to this user{what} was just being sent at {at}; Lambda brings the event \
                     back"
                ),
            ),
            Outcome::Expired => Finding::cause(
                MESSAGES,
                format!(
                    "the last {word} to this user{what} was not sent at {at}: its code was no longer valid"
                ),
            )
            .advice("The user asks for a new code; the errors before that line say what held it up."),
            Outcome::Refused(reason) => Finding::cause(
                MESSAGES,
                format!("the last {word} to this user{what} was not sent at {at}: {reason}"),
            )
            .advice("docs/troubleshooting.md, No e-mail, no SMS, says what to do about each reason."),
            Outcome::Failed(class, reason) => {
                self.failed(subject, class, &format!("{what} failed at {at}: {reason}"))
            }
        };
        let mut finding = finding.why(format!(
            "logs:FilterLogEvents of {} for the keyed hash of the recipient: {} of the last {} h",
            self.configuration.log_group,
            counted(told),
            subject.options.hours
        ));
        if let Some(hash) = &self.hash {
            finding = finding.why(format!("the hash is {hash}"));
        }
        Some(finding)
    }

    fn failed(&self, subject: &Subject<'_>, class: &str, how: &str) -> Finding {
        let finding =
            Finding::cause(MESSAGES, format!("the last {} to this user{how} (class {class})", self.word));
        match (class, subject.deployment) {
            ("transient" | "ambiguous", _) => {
                finding.advice("Lambda tries again by itself; if it stays, the user asks for a new code.")
            }
            (_, Some(deployment)) => finding
                .advice("Mend what it names; then send again what failed:")
                .command(format!("cognito-triggers redrive --stack-name {}", quote(&deployment.stack))),
            (_, None) => finding.advice("Mend what it names; then the user asks for a new code."),
        }
    }
}

/// "3 lines: 2 sent, 1 failed".
fn counted(told: &[Told]) -> String {
    let count = |test: fn(&Outcome) -> bool| told.iter().filter(|told| test(&told.outcome)).count();
    let sent = count(|outcome| matches!(outcome, Outcome::Sent(_)));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(..)));
    let lines = told.len();
    let word = if lines == 1 { "line" } else { "lines" };
    format!("{lines} {word}, {sent} sent, {failed} failed")
}

fn never_invoked(subject: &Subject<'_>, channels: &[Channel<'_>]) -> Finding {
    let hours = subject.options.hours;
    let names: Vec<_> = channels.iter().map(|channel| channel.configuration.name.as_str()).collect();
    let names = names.join(" and ");
    let why = format!(
        "logs:FilterLogEvents found no line with the keyed hash of the recipient in the last {hours} h"
    );
    if channels.iter().any(|channel| channel.quiet) {
        return Finding::new(
            MESSAGES,
            Level::NotChecked,
            format!(
                "{names} logged nothing about this user in the last {hours} h, but at their LOG_LEVEL what \
                 was sent is not logged"
            ),
        )
        .why(why);
    }
    Finding::warning(
        MESSAGES,
        format!(
            "{names} logged nothing about this user in the last {hours} h: if a code was asked for, Cognito \
             did not hand it over"
        ),
    )
    .why(why)
    .advice("Then the reason is on the pool's side: user, recovery, app client, triggers and key above.")
}

// ---------------------------------------------------------------------------------- sign-up

/// What pre-sign-up decided about the address, where it did so lately.
async fn sign_up(subject: &Subject<'_>, logs: &Logs) -> Option<Finding> {
    let attached = subject.pool.as_ref().ok()?.triggers.pre_sign_up.is_some();
    attached.then_some(())?;
    let configuration = configuration(subject, Trigger::PreSignUp)?;
    let hash = hash(subject, Trigger::PreSignUp, &contact(subject, "email")?)?;
    let group = &configuration.log_group;
    let lines = match about(subject, logs, group, &hash).await {
        Ok(lines) => lines,
        Err(error) => return Some(Finding::not_checked(SIGN_UP, "what pre-sign-up decided", &error)),
    };
    let finding = lines.iter().rev().find_map(|line| decided(subject, line, &hash))?;
    Some(finding.why(format!("logs:FilterLogEvents of {group} for the keyed hash of the address")))
}

fn decided(subject: &Subject<'_>, line: &Line, hash: &str) -> Option<Finding> {
    let fields: Value = serde_json::from_str(&line.text).ok()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    (text("recipient.hash")? == hash).then_some(())?;
    let at = shown(line.time);
    Some(match text("decision")? {
        "refuse" => {
            let why = refusal(text("message").unwrap_or_default());
            let finding = Finding::cause(SIGN_UP, format!("the sign-up of this address at {at} was {why}"));
            match subject.deployment {
                Some(deployment) => finding.command(format!(
                    "cognito-triggers explain {} --stack-name {}",
                    quote(&contact(subject, "email")?),
                    quote(&deployment.stack)
                )),
                None => finding,
            }
        }
        "confirm" => Finding::ok(
            SIGN_UP,
            format!(
                "the sign-up of this address at {at} was confirmed without a code, so none was sent for it"
            ),
        ),
        _ => Finding::ok(SIGN_UP, format!("the sign-up of this address at {at} went on with a code")),
    })
}

/// Why a sign-up was refused, in our own words. A list of disposable mailboxes of another day is one as well.
fn refusal(said: &str) -> &'static str {
    let reasons =
        [RefuseReason::Denied, RefuseReason::Disposable, RefuseReason::Unreadable, RefuseReason::Closed];
    let why = reasons.map(|reason| Decision::Refuse(reason).explain());
    let beginning = |why: &'static str| why.split_once(" list of ").map_or(why, |(beginning, _)| beginning);
    why.into_iter().find(|why| said.starts_with(beginning(why))).unwrap_or("refused")
}

// ---------------------------------------------------------------------------------- errors

/// Lines of level ERROR of all functions, whomever they are about.
async fn errors(subject: &Subject<'_>, logs: &Logs) -> Vec<Finding> {
    let since = SystemTime::now() - ERRORS_SINCE;
    let one = async |trigger| {
        let configuration = configuration(subject, trigger)?;
        let answer = logs.latest(&configuration.log_group, "{ $.level = \"ERROR\" }", since, ENOUGH);
        Some((trigger, configuration, subject.progress.of(answer).await))
    };
    let [first, second, third, fourth] = Trigger::ALL;
    let all = tokio::join!(one(first), one(second), one(third), one(fourth));
    let answers: Vec<_> = [all.0, all.1, all.2, all.3].into_iter().flatten().collect();
    let mut findings: Vec<_> = answers
        .iter()
        .filter_map(|(trigger, configuration, answer)| {
            let variables = subject.settings.get(trigger).and_then(|settings| settings.as_ref().ok());
            let starts = variables.is_some_and(|settings| startup::problem(*trigger, settings).is_none());
            error(configuration, starts, answer, subject.aws.region())
        })
        .collect();
    if findings.is_empty() && !answers.is_empty() {
        findings.push(
            Finding::ok(ERRORS, "no function logged an error in the last hour")
                .why("logs:FilterLogEvents of their log groups for lines of the level ERROR"),
        );
    }
    findings
}

fn error(
    configuration: &Configuration,
    starts: bool,
    answer: &Result<Vec<Line>, AwsError>,
    region: &str,
) -> Option<Finding> {
    let Configuration { name, log_group, .. } = configuration;
    let lines = match answer {
        Ok(lines) => lines,
        Err(error) => return Some(Finding::not_checked(ERRORS, &format!("errors of {name}"), error)),
    };
    let last = lines.last()?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut settings = None;
    for line in lines {
        let fields: Value = serde_json::from_str(&line.text).unwrap_or_default();
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let kind = text("error.type").and_then(|kind| kind.parse::<ErrorType>().ok());
        let said = text("message").unwrap_or_default();
        settings = said.strip_prefix("invalid configuration: ").map(variables).or(settings);
        let count = kinds.entry(kind.map_or("other", ErrorType::name)).or_default();
        *count = count.saturating_add(1);
    }
    let at = shown(last.time);
    let finding = if let Some(names) = settings {
        let sentence = format!(
            "{name} did not start in the last hour, last at {at}, because of these settings: {names}"
        );
        if starts {
            Finding::warning(ERRORS, format!("{sentence}; nothing is wrong with those that it has now"))
        } else {
            Finding::cause(ERRORS, sentence).advice(
                "Set the parameters of these names and deploy the stack again: docs/configuration.md.",
            )
        }
    } else {
        let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        Finding::warning(
            ERRORS,
            format!("{name} logged errors in the last hour, last at {at}: {}", kinds.join(", ")),
        )
    };
    Some(finding.why(format!("logs:FilterLogEvents of {log_group} for lines of the level ERROR")).command(
        format!(
            "aws logs filter-log-events --log-group-name {} --filter-pattern '{{ $.level = \"ERROR\" }}' \
             --region {}",
            quote(log_group),
            quote(region)
        ),
    ))
}

/// The variables that an error of the configuration names, without what is said of them: that may quote a value.
fn variables(problems: &str) -> String {
    let names: Vec<_> = problems
        .split("; ")
        .filter_map(|problem| problem.split(' ').next())
        .filter(|name| name.len() > 3 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    if names.is_empty() { "its log names them".to_owned() } else { names.join(", ") }
}

// ---------------------------------------------------------------------------------- Cognito's own log

async fn log_delivery(subject: &Subject<'_>) -> Finding {
    let answer = subject.progress.of(Pools::new(subject.aws).log_delivery(subject.pool_id)).await;
    match answer {
        Ok(configured) => {
            delivery(subject.pool_id, subject.pool.as_ref().ok().map(|pool| pool.arn.as_str()), &configured)
        }
        Err(error) => {
            Finding::not_checked(LOG_DELIVERY, "whether Cognito logs what it could not deliver", &error)
        }
    }
}

fn delivery(pool_id: &str, pool_arn: Option<&str>, configured: &[LogDelivery]) -> Finding {
    let why = "cognito-idp:GetLogDeliveryConfiguration: userNotification at the level ERROR";
    if let Some(one) = configured.iter().find(|one| one.source == "userNotification") {
        let Some(arn) = &one.log_group_arn else {
            return Finding::ok(
                LOG_DELIVERY,
                "Cognito logs what it could not deliver, but not into CloudWatch Logs",
            )
            .why(why)
            .why(LOG_PAGE);
        };
        let group = Arn::parse(arn).and_then(Arn::log_group).unwrap_or(arn);
        let region = region_of(arn).unwrap_or_default();
        return Finding::ok(
            LOG_DELIVERY,
            "Cognito logs what it could not deliver; look there for its own errors:",
        )
        .why(why)
        .why(LOG_PAGE)
        .command(format!("aws logs tail {} --since 1d --region {}", quote(group), quote(region)));
    }
    let (partition, region, account) = match pool_arn.and_then(Arn::parse) {
        Some(arn) => (arn.partition(), arn.region(), arn.account()),
        None => ("aws", "REGION", "ACCOUNT"),
    };
    let group = format!("/aws/vendedlogs/cognito/{pool_id}");
    let finding = Finding::new(
        LOG_DELIVERY,
        Level::NotChecked,
        "what Cognito itself could not deliver is not logged; these would show it from now on:",
    )
    .why(why)
    .why(LOG_PAGE);
    let arn = format!("arn:{partition}:logs:{region}:{account}:log-group:{group}");
    let setting = format!(
        "LogLevel=ERROR,EventSource=userNotification,CloudWatchLogsConfiguration={{LogGroupArn={arn}}}"
    );
    let finding = finding
        .command(format!("aws logs create-log-group --log-group-name {} --region {region}", quote(&group)))
        .command(format!(
            "aws cognito-idp set-log-delivery-configuration --user-pool-id {} --log-configurations {} \
             --region {region}",
            quote(pool_id),
            quote(&setting)
        ));
    if configured.is_empty() {
        return finding;
    }
    let others: Vec<_> = configured.iter().map(|one| one.source.as_str()).collect();
    finding.advice(format!(
        "The second one takes the place of all that is configured: repeat in it what there is for {}.",
        others.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_reason_only_our_own_words_are_shown() {
        let hidden = "for a reason that only the log itself shows";
        assert_eq!(
            ours("the limit of SMS_DAILY_BUDGET_USD is reached"),
            "the limit of SMS_DAILY_BUDGET_USD is reached"
        );
        assert_eq!(ours("ann@example.com"), hidden);
        assert_eq!(ours(""), hidden);
        for person in ["ann@example.com", "+12065550123"] {
            assert!(!ours(&format!("SES did not take the message: {person}")).contains(person));
        }
    }

    #[test]
    fn of_an_invalid_configuration_only_the_names_are_shown() {
        let problems = "FROM_ADDRESS is not set; DENIED_EMAIL_DOMAINS entry 1 `ann@example.com` is no \
                        domain; ann@example.com is; x";
        assert_eq!(variables(problems), "FROM_ADDRESS, DENIED_EMAIL_DOMAINS");
        assert_eq!(variables("ann@example.com"), "its log names them");
    }

    #[test]
    fn the_sentences_are_those_of_the_senders() {
        let report = include_str!("../../../sender/src/report.rs");
        assert!(report.contains(&format!("\"{NOT_SENT}{{}}\"")), "{NOT_SENT}");
        for end in [
            "it was dealt with by an earlier invocation",
            "another invocation is sending it",
            "its code is no longer valid",
        ] {
            assert!(report.contains(&format!("{end}\"")), "{end}");
        }
        let errors = include_str!("../../../sender/src/errors.rs");
        for class in CLASSES {
            assert!(errors.contains(&format!("=> \"{class}\"")), "{class}");
        }
    }

    #[test]
    fn the_refusals_are_those_of_pre_sign_up() {
        for reason in
            [RefuseReason::Denied, RefuseReason::Disposable, RefuseReason::Unreadable, RefuseReason::Closed]
        {
            let why = Decision::Refuse(reason).explain();
            assert_eq!(refusal(why), why);
        }
        assert_eq!(
            refusal("refused: the e-mail domain is on the disposable-mail list of 1970-01-01"),
            Decision::Refuse(RefuseReason::Disposable).explain()
        );
        assert_eq!(refusal("ann@example.com"), "refused");
    }

    #[test]
    fn an_id_of_a_message_is_shown_and_nothing_else() {
        assert!(is_id("0102018c-aaaa-bbbb-cccc-000000"));
        for text in ["", "ann@example.com", "+12065550123", "a b c d e f g h"] {
            assert!(!is_id(text), "{text}");
        }
    }
}
