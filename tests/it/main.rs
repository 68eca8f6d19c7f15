//! The integration tests: the real binaries over the Lambda Runtime API, against mocks on loopback.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail like tests"
)]

mod attach_function;
mod budgets;
mod cli_attach;
mod cli_doctor;
mod cli_doctor_email;
mod cli_doctor_history;
mod cli_doctor_sms;
mod cli_doctor_triggers;
mod cli_event;
mod cli_explain;
mod cli_hash;
mod cli_redrive;
mod cli_robust;
mod cli_shell;
mod cli_smoke;
mod cli_status;
mod contract;
mod custom_email_sender;
mod custom_message;
mod custom_sms_sender;
mod delivery;
mod dns;
mod docs;
mod dry_run;
mod envelope;
mod errors;
mod faults;
mod fixtures;
mod kill;
mod messages;
mod metrics;
mod mock_aws;
mod no_leak;
mod policies;
mod pre_sign_up;
mod properties;
mod pumping;
mod record_store;
mod rie;
mod runtime_api;
mod stage;
mod start_up;
mod threats;
mod tour;
mod watched;
mod webhook;
