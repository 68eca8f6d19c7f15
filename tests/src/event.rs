//! Events from the fixtures, with codes that are really encrypted.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use envelope_writer::{SealSuite, seal};

use crate::kms::{KEY_ARN, Kms};

/// The event file of that name, such as `custom-email-sender-sign-up`, without its code being touched.
///
/// # Panics
/// When there is no such file, or it is not JSON.
#[must_use]
#[track_caller]
pub fn fixture(name: &str) -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events").join(name).with_extension("json");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same event with `request.code` replaced by that code, encrypted as Cognito does for the key
/// [`KEY_ARN`] of the mock of KMS, under the context `userpool-id=<pool_id>`. No two ciphertexts are alike.
///
/// # Panics
/// When the event has no `request` object.
#[must_use]
#[track_caller]
pub fn sealed_event(template: &Value, code: &str, pool_id: &str, suite: SealSuite) -> Value {
    let mut event = template.clone();
    let request = event.get_mut("request").and_then(Value::as_object_mut).expect("an event with a request");
    request.insert("code".to_owned(), sealed_code(code, &[("userpool-id", pool_id)], suite).into());
    event
}

/// A code encrypted for the key [`KEY_ARN`] under any context, in base64.
///
/// # Panics
/// When the system has no random numbers.
#[must_use]
pub fn sealed_code(code: &str, context: &[(&str, &str)], suite: SealSuite) -> String {
    let mut data_key = [0; 32];
    aws_lc_rs::rand::fill(&mut data_key).expect("random numbers");
    let data_keys = [("aws-kms", KEY_ARN, Kms::wrap(&data_key))];
    STANDARD.encode(seal(suite, context, &data_key, &data_keys, code.as_bytes()))
}
