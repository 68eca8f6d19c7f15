//! CloudWatch: what the SMS of this month have cost so far.

use std::time::SystemTime;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::primitives::DateTimeFormat;
use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};

use crate::aws::{Aws, AwsError, Call};

/// A gauge that a service keeps of what the month's SMS have cost, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spend {
    /// Source: <https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html>
    Sns,
    /// Source: <https://docs.aws.amazon.com/sms-voice/latest/userguide/monitoring-cloudwatch.html>
    EndUserMessaging,
}

impl Spend {
    fn metric(self) -> Metric {
        let (namespace, name) = match self {
            Self::Sns => ("AWS/SNS", "SMSMonthToDateSpentUSD"),
            Self::EndUserMessaging => ("AWS/SMSVoice", "TextMessageMonthlySpend"),
        };
        Metric::builder().namespace(namespace).metric_name(name).build()
    }
}

/// What the SMS of this month (UTC) have cost so far, in US dollars: 0 when the metric has no data, because it appears
/// with the first SMS.
///
/// # Errors
/// When CloudWatch does not say.
pub(crate) async fn month_to_date_spend(aws: &Aws, region: &str, spend: Spend) -> Result<f64, AwsError> {
    let call = Call { service: "CloudWatch", action: "cloudwatch:GetMetricData", region, quotes: false };
    let now = DateTime::from(SystemTime::now());
    // The gauge only rises within a month, so the highest value is the present one.
    let stat = MetricStat::builder().metric(spend.metric()).period(DAY).stat("Maximum").build();
    let answer = aws_sdk_cloudwatch::Client::new(aws.in_region(region).config())
        .get_metric_data()
        .metric_data_queries(MetricDataQuery::builder().id("spent").metric_stat(stat).build())
        .start_time(start_of_month(now))
        .end_time(now)
        .send()
        .await
        .map_err(|error| call.failure(&error))?;
    let values =
        answer.metric_data_results.unwrap_or_default().into_iter().filter_map(|result| result.values);
    Ok(values.flatten().fold(0.0, f64::max))
}

/// Seconds: a month has at most 31 of these values.
const DAY: i32 = 24 * 3_600;

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
