//! No code, password, address or number reaches a log, a metric, an error, a panic, a stored item or a service that it
//! is not meant for, with any event, fault or setting.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::aws::Service;
use sender::errors::TABLE as ERRORS;
use serde_json::{Value, json};
use shared::metric::Metric;
use tests::canary::assert_absent;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{Function, Init, Invocation};
use tests::service::Reply;
use tokio::task::JoinSet;

use crate::contract::settings_of_all_functions;
use crate::fixtures::{names, settings};
use crate::watched::{BY_END_USER_MESSAGING, NO_LIMITS, Watched};

const FUNCTIONS: [&str; 4] = ["pre-sign-up", "custom-message", "custom-email-sender", "custom-sms-sender"];

const POOL: &str = "eu-central-1_Example01";

/// Cognito's longest: a sender sends no other text as a code.
const CODE: &str = "51820364";
const PASSWORD: &str = "canary-password-5182036475";
const EMAIL: &str = "canary.email@example.com";
const PHONE: &str = "+12065550177";
const NAME: &str = "canary-name-Zebedee";

/// The secrets that must never be printed or stored.
const SECRETS: [(&str, &str); 12] = [
    ("the code", CODE),
    ("the password", PASSWORD),
    ("its digits", "5182036475"),
    ("the address", EMAIL),
    ("the local part", "canary.email"),
    ("the number", PHONE),
    ("the number without its plus", "12065550177"),
    ("the number without its last four digits", "+1206555"),
    ("the name", NAME),
    ("an address of a fixture", "ann.example@"),
    ("a new address of a fixture", "ann.new@"),
    ("the number of the fixtures", "2065550123"),
];

/// What the code of an event file is replaced with.
fn secret_of(name: &str) -> &'static str {
    if name.contains("admin-create-user") { PASSWORD } else { CODE }
}

/// All canaries, as a service quotes what it was sent.
fn quote() -> String {
    format!("{EMAIL} {PHONE} {CODE} {NAME}")
}

/// An event file with canaries in every attribute, in the metadata, and in the code if it has one.
fn with_canaries(name: &str) -> Value {
    let mut event = fixture(name);
    if let Some(attributes) = event["request"]["userAttributes"].as_object_mut() {
        for value in attributes.values_mut() {
            *value = json!(NAME);
        }
        for attribute in
            ["name", "address", "custom:note", "FEEDBACK_TOKEN", "ONE_CLICK_LINK_VALID", "EVENT_ID"]
        {
            attributes.insert(attribute.to_owned(), json!(NAME));
        }
        attributes.insert("email".to_owned(), json!(EMAIL));
        attributes.insert("phone_number".to_owned(), json!(PHONE));
    }
    event["userName"] = json!(NAME);
    if event["request"].is_object() {
        event["request"]["clientMetadata"] = json!({ "locale": NAME, "note": EMAIL, PHONE: CODE });
        event["request"]["validationData"] = json!({ "note": NAME });
    }
    if event["request"]["code"].is_string() {
        event = sealed_event(&event, secret_of(name), POOL, SealSuite::Signed0378);
    }
    event
}

/// The event with each of its members broken in turn.
fn malformed(event: &Value) -> Vec<Value> {
    let values =
        [json!(null), json!([EMAIL, PHONE]), json!({ NAME: CODE }), json!(EMAIL), json!(CODE), json!(7)];
    let paths = [
        "/version",
        "/region",
        "/triggerSource",
        "/callerContext",
        "/userPoolId",
        "/userName",
        "/request",
        "/request/userAttributes",
        "/request/userAttributes/sub",
        "/request/userAttributes/email",
        "/request/userAttributes/phone_number",
        "/request/userAttributes/locale",
        "/request/code",
        "/request/codeParameter",
        "/request/linkParameter",
        "/request/usernameParameter",
        "/request/clientMetadata",
        "/request/clientMetadata/locale",
        "/request/validationData",
        "/response",
    ];
    let mut events = Vec::new();
    for path in paths {
        for value in &values {
            let mut event = event.clone();
            if let Some(place) = event.pointer_mut(path) {
                *place = value.clone();
                events.push(event);
            }
        }
    }
    events
}

