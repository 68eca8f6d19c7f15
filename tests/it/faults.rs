//! Faults of the services, one at a time, and what happens to the message.
//!
//! Each row has a warm process of its own that handles three messages. The fault meets the second one; then the event
//! is retried as Lambda does it, after the lease. The result is the table in docs/reliability.md; `UPDATE_DOCS=1`
//! writes it again.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use shared::outcome::FailureClass;
use tests::function::Invocation;
use tests::service::Reply;

use crate::docs;
use crate::stage::{Channel, MockService, Stage, ending, side_by_side};

/// Longer than an attempt to reach the table may take, shorter than one to reach KMS.
const SLOW: Duration = Duration::from_millis(800);

/// How an invocation ends if a service fails and a retry may succeed.
const TRANSIENT: &str = FailureClass::Transient.name();

/// How often Lambda repeats an event that failed.
const REPETITIONS: usize = 2;

/// The call that the fault affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Kms,
    Send,
    /// The first call of the table.
    Claim,
    /// The first counter of the SMS limits.
    Count,
    /// The last call of the table.
    Settle,
    /// Every call of the table.
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Throttled,
    Bare(u16),
    ExpiredCredentials,
    Refused,
    ResetBefore,
    ClosedIdle,
    Hang,
    Garbage,
    Slow,
    ResetAfter,
    HangAfter,
}
use Fault::{
    Bare, ClosedIdle, ExpiredCredentials, Garbage, Hang, HangAfter, Refused, ResetAfter, ResetBefore, Slow,
    Throttled,
};

/// All faults with their names.
const FAULTS: [(Fault, &str); 13] = [
    (Throttled, "429 with an error code"),
    (Bare(429), "429"),
    (Bare(500), "500"),
    (Bare(503), "503"),
    (ExpiredCredentials, "expired credentials"),
    (Refused, "connection refused"),
    (ResetBefore, "reset before anything is done"),
    (ClosedIdle, "idle connection closed"),
    (Hang, "no answer"),
    (Garbage, "unreadable answer"),
    (Slow, "slow answer"),
    (ResetAfter, "reset after it is done"),
    (HangAfter, "no answer after it is done"),
];

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasting {
    /// For one request.
    Once,
    /// For every attempt of that call in the invocation; for SES with a fallback, until its first route is given up.
    Throughout,
}
use Lasting::{Once, Throughout};

