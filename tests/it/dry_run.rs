//! A dry run of a sender does everything except claiming, counting and sending. Its answer says what would happen to the
//! message.

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use shared::outcome::ErrorType;
use tests::canary::assert_absent;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{Function, Init, Invocation};
use tests::service::Reply;

use crate::fixtures::settings;
use crate::watched::{BY_END_USER_MESSAGING, Services};

const POOL: &str = "eu-central-1_Example01";
const CODE: &str = "51820364";
const EMAIL: &str = "canary.email@example.com";
const PHONE: &str = "+12065550177";

const SECRETS: [(&str, &str); 4] = [
    ("the code", CODE),
    ("the address", EMAIL),
    ("the number", PHONE),
    ("the number without its plus", "12065550177"),
];

const SENDERS: [&str; 2] = ["custom-email-sender", "custom-sms-sender"];

/// A sender with every service that it calls.
struct Stage {
    services: Services,
    function: Function,
}

impl Stage {
    fn start(function: &str, more: &[(&str, &str)]) -> Self {
        let services = Services::start();
        let environment: Vec<_> = settings(function)
            .into_iter()
            .chain(services.environment())
            .chain(more.iter().copied())
            .collect();
        let function = Function::start(function, &environment);
        Self { services, function }
    }

    /// What the dry run of an event found out. Checks that nothing was claimed, counted, sent or revealed.
    async fn dry_run(&self, event: &Value) -> Value {
        assert_eq!(self.function.init_outcome().await, Init::Ready);
        let printed = self.function.stdout().len();
        let Invocation::Ok(answer) = self.function.invoke(event.to_string()).await else {
            panic!("a dry run always answers: {}", self.function.stdout());
        };
        let answer = String::from_utf8(answer).expect("UTF-8");
        let logged = self.function.stdout()[printed..].to_owned();
        assert_eq!(self.services.messages(), Vec::<String>::new(), "nothing is sent");
        assert_eq!(self.services.dynamodb.attempts(), 0, "nothing is claimed or counted");
        assert_eq!(logged.lines().count(), 1, "one line, and none of metrics: {logged}");
        assert!(logged.contains("dry run, nothing is sent: "), "{logged}");
        assert_absent(&SECRETS, &answer);
        assert_absent(&SECRETS, &logged);
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1));
        answer["dryRun"].take()
    }
}

/// An event with canaries that asks for a dry run.
fn event(function: &str, case: &str) -> Value {
    let mut event = fixture(&format!("{function}-{case}"));
    let attributes = &mut event["request"]["userAttributes"];
    for (name, value) in [("email", EMAIL), ("phone_number", PHONE)] {
        if attributes.get(name).is_some() {
            attributes[name] = json!(value);
        }
    }
    if event["request"]["code"].is_string() {
        event = sealed_event(&event, CODE, POOL, SealSuite::Signed0378);
    }
    event["dryRun"] = json!(true);
    event
}

#[tokio::test]
async fn a_dry_run_says_how_the_message_would_be_sent() {
    for function in SENDERS {
        let stage = Stage::start(function, &[]);
        for case in ["sign-up", "admin-create-user"] {
            let found = stage.dry_run(&event(function, case)).await;
            assert_json_snapshot!(format!("dry run, {function}, {case}"), found);
        }
        assert_eq!(stage.services.kms.accepted().len(), 2, "the code is decrypted for real");
    }
    let stage = Stage::start("custom-sms-sender", &BY_END_USER_MESSAGING);
    let found = stage.dry_run(&event("custom-sms-sender", "sign-up")).await;
    assert_json_snapshot!("dry run, End User Messaging", found["message"]);
}

