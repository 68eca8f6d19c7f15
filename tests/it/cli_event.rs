//! `cognito-triggers event`: events as Cognito would send them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use sender::envelope::Envelope;
use serde_json::{Value, json};
use tests::cli::Output;
use tests::event::fixture;
use tests::kms::Kms;
use tests::mock_aws::{KEY_ARN, MockAws, POOL, STACK};

const EMAIL_SOURCE: &str = "CustomEmailSender_SignUp";

fn document(output: &Output) -> Value {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    serde_json::from_str(&output.stdout).expect("one document")
}

/// The code of an event, decrypted as a sender does it, if the mock of KMS got exactly that context.
fn opened(event: &Value, world: &MockAws) -> String {
    let code = STANDARD.decode(event["request"]["code"].as_str().expect("a code")).expect("base64");
    let envelope = Envelope::parse(code).expect("a message of the AWS Encryption SDK");
    let context: serde_json::Map<_, _> =
        envelope.context().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    assert_eq!(context["userpool-id"], event["userPoolId"]);
    let request = world.asked("kms:GenerateDataKey").pop().expect("a request");
    assert_eq!(request["EncryptionContext"], Value::Object(context), "KMS knows the whole context");
    let data_key = envelope.data_keys().first().expect("a data key");
    assert_eq!(data_key.key_arn(), Some(KEY_ARN));
    let data_key = Kms::unwrap(data_key.ciphertext()).expect("a data key of the mock");
    let clear = envelope.open(data_key).expect("authentic");
    String::from_utf8(clear.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn every_trigger_source_is_listed_and_makes_an_event() {
    let world = MockAws::start();
    let output = world.run(&["event", "--list"]).await;
    assert_eq!(output.code, Some(0));
    assert_snapshot!("event, list", output.stdout);
    for line in output.stdout.lines() {
        let (source, file) = line.split_once(' ').expect("two columns");
        let event = document(&world.run(&["event", source, "--key-arn", KEY_ARN]).await);
        let mut expected = fixture(file.trim());
        // The event differs from the file only in the code and in an address that belongs to no user.
        for path in ["/request/code", "/request/userAttributes/email"] {
            if let Some(found) = event.pointer(path).filter(|found| found.is_string()) {
                *expected.pointer_mut(path).expect("it is in the file, too") = found.clone();
            }
        }
        assert_eq!(event, expected);
        let email = &event["request"]["userAttributes"]["email"];
        assert!(email.as_str().is_none_or(|email| email.ends_with("@simulator.amazonses.com")), "{email}");
    }
}

#[tokio::test]
async fn a_code_is_encrypted_for_key_and_pool_of_the_stack() {
    let world = MockAws::start();
    let arguments = ["event", EMAIL_SOURCE, "--stack-name", STACK, "--code", "51820364", "--dry-run"];
    let event = document(&world.run(&arguments).await);
    assert_eq!((&event["userPoolId"], &event["dryRun"]), (&json!(POOL), &json!(true)));
    assert_eq!(opened(&event, &world), "51820364");
    let request = world.asked("kms:GenerateDataKey").pop().expect("a request");
    assert_eq!((&request["KeyId"], &request["KeySpec"]), (&json!(KEY_ARN), &json!("AES_256")));

    let arguments =
        ["event", "CustomEmailSender_AdminCreateUser", "--key-arn", KEY_ARN, "--code", "a<b>&\"c'"];
    let event = document(&world.run(&arguments).await);
    assert_eq!(opened(&event, &world), "a&lt;b&gt;&amp;&quot;c&#39;", "a password is escaped as by Cognito");
}

#[tokio::test]
async fn without_a_code_a_random_one_is_made() {
    let world = MockAws::start();
    let arguments = ["event", EMAIL_SOURCE, "--key-arn", KEY_ARN, "--user-pool-id", "us-east-1_Example02"];
    let mut codes = Vec::new();
    for _ in 0..3 {
        let event = document(&world.run(&arguments).await);
        assert_eq!(
            (&event["userPoolId"], &event["region"]),
            (&json!("us-east-1_Example02"), &json!("us-east-1"))
        );
        let code = opened(&event, &world);
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        codes.push(code);
    }
    codes.dedup();
    assert!(codes.len() > 1, "three times the same: {codes:?}");
}

#[tokio::test]
async fn kms_is_asked_in_the_region_of_the_key_or_at_the_endpoint_that_is_given() {
    let world = MockAws::start();
    let elsewhere = KEY_ARN.replace("eu-central-1", "eu-west-1");
    world.answer(
        "kms:GenerateDataKey",
        json!({
            "KeyId": elsewhere,
            "Plaintext": STANDARD.encode([7; 32]),
            "CiphertextBlob": STANDARD.encode(Kms::wrap(&[7; 32])),
        }),
    );
    let _ = document(&world.run(&["event", EMAIL_SOURCE, "--key-arn", &elsewhere]).await);
    assert_eq!(world.regions("kms:GenerateDataKey"), ["eu-west-1"]);

    let local = MockAws::start();
    let arguments = ["event", EMAIL_SOURCE, "--key-arn", KEY_ARN, "--kms-endpoint-url", local.url()];
    let _ = document(&world.run(&arguments).await);
    assert_eq!((world.calls().len(), local.calls().len()), (1, 1));
}

#[tokio::test]
async fn an_event_without_a_code_needs_no_aws() {
    let output = tests::cli::run(&["event", "PreSignUp_SignUp", "--email", "ann@example.com"], &[]).await;
    let event = document(&output);
    assert_eq!(event["request"]["userAttributes"]["email"], "ann@example.com");
}

#[tokio::test]
async fn an_event_from_a_file_is_sent_unchanged_or_not_at_all() {
    let world = MockAws::start();
    for option in
        ["--email", "--phone", "--locale", "--code", "--key-arn", "--user-pool-id", "--kms-endpoint-url"]
    {
        let arguments = ["invoke", "--event-file", "event.json", "--function-name", "any", option, "x"];
        let output = world.run(&arguments).await;
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains("cannot be used with"), "{output:?}");
    }
    assert_eq!(world.calls(), []);
}

#[tokio::test]
async fn contradictory_options_are_reported() {
    let world = MockAws::start();
    for (arguments, said) in [
        (
            &["PostConfirmation_ConfirmSignUp"][..],
            "unknown trigger source: `cognito-triggers event --list` shows all",
        ),
        (&[EMAIL_SOURCE], "the code needs a KMS key: set --key-arn or --stack-name"),
        (&["PreSignUp_SignUp", "--code", "123456"], "the event PreSignUp_SignUp has no code"),
        (&["PreSignUp_SignUp", "--phone", "0301234567"], "--phone must be a number in E.164 format"),
        (&["PreSignUp_SignUp", "--client-metadata", "x"], "x is not NAME=VALUE"),
        (&[], "<KIND>"),
    ] {
        let output = world.run(&[&["event"], arguments].concat()).await;
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
        assert!(output.stderr.contains(said), "{output:?}");
    }
    world.refuse("kms:GenerateDataKey", 400, "AccessDeniedException");
    let output = world.run(&["event", EMAIL_SOURCE, "--key-arn", KEY_ARN]).await;
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("lack the permission kms:GenerateDataKey"), "{output:?}");
}
