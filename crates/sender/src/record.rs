//! The delivery record: the state of a message across all invocations that may send it.
//!
//! Lambda delivers an event at least once, retries it after an error, and may run it in two processes at a time. SES
//! and SNS have no idempotency token. So a message is claimed before it is sent and settled afterwards, in a table
//! that all processes share:
//!
//! ```text
//!            claim                 settle
//!   (none) ────────► claimed ────────────────► done (sent, recipient, expired, blocked)
//!                    │  ▲  ▲
//!            release │  │  │ claim by another invocation, after the lease
//!                    ▼  │
//!                  released
//! ```
//!
//! - *claimed*: an invocation works on it, until its lease ends. Other invocations fail meanwhile, and Lambda retries
//!   them. A lease lasts longer than the invocation that holds it can run, so no running invocation loses its claim.
//! - *released*: an invocation failed and certainly sent nothing. The next one claims the message at once.
//! - *done*: the message needs no more work. The state is final: a late settlement only confirms it.
//!
//! A claim whose lease ended belongs to an invocation that crashed, or whose send timed out. Its message may have
//! been sent. A duplicate is better than a lost message, so the next invocation takes it over. docs/reliability.md
//! lists the duplicates that remain possible.
//!
//! This file is the model, `store.rs` implements it in DynamoDB, and a test compares the two.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

/// The record's key: the SHA-256 of the bytes of an encrypted code that its signature covers.
///
/// Cognito encrypts every code with its own data key, so two codes never have the same bytes, even if they are equal.
/// Lambda's retries of one event have the same bytes. The hash reveals nothing of the code.
/// The signature isn't part of the key, because anyone can change a valid ECDSA signature into another valid one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageKey(String);

impl MessageKey {
    /// The key of a code, which goes out once, whatever the channel.
    #[must_use]
    pub fn of_code(signed: &[u8]) -> Self {
        Self(format!("delivery#{}", hex::encode(digest(&SHA256, signed))))
    }

    /// The key of a temporary password in a channel, such as `email` or `sms`.
    ///
    /// An invitation may go out by email and by SMS, and AWS doesn't document that its password is encrypted twice.
    #[must_use]
    pub fn of_password(signed: &[u8], channel: &str) -> Self {
        Self(format!("delivery#{channel}#{}", hex::encode(digest(&SHA256, signed))))
    }

    /// The key in the table.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A point in time: milliseconds since 1970.
pub type Millis = u64;

/// How far an invocation may exceed its deadline and two clocks may differ, at most.
///
/// Lambda ends a process at its deadline, and its clocks are kept by NTP to some milliseconds.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long a claim lasts: as long as the invocation can run. It lasts no longer, because a retry during the lease
/// fails. Lambda's first retry comes after a minute.
#[must_use]
pub fn lease(time_left: Duration) -> Duration {
    time_left + LEASE_MARGIN
}

/// How long a record is kept: longer than a retry or redrive is possible. That is Lambda's longest event age (6
/// hours) plus the longest retention of the on-failure destination (14 days).
pub const KEPT: Duration = Duration::from_hours(15 * 24);

/// The final state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalState {
    /// The provider accepted it.
    Sent,
    /// The provider rejected the recipient.
    Recipient,
    /// The code was no longer valid.
    Expired,
    /// An SMS limit is reached.
    Blocked,
}

impl FinalState {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Recipient => "recipient",
            Self::Expired => "expired",
            Self::Blocked => "blocked",
        }
    }
}

/// The state of a message in the table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// An invocation works on it.
    Claimed {
        /// The invocation's unique name.
        owner: String,
        /// When the lease ends.
        until: Millis,
    },
    /// An invocation failed and did not send it.
    Released,
    /// It needs no more work.
    Done,
}

/// A record with the time of the first claim, which is the minimum age of the code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The state of the message.
    pub state: State,
    /// When an invocation first claimed it.
    pub first_claimed: Millis,
    /// Whether the limits had admitted it when it was last released; `None` if it was never released.
    pub admitted: Option<bool>,
}

/// The result of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimResult {
    /// The message is ours until the lease ends.
    Held {
        /// What earlier invocations did.
        before: PriorAttempt,
        /// When an invocation first claimed it; now, if this one did.
        first_claimed: Millis,
    },
    /// Another invocation works on it.
    Busy,
    /// It needs no more work.
    Done,
}

/// What earlier invocations did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorAttempt {
    /// Nothing.
    Nothing,
    /// An invocation failed and did not send it, after the limits admitted it.
    Released,
    /// An invocation failed before the limits admitted it.
    Unadmitted,
    /// An invocation failed and may have sent it.
    Unknown,
}

