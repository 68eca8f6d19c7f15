//! `cognito-triggers redrive`, between stand-ins for SQS and Lambda.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_kms::primitives::{DateTime, DateTimeFormat};
use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::trigger::MessageKind;
use tests::canary::assert_absent;
use tests::cli::{Output, credentials, interrupt, run, start};
use tests::cloudformation::{CloudFormation, STACK};
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::lambda::{Lambda, Operation};
use tests::service::Reply;
use tests::sqs::{QUEUE_URL, Sqs};
use tests::sts::Sts;

const EMAIL_SENDER: &str = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-custom-email-sender";
const SMS_SENDER: &str = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-custom-sms-sender";
const ROLE: &str = "arn:aws:iam::123456789012:role/redrive";

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
        event = sealed_event(&event, CODE, "eu-central-1_Example01", SealSuite::Signed0378);
    }
    // As no parser would write it: it has to come out byte for byte.
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
            function: if by_email { EMAIL_SENDER } else { SMS_SENDER },
            age,
            event: event(name),
            condition: "RetriesExhausted",
            response: json!({
                "errorType": "SendFailed",
                "errorMessage": "SES did not take the message: MessageRejected (verify the identity of FROM_ADDRESS)",
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

/// One of each sort.
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
    bodies.push(format!("somebody wrote {EMAIL} here"));
    bodies
}

struct Stage {
    sqs: Sqs,
    lambda: Lambda,
}

impl Stage {
    fn new(bodies: &[String]) -> Self {
        Self::with_hook(bodies, |_| {})
    }

    fn with_hook(bodies: &[String], when_invoked: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self { sqs: Sqs::start(bodies), lambda: Lambda::start(&[EMAIL_SENDER, SMS_SENDER], when_invoked) }
    }

    fn of(events: &[Failed]) -> Self {
        Self::new(&events.iter().map(Failed::record).collect::<Vec<_>>())
    }

    fn env<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        credentials()
            .into_iter()
            .chain([self.sqs.service.endpoint(), self.lambda.endpoint()])
            .chain(more.iter().copied())
            .collect()
    }

    async fn redrive(&self, arguments: &[&str]) -> Output {
        let arguments = [&["redrive", "--queue-url", QUEUE_URL], arguments].concat();
        let output = run(&arguments, &self.env(&[])).await;
        assert_no_leak(&output);
        output
    }

    /// The events that functions got, in order.
    fn invoked(&self) -> Vec<(String, String)> {
        self.lambda
            .accepted()
            .into_iter()
            .map(|operation| {
                let Operation::Invoke(invocation) = operation else { panic!("{operation:?}") };
                assert_eq!(invocation.invocation_type, "Event");
                (invocation.function, invocation.payload)
            })
            .collect()
    }
}

/// No code, encrypted or not, no person.
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
    assert_eq!(output.code, Some(1), "some cannot be dealt with: {output:?}");
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 80), "{}", output.stdout);
    assert_snapshot!("redrive, dry run", output.stdout);
    let documentation = include_str!("../../docs/operating.md");
    assert!(documentation.contains(&output.stdout), "docs/operating.md shows what is printed");
    assert_eq!(stage.sqs.visible(), bodies);
    assert_eq!(stage.lambda.attempts(), 0);
    assert_eq!(stage.redrive(&[]).await.stdout, output.stdout, "a second time it is the same");
}

#[tokio::test]
async fn a_program_gets_the_same_as_json() {
    let stage = Stage::new(&mixed_bodies());
    let output = stage.redrive(&["--format", "json"]).await;
    assert_eq!(output.code, Some(1));
    let document: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_snapshot!("redrive, dry run, JSON", serde_json::to_string_pretty(&document).expect("JSON"));
}

#[tokio::test]
async fn what_is_valid_is_sent_byte_for_byte_and_what_has_expired_is_deleted() {
    let stage = Stage::new(&mixed_bodies());
    let before = stage.sqs.visible();
    let output = stage.redrive(&["--send"]).await;
    assert_eq!(output.code, Some(1));
    assert_snapshot!("redrive, send", output.stdout);
    // Codes are sealed anew for every body, so the events come from what was in the queue.
    let payloads: Vec<_> = stage.invoked().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads.len(), 4);
    assert!(payloads.iter().all(|payload| before.iter().any(|body| body.contains(payload))));
    let functions: Vec<_> = stage.invoked().into_iter().map(|(function, _)| function).collect();
    assert_eq!(functions, [EMAIL_SENDER, SMS_SENDER, EMAIL_SENDER, SMS_SENDER]);
    assert_eq!(stage.sqs.visible(), before[6..], "the rest is left alone");
    assert_eq!(stage.sqs.hidden(), Vec::<String>::new());

    let again = stage.redrive(&["--send"]).await;
    assert_end(&again, 1, "3 events: 0 sent again, 0 deleted, 3 left alone.");
    assert_eq!(stage.invoked().len(), 4);
}

