//! The pre sign-up trigger, as Cognito sees it.

use std::collections::BTreeMap;

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use shared::metric::Metric;
use shared::outcome::ErrorType;
use tests::event::fixture;
use tests::function::{Function, Invocation};
use tests::metrics::{count, parse};

use crate::fixtures::{changes, names, settings};

const FUNCTION: &str = "pre-sign-up";

fn function(more: &[(&str, &str)]) -> Function {
    let settings: Vec<_> = settings(FUNCTION).into_iter().chain(more.iter().copied()).collect();
    Function::start(FUNCTION, &settings)
}

async fn play(function: &Function, event: &Value) -> Value {
    match function.invoke(event.to_string()).await {
        Invocation::Err { error_type, error_message, .. } => {
            json!({ "error": error_type, "the user reads": format!("PreSignUp failed with error {error_message}.") })
        }
        answer => changes(event, &answer.json()),
    }
}

#[tokio::test]
async fn every_event_file_has_its_exact_answer() {
    let function = function(&[]);
    let mut answers = BTreeMap::new();
    for name in names(FUNCTION) {
        let answer = play(&function, &fixture(&name)).await;
        answers.insert(name, answer);
    }
    assert_json_snapshot!(answers);
}

#[track_caller]
fn with_email(email: &Value) -> Value {
    let mut event = fixture("pre-sign-up-sign-up");
    event["request"]["userAttributes"]["email"] = email.clone();
    event
}

#[tokio::test]
async fn a_dry_run_is_decided_like_a_sign_up_and_not_counted() {
    let function = function(&[]);
    let mut malformed = fixture("pre-sign-up-sign-up");
    malformed["request"] = json!(7);
    for (event, metric) in [
        (fixture("pre-sign-up-trusted"), Metric::SignUpConfirmed),
        (fixture("pre-sign-up-sign-up"), Metric::SignUpPassedOn),
        (malformed, Metric::FailedMalformed),
    ] {
        let answer = play(&function, &event).await;
        let mut dry_run = event.clone();
        dry_run["dryRun"] = json!(true);
        assert_eq!(play(&function, &dry_run).await, answer, "{metric}");
        assert_eq!(count(&parse(&function.stdout()), metric), 1, "{metric}");
    }
    let mut malformed = fixture("pre-sign-up-trusted");
    malformed["dryRun"] = json!("true");
    assert_eq!(play(&function, &malformed).await["error"], ErrorType::MalformedEvent.name());
}

#[tokio::test]
async fn an_alias_pool_never_verifies_and_so_never_confirms() {
    for value in ["", "false"] {
        let function = function(&[("EMAIL_IS_USERNAME", value)]);
        let answer = play(&function, &fixture("pre-sign-up-trusted-with-phone")).await;
        assert_eq!(answer, json!({}));
    }
}

#[tokio::test]
async fn a_closed_pool_refuses_unlisted_domains_and_review_mode_confirms_no_user() {
    let closed = function(&[("SIGN_UP_MODE", "closed"), ("REFUSAL_MESSAGE", "Ask your administrator")]);
    let refusal = json!({
        "error": ErrorType::SignUpRefused.name(),
        "the user reads": "PreSignUp failed with error Ask your administrator.",
    });
    assert_eq!(play(&closed, &with_email(&json!("ann@example.com"))).await, refusal);
    assert_eq!(play(&closed, &with_email(&json!("ann@denied.example"))).await, refusal);
    assert_eq!(play(&closed, &fixture("pre-sign-up-phone-only")).await, refusal);
    assert_eq!(play(&closed, &fixture("pre-sign-up-trusted")).await["autoConfirmUser"], json!(true));
    assert_eq!(play(&closed, &fixture("pre-sign-up-admin-create-user")).await, json!({}));

    let review = function(&[("SIGN_UP_MODE", "review")]);
    assert_eq!(play(&review, &fixture("pre-sign-up-trusted")).await, json!({}));
}

#[tokio::test]
async fn trusted_users_can_be_asked_for_a_code_in_a_closed_pool() {
    let function = function(&[("SIGN_UP_MODE", "closed"), ("CONFIRM_TRUSTED_USERS", "false")]);
    assert_eq!(play(&function, &fixture("pre-sign-up-trusted-with-phone")).await, json!({}));
    assert_eq!(
        play(&function, &with_email(&json!("ann@example.com"))).await["error"],
        json!(ErrorType::SignUpRefused.name())
    );
}

#[tokio::test]
async fn a_denied_address_as_username_is_rejected() {
    let function = function(&[]);
    let mut event = fixture("pre-sign-up-phone-only");
    event["userName"] = json!("ann@denied.example");
    assert_eq!(play(&function, &event).await["error"], json!(ErrorType::SignUpRefused.name()));
}

