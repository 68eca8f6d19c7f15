//! The custom SMS sender trigger.

use std::process::ExitCode;

use custom_sms_sender::{Config, SmsSender};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(config) = runtime::configure(Config::read) else { return ExitCode::FAILURE };
    let sender = &SmsSender::new(config);
    runtime::run(async |invocation| sender.handle(invocation).await).await
}
