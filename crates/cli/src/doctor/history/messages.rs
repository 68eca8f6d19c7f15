//! What happened to the last messages to the user, according to the senders' logs.

use shared::outcome::FailureClass;
use shared::trigger::Trigger;

use super::failed_events::LastSent;
use super::invocation_end::InvocationEnd;
use super::log_entry::LogEntry;
use super::recipient_log::{lines_about, recipient_hash, timestamp};
use crate::aws::AwsError;
use crate::aws::lambda::Configuration;
use crate::aws::logs::Logs;
use crate::doctor::contact::Contact;
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::severity::for_channel;
use crate::doctor::subject::Subject;
use crate::doctor::user::state;
use crate::record::Channel;
use crate::terminal::shell::quote;
use crate::terminal::words::{count, list};

const MESSAGES: CheckId = CheckId::HistoryMessages;

/// The logs of both senders.
pub(super) struct Messages {
    pub(super) findings: Vec<Finding>,
    pub(super) last_sent: LastSent,
}

/// The log of one sender.
struct ChannelLog<'a> {
    configuration: &'a Configuration,
    contact: Contact,
    hash: Option<String>,
    entries: Result<Vec<LogEntry>, AwsError>,
    /// Whether the log level hides sent messages.
    hides_sent: bool,
}

pub(super) async fn check(subject: &Subject<'_>, logs: &Logs) -> Messages {
    let (email, sms) = tokio::join!(
        channel_log(subject, logs, Trigger::CustomEmailSender, Contact::Email),
        channel_log(subject, logs, Trigger::CustomSmsSender, Contact::Phone),
    );
    let channels: Vec<_> = [email, sms].into_iter().flatten().collect();
    let used = state::channels(subject);
    let finding = |channel: &ChannelLog<'_>| {
        Some(for_channel(channel.finding(subject)?, channel.contact, used.as_deref()))
    };
    let mut findings: Vec<_> = channels.iter().filter_map(finding).collect();
    let silent = channels.iter().all(|channel| channel.entries.as_ref().is_ok_and(Vec::is_empty));
    if findings.is_empty() && !channels.is_empty() && silent {
        findings.push(not_invoked(subject, &channels));
    }
    let last_sent =
        channels.iter().filter_map(|channel| Some((channel.name(), channel.last_sent()?))).collect();
    Messages { findings, last_sent }
}

async fn channel_log<'a>(
    subject: &'a Subject<'_>,
    logs: &Logs,
    trigger: Trigger,
    contact: Contact,
) -> Option<ChannelLog<'a>> {
    // A function that the user pool doesn't invoke has no entries.
    subject.sends(trigger).then_some(())?;
    let configuration = subject.function(trigger)?;
    let recipient = match contact {
        Contact::Email => subject.email(),
        Contact::Phone => subject.phone_number(),
    };
    let hash = recipient_hash(subject, trigger, &recipient?);
    let entries = match &hash {
        Some(hash) => {
            let lines = lines_about(subject, logs, &configuration.log_group, hash).await;
            lines.map(|lines| lines.iter().filter_map(|line| LogEntry::read(line, hash)).collect())
        }
        None => Ok(Vec::new()),
    };
    let level = subject.setting(trigger, "LOG_LEVEL").unwrap_or_default().to_ascii_lowercase();
    let hides_sent = ["warn", "error", "fatal"].contains(&level.as_str());
    Some(ChannelLog { configuration, contact, hash, entries, hides_sent })
}

