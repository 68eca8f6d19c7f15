//! The result, as text and as a JSON document.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use shared::metric::{Metric, Observability};
use shared::trigger::Trigger;

use super::ask::AwsResponses;
use super::chart::chart;
use super::clock::{self, Window};
use super::counter::{Counter, counters, whole};
use crate::aws::cloudwatch::{Alarm, Point};
use crate::aws::ses;
use crate::aws::{AwsError, Kind};
use crate::stack::{SmsService, Stack};
use crate::terminal::output::{Output, Tone};
use crate::terminal::table::{self, table};
use crate::terminal::words::{count, duration};

/// The shown time range. A value of `None` was not requested, or is among `not_known`.
#[derive(Serialize)]
pub(super) struct StackStatus {
    pub(super) stack: String,
    pub(super) region: String,
    from: String,
    until: String,
    hours: usize,
    #[serde(skip)]
    pub(super) start: u64,
    functions: Option<Vec<Counts>>,
    /// Whether CloudWatch receives only some of the counts.
    #[serde(skip)]
    minimal: bool,
    #[serde(skip)]
    asked_for_users: bool,
    unconfirmed_users: Option<u64>,
    pub(super) failed_events: Option<FailedEvents>,
    pub(super) ses: Option<Mail>,
    pub(super) sms_spend: Option<SmsSpend>,
    pub(super) alarms: Option<Vec<ActiveAlarm>>,
    /// Is empty until [`looks`](super::look::looks) reads the rest.
    pub(super) look_at: Vec<Look>,
    pub(super) not_known: Vec<Unknown>,
    /// The error, if all calls failed.
    #[serde(skip)]
    pub(super) nothing: Option<AwsError>,
}

/// The counters of one function, its own and Lambda's.
#[derive(Serialize)]
struct Counts {
    #[serde(skip)]
    trigger: Trigger,
    function: &'static str,
    /// Its name in Lambda; `None` if the stack could not be described.
    name: Option<String>,
    totals: BTreeMap<&'static str, u64>,
    /// From `from` on, for every metric that is not zero throughout.
    hourly: BTreeMap<&'static str, Vec<u64>>,
}

#[derive(Serialize)]
pub(super) struct FailedEvents {
    pub(super) waiting: Option<u64>,
    pub(super) oldest_seconds: Option<u64>,
}

/// The emails that SES sent in 24 hours, and the quota.
#[derive(Serialize)]
pub(super) struct Mail {
    pub(super) region: String,
    pub(super) sent: u64,
    /// `None`: no limit.
    pub(super) quota: Option<u64>,
    pub(super) sending_enabled: bool,
    pub(super) sandbox: bool,
    pub(super) standing: Option<String>,
}

/// This month's SMS spend, and the limit.
#[derive(Serialize)]
pub(super) struct SmsSpend {
    #[serde(skip)]
    pub(super) by: SmsService,
    service: &'static str,
    pub(super) spent_usd: Option<f64>,
    pub(super) limit_usd: Option<f64>,
    /// The highest limit that the account can set itself.
    #[serde(skip)]
    pub(super) most_usd: Option<i64>,
    /// Whether CloudWatch has no data.
    #[serde(skip)]
    unreported: bool,
}

/// An alarm of the stack in the state `ALARM`.
pub(super) struct ActiveAlarm {
    /// In the template.
    pub(super) logical_id: String,
    pub(super) alarm: Alarm,
}

impl Serialize for ActiveAlarm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut alarm = serializer.serialize_struct("ActiveAlarm", 2)?;
        alarm.serialize_field("name", &self.alarm.name)?;
        alarm.serialize_field("since", &self.alarm.since.map(clock::stamp))?;
        alarm.end()
    }
}

/// A problem, and the command to start with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Look {
    pub(super) what: String,
    pub(super) command: String,
}

/// Values that are not known.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Unknown {
    pub(super) what: Vec<&'static str>,
    pub(super) why: String,
}

