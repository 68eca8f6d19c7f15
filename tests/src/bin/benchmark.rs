//! Measures the released binaries side by side, as `docs/benchmarks.md` reports them.
//!
//! Fresh processes in interleaved rounds; every event is checked; ratios are taken inside a round, so that a busy
//! machine slows both sides of them. Arguments are names of programs; without any, all are measured.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program for developers: it prints its result, and a panic is how it fails"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::dynamodb::DynamoDb;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{DEFAULT_DEADLINE, Function, Init, Invocation, bootstrap};
use tests::kms::{KEY_ARN, Kms};
use tests::service::Reply;
use tests::ses::Ses;
use tests::sns::Sns;
use tests::tls::Tls;

/// Fresh processes of each program, not counting the one that warms the page cache.
const ROUNDS: usize = 11;

/// Fresh processes of each program for each fault.
const FAULT_ROUNDS: usize = 7;

/// The table of the delivery records.
const TABLE: &str = "deliveries";

/// The SMS limits that count SMS.
const LIMITS: [&str; 4] = [
    "SMS_MAX_PER_NUMBER_HOURLY",
    "SMS_MAX_PER_PREFIX_HOURLY",
    "SMS_MAX_PER_COUNTRY_DAILY",
    "SMS_DAILY_BUDGET_MESSAGES",
];

/// Events after the first one, in each process.
const WARM_EVENTS: u32 = 150;

const POOL_ID: &str = "eu-central-1_Example01";

/// What everything is compared with.
const EMPTY: &str = "empty-handler";
const MINIMAL: &str = "decrypt-and-post";
const MINIMAL_WITH_RECORDS: &str = "decrypt-and-post + records";
const NODE: &str = "node-sender";

/// What an event is about, and how its answer is checked.
#[derive(Clone, Copy)]
enum Work {
    Echo,
    PreSignUp,
    CustomMessage,
    Email,
    Sms,
}

/// What follows a sender's name when it keeps delivery records, or an SMS sender its guard's counters as well.
const RECORDS: &str = " + records";

const PROGRAMS: [(&str, Work); 10] = [
    (EMPTY, Work::Echo),
    ("pre-sign-up", Work::PreSignUp),
    ("custom-message", Work::CustomMessage),
    ("custom-email-sender", Work::Email),
    ("custom-email-sender + records", Work::Email),
    ("custom-sms-sender", Work::Sms),
    ("custom-sms-sender + records", Work::Sms),
    (MINIMAL, Work::Email),
    (MINIMAL_WITH_RECORDS, Work::Email),
    (NODE, Work::Email),
];

/// What one process showed.
struct Sample {
    /// Wall time from the start of the process to its first poll.
    start: Duration,
    /// Wall time of the first event.
    first: Duration,
    /// CPU time from the start of the process to the end of the first event.
    cold_cpu: Duration,
    /// Median wall time of the other events.
    warm: Duration,
    /// CPU time of one of the other events, on average.
    warm_cpu: Duration,
    /// Peak resident memory in bytes.
    peak: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let programs: Vec<_> = PROGRAMS
        .into_iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|other| other == name))
        .filter(|(name, _)| *name != NODE || node_sender().is_some())
        .collect();

    // A function on Lambda reads the bundle of the whole system, so the mocks' authority is added to it.
    let system = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let authorities = system.matches("BEGIN CERTIFICATE").count();
    let tls = Tls::beside(&system);

    let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for round in 0..=ROUNDS {
        for turn in 0..programs.len() {
            // The order rotates, so that no program always runs after the same one.
            let (name, work) = programs[(round + turn) % programs.len()];
            let sample = measure(name, work, &tls).await;
            if round > 0 {
                samples.entry(name).or_default().push(sample);
            }
        }
    }
    let names: Vec<&str> = programs.iter().map(|(name, _)| *name).collect();
    println!("{}", report(&names, &samples, authorities));
    if wanted.is_empty() || wanted.iter().any(|name| name == "faults") {
        println!("{}", faults(&tls).await);
    }
}