impl ChannelLog<'_> {
    /// The channel's name in the records of failed events.
    fn name(&self) -> &'static str {
        match self.contact {
            Contact::Email => Channel::Email.name(),
            Contact::Phone => Channel::Sms.name(),
        }
    }

    fn last_sent(&self) -> Option<std::time::SystemTime> {
        let sent = self.entries.as_ref().ok()?.iter();
        sent.filter(|entry| matches!(entry.end, InvocationEnd::Sent(_))).map(|entry| entry.time).max()
    }

    fn finding(&self, subject: &Subject<'_>) -> Option<Finding> {
        let name = &self.configuration.name;
        let Some(hash) = &self.hash else {
            return Some(
                Finding::new(
                    MESSAGES,
                    Level::NotChecked,
                    format!(
                        "log entries of {name} about this user: not checked, its RECIPIENT_HASH_KEY is empty or unknown"
                    ),
                )
    .advice("Deploy the stack again: it sets the key, and later log entries can be found.")
                .evidence("without the key, each process of the function uses a random one"),
            );
        };
        let entries = match &self.entries {
            Ok(entries) => entries,
            Err(error) => {
                let what = format!("log entries of {name} about this user");
                return Some(Finding::not_checked(MESSAGES, &what, error));
            }
        };
        let finding = self.of_entry(subject, entries.last()?);
        Some(
            finding
                .evidence(format!(
                    "logs:FilterLogEvents of {} for the keyed hash of the recipient: {} in the last {} h",
                    self.configuration.log_group,
                    counts(entries),
                    subject.hours
                ))
                .evidence(format!("the hash is {hash}")),
        )
    }

    fn of_entry(&self, subject: &Subject<'_>, entry: &LogEntry) -> Finding {
        let word = self.contact.message();
        let kind = entry.kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
        let at = timestamp(entry.time);
        match &entry.end {
            InvocationEnd::Sent(id) => {
                let id = id.as_deref().map(|id| format!(", message id {id}")).unwrap_or_default();
                Finding::ok(
                    MESSAGES,
                    format!("the provider accepted the last {word} to this user{kind} at {at}{id}"),
                )
                .evidence(
                    "an accepted message need not arrive: check junk folder, suppression list and spend limit",
                )
            }
            InvocationEnd::Duplicate => Finding::ok(
                MESSAGES,
                format!(
                    "the last event for this user{kind}, at {at}, was a duplicate: an earlier invocation had handled it"
                ),
            ),
            InvocationEnd::InProgress => Finding::warning(
                MESSAGES,
                format!(
                    "another invocation was sending the last {word} to this user{kind} at {at}; Lambda retries the event"
                ),
            )
            .advice("Run doctor again in a few minutes."),
            InvocationEnd::Expired => Finding::cause(
                MESSAGES,
                format!("the last {word} to this user{kind} wasn't sent at {at}: its code was no longer valid"),
            )
            .advice("Ask the user to request a new code. Errors before that time show what delayed it."),
            InvocationEnd::NotSent(reason) => Finding::cause(
                MESSAGES,
                format!("the last {word} to this user{kind} wasn't sent at {at}: {reason}"),
            )
            .advice("For each reason, docs/troubleshooting.md says what to do."),
            InvocationEnd::Failed(class, reason) => Self::failed(
                subject,
                *class,
                &format!("the last {word} to this user{kind} failed at {at}: {reason}"),
            ),
        }
    }

    fn failed(subject: &Subject<'_>, class: FailureClass, summary: &str) -> Finding {
        let finding = Finding::cause(MESSAGES, format!("{summary} (class {class})"));
        match (class, subject.stack) {
            (FailureClass::Transient | FailureClass::Ambiguous, _) => finding
                .advice("Lambda retries. If the failure persists, ask the user to request a new code."),
            (_, Some(stack)) => finding
                .advice("Fix what the reason names. Then list the failed events, and send them again with --send:")
                .command(format!("cognito-triggers redrive --stack-name {}", quote(stack.name()))),
            (_, None) => finding.advice("Fix what the reason names. Then ask the user to request a new code."),
        }
    }
}

/// "3 entries, 2 sent, 1 failed".
fn counts(entries: &[LogEntry]) -> String {
    let ended = |test: fn(&InvocationEnd) -> bool| entries.iter().filter(|entry| test(&entry.end)).count();
    let sent = ended(|end| matches!(end, InvocationEnd::Sent(_)));
    let failed = ended(|end| matches!(end, InvocationEnd::Failed(..)));
    format!("{}, {sent} sent, {failed} failed", count(entries.len(), "entry"))
}

fn not_invoked(subject: &Subject<'_>, channels: &[ChannelLog<'_>]) -> Finding {
    let hours = subject.hours;
    let names: Vec<_> = channels.iter().map(|channel| channel.configuration.name.as_str()).collect();
    let nothing = format!("{} logged nothing about this user in the last {hours} h", list(&names));
    let finding = if channels.iter().any(|channel| channel.hides_sent) {
        Finding::new(
            MESSAGES,
            Level::NotChecked,
            format!("{nothing}, but their LOG_LEVEL hides sent messages"),
        )
        .advice("To log sent messages too, deploy the stack with LogLevel=info in MoreSettings.")
    } else {
        Finding::warning(
            MESSAGES,
            format!("{nothing}: if the user requested a code, Cognito didn't pass it to the function"),
        )
        .advice("Look at the checks above of the user, recovery, app client, triggers and key.")
    };
    finding.evidence(format!(
        "logs:FilterLogEvents finds no entry with the keyed hash of the recipient in the last {hours} h"
    ))
}
