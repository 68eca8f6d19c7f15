//! `cognito-triggers hash`: the hash of the logs for a known address or number.

use shared::recipient::RecipientHasher;
use tests::cli::{Output, run, start};
use tests::mock_aws::{MockAws, STACK, physical_id};
use tests::service::Reply;

const KEY: &str = "a key for tests";
const ADDRESS: &str = "Ann@Example.com";

fn expected(recipient: &str) -> String {
    format!("{}\n", RecipientHasher::new(KEY.as_bytes()).hash(recipient))
}

#[track_caller]
fn check(output: &Output, recipient: &str) {
    assert_eq!((output.stdout.as_str(), output.code), (expected(recipient).as_str(), Some(0)), "{output:?}");
    assert_eq!(output.stderr, "");
}

#[tokio::test]
async fn the_key_may_come_from_the_environment() {
    let env = [("RECIPIENT_HASH_KEY", KEY)];
    check(&run(&["hash", ADDRESS, "--key-env"], &env).await, "ann@example.com");
    check(&run(&["hash", "+12065550123", "--key-env"], &env).await, "+12065550123");
    let documentation = include_str!("../../docs/operating.md");
    assert!(documentation.contains(&expected(ADDRESS)), "docs/operating.md shows what is printed");
    // As the functions read it.
    let env = [("RECIPIENT_HASH_KEY", " a key for tests\n")];
    check(&run(&["hash", ADDRESS, "--key-env"], &env).await, "ann@example.com");
}

#[tokio::test]
async fn the_recipient_may_come_from_standard_input() {
    let env = [("RECIPIENT_HASH_KEY", KEY)];
    check(&start(&["hash", "-", "--key-env"], &env, " ANN@example.com\n").end().await, "ann@example.com");
    for (input, problem) in [("", "nothing"), ("a@example.com\nb@example.com\n", "two addresses")] {
        let output = start(&["hash", "-", "--key-env"], &env, input).end().await;
        assert_eq!((output.stdout.as_str(), output.code), ("", Some(2)), "{problem}");
    }
}

#[tokio::test]
async fn the_key_may_come_from_secrets_manager_or_from_a_stack() {
    let (aws, secret) = (MockAws::start(), physical_id("RecipientHashKey"));
    check(&aws.run(&["hash", ADDRESS, "--secret-id", secret]).await, "ann@example.com");
    let operations: Vec<_> = aws.calls().into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(operations, ["secretsmanager:GetSecretValue"]);
    check(&aws.run(&["hash", ADDRESS, "--stack-name", STACK]).await, "ann@example.com");
    assert_eq!(aws.asked("secretsmanager:GetSecretValue").len(), 2);

    let output = aws.run(&["hash", ADDRESS, "--stack-name", "another"]).await;
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.starts_with("error: there is no stack another in eu-central-1"), "{output:?}");

    aws.script("secretsmanager:GetSecretValue", [Reply::error(400, "AccessDeniedException")]);
    let output = aws.run(&["hash", ADDRESS, "--secret-id", secret]).await;
    assert_eq!((output.stdout.as_str(), output.code), ("", Some(3)));
    assert!(output.stderr.contains("lack the permission secretsmanager:GetSecretValue"), "{output:?}");
}

#[tokio::test]
async fn the_result_may_be_json() {
    let output =
        run(&["hash", ADDRESS, "--key-env", "--format", "json"], &[("RECIPIENT_HASH_KEY", KEY)]).await;
    let document: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(document, serde_json::json!({ "hash": expected(ADDRESS).trim() }));
}

#[tokio::test]
async fn a_key_that_is_missing_empty_or_given_twice_is_a_usage_error() {
    for (arguments, env) in [
        (vec!["hash", ADDRESS], vec![]),
        (vec!["hash", ADDRESS, "--key-env"], vec![]),
        (vec!["hash", ADDRESS, "--key-env"], vec![("RECIPIENT_HASH_KEY", " ")]),
        (vec!["hash", ADDRESS, "--key-env", "--stack-name", STACK], vec![("RECIPIENT_HASH_KEY", KEY)]),
    ] {
        let output = run(&arguments, &env).await;
        assert_eq!((output.stdout.as_str(), output.code), ("", Some(2)), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_text_that_is_neither_an_address_nor_a_number_is_hashed_with_a_warning() {
    let output = run(&["hash", "2065550123", "--key-env"], &[("RECIPIENT_HASH_KEY", KEY)]).await;
    assert_eq!((output.stdout, output.code), (expected("2065550123"), Some(0)));
    assert!(
        output.stderr.starts_with("note: this is neither an email address nor a number"),
        "{}",
        output.stderr
    );
}
