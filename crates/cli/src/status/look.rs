//! What has to be looked at, and the command to begin with.

use std::time::Duration;

use serde::Serialize;
use shared::metric::Metric;
use shared::outcome::Outcome;
use shared::trigger::Trigger;

use super::clock;
use super::deployment::{Counter, Deployment, Function, SmsService, alarms};
use super::stack_status::{Mail, SmsSpend, StackStatus};
use crate::Common;
use crate::aws::cloudwatch::Alarm;
use crate::redrive::words;
use crate::terminal::output::plain;
use crate::terminal::shell::quote;

/// Of a limit, from which it is worth a word: time is left to have it raised.
const NEARLY: f64 = 0.8;

/// One finding, and the command to begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Look {
    pub(super) what: String,
    pub(super) command: String,
}

/// Commands for the same account and Region.
pub(super) struct Shell {
    profile: Option<String>,
    region: Option<String>,
}

impl Shell {
    pub(super) fn new(common: &Common) -> Self {
        Self { profile: common.profile.clone(), region: common.region.clone() }
    }

    /// The command with what chose account and Region on this command line.
    fn command(&self, command: &str) -> String {
        self.command_in(command, self.region.as_deref())
    }

    fn command_in(&self, command: &str, region: Option<&str>) -> String {
        let option = |name: &str, value: Option<&str>| {
            value.map(|value| format!(" --{name} {}", quote(value))).unwrap_or_default()
        };
        format!("{command}{}{}", option("profile", self.profile.as_deref()), option("region", region))
    }

    /// The matching lines of a log group from the beginning of the window on.
    fn log(&self, group: &str, pattern: &str, start: u64) -> String {
        self.command(&format!(
            "aws logs filter-log-events --log-group-name {} --start-time {start}000 --filter-pattern {}",
            quote(group),
            quote(pattern)
        ))
    }

