//! Failed events of this user in the on-failure queue.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::aws::AwsError;
use crate::aws::sqs::Queue;
use crate::doctor::finding::Finding;
use crate::doctor::registry::CheckId;
use crate::doctor::severity::{Mitigation, mitigate};
use crate::doctor::subject::Subject;
use crate::record::{Channel, Record};
use crate::stack::Stack;
use crate::terminal::shell::quote;
use crate::terminal::words::count;

const FAILED_EVENTS: CheckId = CheckId::HistoryFailedEvents;

/// `ReceiveMessage` calls in a row: one call need not return all messages.
const RECEIVES: usize = 5;

/// When a provider last accepted a message to the user, for each channel.
pub(super) type LastSent = BTreeMap<&'static str, SystemTime>;

/// The contents of the on-failure queue.
pub(super) struct FailedEvents {
    finding: Finding,
    of_user: Vec<FailedEvent>,
}

/// A failed event of the user.
struct FailedEvent {
    channel: Channel,
    failed_at: SystemTime,
    /// The kind of message, the channel and the reason.
    description: String,
}

impl FailedEvents {
    /// A failed event is no longer a cause if a later message of its channel was sent.
    pub(super) fn finding(self, last_sent: &LastSent) -> Finding {
        let outdated = |event: &FailedEvent| {
            last_sent.get(event.channel.name()).is_some_and(|time| *time > event.failed_at)
        };
        if self.of_user.iter().all(outdated) {
            mitigate(self.finding, Mitigation::DeliveredLater)
        } else {
            self.finding
        }
    }
}

pub(super) async fn check(subject: &Subject<'_>) -> Option<FailedEvents> {
    let stack = subject.stack?;
    let url = stack.queue_url()?;
    let none = |finding| Some(FailedEvents { finding, of_user: Vec::new() });
    let depth = match subject.progress.of(Queue::new(subject.aws, url).length()).await {
        Ok(depth) => depth,
        Err(error) => return none(Finding::not_checked(FAILED_EVENTS, "the on-failure queue", &error)),
    };
    if depth == 0 {
        return none(
            Finding::ok(FAILED_EVENTS, "the on-failure queue is empty")
                .evidence("sqs:GetQueueAttributes: ApproximateNumberOfMessages and …NotVisible are 0"),
        );
    }
    let bodies = subject.progress.of(Box::pin(receive(subject, stack, url))).await;
    let events = bodies.as_deref().unwrap_or_default();
    let of_user: Vec<_> = events.iter().filter_map(|body| of_user(subject, body)).collect();
    let read = bodies.map(|bodies| bodies.len());
    Some(FailedEvents { finding: not_empty(stack, depth, read, &of_user), of_user })
}

/// Bodies of messages, which stay in the queue. Only the queue's own role can receive them.
async fn receive(subject: &Subject<'_>, stack: &Stack, url: &str) -> Result<Vec<String>, AwsError> {
    let aws = subject.aws.clone();
    let queue = match stack.redrive_role_arn() {
        Some(role) => Queue::new(&aws.assuming(role).await, url),
        None => Queue::new(&aws, url),
    };
    let mut bodies = BTreeMap::new();
    for _ in 0..RECEIVES {
        let before = bodies.len();
        bodies.extend(queue.peek().await?.into_iter().map(|message| (message.id, message.body)));
        if bodies.len() == before {
            break;
        }
    }
    Ok(bodies.into_values().collect())
}

/// `read` is how many messages could be read.
fn not_empty(stack: &Stack, depth: u64, read: Result<usize, AwsError>, of_user: &[FailedEvent]) -> Finding {
    const RECEIVED: &str =
        "sqs:ReceiveMessage, without hiding messages; matched by username, sub, address and number";
    let events = format!("the on-failure queue holds {}", count(depth, "failed event"));
    let finding = match read {
        Ok(read) => match of_user {
            [] => Finding::warning(
                FAILED_EVENTS,
                format!("{events} (doctor read {read}), but none of this user"),
            ),
            [FailedEvent { description, .. }, ..] => Finding::cause(
                FAILED_EVENTS,
                format!("{events} (doctor read {read}), {} of this user: {description}", of_user.len()),
            ),
        }
        .evidence(RECEIVED),
        Err(error) => {
            let role = stack.redrive_role_arn();
            let with_role = role.map(|role| format!(" with the role {role}")).unwrap_or_default();
            Finding::warning(
                FAILED_EVENTS,
                format!("{events}; whether one belongs to this user: not checked, the queue can't be read{with_role}"),
            )
            .evidence(format!(
                "{error}; the queue's policy lets only its own role read it, which requires sts:AssumeRole"
            ))
        }
    };
    finding
        .evidence("sqs:GetQueueAttributes of the stack's output OnFailureQueueUrl")
        .advice("List the failed events with their reasons; after a fix, add --send:")
        .command(format!("cognito-triggers redrive --stack-name {}", quote(stack.name())))
}

/// An event, if it is this user's.
fn of_user(subject: &Subject<'_>, body: &str) -> Option<FailedEvent> {
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
    let matches = same(name, user.map(|user| user.name.as_str()))
        || same(attribute("sub"), user.and_then(|user| user.attribute("sub")))
        || same(attribute("email"), subject.email().as_deref())
        || same(attribute("phone_number"), subject.phone_number().as_deref());
    matches.then(|| FailedEvent {
        channel: record.channel,
        failed_at: record.failed_at,
        description: format!("{} by {} ({})", record.subject.name(), record.channel.name(), record.cause),
    })
}
