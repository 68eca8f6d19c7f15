//! The table of errors: compared with the service models, and each row driven through a real sender.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use client::aws::Service;
use sender::errors::{ABOUT_RECIPIENT, ErrorRule, TABLE};
use serde_json::{Value, json};
use shared::outcome::FailureClass;
use tests::end_user_messaging;
use tests::function::Invocation;
use tests::service::Reply;

use crate::custom_sms_sender;
use crate::docs;
use crate::stage::{Channel, IN_PROGRESS, MockService, Stage, ending, side_by_side};

/// `DynamoDB`'s answer to a condition that does not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

/// The errors of the operations that the senders call, from the service models: by code, with their reasons.
/// `tools/service_model.py` writes them.
static MODELED: LazyLock<BTreeMap<String, BTreeMap<String, Vec<String>>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../fixtures/errors.json")).expect("the fixture is of this type")
});

/// The operation of each service, as the fixture names it.
const OPERATIONS: [(Service, &str); 5] = [
    (Service::Kms, "kms:Decrypt"),
    (Service::SesV2, "sesv2:SendEmail"),
    (Service::Sns, "sns:Publish"),
    (Service::EndUserMessaging, "pinpoint-sms-voice-v2:SendTextMessage"),
    (Service::DynamoDb, "dynamodb:UpdateItem"),
];

fn name(service: Option<Service>) -> &'static str {
    match service {
        Some(Service::Kms) => "KMS",
        Some(Service::SesV2) => "SES",
        Some(Service::Sns) => "SNS",
        Some(Service::EndUserMessaging) => "End User Messaging",
        Some(Service::DynamoDb) => "DynamoDB",
        Some(Service::Other(name)) => name,
        None => "every service",
    }
}

/// What becomes of the event.
fn consequence(row: &ErrorRule) -> &'static str {
    if row.code == CONDITION_FAILED {
        return "no fault: another invocation has the message, or a limit is reached";
    }
    match (row.service, row.class) {
        (Some(Service::DynamoDb), FailureClass::Transient) => "retried at once, then sent without a record",
        (Some(Service::DynamoDb), _) => "sent without a record",
        (_, FailureClass::Transient) => "tried again at once, then by Lambda; queue",
        (_, FailureClass::Recipient) => "succeeds, never tried again",
        (_, FailureClass::Configuration) => "tried again by Lambda; queue",
        (_, FailureClass::Ambiguous) => "tried again by Lambda, after the lease; queue",
    }
}

/// The table with rows in one that differ in their code alone.
fn table() -> String {
    let mut text = String::from(
        "| Service | Error code | Class | What becomes of the event | Remedy |\n|---|---|---|---|---|\n",
    );
    for rows in TABLE.chunk_by(|a, b| (a.service, a.class, a.remedy) == (b.service, b.class, b.remedy)) {
        let [row, ..] = rows else { continue };
        let ErrorRule { service, class, remedy, .. } = row;
        let codes: Vec<_> = rows.iter().map(|row| format!("`{}`", row.code)).collect();
        let remedy = if remedy.is_empty() { "–" } else { remedy };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {remedy} |",
            name(*service),
            codes.join(", "),
            class.name(),
            consequence(row)
        );
    }
    text
}

#[test]
fn the_page_shows_the_table() {
    docs::hold("reliability.md", "errors.rs", &table());
}

fn own_row(service: Service, code: &str) -> Option<&'static ErrorRule> {
    TABLE.iter().find(|row| row.service == Some(service) && row.code == code)
}

fn common_row(code: &str) -> Option<&'static ErrorRule> {
    TABLE.iter().find(|row| row.service.is_none() && row.code == code)
}

#[test]
fn no_row_hides_another() {
    for (index, row) in TABLE.iter().enumerate() {
        let hidden =
            TABLE[..index].iter().any(|other| (other.service, other.code) == (row.service, row.code));
        assert!(!hidden, "{row:?}");
        if let (Some(service), Some((code, _))) = (row.service, row.code.split_once('/')) {
            assert!(own_row(service, code).is_some(), "{row:?}: the code without its reason");
        }
    }
}

#[test]
fn every_error_of_the_service_models_is_in_the_table() {
    for (service, operation) in OPERATIONS {
        for code in MODELED[operation].keys() {
            assert!(own_row(service, code).or(common_row(code)).is_some(), "{operation}: {code}");
        }
    }
}

#[test]
fn every_reason_in_the_table_is_one_of_the_service_models() {
    for (service, operation) in OPERATIONS {
        for row in TABLE.iter().filter(|row| row.service == Some(service)) {
            let Some((code, reason)) = row.code.split_once('/') else { continue };
            // The sender finds that one out by itself, from the text of the error.
            if reason != ABOUT_RECIPIENT {
                let known =
                    MODELED[operation].get(code).is_some_and(|known| known.iter().any(|of| of == reason));
                assert!(known, "{operation}: {}", row.code);
            }
        }
    }
}

/// A row as a service answers it.
#[derive(Clone, Copy, Debug)]
struct Case {
    service: Service,
    row: &'static ErrorRule,
}

impl Case {
    /// Every row by its service; the common ones by every service that has none of its own.
    fn all() -> Vec<Self> {
        let of = |service: Service| {
            TABLE.iter().filter_map(move |row| {
                let here = match row.service {
                    Some(of) => of == service,
                    None => own_row(service, row.code).is_none(),
                };
                here.then_some(Self { service, row })
            })
        };
        // A failed condition is an answer that the sender wants: delivery.rs never sees it as a failure.
        Service::ALL.into_iter().flat_map(of).filter(|case| case.row.code != CONDITION_FAILED).collect()
    }

