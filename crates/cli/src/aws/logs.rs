//! CloudWatch Logs: the log entries of functions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::aws::{Aws, AwsError, Call, Kind};

/// The log groups of one Region.
pub(crate) struct Logs {
    client: aws_sdk_cloudwatchlogs::Client,
    region: String,
}

/// A log entry, which may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: SystemTime,
    pub(crate) text: String,
}

/// The maximum number of pages to read. A page may be empty although others follow.
const PAGES: usize = 20;

impl Logs {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { client: aws_sdk_cloudwatchlogs::Client::new(aws.config()), region: aws.region().to_owned() }
    }

    /// The latest entries of a log group that match the pattern, in the order of their time: at least `most` of them
    /// if 20 pages hold that many.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>
    ///
    /// # Errors
    /// If the call fails. A log group that does not exist has no entries.
    pub(crate) async fn latest(
        &self,
        group: &str,
        pattern: &str,
        since: SystemTime,
        most: usize,
    ) -> Result<Vec<Line>, AwsError> {
        let call = Call {
            service: "CloudWatch Logs",
            action: "logs:FilterLogEvents",
            region: &self.region,
            quotes: false,
        };
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut pages = self
            .client
            .filter_log_events()
            .log_group_name(group)
            .filter_pattern(pattern)
            .start_time(i64::try_from(since).unwrap_or_default())
            // The latest first, because only the last entries matter.
            .start_from_head(false)
            .into_paginator()
            .send();
        let mut lines = Vec::new();
        for _ in 0..PAGES {
            let Some(page) = pages.next().await else { break };
            let page = match page.map_err(|error| call.failure(&error)) {
                Err(error) if error.kind == Kind::NotFound => break,
                page => page?,
            };
            lines.extend(page.events.unwrap_or_default().into_iter().filter_map(|event| {
                let time = u64::try_from(event.timestamp?).ok()?;
                Some(Line { time: UNIX_EPOCH + Duration::from_millis(time), text: event.message? })
            }));
            if lines.len() >= most {
                break;
            }
        }
        lines.sort_by_key(|line| line.time);
        Ok(lines)
    }
}
