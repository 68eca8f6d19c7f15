//! How an invocation ends: what Lambda is told, one line in the log, one line of metrics.
//!
//! Error types are stable names, because alarms, queries and the redrive of failed events rely on them.

use std::time::Duration;

use runtime::Failure;
use runtime::metrics::{Metric, Metrics, milliseconds};
use serde_json::Value;
use serde_json::value::RawValue;
use shared::arn::KeyArn;
use shared::event::EventError;
use shared::message::{Messages, RenderError};
use shared::outcome::{self as logged, ErrorType, FailureClass};
use shared::phone::Country;
use shared::pumping::LimitName;
use shared::recipient::RecipientHash;

use crate::dry_run;
use crate::errors::CallFailure;
use crate::job::{Job, Reason};
use crate::kms::DecryptError;
use crate::record::Before;

/// How an invocation ended.
#[derive(Debug)]
pub enum Outcome {
    /// The service took the message.
    Sent {
        /// Its id there.
        message_id: String,
    },
    /// The message was sent, or settled otherwise, by an earlier invocation.
    Duplicate,
    /// The code is older than it is valid.
    Expired,
    /// The configuration forbids the message, or the recipient is none; says why.
    Blocked(String),
    /// A limit of the SMS guard is reached.
    Pumping(LimitName),
    /// The service refuses the recipient.
    Recipient(CallFailure),
    /// The event asks for no message.
    Nothing(Reason),
    /// A dry run: the message is written, and nothing keeps it from being handed over.
    Rehearsed,
    /// Another invocation works on the message.
    InProgress,
    /// The event lacks what the message needs.
    Malformed(EventError),
    /// Something else went wrong.
    Failed {
        /// A stable name.
        error_type: ErrorType,
        /// Whose fault it is.
        class: FailureClass,
        /// One sentence, with the remedy where there is one.
        message: String,
    },
}

impl Outcome {
    /// The code could not be decrypted.
    #[must_use]
    pub fn decryption(error: &DecryptError) -> Self {
        Self::Failed {
            error_type: ErrorType::DecryptionFailed,
            class: error.class(),
            message: error.to_string(),
        }
    }

    /// The service did not take the message, or did not say so.
    #[must_use]
    pub fn sending(failure: &CallFailure) -> Self {
        Self::Failed { error_type: ErrorType::SendFailed, class: failure.class, message: failure.to_string() }
    }

    /// A built-in template did not render, which tests rule out.
    #[must_use]
    pub fn rendering(error: &RenderError) -> Self {
        let class = FailureClass::Configuration;
        Self::Failed { error_type: ErrorType::RenderFailed, class, message: error.to_string() }
    }

    /// The SMS guard can neither count nor go on without counting.
    #[must_use]
    pub fn uncounted() -> Self {
        Self::Failed {
            error_type: ErrorType::GuardUnavailable,
            class: FailureClass::Transient,
            message: "the SMS guard cannot count, and this process has sent as many SMS as it may without"
                .to_owned(),
        }
    }

