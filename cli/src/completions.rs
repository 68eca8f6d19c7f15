//! `completions`: what a shell needs in order to complete the command line.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::output::Output;
use crate::{Cli, End, Error};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(options: &Options, output: &mut Output) -> Result<End, Error> {
    let mut script = Vec::new();
    generate(options.shell, &mut Cli::command(), crate::NAME, &mut script);
    output.verbatim(&script)?;
    Ok(End::Done)
}
