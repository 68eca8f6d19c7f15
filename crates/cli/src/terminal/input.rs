//! Arguments that may be on standard input instead.

use std::io::{BufRead, Result};
use std::path::Path;

/// The argument, or all of standard input if the argument is `-`; without surrounding white space.
///
/// # Errors
/// If standard input can't be read.
pub(crate) fn argument(text: String) -> Result<String> {
    let text = if text == "-" { std::io::read_to_string(std::io::stdin().lock())? } else { text };
    Ok(text.trim().to_owned())
}

/// The lines of a file, or of standard input if the path is `-`.
///
/// # Errors
/// If the file can't be opened.
pub(crate) fn lines(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    Ok(Box::new(std::io::BufReader::new(std::fs::File::open(path)?)))
}
