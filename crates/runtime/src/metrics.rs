//! Metrics: one line of CloudWatch's embedded metric format per event, on standard output.
//!
//! CloudWatch makes metrics out of such lines by itself: no call, no permission, no agent. Written by hand, because
//! the format is one small object. Source: "Specification: Embedded metric format", Amazon CloudWatch user guide.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shared::config::Settings;

/// What is counted or timed. Metrics cost by their number, so only what happened stands in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A message that a service took.
    Sent,
    /// A repetition of an event whose message was sent before: nothing was sent.
    Duplicate,
    /// A code that was older than it is valid: nothing was sent.
    Expired,
    /// A message that the configuration forbids: a denied domain, a country that is not allowed.
    Blocked,
    /// An SMS that the guard against pumping stopped.
    PumpingBlocked,
    /// A message that the service refused because of its recipient.
    RecipientFault,
    /// An event that asks for no message.
    NothingToSend,
    /// An event that failed and may work later.
    FailedTransient,
    /// An event that fails until the configuration or the account is mended.
    FailedConfiguration,
    /// A message that may be on its way although no answer came.
    FailedAmbiguous,
    /// An event that lacks what is needed.
    FailedMalformed,
    /// An event that another invocation is just working on.
    InProgress,
    /// An event whose earlier invocation ended without a word: its message may go out twice.
    TakenOver,
    /// A message that the second route of the provider sent.
    FallbackUsed,
    /// An event whose delivery record could not be kept.
    RecordUnavailable,
    /// Time to decrypt the code, with KMS.
    DecryptMilliseconds,
    /// Time to write the message.
    RenderMilliseconds,
    /// Time until the service had taken the message.
    SendMilliseconds,
    /// A sign-up that was confirmed without a code.
    SignUpConfirmed,
    /// A sign-up that goes on with Cognito's own code.
    SignUpPassedOn,
    /// A sign-up that was refused.
    SignUpRefused,
    /// A new user who is not this function's business: created by an administrator, or federated.
    SignUpUnchanged,
    /// A message that Cognito sends with our text.
    MessageWritten,
    /// A message that Cognito sends with its own text.
    MessageLeft,
}

impl Metric {
    /// Every metric, for the tests that hold alarms and documentation to them.
    pub const ALL: [Self; 24] = [
        Self::Sent,
        Self::Duplicate,
        Self::Expired,
        Self::Blocked,
        Self::PumpingBlocked,
        Self::RecipientFault,
        Self::NothingToSend,
        Self::FailedTransient,
        Self::FailedConfiguration,
        Self::FailedAmbiguous,
        Self::FailedMalformed,
        Self::InProgress,
        Self::TakenOver,
        Self::FallbackUsed,
        Self::RecordUnavailable,
        Self::DecryptMilliseconds,
        Self::RenderMilliseconds,
        Self::SendMilliseconds,
        Self::SignUpConfirmed,
        Self::SignUpPassedOn,
        Self::SignUpRefused,
        Self::SignUpUnchanged,
        Self::MessageWritten,
        Self::MessageLeft,
    ];

    /// Its name in CloudWatch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "Sent",
            Self::Duplicate => "Duplicate",
            Self::Expired => "Expired",
            Self::Blocked => "Blocked",
            Self::PumpingBlocked => "PumpingBlocked",
            Self::RecipientFault => "RecipientFault",
            Self::NothingToSend => "NothingToSend",
            Self::FailedTransient => "FailedTransient",
            Self::FailedConfiguration => "FailedConfiguration",
            Self::FailedAmbiguous => "FailedAmbiguous",
            Self::FailedMalformed => "FailedMalformed",
            Self::InProgress => "InProgress",
            Self::TakenOver => "TakenOver",
            Self::FallbackUsed => "FallbackUsed",
            Self::RecordUnavailable => "RecordUnavailable",
            Self::DecryptMilliseconds => "DecryptMilliseconds",
            Self::RenderMilliseconds => "RenderMilliseconds",
            Self::SendMilliseconds => "SendMilliseconds",
            Self::SignUpConfirmed => "SignUpConfirmed",
            Self::SignUpPassedOn => "SignUpPassedOn",
            Self::SignUpRefused => "SignUpRefused",
            Self::SignUpUnchanged => "SignUpUnchanged",
            Self::MessageWritten => "MessageWritten",
            Self::MessageLeft => "MessageLeft",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::DecryptMilliseconds | Self::RenderMilliseconds | Self::SendMilliseconds => "Milliseconds",
            _ => "Count",
        }
    }
}

