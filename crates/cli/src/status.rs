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
            "errors and throttles that Lambda counts",
        ];
        status.not_known.push(Unknown { what, why: error.text });
    }
    status.show(options.ascii || !speaks_utf8(lookup), output)?;
    output.json(&status)?;
    Ok(if status.look_at.is_empty() { End::Done } else { End::LookAtIt })
}

/// The stack. If the credentials are denied its description, what is known by its name, and the error.
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

/// Whether the terminal shows more than ASCII, as far as the locale tells.
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
