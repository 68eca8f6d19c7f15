//! The custom message trigger.

use std::process::ExitCode;

use custom_message::{Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(config) = &runtime::configure(Config::read) else { return ExitCode::FAILURE };
    runtime::run(async |invocation| Ok(handle(config, invocation))).await
}
