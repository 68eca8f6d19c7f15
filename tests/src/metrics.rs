//! Log lines, and the metrics among them: the embedded metric format of `CloudWatch`, checked against its
//! specification.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! Where `PutMetricData`, which the metrics end in, is stricter, its limit counts: names of at most 255 characters, and
//! what a namespace and a dimension may consist of
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use shared::metric::Metric;

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// The largest event that `CloudWatch` Logs takes, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// `CloudWatch` takes no metrics that are older, and none that are later than two hours from now.
const MAX_AGE: Duration = Duration::from_hours(14 * 24);
const MAX_AHEAD: Duration = Duration::from_hours(2);

/// The metrics of one directive of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Emf {
    /// The `CloudWatch` namespace.
    pub namespace: String,
    /// Each set of dimensions: values by name. Every metric exists once for every set.
    pub dimensions: Vec<BTreeMap<String, String>>,
    /// Values by name; one that was written as a number is a list of one.
    pub metrics: BTreeMap<String, Vec<f64>>,
    /// Units by the name of the metric; the unit is called `None` where the line says none.
    pub units: BTreeMap<String, String>,
    /// The whole line.
    pub line: Map<String, Value>,
}

impl Emf {
    /// The sum of the values of a metric that counts something, 0 if the line doesn't have it.
    ///
    /// # Panics
    /// When a value is not a whole number, or negative.
    #[must_use]
    #[track_caller]
    pub fn count(&self, metric: Metric) -> u64 {
        let name = metric.name();
        let whole = |value: &Value| {
            value.as_u64().unwrap_or_else(|| panic!("the metric {name:?} is no count: {value}"))
        };
        match self.line.get(name).filter(|_| self.metrics.contains_key(name)) {
            None => 0,
            Some(Value::Array(values)) => values.iter().map(whole).sum(),
            Some(value) => whole(value),
        }
    }
}

/// The metrics in what a function printed, in order.
///
/// # Panics
/// When a line is not a JSON object, or breaks a rule of the embedded metric format; the message names the rule.
#[must_use]
#[track_caller]
pub fn parse(stdout: &str) -> Vec<Emf> {
    match try_parse(stdout) {
        Ok(metrics) => metrics,
        Err(reason) => panic!("{reason}"),
    }
}

/// What that metric counts in all lines.
///
/// # Panics
/// When a value is not a whole number, or negative.
#[must_use]
#[track_caller]
pub fn count(metrics: &[Emf], metric: Metric) -> u64 {
    metrics.iter().map(|emf| emf.count(metric)).sum()
}

fn try_parse(stdout: &str) -> Result<Vec<Emf>, String> {
    let mut metrics = Vec::new();
    for text in stdout.lines() {
        let line: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}: {text}"))?;
        if let Some(metadata) = line.get("_aws") {
            if text.len() > MAX_LINE {
                return Err(format!("a line has at most {MAX_LINE} bytes, not {}", text.len()));
            }
            metrics.extend(directives(metadata, &line).map_err(|rule| format!("{rule}: {text}"))?);
        }
    }
    Ok(metrics)
}

type Rule = String;

fn rule(holds: bool, text: impl FnOnce() -> Rule) -> Result<(), Rule> {
    if holds { Ok(()) } else { Err(text()) }
}

fn directives(metadata: &Value, line: &Map<String, Value>) -> Result<Vec<Emf>, Rule> {
    let metadata = object(metadata, "_aws", &["Timestamp", "CloudWatchMetrics"])?;
    let time = metadata.get("Timestamp").and_then(Value::as_u64);
    let time = time.ok_or("_aws.Timestamp must be a whole number of milliseconds since 1970")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = Duration::from_millis(time);
    rule(time + MAX_AGE > now && time < now + MAX_AHEAD, || {
        "_aws.Timestamp must be milliseconds since 1970, from two weeks ago to two hours ahead".to_owned()
    })?;
    let directives = list(metadata.get("CloudWatchMetrics"), "_aws.CloudWatchMetrics")?;
    rule(!directives.is_empty(), || "_aws.CloudWatchMetrics must not be empty: it has no metric".to_owned())?;
    directives.iter().map(|value| directive(value, line)).collect()
}

