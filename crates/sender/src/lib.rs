//! What the two custom senders share: the way from an encrypted code to the clear text, and how AWS is called.
//!
//! A crate of its own and not a feature of `shared`: features unify per build command, so the AWS SDK could leak
//! into the functions that must start without it. For the same reason the template builds each function from its
//! own folder.

pub mod aws;
pub mod delivery;
pub mod dry_run;
pub mod envelope;
pub mod errors;
pub mod http;
pub mod job;
pub mod kms;
pub mod record;
pub mod report;
pub mod store;
pub mod time;
