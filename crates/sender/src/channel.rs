//! A channel: where messages go, such as email through SES or SMS through SNS.
//!
//! A function implements [`Channel`], and [`crate::delivery::Delivery`] does the rest: it reads the event, decrypts
//! the code, keeps the delivery record, retries within the deadline, logs and counts.

use std::time::Duration;

use client::aws::Service;
use client::time::Deadline;
use shared::dry_run::Preview;
use shared::event::EventError;
use shared::message::{Content, Messages, RenderError};
use shared::outcome::FailureClass;
use shared::phone::Country;
use shared::policy::RecipientPolicy;
use shared::sms_limits::SmsLimit;
use shared::trigger::{MessageKind, Trigger};

use crate::errors::ServiceError;
use crate::job::Job;
use crate::record::Millis;
use crate::retry::{RetryPolicy, random};

/// Where messages go. The methods are called in this order, each at most once per event.
pub trait Channel {
    /// A recipient that the channel can send to.
    type Recipient;

    /// A finished message with its recipient.
    type Message;

    /// The channel's name in the keys of the delivery records of invitations.
    const NAME: &'static str;

    /// The noun for one message in the log: "an SMS".
    const NOUN: &'static str;

    /// The Lambda trigger whose events the channel handles.
    const TRIGGER: Trigger;

    /// The user attribute that holds the recipient: `email`, `phone_number`.
    const ATTRIBUTE: &'static str;

    /// Parses the recipient from the value of [`Self::ATTRIBUTE`], and checks that the settings allow it.
    ///
    /// # Errors
    /// If the channel can't send to the recipient, or the settings forbid it.
    fn recipient(&self, job: &Job, contact: &str) -> Result<Self::Recipient, Rejected>;

    /// Renders the message. If a template override failed and the built-in text is used, its error is returned too.
    ///
    /// # Errors
    /// If a built-in template fails to render.
    fn render(
        &self,
        messages: &Messages,
        job: &Job,
        recipient: Self::Recipient,
        content: Content<'_>,
    ) -> Result<(Self::Message, Option<RenderError>), RenderError>;

    /// The facts about the message for the log line.
    fn describe(&self, _message: &Self::Message) -> MessageFacts {
        MessageFacts::default()
    }

    /// The preview of the message for a dry run, without code and recipient.
    fn preview(&self, message: &Self::Message) -> Preview;

    /// Counts the message against the channel's limits, at this time. Not called again for a message that was admitted
    /// before.
    fn admit(
        &self,
        _message: &Self::Message,
        _at: Millis,
        _deadline: Deadline,
    ) -> impl Future<Output = Admission> {
        std::future::ready(Admission::Admitted)
    }

    /// Takes back what [`Self::admit`] counted at that time, because the provider rejected the recipient.
    fn withdraw(
        &self,
        _message: &Self::Message,
        _at: Millis,
        _deadline: Deadline,
    ) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Sends the message, usually with [`send_with_fallback`].
    fn send(
        &self,
        message: &Self::Message,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Accepted, ServiceError>>;
}

/// Why a channel doesn't send to a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// An attribute is missing or has the wrong type.
    Malformed(EventError),
    /// The settings forbid the recipient, or it isn't an address or number: with the reason in one sentence.
    Blocked(String),
}

impl Rejected {
    /// Checks that a user with this email address may get a message of this kind.
    ///
    /// # Errors
    /// If not.
    pub fn check_address(policy: &RecipientPolicy, kind: MessageKind, address: &str) -> Result<(), Self> {
        policy.refusal(kind, address).map_or(Ok(()), |reason| Err(Self::Blocked(reason.to_owned())))
    }
}

/// The facts about a message for the log line.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageFacts {
    /// The recipient's country.
    pub country: Option<Country>,
    /// The number of SMS parts of the text.
    pub sms_parts: Option<usize>,
}

/// Whether a message may be sent.
#[derive(Debug)]
pub enum Admission {
    /// It may be sent.
    Admitted,
    /// It may be sent, although the counters could not be updated.
    Uncounted(ServiceError),
    /// A limit is reached.
    Blocked(SmsLimit),
    /// The counters can't be updated, and the process has reached its limit of uncounted messages.
    CapReached(Option<ServiceError>),
}

/// A message that a service accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The service's id of the message.
    pub message_id: String,
    /// Why the first route failed, if the second one accepted the message.
    pub fallback: Option<ServiceError>,
}

/// The retry policy of a send. Only the invocation's deadline limits an attempt, because an attempt that is cut off
/// may have sent the message.
pub const SEND: RetryPolicy = RetryPolicy {
    max_attempts: 5,
    attempt_timeout: Duration::from_mins(15),
    min_time_left: Duration::from_millis(200),
    idempotent: false,
};

/// The retry policy of a route that isn't the last one.
const SEND_BEFORE_FALLBACK: RetryPolicy = RetryPolicy { max_attempts: 2, ..SEND };

/// Sends a message by the first route that accepts it.
///
/// The next route is tried only if the previous one certainly sent nothing, and not if the recipient was rejected.
///
/// # Errors
/// The error of the last route that was tried.
pub async fn send_with_fallback<R>(
    routes: &[R],
    deadline: Deadline,
    send: impl AsyncFn(&R) -> Result<String, ServiceError>,
    service: Service,
) -> Result<Accepted, ServiceError> {
    let mut fallback = None;
    let mut result = Err(ServiceError::invalid_request(service));
    for (index, route) in routes.iter().enumerate() {
        let last = index.saturating_add(1) == routes.len();
        let policy = if last { SEND } else { SEND_BEFORE_FALLBACK };
        result = policy.call(service, deadline, random, async || send(route).await).await;
        match &result {
            Err(error)
                if error.class == FailureClass::Transient || error.class == FailureClass::Configuration =>
            {
                fallback = Some(error.clone());
            }
            _ => break,
        }
    }
    // With one route, or if all have failed, no route replaced another.
    result.map(|message_id| Accepted { message_id, fallback })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Which of two routes are tried if the first one fails in that way, and whether the message was accepted.
    fn routes_tried(class: FailureClass, code: &str) -> (Vec<u8>, bool) {
        let error = ServiceError { service: Service::SesV2, code: code.to_owned(), class, remedy: "" };
        let tried = RefCell::new(Vec::new());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let accepted = runtime.block_on(send_with_fallback(
            &[1_u8, 2],
            Deadline::after(Duration::from_secs(15)),
            async |route: &u8| {
                tried.borrow_mut().push(*route);
                if *route == 1 { Err(error.clone()) } else { Ok("id".to_owned()) }
            },
            Service::SesV2,
        ));
        if let Ok(accepted) = &accepted {
            assert_eq!(accepted.fallback.as_ref(), Some(&error), "the report says why");
        }
        (tried.into_inner(), accepted.is_ok())
    }

    #[test]
    fn the_second_route_is_tried_if_the_first_one_certainly_sent_nothing() {
        assert_eq!(routes_tried(FailureClass::Configuration, "SendingPausedException"), (vec![1, 2], true));
        // Also if no connection was made: that is how a Region fails that is down.
        assert_eq!(routes_tried(FailureClass::Transient, "no connection"), (vec![1, 1, 2], true));
    }

    #[test]
    fn the_second_route_is_not_tried_if_the_first_one_may_have_sent_or_never_will() {
        assert_eq!(routes_tried(FailureClass::Ambiguous, "timeout"), (vec![1], false));
        assert_eq!(routes_tried(FailureClass::Recipient, "BadRequestException"), (vec![1], false));
    }
}
