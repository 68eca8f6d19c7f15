//! The harness itself: the Runtime API, and the mocks with the real AWS clients.

#![expect(clippy::expect_used, reason = "what tests share fails as they do")]

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_kms::error::ProvideErrorMetadata as _;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::EncryptionAlgorithmSpec;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};
use aws_sdk_sns::types::MessageAttributeValue;
use tests::canary::assert_absent;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{ACCESS_KEY_ID, Function, Init, Invocation, REGION, SECRET_ACCESS_KEY};
use tests::kms::{KEY_ARN, Kms};
use tests::service::Reply;
use tests::ses::Ses;
use tests::sns::{Sns, message_attributes};
use tests::tls::Tls;

use crate::custom_email_sender;

/// The empty handler, built together with this test.
fn echo() -> Function {
    Function::start_command("echo", Command::new(env!("CARGO_BIN_EXE_empty-handler")), &[])
}

/// A function that is a few lines of shell and knows nothing of the protocol.
fn shell(script: &str, env: &[(&str, &str)]) -> Function {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    Function::start_command("shell", command, env)
}

#[tokio::test]
async fn a_function_gives_one_answer_to_every_event() {
    let function = echo();
    assert_eq!(function.init_outcome().await, Init::Ready);
    for number in 0..3 {
        let event = format!(r#"{{"number":{number}}}"#);
        assert_eq!(function.invoke(event.as_str()).await, Invocation::Ok(event.into_bytes()));
    }
    let output = function.stop().await;
    assert_eq!(output.status.code(), None, "it ran until it was stopped");
}

#[tokio::test]
async fn an_event_of_six_megabytes_passes() {
    let function = echo();
    let event = format!(r#""{}""#, "x".repeat(6_000_000));
    assert_eq!(function.invoke(event.as_str()).await, Invocation::Ok(event.into_bytes()));
}

#[tokio::test]
async fn an_error_has_its_type_and_message() {
    let Invocation::Err { error_type, error_message, raw } = echo().invoke("not JSON").await else {
        panic!("not an error");
    };
    assert!(!error_type.is_empty());
    assert!(error_message.contains("expected"), "{error_message}");
    assert!(serde_json::from_slice::<serde_json::Value>(&raw).is_ok());
}

#[tokio::test]
async fn a_process_that_ends_at_start_has_its_status_and_output() {
    let function = shell("echo to stdout; echo to stderr >&2; exit 3", &[]);
    let Init::Exited(status) = function.init_outcome().await else { panic!("it did not end") };
    assert_eq!(status.code(), Some(3));
    assert_eq!(function.invoke("{}").await, Invocation::Exited(status));
    assert_eq!(function.lines(), ["to stdout", "to stderr"]);
    assert_eq!(function.stop().await.status, status);
}

#[tokio::test]
async fn a_function_sees_the_environment_of_lambda_and_nothing_else() {
    let function = shell("env", &[("BRAND_NAME", "Example")]);
    let output = function.stop().await;
    let has = |line: &str| output.stdout.lines().any(|other| other == line);
    assert!(has("AWS_LAMBDA_FUNCTION_NAME=shell") && has("AWS_LAMBDA_FUNCTION_VERSION=$LATEST"));
    assert!(has("AWS_REGION=eu-central-1") && has("BRAND_NAME=Example"), "{}", output.stdout);
    assert!(!output.stdout.contains("CARGO"), "{}", output.stdout);
}

#[tokio::test]
async fn a_process_that_ends_during_an_event_is_reported() {
    // With bash's own TCP: polls once and never answers.
    let script = "exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}
        printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n' >&3
        read -r line <&3
        exit 7";
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script]);
    let function = Function::start_command("dying", command, &[]);
    let Invocation::Exited(status) = function.invoke("{}").await else { panic!("it did not end") };
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn a_function_that_does_not_answer_in_time_is_ended() {
    let script = "exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}
        printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n' >&3
        while read -r line <&3; do :; done";
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script]);
    let function = Function::start_command("hanging", command, &[]);
    assert_eq!(function.init_outcome().await, Init::Ready);
    assert_eq!(function.invoke_within(Duration::from_millis(50), "{}").await, Invocation::TimedOut);
    assert_eq!(function.stop().await.status.code(), None);
}

#[tokio::test]
async fn killing_a_function_ends_its_invocation_and_all_that_follow() {
    let script = "exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}
        printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n' >&3
        read -r line <&3
        echo got it
        while read -r line <&3; do :; done";
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script]);
    let function = Function::start_command("killed", command, &[]);
    let kill = async {
        while function.stdout().is_empty() {
            tokio::task::yield_now().await;
        }
        function.kill().await
    };
    let (invocation, status) = tokio::join!(function.invoke("{}"), kill);
    assert_eq!(status.signal(), Some(9));
    assert_eq!(invocation, Invocation::Exited(status));
    assert_eq!(function.invoke("{}").await, Invocation::Exited(status));
}

