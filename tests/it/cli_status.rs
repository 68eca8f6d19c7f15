//! `cognito-triggers status`, in an account with traffic, failures and alarms.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::docs::hold;
use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::metric::{Metric, Unit};
use shared::trigger::Trigger;
use tests::canary::assert_absent;
use tests::cli::Output;
use tests::mock_aws::{MockAws, POOL, QUEUE_URL, REGION, STACK, metrics, physical_id};
use tests::service::Reply;

const UNTIL: &str = "2026-11-22T12:00:00Z";
const UTF_8: (&str, &str) = ("LANG", "en_US.UTF-8");

const EMAIL: &str = "custom-email-sender";
const SMS: &str = "custom-sms-sender";

/// Runs the command for the day before [`UNTIL`], on a terminal that shows all characters.
async fn status(world: &MockAws, more: &[&str]) -> Output {
    let arguments = [&["status", "--stack-name", STACK, "--until", UNTIL], more].concat();
    let output = world.begin(&arguments, &[UTF_8], "").end().await;
    let wide = output.stdout.lines().find(|line| line.chars().count() > 80);
    assert!(wide.is_none() || more.contains(&"json"), "{wide:?}");
    output
}

/// The name that CloudFormation generated for a function.
fn function_name(package: &str) -> &'static str {
    let trigger = Trigger::ALL.into_iter().find(|trigger| trigger.package() == package);
    physical_id(trigger.expect("a function of the template").logical_id())
}

/// The values beside a name in one of the tables.
fn beside<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let rest = text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(' '));
    rest.map(|rest| rest.split_whitespace().collect()).unwrap_or_default()
}

/// A text without its line breaks.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn document(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).expect("one JSON document")
}

/// The numbers of a function's metric in the first hours of the window.
type Numbers = &'static [(&'static str, &'static str, &'static [f64])];

/// Lets CloudWatch return these numbers of functions and, by namespace, of AWS services.
fn counted(world: &MockAws, numbers: Numbers) {
    world.answer_with("cloudwatch:GetMetricData", move |request| {
        metrics(request, |namespace, metric, dimensions| {
            let function = match namespace {
                STACK => dimensions.get("Function").cloned(),
                "AWS/Lambda" => Trigger::ALL
                    .map(Trigger::package)
                    .into_iter()
                    .find(|package| {
                        dimensions.get("FunctionName").is_some_and(|name| name == function_name(package))
                    })
                    .map(str::to_owned),
                _ => Some(namespace.to_owned()),
            };
            let found = numbers
                .iter()
                .find(|(whose, name, _)| Some(*whose) == function.as_deref() && *name == metric);
            found.map(|(_, _, values)| values.to_vec()).unwrap_or_default()
        })
    });
}

const ORDINARY: Numbers = &[
    (
        EMAIL,
        Metric::Sent.name(),
        &[
            31.0, 28.0, 40.0, 52.0, 61.0, 48.0, 44.0, 30.0, 21.0, 12.0, 6.0, 3.0, 1.0, 0.0, 0.0, 1.0, 2.0,
            5.0, 14.0, 22.0, 35.0, 44.0, 41.0, 38.0,
        ],
    ),
    (EMAIL, Metric::Duplicate.name(), &[0.0, 0.0, 1.0]),
    (EMAIL, Metric::FailedTransient.name(), &[0.0, 2.0]),
    (EMAIL, Metric::RecipientFault.name(), &[1.0]),
    (SMS, Metric::Sent.name(), &[2.0, 0.0, 3.0, 1.0, 1.0]),
    (SMS, Metric::Blocked.name(), &[0.0, 1.0]),
    ("pre-sign-up", Metric::SignUpConfirmed.name(), &[20.0, 11.0]),
    ("pre-sign-up", Metric::SignUpPassedOn.name(), &[300.0, 278.0]),
    ("pre-sign-up", Metric::SignUpRefused.name(), &[3.0, 4.0]),
    ("pre-sign-up", "Errors", &[3.0, 4.0]),
    ("AWS/SNS", "SMSMonthToDateSpentUSD", &[0.08, 0.21, 0.43]),
];

