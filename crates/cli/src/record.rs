//! The failed event that Lambda puts into the on-failure destination, read without showing the contents of the event.
//!
//! Source: "Capturing records of Lambda asynchronous invocations", AWS Lambda developer guide.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::arn::{Arn, LambdaFunction};
use shared::event::Event;
use shared::outcome::ErrorType;
use shared::trigger::{MessageKind, Request, Trigger};

use crate::aws::lambda::FunctionError;
use crate::terminal::output::plain;

/// A failed event of a custom sender, as Lambda puts it into the on-failure destination.
pub(crate) struct Record<'a> {
    pub(crate) function: FunctionArn,
    pub(crate) channel: Channel,
    pub(crate) subject: Subject,
    pub(crate) request_id: String,
    /// When the last attempt failed. The event and its code are older.
    pub(crate) failed_at: SystemTime,
    pub(crate) cause: Cause,
    /// The event, byte for byte. Holds personal data.
    pub(crate) event: &'a str,
}

/// The channel of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Email,
    Sms,
}

/// What the message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Message(MessageKind),
    /// An account takeover notification of threat protection: the function only logs it.
    AccountTakeOver,
}

/// Why a message in the queue can't be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOurs {
    #[error("it is not a record of a failed invocation")]
    NoRecord,
    #[error("it does not hold an event of a custom sender trigger")]
    OtherEvent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    timestamp: Option<String>,
    request_context: Context,
    #[serde(borrow)]
    request_payload: &'a RawValue,
    #[serde(borrow)]
    response_payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    request_id: Option<String>,
    function_arn: String,
    condition: String,
}

impl<'a> Record<'a> {
    /// Reads the body of a message. Records of emulators have no request ID and no time: the ID of the message and the
    /// time when it was sent to the queue replace them.
    ///
    /// # Errors
    /// If it is not a record with an event of a custom sender.
    pub(crate) fn parse(body: &'a str, id: &str, sent: Option<SystemTime>) -> Result<Self, NotOurs> {
        let wire: Wire<'a> = serde_json::from_str(body).map_err(|_| NotOurs::NoRecord)?;
        let failed_at = match &wire.timestamp {
            Some(text) => {
                let time = DateTime::from_str(text, Format::DateTime).ok();
                time.and_then(|time| SystemTime::try_from(time).ok())
            }
            None => sent,
        };
        let failed_at = failed_at.ok_or(NotOurs::NoRecord)?;
        let Context { request_id, function_arn, condition } = wire.request_context;
        let request_id = request_id.unwrap_or_else(|| id.to_owned());
        if !is_id(&request_id) {
            return Err(NotOurs::NoRecord);
        }
        let function = FunctionArn::parse(&function_arn).ok_or(NotOurs::NoRecord)?;
        let event = Event::parse(wire.request_payload).map_err(|_| NotOurs::OtherEvent)?;
        let (channel, subject) = subject(event.trigger_source()).ok_or(NotOurs::OtherEvent)?;
        // A function may return any JSON.
        let error = wire.response_payload.and_then(|response| serde_json::from_str(response.get()).ok());
        Ok(Self {
            function,
            channel,
            subject,
            request_id,
            failed_at,
            cause: Cause::new(&condition, &error.unwrap_or_default()),
            event: wire.request_payload.get(),
        })
    }

    /// The minimum age of the event; zero if this machine's clock is behind.
    pub(crate) fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.failed_at).unwrap_or_default()
    }
}

fn subject(trigger_source: &str) -> Option<(Channel, Subject)> {
    [(Trigger::CustomEmailSender, Channel::Email), (Trigger::CustomSmsSender, Channel::Sms)]
        .into_iter()
        .find_map(|(trigger, channel)| {
            let subject = match trigger.request(trigger_source)? {
                Request::Message(kind) => Subject::Message(kind),
                Request::AccountTakeOverNotification => Subject::AccountTakeOver,
            };
            Some((channel, subject))
        })
}

