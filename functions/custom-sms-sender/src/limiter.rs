//! Enforces the SMS limits with counters in DynamoDB, which all processes share.

use std::sync::{Mutex, PoisonError};

use client::time::Deadline;
use sender::channel::Admission;
use sender::errors::ServiceError;
use sender::record::Millis;
use sender::store::Store;
use shared::recipient::RecipientHasher;
use shared::sms_limits::{Counter, ProcessCap, SmsClass, SmsLimit, SmsLimits};

use crate::Text;

/// Counts SMS, and blocks those above a limit.
#[derive(Debug)]
pub struct SmsLimiter {
    limits: SmsLimits,
    store: Option<Store>,
    hasher: RecipientHasher,
    /// Limit this process while DynamoDB fails.
    caps: Mutex<Caps>,
}

/// A cap for each class, for the reason that each has counters of its own.
#[derive(Debug, Default)]
struct Caps {
    open: ProcessCap,
    account: ProcessCap,
}

impl SmsLimiter {
    /// Counts in the store, or in this process only if there is none.
    #[must_use]
    pub fn new(limits: SmsLimits, store: Option<Store>, hasher: RecipientHasher) -> Self {
        Self { limits, store, hasher, caps: Mutex::default() }
    }

    /// Counts a message at this time, unless a limit is reached.
    pub async fn admit(&self, text: &Text, at: Millis, deadline: Deadline) -> Admission {
        let failure = match &self.store {
            None => None,
            Some(store) => match count(store, &self.counters(text, at), deadline).await {
                Ok(None) => return Admission::Admitted,
                Ok(Some(limit)) => return Admission::Blocked(limit),
                Err(failure) => Some(failure),
            },
        };
        // A panic can't leave the caps in an invalid state, and ends the process anyway.
        let mut caps = self.caps.lock().unwrap_or_else(PoisonError::into_inner);
        let cap = match text.class {
            SmsClass::Open => &mut caps.open,
            SmsClass::Account => &mut caps.account,
        };
        match (cap.allow(at / 1000, text.parts), failure) {
            (true, None) => Admission::Admitted,
            (true, Some(failure)) => Admission::Uncounted(failure),
            (false, failure) => Admission::CapReached(failure),
        }
    }

    /// Takes back what was counted for a message at that time.
    pub async fn withdraw(&self, text: &Text, at: Millis, deadline: Deadline) {
        if let Some(store) = &self.store {
            uncount(store, &self.counters(text, at), deadline).await;
        }
    }

    fn counters(&self, text: &Text, at: Millis) -> Vec<Counter> {
        self.limits.counters(
            text.class,
            &text.to.number,
            text.to.country,
            text.parts,
            at / 1000,
            &self.hasher,
        )
    }
}

/// Counts a message in one counter after the other, and returns the limit that blocks it. A blocked message uses up
/// nothing: the counters before that limit get back what they counted.
async fn count(
    store: &Store,
    counters: &[Counter],
    deadline: Deadline,
) -> Result<Option<SmsLimit>, ServiceError> {
    let mut counted = Vec::new();
    for counter in counters {
        let fits = match counter.room {
            None => false,
            Some(room) => {
                store.count(&counter.key, counter.amount, room, counter.expires_at, deadline).await?
            }
        };
        if !fits {
            uncount(store, counted, deadline).await;
            return Ok(Some(counter.limit));
        }
        counted.push(counter);
    }
    Ok(None)
}

/// An error is no reason to fail: a counter that stays too high blocks a message too early, until its window ends.
async fn uncount(store: &Store, counters: impl IntoIterator<Item = &Counter>, deadline: Deadline) {
    for counter in counters {
        let _ = store.uncount(&counter.key, counter.amount, deadline).await;
    }
}
