//! The delivery records and the counters of the SMS limits that the real senders keep in a table.

use std::time::Duration;

use sender::record::FinalState;
use serde_json::{Value, json};
use shared::metric::Metric;
use shared::outcome::Outcome;
use shared::parameter::Variable;
use tests::dynamodb::DynamoDb;
use tests::end_user_messaging::{EndUserMessaging, refusal};
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{Function, Invocation};
use tests::kms::KEY_ARN;
use tests::metrics::{count, parse};
use tests::sender::Sender;
use tests::service::{ClosedPort, Reply};
use tests::ses::SendEmail;
use tests::sns::Publish;

use crate::stage::{Channel, Stage};
use crate::{custom_email_sender, custom_sms_sender, fixtures};

const TABLE: &str = "deliveries";
const POOL: &str = "eu-central-1_Example01";

/// A table, and the settings with which a sender uses it.
fn table() -> (DynamoDb, [(&'static str, String); 2]) {
    let table = DynamoDb::start(TABLE, None);
    let (variable, url) = table.endpoint();
    let settings = [("DELIVERY_TABLE", TABLE.to_owned()), (variable, url.to_owned())];
    (table, settings)
}

fn borrowed<'a>(
    settings: &'a [(&'static str, String)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()).collect()
}

fn email_stage(more: &[(&str, &str)]) -> (DynamoDb, Sender<SendEmail>) {
    let (table, settings) = table();
    let stage = custom_email_sender::stage(&borrowed(&settings, more));
    (table, stage)
}

fn sms_stage(more: &[(&str, &str)]) -> (DynamoDb, Sender<Publish>) {
    let (table, settings) = table();
    let stage = custom_sms_sender::stage(&borrowed(&settings, more));
    (table, stage)
}

fn email_event() -> Value {
    sealed_event(&fixture("custom-email-sender-sign-up"), "123456", POOL, SealSuite::Signed0378)
}

fn sms_event(number: &str) -> Value {
    let mut event =
        sealed_event(&fixture("custom-sms-sender-sign-up"), "123456", POOL, SealSuite::Signed0378);
    event["request"]["userAttributes"]["phone_number"] = json!(number);
    event
}

async fn ends_well(function: &Function, event: &Value) -> bool {
    match function.invoke(event.to_string()).await {
        Invocation::Ok(_) => true,
        Invocation::Err { .. } => false,
        other => panic!("{other:?}"),
    }
}

fn record(table: &DynamoDb) -> Value {
    let records: Vec<_> = table
        .items()
        .into_iter()
        .filter(|item| item["id"]["S"].as_str().is_some_and(|id| id.starts_with("delivery#")))
        .collect();
    let [record] = records.as_slice() else { panic!("not one record: {records:?}") };
    record.clone()
}

#[tokio::test]
async fn a_repeated_event_is_sent_once() {
    let (table, stage) = email_stage(&[]);
    let event = email_event();
    for _ in 0..3 {
        assert!(ends_well(&stage.function, &event).await);
    }
    assert!(ends_well(&stage.function, &email_event()).await);
    assert_eq!(stage.provider.accepted().len(), 2, "another code is another message");
    assert_eq!(table.items().len(), 2);
    let metrics = parse(&stage.function.stop().await.stdout);
    assert_eq!((count(&metrics, Metric::Sent), count(&metrics, Metric::Duplicate)), (2, 2));
}

#[tokio::test]
async fn a_record_holds_the_providers_message_id_and_no_owner_once_it_is_settled() {
    let (table, stage) = email_stage(&[]);
    assert!(ends_well(&stage.function, &email_event()).await);
    let record = record(&table);
    assert_eq!(record["state"]["S"], json!("done"));
    assert_eq!(record["outcome"]["S"], json!(FinalState::Sent.name()));
    assert_eq!(
        record["message_id"]["S"],
        json!("0107018c3f5d7a2e-6f0e4c1a-0000-4000-8000-000000000001-000000")
    );
    let names: Vec<_> = record.as_object().expect("an item").keys().collect();
    assert_eq!(names, ["claims", "expires_at", "first_claimed_at", "id", "message_id", "outcome", "state"]);
    let seconds =
        |name: &str| record[name]["N"].as_str().expect("a number").parse::<u64>().expect("a number");
    assert_eq!(seconds("expires_at"), seconds("first_claimed_at") / 1000 + 15 * 24 * 3600, "15 days");
}

