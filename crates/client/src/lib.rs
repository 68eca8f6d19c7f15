//! How the functions call AWS and other HTTPS services.
//!
//! - [`aws`]: Region, credentials and endpoints from Lambda's variables;
//! - [`http`]: the HTTPS client of all SDK clients of a process;
//! - [`time`]: the deadline of an invocation.

pub mod aws;
pub mod http;
pub mod time;
