//! The properties that `make fuzz` searches for counterexamples: every seed and every earlier finding, as they are
//! and changed at random.

use std::fs;
use std::ops::Range;
use std::path::Path;

use proptest::prelude::{Strategy, any, prop};
use proptest::sample::Index;
use proptest::test_runner::{Config, TestError, TestRunner};
use sender::envelope::Envelope;

#[path = "../fuzz/src/properties/all.rs"]
#[expect(unreachable_pub, reason = "for the fuzz targets they are the interface")]
mod checks;

/// How often a property is tried with changed seeds.
const CHANGED: u32 = 400;

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder of seeds").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| fs::read(file).expect("a seed")).collect()
}

/// The words that the fuzzer puts in, as bytes.
fn words() -> Vec<Vec<u8>> {
    let word = |line: &str| -> Option<Vec<u8>> {
        let mut rest = line.strip_prefix('"')?.strip_suffix('"')?.bytes();
        let mut word = Vec::new();
        while let Some(byte) = rest.next() {
            word.push(if byte != b'\\' {
                byte
            } else if rest.next()? == b'x' {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            } else {
                *line.as_bytes().get(line.len() - rest.len() - 2)?
            });
        }
        Some(word)
    };
    include_str!("../fuzz/words.dict").lines().filter_map(word).collect()
}

/// A seed with words and bytes put in, taken out or copied from elsewhere.
fn changed(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (0..4_u8, any::<Index>(), any::<Index>(), prop::sample::select(words()), any::<u8>());
    (prop::sample::select(seeds), prop::collection::vec(edit, 1..6)).prop_map(|(mut bytes, edits)| {
        for (action, one, other, word, byte) in edits {
            let (one, other) = (one.index(bytes.len() + 1), other.index(bytes.len() + 1));
            let piece: Range<usize> = one.min(other)..one.max(other).min(one.min(other) + 40);
            match action {
                0 => drop(bytes.splice(one..one, word)),
                1 => drop(bytes.splice(piece, [])),
                2 => {
                    let copy = bytes[piece].to_vec();
                    drop(bytes.splice(one..one, copy));
                }
                _ => drop(bytes.splice(one..one, [byte])),
            }
        }
        bytes
    })
}

#[track_caller]
fn check(seeds: Vec<Vec<u8>>, times: u32, property: impl Fn(&[u8])) {
    for seed in &seeds {
        property(seed);
    }
    let config = Config { cases: times, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&changed(seeds), |bytes| {
        property(&bytes);
        Ok(())
    });
    match result {
        Err(TestError::Fail(reason, bytes)) => panic!("{reason}: {}", bytes.escape_ascii()),
        result => result.expect("the property could be tried"),
    }
}

#[track_caller]
fn check_texts(seeds: Vec<Vec<u8>>, times: u32, property: impl Fn(&str)) {
    check(seeds, times, |bytes| property(&String::from_utf8_lossy(bytes)));
}

#[test]
fn an_accepted_address_is_one_mailbox_in_ascii() {
    check_texts(seeds("tests/fuzz/seeds/address"), CHANGED, checks::address::check);
}

#[test]
fn trust_is_never_wider_than_denial_and_no_spelling_gets_past_it() {
    check_texts(seeds("tests/fuzz/seeds/domain"), CHANGED, checks::domain::check);
}

#[test]
fn a_changed_message_never_opens() {
    let open = |message, data_key: &[u8]| Some(Envelope::parse(message).ok()?.open(data_key).ok()?.to_vec());
    check(seeds("tests/fuzz/seeds/envelope"), CHANGED, |edits| checks::envelope::check(edits, open));
}

#[test]
fn every_readable_event_is_returned_unchanged() {
    let fixtures = seeds("tests/fixtures/events");
    check_texts([seeds("tests/fuzz/seeds/event"), fixtures].concat(), CHANGED, checks::event::check);
}

#[test]
fn a_language_is_always_one_that_has_texts() {
    check_texts(seeds("tests/fuzz/seeds/locale"), CHANGED, checks::locale::check);
}

#[test]
fn the_name_of_a_sender_neither_ends_its_header_nor_adds_a_mailbox() {
    check_texts(seeds("tests/fuzz/seeds/mailbox"), CHANGED, checks::mailbox::check);
}

#[test]
fn a_number_is_in_one_country_or_none_and_is_never_shown() {
    check_texts(seeds("tests/fuzz/seeds/phone"), CHANGED, checks::phone::check);
}

#[test]
fn settings_are_valid_or_reported_and_limits_hold() {
    check_texts(seeds("tests/fuzz/seeds/settings"), CHANGED, checks::settings::check);
}

#[test]
fn messages_are_rendered_whatever_the_template_overrides_contain() {
    // Each time renders every message in every language.
    check_texts(seeds("tests/fuzz/seeds/template"), 40, checks::template::check);
}
