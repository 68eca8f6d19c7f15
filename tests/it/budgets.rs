//! What each function may cost. The figures are exact and no times, so a test can compare them with limits.
//!
//! They apply to the release binaries for `x86_64`. Each limit is the figure at the time, rounded up by 3 %. A change
//! that needs more raises the limit in [`BUDGETS`], and its commit says why. `--nocapture` shows all figures.
//! Allocations have a test binary of their own, because its allocator counts them: `tests/allocations.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::Value;
use tests::dynamodb::DynamoDb;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{Function, Init, Invocation, bootstrap};
use tests::kms::{KEY_ARN, Kms};
use tests::ses::Ses;
use tests::sns::Sns;
use tests::tls::Tls;

use crate::contract::cargo;
use crate::fixtures::settings;

/// The limits of one function.
struct Budget {
    function: &'static str,
    /// Bytes of the binary.
    binary: usize,
    /// Bytes of the binary in a ZIP file, which is what Lambda loads.
    zip: usize,
    /// Crates that it is built from, its own included.
    crates: usize,
    /// What one warm event may cost, for the functions that Cognito invokes.
    event: Option<EventBudget>,
}

/// The limits for one event of a process that has answered another one before.
struct EventBudget {
    /// System calls, without waiting and without those that found nothing to do.
    system_calls: u64,
    /// Connections that the whole process opens, the one to Lambda included.
    connections: u64,
}

const BUDGETS: [Budget; 5] = [
    Budget {
        function: "pre-sign-up",
        // The checks of IDNA 2008, of flags and of MoreSettings added 60 KB.
        binary: 2_230_000,
        zip: 982_866,
        crates: 119,
        event: Some(EventBudget { system_calls: 7, connections: 1 }),
    },
    Budget {
        function: "custom-message",
        binary: 1_563_499,
        zip: 711_651,
        crates: 119,
        event: Some(EventBudget { system_calls: 7, connections: 1 }),
    },
    Budget {
        function: "custom-email-sender",
        binary: 6_335_448,
        zip: 2_790_749,
        crates: 170,
        event: Some(EventBudget { system_calls: 19, connections: 4 }),
    },
    Budget {
        function: "custom-sms-sender",
        binary: 6_634_684,
        zip: 2_921_235,
        crates: 176,
        event: Some(EventBudget { system_calls: 28, connections: 4 }),
    },
    // CloudFormation invokes it a few times in the life of a stack.
    Budget { function: "attach", binary: 5_717_555, zip: 2_465_317, crates: 175, event: None },
];

/// Events after the first one.
const WARM_EVENTS: usize = 20;

const TABLE: &str = "deliveries";
const POOL: &str = "eu-central-1_Example01";

/// Collects all figures above their limits, so that one run shows them together.
#[derive(Default)]
struct Comparison {
    figures: String,
    over: String,
}

impl Comparison {
    fn compare(&mut self, function: &str, what: &str, measured: impl TryInto<u64>, limit: impl TryInto<u64>) {
        let (Ok(measured), Ok(limit)) = (measured.try_into(), limit.try_into()) else {
            panic!("{function}: {what} is no count");
        };
        let line = format!("{function}: {measured} {what}, the limit is {limit}");
        if measured > limit {
            writeln!(self.over, "{line}").expect("room in a string");
        }
        writeln!(self.figures, "{line}").expect("room in a string");
    }

    #[expect(clippy::print_stdout, reason = "a test shows its figures with `--nocapture`")]
    fn finish(self) {
        println!("{}", self.figures);
        assert!(self.over.is_empty(), "over budget:\n{}", self.over);
    }
}

#[test]
fn binaries_keep_to_their_size() {
    let mut comparison = Comparison::default();
    for budget in BUDGETS {
        let binary = release_binary(budget.function);
        comparison.compare(budget.function, "bytes in the binary", binary.len(), budget.binary);
        comparison.compare(budget.function, "bytes in the ZIP file", deflated(&binary), budget.zip);
    }
    comparison.finish();
}

