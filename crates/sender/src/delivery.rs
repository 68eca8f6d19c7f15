//! The path of a message from its event to the service, the same for every channel.
//!
//! ```text
//! read ─► recipient ─► claim ∥ decrypt ─► expired? ─► render ─► admit ─► send ─► settle or release ─► log, metrics
//! ```
//! The record is claimed while KMS decrypts, except for an invitation, whose record depends on its password. If the
//! record fails, the message is sent anyway: a duplicate is better than a lost message. No message is knowingly sent
//! twice, and an invocation succeeds only if the message is settled or can't be sent.

use std::time::Instant;

use client::time::Deadline;
use runtime::metrics::Metrics;
use runtime::{Failure, Invocation};
use serde_json::value::RawValue;
use shared::dry_run::is_requested;
use shared::event::Event;
use shared::message::Messages;
use shared::outcome::FailureClass;
use shared::recipient::RecipientHasher;
use shared::settings::sender::Validity;
use shared::trigger::MessageKind;
use tokio::join;

use crate::channel::{Accepted, Admission, Channel};
use crate::dry_run;
use crate::errors::ServiceError;
use crate::job::{Job, Task};
use crate::kms::Decryptor;
use crate::record::{ClaimResult, FinalState, MessageKey, PriorAttempt, lease};
use crate::report::{DeliveryOutcome, DeliveryReport, Facts, Record};
use crate::retry::{LOG_RESERVE, SEND_RESERVE, SETTLE_RESERVE};
use crate::store::{Owner, Store, millis, now};

/// A channel with everything that delivers its messages, built once per process.
#[derive(Debug)]
pub struct Delivery<C> {
    /// Where messages go.
    pub channel: C,
    /// The texts of the messages.
    pub messages: Messages,
    /// Decrypts the codes.
    pub decryptor: Decryptor,
    /// Keeps the delivery records, unless they are switched off.
    pub records: Option<Store>,
    /// How long codes are valid.
    pub validity: Validity,
    /// Hashes recipients for the log.
    pub hasher: RecipientHasher,
    /// Writes the metrics.
    pub metrics: Metrics,
}

/// The claim of an invocation on a message, with which it settles or releases the message.
struct Claim<'a> {
    store: &'a Store,
    key: MessageKey,
    owner: Owner,
}

impl<C: Channel> Delivery<C> {
    /// Handles one event and returns it, because Cognito ignores the response. A dry run has its own response.
    ///
    /// # Errors
    /// If the event is malformed, or the message wasn't sent for a reason that a retry or an operator can fix.
    pub async fn handle(&self, invocation: Invocation) -> Result<Box<RawValue>, Failure> {
        let facts = |job, dry_run| Facts::new(&invocation.request_id, C::NOUN, job, dry_run);
        let event = Event::parse(&invocation.event);
        // An event with a malformed `dryRun` counts as a dry run, because it must not send a message.
        let dry_run = match event.as_ref().map_or(Ok(false), is_requested) {
            Ok(dry_run) => dry_run,
            Err(error) => {
                facts(None, false).ended(DeliveryOutcome::Malformed(error)).finish(&self.metrics)?;
                return Ok(invocation.event);
            }
        };
        let default_locale = self.messages.settings().default_locale;
        let task = event.and_then(|event| Task::read(C::TRIGGER, &event, default_locale));
        let report = match &task {
            Err(error) => facts(None, dry_run).ended(DeliveryOutcome::Malformed(error.clone())),
            Ok(Task::Nothing(reason)) => facts(None, dry_run).ended(DeliveryOutcome::Nothing(reason.clone())),
            // On the heap, because the compiler can't handle futures as deeply nested as the SDK's.
            Ok(Task::Send(job)) => Box::pin(self.deliver(job, &invocation, facts(Some(job), dry_run))).await,
        };
        if dry_run {
            report.finish_dry_run();
            let answer = dry_run::answer(report, self.decryptor.key(), &self.messages);
            return Ok(answer.unwrap_or(invocation.event));
        }
        report.finish(&self.metrics)?;
        Ok(invocation.event)
    }

