//! The end of an invocation: the response to Lambda, one log line, one line of metrics.
//!
//! The words are those of `shared::outcome`, because alarms, queries and the tool rely on them.

use std::time::Duration;

use runtime::Failure;
use runtime::metrics::{Metrics, milliseconds};
use shared::dry_run::Preview;
use shared::event::EventError;
use shared::message::RenderError;
use shared::metric::Metric;
use shared::outcome::{self as logged, ErrorType, FailureClass};
use shared::recipient::RecipientHash;
use shared::sms_limits::SmsLimit;

use crate::channel::{MessageFacts, Rejected};
use crate::errors::ServiceError;
use crate::job::{Job, Reason};
use crate::kms::DecryptError;
use crate::record::PriorAttempt;

/// How an invocation ended.
#[derive(Debug)]
pub enum DeliveryOutcome {
    /// The provider accepted the message.
    Sent {
        /// The provider's id of it.
        message_id: String,
    },
    /// An earlier invocation sent the message or settled it otherwise.
    Duplicate,
    /// The code is no longer valid.
    Expired,
    /// The settings forbid the message, or the recipient is invalid. Holds the reason.
    Blocked(String),
    /// A limit is reached.
    SmsLimit(SmsLimit),
    /// The provider rejected the recipient.
    Recipient(ServiceError),
    /// The event asks for no message.
    Nothing(Reason),
    /// A dry run of a message that would be sent.
    DryRun,
    /// Another invocation is sending the message.
    InProgress,
    /// The event lacks a field that the message needs.
    Malformed(EventError),
    /// The message was not sent for another reason.
    Failed {
        /// The stable name of the failure.
        error_type: ErrorType,
        /// Its class.
        class: FailureClass,
        /// One sentence, with the remedy if there is one.
        message: String,
    },
}

impl DeliveryOutcome {
    /// The code could not be decrypted.
    #[must_use]
    pub fn decryption(error: &DecryptError) -> Self {
        Self::Failed {
            error_type: ErrorType::DecryptionFailed,
            class: error.class(),
            message: error.to_string(),
        }
    }

    /// The provider didn't accept the message, or its response was lost.
    #[must_use]
    pub fn sending(failure: &ServiceError) -> Self {
        Self::Failed { error_type: ErrorType::SendFailed, class: failure.class, message: failure.to_string() }
    }

    /// A built-in template failed to render, which tests rule out.
    #[must_use]
    pub fn rendering(error: &RenderError) -> Self {
        let class = FailureClass::Configuration;
        Self::Failed { error_type: ErrorType::RenderFailed, class, message: error.to_string() }
    }

    /// The message can't be counted, and the process has sent as many as it may without counting.
    #[must_use]
    pub fn uncounted() -> Self {
        Self::Failed {
            error_type: ErrorType::GuardUnavailable,
            class: FailureClass::Transient,
            message: "DynamoDB can't count this SMS, and the process has reached its limit of uncounted SMS"
                .to_owned(),
        }
    }

    /// Whether the message may have been sent although the invocation fails.
    #[must_use]
    pub fn may_have_sent(&self) -> bool {
        matches!(self, Self::Failed { class: FailureClass::Ambiguous, .. })
    }

    /// The stable name of a failure.
    #[must_use]
    pub fn error_type(&self) -> Option<ErrorType> {
        match self {
            Self::InProgress => Some(ErrorType::DeliveryInProgress),
            Self::Malformed(_) => Some(ErrorType::MalformedEvent),
            Self::Failed { error_type, .. } => Some(*error_type),
            _ => None,
        }
    }

    /// The word that is logged.
    #[must_use]
    pub fn logged(&self) -> logged::Outcome {
        match self {
            Self::Sent { .. } => logged::Outcome::Sent,
            Self::Duplicate => logged::Outcome::Duplicate,
            Self::Expired => logged::Outcome::Expired,
            Self::Blocked(_) => logged::Outcome::Blocked,
            Self::SmsLimit(_) => logged::Outcome::SmsLimit,
            Self::Recipient(_) => logged::Outcome::Recipient,
            Self::Nothing(_) => logged::Outcome::NothingToSend,
            Self::DryRun => logged::Outcome::DryRun,
            Self::InProgress => logged::Outcome::InProgress,
            Self::Malformed(_) => logged::Outcome::Malformed,
            Self::Failed { .. } => logged::Outcome::Failed,
        }
    }