/// One process: its start, its first event, and the warm ones.
async fn measure(name: &str, work: Work, tls: &Tls) -> Sample {
    let stage = Stage::new(tls);
    // Made before the process starts: one that waits meanwhile would find its caches cold.
    let events: Vec<(String, String)> = (0..=WARM_EVENTS).map(|number| event(work, number)).collect();
    let function = stage.start(name);
    assert_eq!(function.init_outcome().await, Init::Ready, "{name}: {}", function.lines().join("\n"));
    let start = function.age();
    let mut took = Vec::new();
    let mut cold_cpu = Duration::ZERO;
    for (event, code) in &events {
        let (answer, time) = function.timed_invoke(DEFAULT_DEADLINE, event.as_str()).await;
        function.idle().await;
        let Invocation::Ok(answer) = answer else {
            panic!("{name}: {answer:?}: {}", function.lines().join("\n"));
        };
        check_answer(name, work, event, code, &answer);
        took.push(time);
        if took.len() == 1 {
            cold_cpu = function.cpu_time();
        }
    }
    let warm_cpu = function.cpu_time().saturating_sub(cold_cpu) / WARM_EVENTS;
    let peak = function.peak_memory();

    let codes: Vec<&str> = events.iter().map(|(_, code)| code.as_str()).collect();
    stage.check_calls(name, work, &codes);
    let first = took.remove(0);
    took.sort();
    Sample { start, first, cold_cpu, warm: took[took.len() / 2], warm_cpu, peak }
}

/// An event like no other, and the code that is sealed in it.
fn event(work: Work, number: u32) -> (String, String) {
    let code = format!("{:06}", (number * 7919 + 104_729) % 1_000_000);
    let template = fixture(match work {
        Work::Echo | Work::PreSignUp => "pre-sign-up-trusted",
        Work::CustomMessage => "custom-message-sign-up",
        Work::Email => "custom-email-sender-sign-up",
        Work::Sms => "custom-sms-sender-sign-up",
    });
    let mut event = match work {
        Work::Echo | Work::PreSignUp | Work::CustomMessage => template,
        Work::Email | Work::Sms => sealed_event(&template, &code, POOL_ID, SealSuite::Signed0378),
    };
    event["userName"] = format!("7d1f3c52-8a40-4b9e-9c35-{number:012}").into();
    (event.to_string(), code)
}

fn check_answer(name: &str, work: Work, event: &str, code: &str, answer: &[u8]) {
    let answer: Value = serde_json::from_slice(answer).expect("an answer in JSON");
    let good = match work {
        Work::Echo => serde_json::from_str(event).is_ok_and(|event: Value| event == answer),
        Work::PreSignUp => {
            answer["response"]["autoConfirmUser"] == true && answer["response"]["autoVerifyEmail"] == true
        }
        Work::CustomMessage => ["emailMessage", "smsMessage"].iter().all(|field| {
            answer["response"][field].as_str().is_some_and(|message| message.matches("{####}").count() == 1)
        }),
        // What counts is what arrived at the services.
        Work::Email | Work::Sms => true,
    };
    assert!(good, "{name} answered {answer} to {event} with {code}");
}

/// The services that a program calls.
struct Stage<'a> {
    kms: Kms,
    ses: Ses,
    sns: Sns,
    table: DynamoDb,
    tls: &'a Tls,
}

impl<'a> Stage<'a> {
    fn new(tls: &'a Tls) -> Self {
        Self {
            kms: Kms::start(KEY_ARN, Some(tls)),
            ses: Ses::start(Some(tls)),
            sns: Sns::start(Some(tls)),
            table: DynamoDb::start(TABLE, Some(tls)),
            tls,
        }
    }

    fn start(&self, name: &str) -> Function {
        let ca_file = self.tls.ca_file().display().to_string();
        let (binary, records) = name.strip_suffix(RECORDS).map_or((name, false), |binary| (binary, true));
        let mut env = vec![
            self.kms.endpoint(),
            self.ses.endpoint(),
            self.sns.endpoint(),
            self.table.endpoint(),
            ("SSL_CERT_FILE", &ca_file),
            ("NODE_EXTRA_CA_CERTS", &ca_file),
            ("ALLOWED_EMAIL_DOMAINS", "trusted.example"),
            ("EMAIL_IS_USERNAME", "true"),
            ("BRAND_NAME", "Example"),
            ("CODE_KEY_ARN", KEY_ARN),
            ("CUSTOM_MESSAGE_CHANNELS", "email,sms"),
            ("FROM_ADDRESS", "Example <no-reply@example.com>"),
            ("RECIPIENT_HASH_KEY", "0123456789abcdef0123456789abcdef"),
            ("SMS_ALLOWED_COUNTRIES", "US"),
        ];
        // Every event goes to the same number: the guard counts where records are kept, and stops nothing here.
        let (limit, keep) = if records { ("100000", "true") } else { ("none", "false") };
        if records || name.starts_with("custom-sms-sender") {
            env.extend([("DELIVERY_TABLE", TABLE), ("DELIVERY_RECORDS", keep)]);
            env.extend(LIMITS.map(|name| (name, limit)));
        }
        match (name, node_sender()) {
            (NODE, Some([node, bundle])) => {
                let mut command = Command::new(node);
                command.arg(bundle);
                Function::start_command(name, command, &env)
            }
            _ => Function::start(binary, &env),
        }
    }

