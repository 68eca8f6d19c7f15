//! The errors that the functions logged lately, for any user.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use shared::outcome::ErrorType;
use shared::settings::ConfigError;
use shared::trigger::Trigger;

use super::recipient_log::{MAX_LINES, timestamp};
use crate::aws::AwsError;
use crate::aws::lambda::Configuration;
use crate::aws::logs::{Line, Logs};
use crate::doctor::finding::Finding;
use crate::doctor::registry::CheckId;
use crate::doctor::settings::check_start;
use crate::doctor::subject::Subject;
use crate::terminal::shell::quote;

const ERRORS: CheckId = CheckId::HistoryErrors;

/// How far back errors are read.
const PERIOD: Duration = Duration::from_hours(1);

pub(super) async fn check(subject: &Subject<'_>, logs: &Logs) -> Vec<Finding> {
    let since = SystemTime::now() - PERIOD;
    let one = async |trigger| {
        let configuration = subject.function(trigger)?;
        let lines = logs.latest(&configuration.log_group, "{ $.level = \"ERROR\" }", since, MAX_LINES);
        Some((trigger, configuration, subject.progress.of(lines).await))
    };
    let [first, second, third, fourth] = Trigger::ALL;
    let all = tokio::join!(one(first), one(second), one(third), one(fourth));
    let answers: Vec<_> = [all.0, all.1, all.2, all.3].into_iter().flatten().collect();
    let mut findings: Vec<_> = answers
        .iter()
        .filter_map(|(trigger, configuration, lines)| {
            let variables = subject.settings.get(trigger).and_then(|settings| settings.as_ref().ok());
            let start = variables.map(|variables| check_start(*trigger, subject.region(), variables));
            finding(configuration, start.as_ref(), lines, subject.region())
        })
        .collect();
    if findings.is_empty() && !answers.is_empty() {
        findings.push(
            Finding::ok(ERRORS, "no function logged an error in the last hour")
                .evidence("logs:FilterLogEvents of their log groups for the level ERROR"),
        );
    }
    findings
}

fn finding(
    configuration: &Configuration,
    start: Option<&Result<(), ConfigError>>,
    lines: &Result<Vec<Line>, AwsError>,
    region: &str,
) -> Option<Finding> {
    let Configuration { name, log_group, .. } = configuration;
    let lines = match lines {
        Ok(lines) => lines,
        Err(error) => return Some(Finding::not_checked(ERRORS, &format!("errors of {name}"), error)),
    };
    let last = lines.last()?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut settings = None;
    for line in lines {
        let fields: Value = serde_json::from_str(&line.text).unwrap_or_default();
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let error = text("error.type").and_then(|error| error.parse::<ErrorType>().ok());
        settings = invalid_settings(error, text("settings"), text("message")).map(variables).or(settings);
        let count = counts.entry(error.map_or("other", ErrorType::name)).or_default();
        *count = count.saturating_add(1);
    }
    let at = timestamp(last.time);
    let finding = if let Some(names) = settings {
        let summary =
            format!("{name} didn't start in the last hour, last at {at}, because of these settings: {names}");
        match start {
            Some(Ok(())) => {
                Finding::warning(ERRORS, format!("{summary}; with its current settings it starts"))
            }
            Some(Err(error @ ConfigError::NotKnown(_))) => Finding::warning(
                ERRORS,
                format!("{summary}; doctor can't check whether it starts now, because {error}"),
            ),
            Some(Err(ConfigError::Invalid(_))) | None => Finding::cause(ERRORS, summary).advice(
                "Fix the parameters of these variables and deploy the stack again: docs/configuration.md.",
            ),
        }
    } else {
        let counts: Vec<_> = counts.iter().map(|(error, count)| format!("{error} {count}")).collect();
        Finding::warning(
            ERRORS,
            format!("{name} logged errors in the last hour, last at {at}: {}", counts.join(", ")),
        )
    };
    Some(
        finding
            .evidence(format!("logs:FilterLogEvents of {log_group} for the level ERROR"))
            .advice("The log entries:")
            .command(format!(
                "aws logs filter-log-events --log-group-name {} --filter-pattern '{{ $.level = \"ERROR\" }}' --region {}",
                quote(log_group),
                quote(region)
            )),
    )
}

/// The configuration error of a function that didn't start.
fn invalid_settings<'a>(
    error: Option<ErrorType>,
    settings: Option<&'a str>,
    message: Option<&'a str>,
) -> Option<&'a str> {
    const OLD: &str = "invalid configuration: ";
    match error {
        Some(ErrorType::InvalidConfiguration) => {
            let reason = settings.or(message)?;
            Some(reason.strip_prefix(OLD).unwrap_or(reason))
        }
        Some(_) => None,
        None => message?.strip_prefix(OLD),
    }
}

/// The variables that a configuration error names. The rest of the error may quote a value.
fn variables(problems: &str) -> String {
    let names: Vec<_> = problems
        .split([';', ','])
        .filter_map(|problem| problem.trim().split(' ').next())
        .filter(|name| name.len() > 3 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    if names.is_empty() { "see the log".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_invalid_settings_are_shown() {
        let problems = "FROM_ADDRESS is not set; DENIED_EMAIL_DOMAINS entry 1 `ann@example.com` is no \
                        domain; ann@example.com is; x";
        assert_eq!(variables(problems), "FROM_ADDRESS, DENIED_EMAIL_DOMAINS");
        assert_eq!(variables("ann@example.com"), "see the log");
    }
}
