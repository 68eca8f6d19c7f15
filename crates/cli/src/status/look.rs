//! Problems that need attention, and the command to start with.

use std::time::Duration;

use shared::metric::Metric;
use shared::outcome::Outcome;
use shared::trigger::Trigger;

use super::clock;
use super::counter::Counter;
use super::stack_status::{ActiveAlarm, Look, Mail, SmsSpend, StackStatus};
use crate::common::Common;
use crate::stack::{SmsService, Stack};
use crate::terminal::output::plain;
use crate::terminal::shell::quote;
use crate::terminal::words::{count, duration};

/// The share of a limit from which it is reported, so that there is time to raise the limit.
const NEARLY: f64 = 0.8;

/// Commands for the same account and Region.
pub(super) struct Shell {
    profile: Option<String>,
    region: Option<String>,
}

impl Shell {
    pub(super) fn new(common: &Common) -> Self {
        Self { profile: common.profile.clone(), region: common.region.clone() }
    }

    /// The command with this command line's profile and Region.
    fn command(&self, command: &str) -> String {
        self.command_in(command, self.region.as_deref())
    }

    fn command_in(&self, command: &str, region: Option<&str>) -> String {
        let option = |name: &str, value: Option<&str>| {
            value.map(|value| format!(" --{name} {}", quote(value))).unwrap_or_default()
        };
        format!("{command}{}{}", option("profile", self.profile.as_deref()), option("region", region))
    }

    /// The matching entries of a log group since the start of the time range.
    fn log(&self, group: &str, pattern: &str, start: u64) -> String {
        self.command(&format!(
            "aws logs filter-log-events --log-group-name {} --start-time {start}000 --filter-pattern {}",
            quote(group),
            quote(pattern)
        ))
    }

