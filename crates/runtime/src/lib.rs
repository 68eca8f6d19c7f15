//! What all functions do besides their own work: settings from the environment, logs, panics, the run loop.
//!
//! A crate of its own, because `shared` has no output and no environment, and `sender` brings the AWS SDK, which
//! `pre-sign-up` and `custom-message` don't link.

pub mod logging;
pub mod metrics;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::MapRequestLayer;
use lambda_runtime::{Diagnostic, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use serde_json::value::RawValue;
use shared::message::Messages;
use shared::outcome::{ErrorType, Outcome};
use shared::settings::{ConfigError, FileError, Files, Noted, Settings};

/// One invocation.
#[derive(Debug)]
pub struct Invocation {
    /// The event, not yet parsed.
    pub event: Box<RawValue>,
    /// Lambda's id of the invocation, the same for all its retries.
    pub request_id: String,
    /// The time from the arrival of the event until Lambda ends the process.
    pub time_left: Duration,
}

/// A failed invocation, as Lambda receives it.
///
/// Cognito shows the `message` of a synchronous trigger to the end user. It never contains personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable name for alarms.
    pub error_type: ErrorType,
    /// One sentence.
    pub message: String,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type.name().to_owned(), error_message: failure.message }
    }
}

/// Prepares the process: logs, panic hook, settings.
///
/// Returns `None` if a setting is invalid. One log line then names all problems, and the process must end, so that Lambda
/// reports that the function didn't start.
pub fn configure<T>(read: impl FnOnce(&Settings<'_>, &[u8; 32]) -> Result<T, Noted>) -> Option<T> {
    #[expect(clippy::disallowed_methods, reason = "only this function reads the environment")]
    let lookup = |name: &str| std::env::var(name).ok();
    let settings = Settings::new(&lookup, &FileSystem);
    logging::start(&settings);
    let mut random = [0; 32];
    if getrandom::fill(&mut random).is_err() {
        settings.problem("RECIPIENT_HASH_KEY", "is not set, and the system returned no random key instead");
    }
    let value = read(&settings, &random);
    let log = |error: ConfigError| {
        tracing::error!(
            outcome = Outcome::NotStarted.name(),
            error.r#type = ErrorType::InvalidConfiguration.name(),
            settings = error.variables(),
            "invalid configuration: {error}"
        );
    };
    settings.finish(value).map_err(log).ok()
}

/// Runs the function until Lambda ends the process.
///
/// An emulator ends before the function does, so a lost connection is an error only before the first event. On AWS,
/// Lambda freezes or ends the process and never closes the connection first.
pub async fn run<F, Fut>(handler: F) -> std::process::ExitCode
where
    F: Fn(Invocation) -> Fut,
    Fut: Future<Output = Result<Box<RawValue>, Failure>>,
{
    let served = Cell::new(false);
    let served = &served;
    let service = service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let time_left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        served.set(true);
        handler(Invocation { event: event.payload, request_id: event.context.request_id, time_left })
    });
    let runtime = Runtime::new(service).layer(MapRequestLayer::new(only_whole_documents));
    match runtime.layer(TracingLayer::new()).run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) if served.get() && error.is::<hyper_util::client::legacy::Error>() => {
            tracing::info!("the Lambda Runtime API closed the connection: the function ends");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("the Lambda Runtime API returned an error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Empties a body that isn't exactly one JSON document, so that the runtime crate rejects it: the crate itself reads the
/// first document and ignores what follows.
fn only_whole_documents(mut invocation: LambdaInvocation) -> LambdaInvocation {
    if serde_json::from_slice::<&RawValue>(&invocation.body).is_err() {
        invocation.body.clear();
    }
    invocation
}

/// Logs the template overrides that can't be rendered. Messages are sent without them.
pub fn log_template_problems(messages: &Messages) {
    for problem in messages.problems() {
        tracing::error!("{problem}, so the built-in template is used");
    }
}

/// The files that the function sees, those of its Lambda layers included.
struct FileSystem;

impl Files for FileSystem {
    fn read(&self, path: &str) -> Result<String, FileError> {
        std::fs::read_to_string(path).map_err(|error| unreadable(&error))
    }

    fn read_templates(&self, folder: &str) -> Result<BTreeMap<String, String>, FileError> {
        let mut files = BTreeMap::new();
        collect(Path::new(folder), "", &mut files).map_err(|error| unreadable(&error))?;
        Ok(files)
    }
}

fn unreadable(error: &std::io::Error) -> FileError {
    FileError::Unreadable(error.to_string())
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
