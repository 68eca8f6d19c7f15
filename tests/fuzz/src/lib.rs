//! What the fuzz targets call.
//!
//! The properties stand in a folder of their own, because the tests on the stable compiler check them too
//! (`tests/it/properties.rs`).

#[path = "../../../crates/sender/src/envelope.rs"]
pub mod envelope;
#[path = "../../../functions/custom-email-sender/src/mailbox.rs"]
pub mod mailbox;
#[path = "properties/all.rs"]
pub mod properties;

// The two files above are included and not depended on: their crates bring the AWS SDK, which takes minutes to build
// with a fuzzer's instrumentation and slows every start.

/// The clear text of a message.
pub fn open(message: Vec<u8>, data_key: &[u8]) -> Option<Vec<u8>> {
    let clear = envelope::Envelope::parse(message).ok()?.open(data_key).ok()?;
    Some(clear.to_vec())
}

/// A mailbox as it stands in a header.
pub fn header(text: &str) -> Option<String> {
    Some(text.parse::<mailbox::Mailbox>().ok()?.header())
}
