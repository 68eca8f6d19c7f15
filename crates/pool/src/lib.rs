//! The control plane: attaches Lambda triggers to a user pool, detaches them, and keeps all other settings.
//!
//! `UpdateUserPool` resets every setting that is missing from the request. So the pool is read, its Lambda triggers
//! are changed, and everything is written back as JSON: the SDK's types would lose members that are newer than the SDK.
//!
//! - [`triggers`]: the functions and the key to attach;
//! - [`user_pool`]: a user pool as Cognito describes it;
//! - [`plan`]: what to change, decided without a call;
//! - [`control`]: reads, writes, and reads again;
//! - [`policy`]: the policies of functions and keys;
//! - [`permission`]: whether Cognito may invoke a function;
//! - [`model`]: which members of a user pool are settable or read-only;
//! - [`aws`]: the calls;
//! - [`error_code`]: the meaning of their errors.

pub mod aws;
pub mod control;
pub mod difference;
pub mod error_code;
pub mod model;
pub mod permission;
pub mod plan;
pub mod policy;
pub mod triggers;
pub mod user_pool;

#[cfg(test)]
mod properties;
