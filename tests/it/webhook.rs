//! A second provider needs no change in `crates/sender`: `tests/src/bin/webhook-sender.rs` is one.

use std::process::Command;

use sender::record::FinalState;
use serde_json::{Value, json};
use shared::metric::Metric;
use tests::dynamodb::DynamoDb;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{Function, Invocation};
use tests::kms::{KEY_ARN, Kms};
use tests::metrics::{count, parse};
use tests::service::Reply;
use tests::webhook::Webhook;

struct Stage {
    kms: Kms,
    table: DynamoDb,
    webhook: Webhook,
    function: Function,
}

impl Stage {
    fn new(limit: &str) -> Self {
        let kms = Kms::start(KEY_ARN, None);
        let table = DynamoDb::start("deliveries", None);
        let webhook = Webhook::start(None);
        let environment = [
            kms.endpoint(),
            table.endpoint(),
            webhook.endpoint(),
            ("CODE_KEY_ARN", KEY_ARN),
            ("DELIVERY_TABLE", "deliveries"),
            ("BRAND_NAME", "Acme"),
            ("WEBHOOK_DAILY_LIMIT", limit),
        ];
        let command = Command::new(env!("CARGO_BIN_EXE_webhook-sender"));
        let function = Function::start_command("webhook-sender", command, &environment);
        Self { kms, table, webhook, function }
    }

    async fn invoke(&self, event: &Value) -> Invocation {
        self.function.invoke(event.to_string()).await
    }
}

fn event(code: &str) -> Value {
    let event = fixture("custom-email-sender-sign-up");
    sealed_event(&event, code, "eu-central-1_Example01", SealSuite::Signed0378)
}

#[tokio::test]
async fn a_new_provider_has_records_retries_limits_and_metrics() {
    let stage = Stage::new("2");
    // Retries: the webhook throttles once. The record: the event comes twice and is sent once.
    stage.webhook.script([Reply::bare(429)]);
    let first = event("918273");
    for _ in 0..2 {
        assert!(matches!(stage.invoke(&first).await, Invocation::Ok(_)));
    }
    assert_eq!(stage.webhook.attempts(), 2);
    let [post] = stage.webhook.accepted().try_into().expect("one message");
    assert_eq!(post["to"], json!("ann.example@example.com"));
    assert!(post["text"].as_str().is_some_and(|text| text.contains("918273")), "{post}");
    let records = stage.table.items();
    let record = records.iter().find(|item| item["state"].is_object()).expect("a record");
    assert_eq!(
        (&record["outcome"]["S"], &record["message_id"]["S"]),
        (&json!(FinalState::Sent.name()), &json!("post-1"))
    );
    // A lost answer is ambiguous, and not repeated before the lease ends.
    stage.webhook.script([Reply::ResetAfter]);
    assert!(matches!(stage.invoke(&event("111111")).await, Invocation::Err { .. }));
    // Limits: two messages a day.
    assert!(matches!(stage.invoke(&event("222222")).await, Invocation::Ok(_)));
    assert_eq!(stage.webhook.accepted().len(), 2);
    assert_eq!(stage.kms.attempts(), 4);
    let output = stage.function.stop().await;
    let metrics = parse(&output.stdout);
    let counted = [Metric::Sent, Metric::Duplicate, Metric::FailedAmbiguous, Metric::PumpingBlocked];
    assert_eq!(counted.map(|metric| count(&metrics, metric)), [1, 1, 1, 1], "{}", output.stdout);
    assert!(!output.stdout.contains("918273") && !output.stdout.contains("ann.example"), "{}", output.stdout);
}
