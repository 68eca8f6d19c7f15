//! Writes AWS Encryption SDK messages, for the operator's tool and for tests: nothing that is deployed encrypts.
//!
//! It shares no code with the reader in `sender`, so that the two check each other. Both were checked against the
//! official SDKs (`docs/adr/0002-own-envelope-reader.md`).

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "encryption is impossible without random numbers"
)]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyCompressedBin};
use aws_lc_rs::hkdf::{HKDF_SHA384, HKDF_SHA512, Prk, Salt};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The algorithm suite, which also decides the message format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealSuite {
    /// 0x0378 in message format version 1, as Cognito does it.
    Signed0378,
    /// 0x0578 in message format version 2, as today's SDKs do it.
    CommittingSigned0578,
}

/// One encrypted data key: provider id, key ARN, ciphertext.
pub type SealedDataKey<'a> = (&'a str, &'a str, Vec<u8>);

/// A new key pair that signs one message.
///
/// It is created before the data key, because KMS encrypts the data key with a context that holds the public key.
pub struct Signer {
    key_pair: EcdsaKeyPair,
    public_key: String,
}

impl Default for Signer {
    fn default() -> Self {
        let key_pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).expect("a key pair");
        let public_key: EcPublicKeyCompressedBin = key_pair.public_key().as_be_bytes().expect("its point");
        let public_key = STANDARD.encode(public_key.as_ref());
        Self { key_pair, public_key }
    }
}

impl Signer {
    /// The whole encryption context for KMS: with the public key, in the order of the names.
    #[must_use]
    pub fn context<'a>(&'a self, context: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut context = [context, &[("aws-crypto-public-key", self.public_key.as_str())]].concat();
        context.sort_unstable();
        context
    }
}

/// Encrypts `plaintext` in frames of 4096 bytes and signs it with a new key pair.
///
/// The public key is added to `context`. `encrypted_data_keys` are written unchanged; the mock of KMS decides whether
/// they belong to `data_key`.
#[must_use]
pub fn seal(
    suite: SealSuite,
    context: &[(&str, &str)],
    data_key: &[u8; 32],
    encrypted_data_keys: &[SealedDataKey],
    plaintext: &[u8],
) -> Vec<u8> {
    Writer::new(suite).seal(context, data_key, encrypted_data_keys, plaintext)
}

/// A writer whose messages can differ from those of the official SDKs within the format.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// Suite and message format.
    pub suite: SealSuite,
    /// Bytes of content in every frame except the last one; not 0.
    pub frame_len: u32,
    /// The first eight bytes of every frame's IV; its sequence number follows.
    pub iv_prefix: [u8; 8],
}

impl Writer {
    /// Writes as the official SDKs do: frames of 4096 bytes, sequence numbers as IVs.
    #[must_use]
    pub const fn new(suite: SealSuite) -> Self {
        Self { suite, frame_len: 4096, iv_prefix: [0; 8] }
    }

    /// Like [`seal`], with these options.
    #[must_use]
    pub fn seal(
        &self,
        context: &[(&str, &str)],
        data_key: &[u8; 32],
        encrypted_data_keys: &[SealedDataKey],
        plaintext: &[u8],
    ) -> Vec<u8> {
        self.seal_signed(&Signer::default(), context, data_key, encrypted_data_keys, plaintext)
    }

    /// Like [`Self::seal`], with a key pair that was created before the data key. `context` is without the public
    /// key, which [`Signer::context`] adds.
    #[must_use]
    pub fn seal_signed(
        &self,
        signer: &Signer,
        context: &[(&str, &str)],
        data_key: &[u8; 32],
        encrypted_data_keys: &[SealedDataKey],
        plaintext: &[u8],
    ) -> Vec<u8> {
        let context = signer.context(context);
        let message_id: &[u8] = match self.suite {
            SealSuite::Signed0378 => &random::<16>(),
            SealSuite::CommittingSigned0578 => &random::<32>(),
        };
        let keys = Keys::derive(self.suite, message_id, data_key);

        let mut message = self.header(message_id, &context, encrypted_data_keys, &keys.commitment);
        let header_tag = keys.encrypt([0; 12], &message, &[]);
        if self.suite == SealSuite::Signed0378 {
            message.extend([0; 12]);
        }
        message.extend(header_tag);
        self.write_frames(&mut message, message_id, &keys, plaintext);

        let signature = signer.key_pair.sign(&SystemRandom::new(), &message).expect("a signature");
        message.extend(block(signature.as_ref()));
        message
    }

