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
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{DEFAULT_DEADLINE, Function, Init, Invocation, bootstrap};
use tests::kms::{KEY_ARN, Kms};
use tests::ses::Ses;
use tests::sns::Sns;
use tests::tls::Tls;

/// Fresh processes of each program, not counting the one that warms the page cache.
const ROUNDS: usize = 11;

/// Events after the first one, in each process.
const WARM_EVENTS: u32 = 150;

const POOL_ID: &str = "eu-central-1_Example01";

/// What everything is compared with.
const EMPTY: &str = "empty-handler";
const MINIMAL: &str = "decrypt-and-post";
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

const PROGRAMS: [(&str, Work); 7] = [
    (EMPTY, Work::Echo),
    ("pre-sign-up", Work::PreSignUp),
    ("custom-message", Work::CustomMessage),
    ("custom-email-sender", Work::Email),
    ("custom-sms-sender", Work::Sms),
    (MINIMAL, Work::Email),
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

    // A function on Lambda reads the bundle of the whole system, so the stand-ins' authority is added to it.
    let system = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let authorities = system.matches("BEGIN CERTIFICATE").count();
    let tls = Tls::beside(&system);

    let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for round in 0..=ROUNDS {
        for turn in 0..programs.len() {
            // Nobody always runs after the same neighbour.
            let (name, work) = programs[(round + turn) % programs.len()];
            let sample = measure(name, work, &tls).await;
            if round > 0 {
                samples.entry(name).or_default().push(sample);
            }
        }
    }
    let names: Vec<&str> = programs.iter().map(|(name, _)| *name).collect();
    println!("{}", report(&names, &samples, authorities));
}

/// One process: its start, its first event, and the warm ones.
async fn measure(name: &str, work: Work, tls: &Tls) -> Sample {
    let (kms, ses, sns) = (Kms::start(KEY_ARN, Some(tls)), Ses::start(Some(tls)), Sns::start(Some(tls)));
    let ca_file = tls.ca_file().display().to_string();
    let env = [
        kms.endpoint(),
        ses.endpoint(),
        sns.endpoint(),
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
    // Made before the process starts: one that waits meanwhile would find its caches cold.
    let events: Vec<(String, String)> = (0..=WARM_EVENTS).map(|number| event(work, number)).collect();

    let function = match (name, node_sender()) {
        (NODE, Some([node, bundle])) => {
            let mut command = Command::new(node);
            command.arg(bundle);
            Function::start_command(name, command, &env)
        }
        _ => Function::start(name, &env),
    };
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
    check_calls(name, work, &codes, &kms, &ses, &sns);
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

/// One call of KMS and one send for every event, with its code, in the order of the events.
fn check_calls(name: &str, work: Work, codes: &[&str], kms: &Kms, ses: &Ses, sns: &Sns) {
    let sent: Vec<String> = match work {
        Work::Echo | Work::PreSignUp | Work::CustomMessage => {
            assert_eq!(
                (kms.calls().len(), ses.calls().len(), sns.calls().len()),
                (0, 0, 0),
                "{name} called AWS"
            );
            return;
        }
        Work::Email => {
            let text =
                |mail: &Value| mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().map(str::to_owned);
            ses.calls().iter().map(|call| text(&call.body).expect("a text part")).collect()
        }
        Work::Sms => sns.calls().iter().map(|call| call.body["Message"].clone()).collect(),
    };
    assert_eq!((kms.calls().len(), sent.len()), (codes.len(), codes.len()), "{name}: calls of KMS, messages");
    for (message, code) in sent.iter().zip(codes) {
        assert!(message.contains(code), "{name} sent {message:?} instead of {code}");
    }
}

/// Node.js and the bundle, once `npm ci && npm run build` has made them.
fn node_sender() -> Option<[PathBuf; 2]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node-sender");
    let files = [folder.join("node_modules/.bin/node"), folder.join("bundle.cjs")];
    files.iter().all(|file| file.exists()).then_some(files)
}

fn binary_size(name: &str) -> Option<u64> {
    let path = if name == NODE { node_sender()?[1].clone() } else { bootstrap(name) };
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
    for other in [EMPTY, MINIMAL, NODE].into_iter().filter(|other| names.contains(other)) {
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
    for name in names.iter().filter(|name| ![EMPTY, MINIMAL, NODE].contains(name)) {
        let megabytes = binary_size(name).map(|size| as_f64(size) / 1e6);
        if is_sender(name) {
            let peak = Spread::of(samples[name].iter().map(PEAK)).median / 1e6;
            row(name, "cold CPU, × empty handler", 7.0, median(name, EMPTY, COLD_CPU));
            row(name, "warm median, × Node.js", 0.15, median(name, NODE, WARM));
            row(name, "warm median, × decrypt-and-post", 2.0, median(name, MINIMAL, WARM));
            row(name, "peak memory, MB", 14.0, Some(peak));
            row(name, "binary, MB", 6.5, megabytes);
        } else {
            row(name, "cold CPU, × empty handler", 1.3, median(name, EMPTY, COLD_CPU));
            row(name, "binary, MB", 3.0, megabytes);
        }
    }
    text
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
