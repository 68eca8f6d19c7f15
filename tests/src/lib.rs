//! What the tests and the benchmark run the real functions against: Lambda's Runtime API, and mocks of KMS, SES,
//! SNS, End User Messaging and DynamoDB on 127.0.0.1.
//!
//! Everything listens on a free port, needs a tokio runtime, and ends when it is dropped.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "here a panic is how a test fails, and says why"
)]

mod aws_json;
pub mod canary;
pub mod cli;
pub mod dynamodb;
pub mod end_user_messaging;
pub mod event;
pub mod function;
mod http;
pub mod kms;
pub mod metrics;
pub mod mock_aws;
pub mod moto;
pub mod presigned;
pub mod rie;
pub mod sender;
pub mod service;
pub mod ses;
mod signature;
pub mod sns;
pub mod tls;
pub mod webhook;

pub use envelope_writer;