#[tokio::test]
async fn an_unsent_message_is_released_and_sent_by_the_next_invocation() {
    let (table, stage) = email_stage(&[]);
    let event = email_event();
    stage.provider.script([Reply::error(400, "SendingPausedException")]);
    assert!(!ends_well(&stage.function, &event).await);
    assert_eq!(record(&table)["state"]["S"], json!("released"));
    stage.kms.script([Reply::error(400, "DisabledException")]);
    assert!(!ends_well(&stage.function, &event).await);
    assert_eq!(record(&table)["state"]["S"], json!("released"));
    assert!(ends_well(&stage.function, &event).await);
    assert_eq!(stage.provider.accepted().len(), 1);
}

#[tokio::test]
async fn a_message_that_another_invocation_is_sending_is_not_sent() {
    let (table, stage) = email_stage(&[]);
    let event = email_event();
    stage.provider.script([Reply::ResetAfter]);
    assert!(!ends_well(&stage.function, &event).await);
    let mut left = record(&table);
    assert_eq!(left["state"]["S"], json!("claimed"), "it is unknown whether it was sent");
    let answer = stage.function.invoke(event.to_string()).await;
    assert_eq!(answer.error_message(), "another invocation is sending this message");
    assert_eq!(stage.provider.attempts(), 1);
    // After the lease, a duplicate is better than a lost message.
    left["lease_until"] = json!({ "N": "1" });
    table.put(&left);
    assert!(ends_well(&stage.function, &event).await);
    assert_eq!(stage.provider.accepted().len(), 2);
    let metrics = parse(&stage.function.stop().await.stdout);
    let counts = [Metric::FailedAmbiguous, Metric::InProgress, Metric::TakenOver, Metric::Sent]
        .map(|metric| count(&metrics, metric));
    assert_eq!(counts, [1, 1, 1, 1]);
}

/// The log lines of events.
fn logged(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["invocation.id"].is_string()).collect()
}

#[tokio::test]
async fn a_failed_settlement_does_not_hide_that_the_message_was_taken_over() {
    let (table, stage) = email_stage(&[]);
    let event = email_event();
    stage.provider.script([Reply::ResetAfter]);
    assert!(!ends_well(&stage.function, &event).await);
    let mut left = record(&table);
    left["lease_until"] = json!({ "N": "1" });
    table.put(&left);
    // The claim works, the settlement does not.
    table.script([Reply::Ok, Reply::error(400, "AccessDeniedException")]);
    assert!(ends_well(&stage.function, &event).await);
    let stdout = stage.function.stop().await.stdout;
    let metrics = parse(&stdout);
    let counts =
        [Metric::TakenOver, Metric::RecordUnavailable, Metric::Sent].map(|metric| count(&metrics, metric));
    assert_eq!(counts, [1, 1, 1]);
    let line = logged(&stdout).pop().expect("a line");
    assert_eq!((&line["outcome"], &line["record"]), (&json!(Outcome::Sent.name()), &json!("taken over")));
    assert!(line["record.error"].as_str().is_some_and(|error| error.contains("AccessDenied")), "{line}");
}

#[tokio::test]
async fn a_counter_that_fails_is_not_reported_as_a_record_that_fails() {
    let (table, stage) = sms_stage(&[]);
    // A warm process makes each call once, so the script affects the calls that it is meant for.
    assert!(ends_well(&stage.function, &sms_event("+12065550100")).await);
    table.empty();
    // The claim works, the first counter does not, the settlement does.
    table.script([Reply::Ok, Reply::error(400, "AccessDeniedException")]);
    assert!(ends_well(&stage.function, &sms_event("+12065550100")).await);
    assert_eq!(record(&table)["outcome"]["S"], json!(FinalState::Sent.name()));
    let stdout = stage.function.stop().await.stdout;
    let metrics = parse(&stdout);
    assert_eq!([Metric::Sent, Metric::RecordUnavailable].map(|metric| count(&metrics, metric)), [2, 0]);
    let line = logged(&stdout).pop().expect("a line");
    assert_eq!((&line["record"], &line["record.error"]), (&json!("first"), &Value::Null));
    assert!(line["counter.error"].as_str().is_some_and(|error| error.contains("AccessDenied")), "{line}");
}

