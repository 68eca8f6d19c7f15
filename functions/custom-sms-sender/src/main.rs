//! The custom SMS sender trigger.

use std::process::ExitCode;

use custom_sms_sender::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(config) = runtime::configure(Config::read) else { return ExitCode::FAILURE };
    let sender = &custom_sms_sender::new(config);
    runtime::run(async |invocation| sender.handle(invocation).await).await
}