    /// The lines of a function's log that report an error.
    fn errors(&self, trigger: Trigger, status: &StackStatus) -> String {
        self.log(&trigger.log_group(&status.stack), r#"{ $.level = "ERROR" }"#, status.start)
    }

    fn redrive(&self, stack: &str) -> String {
        self.command(&format!("cognito-triggers redrive --stack-name {}", quote(stack)))
    }
}

/// Everything that has to be looked at; what the same command shows stands together.
pub(super) fn looks(
    status: &StackStatus,
    alarms: &[Alarm],
    deployment: &Deployment,
    shell: &Shell,
) -> Vec<Look> {
    let mut looks = Vec::new();
    looks.extend(failed_events(status, shell));
    for function in &deployment.functions {
        looks.extend(failures(status, function, shell));
    }
    looks.extend(status.ses.iter().flat_map(|mail| of_ses(status, mail, shell)));
    looks.extend(status.sms_spend.as_ref().and_then(|spend| of_sms(spend, shell)));
    looks.extend(alarms.iter().filter_map(|alarm| of_alarm(status, alarm, deployment, shell)));
    let order: Vec<_> = looks.iter().map(|look: &Look| look.command.clone()).collect();
    looks.sort_by_key(|look| order.iter().position(|command| *command == look.command));
    looks
}

fn failed_events(status: &StackStatus, shell: &Shell) -> Option<Look> {
    let events = status.failed_events.as_ref()?;
    let waiting = events.waiting.filter(|number| *number > 0)?;
    let oldest =
        events.oldest_seconds.map(|age| format!(", the oldest for {}", words(Duration::from_secs(age))));
    Some(Look {
        what: format!(
            "{} in the on-failure destination{}",
            many(waiting, "failed event"),
            oldest.unwrap_or_default()
        ),
        command: shell.redrive(&status.stack),
    })
}

/// What the functions and Lambda counted that does not pass by itself.
fn failures(status: &StackStatus, function: &Function, shell: &Shell) -> Vec<Look> {
    let name = function.trigger.package();
    let log = || shell.errors(function.trigger, status);
    let count = |counter: Counter| Some(status.total(function.trigger, counter)).filter(|number| *number > 0);
    let configuration = count(Metric::FailedConfiguration.into()).map(|number| Look {
        what: format!("{name} failed {} for a reason that no retry fixes", many(number, "time")),
        command: log(),
    });
    let malformed = count(Metric::FailedMalformed.into()).map(|number| Look {
        what: format!("{name} could not read {}", many(number, "event")),
        command: log(),
    });
    // Of the others an error is nothing new: a refused sign-up, or a failure that is counted above or passes.
    let errors =
        count(Counter::Errors).filter(|_| function.trigger == Trigger::CustomMessage).map(|number| Look {
            what: format!("{name} failed {}, which it never should", many(number, "time")),
            command: log(),
        });
    let throttles = count(Counter::Throttles).zip(function.name.as_deref()).map(|(number, in_lambda)| Look {
        what: format!("Lambda throttled {name} {}", many(number, "time")),
        command: shell
            .command(&format!("aws lambda get-function-concurrency --function-name {}", quote(in_lambda))),
    });
    [configuration, malformed, errors, throttles].into_iter().flatten().collect()
}

fn of_ses(status: &StackStatus, mail: &Mail, shell: &Shell) -> Vec<Look> {
    let elsewhere = Some(mail.region.as_str()).filter(|region| *region != status.region);
    let command = |command: &str| shell.command_in(command, elsewhere.or(shell.region.as_deref()));
    let standing = match mail.standing.as_deref() {
        Some("PROBATION") => Some("SES has put the account under review"),
        Some("SHUTDOWN") => Some("SES has stopped the account's sending"),
        _ => None,
    };
    let standing =
        standing.map(|what| Look { what: what.to_owned(), command: command("aws sesv2 get-account") });
    let paused = (!mail.sending_enabled && mail.standing.as_deref() != Some("SHUTDOWN")).then(|| Look {
        what: "the account's sending is paused".to_owned(),
        command: command("aws sesv2 put-account-sending-attributes --sending-enabled"),
    });
    let quota = mail.quota.filter(|quota| nearly_all(mail.sent, *quota)).map(|quota| Look {
        what: format!("{} of the {quota} emails that SES accepts in 24 hours are sent", mail.sent),
        command: command(&if mail.sandbox {
            // Without production access, only production access raises the quota.
            "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url URL"
                .to_owned()
        } else {
            // Source: "Service Quotas", Amazon SES: L-804C8AE8 is the sending quota.
            format!(
                "aws service-quotas request-service-quota-increase --service-code ses --quota-code L-804C8AE8 \
                 --desired-value {}",
                quota.saturating_mul(2)
            )
        }),
    });
    [standing, paused, quota].into_iter().flatten().collect()
}

fn of_sms(spend: &SmsSpend, shell: &Shell) -> Option<Look> {
    let (cost, limit) = (spend.spent_usd?, spend.limit_usd?);
    if cost < limit * NEARLY {
        return None;
    }
    let command = match (spend.by, spend.most_usd) {
        (SmsService::Sns, _) => {
            format!("aws sns set-sms-attributes --attributes MonthlySpendLimit={:.0}", (limit * 2.0).ceil())
        }
        (SmsService::EndUserMessaging, Some(most)) => {
            format!("aws pinpoint-sms-voice-v2 set-text-message-spend-limit-override --monthly-limit {most}")
        }
        (SmsService::EndUserMessaging, None) => "aws pinpoint-sms-voice-v2 describe-spend-limits".to_owned(),
    };
    let what = format!(
        "SMS have cost {cost:.2} of the {limit:.2} US dollars of this month, beyond which none is sent; raise the \
         limit as far as AWS allows the account"
    );
    Some(Look { what, command: shell.command(&command) })
}

fn nearly_all(used: u64, most: u64) -> bool {
    // Four fifths, in whole numbers.
    u128::from(used) * 5 >= u128::from(most) * 4
}

fn of_alarm(status: &StackStatus, alarm: &Alarm, deployment: &Deployment, shell: &Shell) -> Option<Look> {
    let id = deployment.alarm(&alarm.name)?;
    let since = alarm.since.map(|time| format!(" since {} UTC", clock::minute(time))).unwrap_or_default();
    let says = plain(alarm.description.split_inclusive(". ").next().unwrap_or_default());
    let says = says.trim();
    let colon = if says.is_empty() { "" } else { ": " };
    let function = deployment
        .functions
        .iter()
        .find(|function| alarms(function.trigger).iter().any(|prefix| id.starts_with(prefix)));
    let command = match (id, function) {
        ("FailedEventsAlarm", _) => shell.redrive(&status.stack),
        ("SmsPumpingAlarm", Some(function)) => {
            let pattern = format!(r#"{{ $.outcome = "{}" }}"#, Outcome::SmsLimit);
            shell.log(&function.trigger.log_group(&status.stack), &pattern, status.start)
        }
        (_, Some(function)) => shell.errors(function.trigger, status),
        _ => shell.command(&format!(
            "aws cloudwatch describe-alarms --alarm-names {} --query {}",
            quote(&alarm.name),
            quote("MetricAlarms[].[AlarmDescription,StateReason]")
        )),
    };
    Some(Look { what: format!("alarm {id}{since}{colon}{says}"), command })
}

fn many(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