#[test]
fn functions_keep_to_their_number_of_crates() {
    let mut comparison = Comparison::default();
    for budget in BUDGETS {
        let function = budget.function;
        let arguments = ["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"];
        let tree = cargo(&[&arguments[..], &["--format", "{p}", "--package", function]].concat());
        let mut crates: Vec<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        crates.sort_unstable();
        crates.dedup();
        comparison.compare(function, "crates", crates.len(), budget.crates);
    }
    comparison.finish();
}

#[tokio::test]
async fn warm_events_keep_to_their_system_calls_and_connections() {
    let mut comparison = Comparison::default();
    for budget in BUDGETS {
        let (function, Some(limits)) = (budget.function, budget.event) else { continue };
        release_binary(function);
        let lines = system_calls(function).await;
        let connections: u64 = lines.iter().filter_map(|line| line.get("connect")).sum();
        let mut totals: Vec<u64> = lines[2..].iter().map(|line| line.values().sum()).collect();
        totals.sort_unstable();
        let median = totals[totals.len() / 2];
        writeln!(comparison.figures, "{function}, the last event: {:?}", lines.last())
            .expect("room in a string");
        comparison.compare(function, "system calls for a warm event", median, limits.system_calls);
        comparison.compare(function, "connections of a process", connections, limits.connections);
    }
    comparison.finish();
}

/// The binary of a function, which must not have been built for debugging: the limits don't apply to those.
fn release_binary(function: &str) -> Vec<u8> {
    let path = bootstrap(function);
    let binary =
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run `make build` first", path.display()));
    let symbols = b".symtab\0";
    let debug = binary.windows(symbols.len()).any(|window| window == symbols);
    assert!(!debug, "{} is a debug binary: budgets need those of `make build`", path.display());
    binary
}

/// The size after the compression that ZIP files have, at its highest level.
fn deflated(bytes: &[u8]) -> usize {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything").len()
}

/// The system calls of a function by name: first those of its start, then those of each event.
async fn system_calls(function: &str) -> Vec<BTreeMap<String, u64>> {
    let tls = Tls::new();
    let (kms, ses, sns) = (Kms::start(KEY_ARN, Some(&tls)), Ses::start(Some(&tls)), Sns::start(Some(&tls)));
    let table = DynamoDb::start(TABLE, Some(&tls));
    let ca_file = tls.ca_file().display().to_string();
    let mut env = settings(function);
    env.extend([kms.endpoint(), ses.endpoint(), sns.endpoint(), table.endpoint()]);
    env.extend([("SSL_CERT_FILE", ca_file.as_str())]);
    if function.ends_with("-sender") {
        env.push(("DELIVERY_TABLE", TABLE));
    }
    // Every event goes to the same number.
    env.extend(["SMS_MAX_PER_NUMBER_HOURLY", "SMS_MAX_PER_PREFIX_HOURLY"].map(|name| (name, "1000")));

    let counts = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_count-system-calls"));
    command.arg(counts.path()).arg(bootstrap(function));
    let process = Function::start_command(function, command, &env);
    assert_eq!(process.init_outcome().await, Init::Ready, "{function}: {:?}", process.lines());
    for _ in 0..=WARM_EVENTS {
        let answer = process.invoke(event(function)).await;
        assert!(matches!(answer, Invocation::Ok(_)), "{function}: {answer:?}: {:?}", process.lines());
        process.idle().await;
    }
    if function.ends_with("-sender") {
        assert_eq!(ses.accepted().len() + sns.accepted().len(), WARM_EVENTS + 1, "{function}");
    }
    let text = fs::read_to_string(counts.path()).expect("the counts");
    let lines: Vec<_> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of counts")).collect();
    assert_eq!(lines.len(), WARM_EVENTS + 2, "{function}: one line for the start, one for each event");
    lines
}

/// An event that the function has no record of.
fn event(function: &str) -> String {
    let template: Value = fixture(&format!("{function}-sign-up"));
    if function.ends_with("-sender") {
        sealed_event(&template, "123456", POOL, SealSuite::Signed0378).to_string()
    } else {
        template.to_string()
    }
}
