#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::properties::mailbox::check(text));
