//! The operator's tool `cognito-triggers`: one command for each task with a deployment.
//!
//! Each subcommand has its own file, and so has each AWS service. Only the files in `aws/` and `aws.rs` name the SDK.
//! The output holds no personal data except what the operator entered: it shows kinds, ages, causes and keyed hashes.

mod attach;
mod aws;
mod common;
mod completions;
mod dns;
mod doctor;
mod dry_run;
mod event;
mod exit;
mod explain;
mod hash;
mod invoke;
mod man;
mod record;
mod redrive;
mod smoke;
mod stack;
mod status;
mod stop;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::common::Common;
use crate::exit::{EXIT_CODES, Error};
use crate::terminal::output::Output;

/// Operates a deployment of the Cognito triggers.
#[derive(Debug, Parser)]
#[command(name = "cognito-triggers", version, max_term_width = 80, after_help = EXIT_CODES)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    command: Command,
    #[command(flatten, next_help_heading = "Common options")]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists failed events; with --send, sends their messages again
    Redrive(redrive::Options),
    /// Prints the hash that stands for an address or a number in the logs
    Hash(hash::Options),
    /// Explains what the sign-up policy decides about an address, or about a file of addresses
    Explain(explain::Options),
    /// Finds out why a user got no code
    Doctor(doctor::Options),
    /// Attaches the triggers to an existing user pool and changes nothing else; a dry run without --apply
    Attach(attach::AttachOptions),
    /// Detaches the triggers from a user pool and restores the previous ones; a dry run without --apply
    Detach(attach::DetachOptions),
    /// Compares the Lambda triggers of a user pool with those of the stack
    Diff(attach::DiffOptions),
    /// Shows the last day at a glance: messages, failures, failed events, SMS spend
    Status(status::Options),
    /// Writes an event as Cognito sends it, with an encrypted code
    Event(event::Options),
    /// Invokes a function with such an event and shows its response; a dry run without --send
    Invoke(invoke::Options),
    /// Tests a deployment from end to end without sending a message
    Smoke(smoke::Options),
    /// Prints a completion script for a shell
    Completions(completions::Options),
    /// Prints the manual page, or writes one page for each command into a folder
    Man(man::Options),
}

/// Runs a command and returns its exit code. `lookup` reads an environment variable.
pub async fn run(cli: Cli, lookup: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let mut output = Output::new(cli.common.format);
    let result = match cli.command {
        Command::Redrive(options) => Box::pin(redrive::run(options, &cli.common, &mut output)).await,
        Command::Hash(options) => Box::pin(hash::run(options, &cli.common, lookup, &mut output)).await,
        Command::Explain(options) => Box::pin(explain::run(options, &cli.common, &mut output)).await,
        Command::Doctor(options) => Box::pin(doctor::run(options, &cli.common, &mut output)).await,
        Command::Attach(options) => Box::pin(attach::attach(options, &cli.common, &mut output)).await,
        Command::Detach(options) => Box::pin(attach::detach(options, &cli.common, &mut output)).await,
        Command::Diff(options) => Box::pin(attach::diff(options, &cli.common, &mut output)).await,
        Command::Status(options) => Box::pin(status::run(options, &cli.common, lookup, &mut output)).await,
        Command::Event(options) => Box::pin(event::run(options, &cli.common, &mut output)).await,
        Command::Invoke(options) => Box::pin(invoke::run(options, &cli.common, &mut output)).await,
        Command::Smoke(options) => Box::pin(smoke::run(options, &cli.common, &mut output)).await,
        Command::Completions(options) => completions::run(&options, Cli::command(), &mut output),
        Command::Man(options) => man::run(&options, Cli::command(), &mut output),
    };
    match result {
        Ok(end) => end.exit_code().into(),
        // The reader closed the pipe, so no one would see an error message.
        Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            output.error(&error.to_string());
            error.exit_code().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_defined_without_contradiction() {
        Cli::command().debug_assert();
    }
}
