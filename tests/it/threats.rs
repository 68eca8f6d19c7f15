//! Threats of SECURITY.md that no other test covers, and a check that the tests in its table exist.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::metric::Metric;
use tests::dynamodb::DynamoDb;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_code, sealed_event, with_twin_signature};
use tests::function::{Function, Invocation};

use crate::fixtures::settings;
use crate::watched::{NO_LIMITS, TABLE, Watched};

const SENDERS: [&str; 2] = ["custom-email-sender", "custom-sms-sender"];
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
async fn a_code_that_was_sent_is_not_sent_under_another_signature() {
    for function in SENDERS {
        let mut watched = Watched::start(function, &NO_LIMITS).await;
        let mut event = sign_up(function);
        let _ = watched.invoke(&event).await;
        let code = event["request"]["code"].as_str().expect("a code");
        let twin = with_twin_signature(&STANDARD.decode(code).expect("base64"));
        event["request"]["code"] = json!(STANDARD.encode(twin));
        let _ = watched.invoke(&event).await;
        assert_eq!(watched.services.messages().len(), 1, "{function}");
        assert!(watched.last_metrics().contains(&Metric::Duplicate), "{function}");
    }
}

/// Messages of both senders, which share the table of their stack, after an event of one and then one of the other.
async fn sent_by_both(first: (&str, &str), second: (&str, &str), code: &str) -> usize {
    let table = DynamoDb::start(TABLE, None);
    let settings = [&NO_LIMITS[..], &[table.endpoint()]].concat();
    let sealed = sealed_event(&fixture(first.1), code, POOL, SealSuite::Signed0378);
    let mut messages = 0;
    for (function, name) in [first, second] {
        let mut watched = Watched::start(function, &settings).await;
        let mut event = fixture(name);
        event["request"]["code"] = sealed["request"]["code"].clone();
        let _ = watched.invoke(&event).await;
        messages += watched.services.messages().len();
    }
    messages
}