    /// The errors in a function's log.
    fn errors(&self, trigger: Trigger, status: &StackStatus) -> String {
        self.log(&trigger.log_group(&status.stack), r#"{ $.level = "ERROR" }"#, status.start)
    }

    fn redrive(&self, stack: &str) -> String {
        self.command(&format!("cognito-triggers redrive --stack-name {}", quote(stack)))
    }
}

/// All problems. Those with the same command are grouped.
pub(super) fn looks(status: &StackStatus, stack: &Stack, shell: &Shell) -> Vec<Look> {
    let mut looks = Vec::new();
    looks.extend(failed_events(status, shell));
    for trigger in stack.triggers() {
        looks.extend(failures(status, stack, trigger, shell));
    }
    looks.extend(status.ses.iter().flat_map(|mail| of_ses(status, mail, shell)));
    looks.extend(status.sms_spend.as_ref().and_then(|spend| of_sms(spend, shell)));
    looks.extend(status.alarms.iter().flatten().map(|alarm| of_alarm(status, alarm, stack, shell)));
    let order: Vec<_> = looks.iter().map(|look: &Look| look.command.clone()).collect();
    looks.sort_by_key(|look| order.iter().position(|command| *command == look.command));
    looks
}

fn failed_events(status: &StackStatus, shell: &Shell) -> Option<Look> {
    let events = status.failed_events.as_ref()?;
    let waiting = events.waiting.filter(|number| *number > 0)?;
    let oldest =
        events.oldest_seconds.map(|age| format!(", the oldest for {}", duration(Duration::from_secs(age))));
    Some(Look {
        what: format!(
            "{} in the on-failure destination{}",
            count(waiting, "failed event"),
            oldest.unwrap_or_default()
        ),
        command: shell.redrive(&status.stack),
    })
}

/// Counted failures that don't resolve themselves.
fn failures(status: &StackStatus, stack: &Stack, trigger: Trigger, shell: &Shell) -> Vec<Look> {
    let name = trigger.package();
    let log = || shell.errors(trigger, status);
    let counted = |counter: Counter| Some(status.total(trigger, counter)).filter(|number| *number > 0);
    let configuration = counted(Metric::FailedConfiguration.into()).map(|number| Look {
        what: format!(
            "{name} failed {} because of its configuration or permissions, which no retry fixes",
            count(number, "time")
        ),
        command: log(),
    });
    let malformed = counted(Metric::FailedMalformed.into()).map(|number| Look {
        what: format!("{name} got {} that it could not read", count(number, "event")),
        command: log(),
    });
    // For the other functions, errors are expected: a refused sign-up, or a failure that is counted above or
    // temporary.
    let errors = counted(Counter::Errors).filter(|_| trigger == Trigger::CustomMessage).map(|number| Look {
        what: format!("{name} failed {}, although it should never fail", count(number, "time")),
        command: log(),
    });
    let throttles =
        counted(Counter::Throttles).zip(stack.function_name(trigger)).map(|(number, in_lambda)| Look {
            what: format!("Lambda throttled {name} {}", count(number, "time")),
            command: shell.command(&format!(
                "aws lambda get-function-concurrency --function-name {}",
                quote(in_lambda)
            )),
        });
    [configuration, malformed, errors, throttles].into_iter().flatten().collect()
}

fn of_ses(status: &StackStatus, mail: &Mail, shell: &Shell) -> Vec<Look> {
    let elsewhere = Some(mail.region.as_str()).filter(|region| *region != status.region);
    let command = |command: &str| shell.command_in(command, elsewhere.or(shell.region.as_deref()));
    let standing = match mail.standing.as_deref() {
        Some("PROBATION") => Some("SES has put the account under review"),
        Some("SHUTDOWN") => Some("SES has stopped sending for the account"),
        _ => None,
    };
    let standing =
        standing.map(|what| Look { what: what.to_owned(), command: command("aws sesv2 get-account") });
    let paused = (!mail.sending_enabled && mail.standing.as_deref() != Some("SHUTDOWN")).then(|| Look {
        what: "sending through SES is paused for the account".to_owned(),
        command: command("aws sesv2 put-account-sending-attributes --sending-enabled"),
    });
    let quota = mail.quota.filter(|quota| nearly_all(mail.sent, *quota)).map(|quota| Look {
        what: format!(
            "the account has sent {} of the {quota} emails of its SES sending quota for 24 hours",
            mail.sent
        ),
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
        "this month's SMS have cost {cost:.2} of the SMS spend limit of {limit:.2} US dollars; no SMS is sent \
         above the limit, so raise it"
    );
    Some(Look { what, command: shell.command(&command) })
}

fn nearly_all(used: u64, most: u64) -> bool {
    // Four fifths, in whole numbers.
    u128::from(used) * 5 >= u128::from(most) * 4
}

fn of_alarm(status: &StackStatus, active: &ActiveAlarm, stack: &Stack, shell: &Shell) -> Look {
    let ActiveAlarm { logical_id: id, alarm } = active;
    let since = alarm.since.map(|time| format!(" since {} UTC", clock::minute(time))).unwrap_or_default();
    let says = plain(alarm.description.split_inclusive(". ").next().unwrap_or_default());
    let says = says.trim();
    let colon = if says.is_empty() { "" } else { ": " };
    let trigger =
        stack.triggers().find(|trigger| alarm_prefixes(*trigger).iter().any(|prefix| id.starts_with(prefix)));
    let command = match (id.as_str(), trigger) {
        ("FailedEventsAlarm", _) => shell.redrive(&status.stack),
        ("SmsPumpingAlarm", Some(trigger)) => {
            let pattern = format!(r#"{{ $.outcome = "{}" }}"#, Outcome::SmsLimit);
            shell.log(&trigger.log_group(&status.stack), &pattern, status.start)
        }
        (_, Some(trigger)) => shell.errors(trigger, status),
        _ => shell.command(&format!(
            "aws cloudwatch describe-alarms --alarm-names {} --query {}",
            quote(&alarm.name),
            quote("MetricAlarms[].[AlarmDescription,StateReason]")
        )),
    };
    Look { what: format!("alarm {id}{since}{colon}{says}"), command }
}

/// The beginnings of the logical IDs of a function's alarms.
fn alarm_prefixes(trigger: Trigger) -> &'static [&'static str] {
    match trigger {
        Trigger::PreSignUp => &["PreSignUp"],
        Trigger::CustomMessage => &["CustomMessage"],
        Trigger::CustomEmailSender => &["CustomEmailSender"],
        Trigger::CustomSmsSender => &["CustomSmsSender", "SmsPumping"],
    }
}
