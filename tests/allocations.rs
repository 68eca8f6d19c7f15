//! How often a function allocates memory for a warm event: an exact figure that grows with the work.
//!
//! The functions' libraries run on the thread of the test, whose allocator counts; the mocks of the AWS services run
//! on another thread, where nothing is counted. A test binary of its own, because the counting allocator is that of
//! the whole binary. Each limit is the figure at the time, rounded up by 3 %; `--nocapture` shows all figures.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests, and figures show with `--nocapture`"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::{Failure, Invocation};
use serde_json::value::RawValue;
use shared::settings::{InLayer, Settings};
use tests::dynamodb::DynamoDb;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::kms::{KEY_ARN, Kms};
use tests::ses::Ses;
use tests::sns::Sns;

/// Allocations for one warm event.
///
/// pre-sign-up writes its flags into the answer to every sign-up, also if it confirms no user.
const LIMITS: [(&str, u64); 4] =
    [("pre-sign-up", 73), ("custom-message", 97), ("custom-email-sender", 1667), ("custom-sms-sender", 3188)];

/// Events after the first one. Few, because each prints its log lines.
const WARM_EVENTS: u32 = 5;

const TABLE: &str = "deliveries";
const POOL: &str = "eu-central-1_Example01";

type HandlerResult = Result<Box<RawValue>, Failure>;

#[test]
fn warm_events_keep_to_their_allocations() {
    let mocks = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let mocks = mocks.expect("a runtime for the mocks");
    let inside = mocks.enter();
    let (kms, ses, sns) = (Kms::start(KEY_ARN, None), Ses::start(None), Sns::start(None));
    let table = DynamoDb::start(TABLE, None);
    drop(inside);

    let mut variables: BTreeMap<&str, &str> = BTreeMap::from([
        ("ALLOWED_EMAIL_DOMAINS", "trusted.example"),
        ("AWS_ACCESS_KEY_ID", tests::function::ACCESS_KEY_ID),
        ("AWS_REGION", tests::function::REGION),
        ("AWS_SECRET_ACCESS_KEY", tests::function::SECRET_ACCESS_KEY),
        ("AWS_SESSION_TOKEN", "a-session-token"),
        ("BRAND_NAME", "Acme"),
        ("CODE_KEY_ARN", KEY_ARN),
        ("CUSTOM_MESSAGE_CHANNELS", "email,sms"),
        ("DELIVERY_TABLE", TABLE),
        ("EMAIL_IS_USERNAME", "true"),
        ("FROM_ADDRESS", "Acme <no-reply@example.com>"),
        ("RECIPIENT_HASH_KEY", "a key for tests"),
        ("SMS_ALLOWED_COUNTRIES", "US"),
        ("SMS_MAX_PER_NUMBER_HOURLY", "1000"),
        ("SMS_MAX_PER_PREFIX_HOURLY", "1000"),
    ]);
    variables.extend([kms.endpoint(), ses.endpoint(), sns.endpoint(), table.endpoint()]);
    let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let settings = &Settings::new(&lookup, &InLayer);
    let random = &[0; 32];
    // Logging is part of what an event costs.
    runtime::logging::start(settings);

    let mut over = Vec::new();
    for (function, limit) in LIMITS {
        let measured = match function {
            "pre-sign-up" => {
                let config = pre_sign_up::Config::read(settings, random).expect("valid settings");
                measure(function, async |invocation| pre_sign_up::handle(&config, &invocation))
            }
            "custom-message" => {
                let config = custom_message::Config::read(settings, random).expect("valid settings");
                measure(function, async |invocation| Ok(custom_message::handle(&config, invocation)))
            }
            "custom-email-sender" => {
                let config = custom_email_sender::Config::read(settings, random).expect("valid settings");
                let sender = custom_email_sender::new(config);
                measure(function, async |invocation| sender.handle(invocation).await)
            }
            _ => {
                let config = custom_sms_sender::Config::read(settings, random).expect("valid settings");
                let sender = custom_sms_sender::new(config);
                measure(function, async |invocation| sender.handle(invocation).await)
            }
        };
        println!("{function}: {measured} allocations for a warm event, the limit is {limit}");
        if measured > limit {
            over.push(format!("{function}: {measured} allocations for a warm event, the limit is {limit}"));
        }
    }
    let sent = usize::try_from(WARM_EVENTS + 1).expect("a small number");
    assert_eq!((ses.accepted().len(), sns.accepted().len()), (sent, sent), "every event sent its message");
    assert!(over.is_empty(), "over budget:\n{}", over.join("\n"));
}

/// The median over all events but the first.
///
/// Most events cost exactly that: now and then, a buffer or a map of the runtime grows.
fn measure(function: &str, handle: impl AsyncFn(Invocation) -> HandlerResult) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut counts: Vec<_> = (0..=WARM_EVENTS)
        .map(|number| {
            let invocation = Invocation {
                event: RawValue::from_string(event(function)).expect("an event in JSON"),
                request_id: format!("8476a536-e9f4-11e8-9739-{number:012}"),
                time_left: Duration::from_secs(5),
            };
            let mut answer = None;
            let counted = allocation_counter::measure(|| answer = Some(runtime.block_on(handle(invocation))));
            assert!(matches!(answer, Some(Ok(_))), "{function}: {answer:?}");
            counted.count_total
        })
        .skip(1)
        .collect();
    println!("{function}: {counts:?}");
    counts.sort_unstable();
    counts[counts.len() / 2]
}

/// An event that the function has no record of.
fn event(function: &str) -> String {
    let template = fixture(&format!("{function}-sign-up"));
    if function.ends_with("-sender") {
        sealed_event(&template, "123456", POOL, SealSuite::Signed0378).to_string()
    } else {
        template.to_string()
    }
}
