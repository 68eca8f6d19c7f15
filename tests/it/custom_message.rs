//! The custom message trigger, as Cognito sees it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::metric::Metric;
use shared::outcome::Outcome;
use tests::event::fixture;
use tests::function::Function;
use tests::metrics::{count, parse};

use crate::fixtures::{changes, names, settings};

const FUNCTION: &str = "custom-message";

fn function(more: &[(&str, &str)]) -> Function {
    let settings: Vec<_> = settings(FUNCTION).into_iter().chain(more.iter().copied()).collect();
    Function::start(FUNCTION, &settings)
}

async fn play(function: &Function, event: &Value) -> Value {
    changes(event, &function.invoke(event.to_string()).await.json())
}

/// The response without the frame of the HTML, which the snapshots of the messages show.
fn summary(answer: &Value) -> String {
    let mut text = String::new();
    for (name, value) in answer.as_object().into_iter().flatten() {
        let value = value.as_str().expect("a text");
        if name == "emailMessage" {
            writeln!(text, "{name}: {} characters of HTML", value.chars().count() / 500 * 500)
                .expect("a String");
        } else {
            writeln!(text, "{name}: {value}").expect("a String");
        }
    }
    text
}

#[tokio::test]
async fn every_event_file_has_its_exact_answer() {
    let function = function(&[]);
    let mut answers = BTreeMap::new();
    for name in names(FUNCTION) {
        let event = fixture(&name);
        let answer = play(&function, &event).await;
        for (field, value) in answer.as_object().into_iter().flatten() {
            check_limits(&event, field, value.as_str().expect("a text"));
        }
        answers.insert(name, answer);
    }
    let text = answers
        .iter()
        .fold(String::new(), |text, (name, answer)| format!("{text}== {name}\n{}\n", summary(answer)));
    assert_snapshot!(text);
}

/// Cognito's limits, independent of the code: lengths, and each placeholder exactly once.
#[track_caller]
fn check_limits(event: &Value, field: &str, text: &str) {
    let length = text.chars().count();
    let longest = if field == "emailMessage" { 20_000 } else { 140 };
    assert!((6..=longest).contains(&length), "{field} has {length} characters");
    let placeholder = |name: &str| event["request"][name].as_str().unwrap_or_default().to_owned();
    let count = |name: &str| text.matches(&placeholder(name)).count();
    if field != "emailSubject" {
        assert_eq!(count("codeParameter"), 1, "{field}");
        if event["triggerSource"] == "CustomMessage_AdminCreateUser" {
            assert_eq!(count("usernameParameter"), 1, "{field}");
        }
    }
}

#[tokio::test]
async fn only_the_channels_that_cognito_delivers_are_written() {
    let event = fixture("custom-message-sign-up");
    for (channels, fields) in
        [("email", vec!["emailMessage", "emailSubject"]), ("sms", vec!["smsMessage"]), ("none", vec![])]
    {
        let answer = play(&function(&[("CUSTOM_MESSAGE_CHANNELS", channels)]), &event).await;
        let written: Vec<_> =
            answer.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(written, fields, "{channels}");
    }
}

#[tokio::test]
async fn a_link_is_written_for_sign_up_and_its_resend_only() {
    let function = function(&[("EMAIL_CONFIRMATION", "link"), ("CUSTOM_MESSAGE_CHANNELS", "email")]);
    for (name, link) in [
        ("custom-message-sign-up", true),
        ("custom-message-resend-code", true),
        ("custom-message-forgot-password", false),
        ("custom-message-update-user-attribute", false),
        ("custom-message-admin-create-user", false),
    ] {
        let answer = play(&function, &fixture(name)).await;
        let body = answer["emailMessage"].as_str().expect("a body");
        assert_eq!(body.matches("{##Click Here##}").count(), usize::from(link), "{name}");
        assert_eq!(body.matches("{####}").count(), usize::from(!link), "{name}");
    }
}

