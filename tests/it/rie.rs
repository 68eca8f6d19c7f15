//! The event files in the runtime interface emulator, which is what `sam local invoke` puts into its container.

use serde_json::{Value, json};
use tests::event::fixture;
use tests::function::{Function, Invocation};
use tests::kms::{KEY_ARN, Kms};
use tests::rie::Rie;
use tests::ses::Ses;
use tests::sns::Sns;

use crate::fixtures::{names, settings};

/// The functions that Cognito invokes.
const FUNCTIONS: [&str; 4] = ["pre-sign-up", "custom-message", "custom-email-sender", "custom-sms-sender"];

/// The services that the senders call.
struct Services {
    kms: Kms,
    ses: Ses,
    sns: Sns,
}

impl Services {
    fn start() -> Self {
        Self { kms: Kms::start(KEY_ARN, None), ses: Ses::start(None), sns: Sns::start(None) }
    }

    /// The settings of a function, with the addresses of the services.
    fn environment(&self, function: &str) -> Vec<(&str, &str)> {
        let mut environment = settings(function);
        environment.extend([self.kms.endpoint(), self.ses.endpoint(), self.sns.endpoint()]);
        environment
    }
}

/// An error as the emulator passes it on, without what differs between any two calls.
fn without_request_id(mut answer: Value) -> Value {
    if let Some(answer) = answer.as_object_mut() {
        answer.retain(|name, _| !matches!(name.as_str(), "requestId" | "stackTrace"));
    }
    answer
}

#[tokio::test]
async fn every_event_file_has_the_same_answer_in_the_emulator_of_sam_local_invoke() {
    for function in FUNCTIONS {
        let services = Services::start();
        let environment = services.environment(function);
        let mut emulator = Rie::start(function, &environment);
        let direct = Function::start(function, &environment);
        for name in names(function) {
            let event = fixture(&name).to_string();
            let expected = match direct.invoke(event.as_str()).await {
                Invocation::Ok(body) => serde_json::from_slice(&body).expect("an answer in JSON"),
                Invocation::Err { error_type, error_message, .. } => {
                    json!({ "errorType": error_type, "errorMessage": error_message })
                }
                other => panic!("{name}: {other:?}"),
            };
            let body = emulator.invoke(event.as_bytes()).await;
            let answer: Value = serde_json::from_slice(&body).expect("an answer in JSON");
            assert_eq!(without_request_id(answer), without_request_id(expected), "{name}");
        }
        let (mails, texts) = (services.ses.accepted().len(), services.sns.accepted().len());
        assert_eq!((mails % 2, texts % 2), (0, 0), "{function} sends as much in the emulator as outside it");
        assert_eq!(mails + texts > 0, function.ends_with("sender"), "{function}");
    }
}

#[tokio::test]
async fn a_local_run_ends_without_an_error() {
    for function in FUNCTIONS {
        let services = Services::start();
        let environment = services.environment(function);
        let mut emulator = Rie::start(function, &environment);
        emulator.invoke(b"{}").await;
        emulator.invoke(fixture(&names(function)[0]).to_string().as_bytes()).await;
        let output = emulator.end().await;
        let after_the_last_event = output.rsplit("REPORT RequestId").next().unwrap_or_default();
        assert!(!after_the_last_event.contains("\"ERROR\""), "{function}: {after_the_last_event}");
        assert!(
            after_the_last_event.contains("the Lambda Runtime API closed the connection"),
            "{function}: {output}"
        );
    }
}
