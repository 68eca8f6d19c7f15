//! A process that is killed at every step of an invocation, and two that get the same event at the same time.
//!
//! The result is a table in docs/reliability.md; `UPDATE_DOCS=1` writes it again.

use std::fmt::Write as _;
use std::time::Duration;

use tests::function::Invocation;
use tests::service::Reply;
use tokio::join;

use crate::docs;
use crate::stage::{Channel, IN_PROGRESS, MockService, Stage, ending, side_by_side};

/// The last step before the kill. `…Requested`: the service has read the request and done nothing. Otherwise it has
/// executed the request, and the process hasn't received the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    ClaimRequested,
    Claimed,
    DecryptRequested,
    Decrypted,
    CountRequested,
    Counted,
    SendRequested,
    Sent,
    SettleRequested,
    Settled,
    /// The service rejected the message.
    ReleaseRequested,
    Released,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::ClaimRequested,
        Self::Claimed,
        Self::DecryptRequested,
        Self::Decrypted,
        Self::CountRequested,
        Self::Counted,
        Self::SendRequested,
        Self::Sent,
        Self::SettleRequested,
        Self::Settled,
        Self::ReleaseRequested,
        Self::Released,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ClaimRequested => "claim requested",
            Self::Claimed => "claim made",
            Self::DecryptRequested => "KMS asked",
            Self::Decrypted => "KMS answered",
            Self::CountRequested => "first counter requested (SMS)",
            Self::Counted => "last counter counted (SMS)",
            Self::SendRequested => "send requested",
            Self::Sent => "message taken by the service",
            Self::SettleRequested => "message sent, settlement requested",
            Self::Settled => "settled",
            Self::ReleaseRequested => "send refused, release requested",
            Self::Released => "send refused, released",
        }
    }

    fn is_of(self, channel: Channel) -> bool {
        channel.counters() > 0 || !matches!(self, Self::CountRequested | Self::Counted)
    }

    /// The service that holds the request, and how many requests it answers before.
    fn place(self, stage: &Stage) -> (&dyn MockService, usize) {
        match self {
            Self::ClaimRequested | Self::Claimed => (&stage.table, 0),
            Self::DecryptRequested | Self::Decrypted => (&stage.kms, 0),
            Self::CountRequested => (&stage.table, 1),
            Self::Counted => (&stage.table, stage.channel.counters()),
            Self::SendRequested | Self::Sent => (&*stage.send, 0),
            Self::SettleRequested | Self::Settled | Self::ReleaseRequested | Self::Released => {
                (&stage.table, stage.channel.counters() + 1)
            }
        }
    }

    fn reply(self) -> Reply {
        match self {
            Self::ClaimRequested
            | Self::DecryptRequested
            | Self::CountRequested
            | Self::SendRequested
            | Self::SettleRequested
            | Self::ReleaseRequested => Reply::Hang,
            Self::Claimed | Self::Decrypted | Self::Counted | Self::Sent | Self::Settled | Self::Released => {
                Reply::HangAfter
            }
        }
    }

    /// Kills a process at this step.
    async fn kill(self, stage: &Stage, event: &str) {
        if matches!(self, Self::ReleaseRequested | Self::Released) {
            let code =
                if stage.channel == Channel::Sns { "AuthorizationError" } else { "AccessDeniedException" };
            stage.send.script(vec![Reply::error(403, code)]);
        }
        let (service, before) = self.place(stage);
        service.script(std::iter::repeat_n(Reply::Ok, before).chain([self.reply()]).collect());
        let kill = async {
            service.held().await;
            // KMS is called while the message is claimed.
            while self != Self::ClaimRequested && stage.table.accepted().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stage.function.kill().await
        };
        let (invocation, _) = join!(stage.function.invoke(event), kill);
        assert!(matches!(invocation, Invocation::Exited(_)), "{self:?}: {invocation:?}");
    }

    async fn play(self, channel: Channel) -> Fate {
        let stage = Stage::start(channel).await;
        let function = stage.process().await;
        let event = channel.event().to_string();
        self.kill(&stage, &event).await;
        let record = stage.records().pop().unwrap_or_else(|| "none".to_owned());
        let mut sent = vec![stage.send.accepted()];
        let mut endings = Vec::new();
        for _ in 0..2 {
            let invocation = function.invoke(event.as_str()).await;
            endings.push(ending(&function, &invocation));
            sent.push(stage.send.accepted());
            // The first retry comes while the lease lasts, the second one after it.
            stage.end_leases();
        }
        assert_eq!(endings[1], "well", "{self:?}");
        assert_eq!(stage.records(), ["done: sent"], "{self:?}");
        Fate { record, at_once: endings.remove(0), sent_at_once: sent[1] - sent[0], sent: sent[2] }
    }
}

