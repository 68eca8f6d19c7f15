//! `man`: the manual pages, generated from `--help`.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::exit::{EXIT_CODES, End, Error};
use crate::terminal::output::Output;

/// The footer of each page.
const SOURCE: &str = concat!("cognito-triggers ", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Existing folder for the pages, one for each command; default: the main page, on standard output
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// `tool` is the tool's whole command line.
pub(crate) fn run(options: &Options, tool: Command, output: &mut Output) -> Result<End, Error> {
    let mut main = tool.disable_help_subcommand(true);
    // This adds the common options to the subcommands.
    main.build();
    match &options.folder {
        None => output.verbatim(&page(&main)?)?,
        Some(folder) => {
            for command in std::iter::once(&main).chain(main.get_subcommands()) {
                write(folder, command)?;
            }
        }
    }
    Ok(End::Done)
}

fn write(folder: &Path, command: &Command) -> Result<(), Error> {
    let file = folder.join(Man::new(command.clone()).get_filename());
    let written = page(command).and_then(|page| std::fs::write(&file, page));
    written.map_err(|error| Error::Usage(format!("can't write {}: {error}", file.display())))
}

/// A page, with the exit codes in the section EXIT STATUS.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("Cognito triggers").source(SOURCE);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut roff = Roff::new();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    } else if let Some(notes) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        roff.control("SH", ["NOTES"]);
        for paragraph in notes.to_string().split("\n\n") {
            roff.control("PP", []).text([roman(paragraph)]);
        }
    }
    exit_codes(&mut roff);
    roff.to_writer(&mut page)?;
    Ok(page)
}

fn exit_codes(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for line in EXIT_CODES.lines().skip(1) {
        let (code, meaning) = line.trim().split_once(' ').unwrap_or_default();
        roff.control("TP", []).text([roman(code)]).text([roman(meaning.trim())]);
    }
}