#[tokio::test]
async fn an_ordinary_day_is_shown_at_a_glance() {
    let world = MockAws::start();
    counted(&world, ORDINARY);
    let output = status(&world, &[]).await;
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    assert_snapshot!(output.stdout, @r"
    Stack triggers in eu-central-1
    2026-11-21 12:00 to 2026-11-22 12:00 UTC, 24 hours

    Messages                             email       SMS
      sent                                 579         7
      duplicates avoided                     1         0
      expired                                0         0
      blocked by the configuration           0         1
      blocked by an SMS limit                -         0
      rejected recipient                     1         0
      failed, temporary                      2         0
      failed, configuration                  0         0
      failed, outcome unknown                0         0
      failed, malformed event                0         0
      sent by the fallback                   0         -

    Sign-ups
      confirmed without a code              31
      continued with a code                578
      refused                                7
      still unconfirmed                      0

    Lambda                               errors  throttles
      pre-sign-up                             7          0
      custom-message                          0          0
      custom-email-sender                     0          0
      custom-sms-sender                       0          0

    Per hour, at most 62 sent, 2 failed
    sent    ▅▅▅▄▄▄▆▆▆▇▇▇███▇▇▇▆▆▆▄▄▄▃▃▃▂▂▂▁▁▁▁▁▁▁▁▁······▁▁▁▁▁▁▁▁▁▂▂▂▃▃▃▅▅▅▆▆▆▆▆▆▅▅▅
    failed  ···███··································································
    UTC     12       15       18       21       11-22    03       06       09

    Failed events                   0
    Emails in 24 hours              120 of 50000 (SES)
    SMS spend this month            0.43 of 100.00 US dollars (SNS)
    Alarms                          none

    No problems.
    ");
}

#[tokio::test]
async fn an_empty_day_is_all_zeros() {
    let world = MockAws::start();
    let output = status(&world, &["--ascii"]).await;
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    assert_snapshot!(output.stdout, @r"
    Stack triggers in eu-central-1
    2026-11-21 12:00 to 2026-11-22 12:00 UTC, 24 hours

    Messages                             email       SMS
      sent                                   0         0
      duplicates avoided                     0         0
      expired                                0         0
      blocked by the configuration           0         0
      blocked by an SMS limit                -         0
      rejected recipient                     0         0
      failed, temporary                      0         0
      failed, configuration                  0         0
      failed, outcome unknown                0         0
      failed, malformed event                0         0
      sent by the fallback                   0         -

    Sign-ups
      confirmed without a code               0
      continued with a code                  0
      refused                                0
      still unconfirmed                      0

    Lambda                               errors  throttles
      pre-sign-up                             0          0
      custom-message                          0          0
      custom-email-sender                     0          0
      custom-sms-sender                       0          0

    Per hour, at most 0 sent, 0 failed
    sent    ........................................................................
    failed  ........................................................................
    UTC     12       15       18       21       11-22    03       06       09

    Failed events                   0
    Emails in 24 hours              120 of 50000 (SES)
    SMS spend this month            no data, limit 100.00 US dollars (SNS)
    Alarms                          none

    No problems.
    ");
}

const BAD: Numbers = &[
    (
        EMAIL,
        Metric::Sent.name(),
        &[31.0, 28.0, 40.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    ),
    (
        EMAIL,
        Metric::FailedConfiguration.name(),
        &[0.0, 0.0, 0.0, 35.0, 61.0, 48.0, 44.0, 30.0, 21.0, 12.0, 6.0, 3.0],
    ),
    (EMAIL, Metric::FailedAmbiguous.name(), &[0.0, 0.0, 0.0, 2.0]),
    (EMAIL, Metric::TakenOver.name(), &[0.0, 0.0, 0.0, 1.0]),
    (EMAIL, Metric::FallbackUsed.name(), &[0.0, 0.0, 4.0]),
    (EMAIL, "Errors", &[0.0, 0.0, 0.0, 37.0, 61.0]),
    (SMS, Metric::Sent.name(), &[12.0, 15.0]),
    (SMS, Metric::PumpingBlocked.name(), &[0.0, 180.0]),
    (SMS, Metric::FailedMalformed.name(), &[1.0]),
    (SMS, "Throttles", &[0.0, 7.0]),
    ("custom-message", Metric::MessageWritten.name(), &[2.0]),
    ("custom-message", "Errors", &[1.0]),
    ("pre-sign-up", Metric::SignUpPassedOn.name(), &[43.0]),
    ("AWS/SNS", "SMSMonthToDateSpentUSD", &[0.43, 0.97]),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", &[7000.0, 7500.0]),
];

fn alarm(name: &str, description: &str) -> Value {
    json!({
        "AlarmName": name,
        "AlarmDescription": description,
        "StateValue": "ALARM",
        "StateTransitionedTimestamp": "2026-11-21T15:10:00Z",
    })
}

/// A description as the template writes it: the rest of it has the remedy.
const SENDER_ALARM: &str = "Emails with codes do not go out. Read the log group /aws/lambda/triggers-custom-email-sender; each line says \
     what to fix.";
const QUEUE_ALARM: &str = "Messages could not be delivered and wait in the queue. Fix the cause first.";
const SPEND_ALARM: &str =
    "The SMS of this month have cost SmsSpendAlarmUsd; at the limit SNS sends none. See it.";

fn bad_day() -> MockAws {
    let world = MockAws::start();
    counted(&world, BAD);
    world.fail_events((0..3).map(|number| json!({ "event": number }).to_string()));
    world.change("ses:GetAccount", |answer| {
        answer["SendQuota"]["SentLast24Hours"] = json!(41_000.0);
        answer["SendingEnabled"] = json!(false);
    });
    world.answer("sns:GetSMSAttributes", json!({ "attributes": { "MonthlySpendLimit": "1" } }));
    world.change("cloudwatch:DescribeAlarms", |answer| {
        answer["MetricAlarms"] = json!([
            alarm(&format!("{STACK}-CustomEmailSenderErrorsAlarm-full"), SENDER_ALARM),
            alarm(physical_id("FailedEventsAlarm"), QUEUE_ALARM),
            alarm(physical_id("SmsSpendAlarm"), SPEND_ALARM),
            alarm("triggers-staging-FailedEventsAlarm-1AB2CD3EF4GH", "another stack's"),
        ]);
    });
    world
}

#[tokio::test]
async fn a_bad_day_says_what_to_run() {
    let world = bad_day();
    let output = status(&world, &[]).await;
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(1)));
    assert_snapshot!(output.stdout, @r#"
    Stack triggers in eu-central-1
    2026-11-21 12:00 to 2026-11-22 12:00 UTC, 24 hours

    Messages                             email       SMS
      sent                                 109        27
      duplicates avoided                     0         0
      expired                                0         0
      blocked by the configuration           0         0
      blocked by an SMS limit                -       180
      rejected recipient                     0         0
      failed, temporary                      0         0
      failed, configuration                260         0
      failed, outcome unknown                2         0
      failed, malformed event                0         1
      sent by the fallback                   4         -
      may arrive twice                       1         0

    Messages that Cognito sends
      with the stack's text                  2
      with Cognito's own text                0

    Sign-ups
      confirmed without a code               0
      continued with a code                 43
      refused                                0
      still unconfirmed                      0

    Lambda                               errors  throttles
      pre-sign-up                             0          0
      custom-message                          1          0
      custom-email-sender                    98          0
      custom-sms-sender                       0          7

    Per hour, at most 43 sent, 61 failed, 2 by Cognito
    sent    █████████▂▂▂·······································▁▁▁··················
    failed  ▁▁▁······▅▅▅███▇▇▇▆▆▆▄▄▄▃▃▃▂▂▂▁▁▁▁▁▁····································
    Cognito ███·····································································
    UTC     12       15       18       21       11-22    03       06       09

    Failed events                   3, the oldest for 2 h
    Emails in 24 hours              41000 of 50000 (SES)
    SMS spend this month            0.97 of 1.00 US dollars (SNS)
    Alarms                          3

    Problems
      3 failed events in the on-failure destination, the oldest for 2 h
      alarm FailedEventsAlarm since 2026-11-21 15:10 UTC: Messages could not be
        delivered and wait in the queue.
        $ cognito-triggers redrive --stack-name triggers
      custom-message failed 1 time, although it should never fail
        $ aws logs filter-log-events \
            --log-group-name /aws/lambda/triggers-custom-message \
            --start-time 1795262400000 --filter-pattern '{ $.level = "ERROR" }'
      custom-email-sender failed 260 times because of its configuration or
        permissions, which no retry fixes
      alarm CustomEmailSenderErrorsAlarm since 2026-11-21 15:10 UTC: Emails with
        codes do not go out.
        $ aws logs filter-log-events \
            --log-group-name /aws/lambda/triggers-custom-email-sender \
            --start-time 1795262400000 --filter-pattern '{ $.level = "ERROR" }'
      custom-sms-sender got 1 event that it could not read
        $ aws logs filter-log-events \
            --log-group-name /aws/lambda/triggers-custom-sms-sender \
            --start-time 1795262400000 --filter-pattern '{ $.level = "ERROR" }'
      Lambda throttled custom-sms-sender 7 times
        $ aws lambda get-function-concurrency \
            --function-name triggers-CustomSmsSenderFunction-C5PLVDJNIOJO
      sending through SES is paused for the account
        $ aws sesv2 put-account-sending-attributes --sending-enabled
      the account has sent 41000 of the 50000 emails of its SES sending quota for 24
        hours
        $ aws service-quotas request-service-quota-increase --service-code ses \
            --quota-code L-804C8AE8 --desired-value 100000
      this month's SMS have cost 0.97 of the SMS spend limit of 1.00 US dollars; no
        SMS is sent above the limit, so raise it
        $ aws sns set-sms-attributes --attributes MonthlySpendLimit=2
      alarm SmsSpendAlarm since 2026-11-21 15:10 UTC: The SMS of this month have
        cost SmsSpendAlarmUsd; at the limit SNS sends none.
        $ aws cloudwatch describe-alarms \
            --alarm-names triggers-SmsSpendAlarm-QH73AJN4TAFQ \
            --query 'MetricAlarms[].[AlarmDescription,StateReason]'
    "#);
    let shown = format!("```console\n$ cognito-triggers status --stack-name {STACK}\n{}```", output.stdout);
    hold("operating.md", "cli_status.rs", &shown);
}

#[tokio::test]
async fn the_document_has_every_number_and_the_hours() {
    let output = status(&bad_day(), &["--format", "json"]).await;
    assert_eq!(output.code, Some(1));
    let document = document(&output);
    assert_eq!(document["stack"], STACK);
    assert_eq!(
        (&document["from"], &document["until"], &document["hours"]),
        (&json!("2026-11-21T12:00:00Z"), &json!(UNTIL), &json!(24))
    );
    let functions = document["functions"].as_array().expect("functions");
    let names: Vec<_> = functions.iter().map(|function| &function["function"]).collect();
    assert_eq!(names, ["pre-sign-up", "custom-message", EMAIL, SMS]);
    let email = &functions[2];
    assert_eq!(email["name"], function_name(EMAIL));
    assert_eq!(email["totals"][Metric::Sent.name()], 109);
    assert_eq!(email["totals"][Metric::Expired.name()], 0);
    let hourly: Vec<u64> =
        serde_json::from_value(email["hourly"][Metric::FailedConfiguration.name()].clone()).expect("numbers");
    assert_eq!((hourly.len(), hourly[3], hourly[23]), (24, 35, 0));
    assert_eq!(email["hourly"].get(Metric::Expired.name()), None);
    assert_eq!(document["failed_events"], json!({ "waiting": 3, "oldest_seconds": 7500 }));
    assert_eq!(document["sms_spend"], json!({ "service": "SNS", "spent_usd": 0.97, "limit_usd": 1.0 }));
    assert_eq!(document["ses"]["quota"], 50000);
    assert_eq!(document["unconfirmed_users"], 0);
    assert_eq!(document["alarms"].as_array().map(Vec::len), Some(3));
    assert_eq!(document["not_known"], json!([]));
    for look in document["look_at"].as_array().expect("what to look at") {
        assert!(
            ["aws ", "cognito-triggers "]
                .iter()
                .any(|tool| look["command"].as_str().expect("a command").starts_with(tool))
        );
    }
}

#[tokio::test]
async fn a_minimal_stack_shows_the_counts_that_it_has() {
    let world = MockAws::start();
    counted(&world, ORDINARY);
    world.change("cloudformation:DescribeStacks", |answer| {
        let parameters = answer["Stacks"][0]["Parameters"].as_array_mut().expect("a list");
        parameters.retain(|one| one["ParameterKey"] != "Observability");
        parameters.push(json!({ "ParameterKey": "Observability", "ParameterValue": "minimal" }));
    });
    let output = status(&world, &[]).await;
    assert_eq!(beside(&output.stdout, "sent"), ["579", "7"]);
    assert_eq!(beside(&output.stdout, "refused"), ["7"]);
    assert_eq!(beside(&output.stdout, "pre-sign-up"), ["7", "0"], "Lambda's own");
    for unknown in ["expired", "failed, configuration", "confirmed without a code"] {
        assert_eq!(beside(&output.stdout, unknown), Vec::<&str>::new(), "{unknown}: not known is not 0");
    }
    assert!(unwrapped(&output.stdout).contains("because the stack has Observability=minimal"), "{output:?}");
    let asked = world.asked("cloudwatch:GetMetricData");
    assert!(!json!(asked).to_string().contains("FailedTransient"));
}

#[tokio::test]
async fn every_alarm_of_the_template_is_named_with_a_command() {
    let templates = [include_str!("../../template.yaml"), include_str!("../../observability.yaml")];
    let alarms: Vec<_> = templates
        .iter()
        .flat_map(|template| template.split("\n  "))
        .filter_map(|line| {
            line.strip_suffix("Alarm:\n    Type: AWS::CloudWatch::Alarm").or(line.strip_suffix("Alarm:"))
        })
        .filter(|id| !id.starts_with(' '))
        .map(|id| format!("{id}Alarm"))
        .collect();
    assert!(alarms.len() > 10, "{alarms:?}");
    let world = MockAws::start();
    let answer: Vec<_> = alarms
        .iter()
        .map(|id| alarm(&format!("{STACK}-{id}-1AB2CD3EF4GH"), "Something is wrong. Do this."))
        .collect();
    world.answer("cloudwatch:DescribeAlarms", json!({ "MetricAlarms": answer }));
    let output = status(&world, &["--format", "json"]).await;
    assert_eq!(output.code, Some(1));
    let document = document(&output);
    let command_of = |id: &str| {
        let what = format!("alarm {id} since 2026-11-21 15:10 UTC: Something is wrong.");
        let looks = document["look_at"].as_array().expect("what to look at");
        let look = looks.iter().find(|look| look["what"] == what);
        look.and_then(|look| look["command"].as_str()).unwrap_or_else(|| panic!("{id}")).to_owned()
    };
    for id in &alarms {
        let command = command_of(id);
        let function = ["PreSignUp", "CustomMessage", "CustomEmailSender", "CustomSmsSender"]
            .iter()
            .any(|name| id.starts_with(name));
        assert!(!function || command.starts_with("aws logs filter-log-events "), "{id} {command}");
    }
    assert_eq!(command_of("FailedEventsAlarm"), "cognito-triggers redrive --stack-name triggers");
    let pumping = command_of("SmsPumpingAlarm");
    assert!(pumping.contains("/aws/lambda/triggers-custom-sms-sender"), "{pumping}");
    assert!(
        pumping.contains("'{ $.outcome = \"sms-limit\" }'"),
        "a field of the log, not a sentence: {pumping}"
    );
    assert!(command_of("NothingSentAlarm").starts_with("aws cloudwatch describe-alarms "));
}

#[tokio::test]
async fn without_network_or_credentials_there_is_nothing_to_show() {
    let mut world = MockAws::start();
    let arguments = ["status", "--stack-name", STACK];
    let without = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let output = world.begin(&arguments, &without, "").end().await;
    assert_eq!((output.stdout.as_str(), output.code), ("", Some(3)));
    assert!(output.stderr.starts_with("error: no AWS credentials found"), "{output:?}");
    world.close().await;
    let output = world.run(&arguments).await;
    assert_eq!((output.stdout.as_str(), output.code), ("", Some(3)));
    assert!(
        output.stderr.starts_with("error: CloudFormation in eu-central-1 could not be reached"),
        "{output:?}"
    );
}

#[tokio::test]
async fn without_users_no_user_is_counted() {
    let world = MockAws::start();
    let output = status(&world, &["--without-users"]).await;
    assert_eq!(output.code, Some(0));
    assert!(!output.stdout.contains("unconfirmed"), "{}", output.stdout);
    assert_eq!(world.asked("cognito-idp:ListUsers").len(), 0);
}

/// The calls, each with the words for its data in the output.
const ASKED: [(&str, &str); 8] = [
    ("cloudformation:DescribeStacks", "on-failure destination, user pool, SES and SMS of the stack"),
    ("cloudwatch:GetMetricData", "counts of messages, sign-ups and functions"),
    ("cloudwatch:DescribeAlarms", "alarms"),
    ("cognito-idp:ListUsers", "unconfirmed users"),
    ("ses:GetAccount", "emails in 24 hours"),
    ("sns:GetSMSAttributes", "SMS spend limit"),
    ("sqs:GetQueueAttributes", "failed events in the queue"),
    ("sms-voice:DescribeSpendLimits", "SMS spend limit"),
];

#[tokio::test]
async fn denied_calls_are_named_and_the_rest_is_shown() {
    for (denied, what) in ASKED {
        let world = MockAws::start();
        counted(&world, ORDINARY);
        if denied.starts_with("sms-voice:") {
            with_end_user_messaging(&world);
        }
        world.refuse(denied, 403, "AccessDeniedException");
        let output = status(&world, &[]).await;
        assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)), "{denied}");
        let (shown, not_known) = output.stdout.split_once("\nNot known\n").expect("something is not known");
        assert!(shown.trim_end().ends_with("No problems in the known values."), "{shown}");
        let words = unwrapped(not_known);
        assert!(words.starts_with(what), "{words}");
        assert!(
            words.contains(&format!("these credentials lack the permission {denied} in {REGION}")),
            "{words}"
        );
        let sent: &[&str] = if denied == "cloudwatch:GetMetricData" { &[] } else { &["579", "7"] };
        assert_eq!(beside(shown, "sent"), sent, "{shown}");
        let output = status(&world, &["--format", "json"]).await;
        let document = document(&output);
        assert!(document["not_known"][0]["why"].as_str().expect("a reason").contains(denied), "{document}");
    }
}