    fn header(
        &self,
        message_id: &[u8],
        context: &[(&str, &str)],
        encrypted_data_keys: &[SealedDataKey],
        commitment: &[u8],
    ) -> Vec<u8> {
        let mut pairs = count(context.len()).to_vec();
        for (key, value) in context {
            pairs.extend([block(key.as_bytes()), block(value.as_bytes())].concat());
        }
        let mut data_keys = count(encrypted_data_keys.len()).to_vec();
        for (provider, key_arn, ciphertext) in encrypted_data_keys {
            data_keys.extend([provider.as_bytes(), key_arn.as_bytes(), ciphertext].map(block).concat());
        }
        let id = suite_id(self.suite);
        let frame_len = self.frame_len.to_be_bytes();
        match self.suite {
            SealSuite::Signed0378 => {
                let framed_and_iv_len = [2, 0, 0, 0, 0, 12];
                let start = [&[1, 0x80], &id, message_id, &block(&pairs), &data_keys].concat();
                [start.as_slice(), &framed_and_iv_len, &frame_len].concat()
            }
            SealSuite::CommittingSigned0578 => {
                let start = [&[2], id.as_slice(), message_id, &block(&pairs), &data_keys].concat();
                [start.as_slice(), &[2], &frame_len, commitment].concat()
            }
        }
    }

    fn write_frames(&self, message: &mut Vec<u8>, message_id: &[u8], keys: &Keys, plaintext: &[u8]) {
        let frame_len = usize::try_from(self.frame_len).expect("a frame length that fits");
        // The last frame may be full. It is empty only if there is no content.
        let mut chunks = plaintext.chunks(frame_len).peekable();
        let mut sequence = 0_u32;
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let is_last = chunks.peek().is_none();
            sequence += 1;
            let number = sequence.to_be_bytes();
            let mut iv = [0; 12];
            iv[..8].copy_from_slice(&self.iv_prefix);
            iv[8..].copy_from_slice(&number);

            let content_len = u32::try_from(chunk.len()).expect("a chunk of at most the frame length");
            let label: &[u8] = if is_last {
                message.extend([[0xFF; 4], number].concat());
                message.extend(iv);
                message.extend(content_len.to_be_bytes());
                b"AWSKMSEncryptionClient Final Frame"
            } else {
                message.extend(number);
                message.extend(iv);
                b"AWSKMSEncryptionClient Frame"
            };
            let aad = [message_id, label, &number, &u64::from(content_len).to_be_bytes()].concat();
            message.extend(keys.encrypt(iv, &aad, chunk));
            if is_last {
                break;
            }
        }
    }
}

/// The content key and its commitment.
struct Keys {
    content: LessSafeKey,
    commitment: Vec<u8>,
}

impl Keys {
    fn derive(suite: SealSuite, message_id: &[u8], data_key: &[u8]) -> Self {
        let id = suite_id(suite);
        let (content, commitment) = match suite {
            SealSuite::Signed0378 => {
                let prk = Salt::new(HKDF_SHA384, &[]).extract(data_key);
                (expand(&prk, &[&id, message_id]), Vec::new())
            }
            SealSuite::CommittingSigned0578 => {
                let prk = Salt::new(HKDF_SHA512, message_id).extract(data_key);
                (expand(&prk, &[&id, b"DERIVEKEY"]), expand(&prk, &[b"COMMITKEY"]))
            }
        };
        let content = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &content).expect("a key of 32 bytes"));
        Self { content, commitment }
    }

    /// Ciphertext and tag.
    fn encrypt(&self, iv: [u8; 12], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = plaintext.to_vec();
        self.content
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut sealed)
            .expect("a plaintext of a size that can be encrypted");
        sealed
    }
}

const fn suite_id(suite: SealSuite) -> [u8; 2] {
    match suite {
        SealSuite::Signed0378 => [0x03, 0x78],
        SealSuite::CommittingSigned0578 => [0x05, 0x78],
    }
}

fn expand(prk: &Prk, info: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![0; 32];
    prk.expand(info, &AES_256_GCM).and_then(|okm| okm.fill(&mut key)).expect("a key of 32 bytes");
    key
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("random bytes");
    bytes
}

fn count(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("a number that fits its field").to_be_bytes()
}

/// A field after its length in two bytes.
fn block(bytes: &[u8]) -> Vec<u8> {
    [&count(bytes.len()), bytes].concat()
}
