//! Metrics: one line of CloudWatch's embedded metric format per event, on standard output.
//!
//! CloudWatch extracts the metrics from such lines without a call, a permission or an agent. No library writes them,
//! because the format is one small object. Source: "Specification: Embedded metric format", Amazon CloudWatch user
//! guide.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shared::metric::Metric;
use shared::settings::{Noted, Settings};

/// Writes a function's metrics into the deployment's namespace, with the function as the only dimension.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// As a JSON text.
    namespace: String,
    function: &'static str,
}

impl Metrics {
    /// Reads `METRICS_NAMESPACE`.
    ///
    /// # Errors
    /// If CloudWatch would drop lines with that namespace.
    pub fn read(settings: &Settings<'_>, function: &'static str) -> Result<Self, Noted> {
        Ok(Self { namespace: Value::String(settings.metrics_namespace()?).to_string(), function })
    }

    /// Writes one line with these values, unless there are none.
    pub fn emit(&self, values: &[(Metric, f64)]) {
        if values.is_empty() {
            return;
        }
        let line = self.line(values, SystemTime::now());
        // One write, so that no other line comes between. A closed standard output must not stop a message.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }

    /// Formats without a tree of JSON values, because this runs with every event. No name needs escaping.
    fn line(&self, values: &[(Metric, f64)], now: SystemTime) -> String {
        let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut line = format!(
            r#"{{"_aws":{{"Timestamp":{timestamp},"CloudWatchMetrics":[{{"Namespace":{},"Dimensions":[["Function"]],"Metrics":["#,
            self.namespace
        );
        // Writing to a string cannot fail.
        for (index, (metric, _)) in values.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ =
                write!(line, r#"{comma}{{"Name":"{}","Unit":"{}"}}"#, metric.name(), metric.unit().name());
        }
        let _ = write!(line, r#"]}}]}},"Function":"{}""#, self.function);
        for (metric, value) in values {
            let _ = write!(line, r#","{}":{value}"#, metric.name());
        }
        line.push_str("}\n");
        line
    }
}

/// A duration as a metric's value: milliseconds with three decimals.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_given_metrics_only() {
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
}
