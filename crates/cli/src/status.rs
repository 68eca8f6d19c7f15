//! `status`: the last day of a deployment at a glance.

mod ask;
mod chart;
mod clock;
mod counter;
mod look;
mod stack_status;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use self::clock::Window;
use self::look::{Shell, looks};
use self::stack_status::{StackStatus, Unknown};
use crate::aws::{Aws, AwsError, Kind};
use crate::common::Common;
use crate::exit::{End, Error};
use crate::stack::Stack;
use crate::terminal::output::Output;

#[derive(Debug, Args)]
#[command(after_long_help = DETAILS)]
pub(crate) struct Options {
    /// Stack to show
    #[arg(long, value_name = "NAME")]
    stack_name: String,
    /// Number of hours to show, including the current one
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u8).range(1..=72))]
    hours: u8,
    /// Ends at this time (2026-11-22T12:00:00Z) instead of now
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    until: Option<u64>,
    /// Does not count the unconfirmed users, which takes long if there are very many
    #[arg(long)]
    without_users: bool,
    /// Draws the chart without block characters; default if the locale is not UTF-8
    #[arg(long)]
    ascii: bool,
}

const DETAILS: &str = "\
Times are whole hours in UTC. Failed events, alarms, quotas and limits are always the current ones, even with \
--until. Unconfirmed users are those who signed up in the shown time and are unconfirmed now.

If a call to AWS fails, status names the missing numbers and shows the others. The exit code is 1 if a problem \
needs your attention; the output then shows a command to start with, and so does \"look_at\" with --format json. \
CloudWatch charges for every requested metric, about 50 for each run.";

pub(crate) async fn run(
    options: Options,
    common: &Common,
    lookup: &dyn Fn(&str) -> Option<String>,
    output: &mut Output,
) -> Result<End, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let window = Window::new(options.until.unwrap_or(now), options.hours);
    let aws = Aws::load(common, None).await?;
    let (stack, denied) = load(&aws, &options.stack_name).await?;
    let pool = if options.without_users { None } else { stack.user_pool_id() };
    let responses = Box::pin(ask::ask(&aws, &stack, pool, window)).await;
    let mut status = StackStatus::new(&stack, aws.region(), window, responses);
    if let Some(error) = status.nothing {
        return Err(error.into());
    }
    status.look_at = looks(&status, &stack, &Shell::new(common));
    if let Some(error) = denied {
        let what = vec![
            "on-failure destination, user pool, SES and SMS of the stack",
            "Lambda errors and throttles",
        ];
        status.not_known.push(Unknown { what, why: error.text });
    }
    status.show(options.ascii || !speaks_utf8(lookup), output)?;
    output.json(&status)?;
    Ok(if status.look_at.is_empty() { End::Done } else { End::LookAtIt })
}

/// The stack. Without access to CloudFormation: what follows from the stack's name, and the error.
async fn load(aws: &Aws, name: &str) -> Result<(Stack, Option<AwsError>), AwsError> {
    match Stack::load(aws, name).await {
        Ok(stack) if stack.triggers().next().is_none() => {
            let text = format!("the stack {} deploys none of the Cognito triggers", stack.name());
            Err(AwsError::new(Kind::NotFound, text))
        }
        Ok(stack) => Ok((stack, None)),
        Err(error) if error.kind == Kind::Denied => Ok((Stack::by_name_only(name), Some(error))),
        Err(error) => Err(error),
    }
}

/// Whether the terminal shows more than ASCII, according to the locale.
fn speaks_utf8(lookup: &dyn Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(lookup).find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
