//! What the four functions decide and say, without doing anything.
//!
//! This crate is pure: no async, no AWS, no environment, no clock, no randomness, no printing.
//! Whatever it needs from outside comes in as an argument, so every decision can be tested as a table.

pub mod address;
pub mod arn;
pub mod config;
pub mod disposable;
pub mod domain;
pub mod dry_run;
pub mod event;
pub mod locale;
pub mod message;
pub mod message_field;
pub mod metric;
pub mod outcome;
pub mod phone;
mod phone_table;
pub mod policy;
pub mod pumping;
pub mod recipient;
pub mod secret;
pub mod segments;
pub mod trigger;
