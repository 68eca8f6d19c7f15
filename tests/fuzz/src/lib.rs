//! What the fuzz targets call.
//!
//! The properties are in their own folder, because the tests on the stable compiler check them too
//! (`tests/it/properties.rs`).

#[path = "../../../crates/sender/src/envelope.rs"]
pub mod envelope;
#[path = "properties/all.rs"]
pub mod properties;

// The envelope reader is a file and not a dependency: its crate brings the AWS SDK, which takes minutes to build with a
// fuzzer's instrumentation and slows every start.

/// The clear text of a message.
pub fn open(message: Vec<u8>, data_key: &[u8]) -> Option<Vec<u8>> {
    let clear = envelope::Envelope::parse(message).ok()?.open(data_key).ok()?;
    Some(clear.to_vec())
}