    fn reply(self, event: &Value) -> Reply {
        let attribute = |name: &str| event["request"]["userAttributes"][name].as_str().unwrap_or_default();
        match (self.service, self.row.code.split_once('/')) {
            (_, None) => Reply::error(400, self.row.code),
            (Service::SesV2, Some((code, _))) => Reply::Status {
                code: 400,
                aws_error_code: Some(code.to_owned()),
                body: json!({ "message": format!("Illegal address: {}", attribute("email")) }).to_string(),
            },
            (Service::Sns, Some((code, _))) => {
                let number = attribute("phone_number");
                let text =
                    format!("Invalid parameter: PhoneNumber Reason: {number} is not valid to publish to");
                custom_sms_sender::refusal(code, &text)
            }
            (Service::EndUserMessaging, Some((_, ABOUT_RECIPIENT))) => {
                end_user_messaging::refusal_of_the_number()
            }
            (Service::EndUserMessaging, Some((code, reason))) => end_user_messaging::refusal(code, reason),
            (Service::Kms | Service::DynamoDb | Service::Other(_), Some(_)) => {
                panic!("no reasons are read: {self:?}")
            }
        }
    }

    async fn play(self, stage: &Stage) {
        let event = stage.channel.event();
        let (service, attempts): (&dyn MockService, _) = match self.service {
            Service::Kms => (&stage.kms, sender::kms::RETRY.max_attempts),
            Service::DynamoDb => (&stage.table, sender::store::RETRY.max_attempts),
            Service::SesV2 | Service::Sns | Service::EndUserMessaging | Service::Other(_) => {
                (&*stage.send, sender::channel::SEND.max_attempts)
            }
        };
        // More than there may be.
        service.script(vec![self.reply(&event); 20]);
        let printed = stage.function.lines().len();
        let invocation = stage.function.invoke(event.to_string()).await;
        let lines = stage.function.lines();
        let log = lines[printed..].join("\n");
        let ended = ending(&stage.function, &invocation);
        let attempts = match self.row.class {
            FailureClass::Transient => usize::try_from(attempts).expect("few attempts"),
            FailureClass::Recipient | FailureClass::Configuration => 1,
            FailureClass::Ambiguous => panic!("an error code says what was done: {self:?}"),
        };
        let code = self.row.code.split('/').next().expect("a code");
        let remedy = self.row.remedy;
        if self.service == Service::DynamoDb {
            assert_eq!((ended.as_str(), stage.send.accepted()), ("well", 1), "{self:?}");
            assert_eq!(service.attempts(), 2 * attempts, "{self:?}: claim and settlement");
            assert!(log.contains(code) && log.contains(remedy), "{self:?}: {log}");
        } else {
            assert_eq!((stage.send.accepted(), service.attempts()), (0, attempts), "{self:?}");
            let record = stage.records().pop();
            match (&invocation, self.row.class) {
                (Invocation::Ok(_), FailureClass::Recipient) => {
                    assert!(log.contains(code) && log.contains(remedy), "{self:?}: {log}");
                    assert_eq!(record.as_deref(), Some("done: recipient"), "{self:?}");
                }
                (
                    Invocation::Err { error_message, .. },
                    FailureClass::Transient | FailureClass::Configuration,
                ) => {
                    assert_eq!(ended, self.row.class.name(), "{self:?}");
                    assert!(
                        error_message.contains(code) && error_message.contains(remedy),
                        "{error_message}"
                    );
                    assert_eq!(record.as_deref(), Some("released"), "{self:?}");
                }
                _ => panic!("{self:?}: {invocation:?}"),
            }
        }
        stage.clear();
        stage.table.empty();
    }
}

#[tokio::test]
async fn a_failed_condition_without_the_item_loses_no_message() {
    let stage = Stage::start(Channel::Ses).await;
    let event = stage.channel.event().to_string();
    stage.table.script([Reply::error(400, CONDITION_FAILED)]);
    for (expected, sent) in [(IN_PROGRESS, 0), ("well", 1)] {
        let invocation = stage.function.invoke(event.as_str()).await;
        assert_eq!((ending(&stage.function, &invocation).as_str(), stage.send.accepted()), (expected, sent));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_decides_what_becomes_of_the_event() {
    let cases = Case::all();
    for row in TABLE.iter().filter(|row| row.code != CONDITION_FAILED) {
        assert!(cases.iter().any(|case| std::ptr::eq(case.row, row)), "no service answers {row:?}");
    }
    let mut groups = Vec::new();
    for service in Service::ALL {
        let of_service: Vec<_> = cases.iter().copied().filter(|case| case.service == service).collect();
        groups.extend(of_service.chunks(8).map(|cases| (service, cases.to_vec())));
    }
    side_by_side(groups, |(service, cases)| async move {
        let stage = Stage::start(match service {
            Service::Kms | Service::SesV2 | Service::DynamoDb | Service::Other(_) => Channel::Ses,
            Service::Sns => Channel::Sns,
            Service::EndUserMessaging => Channel::EndUserMessaging,
        })
        .await;
        for case in cases {
            case.play(&stage).await;
        }
    })
    .await;
}