#[tokio::test]
async fn expired_events_alone_can_be_deleted() {
    let stage = Stage::of(&mixed()[..2]);
    let output = stage.redrive(&["--discard-expired"]).await;
    assert_end(&output, 0, "stays: still valid, --send sends it again");
    assert_end(&output, 0, "2 events: 0 sent again, 1 deleted, 0 left alone.");
    assert_eq!(stage.lambda.attempts(), 0);
    assert_eq!(stage.sqs.visible().len(), 1);
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
            assert_end(&output, 0, "2 events: 1 sent again, 1 deleted, 0 left alone.");
            assert_eq!((stage.invoked().len(), stage.sqs.visible().len()), (1, 0), "{name}");
        }
    }
}

#[tokio::test]
async fn an_invitation_is_sent_however_old_it_is() {
    for name in ["custom-email-sender-admin-create-user", "custom-sms-sender-admin-create-user"] {
        let stage = Stage::of(&[Failed::new(1, name, 13 * 24 * HOUR)]);
        let output = stage.redrive(&["--send"]).await;
        assert_end(&output, 0, "1 event: 1 sent again, 0 deleted, 0 left alone.");
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
    let outputs = [
        ("OnFailureQueueUrl", QUEUE_URL),
        ("RedriveRoleArn", ROLE),
        ("CustomEmailSenderFunctionArn", EMAIL_SENDER),
    ];
    let (stacks, sts) = (CloudFormation::start(&outputs, &[]), Sts::start());
    let env = stage.env(&[stacks.endpoint(), sts.endpoint()]);
    let output = run(&["redrive", "--stack-name", STACK, "--send"], &env).await;
    assert_end(&output, 1, "left alone: its function is none of the stack's senders");
    assert_eq!(stage.invoked().len(), 1);

    let token = |headers: &[(String, String)]| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token"));
        found.map(|(_, token)| token.clone())
    };
    assert!(stacks.calls().iter().all(|call| token(&call.headers).is_none()));
    let to_queue = stage.sqs.service.calls().into_iter().map(|call| call.headers);
    let to_functions = stage.lambda.calls().into_iter().map(|call| call.headers);
    for headers in to_queue.chain(to_functions) {
        assert_eq!(token(&headers).as_deref(), Some(ROLE), "queue and functions are the role's");
    }
    assert_eq!(sts.accepted().len(), 1);

    let output = run(&["redrive", "--stack-name", "another"], &env).await;
    assert_end(&output, 3, "there is no stack another in eu-central-1");
    sts.script([Reply::error(403, "AccessDenied")]);
    let output = run(&["redrive", "--stack-name", STACK], &env).await;
    assert_end(&output, 3, "error: AWS credentials could not be had: ");
    assert!(output.stderr.contains("AccessDenied"), "{output:?}");
}

#[tokio::test]
async fn a_stack_without_senders_is_told_apart() {
    let stage = Stage::new(&[]);
    let stacks = CloudFormation::start(&[], &[]);
    let output = run(&["redrive", "--stack-name", STACK], &stage.env(&[stacks.endpoint()])).await;
    assert_end(&output, 3, "the stack has no output OnFailureQueueUrl: it deploys no sender");
}

#[tokio::test]
async fn an_event_that_is_there_twice_is_sent_once() {
    let once = Failed::new(1, "custom-email-sender-sign-up", MINUTE);
    let other = Failed::new(2, "custom-email-sender-sign-up", MINUTE);
    for (arguments, sent) in [(&[][..], 0), (&["--send"], 2)] {
        let stage = Stage::of(&[once.clone(), other.clone(), once.clone()]);
        let output = stage.redrive(arguments).await;
        assert_end(&output, 0, "deleted: the same event once more");
        assert_eq!(stage.invoked().len(), sent);
    }
}

