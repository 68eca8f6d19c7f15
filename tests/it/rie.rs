//! The event files in the runtime interface emulator, which is what `sam local invoke` puts into its container.

use serde_json::Value;
use tests::event::fixture;
use tests::kms::{KEY_ARN, Kms};
use tests::rie::Rie;
use tests::ses::Ses;
use tests::sns::Sns;

use crate::fixtures::{changes, names, settings};

#[tokio::test]
async fn every_event_file_is_answered_in_the_emulator_of_sam_local_invoke() {
    let (kms, ses, sns) = (Kms::start(KEY_ARN, None), Ses::start(None), Sns::start(None));
    for function in ["pre-sign-up", "custom-message", "custom-email-sender", "custom-sms-sender"] {
        let mut environment = settings(function);
        let endpoints = [kms.endpoint(), ses.endpoint(), sns.endpoint()];
        environment.extend(endpoints);
        let mut emulator = Rie::start(function, &environment);
        for name in names(function) {
            let event = fixture(&name);
            let body = emulator.invoke(event.to_string().as_bytes()).await;
            let answer: Value = serde_json::from_slice(&body).expect("an answer in JSON");
            if answer.get("errorMessage").is_none() {
                changes(&event, &answer);
            }
        }
    }
    assert!(ses.accepted().len() >= 7, "every e-mail source was sent");
    assert!(sns.accepted().len() >= 7, "every SMS source was sent");
}