#[tokio::test]
async fn a_sender_can_be_killed_before_and_after_a_service_does_its_part() {
    for (reply, done) in [(Reply::Hang, 0), (Reply::HangAfter, 1)] {
        let stage = custom_email_sender::stage(&[]);
        stage.provider.script([reply]);
        let event = fixture("custom-email-sender-sign-up");
        let event =
            sealed_event(&event, "123456", "eu-central-1_Example01", SealSuite::Signed0378).to_string();
        let kill = async {
            stage.provider.held().await;
            stage.function.kill().await
        };
        let (invocation, status) = tokio::join!(stage.function.invoke(event), kill);
        assert_eq!(invocation, Invocation::Exited(status));
        assert_eq!(stage.provider.accepted().len(), done);
    }
}

#[tokio::test]
async fn an_init_error_has_its_type_and_message() {
    let script = r#"exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}
        body='{"errorType":"Configuration","errorMessage":"BRAND_NAME is not set"}'
        printf 'POST /2018-06-01/runtime/init/error HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s' ${#body} "$body" >&3
        read -r line <&3
        exit 1"#;
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script]);
    let function = Function::start_command("misconfigured", command, &[]);
    let expected = Init::Failed {
        error_type: "Configuration".to_owned(),
        error_message: "BRAND_NAME is not set".to_owned(),
    };
    assert_eq!(function.init_outcome().await, expected);
}

#[tokio::test]
async fn the_process_is_measured() {
    let function = echo();
    assert_eq!(function.init_outcome().await, Init::Ready);
    let at_start = function.cpu_time();
    assert!(at_start > Duration::ZERO && at_start < function.age());
    let (_, took) = function.timed_invoke(Duration::from_secs(5), "{}").await;
    assert!(took > Duration::ZERO);
    assert!(function.cpu_time() > at_start);
    assert!(function.peak_memory() > 1024 * 1024);
}

macro_rules! client {
    ($sdk:ident, $service:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::latest())
                .http_client(client::http::http_client())
                .region($sdk::config::Region::new(REGION))
                .credentials_provider(Credentials::from_keys(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None))
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .endpoint_url($service.url())
                .build(),
        )
    };
}

async fn decrypt(client: &aws_sdk_kms::Client, key: &str, blob: Vec<u8>) -> Result<Vec<u8>, String> {
    let answer = client
        .decrypt()
        .key_id(key)
        .encryption_algorithm(EncryptionAlgorithmSpec::SymmetricDefault)
        .encryption_context("userpool-id", "eu-central-1_example")
        .ciphertext_blob(Blob::new(blob))
        .send()
        .await;
    match answer {
        Ok(answer) => {
            assert_eq!(answer.key_id(), Some(KEY_ARN));
            Ok(answer.plaintext().expect("a data key").as_ref().to_vec())
        }
        Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
    }
}

#[tokio::test]
async fn kms_unwraps_data_keys_for_its_own_key_only() {
    let kms = Kms::start(KEY_ARN, None);
    let client = client!(aws_sdk_kms, kms);
    assert_eq!(decrypt(&client, KEY_ARN, Kms::wrap(&[7; 32])).await, Ok(vec![7; 32]));
    assert_eq!(
        decrypt(&client, "alias/codes", Kms::wrap(&[7; 32])).await,
        Err("IncorrectKeyException".to_owned())
    );
    assert_eq!(decrypt(&client, KEY_ARN, vec![7; 32]).await, Err("InvalidCiphertextException".to_owned()));

    let calls = kms.calls();
    assert_eq!(calls.iter().map(|call| call.accepted).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(calls[0].body["EncryptionContext"]["userpool-id"], "eu-central-1_example");
    assert!(calls[0].headers.iter().any(|(name, _)| name == "authorization"));
}

async fn send(client: &aws_sdk_sesv2::Client) -> Result<String, String> {
    let part = |text: &str| Content::builder().data(text).charset("UTF-8").build().expect("a part");
    let message =
        Message::builder().subject(part("Hello")).body(Body::builder().text(part("Hi")).build()).build();
    let answer = client
        .send_email()
        .from_email_address("Example <no-reply@example.com>")
        .destination(Destination::builder().to_addresses("ann@example.com").build())
        .content(EmailContent::builder().simple(message).build())
        .email_tags(MessageTag::builder().name("kind").value("sign-up").build().expect("a tag"))
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.message_id().expect("an id").to_owned()),
        Err(error) => Err(error.code().map_or_else(|| format!("{error}"), str::to_owned)),
    }
}

#[tokio::test]
async fn ses_keeps_what_it_sent() {
    let ses = Ses::start(None);
    let client = client!(aws_sdk_sesv2, ses);
    assert_ne!(send(&client).await.unwrap(), send(&client).await.unwrap());
    let [mail, _] = ses.accepted().try_into().unwrap();
    assert_eq!(mail["Destination"]["ToAddresses"][0], "ann@example.com");
    assert_eq!(mail["Content"]["Simple"]["Body"]["Text"]["Data"], "Hi");
    assert_eq!(mail["EmailTags"][0]["Value"], "sign-up");
}

