//! `redrive`: lists the failed events in the on-failure destination, and sends them again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serialize;
use shared::trigger::Trigger;

use crate::aws::lambda::Functions;
use crate::aws::sqs::{Facts, Message, Queue};
use crate::aws::{Aws, AwsError, Kind};
use crate::common::Common;
use crate::exit::{End, Error};
use crate::record::{NotOurs, Record};
use crate::stack::Stack;
use crate::stop::Stop;
use crate::terminal::output::{Output, Tone};
use crate::terminal::words::{count, duration};

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    #[command(flatten)]
    source: Source,
    /// Sends the messages of valid events again, and deletes these events and expired ones from the queue
    #[arg(long)]
    send: bool,
    /// Deletes expired events; sends nothing without --send
    #[arg(long)]
    discard_expired: bool,
    /// Reads at most this number of events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Assumes this role for the queue and the functions; default with --stack-name: the one in the stack's outputs
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
}

/// Where the queue is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// URL of the on-failure queue
    #[arg(long, value_name = "URL")]
    queue_url: Option<String>,
    /// Stack whose outputs name the queue, the role and the functions
    #[arg(long, value_name = "NAME")]
    stack_name: Option<String>,
}

const DETAILS: &str = "\
Without --send and --discard-expired, the command changes nothing: it reads the events, which hides them from \
other consumers for that time.

The age of an event counts from its last failed attempt. The event and its code are older than that, by up to \
15 minutes. A code is valid for 24 h (sign-up, verification of an address or number), 1 h (password \
reset) or at most 15 min (sign-in). An invitation is valid for as long as the user pool says, so it never counts \
as expired.

The command deletes an event only after Lambda accepted it, so you can interrupt it and run it again. If a \
function gets an event twice, it sends the message once, because the senders keep delivery records (unless \
DeliveryRecords=false). Ctrl-C ends the command after the current event, a second Ctrl-C at once.

An event stays in the queue if it can't be read, if it belongs to another function, or if Lambda rejects it. The \
exit code is then 1. All exit codes: cognito-triggers --help.";

/// The queue, the functions and the options.
struct Stage {
    queue: Queue,
    facts: Facts,
    functions: Functions,
    /// The functions of the stack, if the command line names one.
    ours: Option<BTreeSet<String>>,
    send: bool,
    discard: bool,
    limit: usize,
}

pub(crate) async fn run(options: Options, common: &Common, output: &mut Output) -> Result<End, Error> {
    let stage = Stage::set(&options, common).await?;
    let stop = Stop::new();
    let wanted = stop.wanted();
    let mut run = Run::default();
    stage.headline(output)?;
    let ended = stop.during(Box::pin(run.sweep(&stage, &wanted, output))).await;
    let Some(ended) = ended else {
        output.note("interrupted: up to ten events stay hidden in the queue for two minutes");
        return Ok(End::Interrupted);
    };
    if let Err(error) = stage.queue.give_back(&run.held.into_values().collect::<Vec<_>>()).await {
        output.note(&format!(
            "note: events that stay in the queue are hidden for two minutes, because {error}"
        ));
    }
    run.summary.finish(&stage, &ended);
    run.summary.show(output)?;
    ended
}

impl Stage {
    /// Finds queue and functions.
    async fn set(options: &Options, common: &Common) -> Result<Self, Error> {
        let (aws, url, role, ours) = match (&options.source.queue_url, &options.source.stack_name) {
            (Some(url), _) => {
                let region = region_of(url)?;
                if let (Some(wanted), Some(region)) = (&common.region, region)
                    && wanted != region
                {
                    return Err(Error::Usage(format!("the queue is in {region}, but --region is {wanted}")));
                }
                (Aws::load(common, region).await?, url.clone(), None, None)
            }
            (None, stack) => {
                let stack = stack.as_deref().unwrap_or_default();
                let aws = Aws::load(common, None).await?;
                let stack = Stack::load(&aws, stack).await?;
                let url = stack.queue_url().map(str::to_owned).ok_or_else(|| {
                    let text = "the stack has no output OnFailureQueueUrl, because it deploys no sender";
                    AwsError::new(Kind::NotFound, text)
                })?;
                let role = stack.redrive_role_arn().map(str::to_owned);
                let ours = Trigger::ALL
                    .into_iter()
                    .filter(|trigger| trigger.is_sender())
                    .filter_map(|trigger| stack.function_arn(trigger).map(str::to_owned))
                    .collect();
                (aws, url, role, Some(ours))
            }
        };
        let aws = match options.role_arn.clone().or(role) {
            Some(role) => aws.assuming(&role).await,
            None => aws,
        };
        let queue = Queue::new(&aws, &url);
        let facts = queue.facts().await?;
        Ok(Self {
            facts,
            queue,
            functions: Functions::new(&aws),
            ours,
            send: options.send,
            discard: options.send || options.discard_expired,
            limit: options.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX),
        })
    }

    fn dry(&self) -> bool {
        !self.discard
    }

    fn headline(&self, output: &mut Output) -> std::io::Result<()> {
        let Facts { name, region, account, .. } = &self.facts;
        let dry = if self.dry() { " Dry run: nothing is changed." } else { "" };
        output.text(Tone::Strong, 0, &format!("Queue {name} in {region}, account {account}.{dry}"))
    }

    /// Decides what to do with an event.
    fn decide(&self, record: &Record<'_>, now: SystemTime) -> Plan {
        let function = &record.function;
        if (&function.region, &function.account) != (&self.facts.region, &self.facts.account) {
            return Plan::Leave(Reason::OtherAccount);
        }
        if self.ours.as_ref().is_some_and(|ours| !ours.contains(&function.invocable)) {
            return Plan::Leave(Reason::OtherStack);
        }
        match record.subject.validity() {
            Some(validity) if record.age(now) >= validity => Plan::Discard(validity),
            _ => Plan::Send,
        }
    }
}

