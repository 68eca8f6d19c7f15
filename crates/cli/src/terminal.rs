//! What the operator reads and types: text, tables, progress, questions, words for a shell, and numbers in words.

pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod progress;
pub(crate) mod shell;
pub(crate) mod table;
pub(crate) mod words;
