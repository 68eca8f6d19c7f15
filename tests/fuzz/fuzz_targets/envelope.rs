#![no_main]

libfuzzer_sys::fuzz_target!(|edits: &[u8]| fuzz::properties::envelope::check(edits, fuzz::open));
