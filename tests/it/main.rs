//! The integration tests: the real binaries over the Lambda Runtime API, against stand-ins on loopback.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail like tests"
)]

mod contract;
mod custom_email_sender;
mod custom_message;
mod custom_sms_sender;
mod envelope;
mod fixtures;
mod messages;
mod metrics;
mod no_leak;
mod policies;
mod pre_sign_up;
mod pumping;
mod rie;
mod runtime_api;
mod start_up;
mod threats;
mod watched;