async fn check_events(function: &str) {
    for name in names(function) {
        let mut watched = Watched::start(function, &NO_LIMITS).await;
        let _ = watched.invoke(&fixture(&name)).await;
        for event in malformed(&with_canaries(&name)) {
            // Each event needs its own code, or the function treats all except the first as duplicates.
            let sealed = event
                .pointer("/request/code")
                .is_some_and(|code| code.as_str().is_some_and(|code| code.len() > 99));
            let seal = |event| sealed_event(event, secret_of(&name), POOL, SealSuite::Signed0378);
            let event = if sealed { seal(&event) } else { event };
            let _ = watched.invoke(&event).await;
        }
        let _ = watched.invoke(&with_canaries(&name)).await;
        watched.assert_nothing_leaked(&SECRETS).await;
    }
}

#[tokio::test]
async fn no_event_of_pre_sign_up_leaks_valid_or_malformed() {
    check_events("pre-sign-up").await;
}

#[tokio::test]
async fn no_event_of_custom_message_leaks_valid_or_malformed() {
    check_events("custom-message").await;
}

#[tokio::test]
async fn no_event_of_the_email_sender_leaks_valid_or_malformed() {
    check_events("custom-email-sender").await;
}

#[tokio::test]
async fn no_event_of_the_sms_sender_leaks_valid_or_malformed() {
    check_events("custom-sms-sender").await;
}

#[tokio::test]
async fn an_event_that_is_not_json_leaks_nothing() {
    for name in FUNCTIONS {
        let watched = Watched::start(name, &[]).await;
        for event in [quote(), format!("{{\"userName\":\"{NAME}\",\"code\":{CODE}"), format!("[\"{EMAIL}\"")]
        {
            let outcome = watched.function.invoke(event).await;
            assert!(matches!(outcome, Invocation::Err { .. }), "{outcome:?}");
            assert_absent(&SECRETS, &format!("{outcome:?}"));
        }
        let output = watched.function.stop().await;
        assert_absent(&SECRETS, &output.stdout);
        assert_absent(&SECRETS, &output.stderr);
    }
}

/// A rejection that quotes the request, as the protocol of the service writes it.
fn quoting(service: Service, status: u16, code: &str, reason: &str) -> Reply {
    if service == Service::Sns {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{} {reason}</Message></Error>\
             <RequestId>{NAME}</RequestId></ErrorResponse>",
            quote()
        );
        return Reply::Status { code: status, aws_error_code: None, body };
    }
    let body = json!({
        "__type": code,
        "message": quote(),
        "Message": quote(),
        "Reason": reason,
        "ResourceId": EMAIL,
        "Item": { "state": { "S": "done" }, "owner": { "S": NAME } },
    });
    Reply::Status { code: status, aws_error_code: Some(code.to_owned()), body: body.to_string() }
}

