//! `cognito-triggers smoke` and `invoke`: the real tool, and the real functions behind the mock of Lambda.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::canary::assert_absent;
use tests::cli::Output;
use tests::function::{Function, Invocation};
use tests::metrics::{Emf, parse};
use tests::mock_aws::{
    CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, CUSTOM_SMS_SENDER, MockAws, PRE_SIGN_UP, SENDER, STACK,
    function_name, variables,
};
use tests::service::Reply;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::watched::Services;

const OPERATING: &str = include_str!("../../docs/operating.md");

/// A deployed stack: the functions run, with the variables that the mock of Lambda returns.
pub(crate) struct Deployment {
    pub(crate) world: MockAws,
    services: Services,
    functions: Running,
}

type Running = Arc<BTreeMap<&'static str, Function>>;

impl Deployment {
    /// With these variables changed, each of one function.
    pub(crate) fn start(changes: &[(&'static str, &'static str, &str)]) -> Self {
        let (world, services) = (MockAws::start(), Services::start());
        let functions = [
            (PRE_SIGN_UP, "pre-sign-up"),
            (CUSTOM_MESSAGE, "custom-message"),
            (CUSTOM_EMAIL_SENDER, "custom-email-sender"),
            (CUSTOM_SMS_SENDER, "custom-sms-sender"),
        ];
        let functions = functions.map(|(arn, name)| {
            let mut environment: BTreeMap<_, _> =
                variables(arn).map(|(name, value)| (name, value.to_owned())).collect();
            for (_, name, value) in changes.iter().filter(|(of, _, _)| *of == arn) {
                world.set_variable(arn, name, Some(value));
                environment.insert(name, (*value).to_owned());
            }
            let environment: Vec<_> = environment
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .chain(services.environment())
                .collect();
            (arn, Function::start(name, &environment))
        });
        let functions: Running = Arc::new(functions.into());
        let running = Arc::clone(&functions);
        world.answer_with("lambda:Invoke", move |request| invoked(&running, request));
        Self { world, services, functions }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.world.run(&[arguments, &["--stack-name", STACK]].concat()).await
    }

    /// The metrics that all functions wrote.
    fn metrics(&self) -> Vec<Emf> {
        self.functions.values().flat_map(|function| parse(&function.stdout())).collect()
    }

    /// The messages that SES and SNS accepted, as texts.
    fn sent(&self) -> Vec<String> {
        self.services.messages()
    }
}