impl Fault {
    fn name(self) -> &'static str {
        FAULTS.iter().find(|(fault, _)| *fault == self).expect("all faults are in the list").1
    }

    /// What the mock does; `None` if the fault is not in a reply.
    fn reply(self, throttled: &str) -> Option<Reply> {
        Some(match self {
            Throttled => Reply::error(429, throttled),
            Bare(status) => Reply::bare(status),
            ExpiredCredentials => Reply::ExpiredCredentials,
            ResetBefore => Reply::ResetBefore,
            Hang => Reply::Hang,
            Garbage => Reply::Garbage,
            Slow => Reply::SlowOk(SLOW),
            ResetAfter => Reply::ResetAfter,
            HangAfter => Reply::HangAfter,
            Refused | ClosedIdle => return None,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Row {
    channel: Channel,
    call: Call,
    fault: Fault,
    lasting: Lasting,
}

/// What happened to the message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    /// How the invocation ended that met the fault.
    first: String,
    /// Messages that it sent.
    sent_first: usize,
    /// Invocations until the first that succeeded, and whether one did.
    invocations: usize,
    ended_well: bool,
    /// Messages that all of them sent.
    sent: usize,
    /// The delivery record by then.
    record: String,
    /// Messages that one more delivery of the same event sends.
    again: usize,
}

impl Row {
    /// The rows that there are: not every fault can meet every call, nor every one twice in a row.
    fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        for (channel, calls) in [
            (Channel::Ses, &[Call::Kms, Call::Send, Call::Claim, Call::Settle, Call::Table][..]),
            (Channel::SesTwice, &[Call::Send]),
            (Channel::Sns, &[Call::Send, Call::Count, Call::Table]),
            (Channel::EndUserMessaging, &[Call::Send]),
        ] {
            for call in calls.iter().copied() {
                for lasting in [Once, Throughout] {
                    for (fault, _) in FAULTS {
                        let row = Self { channel, call, fault, lasting };
                        if row.is_possible() {
                            rows.push(row);
                        }
                    }
                }
            }
        }
        rows
    }

    fn is_possible(self) -> bool {
        let whole_service = matches!(self.call, Call::Kms | Call::Send | Call::Table);
        match (self.fault, self.lasting) {
            // A closed port stays closed for a while, and the same mock plays both routes.
            (Refused, _) => whole_service && self.lasting == Throughout && self.channel != Channel::SesTwice,
            // A new connection is never idle.
            (ClosedIdle, _) => self.lasting == Once && self.call != Call::Table,
            // A send whose answer is not read ends the invocation.
            (Hang | HangAfter | ResetBefore | ResetAfter | Garbage | Slow, Throughout) => {
                self.call != Call::Send
            }
            (_, lasting) => lasting == Throughout || self.call != Call::Table,
        }
    }

    /// The place of the call among those that its service gets in an invocation.
    fn place(self) -> usize {
        match self.call {
            Call::Kms | Call::Send | Call::Claim | Call::Table => 0,
            Call::Count => 1,
            Call::Settle => self.channel.table_calls() - 1,
        }
    }

    /// Requests that meet the fault.
    fn times(self) -> usize {
        match (self.lasting, self.call) {
            (Once, _) => 1,
            (Throughout, Call::Claim | Call::Count | Call::Settle) => {
                usize::try_from(sender::store::RETRY.max_attempts).expect("few attempts")
            }
            (Throughout, _) if self.channel == Channel::SesTwice => 2,
            (Throughout, _) => 20,
        }
    }

    fn service(self, stage: &mut Stage) -> &mut dyn MockService {
        match self.call {
            Call::Kms => &mut stage.kms,
            Call::Send => &mut *stage.send,
            Call::Claim | Call::Count | Call::Settle | Call::Table => &mut stage.table,
        }
    }

    /// The error code with which the service throttles.
    fn throttled(self) -> &'static str {
        match (self.call, self.channel) {
            (Call::Send, Channel::Ses | Channel::SesTwice) => "TooManyRequestsException",
            (Call::Send, Channel::Sns) => "Throttling",
            _ => "ThrottlingException",
        }
    }

    async fn play(self) -> Fate {
        let stage = &mut Stage::start(self.channel).await;
        // The connection that is found closed was used by the call before.
        let calls_before = match self.call {
            Call::Kms | Call::Send => Some(0),
            Call::Claim => Some(self.channel.table_calls() - 1),
            Call::Count | Call::Settle | Call::Table => None,
        };
        if let (ClosedIdle, Some(before)) = (self.fault, calls_before) {
            self.service(stage).script(ok(before).chain([Reply::OkThenClose]).collect());
        }
        self.assert_sent(stage, "first").await;

        let event = self.channel.event().to_string();
        match self.fault.reply(self.throttled()) {
            Some(reply) => {
                let replies = ok(self.place()).chain(std::iter::repeat_n(reply, self.times()));
                self.service(stage).script(replies.collect());
            }
            None if self.fault == Refused => self.service(stage).close().await,
            None if calls_before.is_none() => {
                self.service(stage).script(ok(self.place() - 1).chain([Reply::OkThenClose]).collect());
            }
            None => {}
        }
        let invocation = stage.function.invoke(event.clone()).await;
        let first = self.ending(stage, &invocation);
        let sent_first = stage.send.accepted();
        self.service(stage).open();
        stage.clear();

        let (mut invocations, mut ended_well) = (1, first == "well");
        while !ended_well && invocations <= REPETITIONS {
            stage.end_leases();
            let invocation = stage.function.invoke(event.clone()).await;
            ended_well = self.ending(stage, &invocation) == "well";
            invocations += 1;
        }
        let sent = sent_first + stage.send.accepted();
        // The record of the first message is done.
        let mut records = stage.records();
        let done = records.iter().position(|record| record == "done: sent").expect("the first record");
        records.remove(done);
        let record = records.pop().unwrap_or_else(|| "none".to_owned());

        stage.send.clear();
        stage.end_leases();
        let invocation = stage.function.invoke(event).await;
        assert_eq!(self.ending(stage, &invocation), "well", "{self:?}");
        let again = stage.send.accepted();
        self.assert_sent(stage, "last").await;
        Fate { first, sent_first, invocations, ended_well, sent, record, again }
    }

    /// Handles a message that meets no fault.
    async fn assert_sent(self, stage: &mut Stage, which: &str) {
        let invocation = stage.function.invoke(self.channel.event().to_string()).await;
        assert_eq!(self.ending(stage, &invocation), "well", "{self:?}: the {which} message");
        if which == "first" {
            assert_eq!(stage.table.attempts(), self.channel.table_calls(), "{self:?}");
        }
        stage.clear();
    }

    fn ending(self, stage: &Stage, invocation: &Invocation) -> String {
        assert!(
            matches!(invocation, Invocation::Ok(_) | Invocation::Err { .. }),
            "{self:?}: {invocation:?}: {:?}",
            stage.function.lines()
        );
        ending(&stage.function, invocation)
    }

    /// Why a message may be sent twice; every other row sends it once.
    fn reason_for_duplicate(self) -> Option<&'static str> {
        match (self.call, self.fault) {
            (Call::Send, ResetAfter | HangAfter) => {
                Some("the service accepted the message, and its response was lost")
            }
            _ => None,
        }
    }

    /// Why one more delivery of an event after a success may send its message again; in all other rows it does not.
    fn reason_for_repetition(self) -> Option<&'static str> {
        let done = matches!(self.fault, Slow | ResetAfter | HangAfter);
        match (self.call, self.lasting) {
            (Call::Settle | Call::Table, Throughout) if !done => {
                Some("the table was not told that the message was sent")
            }
            _ => None,
        }
    }
}

fn ok(times: usize) -> impl Iterator<Item = Reply> {
    std::iter::repeat_n(Reply::Ok, times)
}