fn directive(value: &Value, line: &Map<String, Value>) -> Result<Emf, Rule> {
    let directive = object(value, "a metric directive", &["Namespace", "Dimensions", "Metrics"])?;
    let namespace = name(directive.get("Namespace"), "Namespace")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#:".contains(c);
    rule(namespace.chars().all(allowed) && !namespace.starts_with(':'), || {
        format!(
            "the Namespace {namespace:?} must consist of 0-9 A-Z a-z . - _ / # : and not begin with a colon"
        )
    })?;
    rule(!namespace.starts_with("AWS/"), || "a Namespace that begins with AWS/ is reserved".to_owned())?;

    let sets = list(directive.get("Dimensions"), "Dimensions")?;
    rule(!sets.is_empty(), || "Dimensions must have at least one set, if an empty one".to_owned())?;
    let dimensions = sets.iter().map(|set| dimension_set(set, line)).collect::<Result<_, _>>()?;

    let definitions = list(directive.get("Metrics"), "Metrics")?;
    rule((1..=100).contains(&definitions.len()), || "Metrics must have 1 to 100 members".to_owned())?;
    let mut emf = Emf {
        namespace: namespace.to_owned(),
        dimensions,
        metrics: BTreeMap::new(),
        units: BTreeMap::new(),
        line: line.clone(),
    };
    for definition in definitions {
        metric(definition, line, &mut emf)?;
    }
    Ok(emf)
}

fn dimension_set(set: &Value, line: &Map<String, Value>) -> Result<BTreeMap<String, String>, Rule> {
    let keys = list(Some(set), "a dimension set")?;
    rule(keys.len() <= 30, || "a dimension set must not have more than 30 keys".to_owned())?;
    let mut dimensions = BTreeMap::new();
    for key in keys {
        let key = name(Some(key), "the key of a dimension")?;
        rule(is_dimension(key, 255) && !key.starts_with(':'), || {
            format!("the dimension {key:?} must be ASCII, not blank, and not begin with a colon")
        })?;
        let value =
            line.get(key).ok_or_else(|| format!("the dimension {key:?} must be a member of the root"))?;
        let value =
            value.as_str().ok_or_else(|| format!("the value of the dimension {key:?} must be a string"))?;
        rule(is_dimension(value, 1024), || {
            format!("the value of the dimension {key:?} must be 1 to 1024 characters of ASCII and not blank")
        })?;
        rule(dimensions.insert(key.to_owned(), value.to_owned()).is_none(), || {
            format!("the dimension {key:?} must be in a set only once")
        })?;
    }
    Ok(dimensions)
}

fn is_dimension(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len())
        && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        && !text.trim().is_empty()
}

fn metric(definition: &Value, line: &Map<String, Value>, emf: &mut Emf) -> Result<(), Rule> {
    let definition = object(definition, "a metric definition", &["Name", "Unit", "StorageResolution"])?;
    let name = name(definition.get("Name"), "the Name of a metric")?;
    let unit = match definition.get("Unit") {
        None => "None",
        Some(unit) => unit.as_str().unwrap_or_default(),
    };
    rule(UNITS.contains(&unit), || format!("the Unit of the metric {name:?} must be one of {UNITS:?}"))?;
    let resolution = definition.get("StorageResolution").map_or(Some(60), Value::as_u64);
    rule(matches!(resolution, Some(1 | 60)), || {
        format!("the StorageResolution of the metric {name:?} must be 1 or 60")
    })?;
    let value = line.get(name).ok_or_else(|| format!("the metric {name:?} must be a member of the root"))?;
    let values = match value {
        Value::Array(values) => values.iter().map(Value::as_f64).collect(),
        value => value.as_f64().map(|value| vec![value]),
    };
    let values: Vec<f64> = values
        .ok_or_else(|| format!("the value of the metric {name:?} must be a number or an array of numbers"))?;
    rule((1..=100).contains(&values.len()), || {
        format!("the value of the metric {name:?} must have 1 to 100 numbers")
    })?;
    rule(!emf.dimensions.iter().any(|set| set.contains_key(name)), || {
        format!("the metric {name:?} must not be a dimension too")
    })?;
    emf.units.insert(name.to_owned(), unit.to_owned());
    rule(emf.metrics.insert(name.to_owned(), values).is_none(), || {
        format!("the metric {name:?} must be defined only once")
    })
}

