//! Retries: every call and every pause fits into the deadline of the invocation.
//!
//! The SDK's own retries are switched off (`crates/client/src/aws.rs`). They have no deadline, so a service that
//! hangs uses up the whole invocation. They wait up to a second, although a tenth of a second is enough. They don't
//! treat a bare 429 as throttling, and they can't know that a message must not be sent twice.
//! docs/adr/0009-retries-and-deadline.md

use std::time::Duration;

use client::aws::Service;
use client::time::Deadline;
use shared::outcome::FailureClass;
use tokio::time::{sleep, timeout};

use crate::errors::ServiceError;

/// Time reserved for the end of an invocation: to settle the record and to write the log line.
///
/// One attempt of a call to the table, and [`LOG_RESERVE`].
pub const SETTLE_RESERVE: Duration = Duration::from_millis(700);

/// Time reserved for the log line and the response to Lambda.
pub const LOG_RESERVE: Duration = Duration::from_millis(100);

/// Time that all earlier steps reserve for the send.
pub const SEND_RESERVE: Duration = Duration::from_secs(1);

/// The retry policy for a service.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// The maximum number of attempts.
    pub max_attempts: u32,
    /// The timeout of one attempt. The deadline may shorten it.
    pub attempt_timeout: Duration,
    /// No attempt starts with less time than this.
    pub min_time_left: Duration,
    /// Whether the call may be repeated although its first attempt may have been executed. Never true for a send.
    pub idempotent: bool,
}

/// The maximum pause before the second attempt. It doubles with every further one.
///
/// Short, because most failures hit a single request, and a user is waiting for the code.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A share of a pause, from 0 to 255: half of every pause is random, so that callers that were throttled together
/// don't retry together.
pub type Jitter = fn() -> u8;

/// The system's random numbers.
#[must_use]
pub fn random() -> u8 {
    let mut byte = [0];
    // Without random numbers all pauses are equal, which is acceptable.
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}

impl RetryPolicy {
    /// Calls until an attempt succeeds, a retry can't help, or the deadline is near. An attempt that hangs is cut off.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn call<T>(
        &self,
        service: Service,
        deadline: Deadline,
        jitter: Jitter,
        mut attempt: impl AsyncFnMut() -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut pause = FIRST_PAUSE;
        let mut number = 1;
        // A call that is cut off right after its start may have been executed nevertheless.
        if deadline.left() < self.min_time_left {
            return Err(ServiceError::no_time(service));
        }
        loop {
            let limit = self.attempt_timeout.min(deadline.left());
            let failure = match timeout(limit, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(failure)) => failure,
                Err(_) => ServiceError::timeout(service),
            };
            let again = match failure.class {
                FailureClass::Transient => true,
                FailureClass::Ambiguous => self.idempotent,
                FailureClass::Recipient | FailureClass::Configuration => false,
            };
            let jittered = pause / 2 + (pause / 2) * u32::from(jitter()) / 255;
            if !again || number >= self.max_attempts || deadline.left() < jittered + self.min_time_left {
                return Err(failure);
            }
            sleep(jittered).await;
            number += 1;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::Instant;

    use super::*;

    const KMS: RetryPolicy = crate::kms::RETRY;
    const STORE: RetryPolicy = crate::store::RETRY;
    const SEND: RetryPolicy = crate::channel::SEND;

    /// What a service does with one attempt.
    #[derive(Clone, Copy)]
    enum Does {
        Answers,
        Refuses(FailureClass),
        Hangs,
    }
    use Does::{Answers, Hangs, Refuses};
    use FailureClass::{Ambiguous, Configuration, Recipient, Transient};