/// What happened to the message.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    /// The record that the killed process left.
    record: String,
    /// How a retry ends while the lease lasts, and what it sends.
    at_once: String,
    sent_at_once: usize,
    /// Messages sent in all, after one more retry when the lease is over.
    sent: usize,
}

fn table(fates: &[(Step, Fate)]) -> String {
    let mut text = String::from(
        "| Killed after | Record | A retry within the lease | It sends | Sent in all, after the lease |\n|---|---|---|---|---|\n",
    );
    for (step, Fate { record, at_once, sent_at_once, sent }) in fates {
        let at_once = if at_once == "well" { "succeeds".to_owned() } else { format!("fails, `{at_once}`") };
        let _ = writeln!(text, "| {} | {record} | {at_once} | {sent_at_once} | {sent} |", step.name());
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_message_and_duplicates_only_unsettled_ones() {
    let cases = [Channel::Sns, Channel::Ses, Channel::EndUserMessaging].into_iter().flat_map(|channel| {
        Step::ALL.into_iter().filter(move |step| step.is_of(channel)).map(move |step| (channel, step))
    });
    let play = |(channel, step): (Channel, Step)| async move { (channel, step, step.play(channel).await) };
    let mut fates: Vec<(Step, Fate)> = Vec::new();
    for (channel, step, fate) in side_by_side(cases.collect(), play).await {
        let doubled = matches!(step, Step::Sent | Step::SettleRequested);
        assert_eq!(fate.sent, 1 + usize::from(doubled), "{channel:?} {step:?}");
        if fate.record == "claimed" {
            assert_eq!((fate.at_once.as_str(), fate.sent_at_once), (IN_PROGRESS, 0), "{step:?}");
        }
        match fates.iter().find(|(known, _)| *known == step) {
            None => fates.push((step, fate)),
            Some((_, known)) => assert_eq!(known, &fate, "{channel:?} {step:?}: all channels are alike"),
        }
    }
    docs::hold("reliability.md", "kill.rs", &table(&fates));
}

#[tokio::test]
async fn a_second_process_fails_and_sends_nothing_while_the_first_one_sends() {
    for channel in [Channel::Ses, Channel::Sns] {
        let stage = Stage::start(channel).await;
        let function = stage.process().await;
        let event = channel.event().to_string();
        stage.send.script(vec![Reply::Hang]);
        let second = async {
            stage.send.held().await;
            let invocation = function.invoke(event.as_str()).await;
            let ending = ending(&function, &invocation);
            stage.function.kill().await;
            ending
        };
        let (_, ending) = join!(stage.function.invoke(event.as_str()), second);
        assert_eq!((ending.as_str(), stage.send.attempts()), (IN_PROGRESS, 1));
    }
}

#[tokio::test]
async fn two_processes_with_the_same_event_send_one_message() {
    // The default limit is six SMS an hour for each number.
    for (channel, rounds) in [(Channel::Ses, 20), (Channel::Sns, 6)] {
        let stage = Stage::start(channel).await;
        let other = stage.process().await;
        for round in 1..=rounds {
            let event = channel.event().to_string();
            let (first, second) = join!(stage.function.invoke(event.as_str()), other.invoke(event.as_str()));
            let mut endings = [ending(&stage.function, &first), ending(&other, &second)];
            endings.sort();
            assert!(
                [[IN_PROGRESS, "well"], ["well", "well"]].contains(&endings.each_ref().map(String::as_str)),
                "{endings:?}"
            );
            assert_eq!(stage.send.accepted(), round, "{endings:?}");
            assert_eq!(stage.records(), vec!["done: sent"; round]);
        }
    }
}