    /// Whether the message may be on its way although the invocation fails.
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
            Self::Pumping(_) => logged::Outcome::SmsLimit,
            Self::Recipient(_) => logged::Outcome::Recipient,
            Self::Nothing(_) => logged::Outcome::NothingToSend,
            Self::Rehearsed => logged::Outcome::DryRun,
            Self::InProgress => logged::Outcome::InProgress,
            Self::Malformed(_) => logged::Outcome::Malformed,
            Self::Failed { .. } => logged::Outcome::Failed,
        }
    }

    /// What became of the message, in one sentence.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::Sent { .. } => "it was sent".to_owned(),
            Self::Rehearsed => "it could be sent".to_owned(),
            Self::Duplicate => "it was dealt with by an earlier invocation".to_owned(),
            Self::Expired => "its code is no longer valid".to_owned(),
            Self::InProgress => "another invocation is sending this message".to_owned(),
            Self::Blocked(reason) => reason.clone(),
            Self::Pumping(limit) => limit.to_string(),
            Self::Recipient(failure) => failure.to_string(),
            Self::Nothing(reason) => reason.explain().to_owned(),
            Self::Malformed(error) => format!("malformed event: {error}"),
            Self::Failed { message, .. } => message.clone(),
        }
    }

    /// What is counted; nothing of a dry run.
    fn metric(&self) -> Option<Metric> {
        Some(match self {
            Self::Rehearsed => return None,
            Self::Sent { .. } => Metric::Sent,
            Self::Duplicate => Metric::Duplicate,
            Self::Expired => Metric::Expired,
            Self::Blocked(_) => Metric::Blocked,
            Self::Pumping(_) => Metric::PumpingBlocked,
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

/// What was found of the delivery record.
#[derive(Debug, Default)]
pub enum Record {
    /// Records are switched off, or the invocation ended before one was asked for.
    #[default]
    Unasked,
    /// The message was ours.
    Held(Before),
    /// The record could not be asked or brought up to date.
    Unavailable(CallFailure),
}

/// What only an SMS has to tell.
#[derive(Clone, Copy, Debug)]
pub struct SmsFacts {
    /// The number's country.
    pub country: Country,
    /// SMS that the text takes.
    pub parts: usize,
}

/// What an invocation found out on its way.
pub struct Report<'a> {
    /// Lambda's id of the invocation.
    pub id: &'a str,
    /// What is to be sent.
    pub job: Option<&'a Job>,
    /// The recipient as it may be logged.
    pub recipient: Option<RecipientHash>,
    /// Whether the event asks for a dry run.
    pub dry_run: bool,
    /// What a dry run has to tell of the message: never the code, never the recipient.
    pub preview: Option<Value>,
    /// For SMS.
    pub sms: Option<SmsFacts>,
    /// The delivery record.
    pub record: Record,
    /// Why the built-in text stood in for a template of the deployment.
    pub template_problem: Option<String>,
    /// Why the first route did not take the message, when the second one did.
    pub fallback: Option<CallFailure>,
    /// Time to claim the record and to decrypt.
    pub decrypted: Option<Duration>,
    /// Time to write the message.
    pub rendered: Option<Duration>,
    /// Time until the service answered.
    pub sent: Option<Duration>,
}

/// The one line of an event, with the fields that are known.
macro_rules! line {
    ($level:ident, $report:expr, $outcome:expr, $($rest:tt)*) => {{
        let report: &Report<'_> = $report;
        let outcome: &Outcome = $outcome;
        let ms = |time: Option<Duration>| time.map(milliseconds);
        tracing::$level!(
            invocation.id = report.id,
            outcome = report.logged(outcome).name(),
            outcome.reason = reason(outcome),
            error.r#type = outcome.error_type().map(ErrorType::name),
            trigger.source = report.job.map(|job| job.trigger_source.as_str()),
            message.kind = report.job.map(|job| job.kind.name()),
            message.locale = report.job.map(|job| job.locale.0.tag()),
            message.locale_reason = report.job.map(|job| job.locale.1.name()),
            recipient.hash = report.recipient.map(tracing::field::display),
            recipient.country = report.sms.map(|sms| tracing::field::display(sms.country)),
            sms.parts = report.sms.map(|sms| sms.parts),
            record = report.record_name(),
            record.error = report.record_error(),
            template.problem = report.template_problem,
            fallback.reason = report.fallback.as_ref().map(tracing::field::display),
            decrypt_ms = ms(report.decrypted),
            render_ms = ms(report.rendered),
            send_ms = ms(report.sent),
            $($rest)*
        )
    }};
}

impl<'a> Report<'a> {
    /// An empty report.
    #[must_use]
    pub fn new(id: &'a str, job: Option<&'a Job>) -> Self {
        Self {
            id,
            job,
            recipient: None,
            dry_run: false,
            preview: None,
            sms: None,
            record: Record::Unasked,
            template_problem: None,
            fallback: None,
            decrypted: None,
            rendered: None,
            sent: None,
        }
    }

    /// Ends the invocation: writes both lines, and says what Lambda is told.
    ///
    /// # Errors
    /// When Lambda shall bring the event back, or keep it.
    pub fn end(self, outcome: &Outcome, metrics: &Metrics) -> Result<(), Failure> {
        metrics.emit(&self.values(outcome));
        self.log(outcome);
        match outcome.error_type() {
            None => Ok(()),
            Some(error_type) => Err(Failure { error_type, message: outcome.explain() }),
        }
    }

    /// Ends a dry run: one line in the log, no metrics, and an answer that is no error, so that no alarm takes it for
    /// one.
    #[must_use]
    pub fn end_dry_run(self, outcome: &Outcome, key: &KeyArn, messages: &Messages) -> Option<Box<RawValue>> {
        line!(info, &self, outcome, dry_run = true, "dry run, nothing is sent: {}", outcome.explain());
        dry_run::answer(&self, outcome, key, messages)
    }

    fn values(&self, outcome: &Outcome) -> Vec<(Metric, f64)> {
        let count = |happened, metric| happened_once(happened, metric);
        let time = |metric, time: Option<Duration>| time.map(|time| (metric, milliseconds(time)));
        [
            outcome.metric().map(|metric| (metric, 1.0)),
            count(matches!(self.record, Record::Held(Before::Unknown)), Metric::TakenOver),
            count(matches!(self.record, Record::Unavailable(_)), Metric::RecordUnavailable),
            count(self.fallback.is_some(), Metric::FallbackUsed),
            time(Metric::DecryptMilliseconds, self.decrypted),
            time(Metric::RenderMilliseconds, self.rendered),
            time(Metric::SendMilliseconds, self.sent),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn log(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Sent { message_id } => {
                let what = if self.sms.is_some() { "an SMS" } else { "an e-mail" };
                line!(info, self, outcome, message.id = message_id, "sent {what}");
            }
            Outcome::Duplicate => {
                line!(
                    info,
                    self,
                    outcome,
                    "did not send a message: it was dealt with by an earlier invocation"
                );
            }
            Outcome::Expired | Outcome::Blocked(_) | Outcome::Pumping(_) | Outcome::Recipient(_) => {
                line!(warn, self, outcome, "did not send a message: {}", outcome.explain());
            }
            Outcome::InProgress => {
                line!(warn, self, outcome, "did not send a message: another invocation is sending it");
            }
            Outcome::Malformed(error) => {
                line!(error, self, outcome, "malformed event: {error}");
            }
            Outcome::Failed { class, message, .. } => {
                line!(error, self, outcome, error.class = class.name(), "did not send a message: {message}");
            }
            Outcome::Nothing(reason) => {
                let (source, event_id) = match reason {
                    Reason::UnknownSource(source) => (Some(source), None),
                    Reason::AccountTakeOver(event_id) => {
                        (None, event_id.as_deref().filter(|text| is_id(text)))
                    }
                    Reason::NoPassword => (None, None),
                };
                tracing::warn!(
                    invocation.id = self.id,
                    outcome = outcome.logged().name(),
                    outcome.reason = reason.explain(),
                    trigger.source = source,
                    security.event_id = event_id,
                    "{}",
                    reason.explain()
                );
            }
            // Only dry runs end so, and they have a line of their own.
            Outcome::Rehearsed => {}
        }
    }

    /// The word for the line: what would have become of a message of a dry run is in the reason.
    fn logged(&self, outcome: &Outcome) -> logged::Outcome {
        if self.dry_run { logged::Outcome::DryRun } else { outcome.logged() }
    }

    fn record_name(&self) -> &'static str {
        match self.record {
            Record::Unasked => "unasked",
            Record::Held(Before::Nothing) => "first",
            Record::Held(Before::Released | Before::Unadmitted) => "again",
            Record::Held(Before::Unknown) => "taken over",
            Record::Unavailable(_) => "unavailable",
        }
    }

    fn record_error(&self) -> Option<String> {
        match &self.record {
            Record::Unavailable(failure) => Some(failure.to_string()),
            _ => None,
        }
    }
}

/// Why no message was sent.
fn reason(outcome: &Outcome) -> Option<String> {
    let sent = matches!(outcome, Outcome::Sent { .. } | Outcome::Rehearsed);
    (!sent).then(|| outcome.explain())
}

fn happened_once(happened: bool, metric: Metric) -> Option<(Metric, f64)> {
    happened.then_some((metric, 1.0))
}

/// An event id is a UUID: only what looks like one is logged, since the event holds tokens and links as well.
fn is_id(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
