//! The decisions, texts and settings of the functions, and the contract between the functions and the tool.
//!
//! This crate is pure: no async, AWS SDK, environment, clock, randomness or output. Arguments replace all of them, so
//! a table of inputs and results tests every decision.

pub mod address;
pub mod arn;
pub mod disposable;
pub mod domain;
pub mod dry_run;
pub mod event;
pub mod locale;
pub mod mailbox;
pub mod message;
pub mod message_field;
pub mod metric;
pub mod outcome;
pub mod parameter;
pub mod phone;
mod phone_table;
pub mod policy;
pub mod recipient;
pub mod secret;
pub mod segments;
pub mod settings;
pub mod sms_limits;
mod templates;
pub mod text;
pub mod trigger;