/// What to do with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Send,
    /// How long it was valid.
    Discard(Duration),
    Leave(Reason),
}

/// Why an event stays in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    #[error("its function is in another account or Region than the queue")]
    OtherAccount,
    #[error("its function is not a sender of the stack")]
    OtherStack,
    #[error("its function does not exist")]
    NoFunction,
    #[error("Lambda rejects it")]
    Refused,
}

/// What the command did with an event, or would do without a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RedriveResult {
    Sent,
    /// Lambda accepted it, but deleting it from the queue failed.
    SentNotDeleted,
    Expired(Duration),
    Repeated,
    /// Still valid, and `--send` is not set.
    Kept,
    Left(Reason),
}

impl RedriveResult {
    fn name(self) -> &'static str {
        match self {
            Self::Sent => "send",
            Self::SentNotDeleted => "send-not-deleted",
            Self::Expired(_) => "delete-expired",
            Self::Repeated => "delete-repeated",
            Self::Kept => "keep",
            Self::Left(_) => "leave",
        }
    }

    fn sentence(self, dry: bool) -> String {
        let was = if dry { "would be" } else { "was" };
        match self {
            Self::Sent => format!("{was} sent again"),
            Self::SentNotDeleted => "was sent again, but is still in the queue".to_owned(),
            Self::Expired(validity) => {
                format!("{was} deleted, because it expired after {}", duration(validity))
            }
            Self::Repeated => format!("{was} deleted, because it is a duplicate"),
            Self::Kept => "stays in the queue: it is still valid (--send sends it again)".to_owned(),
            Self::Left(reason) => format!("stays in the queue: {reason}"),
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Sent => Tone::Good,
            Self::Expired(_) | Self::Repeated | Self::Kept => Tone::Plain,
            Self::SentNotDeleted | Self::Left(_) => Tone::Warning,
        }
    }
}

/// One pass through the queue.
#[derive(Default)]
struct Run {
    summary: RedriveSummary,
    /// Messages to make visible again: receipts by message id.
    held: HashMap<String, String>,
    seen: HashSet<String>,
    /// The request ID of each failed invocation, with its event.
    sent: HashSet<(String, String)>,
}

impl Run {
    /// Handles messages until the queue is empty, the limit is reached or the operator interrupts the command.
    async fn sweep(
        &mut self,
        stage: &Stage,
        wanted: &impl Fn() -> bool,
        output: &mut Output,
    ) -> Result<End, Error> {
        while self.seen.len() < stage.limit && !wanted() {
            let messages = stage.queue.receive(stage.limit - self.seen.len()).await?;
            if messages.is_empty() {
                break;
            }
            let before = self.seen.len();
            for message in &messages {
                // From here on, the message becomes visible again unless it is deleted.
                self.held.insert(message.id.clone(), message.receipt.clone());
            }
            for message in messages {
                if wanted() {
                    break;
                }
                if self.seen.insert(message.id.clone()) {
                    self.handle(stage, &message, output).await?;
                }
            }
            if self.seen.len() == before {
                // Hidden messages become visible again after two minutes.
                self.summary.incomplete = true;
                break;
            }
        }
        Ok(match () {
            () if wanted() => End::Interrupted,
            () if self.summary.left > 0 => End::LookAtIt,
            () => End::Done,
        })
    }