#[tokio::test]
async fn a_dry_run_says_why_the_message_would_not_be_sent() {
    let changed = |function: &str, path: &str, value: Value| {
        let mut event = event(function, "sign-up");
        *event.pointer_mut(path).expect("it is there") = value;
        event
    };
    let [email, sms] = SENDERS;
    let attribute = |name: &str| format!("/request/userAttributes/{name}");
    let mut reasons = Vec::new();
    for (function, event) in [
        (email, changed(email, &attribute("email"), json!("canary.email@denied.example"))),
        (email, changed(email, &attribute("email"), json!(format!("{EMAIL}, {EMAIL}")))),
        (email, changed(email, &attribute("email"), json!(null))),
        (email, changed(email, "/request/code", json!("bm8gY29kZQ=="))),
        (email, changed(email, "/userPoolId", json!("eu-central-1_Example02"))),
        (email, changed(email, "/triggerSource", json!("CustomEmailSender_Future"))),
        (email, event(email, "account-take-over-notification")),
        (sms, changed(sms, &attribute("phone_number"), json!("+33612345678"))),
        (sms, changed(sms, &attribute("phone_number"), json!("+19005550177"))),
        (sms, event(sms, "account-take-over-notification")),
    ] {
        let found = Stage::start(function, &[]).dry_run(&event).await;
        assert_eq!(found["wouldSend"], false);
        reasons.push(json!([found["errorType"], found["reason"]]));
    }
    assert_json_snapshot!(reasons);
}

#[tokio::test]
async fn a_dry_run_finds_a_missing_permission_for_the_key() {
    for function in SENDERS {
        let stage = Stage::start(function, &[]);
        stage.services.kms.script([Reply::error(400, "AccessDeniedException")]);
        let found = stage.dry_run(&event(function, "sign-up")).await;
        assert_eq!(found["errorType"], ErrorType::DecryptionFailed.name());
        assert!(found["reason"].as_str().is_some_and(|reason| reason.contains("AccessDenied")), "{found}");
    }
}

#[tokio::test]
async fn a_dry_run_says_which_template_overrides_are_used_and_which_are_broken() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("written");
        std::fs::write(path, text).expect("written");
    };
    file("en/sign-up/sms.txt", "{{ brand }} says {{ code }}");
    file("en/forgot-password/sms.txt", "no code");
    let folder = folder.path().to_str().expect("UTF-8");
    let stage = Stage::start("custom-sms-sender", &[("TEMPLATES_DIR", folder)]);
    let own = stage.dry_run(&event("custom-sms-sender", "sign-up")).await;
    let dropped = stage.dry_run(&event("custom-sms-sender", "forgot-password")).await;
    assert_eq!((&own["overridden"], &dropped["overridden"]), (&json!(true), &json!(false)));
    let problem = "template `en/forgot-password/sms.txt` must insert code exactly once in the body and not in the subject";
    assert_eq!(own["templateProblems"], json!([problem]));
    assert_eq!(own["message"]["characters"], "Acme says 51820364".len());
}

#[tokio::test]
async fn a_dry_run_leaves_the_message_for_the_real_run() {
    for function in SENDERS {
        let stage = Stage::start(function, &[]);
        let mut event = event(function, "sign-up");
        assert_eq!(stage.dry_run(&event).await["wouldSend"], true);
        event["dryRun"] = json!(false);
        assert_eq!(stage.function.invoke(event.to_string()).await.json(), event);
        assert_eq!(stage.services.messages().len(), 1, "the same code is sent by the real run");
    }
}

#[tokio::test]
async fn a_malformed_dry_run_sends_nothing() {
    for function in SENDERS {
        let stage = Stage::start(function, &[]);
        for value in [json!("true"), json!(1), json!({}), json!([true]), json!("")] {
            let mut event = event(function, "sign-up");
            event["dryRun"] = value;
            let answer = stage.function.invoke(event.to_string()).await;
            assert_eq!(
                answer.error_message(),
                "malformed event: the event's `dryRun` is not `true` or `false`"
            );
        }
        assert_eq!(stage.services.messages(), Vec::<String>::new());
        assert_eq!(stage.services.dynamodb.attempts(), 0);
    }
}

#[tokio::test]
async fn a_client_of_cognito_cannot_ask_for_a_dry_run() {
    for function in SENDERS {
        let stage = Stage::start(function, &[]);
        let mut event = event(function, "sign-up");
        event.as_object_mut().expect("an object").shift_remove("dryRun");
        // A client of Cognito can set only these.
        event["request"]["dryRun"] = json!(true);
        event["request"]["clientMetadata"] = json!({ "dryRun": "true" });
        event["request"]["userAttributes"]["dryRun"] = json!("true");
        assert_eq!(stage.function.invoke(event.to_string()).await.json(), event);
        assert_eq!(stage.services.messages().len(), 1);
    }
}