    /// The result for the message, in one sentence.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::Sent { .. } => "it was sent".to_owned(),
            Self::DryRun => "it could be sent".to_owned(),
            Self::Duplicate => "an earlier invocation handled it".to_owned(),
            Self::Expired => "its code has expired".to_owned(),
            Self::InProgress => "another invocation is sending this message".to_owned(),
            Self::Blocked(reason) => reason.clone(),
            Self::SmsLimit(limit) => limit.to_string(),
            Self::Recipient(failure) => failure.to_string(),
            Self::Nothing(reason) => reason.explain().to_owned(),
            Self::Malformed(error) => format!("malformed event: {error}"),
            Self::Failed { message, .. } => message.clone(),
        }
    }

    /// The metric to count. A dry run counts nothing.
    fn metric(&self) -> Option<Metric> {
        Some(match self {
            Self::DryRun => return None,
            Self::Sent { .. } => Metric::Sent,
            Self::Duplicate => Metric::Duplicate,
            Self::Expired => Metric::Expired,
            Self::Blocked(_) => Metric::Blocked,
            Self::SmsLimit(_) => Metric::PumpingBlocked,
            Self::Recipient(_) => Metric::RecipientFault,
            Self::Nothing(_) => Metric::NothingToSend,
            Self::InProgress => Metric::InProgress,
            Self::Malformed(_) => Metric::FailedMalformed,
            Self::Failed { class: FailureClass::Ambiguous, .. } => Metric::FailedAmbiguous,
            Self::Failed { class: FailureClass::Configuration, .. } => Metric::FailedConfiguration,
            Self::Failed { class: FailureClass::Transient | FailureClass::Recipient, .. } => {
                Metric::FailedTransient
            }
        })
    }
}

/// The result of the claim on the delivery record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Record {
    /// Records are switched off, or the invocation ended before the claim.
    #[default]
    NotClaimed,
    /// The invocation holds the message.
    Held(PriorAttempt),
    /// The claim failed: the message is sent without a record.
    Unavailable,
}

/// The facts of an invocation for its log line and metrics, in the order in which they become known.
pub struct Facts<'a> {
    /// Lambda's id of the invocation.
    pub id: &'a str,
    /// The noun for a message of the channel.
    pub noun: &'static str,
    /// The message to be sent.
    pub job: Option<&'a Job>,
    /// Whether the event requests a dry run.
    pub dry_run: bool,
    /// The recipient for the log.
    pub recipient: Option<RecipientHash>,
    /// The preview of the message for a dry run, without code and recipient.
    pub preview: Option<Preview>,
    /// The facts about the rendered message.
    pub message: MessageFacts,
    /// The result of the claim.
    pub record: Record,
    /// The first call for the delivery record that failed.
    pub record_error: Option<ServiceError>,
    /// Why the message could not be counted.
    pub counter_error: Option<ServiceError>,
    /// Why a built-in text replaced a template override.
    pub template_problem: Option<String>,
    /// Why the first route failed, if the second one accepted the message.
    pub fallback: Option<ServiceError>,
    /// Time to claim the record and to decrypt the code.
    pub decrypt_time: Option<Duration>,
    /// Time to render the message.
    pub render_time: Option<Duration>,
    /// Time until the service responded.
    pub send_time: Option<Duration>,
}

/// An invocation that ended.
pub struct DeliveryReport<'a> {
    /// Its facts.
    pub facts: Facts<'a>,
    /// How it ended.
    pub outcome: DeliveryOutcome,
}

/// Writes the one log line of an event, with the fields that are known.
macro_rules! log_event {
    ($level:ident, $report:expr, $($rest:tt)*) => {{
        let report: &DeliveryReport<'_> = $report;
        let facts = &report.facts;
        let ms = |time: Option<Duration>| time.map(milliseconds);
        tracing::$level!(
            invocation.id = facts.id,
            outcome = report.logged().name(),
            outcome.reason = report.reason(),
            error.r#type = report.outcome.error_type().map(ErrorType::name),
            trigger.source = facts.job.map(|job| job.trigger_source.as_str()),
            message.kind = facts.job.map(|job| job.kind.name()),
            message.locale = facts.job.map(|job| job.locale.0.tag()),
            message.locale_reason = facts.job.map(|job| job.locale.1.name()),
            recipient.hash = facts.recipient.map(tracing::field::display),
            recipient.country = facts.message.country.map(tracing::field::display),
            sms.parts = facts.message.sms_parts,
            record = facts.record.name(),
            record.error = facts.record_error.as_ref().map(tracing::field::display),
            counter.error = facts.counter_error.as_ref().map(tracing::field::display),
            template.problem = facts.template_problem,
            fallback.reason = facts.fallback.as_ref().map(tracing::field::display),
            decrypt_ms = ms(facts.decrypt_time),
            render_ms = ms(facts.render_time),
            send_ms = ms(facts.send_time),
            $($rest)*
        )
    }};
}

impl<'a> Facts<'a> {
    /// The facts at the beginning of the invocation.
    #[must_use]
    pub fn new(id: &'a str, noun: &'static str, job: Option<&'a Job>, dry_run: bool) -> Self {
        Self {
            id,
            noun,
            job,
            dry_run,
            recipient: None,
            preview: None,
            message: MessageFacts::default(),
            record: Record::NotClaimed,
            record_error: None,
            counter_error: None,
            template_problem: None,
            fallback: None,
            decrypt_time: None,
            render_time: None,
            send_time: None,
        }
    }

