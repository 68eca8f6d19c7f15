//! The operator's tool: what there is to do with a deployment, as commands.
//!
//! Each subcommand has a file of its own, and so has each AWS service; only the latter and `aws.rs` name the SDK.
//! Nothing that the tool prints holds personal data but what its user told it: it shows kinds, ages, causes and
//! keyed hashes.

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

/// Looks after a deployment of the Cognito triggers.
#[derive(Debug, Parser)]
#[command(name = "cognito-triggers", version, max_term_width = 80, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    #[command(flatten, next_help_heading = "Common options")]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the events whose message could not be delivered; sends them again with --send
    Redrive(redrive::Options),
    /// Prints the hash under which the logs show an address or a number
    Hash(hash::Options),
    /// Explains what the sign-up policy does with an address, or with a file of them
    Explain(explain::Options),
    /// Finds out why a user got no code
    Doctor(doctor::Options),
    /// Attaches the triggers to an existing user pool and changes nothing else; does so with --apply
    Attach(attach::AttachOptions),
    /// Detaches the triggers from a user pool and restores the previous ones; does so with --apply
    Detach(attach::DetachOptions),
    /// Compares a user pool with what the stack wants of it
    Diff(attach::DiffOptions),
    /// Shows the last day at a glance: messages, failures, failed events, spend
    Status(status::Options),
    /// Writes an event as Cognito would send it, with a code that is really encrypted
    Event(event::Options),
    /// Sends such an event to a function and shows the answer; a dry run without --send
    Invoke(invoke::Options),
    /// Proves after a deployment that everything works, without sending a message
    Smoke(smoke::Options),
    /// Prints what a shell needs to complete the command line
    Completions(completions::Options),
    /// Prints the manual page, or writes a page for each command into a folder
    Man(man::Options),
}

/// Runs a command to its exit code. `lookup` reads a variable of the environment.
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
        // The reader has closed the pipe, so there is nowhere to print why the command ended early.
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
