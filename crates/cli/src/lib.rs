//! The operator's tool: what there is to do with a deployment, as commands.
//!
//! Each subcommand has a file of its own, and so has each AWS service; only the latter and `aws.rs` name the SDK.
//! Nothing that the tool prints holds personal data but what its user told it: it shows kinds, ages, causes and
//! keyed hashes.

mod attach;
mod aws;
mod completions;
mod dns;
mod doctor;
mod dry_run;
mod event;
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

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::aws::{AwsError, Kind};
use crate::terminal::output::Output;

/// What the tool is called.
const NAME: &str = "cognito-triggers";

/// Looks after a deployment of the Cognito triggers.
#[derive(Debug, Parser)]
#[command(name = NAME, version, max_term_width = 80, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    #[command(flatten, next_help_heading = "Common options")]
    common: Common,
}

/// How a command ends, as `--help` shows it.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    done as far as possible: something was found that has to be looked at
  2    the command line is wrong
  3    AWS could not be asked, or refused (credentials, Region, permission)
  4    AWS throttled the calls: run the command again later
  130  interrupted; what was not dealt with is as it was";

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

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// How the result is printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Profile of the AWS configuration files; else `AWS_PROFILE`
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// AWS Region; else that of the queue's URL, `AWS_REGION` or the profile
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    /// Something was found that the command cannot deal with.
    LookAtIt,
    Interrupted,
}

/// Why a command could not go on.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The arguments contradict each other or the deployment. clap finds most such errors before.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Standard input or output.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Aws(error) if error.kind == Kind::Throttled => 4,
            Self::Aws(_) => 3,
            Self::Io(_) => 1,
        }
    }
}

impl End {
    fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::LookAtIt => 1,
            Self::Interrupted => 130,
        }
    }
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
        Command::Completions(options) => completions::run(&options, &mut output),
        Command::Man(options) => man::run(&options, &mut output),
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
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_defined_without_contradiction() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        let throttled = AwsError { kind: Kind::Throttled, text: String::new() };
        let other = AwsError { kind: Kind::Other, text: String::new() };
        let codes = [End::Done, End::LookAtIt, End::Interrupted].map(End::exit_code).into_iter().chain(
            [Error::Usage(String::new()), other.into(), throttled.into()].map(|error| error.exit_code()),
        );
        for code in codes {
            assert!(EXIT_CODES.lines().any(|line| line.starts_with(&format!("  {code} "))), "{code}");
        }
    }
}
