//! The SMS guard at work: passes a message by its counters, which all processes share.

use std::sync::{Mutex, PoisonError};

use client::time::Deadline;
use sender::channel::Admission;
use sender::errors::ServiceError;
use sender::store::{Store, now};
use shared::phone::{Country, PhoneNumber};
use shared::pumping::{LimitName, ProcessCap, SmsLimits};
use shared::recipient::RecipientHasher;

/// Counts messages, and stops those that are too many.
#[derive(Debug)]
pub struct Guard {
    limits: SmsLimits,
    store: Option<Store>,
    hasher: RecipientHasher,
    /// For as long as the store cannot be asked.
    cap: Mutex<ProcessCap>,
}

impl Guard {
    /// Counts in the store; without one, in this process alone.
    #[must_use]
    pub fn new(limits: SmsLimits, store: Option<Store>, hasher: RecipientHasher) -> Self {
        Self { limits, store, hasher, cap: Mutex::default() }
    }

    /// Counts a message of `parts` parts, unless a limit is reached.
    pub async fn admit(
        &self,
        to: &PhoneNumber,
        country: Country,
        parts: usize,
        deadline: Deadline,
    ) -> Admission {
        let seconds = now() / 1000;
        let failure = match &self.store {
            None => None,
            Some(store) => match self.count(store, to, country, parts, seconds, deadline).await {
                Ok(None) => return Admission::Admitted,
                Ok(Some(limit)) => return Admission::Blocked(limit),
                Err(failure) => Some(failure),
            },
        };
        // A panic elsewhere cannot leave the cap half changed, and ends the process anyway.
        let allowed = self.cap.lock().unwrap_or_else(PoisonError::into_inner).allow(seconds, parts);
        match (allowed, failure) {
            (true, None) => Admission::Admitted,
            (true, Some(failure)) => Admission::Uncounted(failure),
            (false, failure) => Admission::CapReached(failure),
        }
    }

    /// Counts the message in every counter in turn, and gives the limit that stops it.
    async fn count(
        &self,
        store: &Store,
        to: &PhoneNumber,
        country: Country,
        parts: usize,
        seconds: u64,
        deadline: Deadline,
    ) -> Result<Option<LimitName>, ServiceError> {
        for counter in self.limits.counters(to, country, parts, seconds, &self.hasher) {
            let counted = match counter.room {
                None => false,
                Some(room) => {
                    store.count(&counter.key, counter.amount, room, counter.expires_at, deadline).await?
                }
            };
            if !counted {
                return Ok(Some(counter.limit));
            }
        }
        Ok(None)
    }
}