#[tokio::test]
async fn a_long_queue_is_read_to_its_end_or_to_the_limit() {
    let stage = Stage::of(&valid(25));
    assert_end(&stage.redrive(&[]).await, 0, "25 events: 25 would be sent again");
    let output = stage.redrive(&["--limit", "12", "--send"]).await;
    assert_end(&output, 0, "12 events: 12 sent again, 0 deleted, 0 left alone. There may be more");
    assert_eq!((stage.sqs.visible().len(), stage.sqs.hidden().len()), (13, 0));
}

#[tokio::test]
async fn an_empty_queue_is_said_to_be_empty() {
    assert_end(&Stage::new(&[]).redrive(&["--send"]).await, 0, "No events.");
}

#[tokio::test]
async fn throttling_ends_the_command_with_everything_in_its_place() {
    let stage = Stage::of(&valid(3));
    stage.lambda.script([Reply::Ok]);
    stage.lambda.script(vec![Reply::error(429, "TooManyRequestsException"); 3]);
    let output = stage.redrive(&["--send"]).await;
    assert_end(&output, 4, "1 event: 1 sent again");
    assert_end(
        &output,
        4,
        "error: Lambda asks for a slower pace (lambda:InvokeFunction): run the command again",
    );
    assert_eq!((stage.sqs.visible().len(), stage.sqs.hidden().len()), (2, 0));
    assert_end(&stage.redrive(&["--send"]).await, 0, "2 events: 2 sent again");
}

#[tokio::test]
async fn a_function_that_is_gone_keeps_nobody_else_waiting() {
    let mut events = valid(2);
    events[0].function = "arn:aws:lambda:eu-central-1:123456789012:function:gone";
    let stage = Stage::of(&events);
    let output = stage.redrive(&["--send"]).await;
    assert_end(&output, 1, "left alone: Lambda does not know its function");
    assert_eq!((stage.invoked().len(), stage.sqs.visible().len()), (1, 1));
}

#[tokio::test]
async fn killed_between_sending_and_deleting_nothing_is_lost() {
    let stage = Stage::of(&valid(2));
    // Facts, receive, delete.
    stage.sqs.service.script([Reply::Ok, Reply::Ok, Reply::Hang]);
    let env = stage.env(&[]);
    let running = start(&["redrive", "--queue-url", QUEUE_URL, "--send"], &env, "");
    let deleting = async {
        while !stage.sqs.operations().contains(&"DeleteMessage".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), deleting).await.expect("it gets there");
    assert_no_leak(&running.kill().await);
    assert_eq!((stage.invoked().len(), stage.sqs.hidden().len()), (1, 2));

    assert_end(&stage.redrive(&[]).await, 0, "Some 2 more were hidden when this began");
    stage.sqs.wait_for_visibility();
    assert_end(&stage.redrive(&["--send"]).await, 0, "2 events: 2 sent again");
    let events: Vec<_> = stage.invoked().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0], events[1], "the senders' record of deliveries makes one message of the two");
    assert_eq!(stage.sqs.visible().len() + stage.sqs.hidden().len(), 0);
}

#[tokio::test]
async fn ctrl_c_ends_the_command_after_the_event_at_hand() {
    let pid = Arc::new(AtomicI32::new(0));
    let bodies: Vec<_> = valid(3).iter().map(Failed::record).collect();
    let stage = Stage::with_hook(&bodies, {
        let pid = Arc::clone(&pid);
        move |_| interrupt(pid.load(Ordering::SeqCst))
    });
    let env = stage.env(&[]);
    let running = start(&["redrive", "--queue-url", QUEUE_URL, "--send"], &env, "");
    // The stand-in runs on this thread, so the tool cannot get there before.
    pid.store(running.pid(), Ordering::SeqCst);
    let output = running.end().await;
    assert_no_leak(&output);
    assert_end(&output, 130, "1 event: 1 sent again, 0 deleted, 0 left alone. There may be more");
    assert_eq!((stage.sqs.visible().len(), stage.sqs.hidden().len()), (2, 0));
}

#[tokio::test]
async fn what_was_sent_but_not_deleted_is_said() {
    let stage = Stage::of(&valid(1));
    stage.sqs.service.script([Reply::Ok, Reply::Ok, Reply::error(403, "AccessDenied")]);
    let output = stage.redrive(&["--send"]).await;
    assert_end(&output, 3, "was sent again, but is still in the queue");
    assert_end(&output, 3, "these credentials may not do sqs:DeleteMessage in eu-central-1");
}

