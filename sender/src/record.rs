//! The delivery record: what is known of a message across all invocations that may send it.
//!
//! Lambda delivers an event at least once, repeats it after an error, and may hand it to two processes at a time;
//! SES and SNS have no token that would make a repeated send one message. So a message is claimed before it is sent
//! and settled afterwards, in a table that all processes share:
//!
//! ```text
//!            claim                 settle
//!   (none) ────────► claimed ────────────────► done (sent, recipient, expired, blocked)
//!                    │  ▲  ▲
//!            release │  │  │ claim after the lease, by somebody else
//!                    ▼  │
//!                  released
//! ```
//!
//! - *claimed*: an invocation works on it, until its lease ends. Whoever comes meanwhile fails, and Lambda brings the
//!   event back later. A lease outlives the invocation that holds it, so nobody is overtaken who still works.
//! - *released*: an invocation failed and knows that nothing was sent. The next one claims it at once.
//! - *done*: nothing remains to be done, ever. The state is final: a late settlement only confirms it.
//!
//! A claim whose lease ended was left by an invocation that crashed, or whose send got no answer. Its message may
//! have been sent or not, and a duplicate beats a loss: it is taken over. docs/reliability.md lists the duplicates
//! that remain possible.
//!
//! This file is the model, `store.rs` says the same to `DynamoDB`, and a test holds the two together.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

/// The record's key: the SHA-256 of a code's ciphertext.
///
/// Cognito encrypts every code under a data key of its own, so no two codes, not even equal ones, have the same
/// ciphertext, and Lambda's repetitions of one event have the very same. The hash tells nothing of the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageKey(String);

impl MessageKey {
    /// The key for the bytes of a ciphertext.
    #[must_use]
    pub fn of(ciphertext: &[u8]) -> Self {
        let hash = digest(&SHA256, ciphertext);
        Self(hash.as_ref().iter().fold("delivery#".to_owned(), |mut key, byte| {
            key.extend(HEX_DIGITS.get(usize::from(byte >> 4)));
            key.extend(HEX_DIGITS.get(usize::from(byte & 15)));
            key
        }))
    }

    /// As it stands in the table.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const HEX_DIGITS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// A point in time: milliseconds since 1970.
pub type Millis = u64;

/// What an invocation may still take beyond its own deadline, and what two clocks may differ, at most.
///
/// Lambda ends a process at its deadline, and its clocks are kept by NTP to some milliseconds.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long a claim holds: as long as the invocation can live, and no longer, because a retry that comes while it
/// holds is lost time. Lambda's first retry comes after a minute.
#[must_use]
pub fn lease(time_left: Duration) -> Duration {
    time_left + LEASE_MARGIN
}

/// How long a record is kept: longer than any repetition can come, which is Lambda's longest event age (6 hours) and
/// the failed event queue's longest retention (14 days) together.
pub const KEPT: Duration = Duration::from_hours(15 * 24);

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The service took it.
    Sent,
    /// The service refuses the recipient.
    Recipient,
    /// The code was no longer valid.
    Expired,
    /// The SMS guard stopped it.
    Blocked,
}

impl End {
    /// As it stands in the table and in logs.
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

/// What the table holds of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Somebody works on it.
    Claimed {
        /// The invocation's own name.
        owner: String,
        /// When the lease ends.
        until: Millis,
    },
    /// Somebody failed without having sent it.
    Released,
    /// It needs nothing any more.
    Done,
}

/// A record with the time of the first claim, which is the least age that a code has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the message stands.
    pub state: State,
    /// When an invocation first claimed it.
    pub first_claimed: Millis,
}

/// What a claim brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The message is ours until the lease ends.
    Held {
        /// What is known of invocations before this one.
        before: Before,
        /// When an invocation first claimed it; now, if this one did.
        first_claimed: Millis,
    },
    /// Another invocation works on it.
    Busy,
    /// It needs nothing any more.
    Done,
}

/// What happened to a message before it was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// It was tried, and not sent.
    Released,
    /// It was tried, and failed before the SMS guard let it pass. The store alone tells this from `Released`.
    Unadmitted,
    /// It was tried, and may have been sent.
    Unknown,
}

impl Record {
    /// Claims a message: what the record becomes, and what the claimant learns.
    #[must_use]
    pub fn claim(old: Option<&Self>, owner: &str, now: Millis, until: Millis) -> (Self, Claim) {
        let held = |first_claimed, before| {
            let record = Self { state: State::Claimed { owner: owner.to_owned(), until }, first_claimed };
            (record, Claim::Held { before, first_claimed })
        };
        let Some(old) = old else { return held(now, Before::Nothing) };
        match &old.state {
            State::Done => (old.clone(), Claim::Done),
            // The answer to our own claim was lost on its way.
            State::Claimed { owner: holder, .. } if holder == owner => {
                held(old.first_claimed, Before::Nothing)
            }
            State::Claimed { until: lease, .. } if *lease > now => (old.clone(), Claim::Busy),
            State::Claimed { .. } => held(old.first_claimed, Before::Unknown),
            State::Released => held(old.first_claimed, Before::Released),
        }
    }

    /// Settles a message, whoever holds it: what was sent is sent.
    #[must_use]
    pub fn settle(old: Option<&Self>, now: Millis) -> Self {
        Self { state: State::Done, first_claimed: old.map_or(now, |old| old.first_claimed) }
    }

    /// Gives a message back unsent, if it is still ours.
    #[must_use]
    pub fn release(old: Option<&Self>, owner: &str) -> Option<Self> {
        match old {
            Some(Self { state: State::Claimed { owner: holder, .. }, first_claimed }) if holder == owner => {
                Some(Self { state: State::Released, first_claimed: *first_claimed })
            }
            other => other.cloned(),
        }
    }
}
