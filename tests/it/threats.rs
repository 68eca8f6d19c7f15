//! Threats of SECURITY.md that no other test covers, and a check that the tests in its table exist.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::metric::Metric;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::Invocation;

use crate::watched::{NO_LIMITS, Watched};

const POOL: &str = "eu-central-1_Example01";

fn sign_up(function: &str) -> Value {
    sealed_event(&fixture(&format!("{function}-sign-up")), "123456", POOL, SealSuite::Signed0378)
}

#[tokio::test]
async fn a_code_that_was_sent_is_not_sent_to_another_user() {
    for (function, attribute, other) in [
        ("custom-email-sender", "email", "mallory@example.com"),
        ("custom-sms-sender", "phone_number", "+12065550199"),
    ] {
        let mut watched = Watched::start(function, &NO_LIMITS).await;
        let mut event = sign_up(function);
        let _ = watched.invoke(&event).await;
        event["request"]["userAttributes"][attribute] = json!(other);
        event["userName"] = json!("mallory");
        let _ = watched.invoke(&event).await;
        assert_eq!(watched.services.messages().len(), 1, "{function}");
        assert!(watched.last_metrics().contains(&Metric::Duplicate), "{function}");
    }
}

#[tokio::test]
async fn a_code_of_another_pool_is_never_sent() {
    for function in ["custom-email-sender", "custom-sms-sender"] {
        for suite in [SealSuite::Signed0378, SealSuite::CommittingSigned0578] {
            let mut watched = Watched::start(function, &[]).await;
            let event = fixture(&format!("{function}-sign-up"));
            let event = sealed_event(&event, "123456", "eu-central-1_Another01", suite);
            let outcome = watched.invoke(&event).await;
            assert!(outcome.error_message().contains("another user pool"), "{outcome:?}");
            assert_eq!(watched.services.kms.attempts(), 0, "KMS is not even asked");
            assert!(watched.services.messages().is_empty());
        }
    }
}

#[tokio::test]
async fn a_direct_kms_ciphertext_is_rejected_without_a_call_of_kms() {
    // The first bytes of every ciphertext of KMS under a symmetric key, then any bytes.
    let direct = [&[1, 2, 2, 0, 0x78][..], digest(&SHA256, b"anything").as_ref(), &[7; 120]].concat();
    for function in ["custom-email-sender", "custom-sms-sender"] {
        let mut watched = Watched::start(function, &[]).await;
        let mut event = sign_up(function);
        event["request"]["code"] = json!(STANDARD.encode(&direct));
        let outcome = watched.invoke(&event).await;
        assert!(outcome.error_message().contains("direct KMS ciphertext"), "{outcome:?}");
        assert_eq!(watched.services.kms.attempts(), 0);
        assert!(watched.services.messages().is_empty());
    }
}

#[tokio::test]
async fn every_refusal_reads_the_same() {
    let closed = [("SIGN_UP_MODE", "closed"), ("DENIED_EMAIL_DOMAINS", "denied.example")];
    let mut watched = Watched::start("pre-sign-up", &closed).await;
    let mut answers = BTreeSet::new();
    for address in ["ann@denied.example", "ann@elsewhere.example", "ann@@x", "ann", ""] {
        let mut event = fixture("pre-sign-up-sign-up");
        event["request"]["userAttributes"]["email"] = json!(address);
        match watched.invoke(&event).await {
            Invocation::Err { error_type, error_message, .. } => answers.insert((error_type, error_message)),
            other => panic!("{address} was not refused: {other:?}"),
        };
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

/// The references `file::name` in the last column of the threat model's table.
fn named_tests(security: &str) -> Vec<(&str, &str)> {
    let rows = security.lines().filter(|line| line.starts_with("| ") && line.matches(" |").count() >= 4);
    rows.flat_map(|row| {
        let column = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let named: Vec<_> = column.split('`').filter_map(|reference| reference.split_once("::")).collect();
        assert!(!named.is_empty() || row.starts_with("| Threat |"), "no test shows: {row}");
        named
    })
    .collect()
}

#[test]
fn the_tests_that_the_threat_model_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let read = |file: &str| {
        let path = root.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let security = read("SECURITY.md");
    let named = named_tests(&security);
    assert!(named.len() > 40, "the table is read: {named:?}");
    for (file, name) in named {
        let keyword = if file.ends_with(".py") { "def" } else { "fn" };
        assert!(read(file).contains(&format!("{keyword} {name}(")), "{file} has no test `{name}`");
    }
}
