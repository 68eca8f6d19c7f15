//! `completions`: a completion script for a shell.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::exit::{End, Error};
use crate::terminal::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// `tool` is the tool's whole command line.
pub(crate) fn run(options: &Options, mut tool: Command, output: &mut Output) -> Result<End, Error> {
    let mut script = Vec::new();
    let name = tool.get_name().to_owned();
    generate(options.shell, &mut tool, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    // If the program's name has a hyphen, clap_complete 4.6 uses two names for each command: one to recognize the
    // command, and the other one to list its options.
    let script = script.replace("cognito__subcmd__triggers__", "cognito__triggers__");
    output.verbatim(script.as_bytes())?;
    Ok(End::Done)
}
