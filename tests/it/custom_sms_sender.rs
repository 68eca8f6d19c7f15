//! The custom SMS sender with mocks of KMS and SNS.

use std::collections::BTreeMap;

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use shared::outcome::ErrorType;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::Invocation;
use tests::sender::Sender;
use tests::service::Reply;
use tests::sns::{Publish, Sns, message_attributes};

use crate::fixtures::{names, settings};

const FUNCTION: &str = "custom-sms-sender";
const POOL: &str = "eu-central-1_Example01";

/// The function with mocks of KMS and SNS.
pub(crate) fn stage(more: &[(&str, &str)]) -> Sender<Publish> {
    Sender::start(FUNCTION, Sns::start(None), &[settings(FUNCTION).as_slice(), more].concat(), summary)
}

fn summary(form: &BTreeMap<String, String>) -> Value {
    json!({ "to": form["PhoneNumber"], "text": form["Message"], "attributes": message_attributes(form) })
}

#[tokio::test]
async fn every_event_file_ends_and_sends_exactly_so() {
    let stage = stage(&[]);
    let mut endings = BTreeMap::new();
    for name in names(FUNCTION) {
        let ending = stage.play(&fixture(&name)).await;
        endings.insert(name, ending);
    }
    assert_json_snapshot!(endings);
}

#[tokio::test]
async fn only_ordinary_numbers_of_allowed_countries_get_sms() {
    let stage = stage(&[("SMS_ALLOWED_COUNTRIES", "US,DE,GB")]);
    for (number, sent) in [
        ("+12065550123", true),
        ("+4915112345678", true),
        ("+447400123456", true),
        ("+33612345678", false),
        ("+14165550123", false),
        ("+19005550123", false),
        ("+447012345678", false),
        ("+870773111632", false),
        ("+8835100012345", false),
        ("+80012345678", false),
        ("12065550123", false),
        ("+1 206 555 0123", false),
        ("+12065550123,+12065550124", false),
        ("+1206555012x", false),
        ("+", false),
    ] {
        let mut event = fixture("custom-sms-sender-sign-up");
        event["request"]["userAttributes"]["phone_number"] = json!(number);
        let answer = stage.play(&event).await;
        assert_eq!(answer["ends"], json!("well"), "{number}");
        assert_eq!(answer["sent"].as_array().map_or(0, Vec::len), usize::from(sent), "{number}");
    }
}

#[tokio::test]
async fn a_list_of_countries_may_be_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("countries.txt");
    std::fs::write(&file, "US\nDE\n").expect("a file");
    let stage = stage(&[("SMS_ALLOWED_COUNTRIES", &format!("file:{}", file.display()))]);
    assert_eq!(
        stage.play(&fixture("custom-sms-sender-sign-up")).await["sent"].as_array().map_or(0, Vec::len),
        1
    );
}

#[tokio::test]
async fn a_user_of_a_denied_domain_gets_no_sms_either() {
    let stage = stage(&[("DENIED_EMAIL_DOMAINS", "denied.example")]);
    let mut event = fixture("custom-sms-sender-sign-up");
    event["request"]["userAttributes"]["email"] = json!("ann@denied.example");
    assert_eq!(stage.play(&event).await, json!({ "ends": "well", "sent": [] }));
    assert_eq!(stage.kms.attempts(), 0);
}

#[tokio::test]
async fn malformed_events_fail_and_name_the_field() {
    let stage = stage(&[]);
    for (path, value) in [
        ("/request/code", json!(7.5)),
        ("/request/code", json!(null)),
        ("/request/userAttributes/phone_number", json!(null)),
        ("/request/userAttributes/phone_number", json!(["+12065550123"])),
        ("/userPoolId", json!("")),
    ] {
        let mut event = fixture("custom-sms-sender-sign-up");
        *event.pointer_mut(path).expect("the field is in the fixture") = value.clone();
        let ending = stage.play(&event).await["ends"].to_string();
        let field = path.trim_start_matches('/').replace('/', ".");
        assert_ne!(ending, "\"well\"", "{path} {value}");
        assert!(
            ending.contains(ErrorType::DecryptionFailed.name()) || ending.contains(&format!("`{field}`")),
            "{path}: {ending}"
        );
        assert!(!ending.contains("2065550123"), "{ending}");
    }
}

#[tokio::test]
async fn a_temporary_password_is_unescaped_once_and_ends_the_text() {
    let stage = stage(&[]);
    let template = fixture("custom-sms-sender-admin-create-user");
    let event = sealed_event(&template, "a&lt;b&amp;amp;", POOL, SealSuite::Signed0378);
    let answer = stage.play(&event).await;
    let text = answer["sent"][0]["text"].as_str().expect("a text");
    assert_eq!(text.lines().last(), Some("a<b&amp;"));
}

/// A rejection as the query protocol writes it.
pub(crate) fn refusal(code: &str, text: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{text}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    Reply::Status { code: 400, aws_error_code: None, body }
}

#[tokio::test]
async fn a_user_with_an_unreadable_address_still_gets_the_sms() {
    let stage = stage(&[("DENIED_EMAIL_DOMAINS", "denied.example")]);
    let mut event = fixture("custom-sms-sender-sign-up");
    event["request"]["userAttributes"]["email"] = json!("ann@localhost");
    assert_eq!(stage.play(&event).await["sent"].as_array().map_or(0, Vec::len), 1);
}

#[tokio::test]
async fn a_rejection_by_sns_fails_unless_the_recipient_caused_it() {
    let stage = stage(&[]);
    let event = fixture("custom-sms-sender-sign-up");
    for (status, code) in [(403, "AuthorizationError"), (403, "AccessDenied"), (400, "InvalidParameterValue")]
    {
        stage.provider.clear();
        stage.provider.script([Reply::error(status, code)]);
        let answer = stage.function.invoke(event.to_string()).await;
        assert!(answer.error_message().starts_with("SNS did not accept the message"), "{code}: {answer:?}");
        assert_eq!(stage.provider.attempts(), 1, "{code} is not tried again");
    }
    for (code, text, recipients) in [
        (
            "InvalidParameter",
            "Invalid parameter: PhoneNumber Reason: +12065550123 is not valid to publish to",
            true,
        ),
        ("InvalidParameter", "Invalid parameter: OriginationPhoneNumber", false),
        ("OptedOut", "the number", true),
    ] {
        stage.provider.clear();
        stage.provider.script([refusal(code, text)]);
        let answer = stage.function.invoke(event.to_string()).await;
        assert_eq!(matches!(answer, Invocation::Ok(_)), recipients, "{code} {text}: {answer:?}");
    }
    stage.provider.clear();
    stage.provider.script([Reply::ResetAfter]);
    let answer = stage.function.invoke(event.to_string()).await;
    assert!(answer.error_message().contains("connection failed"), "{answer:?}");
    assert_eq!(stage.provider.accepted().len(), 1, "an ambiguous send is not repeated within the invocation");
}