    /// One call of KMS and one send for every event, with its code, in the order of the events; with records, a
    /// claim and a settlement for each, and for each SMS its counters.
    fn check_calls(&self, name: &str, work: Work, codes: &[&str]) {
        let (kms, ses, sns) = (self.kms.calls().len(), self.ses.calls(), self.sns.calls());
        let sent: Vec<String> = match work {
            Work::Echo | Work::PreSignUp | Work::CustomMessage => {
                assert_eq!((kms, ses.len(), sns.len()), (0, 0, 0), "{name} called AWS");
                return;
            }
            Work::Email => {
                let text = |mail: &Value| {
                    mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().map(str::to_owned)
                };
                ses.iter().map(|call| text(&call.body).expect("a text part")).collect()
            }
            Work::Sms => sns.iter().map(|call| call.body["Message"].clone()).collect(),
        };
        assert_eq!((kms, sent.len()), (codes.len(), codes.len()), "{name}: calls of KMS, messages");
        for (message, code) in sent.iter().zip(codes) {
            assert!(message.contains(code), "{name} sent {message:?} instead of {code}");
        }
        let updates = match (work, name.ends_with(RECORDS)) {
            (_, false) => 0,
            (Work::Sms, true) => 6 * codes.len(),
            (_, true) => 2 * codes.len(),
        };
        assert_eq!(self.table.calls().len(), updates, "{name}: updates of the table");
    }
}

/// What happens to the second of three events, and how long it may take at most until it is delivered.
const FAULTS: [(&str, &str, f64); 5] = [
    ("KMS times out once", "kms hang", 2.5),
    ("KMS answers 429 once", "kms 429", 0.3),
    ("KMS answers 500 once", "kms 500", 0.3),
    ("SES answers 429 once", "ses 429", 0.3),
    ("SES answers 500 once", "ses 500", 0.3),
];

/// Seconds until the event with the fault was answered; the deadline, if it was not.
async fn measure_fault(name: &str, fault: &str, tls: &Tls) -> f64 {
    let stage = Stage::new(tls);
    let function = stage.start(name);
    let (first, _) = event(Work::Email, 1);
    assert!(matches!(function.invoke(first).await, Invocation::Ok(_)), "{name}");
    match fault {
        "kms hang" => stage.kms.script([Reply::Hang]),
        "kms 429" => stage.kms.script([Reply::error(429, "ThrottlingException")]),
        "kms 500" => stage.kms.script([Reply::error(500, "KMSInternalException")]),
        "ses 429" => stage.ses.script([Reply::error(429, "TooManyRequestsException")]),
        _ => stage.ses.script([Reply::error(500, "InternalFailure")]),
    }
    let (second, _) = event(Work::Email, 2);
    let (answer, time) = function.timed_invoke(DEFAULT_DEADLINE, second).await;
    match answer {
        Invocation::TimedOut => DEFAULT_DEADLINE.as_secs_f64(),
        Invocation::Ok(_) => time.as_secs_f64(),
        other => panic!("{name}, {fault}: {other:?}"),
    }
}