#[tokio::test]
async fn without_the_names_of_the_functions_their_errors_are_unknown_and_not_zero() {
    let world = MockAws::start();
    counted(&world, BAD);
    world.refuse("cloudformation:DescribeStacks", 403, "AccessDeniedException");
    let output = status(&world, &[]).await;
    let (_, lambda) = output.stdout.split_once("\nLambda ").expect("a table");
    for function in ["pre-sign-up", "custom-message", EMAIL, SMS] {
        assert_eq!(beside(lambda, function), ["?", "?"], "{lambda}");
    }
    assert!(unwrapped(&output.stdout).contains("Lambda errors and throttles"), "{}", output.stdout);
    assert_eq!(beside(&output.stdout, "sent"), ["109", "27"], "metrics under the stack's name are known");
    assert!(asked_metrics(&world).iter().all(|(namespace, ..)| namespace != "AWS/Lambda"));
    let document = document(&status(&world, &["--format", "json"]).await);
    for function in document["functions"].as_array().expect("functions") {
        assert_eq!((&function["name"], function["totals"].get("Errors")), (&Value::Null, None));
    }
}

#[tokio::test]
async fn the_log_groups_are_those_of_the_template() {
    let template = include_str!("../../template.yaml");
    let document = document(&status(&bad_day(), &["--format", "json"]).await);
    let looks = document["look_at"].as_array().expect("what to look at");
    let groups: BTreeSet<_> = looks
        .iter()
        .filter_map(|look| look["command"].as_str()?.split_once("--log-group-name ")?.1.split(' ').next())
        .collect();
    assert_eq!(groups.len(), 3, "{groups:?}");
    for group in groups {
        let in_template = group.replacen(STACK, "${AWS::StackName}", 1);
        assert!(template.contains(&format!("LogGroupName: !Sub {in_template}\n")), "{group}");
    }
}