/// The counters of the senders, with their labels.
const MESSAGES: [(&str, Metric); 11] = [
    ("sent", Metric::Sent),
    ("duplicates avoided", Metric::Duplicate),
    ("expired", Metric::Expired),
    ("blocked by the configuration", Metric::Blocked),
    ("blocked by an SMS limit", Metric::PumpingBlocked),
    ("rejected recipient", Metric::RecipientFault),
    ("failed, temporary", Metric::FailedTransient),
    ("failed, configuration", Metric::FailedConfiguration),
    ("failed, outcome unknown", Metric::FailedAmbiguous),
    ("failed, malformed event", Metric::FailedMalformed),
    ("sent by the fallback", Metric::FallbackUsed),
];

/// Counters of the senders that are shown only if they are not zero.
const RARE: [(&str, Metric); 4] = [
    ("nothing to send", Metric::NothingToSend),
    ("already in progress", Metric::InProgress),
    ("may arrive twice", Metric::TakenOver),
    ("without a delivery record", Metric::RecordUnavailable),
];

const SIGN_UPS: [(&str, Metric); 3] = [
    ("confirmed without a code", Metric::SignUpConfirmed),
    ("continued with a code", Metric::SignUpPassedOn),
    ("refused", Metric::SignUpRefused),
];

const BY_COGNITO: [(&str, Metric); 2] =
    [("with the stack's text", Metric::MessageWritten), ("with Cognito's own text", Metric::MessageLeft)];

/// The counters that the chart shows as failed.
const FAILED: [Metric; 4] =
    [Metric::FailedTransient, Metric::FailedConfiguration, Metric::FailedAmbiguous, Metric::FailedMalformed];

impl StackStatus {
    pub(super) fn new(stack: &Stack, region: &str, window: Window, responses: AwsResponses) -> Self {
        let mut unknown = Unknowns::default();
        let functions = unknown
            .known("counts of messages, sign-ups and functions", responses.counted)
            .map(|points| counts(stack, window, &points));
        let waiting = unknown.asked("failed events in the queue", responses.failed_events);
        let oldest = unknown.asked("age of the oldest failed event", responses.oldest);
        let asked_for_users = responses.unconfirmed.is_some();
        let unconfirmed_users = unknown.asked("unconfirmed users", responses.unconfirmed);
        let mail = unknown.asked("emails in 24 hours", responses.ses);
        let spent = unknown.asked("this month's SMS spend", responses.spent);
        let limit = unknown.asked("SMS spend limit", responses.limit);
        let alarms = unknown.known("alarms", responses.alarms);
        Self {
            stack: stack.name().to_owned(),
            region: region.to_owned(),
            from: clock::stamp(window.start),
            until: clock::stamp(window.end),
            hours: window.hours(),
            start: window.start,
            functions,
            minimal: stack.observability() == Observability::Minimal,
            asked_for_users,
            unconfirmed_users,
            failed_events: stack
                .queue_url()
                .map(|_| FailedEvents { waiting, oldest_seconds: oldest.flatten() }),
            ses: mail.map(|account| Mail::new(account, stack.ses_region(region))),
            sms_spend: stack.sms_service().map(|by| SmsSpend {
                by,
                service: by.name(),
                unreported: spent == Some(None),
                spent_usd: spent.flatten(),
                limit_usd: limit.map(|limit| limit.usd),
                most_usd: limit.and_then(|limit| limit.most),
            }),
            alarms: alarms.map(|alarms| active_alarms(stack, alarms)),
            look_at: Vec::new(),
            nothing: unknown.nothing(),
            not_known: unknown.unknown,
        }
    }

    /// The total of a counter; 0 if it is not known.
    pub(super) fn total(&self, trigger: Trigger, counter: impl Into<Counter>) -> u64 {
        let name = counter.into().name();
        self.counts(trigger).and_then(|counts| counts.totals.get(name)).copied().unwrap_or_default()
    }

    fn counts(&self, trigger: Trigger) -> Option<&Counts> {
        self.functions.iter().flatten().find(|counts| counts.trigger == trigger)
    }