#[tokio::test]
async fn a_rejected_recipient_is_not_tried_again() {
    let (table, stage) = email_stage(&[]);
    let event = email_event();
    stage.provider.script([Reply::Status {
        code: 400,
        aws_error_code: Some("BadRequestException".to_owned()),
        body: json!({ "message": "Illegal address: ann.example@example.com" }).to_string(),
    }]);
    assert!(ends_well(&stage.function, &event).await);
    assert!(ends_well(&stage.function, &event).await);
    assert_eq!(
        (stage.provider.attempts(), record(&table)["outcome"]["S"].clone()),
        (1, json!(FinalState::Recipient.name()))
    );
}

#[tokio::test]
async fn no_expired_code_is_sent() {
    const MINUTE: u64 = 60_000;
    let now =
        || u64::try_from(std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis()).expect("a time");
    for (case, age, sent) in [
        ("authentication", 14 * MINUTE, true),
        ("authentication", 16 * MINUTE, false),
        ("forgot-password", 59 * MINUTE, true),
        ("forgot-password", 61 * MINUTE, false),
        ("sign-up", 23 * 60 * MINUTE, true),
        ("sign-up", 25 * 60 * MINUTE, false),
        ("resend-code", 25 * 60 * MINUTE, false),
        ("update-user-attribute", 25 * 60 * MINUTE, false),
        ("verify-user-attribute", 25 * 60 * MINUTE, false),
        // The function doesn't know how long a temporary password is valid.
        ("admin-create-user", 14 * 24 * 60 * MINUTE, true),
    ] {
        let (table, stage) = email_stage(&[]);
        let event = sealed_event(
            &fixture(&format!("custom-email-sender-{case}")),
            "123456",
            POOL,
            SealSuite::Signed0378,
        );
        stage.provider.script([Reply::error(400, "SendingPausedException")]);
        assert!(!ends_well(&stage.function, &event).await, "{case}");
        let mut old = record(&table);
        old["first_claimed_at"] = json!({ "N": (now() - age).to_string() });
        table.put(&old);
        assert!(ends_well(&stage.function, &event).await, "{case}");
        assert_eq!(stage.provider.accepted().len(), usize::from(sent), "{case} after {age} ms");
        let outcome = if sent { FinalState::Sent } else { FinalState::Expired };
        assert_eq!(record(&table)["outcome"]["S"], json!(outcome.name()), "{case} after {age} ms");
    }
    // The setting is for pools with shorter sessions.
    let (table, stage) = email_stage(&[("SIGN_IN_CODE_MINUTES", "3")]);
    let event =
        sealed_event(&fixture("custom-email-sender-authentication"), "123456", POOL, SealSuite::Signed0378);
    stage.provider.script([Reply::error(400, "SendingPausedException")]);
    assert!(!ends_well(&stage.function, &event).await);
    let mut old = record(&table);
    old["first_claimed_at"] = json!({ "N": (now() - 4 * MINUTE).to_string() });
    table.put(&old);
    assert!(ends_well(&stage.function, &event).await);
    assert_eq!(stage.provider.accepted().len(), 0);
}

#[tokio::test]
async fn codes_are_sent_although_the_table_fails() {
    for reply in [
        Reply::error(400, "ResourceNotFoundException"),
        Reply::error(400, "AccessDeniedException"),
        Reply::error(400, "ThrottlingException"),
        Reply::Garbage,
        Reply::ResetBefore,
        Reply::ResetAfter,
        Reply::Hang,
    ] {
        let (table, stage) = email_stage(&[]);
        table.script(std::iter::repeat_n(reply.clone(), 4));
        assert!(ends_well(&stage.function, &email_event()).await, "{reply:?}");
        assert_eq!(stage.provider.accepted().len(), 1, "{reply:?}");
        let metrics = parse(&stage.function.stop().await.stdout);
        assert_eq!(
            (count(&metrics, Metric::Sent), count(&metrics, Metric::RecordUnavailable)),
            (1, 1),
            "{reply:?}"
        );
    }
    let closed = ClosedPort::new();
    let (variable, _) = table().0.endpoint();
    let settings = [("DELIVERY_TABLE", TABLE), (variable, &closed.url())];
    let stage = custom_email_sender::stage(&settings);
    assert!(ends_well(&stage.function, &email_event()).await);
    assert_eq!(stage.provider.accepted().len(), 1);
}

