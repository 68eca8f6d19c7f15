//! What the operator reads and types: text, tables, progress, questions, and words for a shell.

pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod shell;
pub(crate) mod table;