    /// The sum of these counters of these functions, for each hour.
    fn hourly(&self, triggers: &[Trigger], metrics: &[Metric]) -> Vec<u64> {
        let mut sums = vec![0_u64; self.hours];
        let counts = triggers.iter().filter_map(|trigger| self.counts(*trigger));
        for values in
            counts.flat_map(|counts| metrics.iter().filter_map(|metric| counts.hourly.get(metric.name())))
        {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.saturating_add(*value);
            }
        }
        sums
    }

    /// Shows the result as text.
    ///
    /// # Errors
    /// When standard output is gone.
    pub(super) fn show(&self, ascii: bool, output: &mut Output) -> std::io::Result<()> {
        for (tone, line) in [Tone::Strong, Tone::Plain].into_iter().zip(self.headlines()) {
            output.row(tone, &line)?;
        }
        for lines in self.blocks(ascii) {
            block(&lines, output)?;
        }
        if self.minimal && self.functions.is_some() {
            output.text(Tone::Plain, 0, "")?;
            output.text(
                Tone::Plain,
                0,
                "CloudWatch has no other counts, because the stack has Observability=minimal. The logs have them.",
            )?;
        }
        output.text(Tone::Plain, 0, "")?;
        for line in self.now() {
            output.text(Tone::Plain, table::NAMES, &line)?;
        }
        self.show_looks(output)?;
        self.show_unknown(output)
    }

    fn headlines(&self) -> [String; 2] {
        let length = clock::HOUR.saturating_mul(u64::try_from(self.hours).unwrap_or_default());
        let (from, until) = (clock::minute(self.start), clock::minute(self.start.saturating_add(length)));
        [
            format!("Stack {} in {}", table::cut(&self.stack, 40), table::cut(&self.region, 30)),
            format!("{from} to {until} UTC, {}", count(self.hours, "hour")),
        ]
    }

    /// The tables and the chart, if there are numbers for them: at most 80 columns wide.
    fn blocks(&self, ascii: bool) -> Vec<Vec<String>> {
        if self.functions.is_none() {
            return Vec::new();
        }
        vec![self.messages(), self.by_cognito(), self.sign_ups(), self.lambda(), self.chart(ascii)]
    }

    fn senders(&self) -> Vec<(&'static str, Trigger)> {
        [("email", Trigger::CustomEmailSender), ("SMS", Trigger::CustomSmsSender)]
            .into_iter()
            .filter(|(_, trigger)| self.counts(*trigger).is_some())
            .collect()
    }

    fn messages(&self) -> Vec<String> {
        let senders = self.senders();
        if senders.is_empty() {
            return Vec::new();
        }
        let row = |(label, metric): &(&str, Metric)| {
            let cells = senders.iter().map(|(_, trigger)| self.cell(*trigger, *metric)).collect();
            ((*label).to_owned(), cells)
        };
        let rare = RARE
            .iter()
            .filter(|(_, metric)| senders.iter().any(|(_, trigger)| self.total(*trigger, *metric) > 0));
        let here = MESSAGES
            .iter()
            .filter(|(_, metric)| senders.iter().any(|(_, trigger)| self.is_counted(*trigger, *metric)));
        let rows: Vec<_> = here.chain(rare).map(row).collect();
        let heads: Vec<_> = senders.iter().map(|(channel, _)| *channel).collect();
        table("Messages", &heads, &rows)
    }

    fn cell(&self, trigger: Trigger, metric: Metric) -> String {
        if self.is_counted(trigger, metric) {
            self.total(trigger, metric).to_string()
        } else {
            "-".to_owned()
        }
    }

    /// Whether CloudWatch receives this metric of the function.
    fn is_counted(&self, trigger: Trigger, metric: Metric) -> bool {
        self.counts(trigger).is_some_and(|counts| counts.totals.contains_key(metric.name()))
    }

    fn by_cognito(&self) -> Vec<String> {
        let rows = BY_COGNITO.map(|(label, metric)| (label, self.total(Trigger::CustomMessage, metric)));
        if rows.iter().all(|(_, number)| *number == 0) {
            return Vec::new();
        }
        table(
            "Messages that Cognito sends",
            &[],
            &rows.map(|(label, number)| (label.to_owned(), vec![number.to_string()])),
        )
    }

    fn sign_ups(&self) -> Vec<String> {
        let mut rows: Vec<_> = SIGN_UPS
            .iter()
            .filter(|(_, metric)| self.is_counted(Trigger::PreSignUp, *metric))
            .map(|(label, metric)| {
                ((*label).to_owned(), vec![self.total(Trigger::PreSignUp, *metric).to_string()])
            })
            .collect();
        if self.asked_for_users {
            let number = self.unconfirmed_users.map_or_else(|| "?".to_owned(), |number| number.to_string());
            rows.push(("still unconfirmed".to_owned(), vec![number]));
        }
        table("Sign-ups", &[], &rows)
    }

    fn lambda(&self) -> Vec<String> {
        let functions = self.functions.iter().flatten();
        let rows: Vec<_> = functions
            .map(|counts| {
                let cells = Counter::OF_LAMBDA.map(|counter| {
                    counts.totals.get(counter.name()).map_or_else(|| "?".to_owned(), ToString::to_string)
                });
                (counts.function.to_owned(), cells.to_vec())
            })
            .collect();
        table("Lambda", &["errors", "throttles"], &rows)
    }

    fn chart(&self, ascii: bool) -> Vec<String> {
        const SENDERS: [Trigger; 2] = [Trigger::CustomEmailSender, Trigger::CustomSmsSender];
        let mut rows = Vec::new();
        if !self.senders().is_empty() {
            rows.push(("sent", self.hourly(&SENDERS, &[Metric::Sent])));
            if SENDERS.iter().any(|trigger| FAILED.iter().any(|metric| self.is_counted(*trigger, *metric))) {
                rows.push(("failed", self.hourly(&SENDERS, &FAILED)));
            }
        }
        let by_cognito = self.hourly(&[Trigger::CustomMessage], &BY_COGNITO.map(|(_, metric)| metric));
        if rows.is_empty() || by_cognito.iter().any(|number| *number > 0) {
            rows.push(("Cognito", by_cognito));
        }
        let most = |(name, values): &(&str, Vec<u64>)| {
            let most = values.iter().max().copied().unwrap_or_default();
            if *name == "Cognito" { format!("{most} by Cognito") } else { format!("{most} {name}") }
        };
        let most: Vec<_> = rows.iter().map(most).collect();
        let mut lines = vec![table::cut(&format!("Per hour, at most {}", most.join(", ")), 80)];
        lines.extend(chart(&rows, self.start, ascii));
        lines
    }

    /// The current values.
    fn now(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line =
            |name: &str, value: String| lines.push(format!("{name:<width$}{value}", width = table::NAMES));
        if let Some(events) = &self.failed_events {
            line("Failed events", events.to_string());
        }
        if let Some(mail) = &self.ses {
            line("Emails in 24 hours", mail.to_string());
        }
        if let Some(spend) = &self.sms_spend {
            line("SMS spend this month", spend.to_string());
        }
        line(
            "Alarms",
            match self.alarms.as_deref() {
                None => "?".to_owned(),
                Some([]) => "none".to_owned(),
                Some(alarms) => alarms.len().to_string(),
            },
        );
        lines
    }

    fn show_looks(&self, output: &mut Output) -> std::io::Result<()> {
        output.text(Tone::Plain, 0, "")?;
        if self.look_at.is_empty() {
            let limits = if self.not_known.is_empty() { "" } else { " in the known values" };
            return output.text(Tone::Good, 0, &format!("No problems{limits}."));
        }
        output.text(Tone::Strong, 0, "Problems")?;
        for (index, look) in self.look_at.iter().enumerate() {
            output.text(Tone::Warning, 4, &format!("  {}", look.what))?;
            let next = self.look_at.get(index.saturating_add(1));
            if next.is_none_or(|next| next.command != look.command) {
                for line in command_lines(&look.command) {
                    output.row(Tone::Plain, &line)?;
                }
            }
        }
        Ok(())
    }

    fn show_unknown(&self, output: &mut Output) -> std::io::Result<()> {
        if self.not_known.is_empty() {
            return Ok(());
        }
        output.text(Tone::Plain, 0, "")?;
        output.text(Tone::Strong, 0, "Not known")?;
        for unknown in &self.not_known {
            output.text(Tone::Warning, 4, &format!("  {}: {}", unknown.what.join(", "), unknown.why))?;
        }
        Ok(())
    }
}