#[tokio::test]
async fn a_disposable_mailbox_is_rejected_if_the_setting_denies_it() {
    let refused = json!(ErrorType::SignUpRefused.name());
    let disposable = with_email(&json!("ann@mail.mailinator.com"));
    let without = function(&[]);
    assert_eq!(play(&without, &disposable).await, json!({}));

    let with = function(&[("DENY_DISPOSABLE_EMAIL", "true")]);
    assert_eq!(play(&with, &disposable).await["error"], refused);
    assert_eq!(play(&with, &with_email(&json!("ann@MAILINATOR.com."))).await["error"], refused);
    assert_eq!(play(&with, &with_email(&json!("no address"))).await["error"], refused);
    assert_eq!(play(&with, &with_email(&json!("ann@example.com"))).await, json!({}));
    assert_eq!(play(&with, &fixture("pre-sign-up-trusted")).await["autoConfirmUser"], json!(true));

    let except = [("DENY_DISPOSABLE_EMAIL", "true"), ("DISPOSABLE_EMAIL_EXCEPTIONS", "*.mailinator.com")];
    assert_eq!(play(&function(&except), &disposable).await, json!({}));
}

#[tokio::test]
async fn without_a_list_no_user_is_trusted() {
    let function = function(&[("ALLOWED_EMAIL_DOMAINS", "")]);
    assert_eq!(play(&function, &fixture("pre-sign-up-trusted")).await, json!({}));
}

#[tokio::test]
async fn a_malformed_event_fails_with_a_neutral_text_and_names_the_field_in_the_log() {
    let function = function(&[]);
    let mut wrong = Vec::new();
    for (field, value) in [
        ("triggerSource", json!(null)),
        ("triggerSource", json!({})),
        ("request", json!("ann@trusted.example")),
        ("response", json!(["ann@trusted.example"])),
    ] {
        let mut event = fixture("pre-sign-up-trusted");
        event[field] = value;
        wrong.push((field, event));
    }
    let mut event = fixture("pre-sign-up-trusted");
    event["request"]["userAttributes"] = json!(7);
    wrong.push(("request.userAttributes", event));
    wrong.push(("request.userAttributes.email", with_email(&json!(["ann@trusted.example"]))));
    wrong.push(("request.userAttributes.email", with_email(&json!({ "a": "ann@trusted.example" }))));
    for (field, event) in wrong {
        let answer = function.invoke(event.to_string()).await;
        assert_eq!(answer.error_message(), "Sign-up is not possible at the moment", "{field}");
        let line = function.lines().pop().unwrap_or_default();
        assert!(line.contains(&format!("`{field}`")), "{field}: {line}");
        assert!(!line.contains("ann@"), "{line}");
    }
    for event in ["[]", "null", "7", "\"ann@trusted.example\"", "not JSON", ""] {
        assert!(!function.invoke(event).await.error_message().contains("ann"), "{event}");
    }
}

#[tokio::test]
async fn odd_but_harmless_events_are_answered() {
    let function = function(&[]);
    let mut event = fixture("pre-sign-up-trusted");
    event["version"] = json!(1);
    event["callerContext"] = Value::Null;
    event["request"]["clientMetadata"] = json!(["not", "an", "object"]);
    event["response"] = Value::Null;
    let answer = function.invoke(event.to_string()).await.json();
    assert_eq!(
        answer["response"],
        json!({ "autoConfirmUser": true, "autoVerifyEmail": true, "autoVerifyPhone": false })
    );
    for email in [json!(true), json!(12.5), json!(null), json!("")] {
        let answer = play(&function, &with_email(&email)).await;
        assert_ne!(answer["autoConfirmUser"], json!(true), "{email}");
    }
}

#[tokio::test]
async fn a_flag_that_arrives_as_true_does_not_come_back_for_a_user_who_is_not_trusted() {
    let flags =
        |flag: bool| json!({ "autoConfirmUser": flag, "autoVerifyEmail": flag, "autoVerifyPhone": flag });
    for settings in [&[][..], &[("ALLOWED_EMAIL_DOMAINS", "")], &[("SIGN_UP_MODE", "review")]] {
        let function = function(settings);
        for response in [flags(true), json!({}), Value::Null] {
            let mut event = fixture("pre-sign-up-sign-up");
            event["response"] = response;
            assert_eq!(
                function.invoke(event.to_string()).await.json()["response"],
                flags(false),
                "{settings:?}"
            );
        }
    }
    let function = function(&[]);
    let mut event = fixture("pre-sign-up-trusted");
    event["response"] = flags(true);
    event["request"]["userAttributes"].as_object_mut().expect("attributes").remove("phone_number");
    let answer = function.invoke(event.to_string()).await.json();
    assert_eq!(answer["response"]["autoVerifyPhone"], json!(false), "a user without a number");
    event["request"]["userAttributes"]["email"] = json!("ann@denied.example");
    let _ = function.invoke(event.to_string()).await.error_message();
    // The administrator and the identity provider decide themselves, and Cognito ignores the flags.
    for name in ["pre-sign-up-admin-create-user", "pre-sign-up-external-provider"] {
        let mut event = fixture(name);
        event["response"] = flags(true);
        assert_eq!(function.invoke(event.to_string()).await.json(), event);
    }
}

#[tokio::test]
async fn an_event_of_six_megabytes_is_returned_whole() {
    let function = function(&[]);
    let mut event = fixture("pre-sign-up-sign-up");
    event["request"]["validationData"] = json!({ "long": "x".repeat(5_900_000) });
    assert_eq!(play(&function, &event).await, json!({}));
    // Many small values need the most memory in a parser.
    event["request"]["validationData"] = json!(vec![0; 2_900_000]);
    assert_eq!(play(&function, &event).await, json!({}));
}