#[tokio::test]
async fn without_records_no_record_is_written_but_sms_are_counted() {
    let (table, stage) = email_stage(&[("DELIVERY_RECORDS", "false")]);
    assert!(ends_well(&stage.function, &email_event()).await);
    assert_eq!(table.attempts(), 0);
    let (table, stage) = sms_stage(&[("DELIVERY_RECORDS", "false"), ("SMS_MAX_PER_NUMBER_HOURLY", "1")]);
    for _ in 0..2 {
        assert!(ends_well(&stage.function, &sms_event("+12065550123")).await);
    }
    assert_eq!(stage.provider.accepted().len(), 1);
    assert!(
        table.items().iter().all(|item| item["id"]["S"].as_str().is_some_and(|id| id.starts_with("sms#")))
    );
}

#[tokio::test]
async fn every_sms_limit_blocks_sms_and_records_it() {
    let numbers =
        |count: usize| (0..count).map(|last| format!("+1206555{:04}", 100 + last)).collect::<Vec<_>>();
    let same = |count: usize| vec!["+12065550123".to_owned(); count];
    for (setting, value, numbers, sent) in [
        ("SMS_MAX_PER_NUMBER_HOURLY", "2", same(4), 2),
        ("SMS_MAX_PER_PREFIX_HOURLY", "3", numbers(5), 3),
        ("SMS_MAX_PER_COUNTRY_DAILY", "2", numbers(4), 2),
        ("SMS_DAILY_BUDGET_MESSAGES", "2", numbers(4), 2),
        // 0.50 USD is the most that one part may cost in the settings of the fixtures.
        ("SMS_DAILY_BUDGET_USD", "1.20", numbers(4), 2),
    ] {
        let (table, stage) = sms_stage(&[(setting, value)]);
        let events: Vec<_> = numbers.iter().map(|number| sms_event(number)).collect();
        for event in &events {
            assert!(ends_well(&stage.function, event).await, "{setting}");
        }
        // A repetition of what was stopped is stopped as well, and counts nothing.
        let counted = table.attempts();
        assert!(ends_well(&stage.function, events.last().expect("an event")).await);
        assert_eq!(table.attempts(), counted + 1, "{setting}: only the record was read");
        assert_eq!(stage.provider.accepted().len(), sent, "{setting}");
        let output = stage.function.stop().await;
        let metrics = parse(&output.stdout);
        let stopped = u64::try_from(events.len() - sent).expect("a small number");
        assert_eq!(count(&metrics, Metric::PumpingBlocked), stopped, "{setting}");
        let reason = format!("the SMS limit {} is reached", Variable(setting));
        assert!(output.stdout.contains(&reason), "{}", output.stdout);
    }
}

