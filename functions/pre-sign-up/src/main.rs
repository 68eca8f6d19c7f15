//! The pre sign-up trigger.

use std::process::ExitCode;

use pre_sign_up::{Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(config) = &runtime::configure(Config::read) else { return ExitCode::FAILURE };
    runtime::run(async |invocation| handle(config, &invocation)).await
}