/// What Lambda answers when the function runs.
fn invoked(functions: &Running, request: &Value) -> Value {
    let function = &functions[request["FunctionName"].as_str().expect("a name")];
    let event = request["Payload"].as_str().expect("an event").to_owned();
    // The mock of AWS waits for this function, so the function uses other mocks of KMS, SES and SNS.
    let (outcome, log) = block_in_place(|| {
        Handle::current().block_on(async {
            let _ = function.init_outcome().await;
            let printed = function.stdout().len();
            let outcome = function.invoke(event).await;
            (outcome, function.stdout()[printed..].to_owned())
        })
    });
    let answer = |payload: &[u8]| {
        json!({
            "StatusCode": 200,
            "ExecutedVersion": "$LATEST",
            "LogResult": STANDARD.encode(log),
            "Payload": serde_json::from_slice::<Value>(payload).expect("JSON"),
        })
    };
    match outcome {
        Invocation::Ok(payload) => answer(&payload),
        Invocation::Err { raw, .. } => {
            let mut answer = answer(&raw);
            answer["FunctionError"] = json!("Unhandled");
            answer
        }
        Invocation::Exited(_) | Invocation::TimedOut => {
            let report = json!({ "errorType": "Runtime.ExitError", "errorMessage": "RequestId: 1 Error" });
            json!({ "StatusCode": 200, "FunctionError": "Unhandled", "Payload": report })
        }
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// No address, no number, no code, not even an encrypted one, is in what was printed.
#[track_caller]
fn assert_nothing_shown(output: &Output) {
    let secrets = [
        ("the number", "2065550123"),
        ("the address of the sender", SENDER),
        ("the message of a code", "AYADe"),
    ];
    for printed in [&output.stdout, &output.stderr] {
        assert!(!printed.contains('@'), "an address is in {printed}");
        assert_absent(&secrets, printed);
    }
}

#[track_caller]
fn assert_found(output: &Output, proofs: &[&str]) {
    assert_eq!(output.code, Some(1), "{output:?}");
    for proof in proofs {
        assert!(words(&output.stdout).contains(&words(proof)), "{proof} is not in {}", output.stdout);
    }
    assert_nothing_shown(output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_deployment_is_tested_without_a_message_or_a_metric() {
    let stage = Deployment::start(&[]);
    let output = stage.run(&["smoke"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}", output.stdout);
    assert_snapshot!("smoke", output.stdout);
    assert!(OPERATING.contains(&output.stdout), "docs/operating.md shows what is printed");
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 80), "{}", output.stdout);
    assert_nothing_shown(&output);
    assert_eq!(stage.sent(), Vec::<String>::new());
    assert_eq!(stage.services.dynamodb.attempts(), 0);
    assert_eq!(stage.metrics(), [], "nothing is counted as traffic");
    // Every code is bound to the whole context, the pool and the public key.
    for request in stage.world.asked("kms:GenerateDataKey") {
        let context = request["EncryptionContext"].as_object().expect("a context");
        assert_eq!(context.keys().collect::<Vec<_>>().len(), 2, "{context:?}");
        assert!(context.contains_key("userpool-id") && context.contains_key("aws-crypto-public-key"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_is_tested_on_request() {
    let stage = Deployment::start(&[]);
    let output = stage.run(&["smoke", "--all-locales", "--format", "json"]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    let report: Value = serde_json::from_str(&output.stdout).expect("one document");
    let proofs = report["proofs"].as_array().expect("proofs");
    for function in ["custom-message", "custom-email-sender", "custom-sms-sender"] {
        for locale in ["de", "en", "ja"] {
            let of = |proof: &&Value| {
                proof["of"] == function
                    && proof["result"] == "ok"
                    && proof["what"].as_str().is_some_and(|what| what.ends_with(&format!(" in {locale}")))
            };
            assert_eq!(proofs.iter().filter(of).count(), 7, "{function} in {locale}");
        }
    }
    assert_eq!((&report["failed"], &report["unknown"]), (&json!(0), &json!(0)));
    assert_eq!(report["ok"], proofs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_real_email_goes_to_the_mailbox_simulator_on_request() {
    let stage = Deployment::start(&[]);
    let output = stage.run(&["smoke", "--send"]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("ok       a real email to the mailbox simulator: SES accepted it"));
    assert!(
        words(&output.stderr).starts_with("note: no SMS is sent, because SNS has no simulator"),
        "{output:?}"
    );
    let sent = stage.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].contains("\"success+smoke@simulator.amazonses.com\""), "{sent:?}");
    let refused = Deployment::start(&[]);
    refused.services.ses.script([Reply::error(403, "AccessDeniedException")]);
    let output = refused.run(&["smoke", "--send"]).await;
    assert_found(&output, &["failed a real email to the mailbox simulator: SendFailed: SES did not accept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_may_not_use_the_key_is_found() {
    let stage = Deployment::start(&[]);
    let refusals = || (0..50).map(|_| Reply::error(400, "AccessDeniedException"));
    stage.services.kms.script(refusals());
    let output = stage.run(&["smoke"]).await;
    assert_found(
        &output,
        &[
            "custom-email-sender failed sign-up in en: DecryptionFailed: KMS did not decrypt the code: \
           AccessDeniedException",
            "failed resend-code in en: the same cause",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_another_key_is_found() {
    let other = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555";
    let stage = Deployment::start(&[(CUSTOM_SMS_SENDER, "CODE_KEY_ARN", other)]);
    let output = stage.run(&["smoke"]).await;
    assert_found(
        &output,
        &[
            "custom-sms-sender failed sign-up in en: DecryptionFailed: the code is encrypted with another key \
             than CODE_KEY_ARN",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_template_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("en/sign-up");
    std::fs::create_dir_all(&path).expect("a folder");
    std::fs::write(path.join("email.txt"), "no code").expect("a file");
    let folder = folder.path().to_str().expect("UTF-8");
    let stage = Deployment::start(&[(CUSTOM_EMAIL_SENDER, "TEMPLATES_DIR", folder)]);
    let output = stage.run(&["smoke"]).await;
    assert_found(
        &output,
        &[
            "custom-email-sender failed sign-up in en: template `en/sign-up/email.txt` must insert code exactly \
           once in the body and not in the subject, so the built-in template is used",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_cognito_would_reject_is_found() {
    let brand = "A brand name of many words, as long as they let it be, 64 letters";
    let brand = &brand[..64];
    let stage = Deployment::start(&[(CUSTOM_MESSAGE, "BRAND_NAME", brand)]);
    let output = stage.run(&["smoke", "--all-locales"]).await;
    assert_found(&output, &["it did not set smsMessage, so Cognito sends its own text: `smsMessage` has"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_does_not_start_is_found() {
    let stage = Deployment::start(&[
        (CUSTOM_EMAIL_SENDER, "FROM_ADDRESS", ""),
        (PRE_SIGN_UP, "SIGN_UP_MODE", "half-open"),
    ]);
    let output = stage.run(&["smoke"]).await;
    assert_found(
        &output,
        &[
            "pre-sign-up unknown domains of its lists: SIGN_UP_MODE (parameter SignUpMode) must be `open`",
            "failed an unlisted domain, smoke-test.example: its process exited",
            "custom-email-sender failed it supports dry runs: the function failed: its process exited",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_may_not_send_is_found() {
    let stage = Deployment::start(&[]);
    stage.world.answer_with("ses:GetEmailIdentity", |request| match request["EmailIdentity"].as_str() {
        Some("shop.example") => Ok(json!({ "IdentityType": "DOMAIN", "VerifiedForSendingStatus": false })),
        _ => Err(Reply::error(404, "NotFoundException")),
    });
    stage.world.change("ses:GetAccount", |answer| answer["SendingEnabled"] = json!(false));
    let output = stage.run(&["smoke"]).await;
    assert_found(
        &output,
        &[
            "failed sending through SES in eu-central-1: sending is paused",
            "failed its identity in SES in eu-central-1: the domain shop.example is not verified for sending yet",
        ],
    );
    stage.world.refuse("ses:GetEmailIdentity", 404, "NotFoundException");
    stage.world.refuse("ses:GetConfigurationSet", 404, "NotFoundException");
    let output = stage.run(&["smoke"]).await;
    assert_found(
        &output,
        &[
            "neither the address of FROM_ADDRESS nor its domain is an identity in eu-central-1: verify the domain \
           with `aws sesv2 create-email-identity --region eu-central-1 --email-identity shop.example`",
            "failed its configuration set codes in eu-central-1: no configuration set with this name exists in eu-central-1",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_is_named_and_the_other_steps_run() {
    for (operation, said, goes_on) in [
        (
            "kms:GenerateDataKey",
            "unknown encrypting a code with its key: these credentials lack the permission kms:GenerateDataKey",
            "ok forgot-password in en",
        ),
        ("ses:GetAccount", "these credentials lack the permission ses:GetAccount", "ok its identity in SES"),
        (
            "ses:GetEmailIdentity",
            "these credentials lack the permission ses:GetEmailIdentity",
            "ok sending through SES",
        ),
        (
            "ses:GetConfigurationSet",
            "these credentials lack the permission ses:GetConfigurationSet",
            "ok its identity in SES",
        ),
        ("lambda:Invoke", "these credentials lack the permission lambda:InvokeFunction", "0 failed"),
        (
            "lambda:GetFunctionConfiguration",
            "unknown its settings: these credentials lack the permission lambda:GetFunctionConfiguration",
            "ok an unlisted domain, smoke-test.example: unchanged",
        ),
    ] {
        let stage = Deployment::start(&[]);
        stage.world.refuse(operation, 403, "AccessDeniedException");
        let output = stage.run(&["smoke"]).await;
        assert_found(&output, &[said, goes_on]);
        assert!(words(&output.stdout).contains(", 0 failed, "), "{}", output.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_without_dry_runs_gets_no_code() {
    let world = MockAws::start();
    // A sender of an older version returns the event.
    let output = world.run(&["smoke", "--stack-name", STACK]).await;
    assert_found(
        &output,
        &[
            "failed it supports dry runs: the function is not a sender of this project, or its version doesn't support dry runs",
        ],
    );
    let arguments = ["invoke", "CustomEmailSender_SignUp", "--stack-name", STACK];
    let output = world.run(&arguments).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    for request in world.asked("lambda:Invoke") {
        let event: Value =
            serde_json::from_str(request["Payload"].as_str().expect("an event")).expect("JSON");
        assert!(event["request"]["code"].is_null(), "an event without a message");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_the_dry_runs_is_of_an_allowed_country() {
    let stage = Deployment::start(&[(CUSTOM_SMS_SENDER, "SMS_ALLOWED_COUNTRIES", "DE")]);
    let output = stage.run(&["smoke"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let output = stage.run(&["smoke", "--phone", "+12065550123"]).await;
    assert_found(
        &output,
        &[
            "failed sign-up in en: the number is in US, which is not in SMS_ALLOWED_COUNTRIES (parameter SmsAllowedCountries)",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_sent_and_the_response_shown() {
    let stage = Deployment::start(&[]);
    let output = stage.run(&["invoke", "CustomEmailSender_SignUp", "--locale", "de"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}", output.stdout);
    assert_snapshot!("invoke, dry run", output.stdout);
    assert!(OPERATING.contains(&output.stdout), "docs/operating.md shows what is printed");
    assert_eq!(stage.sent(), Vec::<String>::new());

    let output = stage.run(&["invoke", "PreSignUp_SignUp", "--email", "ann@trusted.example", "--log"]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("\"autoConfirmUser\": true"), "{}", output.stdout);
    let said = "responded. Dry run: the event was not counted.";
    assert!(words(&output.stdout).contains(said), "{}", output.stdout);
    assert!(output.stdout.contains("\"decision\":\"confirm\""), "{}", output.stdout);

    let output = stage.run(&["invoke", "pre-sign-up-sign-up", "--email", "ann@denied.example"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    let name = function_name(PRE_SIGN_UP);
    let said = format!("{name} failed: SignUpRefused: You cannot sign up with this email address");
    assert_eq!(words(&output.stdout), said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_message_event_counts_as_traffic_only_with_send() {
    let stage = Deployment::start(&[]);
    for (arguments, counted) in [(&[][..], 0), (&["--send"], 1)] {
        let output = stage.run(&[&["invoke", "CustomMessage_SignUp"], arguments].concat()).await;
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(output.stdout.contains("\"smsMessage\": "), "{}", output.stdout);
        assert_eq!(stage.metrics().len(), counted, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_sends_a_message_only_with_send() {
    let stage = Deployment::start(&[]);
    let arguments = ["invoke", "CustomSMSSender_SignUp", "--phone", "+12065550177", "--code", "51820364"];
    let output = stage.run(&arguments).await;
    assert_eq!((output.code, stage.sent().len()), (Some(0), 0), "{output:?}");
    assert!(words(&output.stdout).contains("Dry run: nothing was sent."), "{}", output.stdout);
    let output = stage.run(&[&arguments[..], &["--send", "--format", "json"]].concat()).await;
    assert_eq!((output.code, stage.sent().len()), (Some(0), 1), "{output:?}");
    assert!(stage.sent()[0].contains("51820364"), "{:?}", stage.sent());
    let report: Value = serde_json::from_str(&output.stdout).expect("one document");
    assert_eq!((&report["dryRun"], &report["error"]), (&json!(false), &Value::Null));
    assert_absent(&[("the code", "51820364")], &output.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_file_is_a_dry_run_unless_told_otherwise() {
    let stage = Deployment::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("event.json");
    let path = path.to_str().expect("UTF-8");
    let output = stage.run(&["event", "CustomEmailSender_ForgotPassword", "--out", path]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    for (arguments, sent) in [(&[][..], 0), (&["--send"], 1)] {
        let output = stage.run(&[&["invoke", "--event-file", path], arguments].concat()).await;
        assert_eq!((output.code, stage.sent().len()), (Some(0), sent), "{output:?}");
    }
}
