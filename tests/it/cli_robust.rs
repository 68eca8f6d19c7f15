//! Every command of `cognito-triggers` that calls AWS, if AWS can't be called: no network, no credentials, the wrong
//! Region, throttling, unreadable answers.

use tests::cli::{Output, run};
use tests::mock_aws::{MockAws, POOL, QUEUE_URL, STACK, USER};
use tests::service::{ClosedPort, Reply};

/// A command line, and its exit code in a healthy account.
struct Command {
    arguments: &'static [&'static str],
    healthy: i32,
}

/// No server listens there.
const NO_RESOLVER: &str = "127.0.0.1:9";

/// Each command once, with each way to AWS.
static COMMANDS: &[Command] = &[
    Command { arguments: &["redrive", "--stack-name", STACK], healthy: 0 },
    Command { arguments: &["redrive", "--queue-url", QUEUE_URL], healthy: 0 },
    Command { arguments: &["hash", USER, "--stack-name", STACK], healthy: 0 },
    Command { arguments: &["explain", USER, "--stack-name", STACK], healthy: 0 },
    // The logs of this account say nothing about the user, which is a warning.
    Command { arguments: &["doctor", USER, "--stack-name", STACK, "--resolver", NO_RESOLVER], healthy: 1 },
    Command { arguments: &["doctor", USER, "--user-pool-id", POOL, "--resolver", NO_RESOLVER], healthy: 1 },
    Command { arguments: &["attach", "--stack-name", STACK], healthy: 0 },
    Command { arguments: &["detach", "--stack-name", STACK], healthy: 0 },
    Command { arguments: &["diff", "--stack-name", STACK], healthy: 0 },
    Command { arguments: &["status", "--stack-name", STACK], healthy: 0 },
    Command { arguments: &["event", "CustomEmailSender_SignUp", "--stack-name", STACK], healthy: 0 },
    Command { arguments: &["invoke", "PreSignUp_SignUp", "--stack-name", STACK], healthy: 0 },
    // The functions of this account give every event back, as no sender answers to a dry run.
    Command { arguments: &["smoke", "--stack-name", STACK], healthy: 1 },
];

/// The commands that don't name a Region. The URL of a queue and the ID of a pool do.
fn without_a_region() -> impl Iterator<Item = &'static Command> {
    let names_one =
        |command: &&Command| command.arguments.iter().any(|word| [QUEUE_URL, POOL].contains(word));
    COMMANDS.iter().filter(move |command| !names_one(command))
}

/// Asserts what is true of every failure.
#[track_caller]
fn check(command: &Command, output: &Output, code: i32, says: &str) {
    let Output { stdout, stderr, .. } = output;
    assert_eq!((output.code, stdout.as_str()), (Some(code), ""), "{:?}: {output:?}", command.arguments);
    let sentence = words(stderr);
    assert!(sentence.starts_with("error: "), "{output:?}");
    assert!(sentence.contains(says), "{:?} does not say {says:?}: {output:?}", command.arguments);
    assert!(!sentence.contains(USER), "{output:?}");
    assert!(stderr.lines().all(|line| line.chars().count() <= 80), "{output:?}");
}

/// A text without its line breaks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs every command in an account that was prepared for it, with these additional variables.
async fn each(prepare: impl Fn(&MockAws), more: &[(&str, &str)], code: i32, says: &str) {
    for command in COMMANDS {
        let world = MockAws::start();
        prepare(&world);
        check(command, &world.begin(command.arguments, more, "").end().await, code, says);
    }
}

#[tokio::test]
async fn every_command_works_in_a_healthy_account() {
    for command in COMMANDS {
        let world = MockAws::start();
        let output = world.run(command.arguments).await;
        assert_eq!(output.code, Some(command.healthy), "{:?}: {output:?}", command.arguments);
        assert!(!world.calls().is_empty(), "{:?} calls AWS", command.arguments);
    }
}

#[tokio::test]
async fn without_a_network_aws_cannot_be_reached() {
    let closed = ClosedPort::new();
    each(|_| {}, &[("AWS_ENDPOINT_URL", &closed.url())], 3, "could not be reached").await;
}

#[tokio::test]
async fn without_credentials_the_ways_to_them_are_named() {
    for command in COMMANDS {
        let world = MockAws::start();
        let env = [("AWS_REGION", "eu-central-1"), ("AWS_ENDPOINT_URL", world.url())];
        check(command, &run(command.arguments, &env).await, 3, "no AWS credentials found");
        assert!(world.calls().is_empty(), "no call was made");
    }
}

#[tokio::test]
async fn without_a_region_the_ways_to_one_are_named() {
    for command in without_a_region() {
        check(command, &run(command.arguments, &[]).await, 3, "no AWS Region is set: use --region");
    }
}

#[tokio::test]
async fn expired_credentials_are_reported_as_expired() {
    let expire = |world: &MockAws| world.always("*", &Reply::ExpiredCredentials);
    each(expire, &[], 3, "the credentials have expired: sign in again").await;
}

#[tokio::test]
async fn unknown_credentials_are_reported_as_unknown() {
    let unknown = |world: &MockAws| world.refuse("*", 403, "InvalidClientTokenId");
    each(unknown, &[], 3, "AWS does not accept these credentials in eu-central-1").await;
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    for command in COMMANDS {
        let world = MockAws::start();
        world.refuse("*", 403, "AccessDenied");
        let output = world.run(command.arguments).await;
        assert!(output.code == Some(3) || output.code == Some(1), "{:?}: {output:?}", command.arguments);
        // Some commands continue with the other calls and report the failed one.
        let said = words(&(output.stdout + &output.stderr));
        let named = world.calls().iter().any(|(action, _)| said.contains(action));
        assert!(named, "{:?} names no action: {said}", command.arguments);
    }
}

#[tokio::test]
async fn in_another_region_the_resources_are_not_found() {
    for command in without_a_region() {
        let world = MockAws::start();
        let arguments = [command.arguments, &["--region", "eu-west-1"]].concat();
        check(command, &world.run(&arguments).await, 3, "eu-west-1");
    }
}

#[tokio::test]
async fn throttled_calls_are_retried() {
    for command in COMMANDS {
        let world = MockAws::start();
        world.script("*", [Reply::error(400, "ThrottlingException"), Reply::bare(503)]);
        let output = world.run(command.arguments).await;
        assert_eq!(output.code, Some(command.healthy), "{:?}: {output:?}", command.arguments);
    }
}

#[tokio::test]
async fn endless_throttling_has_an_exit_code_of_its_own() {
    for code in ["ThrottlingException", "Throttling"] {
        each(|world| world.refuse("*", 400, code), &[], 4, "run the command again later").await;
    }
    each(|world| world.always("*", &Reply::bare(429)), &[], 4, "run the command again later").await;
}

#[tokio::test]
async fn an_answer_that_is_not_from_aws_is_reported() {
    each(|world| world.always("*", &Reply::Garbage), &[], 3, "returned an unreadable response").await;
    each(|world| world.always("*", &Reply::bare(502)), &[], 3, "returned HTTP status 502").await;
    each(|world| world.always("*", &Reply::ResetAfter), &[], 3, "could not be reached").await;
}
