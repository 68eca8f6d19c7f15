//! Every metric is really written, and alarms and the dashboard use no other.

use std::collections::{BTreeMap, BTreeSet};

use client::aws::Service;
use serde_json::{Value, json};
use shared::metric::{Metric, Observability};
use shared::trigger::Trigger;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::service::Reply;

use crate::fixtures::deployed;
use crate::watched::Watched;

type Names = BTreeMap<String, BTreeSet<String>>;

fn names(part: &str) -> Names {
    serde_json::from_value(deployed()[part].clone()).expect("lists of names by function")
}

/// The sign-up event of a function with a newly encrypted code.
fn sign_up(function: &str) -> Value {
    let event = fixture(&format!("{function}-sign-up"));
    sealed_event(&event, "123456", "eu-central-1_Example01", SealSuite::Signed0378)
}

fn changed(mut event: Value, path: &str, value: Value) -> Value {
    *event.pointer_mut(path).expect("a place in the event") = value;
    event
}

/// Invokes a sender so that it writes each of its metrics.
async fn provoke_all_of_a_sender(function: &str, watched: &mut Watched) {
    let provider = if function == "custom-sms-sender" { Service::Sns } else { Service::SesV2 };
    let attribute = if function == "custom-sms-sender" { "phone_number" } else { "email" };
    let refuse = |code: &str| vec![Reply::error(400, code); 20];
    let event = sign_up(function);
    let _ = watched.invoke(&event).await;
    let _ = watched.invoke(&event).await;
    let code = changed(event, "/request/code", json!([]));
    let _ = watched.invoke(&code).await;
    let place = format!("/request/userAttributes/{attribute}");
    let _ = watched.invoke(&changed(sign_up(function), &place, json!("unknown"))).await;
    let _ = watched.invoke(&fixture(&format!("{function}-account-take-over-notification"))).await;
    let _ = watched.invoke_with(&sign_up(function), Service::Kms, refuse("ThrottlingException")).await;
    let _ = watched.invoke_with(&sign_up(function), Service::Kms, refuse("DisabledException")).await;
    let _ = watched.invoke_with(&sign_up(function), Service::DynamoDb, refuse("AccessDeniedException")).await;
    let _ = watched.invoke_with(&sign_up(function), provider, refusal_of_the_recipient(provider)).await;
    // An event whose message may have been sent is retried, first during the lease and then after it.
    let event = sign_up(function);
    let _ = watched.invoke_with(&event, provider, [Reply::ResetAfter]).await;
    let _ = watched.invoke(&event).await;
    put_all(watched, "lease_until");
    let _ = watched.invoke(&event).await;
    // An event whose message was not sent is retried after its code has expired.
    let event = sign_up(function);
    let _ = watched.invoke_with(&event, Service::Kms, refuse("DisabledException")).await;
    put_all(watched, "first_claimed_at");
    let _ = watched.invoke(&event).await;
}

/// Sets a time of all records to 1970.
fn put_all(watched: &Watched, time: &str) {
    for mut item in watched.services.dynamodb.items() {
        if item.get("state").is_some() {
            item[time] = json!({ "N": "0" });
            watched.services.dynamodb.put(&item);
        }
    }
}

fn refusal_of_the_recipient(provider: Service) -> Vec<Reply> {
    if provider == Service::Sns {
        return vec![crate::custom_sms_sender::refusal("OptedOut", "the number")];
    }
    let body = json!({ "message": "ann.example@example.com is not an address" }).to_string();
    let code = Some("BadRequestException".to_owned());
    vec![Reply::Status { code: 400, aws_error_code: code, body }]
}

/// The metrics that a function's real binary writes in all situations together.
async fn written(function: &str) -> BTreeSet<String> {
    let more: &[_] = match function {
        "custom-email-sender" => &[("SES_FALLBACK_CONFIGURATION_SET", "spare")],
        "custom-sms-sender" => &[("SMS_MAX_PER_NUMBER_HOURLY", "none"), ("SMS_DAILY_BUDGET_MESSAGES", "12")],
        _ => &[],
    };
    let mut watched = Watched::start(function, &[&[("METRICS_NAMESPACE", "demo")], more].concat()).await;
    match function {
        "pre-sign-up" => {
            for name in ["sign-up", "denied", "admin-create-user", "trusted-with-phone", "no-request"] {
                let _ = watched.invoke(&fixture(&format!("{function}-{name}"))).await;
            }
            let malformed = changed(fixture("pre-sign-up-sign-up"), "/request", json!(7));
            let _ = watched.invoke(&malformed).await;
        }
        "custom-message" => {
            for name in ["sign-up", "unknown-source"] {
                let _ = watched.invoke(&fixture(&format!("{function}-{name}"))).await;
            }
        }
        "custom-email-sender" => {
            provoke_all_of_a_sender(function, &mut watched).await;
            let refused = [Reply::error(400, "AccountSuspendedException")];
            let _ = watched.invoke_with(&sign_up(function), Service::SesV2, refused).await;
        }
        _ => {
            provoke_all_of_a_sender(function, &mut watched).await;
            for _ in 0..20 {
                let _ = watched.invoke(&sign_up(function)).await;
            }
        }
    }
    watched.assert_two_lines_for_each_event();
    let metrics = watched.metrics();
    for emf in &metrics {
        assert_eq!(emf.namespace, "demo");
        assert_eq!(emf.dimensions, [BTreeMap::from([("Function".to_owned(), function.to_owned())])]);
        for (name, unit) in &emf.units {
            let metric = Metric::ALL.iter().find(|metric| metric.name() == name);
            assert_eq!(Some(unit.as_str()), metric.map(|metric| metric.unit().name()), "{name}");
        }
    }
    metrics.into_iter().flat_map(|emf| emf.metrics.into_keys()).collect()
}

#[tokio::test]
async fn every_function_writes_exactly_its_metrics_and_the_template_knows_them() {
    let (in_template, minimal_in_template) = (names("metrics"), names("minimal"));
    for trigger in Trigger::ALL {
        let function = trigger.package();
        let expected: BTreeSet<_> = Metric::of(trigger).map(|metric| metric.name().to_owned()).collect();
        assert_eq!(in_template[function], expected, "{function}");
        let minimal = Metric::of(trigger).filter(|metric| Observability::Minimal.includes(*metric));
        assert_eq!(
            minimal_in_template[function],
            minimal.map(|metric| metric.name().to_owned()).collect(),
            "{function}"
        );
        assert_eq!(written(function).await, expected, "{function}");
    }
    assert_eq!(in_template.len(), Trigger::ALL.len());
}

#[test]
fn alarms_and_the_dashboard_rely_on_metrics_that_are_written() {
    let metrics = names("metrics");
    let watched = names("watched");
    assert!(watched.values().any(|names| !names.is_empty()));
    for (function, names) in watched {
        let unwritten: Vec<_> = names.difference(&metrics[&function]).collect();
        assert_eq!(unwritten, Vec::<&String>::new(), "{function}");
    }
}