impl Record {
    /// Claims a message: the new record, and the result for the claiming invocation.
    #[must_use]
    pub fn claim(old: Option<&Self>, owner: &str, now: Millis, until: Millis) -> (Self, ClaimResult) {
        let admitted = old.and_then(|old| old.admitted);
        let first_claimed = old.map_or(now, |old| old.first_claimed);
        let held = |before| {
            let state = State::Claimed { owner: owner.to_owned(), until };
            (Self { state, first_claimed, admitted }, ClaimResult::Held { before, first_claimed })
        };
        let Some(old) = old else { return held(PriorAttempt::Nothing) };
        match &old.state {
            State::Done => (old.clone(), ClaimResult::Done),
            State::Claimed { owner: holder, until: lease } if holder != owner => {
                if *lease > now {
                    (old.clone(), ClaimResult::Busy)
                } else {
                    held(PriorAttempt::Unknown)
                }
            }
            // Released, or the response to our own claim was lost.
            State::Claimed { .. } | State::Released => held(match admitted {
                Some(true) => PriorAttempt::Released,
                Some(false) => PriorAttempt::Unadmitted,
                None => PriorAttempt::Nothing,
            }),
        }
    }

    /// Settles a message, whichever invocation holds it.
    #[must_use]
    pub fn settle(old: Option<&Self>, now: Millis) -> Self {
        let (first_claimed, admitted) = old.map_or((now, None), |old| (old.first_claimed, old.admitted));
        Self { state: State::Done, first_claimed, admitted }
    }

    /// Releases a message unsent, if the owner still holds it.
    #[must_use]
    pub fn release(old: Option<&Self>, owner: &str, admitted: bool) -> Option<Self> {
        match old {
            Some(Self { state: State::Claimed { owner: holder, .. }, first_claimed, .. })
                if holder == owner =>
            {
                Some(Self { state: State::Released, first_claimed: *first_claimed, admitted: Some(admitted) })
            }
            other => other.cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The present of the model: a lease until 2 holds, one until 0 has ended.
    const NOW: Millis = 1;
    const HOLDS: Millis = 2;
    /// Lambda tries an event three times.
    const ATTEMPTS: u8 = 3;

    /// What one delivery of the event does next, as in `delivery.rs`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Step {
        Claim,
        /// With a claim that was confirmed, or without.
        Send {
            held: bool,
        },
        Settle,
        Release,
        /// Lambda regards the event as done.
        Succeeded,
        /// Lambda gave up: the event is in the on-failure destination.
        Queued,
    }

    /// What can go wrong, and may therefore cost a duplicate.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Fault {
        StoreDownAtClaim,
        ClaimUnconfirmed,
        CrashAtClaim,
        CrashBeforeSend,
        CrashAfterSend,
        AnswerLostAfterSend,
        AnswerLostUnsent,
        RefusedForNow,
        RefusedAlthoughSent,
        StoreDownAtSettle,
        CrashAfterSettle,
        StoreDownAtRelease,
    }
    use Fault::*;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct World {
        record: Option<Record>,
        /// Two deliveries of the same event: the step, and the number of the attempt.
        deliveries: [(Step, u8); 2],
        sends: u8,
        faults: Vec<Fault>,
    }

    impl World {
        fn owner(&self, delivery: usize) -> String {
            format!("{delivery}/{}", self.deliveries[delivery].1)
        }

        fn to(mut self, delivery: usize, step: Step) -> Self {
            self.deliveries[delivery].0 = step;
            self
        }

        fn with(mut self, fault: Fault) -> Self {
            self.faults.push(fault);
            self
        }

        /// The attempt failed or crashed: Lambda brings the event back, or puts it into the queue.
        fn failed(mut self, delivery: usize) -> Self {
            let (step, attempt) = &mut self.deliveries[delivery];
            *attempt += 1;
            *step = if *attempt < ATTEMPTS { Step::Claim } else { Step::Queued };
            self
        }

        fn claimed(mut self, delivery: usize) -> (Self, ClaimResult) {
            let owner = self.owner(delivery);
            let (record, claim) = Record::claim(self.record.as_ref(), &owner, NOW, HOLDS);
            self.record = Some(record);
            (self, claim)
        }

        fn settled(mut self) -> Self {
            self.record = Some(Record::settle(self.record.as_ref(), NOW));
            self
        }

        fn sent(mut self) -> Self {
            self.sends += 1;
            self
        }

        /// Every state that can follow. A lease ends only after the one who holds it, because it is longer than an
        /// invocation can live.
        fn next(&self, faults: usize) -> Vec<Self> {
            let mut next: Vec<_> = (0..2).flat_map(|delivery| self.next_of(delivery)).collect();
            next.retain(|world| world.faults.len() <= faults);
            if let Some(Record { state: State::Claimed { owner, until: HOLDS }, .. }) = &self.record
                && (0..2).all(|delivery| {
                    *owner != self.owner(delivery)
                        || matches!(self.deliveries[delivery].0, Step::Succeeded | Step::Queued)
                })
            {
                let mut world = self.clone();
                if let Some(Record { state: State::Claimed { until, .. }, .. }) = &mut world.record {
                    *until = 0;
                }
                next.push(world);
            }
            next
        }

