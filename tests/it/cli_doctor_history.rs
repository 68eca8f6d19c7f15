//! `cognito-triggers doctor`: what happened to a user's messages, over one server that plays all of AWS.

use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::outcome::{ErrorType, FailureClass, Outcome};
use shared::recipient::RecipientHasher;
use tests::cli::Output;
use tests::mock_aws::{CUSTOM_EMAIL_SENDER, MockAws, PHONE, POOL, RECIPIENT_HASH_KEY, STACK, SUB, USER};

use crate::cli_doctor_triggers::{assert_harmless, assert_narrow, findings, is_ok};

const TITLE: &str = "History";

/// 2026-11-21 10:00:00 UTC, in milliseconds.
const TEN: i64 = 1_795_255_200_000;

fn hash(recipient: &str) -> String {
    RecipientHasher::new(RECIPIENT_HASH_KEY.as_bytes()).hash(recipient).to_string()
}

async fn doctor(world: &MockAws, more: &[&str]) -> Output {
    let output = world.run(&[&["doctor", USER, "--stack-name", STACK], more].concat()).await;
    assert_harmless(&output);
    output
}

/// A line of a sender about a recipient, with a kind of message.
fn line(recipient: &str, message: &str, more: &Value) -> Value {
    let mut line = json!({
        "timestamp": "2026-11-21T10:00:00.000000Z",
        "level": "INFO",
        "message": message,
        "message.kind": "forgot-password",
        "recipient.hash": hash(recipient),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        line[name] = value.clone();
    }
    line
}

/// What a log group holds about a recipient, by the end of its name; the errors are another question.
fn logged(world: &MockAws, group: &'static str, lines: Vec<Value>) {
    answer(world, group, false, lines);
}

fn answer(world: &MockAws, group: &'static str, errors: bool, lines: Vec<Value>) {
    world.answer_with("logs:FilterLogEvents", move |asked| {
        let name = asked["logGroupName"].as_str().unwrap_or_default();
        let about_errors = asked["filterPattern"].as_str().unwrap_or_default().contains("ERROR");
        if !name.ends_with(group) || about_errors != errors {
            return json!({ "events": [], "searchedLogStreams": [] });
        }
        let events: Vec<_> = lines
            .iter()
            .zip(0_i64..)
            .map(|(line, number)| {
                let message = line.as_str().map_or_else(|| line.to_string(), str::to_owned);
                json!({ "timestamp": TEN + 1_000 * number, "message": message, "eventId": number.to_string() })
            })
            .collect();
        json!({ "events": events, "searchedLogStreams": [] })
    });
}

const EMAIL: &str = "custom-email-sender";
const SMS: &str = "custom-sms-sender";

fn told(world: &MockAws, message: &str, more: &Value) {
    logged(world, EMAIL, vec![line(USER, message, more)]);
}

/// A failed event in the on-failure destination.
fn failed(user: &str, address: &str, cause: &Value) -> String {
    json!({
        "version": "1.0",
        "timestamp": "2026-11-21T10:00:00.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-4f1a-8880-a18cdf61200e",
            "functionArn": format!("{CUSTOM_EMAIL_SENDER}:$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {
            "version": "1",
            "triggerSource": "CustomEmailSender_ForgotPassword",
            "userPoolId": POOL,
            "userName": user,
            "request": {
                "type": "customEmailSenderRequestV1",
                "code": "918273",
                "userAttributes": { "sub": user, "email": address, "phone_number": "+12065550199" },
            },
        },
        "responsePayload": cause,
    })
    .to_string()
}

fn send_failed() -> Value {
    let sentence = "SES rejected the message: MessageRejected (verify FROM_ADDRESS in that region; without \
                    production access also the recipient)";
    json!({ "errorType": ErrorType::SendFailed.name(), "errorMessage": sentence })
}

type Change = fn(&MockAws);

/// What happened in a healthy account, and the word that the finding begins with.
const CASES: &[(&str, &str, Change)] = &[
    ("nothing was logged", "warning", |_| {}),
    ("sent", "ok", |world| {
        told(world, "sent an e-mail", &json!({ "message.id": "0102018c-aaaa-bbbb-000000" }));
    }),
    ("an SMS was sent", "ok", |world| {
        logged(world, SMS, vec![line(PHONE, "sent an SMS", &json!({ "message.id": "12345678-aaaa" }))]);
    }),
    ("failed first, then sent", "ok", |world| {
        let failure = line(
            USER,
            "did not send a message: SES did not take the message: TooManyRequestsException",
            &json!({ "level": "ERROR", "error.type": ErrorType::SendFailed.name(), "error.class": FailureClass::Transient.name() }),
        );
        logged(world, EMAIL, vec![failure, line(USER, "sent an e-mail", &json!({}))]);
    }),
    ("a duplicate", "ok", |world| {
        told(world, "did not send a message: it was dealt with by an earlier invocation", &json!({}));
    }),
    ("in progress", "warning", |world| {
        told(world, "did not send a message: another invocation is sending it", &json!({}));
    }),
    ("expired", "CAUSE", |world| {
        told(world, "did not send a message: its code is no longer valid", &json!({}));
    }),
    ("blocked", "CAUSE", |world| {
        told(world, "did not send a message: the e-mail domain is on DENIED_EMAIL_DOMAINS", &json!({}));
    }),
    ("a limit", "CAUSE", |world| {
        codes_go_by_sms(world);
        let message = "did not send a message: the limit of SMS_MAX_PER_NUMBER_HOURLY is reached";
        logged(world, SMS, vec![line(PHONE, message, &json!({}))]);
    }),
    ("a country, and codes go by email", "warning", |world| {
        let message = "did not send a message: the number is in US, which is not among the allowed countries";
        logged(world, SMS, vec![line(PHONE, message, &json!({}))]);
    }),
    ("a failure of the configuration", "CAUSE", |world| {
        told(
            world,
            "did not send a message: KMS did not decrypt the code: AccessDeniedException (allow kms:Decrypt on the \
             key)",
            &json!({ "level": "ERROR", "error.type": ErrorType::DecryptionFailed.name(), "error.class": FailureClass::Configuration.name() }),
        );
    }),
    ("a failure that may pass", "CAUSE", |world| {
        told(
            world,
            "did not send a message: SES did not take the message: TooManyRequestsException (the account's sending \
             rate is used up)",
            &json!({ "level": "ERROR", "error.type": ErrorType::SendFailed.name(), "error.class": FailureClass::Transient.name() }),
        );
    }),
    ("sent, by its outcome", "ok", |world| {
        told(
            world,
            "any sentence",
            &json!({ "outcome": Outcome::Sent.name(), "message.id": "0102018c-aaaa-bbbb-000000" }),
        );
    }),
    ("an SMS limit, by its outcome", "CAUSE", |world| {
        codes_go_by_sms(world);
        let fields = json!({
            "outcome": Outcome::SmsLimit.name(),
            "outcome.reason": "the SMS limit SMS_MAX_PER_NUMBER_HOURLY (SmsMaxPerNumberHourly in MoreSettings) is reached",
        });
        logged(world, SMS, vec![line(PHONE, "any sentence", &fields)]);
    }),
    ("a failure, by its outcome", "CAUSE", |world| {
        let fields = json!({
            "level": "ERROR",
            "outcome": Outcome::Failed.name(),
            "outcome.reason": "SES throttled the request",
            "error.type": ErrorType::SendFailed.name(),
            "error.class": FailureClass::Transient.name(),
        });
        told(world, "any sentence", &fields);
    }),
    ("a failure whose reason has an address", "CAUSE", |world| {
        let fields =
            json!({ "outcome": Outcome::Blocked.name(), "outcome.reason": "bea@example.org is blocked" });
        told(world, "any sentence", &fields);
    }),
    ("a dry run is no message", "warning", |world| {
        told(world, "any sentence", &json!({ "outcome": Outcome::DryRun.name() }));
    }),
    ("unknown sentences", "CAUSE", |world| {
        told(
            world,
            "did not send a message: the code 918273 for bea@example.org at +12065550199",
            &json!({ "message.kind": "bea@example.org", "error.class": FailureClass::Configuration.name() }),
        );
    }),
    ("a known sentence with another user's address", "CAUSE", |world| {
        told(world, "did not send a message: SES did not take the message: bea@example.org", &json!({}));
    }),
    ("entries of another user and of no user", "warning", |world| {
        let other = line("bea@example.org", "sent an e-mail", &json!({}));
        logged(
            world,
            EMAIL,
            vec![other, json!("not JSON"), json!("[]"), json!({ "message": "sent an e-mail" })],
        );
    }),
    ("a level that hides what was sent", "-", |world| {
        world.set_variable(CUSTOM_EMAIL_SENDER, "LOG_LEVEL", Some("warn"));
    }),
    ("no key of the hashes", "-", |world| {
        world.set_variable(CUSTOM_EMAIL_SENDER, "RECIPIENT_HASH_KEY", Some(""));
    }),
    ("the sign-up was refused", "CAUSE", |world| {
        let message = "refused: SIGN_UP_MODE is closed and the e-mail domain is not on ALLOWED_EMAIL_DOMAINS";
        decided(world, message, "refuse");
    }),
    ("the sign-up was refused for its domain", "CAUSE", |world| {
        decided(world, "refused: the e-mail domain is on DENIED_EMAIL_DOMAINS", "refuse");
    }),
    ("the sign-up was refused, by its outcome", "CAUSE", |world| {
        let fields = json!({
            "outcome": Outcome::SignUpRefused.name(),
            "outcome.reason": "refused: the email domain is on DENIED_EMAIL_DOMAINS (parameter DeniedEmailDomains)",
        });
        logged(world, "pre-sign-up", vec![line(USER, "any sentence", &fields)]);
    }),
    ("the sign-up was confirmed", "ok", |world| decided(world, "confirmed: …", "confirm")),
    ("the sign-up went on", "ok", |world| decided(world, "unchanged: …", "pass-through")),
    ("a failed event of the user", "CAUSE", |world| {
        world.fail_events([
            failed("bea", "bea@example.org", &send_failed()),
            failed(SUB, "old@example.com", &send_failed()),
            failed("bea", USER, &json!({ "errorType": "bea@example.org" })),
        ]);
    }),
    ("a failed event of the user, and a later message", "warning", |world| {
        world
            .fail_events([failed(SUB, USER, &send_failed()).replace("2026-11-21T10:00", "2026-11-21T09:59")]);
        told(world, "sent an e-mail", &json!({}));
    }),
    ("failed events of other users", "warning", |world| {
        world.fail_events([failed("bea", "bea@example.org", &send_failed()), "no record".to_owned()]);
    }),
    ("a queue without permission", "warning", |world| {
        world.fail_events([failed(SUB, USER, &send_failed())]);
        world.refuse("sts:AssumeRole", 403, "AccessDenied");
    }),
    ("a function does not start", "CAUSE", |world| {
        let message = "invalid configuration: FROM_ADDRESS is not set; ALLOWED_EMAIL_DOMAINS entry 1 \
                       `bea@example.org` is no domain; SMS_ALLOWED_COUNTRIES is not set";
        answer(world, EMAIL, true, vec![json!({ "level": "ERROR", "message": message })]);
        world.set_variable(CUSTOM_EMAIL_SENDER, "FROM_ADDRESS", None);
    }),
    ("a function did not start, and now would", "warning", |world| {
        let message = "invalid configuration: FROM_ADDRESS is not set";
        answer(world, EMAIL, true, vec![json!({ "level": "ERROR", "message": message })]);
    }),
    ("a function does not start, by its error type", "CAUSE", |world| {
        let fields = json!({
            "level": "ERROR",
            "message": "any sentence",
            "outcome": Outcome::NotStarted.name(),
            "settings": "FROM_ADDRESS, DENIED_EMAIL_DOMAINS, bea@example.org",
            "error.type": ErrorType::InvalidConfiguration.name(),
        });
        answer(world, EMAIL, true, vec![fields]);
        world.set_variable(CUSTOM_EMAIL_SENDER, "FROM_ADDRESS", None);
    }),
    ("errors of any kind", "warning", |world| {
        let error = |kind: &str| json!({ "level": "ERROR", "message": "918273", "error.type": kind });
        let (send, decrypt) = (ErrorType::SendFailed.name(), ErrorType::DecryptionFailed.name());
        let errors = [send, send, decrypt, "bea@example.org"].map(error);
        answer(world, SMS, true, errors.to_vec());
    }),
    ("Cognito logs what it could not deliver", "ok", |world| {
        let arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/cognito:*";
        delivery(
            world,
            &json!([{
                "LogLevel": "ERROR",
                "EventSource": "userNotification",
                "CloudWatchLogsConfiguration": { "LogGroupArn": arn },
            }]),
        );
    }),
    ("Cognito logs something else", "-", |world| {
        delivery(
            world,
            &json!([{
                "LogLevel": "INFO",
                "EventSource": "userAuthEvents",
                "S3Configuration": { "BucketArn": "arn:aws:s3:::logs" },
            }]),
        );
    }),
    ("Cognito logs nothing", "-", |world| delivery(world, &json!([]))),
];

/// Codes go to the phone first.
fn codes_go_by_sms(world: &MockAws) {
    world.change_pool(|pool| {
        pool["AccountRecoverySetting"] =
            json!({ "RecoveryMechanisms": [{ "Name": "verified_phone_number", "Priority": 1 }] });
    });
}

fn decided(world: &MockAws, message: &str, decision: &str) {
    let line = line(USER, message, &json!({ "decision": decision, "trigger.source": "PreSignUp_SignUp" }));
    logged(world, "pre-sign-up", vec![line]);
}

fn delivery(world: &MockAws, configurations: &Value) {
    world.answer(
        "cognito-idp:GetLogDeliveryConfiguration",
        json!({ "LogDeliveryConfiguration": { "UserPoolId": POOL, "LogConfigurations": configurations } }),
    );
}

#[tokio::test]
async fn every_history_is_reported() {
    let mut shown = String::new();
    let healthy = findings(&doctor(&MockAws::start(), &[]).await, TITLE);
    for (name, word, change) in CASES {
        let world = MockAws::start();
        change(&world);
        let output = doctor(&world, &[]).await;
        let found = findings(&output, TITLE);
        // Only the first case shows the findings of a healthy account too.
        let new: Vec<_> =
            found.into_iter().filter(|one| *name == CASES[0].0 || !healthy.contains(one)).collect();
        let is_expected = |one: &&String| one.starts_with(word);
        assert!(
            new.iter().any(|one| is_expected(&one)) || healthy.iter().any(|one| is_expected(&one)),
            "{name}: {output:?}"
        );
        for one in &new {
            assert_narrow(one);
        }
        writeln!(shown, "# {name}\n{}\n", new.join("\n")).expect("a text");
    }
    assert_snapshot!("doctor, history", shown);
}

#[tokio::test]
async fn each_conclusion_has_evidence() {
    let world = MockAws::start();
    told(&world, "sent an e-mail", &json!({}));
    world.fail_events([failed(SUB, USER, &send_failed())]);
    let found = findings(&doctor(&world, &["--why"]).await, TITLE);
    assert!(found.iter().all(|one| one.contains("          because ")), "{found:#?}");
    assert!(found.iter().any(|one| one.contains(&hash(USER))), "{found:#?}");
}

#[tokio::test]
async fn a_denied_call_is_named_and_the_other_checks_run() {
    for action in
        ["logs:FilterLogEvents", "sqs:GetQueueAttributes", "cognito-idp:GetLogDeliveryConfiguration"]
    {
        let world = MockAws::start();
        world.refuse(action, 403, "AccessDeniedException");
        let found = findings(&doctor(&world, &[]).await, TITLE);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let named = |one: &&String| {
            one.starts_with("- ") && words(one).contains(&format!("lack the permission {action} "))
        };
        assert!(found.iter().any(|one| named(&one)), "{action}: {found:#?}");
        assert!(found.iter().any(|one| !named(&one)), "{action}: {found:#?}");
        assert!(!found.iter().any(|one| one.starts_with("CAUSE")), "{action}: {found:#?}");
    }
}

#[tokio::test]
async fn a_log_group_that_does_not_exist_holds_no_lines() {
    let world = MockAws::start();
    world.refuse("logs:FilterLogEvents", 400, "ResourceNotFoundException");
    let found = findings(&doctor(&world, &[]).await, TITLE);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let silent = |one: &String| words(one).contains("logged nothing about this user in the last 24 h");
    assert!(found.iter().any(silent), "{found:#?}");
}

#[tokio::test]
async fn the_logs_are_searched_for_the_hash_and_the_hours() {
    let world = MockAws::start();
    doctor(&world, &["--hours", "2"]).await;
    let asked = world.asked("logs:FilterLogEvents");
    let since = |group: &str, pattern: &str| {
        let found = asked.iter().find(|asked| {
            asked["logGroupName"].as_str().is_some_and(|name| name.ends_with(group))
                && asked["filterPattern"] == pattern
        });
        found.and_then(|asked| asked["startTime"].as_i64()).unwrap_or_else(|| panic!("{group}: {asked:?}"))
    };
    let error = "{ $.level = \"ERROR\" }";
    let one_hour = since(EMAIL, error) - since(EMAIL, &format!("\"{}\"", hash(USER)));
    // The two calls are made one after the other, and the clock may change in between.
    assert!((3_540_000..3_660_000).contains(&one_hour), "{one_hour}");
    since(SMS, &format!("\"{}\"", hash(PHONE)));
    since("pre-sign-up", &format!("\"{}\"", hash(USER)));
    assert!(asked.iter().all(|asked| asked["startFromHead"] == false), "{asked:?}");
}

#[tokio::test]
async fn the_queue_is_read_with_its_own_role_and_no_message_is_hidden() {
    let world = MockAws::start();
    world.fail_events([failed(SUB, USER, &send_failed())]);
    doctor(&world, &[]).await;
    let role = &world.asked("sts:AssumeRole")[0]["RoleArn"];
    assert!(role.as_str().is_some_and(|arn| arn.contains("RedriveRole")), "{role}");
    for asked in world.asked("sqs:ReceiveMessage") {
        assert_eq!(asked["VisibilityTimeout"], 0);
    }
    let changes = ["sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:ChangeMessageVisibilityBatch"];
    assert!(world.calls().iter().all(|(name, _)| !changes.contains(&name.as_str())));
}

#[tokio::test]
async fn a_user_that_does_not_exist_is_searched_by_the_argument() {
    let world = MockAws::start();
    world.change_users(Vec::clear);
    decided(&world, "refused: the e-mail domain is on DENIED_EMAIL_DOMAINS", "refuse");
    let found = findings(&doctor(&world, &[]).await, TITLE);
    assert!(
        found.iter().any(|one| one.starts_with("CAUSE") && one.contains("sign-up of this")),
        "{found:#?}"
    );
    assert!(found.iter().any(|one| is_ok(one)), "{found:#?}");
}