/// Faults of a service, each with the number of requests that it affects.
fn faults(service: Service) -> Vec<Vec<Reply>> {
    let rows = ERRORS.iter().filter(|row| row.service.is_none_or(|other| other == service));
    let from_the_table = rows.map(|row| {
        let (code, reason) = row.code.split_once('/').unwrap_or((row.code, ""));
        vec![quoting(service, 400, code, reason)]
    });
    let bodies = [
        quote(),
        json!({ "MessageId": EMAIL, "KeyId": EMAIL, "Plaintext": STANDARD.encode(CODE) }).to_string(),
        json!({ "MessageId": PHONE, "Attributes": { "state": { "S": EMAIL }, "owner": { "S": NAME } } })
            .to_string(),
        format!(
            "<PublishResponse><PublishResult><MessageId>{PHONE} {EMAIL}</MessageId></PublishResult></PublishResponse>"
        ),
    ];
    let answers = bodies.map(|body| vec![Reply::Status { code: 200, aws_error_code: None, body }]);
    let others = [
        vec![quoting(service, 400, EMAIL, "")],
        vec![quoting(service, 400, "5182036475", CODE)],
        vec![quoting(service, 400, "12065550177", PHONE)],
        vec![quoting(service, 403, "AccessDeniedException", EMAIL)],
        vec![quoting(service, 500, "InternalFailure", "")],
        vec![quoting(service, 500, "InternalFailure", ""); 20],
        vec![quoting(service, 400, "AccessDeniedException", EMAIL); 20],
        vec![Reply::bare(429)],
        vec![Reply::bare(502)],
        vec![Reply::bare(503)],
        vec![Reply::Garbage],
        vec![Reply::ExpiredCredentials],
        vec![Reply::ResetBefore],
        vec![Reply::ResetAfter],
        vec![Reply::ResetAfter, Reply::ResetAfter, Reply::ResetAfter],
        vec![Reply::OkThenClose],
    ];
    from_the_table.chain(answers).chain(others).collect()
}

async fn check_faults(function: &str, service: Service, more: &[(&str, &str)]) {
    let more: Vec<_> = NO_LIMITS.iter().chain(more).copied().collect();
    let mut watched = Watched::start(function, &more).await;
    for replies in faults(service) {
        // Each with its two ways: a code, and a password with what the user signs in with.
        for kind in ["sign-up", "admin-create-user"] {
            let event = with_canaries(&format!("{function}-{kind}"));
            let _ = watched.invoke_with(&event, service, replies.clone()).await;
        }
    }
    watched.assert_nothing_leaked(&SECRETS).await;
}

const SPARE: [(&str, &str); 1] = [("SES_FALLBACK_CONFIGURATION_SET", "spare")];

#[tokio::test]
async fn no_fault_of_kms_leaks() {
    tokio::join!(
        check_faults("custom-email-sender", Service::Kms, &[]),
        check_faults("custom-sms-sender", Service::Kms, &[]),
    );
}

#[tokio::test]
async fn no_fault_of_ses_leaks() {
    check_faults("custom-email-sender", Service::SesV2, &[]).await;
}

#[tokio::test]
async fn no_fault_of_ses_leaks_with_a_route_to_fall_back_on() {
    check_faults("custom-email-sender", Service::SesV2, &SPARE).await;
}

#[tokio::test]
async fn no_fault_of_sns_leaks() {
    check_faults("custom-sms-sender", Service::Sns, &[]).await;
}

#[tokio::test]
async fn no_fault_of_end_user_messaging_leaks() {
    check_faults("custom-sms-sender", Service::EndUserMessaging, &BY_END_USER_MESSAGING).await;
}

#[tokio::test]
async fn no_fault_of_dynamodb_leaks() {
    tokio::join!(
        check_faults("custom-email-sender", Service::DynamoDb, &[]),
        check_faults("custom-sms-sender", Service::DynamoDb, &[("SMS_MAX_PER_NUMBER_HOURLY", "1000")]),
    );
}

#[tokio::test]
async fn no_hanging_service_makes_a_function_leak() {
    let mut at_once = JoinSet::new();
    for (function, service, more) in [
        ("custom-email-sender", Service::Kms, &[][..]),
        ("custom-email-sender", Service::SesV2, &SPARE),
        ("custom-email-sender", Service::DynamoDb, &[]),
        ("custom-sms-sender", Service::Sns, &[]),
        ("custom-sms-sender", Service::EndUserMessaging, &BY_END_USER_MESSAGING),
    ] {
        at_once.spawn(async move {
            let mut watched = Watched::start(function, more).await;
            for reply in [Reply::Hang, Reply::HangAfter] {
                watched.services.script(service, std::iter::repeat_n(reply, 20));
                let event = with_canaries(&format!("{function}-sign-up"));
                let _ = watched.invoke(&event).await;
            }
            watched.assert_nothing_leaked(&SECRETS).await;
        });
    }
    at_once.join_all().await;
}