/// A wrapped paragraph.
fn block(lines: &[String], output: &mut Output) -> std::io::Result<()> {
    let Some((title, rest)) = lines.split_first() else { return Ok(()) };
    output.row(Tone::Plain, "")?;
    output.row(Tone::Strong, title)?;
    for line in rest {
        output.row(Tone::Plain, line)?;
    }
    Ok(())
}

/// A command, wrapped so that it can be pasted into a shell.
fn command_lines(command: &str) -> Vec<String> {
    let mut lines = vec!["    $ ".to_owned()];
    for (index, part) in command.split(" --").enumerate() {
        let part = if index == 0 { part.to_owned() } else { format!(" --{part}") };
        let Some(line) = lines.last_mut() else { break };
        // Two more columns for the backslash that continues the line.
        if index > 0 && line.chars().count() + part.chars().count() + 2 > 80 {
            line.push_str(" \\");
            lines.push(format!("       {part}"));
        } else {
            line.push_str(&part);
        }
    }
    lines
}

/// Assigns the points to their counters: they have the order of [`all_series`](super::counter::all_series).
fn counts(stack: &Stack, window: Window, points: &[Vec<Point>]) -> Vec<Counts> {
    let mut points = points.iter();
    let of = |trigger: Trigger| {
        let hourly: BTreeMap<_, _> = counters(stack, trigger)
            .into_iter()
            .zip(&mut points)
            .map(|(counter, points)| (counter.name(), by_hour(window, points)))
            .collect();
        let total = |values: &Vec<u64>| values.iter().copied().fold(0, u64::saturating_add);
        let totals: BTreeMap<_, _> = hourly.iter().map(|(metric, values)| (*metric, total(values))).collect();
        Counts {
            trigger,
            function: trigger.package(),
            name: stack.function_name(trigger).map(str::to_owned),
            hourly: hourly.into_iter().filter(|(metric, _)| totals.get(metric) != Some(&0)).collect(),
            totals,
        }
    };
    stack.triggers().map(of).collect()
}