/// Lambda's request IDs are UUIDs. Only a text that looks like one is printed.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "SMS",
        }
    }
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Message(kind) => kind.name(),
            Self::AccountTakeOver => "account-take-over-notification",
        }
    }

    /// How long the code is valid; `None` if it doesn't expire.
    pub(crate) fn validity(self) -> Option<Duration> {
        match self {
            Self::Message(kind) => kind.validity(),
            Self::AccountTakeOver => None,
        }
    }
}

/// The parts of a function's ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionArn {
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) name: String,
    /// The ARN to invoke: without the qualifier `$LATEST`, which means the same and needs a separate permission.
    pub(crate) invocable: String,
}

impl FunctionArn {
    fn parse(arn: &str) -> Option<Self> {
        let parsed = Arn::parse(arn)?;
        let LambdaFunction { name, qualifier, .. } = parsed.lambda_function()?;
        let qualifier = qualifier.unwrap_or("$LATEST");
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let is_known = is_word(parsed.partition())
            && is_word(parsed.region())
            && parsed.is_regional()
            && is_word(name)
            && (qualifier == "$LATEST" || is_word(qualifier));
        is_known.then(|| Self {
            region: parsed.region().to_owned(),
            account: parsed.account().to_owned(),
            name: name.to_owned(),
            invocable: arn.strip_suffix(":$LATEST").unwrap_or(arn).to_owned(),
        })
    }
}

/// Why the message wasn't sent, without personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An error of a sender, with its message.
    Ours(String, String),
    /// The event reached its maximum age before Lambda could run the function.
    NeverRun,
    /// The function timed out.
    TimedOut,
    /// The function's process exited, usually because of an invalid setting.
    Exited,
    /// Another error, which is not shown because it may quote the event.
    Unknown,
}

impl Cause {
    fn new(condition: &str, error: &FunctionError) -> Self {
        match (error.error_type.as_str(), condition) {
            (name, _) if name.parse().is_ok_and(ErrorType::is_of_sender) => {
                Self::Ours(name.to_owned(), harmless(&error.error_message))
            }
            ("Sandbox.Timedout", _) => Self::TimedOut,
            ("Runtime.ExitError", _) => Self::Exited,
            ("", "EventAgeExceeded") => Self::NeverRun,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(name, sentence) if sentence.is_empty() => formatter.write_str(name),
            Self::Ours(name, sentence) => write!(formatter, "{name}: {sentence}"),
            Self::NeverRun => {
                formatter.write_str("the event reached its maximum age before Lambda could run the function")
            }
            Self::TimedOut => formatter.write_str("the function timed out"),
            Self::Exited => formatter.write_str("the function's process exited (see its log)"),
            Self::Unknown => formatter.write_str("unknown cause"),
        }
    }
}

