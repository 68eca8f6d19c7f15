//! A function that panics with what it works on, between the settings, the logs and the run loop of the real ones.

#![expect(clippy::panic, reason = "panicking is what it is for")]

use std::process::ExitCode;

use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(at_start) = runtime::configure(|settings, _| Ok(settings.text("PANIC_AT_START"))) else {
        return ExitCode::FAILURE;
    };
    if let Some(text) = at_start {
        panic!("{text}");
    }
    let handler = async |invocation: runtime::Invocation| -> Result<Box<RawValue>, runtime::Failure> {
        panic!("{}", invocation.event.get())
    };
    runtime::run(handler).await
}