#[tokio::test]
async fn faults_come_in_the_order_of_the_script() {
    let ses = Ses::start(None);
    let client = client!(aws_sdk_sesv2, ses);
    ses.script([
        Reply::error(429, "TooManyRequestsException"),
        Reply::Status { code: 503, aws_error_code: None, body: "busy".to_owned() },
        Reply::ResetBefore,
        Reply::ResetAfter,
        Reply::Garbage,
        Reply::OkThenClose,
        Reply::SlowOk(Duration::from_millis(1)),
    ]);
    assert_eq!(send(&client).await, Err("TooManyRequestsException".to_owned()));
    assert_eq!(send(&client).await, Err("service error".to_owned()));
    assert_eq!(send(&client).await, Err("dispatch failure".to_owned()));
    assert_eq!(
        (ses.attempts(), ses.calls().len(), ses.accepted().len()),
        (3, 2, 0),
        "the third was reset unread"
    );
    assert_eq!(send(&client).await, Err("dispatch failure".to_owned()));
    assert_eq!(ses.accepted().len(), 1, "it was sent before the reset");
    assert!(send(&client).await.is_err());
    assert_eq!(ses.accepted().len(), 1, "what was not SES sent nothing");
    for _ in 0..3 {
        send(&client).await.unwrap();
    }
    assert_eq!((ses.attempts(), ses.accepted().len()), (8, 4));

    ses.script([Reply::Hang]);
    tokio::time::timeout(Duration::from_millis(50), send(&client)).await.unwrap_err();
    assert_eq!(ses.calls().len(), 8);
    assert!(!ses.calls().last().unwrap().accepted);
    ses.clear();
    assert_eq!((ses.attempts(), ses.calls().len()), (0, 0));
}

#[tokio::test]
async fn a_request_signed_with_another_secret_or_for_another_service_is_refused() {
    let ses = Ses::start(None);
    let client = aws_sdk_sesv2::Client::from_conf(
        client!(aws_sdk_sesv2, ses)
            .config()
            .to_builder()
            .credentials_provider(Credentials::from_keys(ACCESS_KEY_ID, "another secret", None))
            .build(),
    );
    assert_eq!(send(&client).await, Err("IncompleteSignatureException".to_owned()));

    let sns = Sns::start(None);
    let client = client!(aws_sdk_sesv2, sns);
    assert!(send(&client).await.is_err());
    assert_eq!((sns.attempts(), sns.calls().len()), (1, 0));
}

#[tokio::test]
async fn sns_keeps_the_form_and_its_attributes() {
    let sns = Sns::start(None);
    let client = client!(aws_sdk_sns, sns);
    let transactional =
        MessageAttributeValue::builder().data_type("String").string_value("Transactional").build().unwrap();
    let publish = client
        .publish()
        .phone_number("+15550100")
        .message("Your code is on its way")
        .message_attributes("AWS.SNS.SMS.SMSType", transactional);
    assert!(publish.clone().send().await.unwrap().message_id().is_some());
    let form = &sns.accepted()[0];
    assert_eq!(
        (form["PhoneNumber"].as_str(), form["Message"].as_str()),
        ("+15550100", "Your code is on its way")
    );
    assert_eq!(
        message_attributes(form)["AWS.SNS.SMS.SMSType"],
        ("String".to_owned(), "Transactional".to_owned())
    );

    sns.script([Reply::error(400, "InvalidParameter")]);
    assert_eq!(publish.send().await.unwrap_err().code(), Some("InvalidParameter"));
}

#[tokio::test]
async fn a_sealed_event_reaches_ses_in_clear_text_over_tls() {
    let tls = Tls::new();
    let (kms, ses) = (Kms::start(KEY_ARN, Some(&tls)), Ses::start(Some(&tls)));
    let ca_file = tls.ca_file().display().to_string();
    let function = Function::start_command(
        "decrypt-and-post",
        Command::new(env!("CARGO_BIN_EXE_decrypt-and-post")),
        &[kms.endpoint(), ses.endpoint(), ("SSL_CERT_FILE", &ca_file)],
    );
    let template = fixture("custom-email-sender-sign-up");
    for (code, suite) in [("135790", SealSuite::Signed0378), ("246801", SealSuite::CommittingSigned0578)] {
        let event = sealed_event(&template, code, "eu-central-1_Example01", suite);
        let answer = function.invoke(event.to_string()).await;
        assert!(matches!(answer, Invocation::Ok(_)), "{answer:?}");
        assert_eq!(ses.accepted().pop().unwrap()["Content"]["Simple"]["Body"]["Text"]["Data"], code);
        assert_eq!(
            kms.accepted().pop().unwrap()["EncryptionContext"]["userpool-id"],
            "eu-central-1_Example01"
        );
        assert_absent(&[("the code", code)], &function.lines().join("\n"));
    }
}