#[tokio::test]
async fn what_aws_refuses_is_said_in_plain_words() {
    for (replies, words) in [
        (
            vec![Reply::error(403, "AccessDenied")],
            "these credentials may not do sqs:GetQueueAttributes in eu-central-1. SQS says AccessDenied",
        ),
        (
            vec![Reply::Ok, Reply::error(403, "AccessDenied")],
            "these credentials may not do sqs:ReceiveMessage in eu-central-1",
        ),
        (vec![Reply::error(403, "ExpiredToken")], "the credentials have expired: sign in again"),
        (vec![Reply::error(403, "InvalidClientTokenId")], "AWS does not know these credentials"),
        (
            vec![Reply::error(400, "AWS.SimpleQueueService.NonExistentQueue")],
            "SQS in eu-central-1 does not know it",
        ),
        (vec![Reply::Garbage; 3], "SQS in eu-central-1 gave an answer that is not one of SQS's"),
        (vec![Reply::Status { code: 429, aws_error_code: None, body: String::new() }; 3], "a slower pace"),
    ] {
        let stage = Stage::of(&valid(1));
        stage.sqs.service.script(replies);
        let output = stage.redrive(&[]).await;
        assert_end(&output, if words == "a slower pace" { 4 } else { 3 }, words);
        assert_eq!(stage.sqs.visible().len(), 1);
    }
    let stage = Stage::of(&valid(1));
    stage.lambda.script([Reply::error(403, "AccessDeniedException")]);
    assert_end(&stage.redrive(&["--send"]).await, 3, "these credentials may not do lambda:InvokeFunction");
    assert_eq!(stage.sqs.visible().len(), 1);
}

#[tokio::test]
async fn without_credentials_region_or_network_it_says_so() {
    let arguments = ["redrive", "--queue-url", QUEUE_URL];
    let output = run(&arguments, &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]).await;
    assert_end(&output, 3, "error: there are no AWS credentials: name a profile with --profile");
    let somewhere = "https://queue.example/123456789012/failed-events";
    let env: Vec<_> = credentials().into_iter().filter(|(name, _)| *name != "AWS_REGION").collect();
    let output = run(&["redrive", "--queue-url", somewhere], &env).await;
    assert_end(&output, 3, "error: no AWS Region is set: give --region");
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
    let env = stage.env(&[("AWS_SHARED_CREDENTIALS_FILE", file), ("AWS_ACCESS_KEY_ID", "AKIDANOTHER")]);
    let arguments = ["redrive", "--queue-url", QUEUE_URL, "--profile"];
    assert_end(&run(&[&arguments[..], &["ours"]].concat(), &env).await, 0, "No events.");
    let output = run(&[&arguments[..], &["absent"]].concat(), &env).await;
    assert_end(&output, 3, "absent");
    assert_eq!(stage.sqs.operations(), ["GetQueueAttributes", "ReceiveMessage"]);
}

#[tokio::test]
async fn a_region_that_contradicts_the_url_is_a_wrong_command() {
    let output = Stage::new(&[]).redrive(&["--region", "us-east-1"]).await;
    assert_end(&output, 2, "error: the queue is in eu-central-1, but --region says us-east-1");
}

#[tokio::test]
async fn the_region_of_the_url_wins_over_that_of_the_environment() {
    let stage = Stage::new(&[]);
    let env = stage.env(&[("AWS_REGION", "us-east-1")]);
    assert_end(&run(&["redrive", "--queue-url", QUEUE_URL], &env).await, 0, "No events.");
    let authorization = |headers: &[(String, String)]| {
        headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone())
    };
    for call in stage.sqs.service.calls() {
        assert!(authorization(&call.headers).is_some_and(|value| value.contains("/eu-central-1/sqs/")));
    }
}

#[tokio::test]
async fn colours_appear_where_they_are_wanted_only() {
    let stage = Stage::of(&valid(1));
    let arguments = ["redrive", "--queue-url", QUEUE_URL];
    for (more, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let output = run(&arguments, &stage.env(more)).await;
        assert_eq!(output.stdout.contains('\u{1b}'), coloured, "{more:?}");
    }
}

#[tokio::test]
async fn the_help_says_what_the_exit_codes_mean() {
    assert_snapshot!("help", run(&["--help"], &[]).await.stdout);
    assert_snapshot!("help of redrive", run(&["redrive", "--help"], &[]).await.stdout);
    assert_snapshot!("help of hash", run(&["hash", "--help"], &[]).await.stdout);
    assert_eq!(run(&["redrive"], &[]).await.code, Some(2));
    assert_eq!(run(&["redrive", "--queue-url", "failed-events"], &[]).await.code, Some(2));
}