#[tokio::test]
async fn a_run_without_any_data_fails() {
    let check = async |status_code, error, all: &str, expected| {
        let world = MockAws::start();
        world.refuse(all, status_code, error);
        let output = status(&world, &[]).await;
        assert_eq!(output.code, Some(expected), "{output:?}");
        assert!(output.stderr.starts_with("error: "), "{output:?}");
    };
    check(403, "AccessDeniedException", "*", 3).await;
    check(400, "ExpiredTokenException", "*", 3).await;
    check(400, "ThrottlingException", "*", 4).await;
    // The stack alone is no result.
    for (status_code, error, expected) in [(403, "AccessDeniedException", 3), (400, "ThrottlingException", 4)]
    {
        let world = MockAws::start();
        for (operation, _) in &ASKED[1..] {
            world.refuse(operation, status_code, error);
        }
        let output = status(&world, &[]).await;
        assert_eq!((output.stdout.as_str(), output.code), ("", Some(expected)), "{output:?}");
        let asked = ASKED[1..].iter().filter(|(operation, _)| !operation.starts_with("sms-voice:"));
        for (operation, _) in asked {
            assert!(output.stderr.contains(operation), "{operation} {output:?}");
        }
    }
}

#[tokio::test]
async fn another_stack_or_a_missing_one_is_an_error() {
    let world = MockAws::start();
    let output = world.run(&["status", "--stack-name", "another"]).await;
    assert_eq!((output.stdout.as_str(), output.code), ("", Some(3)));
    assert!(output.stderr.starts_with("error: there is no stack another in eu-central-1"), "{output:?}");
    world.change("cloudformation:DescribeStacks", |answer| answer["Stacks"][0]["Outputs"] = json!([]));
    let output = status(&world, &[]).await;
    assert_eq!((output.stdout.as_str(), output.code), ("", Some(3)));
    assert!(output.stderr.contains("deploys none of the Cognito triggers"), "{output:?}");
    assert_eq!(world.asked("cloudwatch:GetMetricData").len(), 0);
}

