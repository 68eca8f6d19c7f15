//! The way of one message from its event to the service, which both senders go alike.
//!
//! ```text
//! claim ──┐
//!         ├─► expired? ─► write ─► admitted? ─► send ─► settle or release ─► one line in the log, one of metrics
//! decrypt ┘
//! ```
//! The record is claimed while KMS decrypts. Whatever goes wrong with the record, the message goes out: a duplicate
//! beats a loss. Nothing is sent twice knowingly, and nothing ends well that was not settled or cannot be.

use std::time::{Duration, Instant};

use runtime::metrics::Metrics;
use runtime::{Failure, Invocation};
use serde_json::Value;
use serde_json::value::RawValue;
use shared::config::Settings;
use shared::event::Event;
use shared::message::{Content, Messages, RenderError};
use shared::outcome::FailureClass;
use shared::pumping::LimitName;
use shared::trigger::{MessageKind, Trigger};
use tokio::join;

use crate::dry_run::DRY_RUN;
use crate::errors::CallFailure;
use crate::job::{Job, Task};
use crate::kms::Decryptor;
use crate::record::{Before, Claim, End, MessageKey, lease};
use crate::report::{Outcome, Record, Report};
use crate::store::{Owner, Store, millis, now};
use crate::time::{Attempts, CLOSING, Deadline, LAST_WORDS, random};

/// How a message is sent. An answer may take as long as the invocation has time: who is cut off may have sent.
pub const SEND: Attempts = Attempts {
    number: 5,
    each: Duration::from_mins(15),
    least: Duration::from_millis(200),
    repeatable: false,
};

/// How a message is sent by a route that is not the last one.
const SEND_BEFORE_FALLBACK: Attempts = Attempts { number: 2, ..SEND };

/// What decrypting and counting leave for the sending, at least.
const KEPT_FOR_SENDING: Duration = Duration::from_secs(1);

/// Where messages go, and what is particular about it.
pub trait Channel {
    /// A finished message.
    type Message;

    /// Its name in the keys of records.
    const NAME: &'static str;