    /// Plays attempts against an injected clock and gives when each began and when the call ended, in milliseconds.
    fn schedule(
        policy: RetryPolicy,
        time_left: Duration,
        jitter: Jitter,
        does: &[Does],
    ) -> (Vec<u128>, u128, Result<(), FailureClass>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let begun = RefCell::new(Vec::new());
            let result = policy
                .call(Service::Kms, Deadline::after(time_left), jitter, async || {
                    let index = begun.borrow().len();
                    begun.borrow_mut().push(start.elapsed().as_millis());
                    match does.get(index).copied().unwrap_or(Hangs) {
                        Answers => Ok(()),
                        Refuses(class) => Err(ServiceError { class, ..ServiceError::timeout(Service::Kms) }),
                        Hangs => std::future::pending().await,
                    }
                })
                .await;
            (begun.into_inner(), start.elapsed().as_millis(), result.map_err(|failure| failure.class))
        })
    }

    fn least() -> u8 {
        0
    }
    fn most() -> u8 {
        255
    }

    const FIVE_SECONDS: Duration = Duration::from_secs(5);

    #[test]
    fn a_kms_that_hangs_once_is_survived_within_two_and_a_half_seconds() {
        for jitter in [least as Jitter, most] {
            let (begun, end, result) = schedule(KMS, FIVE_SECONDS, jitter, &[Hangs, Answers]);
            assert_eq!((begun.len(), result), (2, Ok(())));
            assert!(end <= 2_000, "{end}");
        }
    }

    #[test]
    fn one_refusal_costs_no_more_than_a_tenth_of_a_second() {
        for policy in [KMS, STORE, SEND] {
            let (begun, end, result) = schedule(policy, FIVE_SECONDS, most, &[Refuses(Transient), Answers]);
            assert_eq!((begun, end, result), (vec![0, 100], 100, Ok(())));
            let (begun, ..) = schedule(policy, FIVE_SECONDS, least, &[Refuses(Transient), Answers]);
            assert_eq!(begun, [0, 50]);
        }
    }

    #[test]
    fn pauses_double_and_end_with_the_attempts() {
        let (begun, _, result) = schedule(SEND, Duration::from_secs(15), most, &[Refuses(Transient); 9]);
        assert_eq!((begun, result), (vec![0, 100, 300, 700, 1_500], Err(Transient)));
    }

    #[test]
    fn nothing_goes_on_past_the_deadline() {
        for policy in [KMS, STORE, SEND] {
            for time_left in [0, 1, 50, 120, 700, 1_000, 2_500, 5_000, 15_000].map(Duration::from_millis) {
                for does in [&[Refuses(Transient); 9][..], &[], &[Refuses(Transient), Hangs]] {
                    let (_, end, result) = schedule(policy, time_left, most, does);
                    assert!(result.is_err());
                    // The clock of the runtime goes in steps of a millisecond.
                    assert!(end <= time_left.as_millis() + 1, "{policy:?} {time_left:?}: {end}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_begun_that_could_only_be_cut_off() {
        for policy in [KMS, STORE, SEND] {
            for time_left in [Duration::ZERO, policy.min_time_left.saturating_sub(Duration::from_millis(1))] {
                let (begun, end, result) = schedule(policy, time_left, least, &[Answers]);
                assert_eq!((begun, end, result), (vec![], 0, Err(Transient)), "{policy:?}");
            }
            let (begun, _, result) = schedule(policy, policy.min_time_left, least, &[Answers]);
            assert_eq!((begun, result), (vec![0], Ok(())));
        }
    }

    #[test]
    fn a_send_that_hung_or_broke_is_not_repeated() {
        for does in [Hangs, Refuses(Ambiguous)] {
            let (begun, _, result) = schedule(SEND, FIVE_SECONDS, least, &[does, Answers]);
            assert_eq!((begun, result), (vec![0], Err(Ambiguous)));
        }
    }

    #[test]
    fn what_cannot_work_is_not_repeated() {
        for class in [Recipient, Configuration] {
            for policy in [KMS, STORE, SEND] {
                let (begun, end, result) = schedule(policy, FIVE_SECONDS, least, &[Refuses(class), Answers]);
                assert_eq!((begun, end, result), (vec![0], 0, Err(class)));
            }
        }
    }

    #[test]
    fn a_store_that_hangs_holds_a_code_up_for_little_more_than_a_second() {
        let (begun, end, result) = schedule(STORE, Duration::from_secs(15), most, &[]);
        assert_eq!((begun.len(), result), (2, Err(Ambiguous)));
        assert!(end <= 1_300, "{end}");
    }
}
