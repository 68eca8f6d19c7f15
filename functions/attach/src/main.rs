//! The custom resource `Custom::CognitoTriggers`.

use std::process::ExitCode;

use attach::{Attach, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(config) = runtime::configure(Config::read) else { return ExitCode::FAILURE };
    let attach = &Attach::new(config);
    runtime::run(async |invocation| attach.handle(invocation).await).await
}
