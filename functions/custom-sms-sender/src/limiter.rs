//! Enforces the SMS limits with counters in DynamoDB, which all processes share.

use std::sync::{Mutex, PoisonError};

use client::time::Deadline;
use sender::channel::Admission;
use sender::errors::ServiceError;
use sender::store::{Store, now};
use shared::phone::{Country, PhoneNumber};
use shared::recipient::RecipientHasher;
use shared::sms_limits::{ProcessCap, SmsLimit, SmsLimits};

/// Counts SMS, and blocks those above a limit.
#[derive(Debug)]
pub struct SmsLimiter {
    limits: SmsLimits,
    store: Option<Store>,
    hasher: RecipientHasher,
    /// Limits this process while DynamoDB fails.
    cap: Mutex<ProcessCap>,
}

impl SmsLimiter {
    /// Counts in the store, or in this process only if there is none.
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
        // A panic can't leave the cap in an invalid state, and ends the process anyway.
        let allowed = self.cap.lock().unwrap_or_else(PoisonError::into_inner).allow(seconds, parts);
        match (allowed, failure) {
            (true, None) => Admission::Admitted,
            (true, Some(failure)) => Admission::Uncounted(failure),
            (false, failure) => Admission::CapReached(failure),
        }
    }

    /// Counts the message in one counter after the other, and returns the limit that blocks it.
    async fn count(
        &self,
        store: &Store,
        to: &PhoneNumber,
        country: Country,
        parts: usize,
        seconds: u64,
        deadline: Deadline,
    ) -> Result<Option<SmsLimit>, ServiceError> {
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