fn by_hour(window: Window, points: &[Point]) -> Vec<u64> {
    let mut hours = vec![0_u64; window.hours()];
    for point in points {
        if let Some(hour) = window.hour(point.time).and_then(|hour| hours.get_mut(hour)) {
            *hour = hour.saturating_add(whole(point.value));
        }
    }
    hours
}

fn active_alarms(stack: &Stack, alarms: Vec<Alarm>) -> Vec<ActiveAlarm> {
    let of = |alarm: Alarm| Some(ActiveAlarm { logical_id: stack.alarm_id(&alarm.name)?.to_owned(), alarm });
    alarms.into_iter().filter_map(of).collect()
}

/// Collects the values that are not known, grouped by the reason.
#[derive(Default)]
struct Unknowns {
    unknown: Vec<Unknown>,
    known: bool,
    errors: Vec<AwsError>,
}

impl Unknowns {
    fn known<T>(&mut self, what: &'static str, response: Result<T, AwsError>) -> Option<T> {
        let error = match response {
            Ok(value) => {
                self.known = true;
                return Some(value);
            }
            Err(error) => error,
        };
        match self.unknown.iter_mut().find(|unknown| unknown.why == error.text) {
            Some(unknown) => unknown.what.push(what),
            None => self.unknown.push(Unknown { what: vec![what], why: error.text.clone() }),
        }
        self.errors.push(error);
        None
    }

    fn asked<T>(&mut self, what: &'static str, response: Option<Result<T, AwsError>>) -> Option<T> {
        self.known(what, response?)
    }