/// An object with no other members than these, all of which the specification knows.
fn object<'a>(value: &'a Value, what: &str, members: &[&str]) -> Result<&'a Map<String, Value>, Rule> {
    let object = value.as_object().ok_or_else(|| format!("{what} must be an object"))?;
    let known: BTreeSet<_> = members.iter().copied().collect();
    match object.keys().find(|member| !known.contains(member.as_str())) {
        None => Ok(object),
        Some(member) => Err(format!("{what} must not have the member {member:?}")),
    }
}

fn list<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a Vec<Value>, Rule> {
    value.and_then(Value::as_array).ok_or_else(|| format!("{what} must be an array"))
}

fn name<'a>(value: Option<&'a Value>, what: &str) -> Result<&'a str, Rule> {
    let name = value.and_then(Value::as_str).ok_or_else(|| format!("{what} must be a string"))?;
    rule((1..=255).contains(&name.chars().count()), || format!("{what} must have 1 to 255 characters"))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        json!({
            "_aws": {
                "Timestamp": u64::try_from(now.as_millis()).unwrap(),
                "CloudWatchMetrics": [{
                    "Namespace": "cognito-triggers",
                    "Dimensions": [["Function"]],
                    "Metrics": [{ "Name": "Sent", "Unit": "Count" }, { "Name": "SendMilliseconds" }],
                }],
            },
            "Function": "custom-email-sender",
            "Sent": 1,
            "SendMilliseconds": [3, 4.5],
            "message": "sent an email",
        })
    }

    /// The good line with one value in another's place, and the rule that it then breaks.
    #[track_caller]
    fn check(pointer: &str, value: Value, broken: &str) {
        let mut line = good();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        match line.pointer_mut(parent).unwrap() {
            Value::Array(list) => list[member.parse::<usize>().unwrap()] = value,
            parent => parent[member] = value,
        }
        let reason = try_parse(&line.to_string()).unwrap_err();
        assert!(reason.contains(broken), "{reason} does not name the rule {broken:?}");
    }

    #[test]
    fn metrics_are_read_from_among_other_lines() {
        let stdout = format!("{{\"level\":\"INFO\"}}\n{}\n{{}}\n", good());
        let metrics = parse(&stdout);
        let [emf] = metrics.as_slice() else { panic!("{metrics:?}") };
        assert_eq!(emf.namespace, "cognito-triggers");
        let function = ("Function".to_owned(), "custom-email-sender".to_owned());
        assert_eq!(emf.dimensions, [BTreeMap::from([function])]);
        assert_eq!(emf.metrics["Sent"], [1.0]);
        assert_eq!(emf.metrics["SendMilliseconds"], [3.0, 4.5]);
        assert_eq!((emf.units["Sent"].as_str(), emf.units["SendMilliseconds"].as_str()), ("Count", "None"));
        assert_eq!((emf.count(Metric::Sent), emf.count(Metric::Duplicate)), (1, 0));
        assert_eq!((count(&metrics, Metric::Sent), count(&metrics, Metric::Duplicate)), (1, 0));
        assert_eq!(emf.line["message"], "sent an email");
        assert!(parse("").is_empty());
    }

    #[test]
    #[should_panic(expected = "not a JSON object")]
    fn a_line_that_is_not_json_fails() {
        let _ = parse("thread 'main' panicked\n");
    }

    #[test]
    #[should_panic(expected = "not a JSON object")]
    fn a_metric_line_has_nothing_before_it() {
        let _ = parse(&format!("2026-11-21T12:00:00Z {}", good()));
    }

    #[test]
    fn the_metadata_must_have_a_time_and_directives() {
        check("/_aws", json!(1), "_aws must be an object");
        check("/_aws/Other", json!(1), "_aws must not have the member \"Other\"");
        check("/_aws/Timestamp", json!("now"), "_aws.Timestamp must be a whole number");
        check("/_aws/Timestamp", json!(1.5), "_aws.Timestamp must be a whole number");
        check("/_aws/Timestamp", json!(1_795_262_400), "_aws.Timestamp must be milliseconds");
        check("/_aws/Timestamp", json!(u64::MAX / 2), "_aws.Timestamp must be milliseconds");
        check("/_aws/CloudWatchMetrics", json!({}), "_aws.CloudWatchMetrics must be an array");
        check("/_aws/CloudWatchMetrics", json!([]), "_aws.CloudWatchMetrics must not be empty");
        check(
            "/_aws/CloudWatchMetrics/0",
            json!({ "namespace": "x" }),
            "must not have the member \"namespace\"",
        );
    }

    #[test]
    fn a_directive_must_have_a_namespace_dimensions_and_metrics() {
        let directive = "/_aws/CloudWatchMetrics/0";
        let check = |pointer: &str, value, broken| check(&format!("{directive}{pointer}"), value, broken);
        check("/Namespace", json!(null), "Namespace must be a string");
        check("/Namespace", json!(""), "Namespace must have 1 to 255 characters");
        check("/Namespace", json!("x".repeat(256)), "Namespace must have 1 to 255 characters");
        check("/Namespace", json!("a b"), "must consist of");
        check("/Namespace", json!(":a"), "not begin with a colon");
        check("/Namespace", json!("AWS/Lambda"), "reserved");
        check("/Dimensions", json!("Function"), "Dimensions must be an array");
        check("/Dimensions", json!([]), "Dimensions must have at least one set");
        check("/Dimensions/0", json!("Function"), "a dimension set must be an array");
        check("/Dimensions/0", json!(vec!["Function"; 31]), "more than 30 keys");
        check("/Dimensions/0", json!(["Function", "Function"]), "only once");
        check("/Dimensions/0", json!(["Kind"]), "\"Kind\" must be a member of the root");
        check("/Dimensions/0", json!([""]), "the key of a dimension must have 1 to 255 characters");
        check("/Dimensions/0", json!(["Sent"]), "the value of the dimension \"Sent\" must be a string");
        check("/Dimensions/0", json!(["Größe"]), "must be ASCII");
        check("/Metrics", json!({}), "Metrics must be an array");
        check("/Metrics", json!([]), "Metrics must have 1 to 100 members");
        check("/Metrics", json!(vec![json!({ "Name": "Sent" }); 101]), "Metrics must have 1 to 100 members");
    }

    #[test]
    fn a_metric_must_have_a_name_a_known_unit_and_numbers() {
        let definition = "/_aws/CloudWatchMetrics/0/Metrics/0";
        let at = |member: &str| format!("{definition}/{member}");
        check(&at("Name"), json!(1), "the Name of a metric must be a string");
        check(&at("Name"), json!(""), "the Name of a metric must have 1 to 255 characters");
        check(&at("Name"), json!("Lost"), "the metric \"Lost\" must be a member of the root");
        check(&at("Name"), json!("SendMilliseconds"), "must be defined only once");
        check(&at("Unit"), json!("count"), "the Unit of the metric \"Sent\" must be one of");
        check(&at("StorageResolution"), json!(30), "must be 1 or 60");
        check(&at("Value"), json!(1), "a metric definition must not have the member \"Value\"");
        check("/Sent", json!("1"), "must be a number or an array of numbers");
        check("/Sent", json!([1, "2"]), "must be a number or an array of numbers");
        check("/Sent", json!({ "Value": 1 }), "must be a number or an array of numbers");
        check("/Sent", json!([]), "must have 1 to 100 numbers");
        check("/Sent", json!(vec![1; 101]), "must have 1 to 100 numbers");
        check("/Function", json!(7), "the value of the dimension \"Function\" must be a string");
        check("/Function", json!(""), "1 to 1024 characters of ASCII and not blank");
    }

    #[test]
    fn a_line_must_fit_into_an_event_of_cloudwatch_logs() {
        check("/message", json!("x".repeat(MAX_LINE)), "a line has at most");
    }
}
