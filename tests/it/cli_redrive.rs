//! `cognito-triggers redrive` against mocks of SQS and Lambda.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_kms::primitives::{DateTime, DateTimeFormat};
use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::outcome::ErrorType;
use shared::trigger::MessageKind;
use tests::canary::assert_absent;
use tests::cli::{Output, credentials, interrupt, run};
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::mock_aws::{CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER, MockAws, POOL, QUEUE_URL, REGION, STACK, arn};
use tests::service::Reply;

const INVOKE: &str = "lambda:Invoke";

const CODE: &str = "canary-code-518203";
const EMAIL: &str = "canary.email@example.com";
const PHONE: &str = "+12065550177";
const NAME: &str = "canary-name-Zebedee";

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// Half a minute, so that whole minutes do not change while a test runs.
const SLACK: Duration = Duration::from_secs(30);

/// An event with canaries in it.
fn event(name: &str) -> String {
    let mut event = fixture(name);
    for (attribute, value) in [("email", EMAIL), ("phone_number", PHONE), ("name", NAME)] {
        event["request"]["userAttributes"][attribute] = json!(value);
    }
    event["userName"] = json!(NAME);
    if event["request"]["code"].is_string() {
        event = sealed_event(&event, CODE, POOL, SealSuite::Signed0378);
    }
    // No writer of JSON produces these spaces: the event must be sent byte for byte.
    event.to_string().replacen('{', "{ \"exact\":1e400, ", 1)
}

/// A record as Lambda writes it.
#[derive(Clone)]
struct Failed {
    number: usize,
    function: &'static str,
    age: Duration,
    event: String,
    condition: &'static str,
    response: Value,
}

impl Failed {
    fn new(number: usize, name: &str, age: Duration) -> Self {
        let by_email = name.starts_with("custom-email-sender");
        Self {
            number,
            function: if by_email { CUSTOM_EMAIL_SENDER } else { CUSTOM_SMS_SENDER },
            age,
            event: event(name),
            condition: "RetriesExhausted",
            response: json!({
                "errorType": ErrorType::SendFailed.name(),
                "errorMessage": "SES did not accept the message: MessageRejected (verify the identity of FROM_ADDRESS)",
            }),
        }
    }

    fn record(&self) -> String {
        let time = DateTime::from(SystemTime::now() - self.age - SLACK);
        let time = time.fmt(DateTimeFormat::DateTime).expect("a time");
        let Self { number, function, event, condition, response, .. } = self;
        format!(
            r#"{{"version":"1.0","timestamp":"{time}","requestContext":{{"requestId":"{}","functionArn":"{function}:$LATEST","condition":"{condition}","approximateInvokeCount":3}},"requestPayload":{event},"responseContext":{{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}},"responsePayload":{response}}}"#,
            request_id(*number),
        )
    }
}

fn request_id(number: usize) -> String {
    format!("e4b46cbf-b738-4f1a-8880-{number:012}")
}

/// Many events, of the same kind and valid.
fn valid(number: usize) -> Vec<Failed> {
    (1..=number).map(|number| Failed::new(number, "custom-email-sender-sign-up", MINUTE)).collect()
}

/// One event of each kind.
fn mixed() -> Vec<Failed> {
    let invitation = Failed::new(4, "custom-email-sender-admin-create-user", 50 * HOUR);
    vec![
        Failed::new(1, "custom-email-sender-sign-up", 12 * MINUTE),
        Failed::new(2, "custom-email-sender-forgot-password", 3 * HOUR),
        Failed {
            response: json!({ "errorType": "Sandbox.Timedout", "errorMessage": format!("for {EMAIL}") }),
            ..Failed::new(3, "custom-sms-sender-authentication", 14 * MINUTE)
        },
        Failed {
            response: json!({ "errorType": NAME, "errorMessage": PHONE, "trace": [EMAIL] }),
            ..invitation.clone()
        },
        invitation,
        Failed {
            condition: "EventAgeExceeded",
            response: Value::Null,
            ..Failed::new(5, "custom-sms-sender-account-take-over-notification", 72 * HOUR)
        },
        Failed {
            function: "arn:aws:lambda:eu-west-1:123456789012:function:elsewhere",
            ..Failed::new(6, "custom-email-sender-resend-code", MINUTE)
        },
        Failed::new(7, "pre-sign-up-sign-up", MINUTE),
    ]
}

