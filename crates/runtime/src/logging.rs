//! Logs: one JSON object per line on standard output, and nothing that could hold personal data.
//!
//! The Lambda runtime crate prints whole events at trace, the AWS SDK prints SES and SNS bodies at debug. So the
//! levels of other crates stand here, and no variable of the environment can open them.

use shared::config::Settings;
use shared::outcome::{ErrorType, Outcome};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The crates whose level `LOG_LEVEL` sets.
const OWN_CRATES: [&str; 10] = [
    "runtime",
    "shared",
    "client",
    "sender",
    "pool",
    "attach",
    "pre_sign_up",
    "custom_message",
    "custom_email_sender",
    "custom_sms_sender",
];

/// Starts logging at the level of `LOG_LEVEL`, or of Lambda's own `AWS_LAMBDA_LOG_LEVEL` where that says less.
///
/// A panic is logged with its place in the code and without its message, which might quote what was worked on. The
/// process ends with it, whatever the build profile: unwinding would hand the message to the runtime crate, which
/// reports it to Lambda, and Cognito shows it to the user.
pub fn start(settings: &Settings<'_>) {
    let own = settings
        .optional("LOG_LEVEL", |text| level(text).ok_or("is none of `error`, `warn`, `info`, `debug`"));
    let own = own.flatten().unwrap_or(Level::INFO);
    let lambda = settings.text("AWS_LAMBDA_LOG_LEVEL").as_deref().and_then(level).unwrap_or(own);
    let others = Targets::new()
        .with_default(Level::ERROR)
        // It repeats, in Rust's debug form, every failure that a function has reported.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF);
    let targets = OWN_CRATES.iter().fold(others, |targets, name| targets.with_target(*name, own.min(lambda)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false);
    // A second start, as in tests, keeps the first one's subscriber.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            outcome = Outcome::Panicked.name(),
            error.r#type = ErrorType::Panic.name(),
            panic.place = place,
            "the function panicked, which is a bug in it"
        );
        std::process::abort();
    }));
}

fn level(text: &str) -> Option<Level> {
    match text.to_ascii_lowercase().as_str() {
        "error" | "fatal" => Some(Level::ERROR),
        "warn" => Some(Level::WARN),
        "info" => Some(Level::INFO),
        "debug" => Some(Level::DEBUG),
        _ => None,
    }
}