    /// Delivers a message. A dry run ends when the message is rendered: it claims, counts and sends nothing.
    #[expect(
        clippy::too_many_lines,
        reason = "the path of a message reads from top to bottom, as docs/architecture.md draws it"
    )]
    async fn deliver<'a>(
        &self,
        job: &Job,
        invocation: &Invocation,
        mut facts: Facts<'a>,
    ) -> DeliveryReport<'a> {
        let time_left = invocation.time_left;
        let end = Deadline::after(time_left);
        let deadline = end.before(SETTLE_RESERVE);

        // The recipient.
        let contact = match job.contact(C::ATTRIBUTE) {
            Ok(contact) => contact,
            Err(error) => return facts.ended(DeliveryOutcome::Malformed(error)),
        };
        facts.recipient = Some(self.hasher.hash(&contact));
        let recipient = match self.channel.recipient(job, &contact) {
            Ok(recipient) => recipient,
            Err(rejected) => return facts.ended(rejected.into()),
        };

        // The claim, while KMS decrypts.
        let envelope = match job.envelope() {
            Ok(envelope) => envelope,
            Err(error) => return facts.ended(DeliveryOutcome::decryption(&error)),
        };
        let records = self.records.as_ref().filter(|_| !facts.dry_run);
        let claim = async |key| {
            let claim = Claim { store: records?, key, owner: Owner::new(&invocation.request_id) };
            let result = claim.store.claim(&claim.key, &claim.owner, now(), lease(time_left), deadline).await;
            Some((claim, result))
        };
        let start = Instant::now();
        let decrypting = async {
            let until = deadline.before(SEND_RESERVE);
            let code = self.decryptor.decrypt(&envelope, &job.user_pool_id, until).await;
            (code, start.elapsed())
        };
        let (claimed, (code, decrypt_time)) = if job.kind == MessageKind::AdminCreateUser {
            let (code, decrypt_time) = decrypting.await;
            let key = match &code {
                // It may be a code that was sent: an attacker can have changed the trigger source to an invitation.
                Ok(code) if code.is_digits() => MessageKey::of_code(envelope.signed()),
                _ => MessageKey::of_password(envelope.signed(), C::NAME),
            };
            (claim(key).await, (code, decrypt_time))
        } else {
            join!(claim(MessageKey::of_code(envelope.signed())), decrypting)
        };
        facts.decrypt_time = Some(decrypt_time);
        // A message that was admitted once is not counted again on a retry: at the limit, it would block itself and
        // be lost.
        let mut admitted = false;
        let mut age = 0;
        match &claimed {
            None => {}
            Some((_, Ok(ClaimResult::Done))) => return facts.ended(DeliveryOutcome::Duplicate),
            Some((_, Ok(ClaimResult::Busy))) => return facts.ended(DeliveryOutcome::InProgress),
            Some((_, Ok(ClaimResult::Held { before, first_claimed }))) => {
                admitted = matches!(before, PriorAttempt::Released | PriorAttempt::Unknown);
                age = now().saturating_sub(*first_claimed);
                facts.record = Record::Held(*before);
            }
            Some((_, Err(error))) => {
                facts.record = Record::Unavailable;
                facts.record_error = Some(error.clone());
            }
        }

        let outcome = 'outcome: {
            if self.validity.of(job.kind).is_some_and(|validity| age > millis(validity)) {
                break 'outcome DeliveryOutcome::Expired;
            }
            let code = match code.and_then(|code| job.clear_code(code)) {
                Ok(code) => code,
                Err(error) => break 'outcome DeliveryOutcome::decryption(&error),
            };

            // The message.
            let name = job.sign_in_name(&contact);
            let start = Instant::now();
            let rendered = self.channel.render(&self.messages, job, recipient, job.content(&code, &name));
            facts.render_time = Some(start.elapsed());
            let message = match rendered {
                Ok((message, problem)) => {
                    facts.template_problem = problem.map(|problem| problem.to_string());
                    message
                }
                Err(error) => break 'outcome DeliveryOutcome::rendering(&error),
            };
            facts.message = self.channel.describe(&message);
            if facts.dry_run {
                facts.preview = Some(self.channel.preview(&message));
                break 'outcome DeliveryOutcome::DryRun;
            }

            // The limits.
            let mut counted_at = None;
            if !admitted {
                let at = now();
                match self.channel.admit(&message, at, deadline.before(SEND_RESERVE)).await {
                    Admission::Admitted => counted_at = Some(at),
                    Admission::Uncounted(error) => facts.counter_error = Some(error),
                    Admission::Blocked(limit) => break 'outcome DeliveryOutcome::SmsLimit(limit),
                    Admission::CapReached(error) => {
                        facts.counter_error = error;
                        break 'outcome DeliveryOutcome::uncounted();
                    }
                }
                admitted = true;
            }

            // The send.
            let start = Instant::now();
            let sent = self.channel.send(&message, deadline).await;
            facts.send_time = Some(start.elapsed());
            match sent {
                Ok(Accepted { message_id, fallback }) => {
                    facts.fallback = fallback;
                    DeliveryOutcome::Sent { message_id: shown_id(message_id) }
                }
                Err(error) if error.class == FailureClass::Recipient => {
                    if let Some(at) = counted_at {
                        self.channel.withdraw(&message, at, deadline).await;
                    }
                    DeliveryOutcome::Recipient(error)
                }
                Err(error) => DeliveryOutcome::sending(&error),
            }
        };

        if let Some((claim, _)) = claimed {
            let confirmed = matches!(facts.record, Record::Held(_));
            if let Err(error) = claim.close(&outcome, confirmed, admitted, end.before(LOG_RESERVE)).await {
                facts.record_error.get_or_insert(error);
            }
        }
        facts.ended(outcome)
    }
}

impl Claim<'_> {
    /// Settles or releases the message, as the invocation ends.
    async fn close(
        &self,
        outcome: &DeliveryOutcome,
        confirmed: bool,
        admitted: bool,
        deadline: Deadline,
    ) -> Result<(), ServiceError> {
        let settled = match outcome {
            DeliveryOutcome::Sent { message_id } => Some((FinalState::Sent, message_id.as_str())),
            DeliveryOutcome::Recipient(_) => Some((FinalState::Recipient, "")),
            DeliveryOutcome::Expired => Some((FinalState::Expired, "")),
            DeliveryOutcome::SmsLimit(_) => Some((FinalState::Blocked, "")),
            _ => None,
        };
        if let Some((state, message_id)) = settled {
            self.store.settle(&self.key, state, message_id, now(), deadline).await
        } else if outcome.may_have_sent() || !confirmed {
            // The claim stays until its lease ends, so that no other invocation sends the message. An unconfirmed
            // claim may also be in the table.
            Ok(())
        } else {
            self.store.release(&self.key, &self.owner, admitted, deadline).await
        }
    }
}

/// A message ID goes into the log and the record, so a malformed one from a broken response is dropped.
fn shown_id(id: String) -> String {
    let plain = id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain { id } else { String::new() }
}