/// Where metrics go: a namespace of the deployment's own, with the function as the only dimension.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// As a JSON text.
    namespace: String,
    function: &'static str,
}

impl Metrics {
    /// Reads `METRICS_NAMESPACE`, which the template sets to the stack's name, noting what is wrong with it:
    /// CloudWatch drops lines with a namespace that it does not take, and says so nowhere.
    ///
    /// Source: "`MetricDatum`" and "`PutMetricData`", Amazon CloudWatch API reference.
    #[must_use]
    pub fn read(settings: &Settings<'_>, function: &'static str) -> Self {
        let namespace = settings.optional("METRICS_NAMESPACE", |text| {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#:".contains(&byte);
            if text.len() <= 255 && text.bytes().all(valid) && !text.starts_with("AWS/") {
                Ok(text.to_owned())
            } else {
                Err("is not a namespace: up to 255 letters, digits and `.-_/#:`, not beginning with `AWS/`")
            }
        });
        let namespace = namespace.flatten().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        Self { namespace: Value::String(namespace).to_string(), function }
    }

    /// Writes one line with these values, unless there are none.
    pub fn emit(&self, values: &[(Metric, f64)]) {
        if values.is_empty() {
            return;
        }
        let line = self.line(values, SystemTime::now());
        // One write, so that no other line gets between; a closed standard output must not stop a message.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }

    /// By hand and not through a tree of JSON values, because it runs with every event: all names are plain words.
    fn line(&self, values: &[(Metric, f64)], now: SystemTime) -> String {
        let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut line = format!(
            r#"{{"_aws":{{"Timestamp":{timestamp},"CloudWatchMetrics":[{{"Namespace":{},"Dimensions":[["Function"]],"Metrics":["#,
            self.namespace
        );
        // Writing to a string cannot fail.
        for (index, (metric, _)) in values.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(line, r#"{comma}{{"Name":"{}","Unit":"{}"}}"#, metric.name(), metric.unit());
        }
        let _ = write!(line, r#"]}}]}},"Function":"{}""#, self.function);
        for (metric, value) in values {
            let _ = write!(line, r#","{}":{value}"#, metric.name());
        }
        line.push_str("}\n");
        line
    }
}

/// The namespace where the template did not set one.
const DEFAULT_NAMESPACE: &str = "cognito-triggers";

/// A duration as a metric's value: milliseconds, with the microseconds behind the point.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_it_holds_and_nothing_else() {
        let metrics = Metrics { namespace: "\"stack\"".to_owned(), function: "custom-email-sender" };
        let values =
            [(Metric::Sent, 1.0), (Metric::SendMilliseconds, milliseconds(Duration::from_micros(12_345)))];
        let line = metrics.line(&values, UNIX_EPOCH + Duration::from_millis(1_700_000_000_123));
        assert_eq!(
            line,
            concat!(
                r#"{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"stack","#,
                r#""Dimensions":[["Function"]],"Metrics":[{"Name":"Sent","Unit":"Count"},"#,
                r#"{"Name":"SendMilliseconds","Unit":"Milliseconds"}]}]},"#,
                r#""Function":"custom-email-sender","Sent":1,"SendMilliseconds":12.345}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_namespace_that_cloudwatch_would_drop_is_refused() {
        for (namespace, accepted) in
            [("stack-1", true), ("", true), ("AWS/Lambda", false), ("my stack", false), ("a\"b", false)]
        {
            let lookup = |name: &str| (name == "METRICS_NAMESPACE").then(|| namespace.to_owned());
            let settings = Settings::new(&lookup, &|_| Err(String::new()));
            let metrics = Metrics::read(&settings, "pre-sign-up");
            assert_eq!(settings.finish(Some(metrics)).is_ok(), accepted, "{namespace}");
        }
    }

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let mut names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
