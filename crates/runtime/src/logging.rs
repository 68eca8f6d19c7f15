//! Logs: one JSON object per line on standard output, without personal data.
//!
//! The Lambda runtime crate prints whole events at trace, the AWS SDK prints SES and SNS bodies at debug. So this file
//! sets the levels of other crates, and no environment variable can change them.

use shared::outcome::{ErrorType, Outcome};
use shared::settings::{LogLevel, Settings};
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

/// Starts logging at the level of `LOG_LEVEL`, or of Lambda's own `AWS_LAMBDA_LOG_LEVEL` if that is less verbose.
///
/// A panic is logged with its place in the code but without its message, which might quote personal data. It ends the
/// process in every build profile: unwinding would pass the message to the runtime crate, which reports it to Lambda,
/// and Cognito shows it to the user.
pub fn start(settings: &Settings<'_>) {
    // An invalid level is a problem that `configure` reports.
    let own = settings.log_level().unwrap_or_default();
    let lambda = settings.text("AWS_LAMBDA_LOG_LEVEL").as_deref().and_then(LogLevel::lookup).unwrap_or(own);
    let level = match own.min(lambda) {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    let others = Targets::new()
        .with_default(Level::ERROR)
        // The runtime crate repeats every reported failure in Rust's debug format.
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF);
    let targets = OWN_CRATES.iter().fold(others, |targets, name| targets.with_target(*name, level));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false);
    // In tests, a second start keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            outcome = Outcome::Panicked.name(),
            error.r#type = ErrorType::Panic.name(),
            panic.place = place,
            "the function panicked, which is a bug: please report it"
        );
        std::process::abort();
    }));
}