#[tokio::test]
async fn more_than_10000_unconfirmed_users_are_counted_page_by_page() {
    let world = MockAws::start();
    world.change_users(|users| {
        let user = |number: usize| {
            // Half of them signed up before the day began.
            let day = if number.is_multiple_of(2) { "2026-11-22T08:00:00Z" } else { "2026-11-20T08:00:00Z" };
            json!({
                "Username": format!("user-{number}"),
                "Attributes": [{ "Name": "email", "Value": format!("canary.{number}@example.com") }],
                "UserCreateDate": day,
                "UserLastModifiedDate": day,
                "Enabled": true,
                "UserStatus": "UNCONFIRMED",
            })
        };
        users.extend((0..10_061).map(user));
    });
    let output = status(&world, &[]).await;
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    assert_eq!(beside(&output.stdout, "still unconfirmed"), ["5031"]);
    assert_absent(&[("an address", "canary.1@example.com")], &output.stdout);
    let pages = world.asked("cognito-idp:ListUsers");
    assert_eq!(pages.len(), 10_061_usize.div_ceil(60));
    for page in pages {
        assert_eq!(page["UserPoolId"], POOL);
        assert_eq!(
            (&page["Filter"], &page["Limit"]),
            (&json!("cognito:user_status = \"UNCONFIRMED\""), &json!(60))
        );
        assert_eq!(page["AttributesToGet"], json!(["sub"]));
    }
}