#[tokio::test]
async fn no_sms_limit_leaks() {
    for (limit, value) in [
        ("SMS_MAX_PER_NUMBER_HOURLY", "1"),
        ("SMS_MAX_PER_PREFIX_HOURLY", "1"),
        ("SMS_MAX_PER_COUNTRY_DAILY", "1"),
        ("SMS_DAILY_BUDGET_MESSAGES", "1"),
        ("SMS_DAILY_BUDGET_USD", "0.50"),
    ] {
        let settings: Vec<_> = NO_LIMITS.into_iter().chain([(limit, value)]).collect();
        let mut watched = Watched::start("custom-sms-sender", &settings).await;
        for _ in 0..2 {
            let _ = watched.invoke(&with_canaries("custom-sms-sender-sign-up")).await;
        }
        assert!(watched.last_metrics().contains(&Metric::PumpingBlocked), "{limit}");
        watched.assert_nothing_leaked(&SECRETS).await;
    }
}

#[tokio::test]
async fn no_sms_limit_leaks_while_the_counters_fail() {
    let mut watched = Watched::start("custom-sms-sender", &[]).await;
    for _ in 0..40 {
        let event = with_canaries("custom-sms-sender-sign-up");
        let refusal = quoting(Service::DynamoDb, 400, "AccessDeniedException", EMAIL);
        let _ = watched.invoke_with(&event, Service::DynamoDb, vec![refusal; 20]).await;
    }
    assert!(watched.last_metrics().contains(&Metric::FailedTransient), "the process has a cap of its own");
    watched.assert_nothing_leaked(&SECRETS).await;
}

/// An event with that value as the attribute that holds the recipient.
fn to(function: &str, recipient: &str) -> Value {
    let mut event = with_canaries(&format!("{function}-sign-up"));
    let attribute = if function == "custom-sms-sender" { "phone_number" } else { "email" };
    event["request"]["userAttributes"][attribute] = json!(recipient);
    event
}

#[tokio::test]
async fn a_rejected_recipient_is_not_logged() {
    for (function, recipients) in [
        (
            "custom-email-sender",
            [
                EMAIL,
                "canary.email@example.com, x@example.com",
                "canary.email",
                "canary.email@example.com\r\nBcc: x@example.com",
            ],
        ),
        ("custom-sms-sender", [PHONE, "12065550177", "+1206555017712065550177", "+1206555\r\n0177"]),
    ] {
        let denied = [("DENIED_EMAIL_DOMAINS", "example.com")];
        let abroad = [("SMS_ALLOWED_COUNTRIES", "DE")];
        for more in [&denied, &abroad] {
            let mut watched = Watched::start(function, more).await;
            for recipient in recipients {
                let _ = watched.invoke(&to(function, recipient)).await;
            }
            assert!(watched.metrics().iter().any(|emf| emf.count(Metric::Blocked) == 1));
            watched.assert_nothing_leaked(&SECRETS).await;
        }
    }
}

#[tokio::test]
async fn repeated_expired_and_concurrent_events_leak_nothing() {
    for (function, service) in [("custom-email-sender", Service::SesV2), ("custom-sms-sender", Service::Sns)]
    {
        let mut watched = Watched::start(function, &NO_LIMITS).await;
        let event = with_canaries(&format!("{function}-sign-up"));
        let mut seen = Vec::new();
        for replies in [vec![Reply::ResetAfter], vec![], vec![]] {
            let _ = watched.invoke_with(&event, service, replies).await;
            seen.push(watched.last_metrics());
            // The lease ends.
            let mut item = watched.services.dynamodb.items().pop().expect("the record");
            if seen.len() == 2 {
                item["lease_until"] = json!({ "N": "0" });
                item["first_claimed_at"] = json!({ "N": "0" });
                watched.services.dynamodb.put(&item);
            }
        }
        let _ = watched.invoke(&event).await;
        seen.push(watched.last_metrics());
        let expected = [Metric::FailedAmbiguous, Metric::InProgress, Metric::Expired, Metric::Duplicate];
        for (metrics, expected) in seen.iter().zip(&expected) {
            assert!(metrics.contains(expected), "{expected}: {metrics:?}");
        }
        watched.assert_nothing_leaked(&SECRETS).await;
    }
}

