//! The control plane: attaches triggers to a user pool and takes them off again, and leaves all else as it is.
//!
//! `UpdateUserPool` resets every setting that it is not given. So the pool is read, its triggers are changed, and
//! everything is written back; what was read and written is JSON all along, not the types of an SDK, which would
//! lose what is newer than they are.
//!
//! - [`triggers`]: what there is to attach;
//! - [`description`]: a user pool as Cognito describes it;
//! - [`plan`]: what is to be changed, decided without a call;
//! - [`control`]: reads, writes, and reads again;
//! - [`policy`]: the policies of functions and keys;
//! - [`permission`]: whether Cognito may invoke a function;
//! - [`model`]: what can be set in a user pool and what can only be read;
//! - [`aws`]: the calls, and what their errors mean.

pub mod aws;
pub mod control;
pub mod description;
pub mod difference;
pub mod model;
pub mod permission;
pub mod plan;
pub mod policy;
pub mod triggers;

#[cfg(test)]
mod properties;