async fn faults(tls: &Tls) -> String {
    let programs: Vec<_> = ["custom-email-sender", "custom-email-sender + records", NODE]
        .into_iter()
        .filter(|name| *name != NODE || node_sender().is_some())
        .collect();
    let mut text = format!(
        "\nSeconds until an event was delivered although a service failed once; {FAULT_ROUNDS} fresh processes \
         each, interleaved; 5 is the deadline, and not delivered.\n\n| | {} | target | |\n|---|{}---|---|\n",
        programs.join(" | "),
        "---|".repeat(programs.len()),
    );
    for (fault, script, target) in FAULTS {
        let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for _ in 0..FAULT_ROUNDS {
            for name in &programs {
                times.entry(name).or_default().push(measure_fault(name, script, tls).await);
            }
        }
        let worst = programs
            .iter()
            .filter(|name| **name != NODE)
            .flat_map(|name| times[name].iter().copied())
            .fold(0.0, f64::max);
        let shown: Vec<_> =
            programs.iter().map(|name| Spread::of(times[name].iter().copied()).show(3)).collect();
        let verdict = if worst <= target { "met by every process" } else { "**missed**" };
        writeln!(text, "| {fault} | {} | ≤ {target} | {verdict} |", shown.join(" | "))
            .expect("room in a string");
    }
    text
}

/// Node.js and the bundle, once `npm ci && npm run build` has made them.
fn node_sender() -> Option<[PathBuf; 2]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node-sender");
    let files = [folder.join("node_modules/.bin/node"), folder.join("bundle.cjs")];
    files.iter().all(|file| file.exists()).then_some(files)
}

fn binary_size(name: &str) -> Option<u64> {
    let binary = name.strip_suffix(RECORDS).unwrap_or(name);
    let path = if name == NODE { node_sender()?[1].clone() } else { bootstrap(binary) };
    Some(fs::metadata(path).ok()?.len())
}

/// Median and the quartiles around it.
struct Spread {
    median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
        Self { median: at(2), low: at(1), high: at(3) }
    }

    fn show(&self, digits: usize) -> String {
        let Self { median, low, high } = self;
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

type Samples<'a> = BTreeMap<&'a str, Vec<Sample>>;

/// The ratio of two programs in one figure, taken inside each round.
fn ratio(samples: &Samples<'_>, name: &str, other: &str, figure: fn(&Sample) -> f64) -> Option<Spread> {
    let (these, others) = (samples.get(name)?, samples.get(other)?);
    Some(Spread::of(these.iter().zip(others).map(|(a, b)| figure(a) / figure(b))))
}

fn report(names: &[&str], samples: &Samples<'_>, authorities: usize) -> String {
    let mut text = format!(
        "{}, {}; {ROUNDS} fresh processes of each program in interleaved rounds, {WARM_EVENTS} warm events in each; \
         median (quartiles). {authorities} certificate authorities in the clients' file.\n\n",
        command_line("date", &["+%F"]),
        machine(),
    );
    text.push_str(&figures(names, samples));
    text.push_str(&ratios(names, samples));
    text.push_str(&targets(names, samples));
    text
}

fn figures(names: &[&str], samples: &Samples<'_>) -> String {
    let mut text = "| | start to first poll, ms | first event, ms | cold CPU, ms | warm median, µs | \
         CPU for 1,000 events, s | peak memory, MiB | binary, MB |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for name in names {
        let show =
            |figure: fn(&Sample) -> f64, digits| Spread::of(samples[name].iter().map(figure)).show(digits);
        let size = binary_size(name).map_or_else(String::new, |size| format!("{:.2}", as_f64(size) / 1e6));
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {size} |",
            show(|sample| sample.start.as_secs_f64() * 1e3, 2),
            show(|sample| sample.first.as_secs_f64() * 1e3, 2),
            show(|sample| sample.cold_cpu.as_secs_f64() * 1e3, 2),
            show(|sample| sample.warm.as_secs_f64() * 1e6, 0),
            show(|sample| sample.warm_cpu.as_secs_f64() * 1e3, 3),
            show(|sample| as_f64(sample.peak) / 1_048_576.0, 1),
        )
        .expect("a string takes everything");
    }
    text
}

const COLD_CPU: fn(&Sample) -> f64 = |sample| sample.cold_cpu.as_secs_f64();
const WARM: fn(&Sample) -> f64 = |sample| sample.warm.as_secs_f64();
const WARM_CPU: fn(&Sample) -> f64 = |sample| sample.warm_cpu.as_secs_f64();
const PEAK: fn(&Sample) -> f64 = |sample| as_f64(sample.peak);

