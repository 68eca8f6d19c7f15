//! `status`: the last day of a deployment at a glance.

mod ask;
mod chart;
mod clock;
mod deployment;
mod look;
mod stack_status;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use self::clock::HOUR;
use self::deployment::Deployment;
use self::look::Shell;
use self::stack_status::{StackStatus, Unknown};
use crate::aws::{Aws, AwsError, Kind};
use crate::stack::Stack;
use crate::terminal::output::Output;
use crate::{Common, End, Error};

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    /// Stack of the deployment
    #[arg(long, value_name = "NAME")]
    stack_name: String,
    /// Hours to look back at, the present one included
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u8).range(1..=72))]
    hours: u8,
    /// Takes this time (2026-11-22T12:00:00Z) for now, to look at an earlier day
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    until: Option<u64>,
    /// Does not count the unconfirmed users, which takes long where there are very many
    #[arg(long)]
    without_users: bool,
    /// Draws the chart without block characters, as it does where the locale is not UTF-8
    #[arg(long)]
    ascii: bool,
}

const DETAILS: &str = "\
Hours are whole ones, in UTC. Events in the queue, alarms, quotas and limits are those of this moment, whatever \
--until says; users are those who signed up in that time and are unconfirmed now.

What cannot be asked for is named, and the rest is shown. The exit code is 1 when something has to be looked at, and \
then the output says what to run; --format json has the same in \"look_at\". CloudWatch charges for every metric that \
is asked for, some 50 a run.";

/// Which hours are looked at, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: u64,
    /// Exclusive.
    end: u64,
    now: u64,
}

impl Window {
    fn new(now: u64, hours: u8) -> Self {
        let end = now.next_multiple_of(HOUR);
        Self { start: end.saturating_sub(HOUR * u64::from(hours)), end, now }
    }

    fn hours(self) -> usize {
        usize::try_from((self.end - self.start) / HOUR).unwrap_or_default()
    }

    /// The number of the hour in which a time lies.
    fn hour(self, time: u64) -> Option<usize> {
        usize::try_from(time.checked_sub(self.start)? / HOUR).ok().filter(|hour| *hour < self.hours())
    }
}

pub(crate) async fn run(
    options: Options,
    common: &Common,
    lookup: &dyn Fn(&str) -> Option<String>,
    output: &mut Output,
) -> Result<End, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let window = Window::new(options.until.unwrap_or(now), options.hours);
    let aws = Aws::load(common, None).await?;
    let (mut deployment, refused) = deployment(&aws, &options.stack_name).await?;
    if options.without_users {
        deployment.pool = None;
    }
    let responses = Box::pin(ask::ask(&aws, &deployment, window)).await;
    let shell = Shell::new(common);
    let mut status = StackStatus::new(&deployment, aws.region(), window, responses, &shell);
    if let Some(error) = status.nothing {
        return Err(error.into());
    }
    if let Some(error) = refused {
        let what = vec![
            "on-failure destination, user pool, SES and SMS of the stack",
            "errors and throttles that Lambda counts",
        ];
        status.not_known.push(Unknown { what, why: error.text });
    }
    status.show(options.ascii || !speaks_utf8(lookup), output)?;
    output.json(&status)?;
    Ok(if status.look_at.is_empty() { End::Done } else { End::LookAtIt })
}

/// What the stack consists of. If these credentials are denied that, what is known by its name, and the error.
async fn deployment(aws: &Aws, stack: &str) -> Result<(Deployment, Option<AwsError>), AwsError> {
    match Stack::load(aws, stack).await {
        Ok(stack) => Ok((Deployment::of(&stack, aws.region())?, None)),
        Err(error) if error.kind == Kind::Denied => Ok((Deployment::by_name_only(stack), Some(error))),
        Err(error) => Err(error),
    }
}

/// Whether the terminal shows more than ASCII, as far as the locale tells.
fn speaks_utf8(lookup: &dyn Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(lookup).find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// A sum of whole numbers, as CloudWatch gives it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is no count becomes the nearest one"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_whole_hours_with_the_present_one() {
        let check = |now, hours, start, end| {
            let window = Window::new(clock::parse(now).unwrap(), hours);
            assert_eq!(
                (clock::stamp(window.start).as_str(), clock::stamp(window.end).as_str()),
                (start, end)
            );
            assert_eq!(window.hours(), usize::from(hours));
        };
        check("2026-11-22T12:00:00Z", 24, "2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z");
        check("2026-11-22T12:00:01Z", 24, "2026-11-21T13:00:00Z", "2026-11-22T13:00:00Z");
        check("2026-11-22T12:59:59Z", 1, "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z");
    }

    #[test]
    fn points_outside_of_the_window_belong_to_no_hour() {
        let window = Window::new(10 * HOUR, 2);
        let hours = [8 * HOUR - 1, 8 * HOUR, 9 * HOUR - 1, 9 * HOUR, 10 * HOUR].map(|time| window.hour(time));
        assert_eq!(hours, [None, Some(0), Some(0), Some(1), None]);
    }

    #[test]
    fn blocks_are_drawn_where_the_locale_has_them() {
        let check = |variables: &[(&str, &str)], expected| {
            let lookup = |name: &str| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(speaks_utf8(&lookup), expected, "{variables:?}");
        };
        check(&[], false);
        check(&[("LANG", "de_DE.UTF-8")], true);
        check(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], false);
        check(&[("LC_ALL", ""), ("LC_CTYPE", "en_US.utf8")], true);
        check(&[("LANG", "de_DE.ISO-8859-1")], false);
    }

    #[test]
    fn counts_are_never_negative_or_too_large() {
        assert_eq!([-1.0, 0.4, 2.0, f64::NAN, 1e300].map(whole), [0, 0, 2, 0, u64::MAX]);
    }
}