fn mixed_bodies() -> Vec<String> {
    let mut bodies: Vec<_> = mixed().iter().map(Failed::record).collect();
    bodies.push(format!("a note about {EMAIL}"));
    bodies
}

/// The mock of AWS, with failed events in the queue.
struct Stage(MockAws);

impl Stage {
    fn new(bodies: &[String]) -> Self {
        let aws = MockAws::start();
        aws.fail_events(bodies.iter().cloned());
        Self(aws)
    }

    fn of(events: &[Failed]) -> Self {
        Self::new(&events.iter().map(Failed::record).collect::<Vec<_>>())
    }

    async fn redrive(&self, arguments: &[&str]) -> Output {
        self.run(&[&["--queue-url", QUEUE_URL], arguments].concat(), &[]).await
    }

    /// Runs the command with more variables.
    async fn run(&self, arguments: &[&str], env: &[(&str, &str)]) -> Output {
        let output = self.0.begin(&[&["redrive"], arguments].concat(), env, "").end().await;
        assert_no_leak(&output);
        output
    }

    /// The functions that were invoked, each with its event, in order.
    fn invoked(&self) -> Vec<(String, String)> {
        let text = |request: &Value, name: &str| request[name].as_str().expect("a string").to_owned();
        let invocation = |request: Value| {
            assert_eq!(request["InvocationType"], "Event");
            (text(&request, "FunctionName"), text(&request, "Payload"))
        };
        self.0.accepted(INVOKE).into_iter().map(invocation).collect()
    }

    /// The numbers of visible and of hidden events in the queue.
    fn queued(&self) -> (usize, usize) {
        (self.0.visible_events().len(), self.0.hidden_events().len())
    }

    fn operations(&self) -> Vec<String> {
        self.0.calls().into_iter().map(|(operation, _)| operation).collect()
    }
}

/// Asserts that no code, encrypted or not, and no personal data was printed.
#[track_caller]
fn assert_no_leak(output: &Output) {
    let text = format!("{}{}", output.stdout, output.stderr);
    let secrets = [
        ("the code", CODE),
        ("the address", EMAIL),
        ("the number", PHONE),
        ("the name", NAME),
        // The first bytes of every message of the AWS Encryption SDK with this suite, in base64.
        ("a ciphertext", "AYADe"),
    ];
    assert_absent(&secrets, &text);
    assert!(!text.contains("userAttributes") && !text.contains("triggerSource"), "{text}");
}

#[track_caller]
fn assert_end(output: &Output, code: i32, words: &str) {
    assert_eq!(output.code, Some(code), "{output:?}");
    let said = format!("{} {}", output.stdout, output.stderr);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(words), "{output:?}");
}

#[tokio::test]
async fn a_dry_run_lists_everything_and_changes_nothing() {
    let bodies = mixed_bodies();
    let stage = Stage::new(&bodies);
    let output = stage.redrive(&[]).await;
    assert_eq!(output.code, Some(1), "some events stay in the queue: {output:?}");
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 80), "{}", output.stdout);
    assert_snapshot!("redrive, dry run", output.stdout);
    let documentation = include_str!("../../docs/operating.md");
    assert!(documentation.contains(&output.stdout), "docs/operating.md shows what is printed");
    assert_eq!(stage.0.visible_events(), bodies);
    assert_eq!(stage.0.asked(INVOKE).len(), 0);
    assert_eq!(stage.redrive(&[]).await.stdout, output.stdout, "a second time it is the same");
}

