//! Metrics: one line of CloudWatch's embedded metric format per event, on standard output.
//!
//! CloudWatch extracts the metrics from such lines without a call, a permission or an agent. No library writes them,
//! because the format is one small object. Source: "Specification: Embedded metric format", Amazon CloudWatch user
//! guide.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shared::metric::{Metric, Observability};
use shared::settings::{Noted, Settings};

/// Writes a function's metrics into the deployment's namespace, with the function as the only dimension.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// As a JSON text.
    namespace: String,
    function: &'static str,
    observability: Observability,
}

impl Metrics {
    /// Reads `METRICS_NAMESPACE` and `OBSERVABILITY`.
    ///
    /// # Errors
    /// If CloudWatch would drop lines with that namespace, or the other is invalid.
    pub fn read(settings: &Settings<'_>, function: &'static str) -> Result<Self, Noted> {
        let (namespace, observability) = (settings.metrics_namespace(), settings.observability());
        Ok(Self { namespace: Value::String(namespace?).to_string(), function, observability: observability? })
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
    ///
    /// CloudWatch charges for the metrics that `_aws` lists. All values are fields of the line, for queries of the log.
    fn line(&self, values: &[(Metric, f64)], now: SystemTime) -> String {
        let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut line = String::from("{");
        let mut listed =
            values.iter().map(|(metric, _)| metric).filter(|metric| self.observability.includes(**metric));
        // Writing to a string cannot fail.
        if let Some(first) = listed.next() {
            let _ = write!(
                line,
                r#""_aws":{{"Timestamp":{timestamp},"CloudWatchMetrics":[{{"Namespace":{},"Dimensions":[["Function"]],"Metrics":[{}"#,
                self.namespace,
                definition(*first)
            );
            for metric in listed {
                let _ = write!(line, ",{}", definition(*metric));
            }
            line.push_str("]}]},");
        }
        let _ = write!(line, r#""Function":"{}""#, self.function);
        for (metric, value) in values {
            let _ = write!(line, r#","{}":{value}"#, metric.name());
        }
        line.push_str("}\n");
        line
    }
}

fn definition(metric: Metric) -> String {
    format!(r#"{{"Name":"{}","Unit":"{}"}}"#, metric.name(), metric.unit().name())
}

/// A duration as a metric's value: milliseconds with three decimals.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(observability: Observability) -> Metrics {
        Metrics { namespace: "\"stack\"".to_owned(), function: "custom-email-sender", observability }
    }

    #[test]
    fn a_minimal_line_lists_what_alarms_need_and_keeps_the_other_values() {
        let line = |values: &[(Metric, f64)]| {
            let line = metrics(Observability::Minimal).line(values, UNIX_EPOCH);
            serde_json::from_str::<Value>(&line).expect("JSON")
        };
        let sent = line(&[(Metric::Sent, 1.0), (Metric::SendMilliseconds, 12.5)]);
        let listed = &sent["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(*listed, serde_json::json!([{ "Name": "Sent", "Unit": "Count" }]));
        assert_eq!(sent["SendMilliseconds"], 12.5);
        let expired = line(&[(Metric::Expired, 1.0)]);
        assert_eq!(expired, serde_json::json!({ "Function": "custom-email-sender", "Expired": 1 }));
    }

    #[test]
    fn a_line_has_the_given_metrics_only() {
        let metrics = metrics(Observability::Full);
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
