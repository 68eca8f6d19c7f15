//! What holds for every input. Each module checks one property and panics if the property does not hold.
//!
//! Inputs are texts, pieces of which stand on lines of their own, so that seeds and findings can be read.

pub mod address;
pub mod domain;
pub mod envelope;
pub mod event;
pub mod locale;
pub mod mailbox;
pub mod phone;
pub mod settings;
pub mod template;
