//! The output: text that wraps at 80 columns, or one JSON document.

use std::io::{IsTerminal as _, Result, Write as _};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use shared::text::is_forbidden;

use crate::common::Format;

/// Columns of a line.
const WIDTH: usize = 80;

/// Standard output and standard error. Colors appear on a terminal only, and not if `NO_COLOR` is set.
pub(crate) struct Output {
    format: Format,
    stdout: AutoStream<std::io::Stdout>,
    stderr: AutoStream<std::io::Stderr>,
}

/// The color of a line, by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Good,
    Warning,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
        }
    }
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, stdout: anstream::stdout(), stderr: anstream::stderr() }
    }

    /// A paragraph of text. It wraps, and every line except the first is indented by `hanging` columns.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn text(&mut self, tone: Tone, hanging: usize, text: &str) -> Result<()> {
        if self.format == Format::Json {
            return Ok(());
        }
        let style = tone.style();
        for line in wrap(text, hanging) {
            writeln!(self.stdout, "{style}{line}{style:#}")?;
        }
        Ok(())
    }

    /// A line of a table. It doesn't wrap, so that each row stays on one line.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn row(&mut self, tone: Tone, text: &str) -> Result<()> {
        if self.format == Format::Json {
            return Ok(());
        }
        let style = tone.style();
        let text = harmless(text);
        writeln!(self.stdout, "{style}{text}{style:#}")
    }

    /// Asks the operator for a `y` or `yes` on standard input. Anything else, and the end of the input, means no.
    ///
    /// # Errors
    /// If standard input or output is closed.
    pub(crate) fn ask(&mut self, question: &str) -> Result<bool> {
        write!(self.stdout, "{} [y/N] ", harmless(question))?;
        self.stdout.flush()?;
        let mut answer = String::new();
        let stdin = std::io::stdin();
        stdin.read_line(&mut answer)?;
        if !stdin.is_terminal() {
            // On a terminal the Enter key ends the line.
            writeln!(self.stdout)?;
        }
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    }

    /// A part of the JSON document, if the whole may be too large for memory.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn json_part(&mut self, part: &str) -> Result<()> {
        if self.format == Format::Text {
            return Ok(());
        }
        write!(self.stdout, "{part}")
    }

    /// A result that is the same in both formats, such as a file.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn raw(&mut self, text: &str) -> Result<()> {
        writeln!(self.stdout, "{text}")
    }

    /// The JSON document.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> Result<()> {
        if self.format == Format::Text {
            return Ok(());
        }
        serde_json::to_writer_pretty(&mut self.stdout, document)?;
        writeln!(self.stdout)
    }

    /// A file, unchanged in both formats.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn verbatim(&mut self, file: &[u8]) -> Result<()> {
        self.stdout.write_all(file)?;
        self.stdout.flush()
    }

    /// A remark that is not part of the result.
    pub(crate) fn note(&mut self, text: &str) {
        self.aside(Tone::Warning, text);
    }

    /// The error that ended the command.
    pub(crate) fn error(&mut self, text: &str) {
        self.aside(Tone::Warning, &format!("error: {text}"));
    }

    fn aside(&mut self, tone: Tone, text: &str) {
        let style = tone.style();
        for line in wrap(text, 2) {
            // If standard error is closed, there is nowhere to report it.
            let _ = writeln!(self.stderr, "{style}{line}{style:#}");
        }
    }
}

/// Breaks lines at spaces. A word that is too long for a line, such as a URL or an ARN, stays whole.
fn wrap(text: &str, hanging: usize) -> Vec<String> {
    let text = &harmless(text);
    let start = text.len() - text.trim_start_matches(' ').len();
    let mut lines = vec![" ".repeat(start)];
    let mut columns = start;
    let mut empty = true;
    for word in text.split(' ').skip(start) {
        let length = word.chars().count();
        if !empty && columns + 1 + length > WIDTH {
            lines.push(" ".repeat(hanging));
            columns = hanging;
            empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !empty {
                line.push(' ');
                columns += 1;
            }
            line.push_str(word);
            columns += length;
            empty = false;
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// A text from outside, made safe for a terminal: one line without invisible characters, at most 300 characters long.
pub(crate) fn plain(text: &str) -> String {
    harmless(text).chars().take(300).collect()
}

/// Removes control characters, and characters that invisibly change the direction or the spelling of a text. Users
/// choose their attributes, and these must not control an operator's terminal, not even inside a command that the
/// operator copies.
fn harmless(text: &str) -> String {
    text.replace(|character: char| character.is_control() || is_forbidden(character), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, hanging: usize, expected: &[&str]) {
        assert_eq!(wrap(text, hanging), expected);
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        check("", 2, &[""]);
        check("  a  b", 2, &["  a  b"]);
        let long = "x".repeat(100);
        check(&format!("  see {long} there"), 4, &["  see", &format!("    {long}"), "    there"]);
        for line in wrap(&"word ".repeat(100), 6) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn a_text_from_outside_cannot_steer_the_terminal() {
        check("  aws '\u{1b}]0;x\u{7}\n'", 2, &["  aws ' ]0;x  '"]);
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}c"), "a [2Jb c");
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a [2Jb c");
        assert_eq!(plain("ann\u{202e}nimda\u{2028}x\u{200b}"), "ann nimda x ");
        assert_eq!(plain(&"é".repeat(400)).chars().count(), 300);
    }
}