/// The error message of a sender. It is hidden if it holds an address or a number, although none should.
pub(crate) fn harmless(sentence: &str) -> String {
    let digits = sentence.as_bytes().windows(7).any(|seven| seven.iter().all(u8::is_ascii_digit));
    if digits || sentence.contains('@') {
        return "(not shown, because it may hold an address or a number)".to_owned();
    }
    plain(sentence)
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    fn record(arn: &str, payload: &str, response: &str) -> String {
        format!(
            r#"{{"version":"1.0","timestamp":"2026-11-21T10:00:00.568Z","requestContext":{{"requestId":"e4b46cbf-b738-4f1a-8880-a18cdf61200e","functionArn":"{arn}","condition":"RetriesExhausted","approximateInvokeCount":3}},"requestPayload":{payload},"responseContext":{{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}}{response}}}"#
        )
    }

    const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:codes:$LATEST";
    const EVENT: &str = r#"{"triggerSource":"CustomEmailSender_SignUp", "n":1e400,"a":1,"a":2}"#;

    #[test]
    fn a_record_gives_the_event_byte_for_byte_and_the_function_without_latest() {
        let body = record(ARN, EVENT, "");
        let record = Record::parse(&body, "", None).unwrap();
        assert_eq!(record.event, EVENT);
        assert_eq!(record.function.invocable, "arn:aws:lambda:eu-central-1:123456789012:function:codes");
        assert_eq!((record.channel, record.subject), (Channel::Email, Subject::Message(MessageKind::SignUp)));
        assert_eq!(record.age(record.failed_at + Duration::from_secs(90)), Duration::from_secs(90));
        assert_eq!(record.age(record.failed_at - Duration::from_secs(90)), Duration::ZERO);
    }

    #[track_caller]
    fn check_cause(response: &str, expected: &str) {
        let body = record(ARN, EVENT, &format!(r#","responsePayload":{response}"#));
        assert_eq!(Record::parse(&body, "", None).unwrap().cause.to_string(), expected);
    }

    #[test]
    fn only_our_own_sentences_are_shown() {
        check_cause(
            r#"{"errorType":"SendFailed","errorMessage":"SES did not accept the message: timeout"}"#,
            "SendFailed: SES did not accept the message: timeout",
        );
        check_cause(r#"{"errorType":"SendFailed"}"#, "SendFailed");
        check_cause(
            r#"{"errorType":"Runtime.ExitError","errorMessage":"ann@example.com"}"#,
            "the function's process exited (see its log)",
        );
        check_cause(r#"{"errorType":"ann@example.com","errorMessage":"x"}"#, "unknown cause");
        check_cause("null", "unknown cause");
        check_cause(r#"["ann@example.com"]"#, "unknown cause");
        for person in ["to ann@example.com", "to +12065550123", "to 2065550123"] {
            check_cause(
                &format!(r#"{{"errorType":"SendFailed","errorMessage":"{person}"}}"#),
                "SendFailed: (not shown, because it may hold an address or a number)",
            );
        }
    }

    #[test]
    fn an_event_that_never_ran_has_no_error() {
        let body = record(ARN, EVENT, "").replace("RetriesExhausted", "EventAgeExceeded");
        assert_eq!(Record::parse(&body, "", None).unwrap().cause, Cause::NeverRun);
    }

    #[track_caller]
    fn check_refusal(body: &str, expected: NotOurs) {
        assert_eq!(Record::parse(body, "", None).err(), Some(expected));
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        check_refusal("", NotOurs::NoRecord);
        check_refusal("{}", NotOurs::NoRecord);
        check_refusal(EVENT, NotOurs::NoRecord);
        check_refusal(&record(ARN, EVENT, "").replace("2026-11-21T", "yesterday "), NotOurs::NoRecord);
        check_refusal(&record(ARN, EVENT, "").replace("e4b46cbf", "ann@example.com"), NotOurs::NoRecord);
        check_refusal(&record(ARN, "[]", ""), NotOurs::OtherEvent);
        check_refusal(&record(ARN, r#"{"triggerSource":"PreSignUp_SignUp"}"#, ""), NotOurs::OtherEvent);
        check_refusal(&record(ARN, r#"{"triggerSource":"CustomMessage_SignUp"}"#, ""), NotOurs::OtherEvent);
        for arn in [
            "codes",
            "arn:aws:sqs:eu-central-1:123456789012:function:codes",
            "arn:aws:lambda:eu-central-1:1234:function:codes",
            "arn:aws:lambda:eu-central-1:123456789012:function:../codes",
            "arn:aws:lambda:eu-central-1:123456789012:function:codes:1:2",
        ] {
            check_refusal(&record(arn, EVENT, ""), NotOurs::NoRecord);
        }
    }

    #[test]
    fn what_a_record_does_not_name_the_queue_knows() {
        let body = record(ARN, EVENT, "");
        let id = body.split(r#""requestId":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let body = body.replace(&format!(r#""requestId":"{id}","#), "");
        let timestamp =
            body.split(r#""timestamp":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let body = body.replace(&format!(r#""timestamp":"{timestamp}","#), "");
        assert!(!body.contains("requestId") && !body.contains("timestamp"), "{body}");
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
        let read = Record::parse(&body, "0a1b", Some(sent)).unwrap();
        assert_eq!((read.request_id.as_str(), read.failed_at), ("0a1b", sent));
        assert!(Record::parse(&body, "0a1b", None).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(body in ".*") {
            let _ = Record::parse(&body, "", None);
        }

        #[test]
        fn nothing_of_a_record_panics(arn in "[a-z:$A-Z0-9]{0,40}", payload in "[{}\\[\\]\":a-zA-Z_,0-9]{0,40}") {
            let _ = Record::parse(&record(&arn, &payload, ""), "", None);
        }
    }
}