#[tokio::test]
async fn a_clear_code_reaches_only_the_recipient() {
    for (function, more) in [
        ("custom-email-sender", &[][..]),
        ("custom-sms-sender", &[]),
        ("custom-sms-sender", &BY_END_USER_MESSAGING),
    ] {
        let mut watched = Watched::start(function, more).await;
        let _ = watched.invoke(&with_canaries(&format!("{function}-sign-up"))).await;
        let messages = watched.services.messages();
        let [message] = messages.as_slice() else { panic!("not one message: {messages:?}") };
        assert!(message.contains(CODE), "the canary is really in play");
        assert!(!message.contains(NAME), "no other attribute is in the message: {message}");
        assert!(!watched.services.kms.calls().is_empty() && !watched.services.dynamodb.items().is_empty());
        watched.assert_nothing_leaked(&SECRETS).await;
    }
}

#[tokio::test]
async fn no_invalid_setting_is_quoted() {
    for (function, asked) in settings_of_all_functions() {
        let name = match function {
            "PreSignUpFunction" => "pre-sign-up",
            "CustomMessageFunction" => "custom-message",
            "CustomEmailSenderFunction" => "custom-email-sender",
            "AttachFunction" => "attach",
            _ => "custom-sms-sender",
        };
        let broken = [
            EMAIL.to_owned(),
            PHONE.to_owned(),
            format!("{EMAIL} {PHONE}"),
            format!("file:/{EMAIL}"),
            format!("{EMAIL}={PHONE}"),
        ];
        for value in broken {
            let every: Vec<_> = asked.iter().map(|variable| (variable.as_str(), value.as_str())).collect();
            let one_by_one =
                every.iter().map(|pair| settings(name).into_iter().chain([*pair]).collect::<Vec<_>>());
            for environment in std::iter::once(every.clone()).chain(one_by_one) {
                let function = Function::start(name, &environment);
                let _ = function.init_outcome().await;
                let output = function.stop().await;
                assert_absent(&SECRETS, &output.stdout);
                assert_absent(&SECRETS, &output.stderr);
            }
        }
    }
}

/// A function for this test only, which panics with its input.
fn panicking(environment: &[(&str, &str)]) -> Function {
    Function::start_command(
        "panicking-function",
        Command::new(env!("CARGO_BIN_EXE_panicking-function")),
        environment,
    )
}

#[tokio::test]
async fn a_panic_is_logged_with_its_place_only_and_ends_the_process() {
    let at_start = panicking(&[("PANIC_AT_START", CODE), ("RUST_BACKTRACE", "full")]);
    assert!(matches!(at_start.init_outcome().await, Init::Exited(_)));
    let with_event = panicking(&[("RUST_BACKTRACE", "full"), ("RUST_LOG", "trace")]);
    let outcome = with_event.invoke(with_canaries("custom-email-sender-sign-up").to_string()).await;
    // Nothing is reported to Lambda: Cognito would show it to the user.
    assert!(matches!(outcome, Invocation::Exited(_)), "{outcome:?}");
    for function in [at_start, with_event] {
        let output = function.stop().await;
        assert!(output.stdout.contains("panicking-function.rs"), "{}", output.stdout);
        assert_absent(&SECRETS, &output.stdout);
        assert_absent(&SECRETS, &output.stderr);
    }
}