    /// Writes the message.
    ///
    /// # Errors
    /// When a built-in template does not render.
    fn write(&self, content: Content<'_>) -> Result<(Self::Message, Option<RenderError>), RenderError>;

    /// Tells the report what is particular about the message.
    fn describe(&self, _message: &Self::Message, _report: &mut Report<'_>) {}

    /// What a dry run tells of the message and its way: no code, no recipient.
    fn preview(&self, message: &Self::Message) -> Value;

    /// Whether the message may go out; asked once for each message.
    fn admit(&self, _message: &Self::Message, _deadline: Deadline) -> impl Future<Output = Admission> {
        std::future::ready(Admission::Admitted)
    }

    /// Hands the message to the service.
    fn send(
        &self,
        message: &Self::Message,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Taken, CallFailure>>;
}

/// Whether a message may go out.
#[derive(Debug)]
pub enum Admission {
    /// It may.
    Admitted,
    /// It may, although the counters could not be asked.
    Uncounted(CallFailure),
    /// A limit is reached.
    Blocked(LimitName),
    /// The counters cannot be asked, and what one process may send without them is used up.
    CapReached(Option<CallFailure>),
}

/// A message that a service took.
#[derive(Debug)]
pub struct Taken {
    /// The service's id of the message.
    pub message_id: String,
    /// Why the first route did not take it, when the second one did.
    pub fallback: Option<CallFailure>,
}

/// Hands a message to the first route that takes it.
///
/// The next route is asked only after a failure that proves that the last one sent nothing, and that is not the
/// recipient's.
///
/// # Errors
/// The last asked route's.
pub async fn first_to_take<R>(
    routes: &[R],
    deadline: Deadline,
    send: impl AsyncFn(&R) -> Result<String, CallFailure>,
    service: crate::aws::Service,
) -> Result<Taken, CallFailure> {
    let mut fallback = None;
    let mut result = Err(CallFailure::unbuildable(service));
    for (index, route) in routes.iter().enumerate() {
        let last = index.saturating_add(1) == routes.len();
        let attempts = if last { SEND } else { SEND_BEFORE_FALLBACK };
        result = attempts.call(service, deadline, random, async || send(route).await).await;
        match &result {
            Err(failure)
                if failure.class == FailureClass::Transient
                    || failure.class == FailureClass::Configuration =>
            {
                fallback = Some(failure.clone());
            }
            _ => break,
        }
    }
    // With one route, or when all have failed, there is nothing that stood in for another.
    result.map(|message_id| Taken { message_id, fallback })
}

/// The table of a deployment, as far as it is used.
#[derive(Clone, Debug)]
pub struct Tables {
    /// For the delivery records, unless they are switched off.
    pub records: Option<String>,
    /// For the counters of the SMS guard, which nothing switches off.
    pub counters: Option<String>,
}

impl Tables {
    /// Reads `DELIVERY_TABLE` and `DELIVERY_RECORDS`, noting what is wrong with them.
    #[must_use]
    pub fn read(settings: &Settings<'_>) -> Option<Self> {
        let table = settings.optional("DELIVERY_TABLE", |text| {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if (3..=255).contains(&text.len()) && text.bytes().all(valid) {
                Ok(text.to_owned())
            } else {
                Err("is not the name of a table: 3 to 255 letters, digits, `_`, `.` and `-`")
            }
        });
        let wanted = settings.flag("DELIVERY_RECORDS", matches!(table, Some(Some(_))));
        let (table, wanted) = (table?, wanted?);
        if wanted && table.is_none() {
            settings.problem("DELIVERY_RECORDS", "is `true`, but DELIVERY_TABLE is not set");
            return None;
        }
        Some(Self { records: table.clone().filter(|_| wanted), counters: table })
    }
}

/// What both senders need besides their service.
#[derive(Debug)]
pub struct Delivery {
    /// Decrypts the codes.
    pub decryptor: Decryptor,
    /// Keeps the delivery records, unless they are switched off.
    pub records: Option<Store>,
    /// Where metrics go.
    pub metrics: Metrics,
    /// How long codes are valid.
    pub validity: Validity,
}

/// How long codes are valid.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    sign_in: Duration,
}

impl Validity {
    /// Reads `SIGN_IN_CODE_MINUTES`, noting what is wrong with it.
    ///
    /// The session in which a sign-in code is valid lasts 3 to 15 minutes, as the app client says; the function does
    /// not know that, so it takes the longest where it is not told.
    /// Source: "Quotas in Amazon Cognito", Amazon Cognito developer guide.
    #[must_use]
    pub fn read(settings: &Settings<'_>) -> Option<Self> {
        let minutes = settings.optional("SIGN_IN_CODE_MINUTES", |text| match text.parse() {
            Ok(minutes @ 3..=15) => Ok(minutes),
            _ => Err("is not a number of minutes from 3 to 15"),
        })?;
        Some(Self { sign_in: Duration::from_mins(minutes.unwrap_or(15)) })
    }

    /// How long a message of this kind is of use at most; `None` where the pool's settings alone know.
    #[must_use]
    pub fn of(self, kind: MessageKind) -> Option<Duration> {
        if kind == MessageKind::Authentication { Some(self.sign_in) } else { kind.validity() }
    }
}

/// The claim of an invocation, by which it settles or releases.
struct Hold<'a> {
    store: &'a Store,
    key: MessageKey,
    owner: Owner,
    /// Whether the claim was confirmed.
    certain: bool,
}

impl Delivery {
    /// Handles one event: `send` is called if it asks for a message. A dry run has an answer.
    ///
    /// # Errors
    /// When the event is malformed, or the message was not sent for a reason that is not the recipient's.
    pub async fn handle(
        &self,
        trigger: Trigger,
        messages: &Messages,
        invocation: &Invocation,
        send: impl AsyncFnOnce(&Job, &mut Report<'_>) -> Outcome,
    ) -> Result<Option<Box<RawValue>>, Failure> {
        let id = &invocation.request_id;
        let event = Event::parse(&invocation.event);
        let dry_run = match event.as_ref().map_or(Ok(false), |event| event.flag(DRY_RUN)) {
            Ok(dry_run) => dry_run,
            // Whoever writes that means a dry run: to take it for none could send a message.
            Err(error) => {
                return Report::new(id, None).end(&Outcome::Malformed(error), &self.metrics).map(|()| None);
            }
        };
        let default_locale = messages.settings().default_locale;
        let task = event.and_then(|event| Task::read(trigger, &event, default_locale));
        let job = match &task {
            Ok(Task::Send(job)) => Some(&**job),
            _ => None,
        };
        let mut report = Report { dry_run, ..Report::new(id, job) };
        let outcome = match &task {
            Err(error) => Outcome::Malformed(error.clone()),
            Ok(Task::Nothing(reason)) => Outcome::Nothing(reason.clone()),
            // On the heap, because the compiler gives up on futures as deeply nested as the SDK's are here.
            Ok(Task::Send(job)) => Box::pin(send(job, &mut report)).await,
        };
        if dry_run {
            return Ok(report.end_dry_run(&outcome, self.decryptor.key(), messages));
        }
        report.end(&outcome, &self.metrics).map(|()| None)
    }

    /// Delivers a message and tells the report how that went. `contact` is what an invited user may sign in with.
    ///
    /// A dry run ends where the message is written: it claims nothing, counts nothing and sends nothing.
    pub async fn deliver<C: Channel>(
        &self,
        job: &Job,
        contact: &str,
        channel: &C,
        invocation: &Invocation,
        report: &mut Report<'_>,
    ) -> Outcome {
        let time_left = invocation.time_left;
        let end = Deadline::after(time_left);
        let deadline = end.before(CLOSING);
        let ciphertext = match job.ciphertext() {
            Ok(ciphertext) => ciphertext,
            Err(error) => return Outcome::decryption(&error),
        };
        let records = self.records.as_ref().filter(|_| !report.dry_run);
        let mut hold = records.map(|store| Hold {
            store,
            key: MessageKey::of(C::NAME, &ciphertext),
            owner: Owner::new(&invocation.request_id),
            certain: true,
        });
        let start = Instant::now();
        let claim = async {
            let hold = hold.as_ref()?;
            Some(hold.store.claim(&hold.key, &hold.owner, now(), lease(time_left), deadline).await)
        };
        let decrypt = async {
            let until = deadline.before(KEPT_FOR_SENDING);
            let code = self.decryptor.decrypt(ciphertext, &job.user_pool_id, until).await;
            (code, start.elapsed())
        };
        let (claim, (code, decrypted)) = join!(claim, decrypt);
        report.decrypted = Some(decrypted);
        // What was admitted once is not counted again because it is tried again: at the limit it would stop itself,
        // and be lost.
        let mut admitted = false;
        match claim {
            None => {}
            Some(Ok(Claim::Done)) => return Outcome::Duplicate,
            Some(Ok(Claim::Busy)) => return Outcome::InProgress,
            Some(Ok(Claim::Held { before, first_claimed })) => {
                admitted = matches!(before, Before::Released | Before::Unknown);
                report.record = Record::Held(before);
                let age = now().saturating_sub(first_claimed);
                if self.validity.of(job.kind).is_some_and(|validity| age > millis(validity)) {
                    let outcome = Outcome::Expired;
                    close(hold.as_ref(), &outcome, admitted, end.before(LAST_WORDS), report).await;
                    return outcome;
                }
            }
            Some(Err(failure)) => {
                report.record = Record::Unavailable(failure);
                if let Some(hold) = &mut hold {
                    hold.certain = false;
                }
            }
        }
        let outcome = match code {
            Err(error) => Outcome::decryption(&error),
            Ok(code) => {
                let code = job.clear_code(code);
                let name = job.sign_in_name(contact);
                let start = Instant::now();
                let written = channel.write(job.content(&code, &name));
                report.rendered = Some(start.elapsed());
                match written {
                    Err(error) => Outcome::rendering(&error),
                    Ok((message, problem)) => {
                        channel.describe(&message, report);
                        report.template_problem = problem.map(|problem| problem.to_string());
                        if report.dry_run {
                            report.preview = Some(channel.preview(&message));
                            return Outcome::Rehearsed;
                        }
                        send(channel, &message, &mut admitted, deadline, report).await
                    }
                }
            }
        };
        close(hold.as_ref(), &outcome, admitted, end.before(LAST_WORDS), report).await;
        outcome
    }
}

async fn send<C: Channel>(
    channel: &C,
    message: &C::Message,
    admitted: &mut bool,
    deadline: Deadline,
    report: &mut Report<'_>,
) -> Outcome {
    if !*admitted {
        match channel.admit(message, deadline.before(KEPT_FOR_SENDING)).await {
            Admission::Admitted => {}
            Admission::Uncounted(failure) => report.record = Record::Unavailable(failure),
            Admission::Blocked(limit) => return Outcome::Pumping(limit),
            Admission::CapReached(failure) => {
                if let Some(failure) = failure {
                    report.record = Record::Unavailable(failure);
                }
                return Outcome::uncounted();
            }
        }
        *admitted = true;
    }
    let start = Instant::now();
    let sent = channel.send(message, deadline).await;
    report.sent = Some(start.elapsed());
    match sent {
        Ok(taken) => {
            report.fallback = taken.fallback;
            Outcome::Sent { message_id: shown_id(taken.message_id) }
        }
        Err(failure) if failure.class == FailureClass::Recipient => Outcome::Recipient(failure),
        Err(failure) => Outcome::sending(&failure),
    }
}

/// Brings the record up to date with how the invocation ends.
async fn close(
    hold: Option<&Hold<'_>>,
    outcome: &Outcome,
    admitted: bool,
    deadline: Deadline,
    report: &mut Report<'_>,
) {
    let Some(hold) = hold else { return };
    let settled = match outcome {
        Outcome::Sent { message_id } => Some((End::Sent, message_id.as_str())),
        Outcome::Recipient(_) => Some((End::Recipient, "")),
        Outcome::Expired => Some((End::Expired, "")),
        Outcome::Pumping(_) => Some((End::Blocked, "")),
        _ => None,
    };
    let closed = if let Some((end, message_id)) = settled {
        hold.store.settle(&hold.key, end, message_id, now(), deadline).await
    } else if outcome.may_have_sent() || !hold.certain {
        // The lease keeps others away until it ends. A claim that nobody confirmed does the same, if it was made.
        Ok(())
    } else {
        hold.store.release(&hold.key, &hold.owner, admitted, deadline).await
    };
    if let Err(failure) = closed {
        report.record = Record::Unavailable(failure);
    }
}

/// A message's id goes into the log and the record: what is none in a broken answer does not.
fn shown_id(id: String) -> String {
    let plain = id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain { id } else { String::new() }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::aws::Service;

    /// Which of two routes are asked when the first one fails in that way, and whether the message was taken.
    fn routes_asked(class: FailureClass, code: &str) -> (Vec<u8>, bool) {
        let failure = CallFailure { service: Service::SesV2, code: code.to_owned(), class, remedy: "" };
        let asked = RefCell::new(Vec::new());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let taken = runtime.block_on(first_to_take(
            &[1_u8, 2],
            Deadline::after(Duration::from_secs(15)),
            async |route: &u8| {
                asked.borrow_mut().push(*route);
                if *route == 1 { Err(failure.clone()) } else { Ok("id".to_owned()) }
            },
            Service::SesV2,
        ));
        if let Ok(taken) = &taken {
            assert_eq!(taken.fallback.as_ref(), Some(&failure), "the report says why");
        }
        (asked.into_inner(), taken.is_ok())
    }

    #[test]
    fn the_second_route_is_asked_when_the_first_one_has_certainly_sent_nothing() {
        assert_eq!(routes_asked(FailureClass::Configuration, "SendingPausedException"), (vec![1, 2], true));
        // Also where no connection was made, which is what a region that is down looks like.
        assert_eq!(routes_asked(FailureClass::Transient, "no connection"), (vec![1, 1, 2], true));
    }

    #[test]
    fn the_second_route_is_not_asked_when_the_first_one_may_have_sent_or_never_will() {
        assert_eq!(routes_asked(FailureClass::Ambiguous, "timeout"), (vec![1], false));
        assert_eq!(routes_asked(FailureClass::Recipient, "BadRequestException"), (vec![1], false));
    }
}