#[tokio::test]
async fn an_incomplete_count_of_users_is_not_shown() {
    let world = MockAws::start();
    world.answer_with("cognito-idp:ListUsers", |request| {
        if request.get("PaginationToken").is_some() {
            return Err(Reply::error(400, "TooManyRequestsException"));
        }
        Ok(json!({ "Users": [], "PaginationToken": "next" }))
    });
    let output = status(&world, &[]).await;
    assert_eq!(output.code, Some(0));
    assert_eq!(beside(&output.stdout, "still unconfirmed"), ["?"]);
    let words = unwrapped(&output.stdout);
    assert!(words.contains("Cognito throttled the request (cognito-idp:ListUsers)"), "{words}");
}

#[tokio::test]
async fn pages_of_data_are_joined() {
    let world = MockAws::start();
    world.answer_with("cloudwatch:GetMetricData", |request| {
        let second = request.get("NextToken").is_some();
        let mut answer = metrics(request, |namespace, metric, _| match (namespace, second) {
            (STACK, true) if metric == Metric::Sent.name() => vec![0.0, 5.0],
            (STACK, false) if metric == Metric::Sent.name() => vec![7.0],
            _ => Vec::new(),
        });
        if !second {
            answer["NextToken"] = json!("more");
            for result in answer["MetricDataResults"].as_array_mut().into_iter().flatten() {
                result["StatusCode"] = json!("PartialData");
            }
        }
        answer
    });
    let output = status(&world, &[]).await;
    assert_eq!(beside(&output.stdout, "sent"), ["12", "12"]);
}