/// The call in the words of the table.
fn place(row: Row) -> String {
    let channel = match row.channel {
        Channel::Ses | Channel::SesTwice => "email",
        Channel::Sns | Channel::EndUserMessaging => "SMS",
    };
    match row.call {
        Call::Kms => format!("KMS ({channel})"),
        Call::Send => format!("{} ({channel})", row.channel.name()),
        Call::Claim => format!("DynamoDB, claim ({channel})"),
        Call::Count => format!("DynamoDB, counters ({channel})"),
        Call::Settle => format!("DynamoDB, settle ({channel})"),
        Call::Table => format!("DynamoDB, all ({channel})"),
    }
}

fn table(fates: &[(Row, Fate)]) -> String {
    let mut text = String::from(
        "| Call | Lasts | Faults | The invocation ends | Sends | Invocations | Sent in all | Duplicates | Record | One more delivery sends |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut lines: Vec<(String, &'static str, Vec<&str>, &Fate)> = Vec::new();
    for (row, fate) in fates {
        let (place, lasting) = (
            place(*row),
            match row.lasting {
                Once => "once",
                Throughout => "throughout",
            },
        );
        let same = lines.iter_mut().find(|line| line.0 == place && line.1 == lasting && line.3 == fate);
        match same {
            Some((_, _, faults, _)) => faults.push(row.fault.name()),
            None => lines.push((place, lasting, vec![row.fault.name()], fate)),
        }
    }
    for (place, lasting, faults, fate) in &lines {
        let Fate { first, sent_first, invocations, sent, record, again, .. } = fate;
        // "every one" is shorter than a list of nearly all faults.
        let alone = lines.iter().filter(|line| line.0 == *place && line.1 == *lasting).count() == 1;
        let faults =
            if alone && faults.len() > FAULTS.len() / 2 { "every one".to_owned() } else { faults.join(", ") };
        let duplicates = sent.saturating_sub(1);
        let first = if first == "well" { "well".to_owned() } else { format!("fails, {first}") };
        let _ = writeln!(
            text,
            "| {place} | {lasting} | {faults} | {first} | {sent_first} | {invocations} | {sent} | {duplicates} | {record} | {again} |"
        );
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_loses_a_message_and_few_duplicate_one() {
    let fates = side_by_side(Row::all(), |row| async move { (row, row.play().await) }).await;
    for (row, fate) in &fates {
        assert!(fate.ended_well && fate.sent > 0, "lost: {row:?} {fate:?}");
        // A listed reason must really cause a duplicate.
        let duplicate = row.reason_for_duplicate();
        assert_eq!(fate.sent, 1 + usize::from(duplicate.is_some()), "{row:?}, {duplicate:?}: {fate:?}");
        let repetition = row.reason_for_repetition();
        assert_eq!(fate.again, usize::from(repetition.is_some()), "{row:?}, {repetition:?}: {fate:?}");
    }
    docs::hold("reliability.md", "faults.rs", &table(&fates));
}

/// Counters of the SMS limits in the table.
fn counters(stage: &Stage) -> usize {
    let counter = |item: &&Value| item["id"]["S"].as_str().is_some_and(|id| id.starts_with("sms#"));
    stage.table.items().iter().filter(counter).count()
}

#[tokio::test]
async fn no_fault_lets_an_sms_exceed_the_limits() {
    // KMS fails before the SMS is counted.
    let stage = Stage::start(Channel::Sns).await;
    let event = stage.channel.event().to_string();
    stage.kms.script(vec![Reply::bare(500); 20]);
    let invocation = stage.function.invoke(event.as_str()).await;
    assert_eq!((ending(&stage.function, &invocation).as_str(), counters(&stage)), (TRANSIENT, 0));
    stage.kms.clear();
    // SNS fails after the SMS was counted, and the SMS is counted only once.
    stage.send.script(vec![Reply::bare(500); 20]);
    for (expected, sent) in [(TRANSIENT, 0), ("well", 1)] {
        let invocation = stage.function.invoke(event.as_str()).await;
        assert_eq!((ending(&stage.function, &invocation).as_str(), stage.send.accepted()), (expected, sent));
        assert_eq!(counters(&stage), stage.channel.counters());
        assert!(
            stage.table.items().iter().all(|item| item["amount"].is_null() || item["amount"]["N"] == "1")
        );
        stage.send.clear();
    }

    // The counters fail, and the process has sent as many SMS as it may without them.
    let stage = Stage::start(Channel::Sns).await;
    let mut event = String::new();
    let mut ended = "well".to_owned();
    let counting_fails = || {
        stage.table.clear();
        stage.table.script([Reply::Ok, Reply::bare(500), Reply::bare(500)]);
    };
    while ended == "well" {
        counting_fails();
        event = stage.channel.event().to_string();
        ended = ending(&stage.function, &stage.function.invoke(event.as_str()).await);
    }
    let sent = stage.send.accepted();
    counting_fails();
    let invocation = stage.function.invoke(event.as_str()).await;
    assert_eq!((ending(&stage.function, &invocation).as_str(), stage.send.accepted()), (TRANSIENT, sent));
}