#[tokio::test]
async fn a_code_that_was_sent_is_not_sent_by_the_other_channel() {
    let email = |case| ("custom-email-sender", case);
    let sms = |case| ("custom-sms-sender", case);
    for (first, second) in [
        (sms("custom-sms-sender-forgot-password"), email("custom-email-sender-forgot-password")),
        (email("custom-email-sender-authentication"), sms("custom-sms-sender-authentication")),
        // As an invitation, which may go out by both, a code isn't sent again either.
        (sms("custom-sms-sender-forgot-password"), email("custom-email-sender-admin-create-user")),
        (email("custom-email-sender-forgot-password"), email("custom-email-sender-admin-create-user")),
    ] {
        assert_eq!(sent_by_both(first, second, "123456").await, 1, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_code_of_another_pool_is_never_sent() {
    for function in SENDERS {
        for suite in [SealSuite::Signed0378, SealSuite::CommittingSigned0578] {
            let mut watched = Watched::start(function, &[]).await;
            for (context, problem) in [
                (&[("userpool-id", "eu-central-1_Another01")][..], "another user pool"),
                (&[], "names no user pool"),
                (&[("app", "payroll")], "names no user pool"),
            ] {
                let mut event = fixture(&format!("{function}-sign-up"));
                event["request"]["code"] = json!(sealed_code("123456", context, suite));
                let outcome = watched.invoke(&event).await;
                assert!(outcome.error_message().contains(problem), "{outcome:?}");
            }
            assert_eq!(watched.services.kms.attempts(), 0, "KMS is not even asked");
            assert!(watched.services.messages().is_empty());
        }
    }
}

#[tokio::test]
async fn only_an_invitation_carries_a_text_that_is_no_code() {
    const KINDS: [&str; 6] = [
        "sign-up",
        "resend-code",
        "forgot-password",
        "update-user-attribute",
        "verify-user-attribute",
        "authentication",
    ];
    for function in SENDERS {
        let mut watched = Watched::start(function, &NO_LIMITS).await;
        for kind in KINDS {
            for text in ["db-password = hunter2", "12345", "123456789", "12345 ", "https://evil.example"] {
                let event = fixture(&format!("{function}-{kind}"));
                let event = sealed_event(&event, text, POOL, SealSuite::Signed0378);
                let outcome = watched.invoke(&event).await;
                assert!(
                    outcome.error_message().contains("not a code of 6 to 8 digits"),
                    "{kind}: {outcome:?}"
                );
            }
        }
        assert!(watched.services.messages().is_empty(), "{function}");
        let event = fixture(&format!("{function}-admin-create-user"));
        let _ = watched.invoke(&sealed_event(&event, "a long password", POOL, SealSuite::Signed0378)).await;
        assert_eq!(watched.services.messages().len(), 1, "{function}");
        for text in ["12 \u{1b}]0;x\u{7}\0 34", "12\u{202e}34", &"1".repeat(600)] {
            let outcome = watched.invoke(&sealed_event(&event, text, POOL, SealSuite::Signed0378)).await;
            assert!(outcome.error_message().contains("temporary password"), "{outcome:?}");
        }
        assert_eq!(watched.services.messages().len(), 1, "{function}");
    }
}

#[tokio::test]
async fn a_closed_pool_verifies_no_address_of_another_domain() {
    let closed =
        [&NO_LIMITS[..], &[("SIGN_UP_MODE", "closed"), ("ALLOWED_EMAIL_DOMAINS", "corp.example")]].concat();
    for function in SENDERS {
        let mut watched = Watched::start(function, &closed).await;
        for (kind, email, sent) in [
            ("update-user-attribute", "mallory@attacker.example", 0),
            ("verify-user-attribute", "mallory@attacker.example", 0),
            ("update-user-attribute", "ann@corp.example", 1),
            ("verify-user-attribute", "ann@corp.example", 1),
            // Who is in the pool already needs these.
            ("forgot-password", "ann@partner.example", 1),
            ("authentication", "ann@partner.example", 1),
        ] {
            let mut event = fixture(&format!("{function}-{kind}"));
            event["request"]["userAttributes"]["email"] = json!(email);
            let event = sealed_event(&event, "123456", POOL, SealSuite::Signed0378);
            assert!(matches!(watched.invoke(&event).await, Invocation::Ok(_)), "{function} {kind}: no retry");
            assert_eq!(watched.services.messages().len(), sent, "{function} {kind} {email}");
            assert_eq!(
                watched.last_metrics().contains(&Metric::Blocked),
                sent == 0,
                "{function} {kind} {email}"
            );
            watched.services.clear();
        }
    }
    let settings = [("SIGN_UP_MODE", "closed"), ("ALLOWED_EMAIL_DOMAINS", "corp.example")];
    for (more, refused) in [(&[][..], true), (&[("FEDERATED_SIGN_UP", "allowed")], false)] {
        let mut watched = Watched::start("pre-sign-up", &[&settings, more].concat()).await;
        let outcome = watched.invoke(&fixture("pre-sign-up-external-provider")).await;
        assert_eq!(matches!(outcome, Invocation::Err { .. }), refused, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_direct_kms_ciphertext_is_rejected_without_a_call_of_kms() {
    // The first bytes of every ciphertext of KMS under a symmetric key, then any bytes.
    let direct = [&[1, 2, 2, 0, 0x78][..], digest(&SHA256, b"anything").as_ref(), &[7; 120]].concat();
    for function in SENDERS {
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
async fn what_follows_the_event_is_an_error() {
    for function in ["pre-sign-up", "custom-message", "custom-email-sender", "custom-sms-sender", "attach"] {
        let name = if function == "attach" { "pre-sign-up-trusted" } else { &format!("{function}-sign-up") };
        let event = fixture(name).to_string();
        let started = Function::start(function, &settings(function));
        for rest in ["{}", "x", &event, "\0"] {
            let outcome = started.invoke(format!("{event}{rest}")).await;
            let text = outcome.error_message();
            assert!(text.contains("failed to deserialize"), "{function}, {rest}: {text}");
        }
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
