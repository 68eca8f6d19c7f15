//! The custom email sender with mocks of KMS and SES.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use shared::metric::Metric;
use shared::outcome::ErrorType;
use shared::settings::sender::ALLOW_CODES_WITHOUT_POOL;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_code, sealed_event};
use tests::function::Invocation;
use tests::kms::KEY_ARN;
use tests::metrics::{count, parse};
use tests::sender::Sender;
use tests::service::Reply;
use tests::ses::{SendEmail, Ses};

use crate::fixtures::{names, settings};

const FUNCTION: &str = "custom-email-sender";
const POOL: &str = "eu-central-1_Example01";

/// The function with mocks of KMS and SES.
pub(crate) fn stage(more: &[(&str, &str)]) -> Sender<SendEmail> {
    Sender::start(FUNCTION, Ses::start(None), &[settings(FUNCTION).as_slice(), more].concat(), summary)
}

/// The request without the bodies, which the snapshots of the messages show, and the line that holds the code.
fn summary(request: &Value) -> Value {
    let mut request = request.clone();
    let simple = &mut request["Content"]["Simple"];
    let text = simple["Body"]["Text"]["Data"].as_str().expect("a text part").to_owned();
    let html = simple["Body"]["Html"]["Data"].as_str().expect("an HTML part").to_owned();
    assert!(html.starts_with("<!doctype html>"));
    simple["Body"]["Text"]["Data"] =
        text.lines().filter(|line| !line.contains(' ') && !line.is_empty()).collect();
    simple["Body"]["Html"]["Data"] = json!("…");
    request
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
async fn kms_is_called_once_with_the_key_and_the_whole_context() {
    let stage = stage(&[]);
    let event = sealed_event(&fixture("custom-email-sender-sign-up"), "123456", POOL, SealSuite::Signed0378);
    let _ = stage.play(&event).await;
    let calls = stage.kms.accepted();
    let [call] = calls.as_slice() else { panic!("not one call: {}", calls.len()) };
    assert_eq!(call["KeyId"], json!(KEY_ARN));
    assert_eq!(call["EncryptionContext"]["userpool-id"], json!(POOL));
    assert!(call["EncryptionContext"]["aws-crypto-public-key"].is_string());
}

/// The signature takes a tenth of a warm event, and KMS takes longer: docs/benchmarks.md.
#[tokio::test]
async fn the_request_to_kms_leaves_before_the_signature_is_checked() {
    let stage = stage(&[]);
    let event = fixture("custom-email-sender-sign-up");
    // The first event opens the connection to KMS.
    assert_eq!(stage.play(&event).await["ends"], json!("well"));
    stage.kms.clear();
    // KMS doesn't answer, so only the check of the signature, which is damaged, can end the invocation.
    stage.kms.script([Reply::Hang]);
    let sealed = sealed_event(&event, "123456", POOL, SealSuite::Signed0378);
    let code = sealed["request"]["code"].as_str().expect("a code");
    let mut message = STANDARD.decode(code).expect("base64");
    *message.last_mut().expect("a signature") ^= 1;
    let mut damaged = event;
    damaged["request"]["code"] = json!(STANDARD.encode(message));
    let ending = stage.play(&damaged).await["ends"].to_string();
    assert!(ending.contains(ErrorType::DecryptionFailed.name()), "{ending}");
    stage.kms.held().await;
}

#[tokio::test]
async fn both_formats_are_decrypted_and_temporary_passwords_are_unescaped_once() {
    let stage = stage(&[]);
    for suite in [SealSuite::Signed0378, SealSuite::CommittingSigned0578] {
        let event = sealed_event(
            &fixture("custom-email-sender-admin-create-user"),
            "a&lt;b&gt;&amp;amp;&quot;&#39;{####}",
            POOL,
            suite,
        );
        let _ = stage.play(&event).await;
        let requests = stage.provider.accepted();
        let body = &requests[0]["Content"]["Simple"]["Body"];
        let text = body["Text"]["Data"].as_str().expect("a text part");
        assert!(text.lines().any(|line| line == "a<b>&amp;\"'{####}"), "{text}");
        assert!(
            body["Html"]["Data"]
                .as_str()
                .is_some_and(|html| html.contains("a&lt;b&gt;&amp;amp;&quot;&#x27;{####}"))
        );
    }
}

#[tokio::test]
async fn an_invitation_names_what_the_user_signs_in_with() {
    let stage = stage(&[]);
    let mut event = fixture("custom-email-sender-admin-create-user");
    for (user_name, shown) in [
        (event["request"]["userAttributes"]["sub"].clone(), "ann.example@example.com"),
        (json!("ann-5519"), "ann-5519"),
        (json!("ann\u{202e}-55\u{2028}\u{7}19"), "ann-5519"),
    ] {
        event["userName"] = user_name;
        let _ = stage.play(&event).await;
        let requests = stage.provider.accepted();
        let text = requests[0]["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().expect("a text part");
        assert!(text.lines().any(|line| line == shown), "{text}");
    }
}

#[tokio::test]
async fn a_message_goes_only_to_the_address_of_the_event() {
    let stage = stage(&[]);
    for address in [
        "ann@example.com\r\nBcc: bob@example.com",
        "ann@example.com, bob@example.com",
        "Ann <ann@example.com>",
        "ann@example.com\u{200b}",
        "\"ann@example.org\"@example.com",
        "ann",
        "@",
    ] {
        let mut event = fixture("custom-email-sender-sign-up");
        event["request"]["userAttributes"]["email"] = json!(address);
        assert_eq!(stage.play(&event).await, json!({ "ends": "well", "sent": [] }), "{address}");
    }
    let mut event = fixture("custom-email-sender-sign-up");
    event["request"]["userAttributes"]["email"] = json!("ann@bücher.example");
    let answer = stage.play(&event).await;
    assert_eq!(answer["sent"][0]["Destination"], json!({ "ToAddresses": ["ann@xn--bcher-kva.example"] }));
}

#[tokio::test]
async fn malformed_events_fail_and_name_the_field() {
    let stage = stage(&[]);
    for (path, value) in [
        ("/triggerSource", json!(7)),
        ("/request", json!("text")),
        ("/request/code", json!(null)),
        ("/request/code", json!(["x"])),
        ("/request/userAttributes", json!("text")),
        ("/request/userAttributes/email", json!(null)),
        ("/request/userAttributes/email", json!({ "a": 1 })),
        ("/userPoolId", json!(null)),
    ] {
        let mut event = fixture("custom-email-sender-sign-up");
        *event.pointer_mut(path).expect("the field is in the fixture") = value;
        let ending = stage.play(&event).await["ends"].to_string();
        let field = path.trim_start_matches('/').replace('/', ".");
        assert!(
            ending.contains(ErrorType::MalformedEvent.name()) && ending.contains(&format!("`{field}`")),
            "{path}: {ending}"
        );
    }
    assert_eq!(stage.kms.attempts(), 0);
}

#[tokio::test]
async fn a_code_that_was_encrypted_otherwise_is_an_error_with_the_reason() {
    let stage = stage(&[]);
    let sealed = |context: &[(&str, &str)], suite| sealed_code("123456", context, suite);
    let genuine = sealed(&[("userpool-id", POOL)], SealSuite::Signed0378);
    let mut tampered = genuine.clone().into_bytes();
    if let Some(byte) = tampered.get_mut(120) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    for (code, word) in [
        ("no base64".to_owned(), "is not base64"),
        ("AQICAHhBQkNE".to_owned(), "direct KMS ciphertext"),
        ("AAAA".to_owned(), "cannot be used"),
        (genuine.chars().take(200).collect(), "cannot be used"),
        (String::from_utf8(tampered).expect("base64"), ""),
        (sealed(&[("userpool-id", "eu-central-1_Other0001")], SealSuite::Signed0378), "another user pool"),
        (sealed(&[], SealSuite::Signed0378), "names no user pool"),
        (sealed(&[], SealSuite::CommittingSigned0578), "names no user pool"),
        (
            sealed(&[("userpool-id", "eu-central-1_Other0001")], SealSuite::CommittingSigned0578),
            "another user pool",
        ),
    ] {
        let mut event = fixture("custom-email-sender-sign-up");
        event["request"]["code"] = json!(code);
        let answer = stage.play(&event).await;
        let ending = answer["ends"].to_string();
        assert!(
            ending.contains(ErrorType::DecryptionFailed.name()) && ending.contains(word),
            "{word}: {ending}"
        );
        assert_eq!(answer["sent"], json!([]), "{word}");
    }
}

#[tokio::test]
async fn the_code_of_an_emulator_needs_a_setting() {
    let stage = stage(&[(ALLOW_CODES_WITHOUT_POOL, "true")]);
    // An emulator writes the newer format without the pool's ID.
    let mut event = fixture("custom-email-sender-sign-up");
    event["request"]["code"] = json!(sealed_code("123456", &[], SealSuite::CommittingSigned0578));
    assert_eq!(stage.play(&event).await["ends"], json!("well"));
    let other = [("userpool-id", "eu-central-1_Other0001")];
    event["request"]["code"] = json!(sealed_code("123456", &other, SealSuite::CommittingSigned0578));
    assert!(stage.play(&event).await["ends"].to_string().contains("another user pool"));
}

#[tokio::test]
async fn errors_of_kms_are_explained_with_a_remedy() {
    let stage = stage(&[]);
    for (code, word) in [
        ("AccessDeniedException", "allow kms:Decrypt"),
        ("DisabledException", "enable the key"),
        ("NotFoundException", "the key does not exist"),
        ("KMSInvalidStateException", "check its state"),
        ("IncorrectKeyException", "another key"),
        ("InvalidCiphertextException", "damaged"),
        ("InvalidKeyUsageException", "symmetric encryption key"),
    ] {
        stage.kms.script([Reply::error(400, code)]);
        let ending = stage.play(&fixture("custom-email-sender-sign-up")).await["ends"].to_string();
        assert!(ending.contains("KMS did not decrypt the code") && ending.contains(word), "{code}: {ending}");
    }
}

#[tokio::test]
async fn a_rejection_by_ses_fails_unless_the_recipient_caused_it() {
    let stage = stage(&[]);
    let event = fixture("custom-email-sender-sign-up");
    for (status, code) in [
        (400, "MessageRejected"),
        (400, "SendingPausedException"),
        (403, "AccountSuspendedException"),
        (404, "NotFoundException"),
        (403, "AccessDeniedException"),
        (400, "MailFromDomainNotVerifiedException"),
    ] {
        stage.provider.clear();
        stage.provider.script([Reply::error(status, code)]);
        let answer = stage.function.invoke(event.to_string()).await;
        assert!(answer.error_message().starts_with("SES did not accept the message"), "{code}: {answer:?}");
        assert_eq!(stage.provider.attempts(), 1, "{code} is not tried again");
    }
    for (address, recipients) in [("Ann.Example@example.com", true), ("no-reply@example.com", false)] {
        stage.provider.script([Reply::Status {
            code: 400,
            aws_error_code: Some("BadRequestException".to_owned()),
            body: json!({ "message": format!("Illegal address: {address}") }).to_string(),
        }]);
        let answer = stage.function.invoke(event.to_string()).await;
        assert_eq!(matches!(answer, Invocation::Ok(_)), recipients, "{address}: {answer:?}");
    }
}

#[tokio::test]
async fn a_send_whose_answer_was_not_read_is_not_repeated_within_the_invocation() {
    for reply in [Reply::ResetAfter, Reply::HangAfter, Reply::Garbage, Reply::bare(504)] {
        let stage = stage(&[]);
        stage.provider.script([reply.clone()]);
        let answer = stage.function.invoke(fixture("custom-email-sender-sign-up").to_string()).await;
        assert_eq!(stage.provider.attempts(), 1, "{reply:?}");
        assert!(!matches!(answer, Invocation::Ok(_)), "a code must not be lost: {reply:?} {answer:?}");
    }
}

#[tokio::test]
async fn a_transient_rejection_is_retried_within_the_invocation() {
    for reply in [
        Reply::error(429, "TooManyRequestsException"),
        Reply::bare(429),
        Reply::error(500, "InternalFailure"),
        Reply::bare(500),
        Reply::bare(503),
    ] {
        let stage = stage(&[]);
        stage.provider.script([reply.clone()]);
        let answer = stage.function.invoke(fixture("custom-email-sender-sign-up").to_string()).await;
        assert!(matches!(answer, Invocation::Ok(_)), "{reply:?}: {answer:?}");
        assert_eq!((stage.provider.attempts(), stage.provider.accepted().len()), (2, 1), "{reply:?}");
    }
}

/// The only duplicate that the answer of a service causes: docs/reliability.md.
#[tokio::test]
async fn a_service_that_sends_and_reports_a_failure_gets_the_message_twice() {
    for status in [500, 503] {
        let stage = stage(&[]);
        stage.provider.script([Reply::RefuseAfter(status)]);
        let answer = stage.function.invoke(fixture("custom-email-sender-sign-up").to_string()).await;
        assert!(matches!(answer, Invocation::Ok(_)), "{status}: {answer:?}");
        assert_eq!(stage.provider.accepted().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn no_kind_of_message_goes_to_a_domain_that_is_denied_or_disposable() {
    let stage = stage(&[("DENY_DISPOSABLE_EMAIL", "true")]);
    for kind in shared::trigger::MessageKind::ALL {
        for address in ["ann@denied.example", "ann@DENIED.example.", "ann@mailinator.com"] {
            let mut event = fixture(&format!("custom-email-sender-{}", kind.name()));
            event["request"]["userAttributes"]["email"] = json!(address);
            assert_eq!(
                stage.play(&event).await,
                json!({ "ends": "well", "sent": [] }),
                "{} {address}",
                kind.name()
            );
        }
    }
    assert_eq!(stage.kms.attempts(), 0);
}

#[tokio::test]
async fn a_call_of_kms_that_hangs_is_repeated_within_the_invocation() {
    let stage = stage(&[]);
    stage.kms.script([Reply::Hang]);
    let answer = stage.function.invoke(fixture("custom-email-sender-sign-up").to_string()).await;
    assert!(matches!(answer, Invocation::Ok(_)), "{answer:?}");
    assert_eq!((stage.kms.attempts(), stage.provider.accepted().len()), (2, 1));
}

/// The SDK has only one endpoint variable for SES, so both routes reach the same mock. The Region in the signature
/// distinguishes them.
fn regions(stage: &Sender<SendEmail>) -> Vec<String> {
    let region = |call: &tests::service::Call<Value>| {
        let (_, value) = call.headers.iter().find(|(name, _)| name == "authorization").expect("a signature");
        value.split('/').nth(2).expect("a credential scope").to_owned()
    };
    stage.provider.calls().iter().map(region).collect()
}

#[tokio::test]
async fn the_fallback_sends_what_the_first_route_rejects() {
    let fallback = [("SES_FALLBACK_REGION", "eu-west-1"), ("SES_FALLBACK_CONFIGURATION_SET", "second")];
    let event = fixture("custom-email-sender-sign-up").to_string();
    let paused = || Reply::error(400, "SendingPausedException");
    for (replies, regions_asked, sent) in [
        (vec![paused()], vec!["eu-central-1", "eu-west-1"], 1),
        (vec![Reply::bare(503), Reply::bare(503)], vec!["eu-central-1", "eu-central-1", "eu-west-1"], 1),
        (vec![paused(), paused()], vec!["eu-central-1", "eu-west-1"], 0),
        // It is unknown whether the first route has sent it.
        (vec![Reply::ResetAfter], vec!["eu-central-1"], 1),
    ] {
        let stage = stage(&fallback);
        stage.provider.script(replies.clone());
        let answer = stage.function.invoke(event.clone()).await;
        assert_eq!(regions(&stage), regions_asked, "{replies:?}");
        assert_eq!(stage.provider.accepted().len(), sent, "{replies:?}");
        let by_fallback = sent == 1 && regions_asked.len() > 1;
        assert_eq!(matches!(answer, Invocation::Ok(_)), by_fallback, "{replies:?}: {answer:?}");
        if by_fallback {
            assert_eq!(stage.provider.accepted()[0]["ConfigurationSetName"], json!("second"));
        }
        let metrics = parse(&stage.function.stop().await.stdout);
        assert_eq!(count(&metrics, Metric::FallbackUsed), u64::from(by_fallback), "{replies:?}");
    }
}

#[tokio::test]
async fn a_disposable_mailbox_gets_no_code_if_the_setting_denies_it() {
    let mut event = fixture("custom-email-sender-sign-up");
    event["request"]["userAttributes"]["email"] = json!("ann@mailinator.com");
    let sent = async |settings: &[(&str, &str)]| {
        let answer = stage(settings).play(&event).await;
        assert_eq!(answer["ends"], json!("well"));
        answer["sent"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(sent(&[]).await, 1);
    assert_eq!(sent(&[("DENY_DISPOSABLE_EMAIL", "true")]).await, 0);
    let excepted = [("DENY_DISPOSABLE_EMAIL", "true"), ("DISPOSABLE_EMAIL_EXCEPTIONS", "mailinator.com")];
    assert_eq!(sent(&excepted).await, 1);
}

#[tokio::test]
async fn an_optional_setting_that_is_empty_is_not_sent() {
    let stage = stage(&[
        ("REPLY_TO_ADDRESS", ""),
        ("SES_CONFIGURATION_SET", ""),
        ("FROM_ADDRESS", "Bücher <a@example.com>"),
    ]);
    let answer = stage.play(&fixture("custom-email-sender-sign-up")).await;
    let request = answer["sent"][0].as_object().expect("one request");
    assert!(!request.contains_key("ReplyToAddresses") && !request.contains_key("ConfigurationSetName"));
    assert_eq!(request["FromEmailAddress"], json!("=?UTF-8?B?QsO8Y2hlcg==?= <a@example.com>"));
}