fn ratios(names: &[&str], samples: &Samples<'_>) -> String {
    let mut text = "\n| | compared with | cold CPU | warm median | CPU for 1,000 events | peak memory |\n\
         |---|---|---|---|---|---|\n"
        .to_owned();
    for other in
        [EMPTY, MINIMAL, MINIMAL_WITH_RECORDS, NODE].into_iter().filter(|other| names.contains(other))
    {
        for name in names.iter().filter(|name| **name != other && (other == EMPTY || is_sender(name))) {
            let show = |figure| {
                ratio(samples, name, other, figure).map_or_else(String::new, |spread| spread.show(3))
            };
            let (cold, warm, cpu, peak) = (show(COLD_CPU), show(WARM), show(WARM_CPU), show(PEAK));
            writeln!(text, "| {name} | {other} | {cold} | {warm} | {cpu} | {peak} |")
                .expect("room in a string");
        }
    }
    text
}

fn is_sender(name: &str) -> bool {
    PROGRAMS.iter().any(|(other, work)| *other == name && matches!(work, Work::Email | Work::Sms))
}

/// The figures that this project promises, each with what was measured.
fn targets(names: &[&str], samples: &Samples<'_>) -> String {
    let mut text = "\n| | figure | target | measured | |\n|---|---|---|---|---|\n".to_owned();
    let mut row = |name: &str, figure: &str, target: f64, measured: Option<f64>| {
        if let Some(measured) = measured {
            let verdict = if measured <= target { "met" } else { "**missed**" };
            writeln!(text, "| {name} | {figure} | ≤ {target} | {measured:.2} | {verdict} |")
                .expect("room in a string");
        }
    };
    let median =
        |name: &str, other: &str, figure| ratio(samples, name, other, figure).map(|spread| spread.median);
    for name in names.iter().filter(|name| ![EMPTY, MINIMAL, MINIMAL_WITH_RECORDS, NODE].contains(name)) {
        let megabytes = binary_size(name).map(|size| as_f64(size) / 1e6);
        if is_sender(name) {
            let peak = Spread::of(samples[name].iter().map(PEAK)).median / 1e6;
            row(name, "cold CPU, × empty handler", 7.0, median(name, EMPTY, COLD_CPU));
            if name.ends_with(RECORDS) {
                // What goes to the table is apart: Node.js keeps no records. It must cost no more than as many bare
                // round trips, and the rest is the sender without records, which has a row of its own.
                row(name, "what records add, × their bare round trips", 1.0, records_add(samples, name));
                row(
                    name,
                    "warm median, × decrypt-and-post + records",
                    2.0,
                    median(name, MINIMAL_WITH_RECORDS, WARM),
                );
            } else {
                row(name, "warm median, × Node.js", 0.15, median(name, NODE, WARM));
                row(name, "warm median, × decrypt-and-post", 2.0, median(name, MINIMAL, WARM));
            }
            row(name, "peak memory, MB", 14.0, Some(peak));
            row(name, "binary, MB", 6.5, megabytes);
        } else {
            row(name, "cold CPU, × empty handler", 1.3, median(name, EMPTY, COLD_CPU));
            row(name, "binary, MB", 3.0, megabytes);
        }
    }
    text
}

/// What a sender's records add to its warm median, as a share of as many round trips that follow one another.
///
/// One round trip is half of what the two of the minimal program add to its own time.
fn records_add(samples: &Samples<'_>, name: &str) -> Option<f64> {
    let without = name.strip_suffix(RECORDS)?;
    let trips = if without == "custom-sms-sender" { 6.0 } else { 2.0 };
    let all = [name, without, MINIMAL, MINIMAL_WITH_RECORDS].map(|name| samples.get(name));
    let [Some(own), Some(without), Some(minimal), Some(with_records)] = all else { return None };
    let rounds = own.iter().zip(without).zip(minimal).zip(with_records);
    let shares = rounds.map(|(((own, without), minimal), with_records)| {
        let trip = (WARM(with_records) - WARM(minimal)) / 2.0;
        (WARM(own) - WARM(without)) / (trips * trip)
    });
    Some(Spread::of(shares).median)
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpus.matches("processor\t").count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{} × {} ({}, Linux {}), load {} at the end",
        cores,
        model.map_or("unknown CPU", |(_, model)| model),
        std::env::consts::ARCH,
        command_line("uname", &["-r"]).split('-').next().unwrap_or_default(),
        load.split(' ').next().unwrap_or_default(),
    )
}

fn command_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("a program of every Linux system");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files and of memory stay far below 2^53")]
const fn as_f64(size: u64) -> f64 {
    size as f64
}
