//! The calls to AWS, made concurrently.

use std::io::{IsTerminal as _, Write};

use super::clock::{self, HOUR, Window};
use super::counter;
use crate::aws::cloudwatch::{Alarm, CloudWatch, Point, Series, Span, Statistic};
use crate::aws::cognito;
use crate::aws::end_user_messaging::EndUserMessaging;
use crate::aws::ses::{self, Ses};
use crate::aws::sns::Sns;
use crate::aws::sqs::Queue;
use crate::aws::{Aws, AwsError};
use crate::stack::{SmsService, Stack};

/// The results of all calls. A value that the deployment doesn't have is `None`.
#[derive(Debug)]
pub(super) struct AwsResponses {
    /// The points of each counter, in the order of [`counter::all_series`].
    pub(super) counted: Result<Vec<Vec<Point>>, AwsError>,
    pub(super) failed_events: Option<Result<u64, AwsError>>,
    /// Seconds; `None` if CloudWatch has no data.
    pub(super) oldest: Option<Result<Option<u64>, AwsError>>,
    pub(super) unconfirmed: Option<Result<u64, AwsError>>,
    pub(super) ses: Option<Result<ses::Account, AwsError>>,
    /// US dollars; `None` if CloudWatch has no data for this month.
    pub(super) spent: Option<Result<Option<f64>, AwsError>>,
    pub(super) limit: Option<Result<Limit, AwsError>>,
    pub(super) alarms: Result<Vec<Alarm>, AwsError>,
}

/// The monthly SMS spend limit in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limit {
    pub(super) usd: f64,
    /// The highest limit that the account can set itself, if known.
    pub(super) most: Option<i64>,
}

/// Makes all calls concurrently. If one fails, the others still count. Counts the unconfirmed users of `pool`.
pub(super) async fn ask(aws: &Aws, stack: &Stack, pool: Option<&str>, window: Window) -> AwsResponses {
    let cloudwatch = CloudWatch::new(aws);
    let (counted, alarms) = (counter::all_series(stack), format!("{}-", stack.name()));
    let mut progress = Progress::new(std::io::stderr(), std::io::stderr().is_terminal());
    let (counted, failed_events, oldest, unconfirmed, ses, spent, limit, alarms) = tokio::join!(
        cloudwatch.points(&counted, Span { start: window.start, end: window.end, period: 3600 }),
        maybe(stack.queue_url(), async |url| Queue::new(aws, url).length().await),
        maybe(stack.queue_name(), async |name| oldest(&cloudwatch, name, window.now).await),
        maybe(pool, async |pool| {
            let time = window.start..window.end;
            let users = Box::pin(cognito::count_unconfirmed(aws, pool, time, |seen| progress.show(seen)));
            let users = users.await;
            progress.clear();
            users
        }),
        maybe(stack.ses_region(aws.region()), async |region| Ses::new(aws, region).account().await),
        maybe(stack.sms_service(), async |sms| spent(&cloudwatch, sms, window.now).await),
        maybe(stack.sms_service(), async |sms| limit(aws, sms).await),
        cloudwatch.ringing(&alarms),
    );
    AwsResponses { counted, failed_events, oldest, unconfirmed, ses, spent, limit, alarms }
}

async fn maybe<T, U>(
    subject: Option<T>,
    asked: impl AsyncFnOnce(T) -> Result<U, AwsError>,
) -> Option<Result<U, AwsError>> {
    match subject {
        Some(subject) => Some(asked(subject).await),
        None => None,
    }
}

/// The age of the oldest event in the queue, within the last minutes.
async fn oldest(cloudwatch: &CloudWatch, queue: &str, now: u64) -> Result<Option<u64>, AwsError> {
    // Source: "Available CloudWatch metrics for Amazon SQS", Amazon SQS developer guide.
    let age = Series {
        namespace: "AWS/SQS".to_owned(),
        metric: "ApproximateAgeOfOldestMessage",
        dimension: Some(("QueueName", queue.to_owned())),
        statistic: Statistic::Maximum,
    };
    let end = now.next_multiple_of(300);
    let span = Span { start: end.saturating_sub(HOUR), end, period: 300 };
    Ok(newest(&cloudwatch.points(&[age], span).await?).map(counter::whole))
}

/// This month's SMS spend in US dollars.
async fn spent(cloudwatch: &CloudWatch, sms: SmsService, now: u64) -> Result<Option<f64>, AwsError> {
    let (namespace, metric) = match sms {
        // Source: "Monitoring Amazon SNS topics using CloudWatch", Amazon SNS developer guide.
        SmsService::Sns => ("AWS/SNS", "SMSMonthToDateSpentUSD"),
        // Source: "Monitoring AWS End User Messaging SMS with Amazon CloudWatch", its user guide.
        SmsService::EndUserMessaging => ("AWS/SMSVoice", "TextMessageMonthlySpend"),
    };
    let namespace = namespace.to_owned();
    let spent = Series { namespace, metric, dimension: None, statistic: Statistic::Maximum };
    let span = Span { start: clock::month(now), end: now.next_multiple_of(HOUR), period: 3600 };
    Ok(newest(&cloudwatch.points(&[spent], span).await?))
}

fn newest(series: &[Vec<Point>]) -> Option<f64> {
    series.iter().flatten().max_by_key(|point| point.time).map(|point| point.value)
}

async fn limit(aws: &Aws, sms: SmsService) -> Result<Limit, AwsError> {
    match sms {
        SmsService::Sns => {
            Ok(Limit { usd: Sns::new(aws, aws.region()).attributes().await?.monthly_spend_limit, most: None })
        }
        SmsService::EndUserMessaging => {
            let limit = EndUserMessaging::new(aws, aws.region()).spend_limit().await?;
            let usd = f64::from(i32::try_from(limit.enforced).unwrap_or(i32::MAX));
            Ok(Limit { usd, most: Some(limit.most) })
        }
    }
}

/// The progress of the count, on one line of a terminal.
struct Progress<W> {
    to: W,
    terminal: bool,
    shown: bool,
}

impl<W: Write> Progress<W> {
    fn new(to: W, terminal: bool) -> Self {
        Self { to, terminal, shown: false }
    }

    fn show(&mut self, seen: u64) {
        if self.terminal {
            self.shown = true;
            // If standard error is closed, there is nowhere to report it.
            let _ = write!(self.to, "\rreading unconfirmed users: {seen}");
            let _ = self.to.flush();
        }
    }

    fn clear(&mut self) {
        if self.shown {
            let _ = write!(self.to, "\r{:60}\r", "");
            let _ = self.to.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_shows_on_a_terminal_only_and_leaves_nothing_behind() {
        for (terminal, expected) in [
            (false, String::new()),
            (
                true,
                format!(
                    "\rreading unconfirmed users: 60\rreading unconfirmed users: 120\r{}\r",
                    " ".repeat(60)
                ),
            ),
        ] {
            let mut progress = Progress::new(Vec::new(), terminal);
            progress.show(60);
            progress.show(120);
            progress.clear();
            assert_eq!(String::from_utf8(progress.to).unwrap(), expected);
        }
    }

    #[test]
    fn the_newest_point_counts_in_whatever_order_they_come() {
        let points = [(300, 2.0), (900, 4.0), (600, 9.0)].map(|(time, value)| Point { time, value });
        assert_eq!(newest(&[points.to_vec()]), Some(4.0));
        assert_eq!(newest(&[vec![]]), None);
    }
}
