//! Time: one deadline per invocation, and every call and every retry inside it.
//!
//! The SDK's own retries are switched off (`aws.rs`). They know no deadline, so a service that hangs takes the whole
//! invocation with it; they wait up to a second where a tenth would do; they do not count a bare 429 as throttling;
//! and they cannot know that a message must not be sent twice. docs/adr/0009-retries-and-deadline.md

use std::time::Duration;

use shared::outcome::FailureClass;
use tokio::time::{Instant, sleep, timeout};

use crate::errors::CallFailure;

/// What an invocation needs to end in order: the record is brought up to date, the log line written.
///
/// One attempt to reach the table, and the last words.
pub const CLOSING: Duration = Duration::from_millis(700);

/// What the log line and the answer to Lambda need.
pub const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long an invocation, or a part of it, may go on.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// That much time from now on.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The same deadline, but earlier, so that something remains for what comes afterwards.
    #[must_use]
    pub fn before(self, reserve: Duration) -> Self {
        Self(self.0.checked_sub(reserve).unwrap_or(self.0))
    }

    /// What is left.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// How a service is called.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// The most attempts.
    pub number: u32,
    /// The longest that one attempt may take; the deadline may cut it shorter.
    pub each: Duration,
    /// Less time than this is not worth an attempt.
    pub least: Duration,
    /// Whether the call may be repeated although nobody knows whether it was done. Never true of a send.
    pub repeatable: bool,
}

/// The pause before the second attempt, at most; it doubles with every further one.
///
/// Short, because what most often fails is one request of many, and a user is waiting for the code.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A share of a pause, from 0 to 255: half of every pause is left to chance, so that callers who were refused
/// together do not come back together.
pub type Jitter = fn() -> u8;

/// The system's random numbers.
#[must_use]
pub fn random() -> u8 {
    let mut byte = [0];
    // Without random numbers the pauses are merely equal.
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    byte
}

impl Attempts {
    /// Calls until it works, cannot work, or the time is up. An attempt that hangs is cut off.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn call<T>(
        &self,
        service: crate::aws::Service,
        deadline: Deadline,
        jitter: Jitter,
        mut attempt: impl AsyncFnMut() -> Result<T, CallFailure>,
    ) -> Result<T, CallFailure> {
        let mut pause = FIRST_PAUSE;
        let mut number = 1;
        // A call that is cut off as soon as it has begun may have been done all the same.
        if deadline.left() < self.least {
            return Err(CallFailure::no_time(service));
        }
        loop {
            let limit = self.each.min(deadline.left());
            let failure = match timeout(limit, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(failure)) => failure,
                Err(_) => CallFailure::timeout(service),
            };
            let again = match failure.class {
                FailureClass::Transient => true,
                FailureClass::Ambiguous => self.repeatable,
                FailureClass::Recipient | FailureClass::Configuration => false,
            };
            let jittered = pause / 2 + (pause / 2) * u32::from(jitter()) / 255;
            if !again || number >= self.number || deadline.left() < jittered + self.least {
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

    use super::*;
    use crate::aws::Service;

    const KMS: Attempts = crate::kms::ATTEMPTS;
    const STORE: Attempts = crate::store::ATTEMPTS;
    const SEND: Attempts = crate::delivery::SEND;

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
        attempts: Attempts,
        time_left: Duration,
        jitter: Jitter,
        does: &[Does],
    ) -> (Vec<u128>, u128, Result<(), FailureClass>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let begun = RefCell::new(Vec::new());
            let result = attempts
                .call(Service::Kms, Deadline::after(time_left), jitter, async || {
                    let index = begun.borrow().len();
                    begun.borrow_mut().push(start.elapsed().as_millis());
                    match does.get(index).copied().unwrap_or(Hangs) {
                        Answers => Ok(()),
                        Refuses(class) => Err(CallFailure { class, ..CallFailure::timeout(Service::Kms) }),
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
        for attempts in [KMS, STORE, SEND] {
            let (begun, end, result) = schedule(attempts, FIVE_SECONDS, most, &[Refuses(Transient), Answers]);
            assert_eq!((begun, end, result), (vec![0, 100], 100, Ok(())));
            let (begun, ..) = schedule(attempts, FIVE_SECONDS, least, &[Refuses(Transient), Answers]);
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
        for attempts in [KMS, STORE, SEND] {
            for time_left in [0, 1, 50, 120, 700, 1_000, 2_500, 5_000, 15_000].map(Duration::from_millis) {
                for does in [&[Refuses(Transient); 9][..], &[], &[Refuses(Transient), Hangs]] {
                    let (_, end, result) = schedule(attempts, time_left, most, does);
                    assert!(result.is_err());
                    // The clock of the runtime goes in steps of a millisecond.
                    assert!(end <= time_left.as_millis() + 1, "{attempts:?} {time_left:?}: {end}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_begun_that_could_only_be_cut_off() {
        for attempts in [KMS, STORE, SEND] {
            for time_left in [Duration::ZERO, attempts.least.saturating_sub(Duration::from_millis(1))] {
                let (begun, end, result) = schedule(attempts, time_left, least, &[Answers]);
                assert_eq!((begun, end, result), (vec![], 0, Err(Transient)), "{attempts:?}");
            }
            let (begun, _, result) = schedule(attempts, attempts.least, least, &[Answers]);
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
            for attempts in [KMS, STORE, SEND] {
                let (begun, end, result) =
                    schedule(attempts, FIVE_SECONDS, least, &[Refuses(class), Answers]);
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