#[tokio::test]
async fn data_that_cloudwatch_could_not_read_is_not_shown_as_zero() {
    let world = MockAws::start();
    world.answer_with("cloudwatch:GetMetricData", |request| {
        let mut answer = metrics(request, |_, _, _| Vec::new());
        answer["MetricDataResults"][0]["StatusCode"] = json!("InternalError");
        answer
    });
    let output = status(&world, &[]).await;
    assert!(!output.stdout.contains("Messages"), "{}", output.stdout);
    assert!(unwrapped(&output.stdout).contains("CloudWatch could not read all metrics"), "{}", output.stdout);
}

/// [`UNTIL`], in seconds since 1970.
const NOON: u64 = 1_795_348_800;
/// The beginning of its month.
const FIRST_OF_THE_MONTH: u64 = NOON - (21 * 24 + 12) * 3600;

fn seconds(time: &Value) -> u64 {
    serde_json::from_value::<f64>(time.clone())
        .map(|time| Duration::from_secs_f64(time).as_secs())
        .expect("a time")
}

/// The metrics in the requests, as namespace, name and the values of the dimensions.
fn asked_metrics(world: &MockAws) -> BTreeSet<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = BTreeSet::new();
    for request in world.asked("cloudwatch:GetMetricData") {
        for query in request["MetricDataQueries"].as_array().expect("queries") {
            let metric = &query["MetricStat"]["Metric"];
            found.insert((
                text(&metric["Namespace"]),
                text(&metric["MetricName"]),
                text(&metric["Dimensions"][0]["Value"]),
            ));
        }
    }
    found
}

#[tokio::test]
async fn every_count_of_the_functions_is_asked_for() {
    let world = MockAws::start();
    status(&world, &[]).await;
    let metrics = asked_metrics(&world);
    for metric in Metric::ALL.iter().filter(|metric| metric.unit() == Unit::Count) {
        for function in metric.counted_by() {
            let series = (STACK.to_owned(), metric.name().to_owned(), function.package().to_owned());
            assert!(metrics.contains(&series), "{function} {metric}");
        }
    }
    for (namespace, metric, _) in &metrics {
        let ours = Metric::ALL.iter().any(|known| known.name() == metric);
        assert_eq!(namespace == STACK, ours, "{namespace} {metric}");
    }
    let queue = QUEUE_URL.rsplit('/').next().expect("a name");
    let of_aws = |namespace: &str, metric: &str, value: &str| {
        metrics.contains(&(namespace.to_owned(), metric.to_owned(), value.to_owned()))
    };
    assert!(of_aws("AWS/SQS", "ApproximateAgeOfOldestMessage", queue));
    assert!(of_aws("AWS/SNS", "SMSMonthToDateSpentUSD", ""));
    for function in ["pre-sign-up", "custom-message", EMAIL, SMS] {
        for metric in ["Errors", "Throttles"] {
            assert!(of_aws("AWS/Lambda", metric, function_name(function)), "{function} {metric}");
        }
    }
    for request in world.asked("cloudwatch:GetMetricData") {
        let queries = request["MetricDataQueries"].as_array().expect("queries");
        let ids: BTreeSet<_> = queries.iter().map(|query| query["Id"].to_string()).collect();
        assert_eq!(ids.len(), queries.len());
        let spend = queries.iter().any(|query| query["MetricStat"]["Metric"]["Namespace"] == "AWS/SNS");
        let month = seconds(&request["StartTime"]) == FIRST_OF_THE_MONTH;
        assert_eq!(month, spend, "{request}");
    }
}

fn set_parameter(stack: &mut Value, name: &str, value: &str) {
    for parameter in stack["Parameters"].as_array_mut().into_iter().flatten() {
        if parameter["ParameterKey"] == name {
            parameter["ParameterValue"] = json!(value);
        }
    }
}

fn with_end_user_messaging(world: &MockAws) {
    world.change("cloudformation:DescribeStacks", |answer| {
        let identity = "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234";
        set_parameter(&mut answer["Stacks"][0], "SmsOriginationIdentity", identity);
    });
}

