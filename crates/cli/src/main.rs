//! `cognito-triggers`, the operator's tool.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let lookup = |name: &str| std::env::var(name).ok();
    cli::run(<cli::Cli as clap::Parser>::parse(), &lookup).await
}
