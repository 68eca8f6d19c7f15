//! No code, password, address or number reaches a log, an error or a panic, whatever the event and the faults are.

use serde_json::{Value, json};
use tests::canary::assert_absent;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{Function, Invocation};
use tests::kms::{KEY_ARN, Kms};
use tests::service::Reply;
use tests::ses::Ses;
use tests::sns::Sns;

use crate::fixtures::{names, settings};

const FUNCTIONS: [&str; 4] = ["pre-sign-up", "custom-message", "custom-email-sender", "custom-sms-sender"];

const CODE: &str = "canary-code-518203";
const EMAIL: &str = "canary.email@example.com";
const PHONE: &str = "+12065550177";
const NAME: &str = "canary-name-Zebedee";

/// What must never be written down.
const SECRETS: [(&str, &str); 8] = [
    ("the code", CODE),
    ("the address", EMAIL),
    ("the number", PHONE),
    ("the number without its plus", "12065550177"),
    ("the name", NAME),
    ("an address of a fixture", "ann.example@"),
    ("a new address of a fixture", "ann.new@"),
    ("the number of the fixtures", "2065550123"),
];

/// An event file with canaries in every attribute, and in the code if it has one.
fn with_canaries(name: &str) -> Value {
    let mut event = fixture(name);
    let attributes = &mut event["request"]["userAttributes"];
    for (attribute, value) in [
        ("email", EMAIL),
        ("phone_number", PHONE),
        ("name", NAME),
        ("address", NAME),
        ("custom:note", NAME),
        ("FEEDBACK_TOKEN", NAME),
        ("ONE_CLICK_LINK_VALID", NAME),
        ("EVENT_ID", NAME),
    ] {
        attributes[attribute] = json!(value);
    }
    event["userName"] = json!(NAME);
    event["request"]["clientMetadata"] = json!({ "locale": NAME, "note": EMAIL });
    event["request"]["validationData"] = json!({ "note": NAME });
    if event["request"]["code"].is_string() {
        event = sealed_event(&event, CODE, "eu-central-1_Example01", SealSuite::Signed0378);
    }
    event
}

/// The same event, broken in one place after the other.
fn malformed(event: &Value) -> Vec<Value> {
    let values =
        [json!(null), json!([EMAIL, PHONE]), json!({ NAME: CODE }), json!(EMAIL), json!(CODE), json!(7)];
    let paths = [
        "/request",
        "/response",
        "/userPoolId",
        "/userName",
        "/request/userAttributes",
        "/request/code",
        "/request/codeParameter",
        "/request/clientMetadata",
        "/request/userAttributes/email",
        "/request/userAttributes/phone_number",
        "/request/userAttributes/locale",
    ];
    let mut events = Vec::new();
    for path in paths {
        for value in &values {
            let mut event = event.clone();
            if let Some(place) = event.pointer_mut(path) {
                *place = value.clone();
                events.push(event);
            }
        }
    }
    events
}

/// Every log level variable as far open as it goes.
const LEVELS: [(&str, &str); 3] =
    [("RUST_LOG", "trace"), ("AWS_LAMBDA_LOG_LEVEL", "TRACE"), ("LOG_LEVEL", "debug")];

struct Watched {
    function: Function,
    kms: Kms,
    ses: Ses,
    sns: Sns,
    answers: Vec<String>,
}

impl Watched {
    fn start(name: &str) -> Self {
        let (kms, ses, sns) = (Kms::start(KEY_ARN, None), Ses::start(None), Sns::start(None));
        let environment: Vec<_> = settings(name)
            .into_iter()
            .chain(LEVELS)
            .chain([kms.endpoint(), ses.endpoint(), sns.endpoint()])
            .collect();
        let function = Function::start(name, &environment);
        Self { function, kms, ses, sns, answers: Vec::new() }
    }

    async fn invoke(&mut self, event: &Value) {
        match self.function.invoke(event.to_string()).await {
            // An answer echoes the event, as Cognito asks: it goes to nobody else.
            Invocation::Ok(_) => {}
            other => self.answers.push(format!("{other:?}")),
        }
    }

    async fn assert_nothing_leaked(self) {
        let output = self.function.stop().await;
        assert!(output.stdout.lines().count() > 3, "the function logs: {}", output.stdout);
        assert_absent(&SECRETS, &output.stdout);
        assert_absent(&SECRETS, &output.stderr);
        assert_absent(&SECRETS, &self.answers.join("\n"));
    }
}

#[tokio::test]
async fn no_event_leaks_valid_or_malformed() {
    for function in FUNCTIONS {
        let mut watched = Watched::start(function);
        for name in names(function) {
            watched.invoke(&fixture(&name)).await;
            watched.invoke(&with_canaries(&name)).await;
        }
        let plain = match function {
            "pre-sign-up" => "pre-sign-up-trusted-with-phone".to_owned(),
            other => format!("{other}-sign-up"),
        };
        for event in malformed(&with_canaries(&plain)) {
            watched.invoke(&event).await;
        }
        watched.assert_nothing_leaked().await;
    }
}

#[tokio::test]
async fn no_fault_of_a_service_leaks() {
    // Services quote what they were sent.
    let quoting = |code: u16, name: &str| Reply::Status {
        code,
        aws_error_code: Some(name.to_owned()),
        body: json!({ "message": format!("{EMAIL} {PHONE} {CODE} {NAME}"), "__type": name }).to_string(),
    };
    for function in ["custom-email-sender", "custom-sms-sender"] {
        for reply in [
            quoting(400, "MessageRejected"),
            quoting(400, "BadRequestException"),
            quoting(400, EMAIL),
            quoting(403, "AccessDeniedException"),
            quoting(500, "InternalFailure"),
            crate::custom_sms_sender::refusal("InvalidParameter", &format!("{EMAIL} {PHONE} {CODE} {NAME}")),
            crate::custom_sms_sender::refusal(PHONE, "Invalid parameter: PhoneNumber"),
            Reply::ResetBefore,
            Reply::ResetAfter,
            Reply::Garbage,
        ] {
            for kms in [true, false] {
                let mut watched = Watched::start(function);
                let replies = std::iter::repeat_n(reply.clone(), 4);
                if kms {
                    watched.kms.script(replies);
                } else {
                    watched.ses.script(replies.clone());
                    watched.sns.script(replies);
                }
                for name in ["sign-up", "admin-create-user", "authentication", "sign-up-german"] {
                    watched.invoke(&with_canaries(&format!("{function}-{name}"))).await;
                }
                watched.assert_nothing_leaked().await;
            }
        }
    }
}

#[tokio::test]
async fn a_clear_code_reaches_the_recipient_and_nobody_else() {
    let mut watched = Watched::start("custom-email-sender");
    watched.invoke(&with_canaries("custom-email-sender-sign-up")).await;
    let sent = watched.ses.accepted();
    assert!(sent[0].to_string().contains(CODE), "the canary is really in play");
    for call in watched.kms.accepted() {
        assert_absent(&SECRETS, &call.to_string());
    }
}