        fn next_of(&self, delivery: usize) -> Vec<Self> {
            let world = || self.clone();
            match self.deliveries[delivery].0 {
                Step::Claim => {
                    let (claimed, claim) = world().claimed(delivery);
                    let after = match claim {
                        ClaimResult::Held { .. } => claimed.clone().to(delivery, Step::Send { held: true }),
                        ClaimResult::Busy => claimed.clone().failed(delivery),
                        ClaimResult::Done => claimed.clone().to(delivery, Step::Succeeded),
                    };
                    vec![
                        after,
                        world().with(StoreDownAtClaim).to(delivery, Step::Send { held: false }),
                        claimed.clone().with(ClaimUnconfirmed).to(delivery, Step::Send { held: false }),
                        claimed.with(CrashAtClaim).failed(delivery),
                    ]
                }
                Step::Send { held } => {
                    let give_up = |refused: Self| {
                        if held { refused.to(delivery, Step::Release) } else { refused.failed(delivery) }
                    };
                    let refused = || world().with(RefusedForNow);
                    let refused_although_sent = || world().sent().with(RefusedAlthoughSent);
                    vec![
                        world().sent().to(delivery, Step::Settle),
                        // A refusal is tried again within the invocation, and then given up.
                        refused(),
                        give_up(refused()),
                        refused_although_sent(),
                        give_up(refused_although_sent()),
                        world().with(CrashBeforeSend).failed(delivery),
                        world().sent().with(CrashAfterSend).failed(delivery),
                        world().sent().with(AnswerLostAfterSend).failed(delivery),
                        world().with(AnswerLostUnsent).failed(delivery),
                    ]
                }
                Step::Settle => vec![
                    world().settled().to(delivery, Step::Succeeded),
                    world().with(StoreDownAtSettle).to(delivery, Step::Succeeded),
                    world().settled().with(CrashAfterSettle).failed(delivery),
                ],
                Step::Release => {
                    let mut released = world();
                    released.record = Record::release(self.record.as_ref(), &self.owner(delivery), true);
                    vec![released.failed(delivery), world().with(StoreDownAtRelease).failed(delivery)]
                }
                Step::Succeeded | Step::Queued => vec![],
            }
        }
    }

    /// Every state that two deliveries with up to that many faults can come to.
    fn ends(faults: usize) -> Vec<World> {
        let start = World { record: None, deliveries: [(Step::Claim, 0); 2], sends: 0, faults: vec![] };
        let mut seen = HashSet::from([start.clone()]);
        let mut open = vec![start];
        let mut ends = Vec::new();
        while let Some(world) = open.pop() {
            if world.deliveries.iter().all(|(step, _)| matches!(step, Step::Succeeded | Step::Queued)) {
                ends.push(world);
                continue;
            }
            for next in world.next(faults) {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        ends
    }

    /// The faults after which a message may go out twice: each leaves a message sent that the record does not show
    /// as sent, or lets an invocation send that has not claimed it.
    const MAY_DUPLICATE: [Fault; 6] = [
        StoreDownAtClaim,
        ClaimUnconfirmed,
        CrashAfterSend,
        AnswerLostAfterSend,
        RefusedAlthoughSent,
        StoreDownAtSettle,
    ];

    #[test]
    fn without_a_fault_two_deliveries_send_one_message() {
        let ends = ends(0);
        assert!(!ends.is_empty());
        for end in ends {
            assert_eq!(end.sends, 1, "{end:?}");
        }
    }

    #[test]
    fn an_invocation_succeeds_only_if_the_message_was_sent() {
        let ends = ends(3);
        assert!(ends.len() > 1_000, "{}", ends.len());
        for end in ends {
            let succeeded = end.deliveries.iter().any(|(step, _)| *step == Step::Succeeded);
            assert!(!succeeded || end.sends > 0, "lost: {end:?}");
        }
    }

    #[test]
    fn a_message_goes_out_twice_only_after_the_faults_that_are_named() {
        let mut seen = HashSet::new();
        for end in ends(3).into_iter().filter(|end| end.sends > 1) {
            let mut reasons = end.faults.clone();
            reasons.retain(|fault| MAY_DUPLICATE.contains(fault));
            // Every send but one needs a fault of its own.
            assert!(usize::from(end.sends) <= 1 + reasons.len(), "{end:?}");
            seen.extend(reasons);
        }
        // The list is not longer than the truth.
        assert_eq!(seen.len(), MAY_DUPLICATE.len(), "{seen:?}");
    }

    #[test]
    fn the_key_is_the_hash_of_the_signed_bytes_and_only_a_password_has_one_per_channel() {
        // printf ciphertext | sha256sum
        const HASH: &str = "305531dcc50ebca31cf1d5b31e9fc76ed51f66b3b6dd5a030c6539ae6532f979";
        assert_eq!(MessageKey::of_code(b"ciphertext").as_str(), format!("delivery#{HASH}"));
        let password = MessageKey::of_password(b"ciphertext", "email");
        assert_eq!(password.as_str(), format!("delivery#email#{HASH}"));
    }
}