    async fn handle(&mut self, stage: &Stage, message: &Message, output: &mut Output) -> Result<(), Error> {
        let now = SystemTime::now();
        let record = Record::parse(&message.body, &message.id, message.sent);
        let (result, ended) = match &record {
            Err(not_ours) => (RedriveResult::Left((*not_ours).into()), Ok(())),
            Ok(record) => {
                let plan = stage.decide(record, now);
                self.act(stage, message, record, plan).await?
            }
        };
        let entry = Entry::new(record.as_ref().ok(), now, result, stage.dry());
        entry.show(result, output)?;
        self.summary.add(entry, result);
        ended
    }

    /// Carries out the plan. The inner result is an error that ends the command after this event was handled.
    async fn act(
        &mut self,
        stage: &Stage,
        message: &Message,
        record: &Record<'_>,
        plan: Plan,
    ) -> Result<(RedriveResult, Result<(), Error>), Error> {
        let identity = (record.request_id.clone(), record.event.to_owned());
        let result = match plan {
            Plan::Leave(reason) => return Ok((RedriveResult::Left(reason), Ok(()))),
            Plan::Discard(validity) => RedriveResult::Expired(validity),
            Plan::Send if self.sent.contains(&identity) => RedriveResult::Repeated,
            Plan::Send => RedriveResult::Sent,
        };
        if stage.dry() {
            if result == RedriveResult::Sent {
                self.sent.insert(identity);
            }
            return Ok((result, Ok(())));
        }
        if result == RedriveResult::Sent {
            if !stage.send {
                return Ok((RedriveResult::Kept, Ok(())));
            }
            match stage.functions.invoke_later(&record.function.invocable, record.event).await {
                Ok(()) => self.sent.insert(identity),
                Err(error) if error.kind == Kind::NotFound => {
                    return Ok((RedriveResult::Left(Reason::NoFunction), Ok(())));
                }
                Err(error) if error.kind == Kind::Invalid => {
                    return Ok((RedriveResult::Left(Reason::Refused), Ok(())));
                }
                Err(error) => return Err(error.into()),
            };
        }
        match stage.queue.delete(&message.receipt).await {
            Ok(()) => {
                self.held.remove(&message.id);
                Ok((result, Ok(())))
            }
            Err(error) if result == RedriveResult::Sent => {
                Ok((RedriveResult::SentNotDeleted, Err(error.into())))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// One event, without its contents.
#[derive(Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    /// The minimum age in whole minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_minutes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    action: &'static str,
    outcome: String,
}

impl Entry {
    fn new(record: Option<&Record<'_>>, now: SystemTime, result: RedriveResult, dry: bool) -> Self {
        Self {
            kind: record.map(|record| record.subject.name()),
            channel: record.map(|record| record.channel.name()),
            function: record.map(|record| record.function.name.clone()),
            age_minutes: record.map(|record| record.age(now).as_secs() / 60),
            request_id: record.map(|record| record.request_id.clone()),
            cause: record.map(|record| record.cause.to_string()),
            action: result.name(),
            outcome: result.sentence(dry),
        }
    }

    fn show(&self, result: RedriveResult, output: &mut Output) -> std::io::Result<()> {
        output.text(Tone::Plain, 0, "")?;
        let what = match (self.kind, self.channel, self.age_minutes) {
            (Some(kind), Some(channel), Some(minutes)) => {
                let age = duration(Duration::from_secs(60 * minutes));
                format!("{kind} by {channel}, at least {age} old: {}", self.outcome)
            }
            _ => format!("unreadable, {}", self.outcome),
        };
        output.text(result.tone(), 2, &what)?;
        for detail in [&self.function, &self.cause].into_iter().flatten() {
            output.text(Tone::Plain, 4, &format!("  {detail}"))?;
        }
        Ok(())
    }
}

/// How many events of one cause were sent, deleted or left.
#[derive(Serialize, Default)]
struct Total {
    cause: String,
    events: usize,
    sent: usize,
    deleted: usize,
    left: usize,
}

/// The result of the command.
#[derive(Serialize, Default)]
struct RedriveSummary {
    queue: String,
    account: String,
    region: String,
    dry_run: bool,
    /// `done`, `interrupted` or the error that ended the command.
    ended: String,
    /// Whether the queue may hold events that were not read.
    incomplete: bool,
    /// Events that were in flight for another consumer when the command began.
    hidden_elsewhere: u64,
    sent: usize,
    deleted: usize,
    left: usize,
    totals: Vec<Total>,
    events: Vec<Entry>,
    #[serde(skip)]
    by_cause: BTreeMap<String, Total>,
}

impl RedriveSummary {
    fn add(&mut self, entry: Entry, result: RedriveResult) {
        let cause = entry.cause.clone().unwrap_or_else(|| "unreadable".to_owned());
        let total = self.by_cause.entry(cause).or_default();
        total.events += 1;
        match result {
            RedriveResult::Sent | RedriveResult::SentNotDeleted => {
                (self.sent, total.sent) = (self.sent + 1, total.sent + 1);
            }
            RedriveResult::Expired(_) | RedriveResult::Repeated => {
                (self.deleted, total.deleted) = (self.deleted + 1, total.deleted + 1);
            }
            RedriveResult::Left(_) => (self.left, total.left) = (self.left + 1, total.left + 1),
            RedriveResult::Kept => {}
        }
        self.events.push(entry);
    }

    fn finish(&mut self, stage: &Stage, ended: &Result<End, Error>) {
        let Facts { name, region, account, hidden } = &stage.facts;
        (self.queue, self.region, self.account) = (name.clone(), region.clone(), account.clone());
        self.hidden_elsewhere = *hidden;
        self.dry_run = stage.dry();
        self.ended = match ended {
            Ok(End::Done | End::LookAtIt) => "done".to_owned(),
            Ok(End::Interrupted) => "interrupted".to_owned(),
            Err(error) => error.to_string(),
        };
        self.incomplete |=
            !matches!(ended, Ok(End::Done | End::LookAtIt)) || self.events.len() == stage.limit;
        let by_cause = std::mem::take(&mut self.by_cause);
        self.totals = by_cause.into_iter().map(|(cause, total)| Total { cause, ..total }).collect();
        self.totals.sort_by_key(|total| std::cmp::Reverse(total.events));
    }

    fn show(&self, output: &mut Output) -> std::io::Result<()> {
        let would = if self.dry_run { "would be " } else { "" };
        output.text(Tone::Plain, 0, "")?;
        if self.events.is_empty() {
            output.text(Tone::Good, 0, "No events.")?;
        } else {
            output.text(Tone::Strong, 0, "By cause")?;
        }
        for total in &self.totals {
            output.text(Tone::Plain, 8, &format!("{:6}  {}", total.events, total.cause))?;
        }
        if !self.events.is_empty() {
            output.text(Tone::Plain, 0, "")?;
            let Self { sent, deleted, left, .. } = self;
            let events = count(self.events.len(), "event");
            let stay = if *left == 1 { "stays" } else { "stay" };
            let text = format!(
                "{events}: {sent} {would}sent again, {deleted} {would}deleted, {left} {stay} in the queue."
            );
            output.text(Tone::Strong, 0, &text)?;
        }
        if self.hidden_elsewhere > 0 {
            let text = format!(
                "About {} more were in flight when the command began: another consumer has them, or a redrive \
                 was interrupted less than two minutes ago.",
                self.hidden_elsewhere
            );
            output.text(Tone::Warning, 0, &text)?;
        }
        if self.incomplete {
            output.text(Tone::Warning, 0, "The queue may hold more events: run the command again.")?;
        } else if self.dry_run && self.sent + self.deleted > 0 {
            output.text(Tone::Plain, 0, "To do this, add --send.")?;
        }
        output.json(self)
    }
}

/// The Region in the host of a queue's URL, `sqs.eu-central-1.amazonaws.com`; `None` if the URL doesn't name it.
fn region_of(url: &str) -> Result<Option<&str>, Error> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| Error::Usage("--queue-url must be the URL of an SQS queue".to_owned()))?;
    let labels: Vec<_> = host.split('.').collect();
    Ok(match labels.as_slice() {
        ["sqs" | "sqs-fips", region, _, ..] | [region, "queue", "amazonaws", ..] => Some(region),
        ["queue", "amazonaws", ..] => Some("us-east-1"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_region(url: &str, expected: Option<&str>) {
        assert_eq!(region_of(url).ok().flatten(), expected, "{url}");
    }

    #[test]
    fn the_region_of_a_queue_is_in_its_url() {
        check_region("https://sqs.eu-central-1.amazonaws.com/123456789012/failed", Some("eu-central-1"));
        check_region("https://sqs-fips.us-west-2.amazonaws.com/123456789012/failed", Some("us-west-2"));
        check_region("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/failed", Some("cn-north-1"));
        check_region("https://eu-west-1.queue.amazonaws.com/123456789012/failed", Some("eu-west-1"));
        check_region("https://queue.amazonaws.com/123456789012/failed", Some("us-east-1"));
        check_region("http://127.0.0.1:4566/123456789012/failed", None);
        assert!(region_of("failed").is_err());
    }
}
