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

/// A message of the AWS Encryption SDK with the other valid signature, which needs no private key: in ECDSA, if
/// (r, s) is valid, so is (r, n - s), with n the order of the curve.
///
/// # Panics
/// If the message doesn't end with the signature of P-384 in DER.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "a message of another form is a mistake of the test")]
pub fn with_twin_signature(message: &[u8]) -> Vec<u8> {
    /// The order of P-384. Source: SEC 2, version 2.0, 2.5.1.
    const ORDER: [u8; 48] = [
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 0xC7, 0x63, 0x4D, 0x81, 0xF4, 0x37, 0x2D, 0xDF, 0x58, 0x1A, 0x0D, 0xB2, 0x48,
        0xB0, 0xA7, 0x7A, 0xEC, 0xEC, 0x19, 0x6A, 0xCC, 0xC5, 0x29, 0x73,
    ];
    let len = |bytes: &[u8]| u8::try_from(bytes.len()).expect("a length that fits one byte");
    // The footer is the signature after its length in two bytes: a sequence of two integers.
    let is_footer = |at: &usize| {
        let footer = &message[*at..];
        let signature = len(&footer[2..]);
        footer.starts_with(&[0, signature, 0x30, signature - 2, 2])
    };
    let end = message.len();
    let footer_at = (end - 106..end - 10).find(is_footer).expect("a signature");
    let (signed, signature) = (&message[..footer_at], &message[footer_at + 2..]);
    let r_end = 4 + usize::from(signature[3]);
    let (r, s) = (&signature[2..r_end], &signature[r_end + 2..]);
    let padded = [vec![0; 49 - s.len()], s.to_vec()].concat();
    let mut borrow = 0;
    let mut twin: Vec<u8> = (0..48)
        .rev()
        .map(|place| {
            let digit = i16::from(ORDER[place]) - i16::from(padded[place + 1]) - borrow;
            borrow = i16::from(digit < 0);
            u8::try_from(digit.rem_euclid(256)).expect("a digit")
        })
        .collect();
    while twin.last() == Some(&0) {
        twin.pop();
    }
    if *twin.last().expect("a number above zero") > 0x7F {
        twin.push(0);
    }
    twin.reverse();
    let integers = [r, &[2, len(&twin)], &twin].concat();
    let twin = [&[0x30, len(&integers)], integers.as_slice()].concat();
    assert_ne!(twin, signature, "another signature");
    [signed, &[0, len(&twin)], &twin].concat()
}
