//! CloudWatch: metrics, alarms, and this month's SMS spend.

use std::time::SystemTime;

use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricAlarm, MetricDataQuery, MetricStat, StateValue, StatusCode,
};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format as DateTimeFormat;

use crate::aws::{Aws, AwsError, Call, Kind};

/// The maximum number of metrics in one call.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>
const QUERIES: usize = 500;

/// CloudWatch in one Region.
pub(crate) struct CloudWatch {
    client: aws_sdk_cloudwatch::Client,
    region: String,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) namespace: String,
    pub(crate) metric: &'static str,
    /// Name and value of the metric's only dimension.
    pub(crate) dimension: Option<(&'static str, String)>,
    /// The statistic over the values of one period.
    pub(crate) statistic: Statistic,
}

/// The statistic over the values of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    Sum,
    Maximum,
}

/// The time range: from `start` (inclusive) to `end` (exclusive), in seconds since 1970, with one point for each
/// period. Both are multiples of the period, so that the points are, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Seconds.
    pub(crate) period: u16,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// The beginning of its period, in seconds since 1970.
    pub(crate) time: u64,
    pub(crate) value: f64,
}

/// An alarm in the state `ALARM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Seconds since 1970.
    pub(crate) since: Option<u64>,
}

impl CloudWatch {
    pub(crate) fn new(aws: &Aws) -> Self {
        let client = aws_sdk_cloudwatch::Client::new(aws.config());
        Self { client, region: aws.region().to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        Call { service: "CloudWatch", action, region: &self.region, quotes: false }
    }

    /// The points of each series, in the order of the series; a series without data has none.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn points(&self, series: &[Series], span: Span) -> Result<Vec<Vec<Point>>, AwsError> {
        let mut all = Vec::with_capacity(series.len());
        for part in series.chunks(QUERIES) {
            all.extend(self.some_points(part, span).await?);
        }
        Ok(all)
    }

    async fn some_points(&self, series: &[Series], span: Span) -> Result<Vec<Vec<Point>>, AwsError> {
        let queries: Vec<_> =
            series.iter().enumerate().map(|(index, series)| series.query(index, span)).collect();
        let mut all = vec![Vec::new(); series.len()];
        let mut pages = self
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(date(span.start))
            .end_time(date(span.end))
            .into_paginator()
            .send();
        while let Some(answer) = pages.next().await {
            let answer = answer.map_err(|error| self.call("cloudwatch:GetMetricData").failure(&error))?;
            for result in answer.metric_data_results() {
                if matches!(result.status_code(), Some(StatusCode::InternalError | StatusCode::Forbidden)) {
                    let text = "CloudWatch could not read all metrics (cloudwatch:GetMetricData)";
                    return Err(AwsError::new(Kind::Other, text));
                }
                let index = result.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
                let Some(points) = index.and_then(|index| all.get_mut(index)) else { continue };
                let pairs = result.timestamps().iter().zip(result.values());
                points.extend(pairs.filter_map(|(time, &value)| Some(Point { time: seconds(time)?, value })));
            }
        }
        Ok(all)
    }

    /// The alarms in the state `ALARM` whose names begin with `prefix`.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn ringing(&self, prefix: &str) -> Result<Vec<Alarm>, AwsError> {
        let mut alarms = Vec::new();
        let mut pages = self
            .client
            .describe_alarms()
            .alarm_name_prefix(prefix)
            .alarm_types(AlarmType::MetricAlarm)
            .state_value(StateValue::Alarm)
            .into_paginator()
            .send();
        while let Some(answer) = pages.next().await {
            let answer = answer.map_err(|error| self.call("cloudwatch:DescribeAlarms").failure(&error))?;
            alarms.extend(answer.metric_alarms().iter().map(|alarm| Alarm {
                name: alarm.alarm_name().unwrap_or_default().to_owned(),
                description: alarm.alarm_description().unwrap_or_default().to_owned(),
                since: since(alarm),
            }));
        }
        Ok(alarms)
    }
}

impl Series {
    /// The query for CloudWatch; the id identifies it within a call.
    fn query(&self, index: usize, span: Span) -> MetricDataQuery {
        let dimension =
            |(name, value): &(&str, String)| Dimension::builder().name(*name).value(value).build();
        let metric = Metric::builder()
            .namespace(&self.namespace)
            .metric_name(self.metric)
            .set_dimensions(self.dimension.as_ref().map(|pair| vec![dimension(pair)]))
            .build();
        let statistic = match self.statistic {
            Statistic::Sum => "Sum",
            Statistic::Maximum => "Maximum",
        };
        let wanted = MetricStat::builder().metric(metric).period(span.period.into()).stat(statistic).build();
        MetricDataQuery::builder().id(format!("m{index}")).metric_stat(wanted).build()
    }
}

fn date(time: u64) -> DateTime {
    DateTime::from_secs(i64::try_from(time).unwrap_or(i64::MAX))
}

fn seconds(time: &DateTime) -> Option<u64> {
    u64::try_from(time.secs()).ok()
}

/// When the alarm's state last changed.
fn since(alarm: &MetricAlarm) -> Option<u64> {
    alarm.state_transitioned_timestamp().or(alarm.state_updated_timestamp()).and_then(seconds)
}

/// A service's metric of the month's SMS spend, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spend {
    /// Source: <https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html>
    Sns,
    /// Source: <https://docs.aws.amazon.com/sms-voice/latest/userguide/monitoring-cloudwatch.html>
    EndUserMessaging,
}

impl Spend {
    fn series(self) -> Series {
        let (namespace, metric) = match self {
            Self::Sns => ("AWS/SNS", "SMSMonthToDateSpentUSD"),
            Self::EndUserMessaging => ("AWS/SMSVoice", "TextMessageMonthlySpend"),
        };
        Series { namespace: namespace.to_owned(), metric, dimension: None, statistic: Statistic::Maximum }
    }
}

/// This month's SMS spend (UTC) in US dollars: the newest value, because the service may correct it. `None` if the
/// metric has no data, because it appears with the first SMS.
///
/// # Errors
/// If the call fails.
pub(crate) async fn month_to_date_spend(
    aws: &Aws,
    region: &str,
    spend: Spend,
) -> Result<Option<f64>, AwsError> {
    let now = DateTime::from(SystemTime::now());
    let [start, end] = [start_of_month(now), now].map(|time| seconds(&time).unwrap_or_default());
    let span = Span { start, end: end.next_multiple_of(HOUR.into()), period: HOUR };
    let series = CloudWatch::new(&aws.in_region(region)).points(&[spend.series()], span).await?;
    Ok(series.iter().flatten().max_by_key(|point| point.time).map(|point| point.value))
}

/// Seconds.
const HOUR: u16 = 3600;

fn start_of_month(now: DateTime) -> DateTime {
    let text = now.fmt(DateTimeFormat::DateTime).unwrap_or_default();
    let month = text.get(.."YYYY-MM".len()).unwrap_or_default();
    DateTime::from_str(&format!("{month}-01T00:00:00Z"), DateTimeFormat::DateTime).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_midnight_of_its_first_day() {
        let time = |text| DateTime::from_str(text, DateTimeFormat::DateTime).unwrap();
        assert_eq!(start_of_month(time("2026-11-22T09:10:11.5Z")), time("2026-11-01T00:00:00Z"));
        assert_eq!(start_of_month(time("2027-01-01T00:00:00Z")), time("2027-01-01T00:00:00Z"));
    }
}