#[tokio::test]
async fn json_has_the_same_content() {
    let stage = Stage::new(&mixed_bodies());
    let output = stage.redrive(&["--format", "json"]).await;
    assert_eq!(output.code, Some(1));
    let document: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_snapshot!("redrive, dry run, JSON", serde_json::to_string_pretty(&document).expect("JSON"));
}

#[tokio::test]
async fn valid_events_are_sent_byte_for_byte_and_expired_ones_deleted() {
    let stage = Stage::new(&mixed_bodies());
    let before = stage.0.visible_events();
    let output = stage.redrive(&["--send"]).await;
    assert_eq!(output.code, Some(1));
    assert_snapshot!("redrive, send", output.stdout);
    // Every body has a newly encrypted code, so the events come from the queue's bodies.
    let payloads: Vec<_> = stage.invoked().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads.len(), 4);
    assert!(payloads.iter().all(|payload| before.iter().any(|body| body.contains(payload))));
    let functions: Vec<_> = stage.invoked().into_iter().map(|(function, _)| function).collect();
    assert_eq!(functions, [CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER, CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER]);
    assert_eq!(stage.0.visible_events(), before[6..], "the rest stays in the queue");
    assert_eq!(stage.queued().1, 0);

    let again = stage.redrive(&["--send"]).await;
    assert_end(&again, 1, "3 events: 0 sent again, 0 deleted, 3 stay in the queue.");
    assert_eq!(stage.invoked().len(), 4);
}

#[tokio::test]
async fn only_expired_events_can_be_deleted() {
    let stage = Stage::of(&mixed()[..2]);
    let output = stage.redrive(&["--discard-expired"]).await;
    assert_end(&output, 0, "stays in the queue: it is still valid (--send sends it again)");
    assert_end(&output, 0, "2 events: 0 sent again, 1 deleted, 0 stay in the queue.");
    assert_eq!(stage.0.asked(INVOKE).len(), 0);
    assert_eq!(stage.queued(), (1, 0));
}

#[tokio::test]
async fn every_kind_is_sent_until_its_code_is_no_longer_valid() {
    for kind in MessageKind::ALL {
        let hours = match kind {
            MessageKind::SignUp
            | MessageKind::ResendCode
            | MessageKind::UpdateUserAttribute
            | MessageKind::VerifyUserAttribute => 24 * HOUR,
            MessageKind::ForgotPassword => HOUR,
            MessageKind::Authentication => 15 * MINUTE,
            MessageKind::AdminCreateUser => continue,
        };
        let still = hours.saturating_sub(MINUTE);
        for channel in ["custom-email-sender", "custom-sms-sender"] {
            let name = format!("{channel}-{}", kind.name());
            let stage = Stage::of(&[Failed::new(1, &name, still), Failed::new(2, &name, hours)]);
            let output = stage.redrive(&["--send"]).await;
            assert_end(&output, 0, "2 events: 1 sent again, 1 deleted, 0 stay in the queue.");
            assert_eq!((stage.invoked().len(), stage.queued()), (1, (0, 0)), "{name}");
        }
    }
}

