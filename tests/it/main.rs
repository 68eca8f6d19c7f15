//! The integration tests: the real binaries over the Lambda Runtime API, against stand-ins on loopback.

mod envelope;
mod runtime_api;
