//! The event files in `tests/fixtures/events`, and the settings that they are made for.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The stack of the attach function.
pub(crate) const STACK_ID: &str = "arn:aws:cloudformation:eu-central-1:123456789012:stack/triggers/0a1b2c3d";
/// What proves that the attach function wrote an id.
pub(crate) const PHYSICAL_ID_KEY: &str = "a key of the tests, long enough for ids";

/// Settings of each function under which its event files are played.
pub(crate) fn settings(function: &str) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![("RECIPIENT_HASH_KEY", "a key for tests")];
    settings.extend(match function {
        "pre-sign-up" => vec![
            ("ALLOWED_EMAIL_DOMAINS", "trusted.example, *.trusted.example"),
            ("DENIED_EMAIL_DOMAINS", "denied.example"),
            ("AUTO_VERIFY_PHONE", "true"),
            ("EMAIL_IS_USERNAME", "true"),
        ],
        "custom-message" => vec![("BRAND_NAME", "Acme"), ("CUSTOM_MESSAGE_CHANNELS", "email,sms")],
        "custom-email-sender" => vec![
            ("BRAND_NAME", "Acme"),
            ("CODE_KEY_ARN", tests::kms::KEY_ARN),
            ("FROM_ADDRESS", "Acme <no-reply@example.com>"),
            ("REPLY_TO_ADDRESS", "help@example.com"),
            ("SES_CONFIGURATION_SET", "codes"),
            ("DENIED_EMAIL_DOMAINS", "denied.example"),
        ],
        "custom-sms-sender" => vec![
            ("BRAND_NAME", "Acme"),
            ("CODE_KEY_ARN", tests::kms::KEY_ARN),
            ("SMS_ALLOWED_COUNTRIES", "US, DE"),
            ("SMS_SENDER_ID", "Acme"),
            ("SMS_ORIGINATION_NUMBER", "+12065550100"),
            ("SMS_MAX_PRICE_USD", "0.50"),
        ],
        "attach" => vec![
            ("STACK_ID", STACK_ID),
            ("USER_POOL_ID", tests::mock_aws::POOL),
            ("CODE_KEY_ARN", tests::kms::KEY_ARN),
            ("PHYSICAL_ID_KEY", PHYSICAL_ID_KEY),
        ],
        other => panic!("no settings for {other}"),
    });
    settings
}

/// The names of the event files of a function, without their ending.
pub(crate) fn names(function: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of the event files")
        .map(|entry| PathBuf::from(entry.expect("an entry").file_name()))
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| file.with_extension("").to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&format!("{function}-")))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no event file of {function}");
    names
}

/// What changed between an event and its answer: the members of `response` that are not as they came.
pub(crate) fn changes(event: &Value, answer: &Value) -> Value {
    let (mut before, mut after) = (event.clone(), answer.clone());
    let old = before.as_object_mut().and_then(|event| event.remove("response"));
    let new = after.as_object_mut().and_then(|event| event.remove("response"));
    assert_eq!(before, after, "everything but the response comes back as it came");
    let Some(Value::Object(new)) = new else { return Value::Null };
    let old = old.unwrap_or_default();
    new.into_iter().filter(|(name, value)| old.get(name) != Some(value)).collect()
}

/// What the template deploys, as `tools/template.py` writes it.
pub(crate) fn deployed() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/deployed.json");
    let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