    /// The report of the invocation with this end.
    #[must_use]
    pub fn ended(self, outcome: DeliveryOutcome) -> DeliveryReport<'a> {
        DeliveryReport { facts: self, outcome }
    }
}

impl DeliveryReport<'_> {
    /// Writes the log line and the metrics, and returns the result for Lambda.
    ///
    /// # Errors
    /// If Lambda should retry the event or send it to the on-failure destination.
    pub fn finish(&self, metrics: &Metrics) -> Result<(), Failure> {
        metrics.emit(&self.values());
        self.log();
        match self.outcome.error_type() {
            None => Ok(()),
            Some(error_type) => Err(Failure { error_type, message: self.outcome.explain() }),
        }
    }

    /// Writes the log line of a dry run. It has no metrics and is not an error, so no alarm reacts to it.
    pub fn finish_dry_run(&self) {
        log_event!(info, self, dry_run = true, "dry run, nothing is sent: {}", self.outcome.explain());
    }

    fn values(&self) -> Vec<(Metric, f64)> {
        let count = |happened: bool, metric| happened.then_some((metric, 1.0));
        let time = |metric, time: Option<Duration>| time.map(|time| (metric, milliseconds(time)));
        [
            self.outcome.metric().map(|metric| (metric, 1.0)),
            count(self.facts.record == Record::Held(PriorAttempt::Unknown), Metric::TakenOver),
            count(self.facts.record_error.is_some(), Metric::RecordUnavailable),
            count(self.facts.fallback.is_some(), Metric::FallbackUsed),
            time(Metric::DecryptMilliseconds, self.facts.decrypt_time),
            time(Metric::RenderMilliseconds, self.facts.render_time),
            time(Metric::SendMilliseconds, self.facts.send_time),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn log(&self) {
        match &self.outcome {
            DeliveryOutcome::Sent { message_id } => {
                log_event!(info, self, message.id = message_id, "sent {}", self.facts.noun);
            }
            DeliveryOutcome::Duplicate => {
                log_event!(info, self, "did not send a message: an earlier invocation handled it");
            }
            DeliveryOutcome::Expired
            | DeliveryOutcome::Blocked(_)
            | DeliveryOutcome::SmsLimit(_)
            | DeliveryOutcome::Recipient(_) => {
                log_event!(warn, self, "did not send a message: {}", self.outcome.explain());
            }
            DeliveryOutcome::InProgress => {
                log_event!(warn, self, "did not send a message: another invocation is sending it");
            }
            DeliveryOutcome::Malformed(error) => {
                log_event!(error, self, "malformed event: {error}");
            }
            DeliveryOutcome::Failed { class, message, .. } => {
                log_event!(error, self, error.class = class.name(), "did not send a message: {message}");
            }
            DeliveryOutcome::Nothing(reason) => {
                let (source, event_id) = match reason {
                    Reason::UnknownSource(source) => (Some(source), None),
                    Reason::AccountTakeOver(event_id) => {
                        (None, event_id.as_deref().filter(|text| is_id(text)))
                    }
                    Reason::NoPassword => (None, None),
                };
                tracing::warn!(
                    invocation.id = self.facts.id,
                    outcome = self.logged().name(),
                    outcome.reason = reason.explain(),
                    trigger.source = source,
                    security.event_id = event_id,
                    "{}",
                    reason.explain()
                );
            }
            // `finish_dry_run` logs this.
            DeliveryOutcome::DryRun => {}
        }
    }

    /// The word for `outcome`. After a dry run, the reason says what would happen to the message.
    fn logged(&self) -> logged::Outcome {
        if self.facts.dry_run { logged::Outcome::DryRun } else { self.outcome.logged() }
    }

    /// Why no message was sent.
    fn reason(&self) -> Option<String> {
        let sent = matches!(self.outcome, DeliveryOutcome::Sent { .. } | DeliveryOutcome::DryRun);
        (!sent).then(|| self.outcome.explain())
    }
}

impl Record {
    /// The word in the log.
    fn name(self) -> &'static str {
        match self {
            Self::NotClaimed => "unasked",
            Self::Held(PriorAttempt::Nothing) => "first",
            Self::Held(PriorAttempt::Released | PriorAttempt::Unadmitted) => "again",
            Self::Held(PriorAttempt::Unknown) => "taken over",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Rejected> for DeliveryOutcome {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Malformed(error) => Self::Malformed(error),
            Rejected::Blocked(reason) => Self::Blocked(reason),
        }
    }
}

/// An event id is a UUID. Nothing else is logged, because the event also holds tokens and links.
fn is_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
