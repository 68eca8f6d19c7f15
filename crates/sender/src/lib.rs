//! Everything that delivers a message except its provider: reading the event, decrypting the code, the delivery
//! record, retries, errors, logs and metrics.
//!
//! A crate of its own and not a feature of `shared`: features unify per build command, so the AWS SDK could leak
//! into the functions that must start without it. For the same reason the template builds each function from its
//! own folder.

pub mod channel;
pub mod delivery;
pub mod dry_run;
pub mod envelope;
pub mod errors;
pub mod job;
pub mod kms;
pub mod record;
pub mod report;
pub mod retry;
pub mod store;