#[tokio::test]
async fn an_invitation_is_sent_however_old_it_is() {
    for name in ["custom-email-sender-admin-create-user", "custom-sms-sender-admin-create-user"] {
        let stage = Stage::of(&[Failed::new(1, name, 13 * 24 * HOUR)]);
        let output = stage.redrive(&["--send"]).await;
        assert_end(&output, 0, "1 event: 1 sent again, 0 deleted, 0 stay in the queue.");
        assert_eq!(stage.invoked().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_stack_names_queue_role_and_functions() {
    let foreign = "arn:aws:lambda:eu-central-1:123456789012:function:another-custom-email-sender";
    let stage = Stage::of(&[
        Failed::new(1, "custom-email-sender-sign-up", MINUTE),
        Failed { function: foreign, ..Failed::new(2, "custom-email-sender-sign-up", MINUTE) },
    ]);
    let output = stage.run(&["--stack-name", STACK, "--send"], &[]).await;
    assert_end(&output, 1, "stays in the queue: its function is not a sender of the stack");
    assert_eq!(stage.invoked().len(), 1);
    for (operation, token) in [
        ("cloudformation:DescribeStacks", None),
        ("sqs:GetQueueAttributes", Some(arn("RedriveRole"))),
        ("sqs:ReceiveMessage", Some(arn("RedriveRole"))),
        ("sqs:DeleteMessage", Some(arn("RedriveRole"))),
        (INVOKE, Some(arn("RedriveRole"))),
    ] {
        let tokens = stage.0.session_tokens(operation);
        assert!(
            !tokens.is_empty() && tokens.iter().all(|one| one.as_deref() == token),
            "{operation} {tokens:?}"
        );
    }
    assert_eq!(stage.0.asked("sts:AssumeRole").len(), 1);

    let output = stage.run(&["--stack-name", "another"], &[]).await;
    assert_end(&output, 3, "there is no stack another in eu-central-1");
    stage.0.script("sts:AssumeRole", [Reply::error(403, "AccessDenied")]);
    let output = stage.run(&["--stack-name", STACK], &[]).await;
    assert_end(&output, 3, "error: can't load AWS credentials: ");
    assert!(output.stderr.contains("AccessDenied"), "{output:?}");
}

#[tokio::test]
async fn a_stack_without_senders_has_an_error_of_its_own() {
    let stage = Stage::new(&[]);
    stage.0.change("cloudformation:DescribeStacks", |answer| answer["Stacks"][0]["Outputs"] = json!([]));
    let output = stage.run(&["--stack-name", STACK], &[]).await;
    assert_end(&output, 3, "the stack has no output OnFailureQueueUrl, because it deploys no sender");
}

#[tokio::test]
async fn an_event_that_is_in_the_queue_twice_is_sent_once() {
    let once = Failed::new(1, "custom-email-sender-sign-up", MINUTE);
    let other = Failed::new(2, "custom-email-sender-sign-up", MINUTE);
    for (arguments, sent) in [(&[][..], 0), (&["--send"], 2)] {
        let stage = Stage::of(&[once.clone(), other.clone(), once.clone()]);
        let output = stage.redrive(arguments).await;
        assert_end(&output, 0, "deleted, because it is a duplicate");
        assert_eq!(stage.invoked().len(), sent);
    }
}

#[tokio::test]
async fn a_long_queue_is_read_to_its_end_or_to_the_limit() {
    let stage = Stage::of(&valid(25));
    assert_end(&stage.redrive(&[]).await, 0, "25 events: 25 would be sent again");
    let output = stage.redrive(&["--limit", "12", "--send"]).await;
    assert_end(
        &output,
        0,
        "12 events: 12 sent again, 0 deleted, 0 stay in the queue. The queue may hold more",
    );
    assert_eq!(stage.queued(), (13, 0));
    // Short polls query only some of the servers, so they can miss events.
    assert!(
        stage
            .0
            .asked("sqs:ReceiveMessage")
            .iter()
            .all(|request| request["WaitTimeSeconds"].as_u64() > Some(0))
    );
}

#[tokio::test]
async fn an_empty_queue_is_reported() {
    assert_end(&Stage::new(&[]).redrive(&["--send"]).await, 0, "No events.");
}

#[tokio::test]
async fn throttling_ends_the_command_and_every_event_stays_in_the_queue() {
    let stage = Stage::of(&valid(3));
    stage.0.script(INVOKE, [Reply::Ok]);
    stage.0.script(INVOKE, vec![Reply::error(429, "TooManyRequestsException"); 3]);
    let output = stage.redrive(&["--send"]).await;
    assert_end(&output, 4, "1 event: 1 sent again");
    assert_end(
        &output,
        4,
        "error: Lambda throttled the request (lambda:InvokeFunction): run the command again",
    );
    assert_eq!(stage.queued(), (2, 0));
    assert_end(&stage.redrive(&["--send"]).await, 0, "2 events: 2 sent again");
}

#[tokio::test]
async fn a_deleted_function_does_not_block_other_events() {
    let mut events = valid(2);
    events[0].function = "arn:aws:lambda:eu-central-1:123456789012:function:gone";
    let stage = Stage::of(&events);
    let output = stage.redrive(&["--send"]).await;
    assert_end(&output, 1, "stays in the queue: its function does not exist");
    assert_eq!((stage.invoked().len(), stage.queued()), (1, (1, 0)));
}

#[tokio::test]
async fn a_kill_between_sending_and_deleting_loses_no_event() {
    let stage = Stage::of(&valid(2));
    // The queue's attributes, receive, delete.
    stage.0.script("sqs:*", [Reply::Ok, Reply::Ok, Reply::Hang]);
    let running = stage.0.begin(&["redrive", "--queue-url", QUEUE_URL, "--send"], &[], "");
    stage.0.held().await;
    assert_eq!(stage.operations().last().map(String::as_str), Some("sqs:DeleteMessage"));
    assert_no_leak(&running.kill().await);
    assert_eq!((stage.invoked().len(), stage.queued()), (1, (0, 2)));

    assert_end(&stage.redrive(&[]).await, 0, "About 2 more were in flight when the command began");
    stage.0.end_visibility_timeout();
    assert_end(&stage.redrive(&["--send"]).await, 0, "2 events: 2 sent again");
    let events: Vec<_> = stage.invoked().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0], events[1], "the senders' record of deliveries makes one message of the two");
    assert_eq!(stage.queued(), (0, 0));
}

#[tokio::test]
async fn ctrl_c_ends_the_command_after_the_current_event() {
    let pid = Arc::new(AtomicI32::new(0));
    let stage = Stage::of(&valid(3));
    stage.0.answer_with(INVOKE, {
        let pid = Arc::clone(&pid);
        move |_| {
            interrupt(pid.load(Ordering::SeqCst));
            json!({ "StatusCode": 202 })
        }
    });
    let running = stage.0.begin(&["redrive", "--queue-url", QUEUE_URL, "--send"], &[], "");
    // The mock runs on this thread, so it can't respond before.
    pid.store(running.pid(), Ordering::SeqCst);
    let output = running.end().await;
    assert_no_leak(&output);
    assert_end(
        &output,
        130,
        "1 event: 1 sent again, 0 deleted, 0 stay in the queue. The queue may hold more",
    );
    assert_eq!(stage.queued(), (2, 0));
}

#[tokio::test]
async fn an_event_that_was_sent_but_not_deleted_is_reported() {
    let stage = Stage::of(&valid(1));
    stage.0.script("sqs:*", [Reply::Ok, Reply::Ok, Reply::error(403, "AccessDenied")]);
    let output = stage.redrive(&["--send"]).await;
    assert_end(&output, 3, "was sent again, but is still in the queue");
    assert_end(&output, 3, "these credentials lack the permission sqs:DeleteMessage in eu-central-1");
}

#[tokio::test]
async fn errors_of_aws_are_explained_in_plain_words() {
    for (replies, words) in [
        (
            vec![Reply::error(403, "AccessDenied")],
            "these credentials lack the permission sqs:GetQueueAttributes in eu-central-1. SQS returned AccessDenied",
        ),
        (
            vec![Reply::Ok, Reply::error(403, "AccessDenied")],
            "these credentials lack the permission sqs:ReceiveMessage in eu-central-1",
        ),
        (vec![Reply::error(403, "ExpiredToken")], "the credentials have expired: sign in again"),
        (vec![Reply::error(403, "InvalidClientTokenId")], "AWS does not accept these credentials"),
        (
            vec![Reply::error(400, "AWS.SimpleQueueService.NonExistentQueue")],
            "not found by SQS in eu-central-1",
        ),
        (vec![Reply::Garbage; 3], "SQS in eu-central-1 returned an unreadable response"),
        (vec![Reply::Status { code: 429, aws_error_code: None, body: String::new() }; 3], "throttled"),
    ] {
        let stage = Stage::of(&valid(1));
        stage.0.script("sqs:*", replies);
        let output = stage.redrive(&[]).await;
        assert_end(&output, if words == "throttled" { 4 } else { 3 }, words);
        assert_eq!(stage.queued(), (1, 0));
    }
    let stage = Stage::of(&valid(1));
    stage.0.script(INVOKE, [Reply::error(403, "AccessDeniedException")]);
    assert_end(
        &stage.redrive(&["--send"]).await,
        3,
        "these credentials lack the permission lambda:InvokeFunction",
    );
    assert_eq!(stage.queued(), (1, 0));
}

#[tokio::test]
async fn missing_credentials_region_or_network_are_reported() {
    let arguments = ["redrive", "--queue-url", QUEUE_URL];
    let output = run(&arguments, &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]).await;
    assert_end(&output, 3, "error: no AWS credentials found: name a profile with --profile");
    let somewhere = "https://queue.example/123456789012/failed-events";
    let env: Vec<_> = credentials().into_iter().filter(|(name, _)| *name != "AWS_REGION").collect();
    let output = run(&["redrive", "--queue-url", somewhere], &env).await;
    assert_end(&output, 3, "error: no AWS Region is set: use --region");
    let unreachable: Vec<_> =
        credentials().into_iter().chain([("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]).collect();
    assert_end(&run(&arguments, &unreachable).await, 3, "SQS in eu-central-1 could not be reached");
}

#[tokio::test]
async fn a_profile_that_is_named_wins_over_credentials_in_variables() {
    let mut profiles = tempfile::NamedTempFile::new().expect("a temporary file");
    let [_, (_, id), (_, secret)] = credentials()[..] else { panic!("Region, id, secret") };
    write!(profiles, "[ours]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n").expect("room");
    let stage = Stage::new(&[]);
    let file = profiles.path().to_str().expect("UTF-8");
    let env = [("AWS_SHARED_CREDENTIALS_FILE", file), ("AWS_ACCESS_KEY_ID", "AKIDANOTHER")];
    let arguments = |profile| ["--queue-url", QUEUE_URL, "--profile", profile];
    assert_end(&stage.run(&arguments("ours"), &env).await, 0, "No events.");
    assert_end(&stage.run(&arguments("absent"), &env).await, 3, "absent");
    assert_eq!(stage.operations(), ["sqs:GetQueueAttributes", "sqs:ReceiveMessage"]);
}

#[tokio::test]
async fn a_region_that_contradicts_the_url_is_a_usage_error() {
    let output = Stage::new(&[]).redrive(&["--region", "us-east-1"]).await;
    assert_end(&output, 2, "error: the queue is in eu-central-1, but --region is us-east-1");
}

#[tokio::test]
async fn the_region_of_the_url_wins_over_that_of_the_environment() {
    let stage = Stage::new(&[]);
    let output = stage.run(&["--queue-url", QUEUE_URL], &[("AWS_REGION", "us-east-1")]).await;
    assert_end(&output, 0, "No events.");
    for operation in stage.operations() {
        assert!(stage.0.regions(&operation).iter().all(|region| region == REGION), "{operation}");
    }
}

#[tokio::test]
async fn color_follows_the_environment() {
    let stage = Stage::of(&valid(1));
    for (more, colored) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let output = stage.run(&["--queue-url", QUEUE_URL], more).await;
        assert_eq!(output.stdout.contains('\u{1b}'), colored, "{more:?}");
    }
}

#[tokio::test]
async fn the_help_explains_the_exit_codes() {
    assert_snapshot!("help", run(&["--help"], &[]).await.stdout);
    assert_snapshot!("help of redrive", run(&["redrive", "--help"], &[]).await.stdout);
    assert_snapshot!("help of hash", run(&["hash", "--help"], &[]).await.stdout);
    assert_eq!(run(&["redrive"], &[]).await.code, Some(2));
    assert_eq!(run(&["redrive", "--queue-url", "failed-events"], &[]).await.code, Some(2));
}
