//! A function with missing or malformed settings does not start, and says everything that is wrong in one line.

use insta::assert_snapshot;
use tests::function::{Function, Init};

async fn line(function: &str, settings: &[(&str, &str)]) -> String {
    let function = Function::start(function, settings);
    let outcome = function.init_outcome().await;
    assert!(matches!(outcome, Init::Exited(status) if !status.success()), "{outcome:?}");
    let output = function.stop().await;
    let lines: Vec<_> = output.stdout.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    let [line] = lines.as_slice() else { panic!("not one line: {}", output.stdout) };
    let line: serde_json::Value = serde_json::from_str(line).expect("a line in JSON");
    line["message"].as_str().expect("a message").replace("; ", ";\n")
}

#[tokio::test]
async fn missing_settings_are_named_all_at_once() {
    assert_snapshot!("custom message without settings", line("custom-message", &[]).await);
    assert_snapshot!("e-mail sender without settings", line("custom-email-sender", &[]).await);
    assert_snapshot!("SMS sender without settings", line("custom-sms-sender", &[]).await);
}

#[tokio::test]
async fn malformed_settings_are_named_all_at_once_without_addresses_or_numbers() {
    let common = [
        ("BRAND_NAME", "<b>Acme</b>"),
        ("SUPPORT_CONTACT", "help\u{200b}@example.com"),
        ("DEFAULT_LOCALE", "tlh"),
        ("TEMPLATES_DIR", "/nowhere"),
        ("LOG_LEVEL", "trace"),
    ];
    let sender = [
        ("CODE_KEY_ARN", "arn:aws:kms:eu-central-1:123456789012:alias/codes"),
        ("DENIED_EMAIL_DOMAINS", "file:/nowhere, ann@example.com"),
    ];
    let pre_sign_up = [
        ("ALLOWED_EMAIL_DOMAINS", "*, *.com, ann@example.com, exa mple.com"),
        ("DENIED_EMAIL_DOMAINS", "file:/nowhere"),
        ("SIGN_UP_MODE", "Open"),
        ("AUTO_VERIFY_PHONE", "yes"),
        ("CONFIRM_TRUSTED_USERS", "maybe"),
        ("EMAIL_IS_USERNAME", "1"),
        ("REFUSAL_MESSAGE", "two\nlines"),
    ];
    assert_snapshot!("pre sign-up", line("pre-sign-up", &pre_sign_up).await);
    let custom_message: Vec<_> = common
        .into_iter()
        .chain([("CUSTOM_MESSAGE_CHANNELS", "fax"), ("EMAIL_CONFIRMATION", "both")])
        .collect();
    assert_snapshot!("custom message", line("custom-message", &custom_message).await);
    let email: Vec<_> = common
        .into_iter()
        .chain(sender)
        .chain([
            ("FROM_ADDRESS", "Acme <no-reply@example.com>, ann@example.com"),
            ("REPLY_TO_ADDRESS", "ann at example.com"),
            ("SES_CONFIGURATION_SET", "a b"),
            ("SES_REGION", "Frankfurt"),
        ])
        .collect();
    assert_snapshot!("e-mail sender", line("custom-email-sender", &email).await);
    let sms: Vec<_> = common
        .into_iter()
        .chain(sender)
        .chain([
            ("SMS_ALLOWED_COUNTRIES", "*, DE, UK, +12065550123"),
            ("SMS_SENDER_ID", "123"),
            ("SMS_ORIGINATION_NUMBER", "0049 x"),
            ("SMS_MAX_PRICE_USD", "much"),
        ])
        .collect();
    assert_snapshot!("SMS sender", line("custom-sms-sender", &sms).await);
}

#[tokio::test]
async fn contradicting_settings_do_not_start() {
    let settings = [("SIGN_UP_MODE", "closed"), ("ALLOWED_EMAIL_DOMAINS", "")];
    assert_snapshot!("closed without a list", line("pre-sign-up", &settings).await);
}

#[tokio::test]
async fn a_function_starts_without_a_setting_that_it_does_not_need() {
    for name in ["pre-sign-up", "attach"] {
        let function = Function::start(name, &[]);
        assert_eq!(function.init_outcome().await, Init::Ready, "{name}");
    }
    let function = Function::start("pre-sign-up", &[("ALLOWED_EMAIL_DOMAINS", "gmail.com")]);
    assert_eq!(function.init_outcome().await, Init::Ready);
    assert!(function.stdout().contains("where everybody can get a mailbox"), "{}", function.stdout());
}