    /// The error, if all calls failed. Its kind is preferably one that no retry fixes.
    fn nothing(&self) -> Option<AwsError> {
        let lasting = self.errors.iter().find(|error| error.kind != Kind::Throttled);
        let kind = lasting.or(self.errors.first()).filter(|_| !self.known)?.kind;
        let reasons: Vec<_> = self.unknown.iter().map(|unknown| unknown.why.as_str()).collect();
        Some(AwsError::new(kind, reasons.join("; ")))
    }
}

impl Mail {
    fn new(account: ses::Account, region: Option<&str>) -> Self {
        let ses::Account { sent, quota, sending, production, standing, .. } = account;
        let region = region.unwrap_or_default().to_owned();
        let (sent, quota) = (whole(sent), quota.map(whole));
        Self { region, sent, quota, sending_enabled: sending, sandbox: !production, standing }
    }
}

impl std::fmt::Display for FailedEvents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.waiting, self.oldest_seconds) {
            (None, _) => formatter.write_str("?"),
            (Some(waiting @ 1..), Some(age)) => {
                write!(formatter, "{waiting}, the oldest for {}", duration(Duration::from_secs(age)))
            }
            (Some(waiting), _) => write!(formatter, "{waiting}"),
        }
    }
}

impl std::fmt::Display for Mail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.sent)?;
        match self.quota {
            Some(quota) => write!(formatter, " of {quota}")?,
            None => formatter.write_str(", no limit")?,
        }
        formatter.write_str(if self.sandbox { " (SES, no production access)" } else { " (SES)" })
    }
}

impl std::fmt::Display for SmsSpend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.spent_usd {
            Some(spent) => write!(formatter, "{:.2} of ", money(spent))?,
            None => formatter.write_str(if self.unreported { "no data, limit " } else { "? of " })?,
        }
        match self.limit_usd {
            Some(limit) => write!(formatter, "{:.2}", money(limit))?,
            None => formatter.write_str("?")?,
        }
        write!(formatter, " US dollars ({})", self.service)
    }
}

/// An amount that fits into one line.
fn money(usd: f64) -> f64 {
    usd.clamp(0.0, 1e12)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_name_and_no_number_makes_a_table_or_a_chart_wider_than_80_columns(
            stack in "[ -~]{0,128}",
            region in "[a-z0-9-]{0,60}",
            hours in 1_u8..=72,
            values in prop::collection::vec(prop::collection::vec(0.0_f64..2e19, 0..72), 60),
            ascii in any::<bool>(),
        ) {
            let stack = Stack::by_name_only(&stack);
            let window = Window::new(clock::parse("2026-11-22T12:00:00Z").unwrap(), hours);
            let points = |values: Vec<f64>| {
                let times = (window.start..).step_by(3600);
                times.zip(values).map(|(time, value)| Point { time, value }).collect()
            };
            let responses = AwsResponses {
                counted: Ok(values.into_iter().map(points).collect()),
                failed_events: None,
                oldest: None,
                unconfirmed: Some(Ok(u64::MAX)),
                ses: None,
                spent: None,
                limit: None,
                alarms: Ok(Vec::new()),
            };
            let status = StackStatus::new(&stack, &region, window, responses);
            let blocks = status.blocks(ascii);
            prop_assert_eq!(blocks.len(), 5);
            for line in blocks.iter().flatten().chain(&status.headlines()) {
                prop_assert!(line.chars().count() <= 80, "{}", line);
            }
        }
    }

    #[test]
    fn a_command_breaks_before_its_options_only() {
        assert_eq!(
            command_lines("cognito-triggers redrive --stack-name triggers"),
            ["    $ cognito-triggers redrive --stack-name triggers"]
        );
        let long = "aws logs filter-log-events --log-group-name /aws/lambda/triggers-custom-email-sender \
                    --start-time 1795348800000 --filter-pattern '{ $.level = \"ERROR\" }'";
        let lines = command_lines(long);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        let pasted: Vec<_> = lines.iter().map(|line| line.trim_end_matches('\\').trim()).collect();
        assert_eq!(pasted.join(" "), format!("$ {long}"));
    }
}
