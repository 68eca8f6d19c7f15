//! The envelope reader of `sender` against the writer of the tests: two programs that share no code.

use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use sender::envelope::{
    EncryptedDataKey, Envelope, EnvelopeError, MAX_CONTEXT_PAIRS, MAX_ENCRYPTED_DATA_KEYS, Suite,
};
use tests::envelope_writer::{SealSuite, SealedDataKey, Writer, seal};
use tests::event::with_twin_signature;

const SUITES: [(SealSuite, Suite); 2] = [
    (SealSuite::Signed0378, Suite::Signed0378),
    (SealSuite::CommittingSigned0578, Suite::CommittingSigned0578),
];
const KEY_ARN: &str = "arn:aws:kms:eu-central-1:123456789012:key/11111111-1111-1111-1111-111111111111";
const DATA_KEY: [u8; 32] = [7; 32];

fn one_data_key() -> [SealedDataKey<'static>; 1] {
    [("aws-kms", KEY_ARN, vec![1; 184])]
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(
        which in 0..SUITES.len(),
        context in prop::collection::btree_map(".{0,12}", ".{0,40}", 0..MAX_CONTEXT_PAIRS),
        data_key in any::<[u8; 32]>(),
        blobs in prop::collection::vec(any::<Vec<u8>>(), 1..=MAX_ENCRYPTED_DATA_KEYS),
        frame_len in 1..300_u32,
        iv_prefix in any::<[u8; 8]>(),
        plaintext in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let (suite, expected_suite) = SUITES[which];
        let context: Vec<_> = context.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let data_keys: Vec<_> = blobs.iter().map(|blob| ("aws-kms", KEY_ARN, blob.clone())).collect();
        let writer = Writer { suite, frame_len, iv_prefix };
        let message = writer.seal(&context, &data_key, &data_keys, &plaintext);

        let envelope = Envelope::parse(message).unwrap();
        prop_assert_eq!(envelope.suite(), expected_suite);
        let but_public_key = envelope.context().filter(|(key, _)| *key != "aws-crypto-public-key");
        prop_assert_eq!(but_public_key.collect::<Vec<_>>(), context);
        let read: Vec<_> = envelope.data_keys().iter().map(EncryptedDataKey::ciphertext).collect();
        prop_assert_eq!(read, blobs);
        prop_assert_eq!(&*envelope.open(&data_key).unwrap(), &plaintext);
    }
}

#[test]
fn frames_of_the_usual_length_can_be_read() {
    for (suite, _) in SUITES {
        for len in [0, 1, 6, 4095, 4096, 4097, 8192, 60_000] {
            let plaintext = vec![b'x'; len];
            let message = seal(suite, &[], &DATA_KEY, &one_data_key(), &plaintext);
            let opened = Envelope::parse(message).unwrap().open(&DATA_KEY).unwrap();
            assert_eq!(*opened, plaintext, "{suite:?}, {len} bytes");
        }
    }
}

#[test]
fn an_envelope_beyond_the_limits_is_rejected() {
    for (suite, _) in SUITES {
        let names: Vec<_> = (0..MAX_CONTEXT_PAIRS).map(|number| number.to_string()).collect();
        let context: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let message = seal(suite, &context, &DATA_KEY, &one_data_key(), b"123456");
        let refusal = Envelope::parse(message).unwrap_err();
        assert_eq!(refusal, EnvelopeError::TooMany("encryption context pairs"));

        let data_keys = vec![("aws-kms", KEY_ARN, vec![1]); MAX_ENCRYPTED_DATA_KEYS + 1];
        let message = seal(suite, &[], &DATA_KEY, &data_keys, b"123456");
        assert_eq!(Envelope::parse(message).unwrap_err(), EnvelopeError::TooMany("encrypted data keys"));

        let message = seal(suite, &[], &DATA_KEY, &one_data_key(), &vec![0; 65_000]);
        assert_eq!(Envelope::parse(message).unwrap_err(), EnvelopeError::TooLarge);
    }
}

/// So the signature doesn't identify a message: the delivery record leaves it out of its key.
#[test]
fn the_twin_of_a_signature_opens_to_the_same_clear_text() {
    for (suite, _) in SUITES {
        for _ in 0..20 {
            let message = seal(suite, &[], &DATA_KEY, &one_data_key(), b"123456");
            let twin = Envelope::parse(with_twin_signature(&message)).unwrap();
            assert_eq!(**twin.open(&DATA_KEY).unwrap(), *b"123456");
            assert_eq!(twin.signed(), Envelope::parse(message).unwrap().signed());
        }
    }
}

#[test]
fn data_keys_of_several_providers_are_read() {
    for (suite, _) in SUITES {
        let data_keys = [("raw", "name", vec![2; 32]), ("aws-kms", KEY_ARN, vec![1; 184])];
        let envelope = Envelope::parse(seal(suite, &[], &DATA_KEY, &data_keys, b"123456")).unwrap();
        let seen: Vec<_> =
            envelope.data_keys().iter().map(|key| (key.provider_id(), key.key_arn())).collect();
        assert_eq!(seen, [("raw", None), ("aws-kms", Some(KEY_ARN))]);
        assert_eq!(**envelope.open(&DATA_KEY).unwrap(), *b"123456");
    }
}