#[tokio::test]
async fn sms_over_end_user_messaging_have_a_limit_of_their_own() {
    let world = MockAws::start();
    with_end_user_messaging(&world);
    counted(&world, &[("AWS/SMSVoice", "TextMessageMonthlySpend", &[3.5, 49.0])]);
    world.answer(
        "sms-voice:DescribeSpendLimits",
        json!({ "SpendLimits": [
            { "Name": "VOICE_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 1, "MaxLimit": 1, "Overridden": false },
            { "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 50, "MaxLimit": 100, "Overridden": true },
        ] }),
    );
    let output = status(&world, &[]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stdout.contains("49.00 of 50.00 US dollars (End User Messaging)"), "{}", output.stdout);
    assert!(output.stdout.contains("set-text-message-spend-limit-override"), "{}", output.stdout);
    assert!(output.stdout.contains("--monthly-limit 100"), "{}", output.stdout);
    assert_eq!(world.asked("sns:GetSMSAttributes").len(), 0);
}

const BY_COGNITO: Numbers = &[
    ("custom-message", Metric::MessageWritten.name(), &[3.0, 1.0]),
    ("pre-sign-up", Metric::SignUpPassedOn.name(), &[4.0]),
];

#[tokio::test]
async fn no_call_is_made_for_what_the_stack_does_not_deploy() {
    let world = MockAws::start();
    world.change("cloudformation:DescribeStacks", |answer| {
        let stack = &mut answer["Stacks"][0];
        set_parameter(stack, "SmsDelivery", "none");
        set_parameter(stack, "EmailDelivery", "cognito");
        let outputs = stack["Outputs"].as_array_mut().expect("outputs");
        outputs.retain(|output| {
            ["PreSignUpFunctionArn", "CustomMessageFunctionArn", "UserPoolId"]
                .contains(&output["OutputKey"].as_str().unwrap_or_default())
        });
    });
    counted(&world, BY_COGNITO);
    let output = status(&world, &["--ascii"]).await;
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    assert_snapshot!(output.stdout, @r"
    Stack triggers in eu-central-1
    2026-11-21 12:00 to 2026-11-22 12:00 UTC, 24 hours

    Messages that Cognito sends
      with the stack's text                  4
      with Cognito's own text                0

    Sign-ups
      confirmed without a code               0
      continued with a code                  4
      refused                                0
      still unconfirmed                      0

    Lambda                               errors  throttles
      pre-sign-up                             0          0
      custom-message                          0          0

    Per hour, at most 3 by Cognito
    Cognito @@@===..................................................................
    UTC     12       15       18       21       11-22    03       06       09

    Alarms                          none

    No problems.
    ");
    for operation in
        ["ses:GetAccount", "sns:GetSMSAttributes", "sms-voice:DescribeSpendLimits", "sqs:GetQueueAttributes"]
    {
        assert_eq!(world.asked(operation).len(), 0, "{operation}");
    }
}

#[tokio::test]
async fn ses_is_called_in_the_region_that_the_sender_uses() {
    let world = MockAws::start();
    world.change("cloudformation:DescribeStacks", |answer| {
        set_parameter(&mut answer["Stacks"][0], "SesRegion", "eu-west-1");
    });
    world.change("ses:GetAccount", |answer| answer["EnforcementStatus"] = json!("PROBATION"));
    let output = status(&world, &[]).await;
    assert_eq!(world.regions("ses:GetAccount"), ["eu-west-1"]);
    assert!(output.stdout.contains("$ aws sesv2 get-account --region eu-west-1\n"), "{}", output.stdout);
}

#[tokio::test]
async fn suggested_commands_have_the_region_of_the_call() {
    let world = bad_day();
    let output = status(&world, &["--region", REGION, "--format", "json"]).await;
    let document = document(&output);
    for look in document["look_at"].as_array().expect("what to look at") {
        let command = look["command"].as_str().expect("a command");
        assert!(command.ends_with(" --region eu-central-1"), "{command}");
    }
}

#[tokio::test]
async fn the_window_has_the_requested_hours() {
    let world = MockAws::start();
    for hours in [1, 72] {
        world.forget();
        let output = status(&world, &["--hours", &hours.to_string()]).await;
        assert_eq!(output.code, Some(0));
        let asked = world.asked("cloudwatch:GetMetricData");
        let counts =
            asked.iter().find(|request| request.to_string().contains("\"Sent\"")).expect("a request");
        let (start, end) = (seconds(&counts["StartTime"]), seconds(&counts["EndTime"]));
        assert_eq!((start, end), (NOON - hours * 3600, NOON));
    }
    for wrong in [["--hours", "0"], ["--hours", "73"], ["--until", "yesterday"]] {
        let output = world.run(&[&["status", "--stack-name", STACK], &wrong[..]].concat()).await;
        assert_eq!((output.stdout.as_str(), output.code), ("", Some(2)), "{wrong:?}");
    }
    // Without `--until`, the window ends now.
    let output = world.run(&["status", "--stack-name", STACK]).await;
    assert_eq!(output.code, Some(0));
}

#[tokio::test]
async fn the_chart_is_ascii_in_an_ascii_locale() {
    let world = MockAws::start();
    counted(&world, ORDINARY);
    let arguments = ["status", "--stack-name", STACK, "--until", UNTIL];
    let plain = world.begin(&arguments, &[("LC_ALL", "C"), UTF_8], "").end().await;
    assert!(plain.stdout.is_ascii(), "{}", plain.stdout);
    assert_eq!(status(&world, &["--ascii"]).await.stdout, plain.stdout);
    assert!(!status(&world, &[]).await.stdout.is_ascii());
}
