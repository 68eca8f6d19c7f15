//! The edge that all functions share: settings from the environment, logs, panics, the run loop.
//!
//! A crate of its own, because `shared` prints nothing and reads no environment, and `sender` brings the AWS SDK,
//! which `pre-sign-up` and `custom-message` do not link.

pub mod logging;
pub mod metrics;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use shared::config::{ConfigError, MessageSettings, Settings};
use shared::message::Messages;
use shared::outcome::{ErrorType, Outcome};

/// One invocation as Lambda hands it over.
#[derive(Debug)]
pub struct Invocation {
    /// The event, not yet looked into.
    pub event: Box<RawValue>,
    /// Lambda's id of the invocation, the same for all its retries.
    pub request_id: String,
    /// The time that is left until Lambda ends the process, as it was when the event arrived.
    pub time_left: Duration,
}

/// A failed invocation, as it is reported to Lambda.
///
/// For synchronous triggers Cognito shows `message` to the end user; for none of them may it hold personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable name, which alarms may rely on.
    pub error_type: ErrorType,
    /// One sentence.
    pub message: String,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type.name().to_owned(), error_message: failure.message }
    }
}

/// Prepares the process and reads its configuration: logs, panic hook, every setting.
///
/// `None` when the configuration is invalid: one line in the log has then named every problem, and the process
/// should end, so that Lambda reports the function as not started.
pub fn configure<T>(read: impl FnOnce(&Settings<'_>, &[u8; 32]) -> Option<T>) -> Option<T> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let lookup = |name: &str| std::env::var(name).ok();
    let read_file = |path: &str| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let settings = Settings::new(&lookup, &read_file);
    logging::start(&settings);
    let mut random = [0; 32];
    if getrandom::fill(&mut random).is_err() {
        settings
            .problem("RECIPIENT_HASH_KEY", "is not set, and the system has no random numbers to stand in");
    }
    let value = read(&settings, &random);
    let log = |error: ConfigError| {
        tracing::error!(
            outcome = Outcome::NotStarted.name(),
            error.r#type = ErrorType::InvalidConfiguration.name(),
            settings = error.variables(),
            "{error}"
        );
    };
    settings.finish(value).map_err(log).ok()
}

/// Runs the function until Lambda ends the process.
pub async fn run<F, Fut>(handler: F) -> std::process::ExitCode
where
    F: Fn(Invocation) -> Fut,
    Fut: Future<Output = Result<Box<RawValue>, Failure>>,
{
    let service = service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let time_left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        handler(Invocation { event: event.payload, request_id: event.context.request_id, time_left })
    });
    match lambda_runtime::run(service).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the Lambda Runtime API is gone: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// The messages of the deployment, with the files of `TEMPLATES_DIR` in the place of built-in ones.
///
/// An override that does not work is logged and left out: delivery must not depend on it.
#[must_use]
pub fn messages(settings: &Settings<'_>) -> Option<Messages> {
    let message_settings = MessageSettings::read(settings);
    let templates = settings.optional("TEMPLATES_DIR", read_templates);
    let (messages, problems) = Messages::new(message_settings?, templates?.unwrap_or_default());
    for problem in problems {
        tracing::error!("{problem}; the built-in text is used");
    }
    Some(messages)
}

/// Reads the template files below the folder, by their name relative to it, with `/` between the parts.
fn read_templates(folder: &str) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    collect(Path::new(folder), "", &mut files)
        .map_err(|error| format!("names a folder that cannot be read: {error}"))?;
    Ok(files)
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else if name.ends_with(".txt") || name.ends_with(".html") {
            files.insert(name, std::fs::read_to_string(path)?);
        }
    }
    Ok(())
}