#[tokio::test]
async fn a_field_that_would_break_a_limit_stays_as_cognito_sent_it() {
    let function = function(&[("CUSTOM_MESSAGE_CHANNELS", "email,sms")]);
    // A placeholder that is also a word of the text can't be distinguished from it.
    let mut event = fixture("custom-message-sign-up");
    event["request"]["codeParameter"] = json!("code");
    let answer = play(&function, &event).await;
    assert_eq!(answer.get("smsMessage"), None);
    assert_eq!(answer.get("emailMessage"), None);
    assert!(function.lines().iter().any(|line| line.contains("wrote nothing")));

    // A placeholder of 200 characters fits into an email, but not into an SMS.
    event["request"]["codeParameter"] = json!(format!("{{{}}}", "#".repeat(200)));
    let answer = play(&function, &event).await;
    assert_eq!(answer.get("smsMessage"), None);
    assert!(answer["emailMessage"].as_str().is_some_and(|body| body.contains(&"#".repeat(200))));

    for name in ["codeParameter", "userAttributes", "request"] {
        let mut event = fixture("custom-message-sign-up");
        if name == "request" {
            event["request"] = json!([]);
        } else {
            event["request"][name] = json!(7.5);
        }
        let _ = play(&function, &event).await;
    }
}

#[tokio::test]
async fn it_never_fails_an_operation() {
    let function = function(&[]);
    for (field, value) in [
        ("triggerSource", json!(null)),
        ("triggerSource", json!("CustomMessage_Future")),
        ("request", json!(null)),
        ("request", json!("text")),
        ("response", json!("text")),
        ("userPoolId", json!({})),
    ] {
        let mut event = fixture("custom-message-sign-up");
        event[field] = value.clone();
        let answer = function.invoke(event.to_string()).await.json();
        if field != "userPoolId" {
            assert_eq!(answer, event, "{field} {value}");
        }
    }
    for event in ["[]", "null", "7", "\"text\""] {
        assert_eq!(function.invoke(event).await.json().to_string(), event);
    }
}

#[tokio::test]
async fn client_metadata_chooses_the_language_and_nothing_else() {
    let function = function(&[]);
    let plain = play(&function, &fixture("custom-message-sign-up")).await;
    let mut event = fixture("custom-message-sign-up");
    event["request"]["clientMetadata"] = json!({
        "brand": "Evil", "BRAND_NAME": "Evil", "code": "1", "template": "../../evil", "locale": "../de",
    });
    assert_eq!(play(&function, &event).await, plain);
    event["request"]["clientMetadata"] = json!({ "locale": "ja_JP.UTF-8" });
    let japanese = play(&function, &event).await;
    assert!(japanese["smsMessage"].as_str().is_some_and(|text| text.contains("認証コード")));
}

#[tokio::test]
async fn a_dry_run_has_the_messages_and_is_not_counted() {
    let function = function(&[]);
    for name in names(FUNCTION) {
        let event = fixture(&name);
        let answer = play(&function, &event).await;
        let counted = parse(&function.stdout()).len();
        let printed = function.stdout().len();
        let mut dry_run = event.clone();
        dry_run["dryRun"] = json!(true);
        assert_eq!(play(&function, &dry_run).await, answer, "{name}");
        let logged = function.stdout()[printed..].to_owned();
        assert_eq!(parse(&function.stdout()).len(), counted, "{name}: {logged}");
        let line: Value = serde_json::from_str(&logged).expect("one line");
        assert_eq!(line["outcome"], Outcome::DryRun.name(), "{line}");
    }
}

#[tokio::test]
async fn a_malformed_dry_run_is_neither_answered_nor_counted() {
    let function = function(&[]);
    for value in [json!("true"), json!(1), json!({}), json!([true]), json!("")] {
        let mut event = fixture("custom-message-sign-up");
        event["dryRun"] = value;
        assert_eq!(play(&function, &event).await, json!({}), "the event is returned unchanged");
    }
    let lines = function.stdout();
    assert_eq!(lines.matches("the event's `dryRun` is not `true` or `false`").count(), 5, "{lines}");
    assert_eq!(parse(&lines), [], "{lines}");
}

#[tokio::test]
async fn a_client_of_cognito_cannot_ask_for_a_dry_run() {
    let function = function(&[]);
    let mut event = fixture("custom-message-sign-up");
    event["request"]["dryRun"] = json!(true);
    event["request"]["clientMetadata"] = json!({ "dryRun": "true" });
    event["request"]["userAttributes"]["dryRun"] = json!("true");
    let _ = play(&function, &event).await;
    assert_eq!(count(&parse(&function.stdout()), Metric::MessageWritten), 1);
}

#[tokio::test]
async fn a_brand_that_is_too_long_for_an_sms_is_reported_at_start() {
    let function = function(&[("BRAND_NAME", &"Long brand name ".repeat(4))]);
    assert_eq!(function.init_outcome().await, tests::function::Init::Ready);
    assert!(
        function.stdout().contains("set a shorter BRAND_NAME (parameter BrandName)"),
        "{}",
        function.stdout()
    );
}
