//! A message opens to the clear text that it was made of, or not at all: no change of its bytes opens to anything but
//! the twin of its signature, which no random change meets (a test in `crates/sender/src/envelope.rs` makes it).
//!
//! The first byte chooses a message of an official SDK, every four bytes after it change it: what to do, where
//! (two bytes) and with which byte.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

struct Fixture {
    data_key: Vec<u8>,
    plaintext: Vec<u8>,
    message: Vec<u8>,
}

static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    let files = [
        include_str!("../../../../crates/sender/fixtures/envelope/python.json"),
        include_str!("../../../../crates/sender/fixtures/envelope/javascript.json"),
    ];
    let lists = files.map(|json| serde_json::from_str::<Vec<Value>>(json).expect("the fixtures are JSON"));
    let fixture = |value: &Value| {
        let bytes = |field: &str| STANDARD.decode(value[field].as_str().expect("base64")).expect("base64");
        Fixture { data_key: bytes("data_key"), plaintext: bytes("plaintext"), message: bytes("message") }
    };
    lists.iter().flatten().map(fixture).collect()
});

/// Checks one changed message. `open` gives the clear text of a message under a data key.
pub fn check(edits: &[u8], open: impl Fn(Vec<u8>, &[u8]) -> Option<Vec<u8>>) {
    let Some((which, edits)) = edits.split_first() else { return };
    let fixture = &FIXTURES[usize::from(*which) % FIXTURES.len()];
    let message = edited(&fixture.message, edits);
    let unchanged = message == fixture.message;
    let opened = open(message, &fixture.data_key);
    assert_eq!(opened.as_ref(), unchanged.then_some(&fixture.plaintext), "opened or not");
}

fn edited(message: &[u8], mut edits: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    while let [action, high, low, byte, rest @ ..] = edits {
        edits = rest;
        let place = usize::from(u16::from_be_bytes([*high, *low]));
        // Small numbers are places at the beginning, where the fields are, large ones count from the end.
        let place = if place > 0x8000 { message.len().saturating_sub(0x10000 - place) } else { place };
        let place = place.min(message.len());
        match action % 8 {
            0 => message.insert(place, *byte),
            1 if place < message.len() => drop(message.remove(place)),
            2 => message.truncate(place),
            // Replaces the rest with a piece of this or of another message.
            3 => {
                let other = &FIXTURES[usize::from(*byte) % FIXTURES.len()].message;
                message.truncate(place);
                message.extend(other.iter().skip(place));
            }
            4 => {
                let piece: Vec<_> = message.iter().skip(place).take(usize::from(*byte)).copied().collect();
                message.splice(place..place, piece);
            }
            // All that follows in the input, as it is.
            5 => {
                message.truncate(place);
                message.extend(std::mem::take(&mut edits));
            }
            6 => message.iter_mut().skip(place).take(1).for_each(|old| *old ^= byte),
            _ => message.iter_mut().skip(place).take(1).for_each(|old| *old = *byte),
        }
    }
    message
}