/// What the counters of the table hold, without those that are back at zero.
fn counted(table: &DynamoDb) -> Vec<(String, String)> {
    let items =
        table.items().into_iter().filter(|item| item["amount"]["N"].as_str().is_some_and(|n| n != "0"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items.map(|item| (text(&item["id"]["S"]), text(&item["amount"]["N"]))).collect()
}

#[tokio::test]
async fn sign_ups_stop_no_code_of_a_user() {
    let user = |case: &str, verified: bool| {
        let template = fixture(&format!("custom-sms-sender-{case}"));
        let mut event = sealed_event(&template, "123456", POOL, SealSuite::Signed0378);
        event["request"]["userAttributes"]["phone_number"] = json!("+12065550123");
        event["request"]["userAttributes"]["phone_number_verified"] = json!(verified.to_string());
        event
    };
    for (setting, value) in [
        ("SMS_MAX_PER_NUMBER_HOURLY", "3"),
        ("SMS_MAX_PER_PREFIX_HOURLY", "3"),
        ("SMS_MAX_PER_COUNTRY_DAILY", "3"),
        ("SMS_DAILY_BUDGET_MESSAGES", "3"),
        // 0.50 USD is the most that one part may cost in the settings of the fixtures.
        ("SMS_DAILY_BUDGET_USD", "1.50"),
    ] {
        let (_table, stage) = sms_stage(&[(setting, value)]);
        for _ in 0..5 {
            // Anyone can set a number and have it verified.
            assert!(ends_well(&stage.function, &user("verify-user-attribute", false)).await);
        }
        assert_eq!(stage.provider.accepted().len(), 3, "{setting}");
        for (case, verified, sent) in [
            ("sign-up", false, 3),
            ("forgot-password", false, 3),
            ("authentication", false, 4),
            ("forgot-password", true, 5),
            ("resend-code", true, 6),
            ("authentication", true, 6),
        ] {
            assert!(ends_well(&stage.function, &user(case, verified)).await);
            assert_eq!(stage.provider.accepted().len(), sent, "{setting}: {case}, verified: {verified}");
        }
    }
}

#[tokio::test]
async fn what_a_limit_stops_or_the_provider_rejects_uses_up_no_counter() {
    let (table, stage) = sms_stage(&[("SMS_MAX_PER_COUNTRY_DAILY", "1")]);
    assert!(ends_well(&stage.function, &sms_event("+12065550123")).await);
    let before = counted(&table);
    assert_eq!(before.len(), 4);
    for _ in 0..3 {
        assert!(ends_well(&stage.function, &sms_event("+13035550123")).await);
    }
    assert_eq!((counted(&table), stage.provider.accepted().len()), (before, 1));

    let (table, stage) = sms_stage(&[]);
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>Invalid parameter: \
                PhoneNumber Reason: +12065550123 is not valid</Message></Error><RequestId>1</RequestId></ErrorResponse>";
    stage.provider.script([Reply::Status { code: 400, aws_error_code: None, body: body.to_owned() }]);
    assert!(ends_well(&stage.function, &sms_event("+12065550123")).await);
    assert_eq!(counted(&table), []);
    // No number of the United States has so many digits, and it isn't even counted.
    let calls = table.attempts();
    assert!(ends_well(&stage.function, &sms_event("+1206555012300")).await);
    assert_eq!((table.attempts(), stage.provider.attempts()), (calls, 1));
}

#[tokio::test]
async fn a_retried_sms_counts_once() {
    let (_table, stage) = sms_stage(&[("SMS_MAX_PER_NUMBER_HOURLY", "1")]);
    let event = sms_event("+12065550123");
    stage.provider.script([Reply::error(403, "AuthorizationError")]);
    assert!(!ends_well(&stage.function, &event).await);
    assert!(ends_well(&stage.function, &event).await);
    assert_eq!(stage.provider.accepted().len(), 1);
}

/// A process whose number has one SMS left in the hour.
async fn one_before_the_limit() -> Stage {
    let stage = Stage::start(Channel::Sns).await;
    for _ in 0..5 {
        assert!(ends_well(&stage.function, &stage.channel.event()).await);
    }
    assert_eq!(stage.send.accepted(), 5);
    stage.send.clear();
    stage.table.clear();
    stage
}

#[tokio::test]
async fn no_sms_blocks_itself_if_the_answer_of_a_counter_is_lost() {
    for reply in [Reply::ResetAfter, Reply::HangAfter, Reply::Garbage] {
        for counter in 0..4 {
            let stage = one_before_the_limit().await;
            let mut replies = vec![Reply::Ok; counter + 1];
            replies.push(reply.clone());
            stage.table.script(replies);
            assert!(ends_well(&stage.function, &stage.channel.event()).await);
            assert_eq!(stage.send.accepted(), 1, "{reply:?} of counter {counter}");
        }
    }
}

#[tokio::test]
async fn no_sms_blocks_itself_if_it_may_have_been_sent_and_is_retried() {
    let stage = one_before_the_limit().await;
    let event = stage.channel.event();
    stage.send.script(vec![Reply::ResetBefore]);
    assert!(!ends_well(&stage.function, &event).await);
    stage.end_leases();
    assert!(ends_well(&stage.function, &event).await);
    assert_eq!(stage.send.accepted(), 1);
    assert!(ends_well(&stage.function, &stage.channel.event()).await, "the next one is stopped");
    assert_eq!(stage.send.accepted(), 1);
}

#[tokio::test]
async fn an_invocation_with_too_little_time_sends_nothing_and_releases_the_message() {
    let stage = Stage::start(Channel::Sns).await;
    let event = stage.channel.event();
    // 0.7 s are kept for closing and 1 s for sending: for KMS nothing is left.
    let answer = stage.function.invoke_within(Duration::from_millis(1_500), event.to_string()).await;
    assert!(answer.error_message().contains("no time left"), "{answer:?}");
    assert_eq!((stage.kms.attempts(), stage.send.attempts()), (0, 0));
    assert_eq!(stage.records(), ["released"]);
    assert!(ends_well(&stage.function, &event).await);
    assert_eq!(stage.send.accepted(), 1);
}

#[tokio::test]
async fn a_table_that_hangs_after_a_late_answer_leaves_time_for_the_log_line() {
    let stage = Stage::start(Channel::Ses).await;
    stage.table.script([Reply::Ok, Reply::Hang, Reply::Hang]);
    stage.send.script(vec![Reply::SlowOk(Duration::from_millis(3_900))]);
    let before = stage.function.lines().len();
    assert!(ends_well(&stage.function, &stage.channel.event()).await);
    assert_eq!(stage.function.lines().len(), before + 2, "one line of the log, one of metrics");
}

#[tokio::test]
async fn an_invitation_by_both_channels_is_sent_by_both() {
    // AWS does not document whether Cognito encrypts the password once or twice.
    let (table, settings) = table();
    let email = custom_email_sender::stage(&borrowed(&settings, &[]));
    let sms = custom_sms_sender::stage(&borrowed(&settings, &[]));
    let by_email = sealed_event(
        &fixture("custom-email-sender-admin-create-user"),
        "Secret-1",
        POOL,
        SealSuite::Signed0378,
    );
    let mut by_sms = fixture("custom-sms-sender-admin-create-user");
    by_sms["request"]["code"] = by_email["request"]["code"].clone();
    assert!(ends_well(&email.function, &by_email).await);
    assert!(ends_well(&sms.function, &by_sms).await);
    assert_eq!((email.provider.accepted().len(), sms.provider.accepted().len()), (1, 1));
    assert_eq!(
        table.items().iter().filter(|item| item["outcome"]["S"] == json!(FinalState::Sent.name())).count(),
        2
    );
}

#[tokio::test]
async fn without_the_table_a_process_sends_no_more_sms_than_its_cap() {
    let closed = ClosedPort::new();
    let (variable, _) = table().0.endpoint();
    let stage = custom_sms_sender::stage(&[("DELIVERY_TABLE", TABLE), (variable, &closed.url())]);
    let mut failed = 0;
    for _ in 0..32 {
        failed += usize::from(!ends_well(&stage.function, &sms_event("+12065550123")).await);
    }
    // An hour of the clock may end during the test, and the cap starts again with each hour.
    assert_eq!(stage.provider.accepted().len() + failed, 32);
    assert!(failed <= 2);
    let metrics = parse(&stage.function.stop().await.stdout);
    assert_eq!(count(&metrics, Metric::RecordUnavailable), 32);
}

#[tokio::test]
async fn end_user_messaging_sends_or_gives_the_reason() {
    let service = EndUserMessaging::start(None);
    let (variable, url) = service.endpoint();
    let kms = tests::kms::Kms::start(KEY_ARN, None);
    let identity = "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-0123456789abcdef0";
    let settings: Vec<_> = fixtures::settings("custom-sms-sender")
        .into_iter()
        .filter(|(name, _)| !["SMS_SENDER_ID", "SMS_ORIGINATION_NUMBER"].contains(name))
        .chain([
            ("SMS_PROVIDER", "end-user-messaging"),
            ("SMS_ORIGINATION_IDENTITY", identity),
            ("SMS_CONFIGURATION_SET", "codes"),
            (variable, url),
            kms.endpoint(),
        ])
        .collect();
    let function = Function::start("custom-sms-sender", &settings);
    let event = sms_event("+12065550123");
    assert!(ends_well(&function, &event).await);
    let [request] = service.accepted().try_into().expect("one message");
    assert_eq!(request["DestinationPhoneNumber"], json!("+12065550123"));
    assert_eq!(request["OriginationIdentity"], json!(identity));
    assert_eq!(request["ConfigurationSetName"], json!("codes"));
    assert_eq!(request["MessageType"], json!("TRANSACTIONAL"));
    assert_eq!(request["MaxPrice"], json!("0.50"));
    assert_eq!(request["TimeToLive"], json!(24 * 3600));
    assert!(request["MessageBody"].as_str().is_some_and(|text| text.contains("123456")));
    for (code, reason, recipients, words) in [
        ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", true, "has opted out"),
        (
            "ConflictException",
            "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
            true,
            "a protect configuration blocks",
        ),
        (
            "ServiceQuotaExceededException",
            "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
            false,
            "SMS spend limit is reached",
        ),
        ("ConflictException", "RESOURCE_NOT_ACTIVE", false, "SMS_ORIGINATION_IDENTITY"),
        ("ValidationException", "PRICE_OVER_THRESHOLD", true, "SMS_MAX_PRICE_USD"),
    ] {
        service.script([refusal(code, reason)]);
        let answer = function.invoke(event.to_string()).await;
        assert_eq!(matches!(answer, Invocation::Ok(_)), recipients, "{code} {reason}: {answer:?}");
        assert!(function.stdout().lines().last().is_some_and(|line| line.contains(words)), "{code} {reason}");
    }
}
