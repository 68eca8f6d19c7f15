//! Reader of AWS Encryption SDK messages, the format in which Cognito passes a code.
//!
//! It is pure and only decrypts: bytes and a data key in, clear text out. The caller gets the data key from KMS,
//! between [`Envelope::parse`] and [`Envelope::open`]. The format is described in the AWS Encryption SDK developer
//! guide, "Message format reference"
//! (`docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html`), the key derivation in its
//! "Algorithms reference" (`algorithms-reference.html`). `docs/adr/0002-own-envelope-reader.md` says why this is not
//! the official library.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA384, HKDF_SHA512, Prk, Salt};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The longest accepted message, in bytes. Cognito's have about 600.
pub const MAX_MESSAGE_LEN: usize = 64 * 1024;

/// The maximum number of encrypted data keys in a message. Cognito's have one.
pub const MAX_ENCRYPTED_DATA_KEYS: usize = 8;

/// The maximum number of pairs in an encryption context. Cognito's have two.
pub const MAX_CONTEXT_PAIRS: usize = 8;

/// The key of the encryption context that holds the public key in every signed message.
const PUBLIC_KEY: &str = "aws-crypto-public-key";

/// A compressed point on P-384: a sign byte and one coordinate.
const PUBLIC_KEY_LEN: usize = 1 + 48;

const DATA_KEY_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// Type "customer authenticated encrypted data", the only one that version 1 knows.
const MESSAGE_TYPE: u8 = 0x80;

/// Content type "framed". The other one, a single block of any length, is not supported.
const FRAMED: u8 = 2;

/// Precedes the sequence number of the last frame. Other frames begin with theirs.
const LAST_FRAME: u32 = u32::MAX;

/// A message that was parsed completely but not yet authenticated.
///
/// Nothing in it can be trusted before [`Envelope::open`] succeeds. Until then, the context and the data keys are
/// only for the call to KMS, which checks them itself.
pub struct Envelope {
    format: Format,
    message_id: Vec<u8>,
    context: Vec<(String, String)>,
    public_key: Vec<u8>,
    data_keys: Vec<EncryptedDataKey>,
    header: Vec<u8>,
    header_tag: [u8; TAG_LEN],
    frames: Vec<Frame>,
    /// All bytes before the footer.
    signed: Vec<u8>,
    signature: Vec<u8>,
}

/// The parts that only one of the two message formats has.
enum Format {
    V1 { header_iv: [u8; NONCE_LEN] },
    V2 { commitment: [u8; COMMITMENT_LEN] },
}

/// A piece of the content, encrypted, with its tag at the end.
struct Frame {
    sequence: u32,
    is_last: bool,
    iv: [u8; NONCE_LEN],
    sealed: Vec<u8>,
}

impl Envelope {
    /// Reads a whole message, footer included, without checking that it is authentic.
    ///
    /// # Errors
    /// Any but [`EnvelopeError::NotAuthentic`] and [`EnvelopeError::DataKeyLength`]: the bytes are not one complete,
    /// signed, framed message of a supported suite within the limits above.
    pub fn parse(mut bytes: Vec<u8>) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_MESSAGE_LEN {
            return Err(EnvelopeError::TooLarge);
        }
        let reader = &mut Reader::new(&bytes);

        let suite = read_suite(reader)?;
        let message_id = reader.take(suite.message_id_len())?.to_vec();
        let context = read_context(reader)?;
        let public_key = read_public_key(&context)?;
        let data_keys = read_data_keys(reader)?;
        reader.expect([FRAMED], "content type")?;
        let (format, frame_len, header) = match suite {
            Suite::Signed0378 => {
                reader.expect([0; 4], "reserved field")?;
                reader.expect([12], "IV length")?; // NONCE_LEN
                let frame_len = reader.u32()?;
                let header = reader.consumed().to_vec();
                (Format::V1 { header_iv: reader.array()? }, frame_len, header)
            }
            Suite::CommittingSigned0578 => {
                let frame_len = reader.u32()?;
                let commitment = reader.array()?;
                (Format::V2 { commitment }, frame_len, reader.consumed().to_vec())
            }
        };
        let header_tag = reader.array()?;
        let frames = read_frames(reader, frame_len)?;
        let signed_len = reader.consumed().len();
        let signature = reader.block()?.to_vec();
        if !reader.rest.is_empty() {
            return Err(EnvelopeError::TrailingBytes);
        }

        bytes.truncate(signed_len);
        let signed = bytes;
        Ok(Self {
            format,
            message_id,
            context,
            public_key,
            data_keys,
            header,
            header_tag,
            frames,
            signed,
            signature,
        })
    }

    /// The encryption context in the order of the message, `aws-crypto-public-key` included.
    ///
    /// KMS needs all of it, because the data key was encrypted with all of it.
    pub fn context(&self) -> impl Iterator<Item = (&str, &str)> {
        self.context.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of one key of the encryption context.
    #[must_use]
    pub fn context_value(&self, key: &str) -> Option<&str> {
        self.context().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The algorithm suite, which also determines the version of the message format.
    #[must_use]
    pub fn suite(&self) -> Suite {
        match self.format {
            Format::V1 { .. } => Suite::Signed0378,
            Format::V2 { .. } => Suite::CommittingSigned0578,
        }
    }

    /// The same data key, encrypted once for each wrapping key: one to [`MAX_ENCRYPTED_DATA_KEYS`].
    #[must_use]
    pub fn data_keys(&self) -> &[EncryptedDataKey] {
        &self.data_keys
    }

    /// All bytes that the signature covers: the whole message without its footer.
    ///
    /// They identify the message. The footer doesn't, because a valid ECDSA signature has a valid twin.
    #[must_use]
    pub fn signed(&self) -> &[u8] {
        &self.signed
    }

    /// Authenticates the whole message and returns its clear text.
    ///
    /// `data_key` is the decrypted data key, of [`Suite::data_key_len`] bytes.
    /// Keys that are derived from it and clear text that is not returned are wiped from memory.
    ///
    /// # Errors
    /// [`EnvelopeError::DataKeyLength`], or [`EnvelopeError::NotAuthentic`] with the part that failed. With a wrong
    /// data key, that is the commitment (suite 0x0578) or the header (suite 0x0378).
    pub fn open(&self, data_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let plaintext = self.decrypt(data_key)?;
        self.verify()?;
        Ok(plaintext)
    }

    /// Checks the signature. This is nine tenths of the work and needs no data key, so it runs while KMS decrypts the
    /// key.
    ///
    /// # Errors
    /// [`EnvelopeError::NotAuthentic`] with [`Part::Signature`].
    pub fn verify(&self) -> Result<Verified<'_>, EnvelopeError> {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, &self.public_key)
            .verify(&self.signed, &self.signature)
            .map_err(|_| Part::Signature)?;
        Ok(Verified(self))
    }

    /// Everything in [`Envelope::open`] except the signature.
    fn decrypt(&self, data_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        if data_key.len() != self.suite().data_key_len() {
            return Err(EnvelopeError::DataKeyLength);
        }
        let key = match &self.format {
            Format::V1 { header_iv } => {
                let key = self.message_key(data_key).map_err(|_| Part::Header)?;
                self.check_header(&key, header_iv)?;
                key
            }
            Format::V2 { commitment } => {
                let key = self.committed_key(data_key, commitment).map_err(|_| Part::Commitment)?;
                self.check_header(&key, &[0; NONCE_LEN])?;
                key
            }
        };
        Ok(self.open_frames(&key).map_err(|_| Part::Frame)?)
    }

    /// The content key of suite 0x0378.
    fn message_key(&self, data_key: &[u8]) -> Result<LessSafeKey, Unspecified> {
        let prk = Salt::none(HKDF_SHA384).extract(data_key);
        aes_key(&prk, &[&self.suite().id().to_be_bytes(), &self.message_id])
    }

    /// The content key of suite 0x0578, if the message was created with this data key.
    fn committed_key(
        &self,
        data_key: &[u8],
        commitment: &[u8; COMMITMENT_LEN],
    ) -> Result<LessSafeKey, Unspecified> {
        let prk = Salt::new(HKDF_SHA512, &self.message_id).extract(data_key);
        let expected = expand(&prk, &[b"COMMITKEY"])?;
        verify_slices_are_equal(expected.as_slice(), commitment)?;
        aes_key(&prk, &[&self.suite().id().to_be_bytes(), b"DERIVEKEY"])
    }

    fn check_header(&self, key: &LessSafeKey, iv: &[u8; NONCE_LEN]) -> Result<(), Part> {
        let nonce = Nonce::assume_unique_for_key(*iv);
        let mut nothing_but_tag = self.header_tag;
        key.open_in_place(nonce, Aad::from(&self.header), &mut nothing_but_tag).map_err(|_| Part::Header)?;
        Ok(())
    }

    fn open_frames(&self, key: &LessSafeKey) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        // With enough capacity, so that growing leaves no copies of the clear text in memory.
        let room = self.frames.iter().map(|frame| frame.sealed.len()).sum();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(room));
        for frame in &self.frames {
            let mut buffer = Zeroizing::new(frame.sealed.clone());
            // The IV in the message: the format does not require it to be the sequence number.
            let nonce = Nonce::assume_unique_for_key(frame.iv);
            let aad = Aad::from(frame.authenticated_data(&self.message_id));
            plaintext.extend_from_slice(key.open_in_place(nonce, aad, &mut buffer)?);
        }
        Ok(plaintext)
    }
}

/// A message with a valid signature. Only [`Envelope::verify`] creates one.
#[derive(Debug)]
pub struct Verified<'a>(&'a Envelope);

impl Verified<'_> {
    /// Authenticates the rest of the message and returns its clear text, as [`Envelope::open`] does.
    ///
    /// # Errors
    /// Those of [`Envelope::open`], except for the signature.
    pub fn open(&self, data_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        self.0.decrypt(data_key)
    }
}

impl fmt::Debug for Envelope {
    /// Shows no bytes of the message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("suite", &self.suite()).finish_non_exhaustive()
    }
}

impl Frame {
    fn authenticated_data(&self, message_id: &[u8]) -> Vec<u8> {
        let label: &[u8] = if self.is_last {
            b"AWSKMSEncryptionClient Final Frame"
        } else {
            b"AWSKMSEncryptionClient Frame"
        };
        // As wide as the format requires. Frames have at most 64 KiB, so this never saturates.
        let content_len = u64::try_from(self.sealed.len().saturating_sub(TAG_LEN)).unwrap_or(u64::MAX);
        [message_id, label, &self.sequence.to_be_bytes(), &content_len.to_be_bytes()].concat()
    }
}

/// The data key of a message, encrypted for one wrapping key.
pub struct EncryptedDataKey {
    provider_id: String,
    key_arn: Option<String>,
    ciphertext: Vec<u8>,
}

impl EncryptedDataKey {
    /// What kind of wrapping key it is: `aws-kms` for a symmetric KMS key, others for other keyrings.
    #[must_use]
    pub fn provider_id(&self) -> &str {
        &self.provider_id
    }

    /// The ARN of the KMS key; `None` if the wrapping key is not a symmetric KMS key.
    #[must_use]
    pub fn key_arn(&self) -> Option<&str> {
        self.key_arn.as_deref()
    }

    /// The ciphertext for `kms:Decrypt`.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

impl fmt::Debug for EncryptedDataKey {
    /// Shows no ciphertext.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedDataKey")
            .field("provider_id", &self.provider_id)
            .field("key_arn", &self.key_arn)
            .finish_non_exhaustive()
    }
}

/// The supported algorithm suites: AES-256-GCM, HKDF and an ECDSA P-384 signature, in two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// 0x0378 in message format version 1, without key commitment: what Cognito sends.
    Signed0378,
    /// 0x0578 in message format version 2, with key commitment: what today's SDKs write.
    CommittingSigned0578,
}

impl Suite {
    /// The number of the suite in AWS's algorithms reference.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Signed0378 => 0x0378,
            Self::CommittingSigned0578 => 0x0578,
        }
    }

    /// The length of the data key, in bytes.
    #[must_use]
    pub const fn data_key_len(self) -> usize {
        match self {
            Self::Signed0378 | Self::CommittingSigned0578 => DATA_KEY_LEN,
        }
    }

    const fn message_id_len(self) -> usize {
        match self {
            Self::Signed0378 => 16,
            Self::CommittingSigned0578 => 32,
        }
    }

    const fn version(self) -> u8 {
        match self {
            Self::Signed0378 => 1,
            Self::CommittingSigned0578 => 2,
        }
    }
}

/// Why a message can't be read or opened. The text shows no byte of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// More than [`MAX_MESSAGE_LEN`] bytes.
    #[error("the message is longer than {MAX_MESSAGE_LEN} bytes")]
    TooLarge,
    /// The bytes end before the message does.
    #[error("the message ends too early")]
    Truncated,
    /// There are more bytes after the footer.
    #[error("there are bytes after the end of the message")]
    TrailingBytes,
    /// Neither version 1 nor 2 of the message format; perhaps the bytes are not such a message.
    #[error("message format version {0} is not supported, only 1 and 2")]
    UnsupportedVersion(u8),
    /// An unsupported algorithm suite.
    #[error("algorithm suite 0x{0:04X} is not supported, only 0x0378 and 0x0578")]
    UnsupportedSuite(u16),
    /// A suite that belongs to the other version of the message format.
    #[error("algorithm suite 0x{suite:04X} does not belong to message format version {version}")]
    SuiteVersionMismatch {
        /// The version that the message states.
        version: u8,
        /// The suite that the message states.
        suite: u16,
    },
    /// More items of this name than the limits above allow.
    #[error("the message has too many {0}")]
    TooMany(&'static str),
    /// The named field has a value that the format does not permit.
    #[error("the message has a malformed {0}")]
    Malformed(&'static str),
    /// The named part was altered, or the data key is not that of the message.
    #[error("the {0} of the message is not authentic")]
    NotAuthentic(Part),
    /// The data key does not have [`Suite::data_key_len`] bytes.
    #[error("the data key does not have {DATA_KEY_LEN} bytes")]
    DataKeyLength,
}

/// The parts of a message that are authenticated separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything before the content, by its tag.
    Header,
    /// The data key, by the commitment in the header (suite 0x0578 only).
    Commitment,
    /// A piece of the content, by its tag.
    Frame,
    /// Everything, by the signature at the end.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Commitment => "key commitment",
            Self::Frame => "content",
            Self::Signature => "signature",
        })
    }
}

impl From<Part> for EnvelopeError {
    fn from(part: Part) -> Self {
        Self::NotAuthentic(part)
    }
}

/// Whether bytes that are not a message look like the result of `kms:Encrypt`.
///
/// Only for an error message, because this is a guess: AWS does not document the format of such a ciphertext, but
/// those of symmetric keys have begun with these four bytes for years (in base64: `AQICA…`, `AQIDA…`).
#[must_use]
pub fn looks_like_direct_kms_ciphertext(bytes: &[u8]) -> bool {
    matches!(bytes, [1, 2, 2 | 3, 0, ..])
}

fn read_suite(reader: &mut Reader) -> Result<Suite, EnvelopeError> {
    let version = match reader.array()? {
        [1] => {
            reader.expect([MESSAGE_TYPE], "message type")?;
            1
        }
        [2] => 2,
        [other] => return Err(EnvelopeError::UnsupportedVersion(other)),
    };
    let id = reader.u16()?;
    let suite = [Suite::Signed0378, Suite::CommittingSigned0578]
        .into_iter()
        .find(|suite| suite.id() == id)
        .ok_or(EnvelopeError::UnsupportedSuite(id))?;
    if suite.version() != version {
        return Err(EnvelopeError::SuiteVersionMismatch { version, suite: id });
    }
    Ok(suite)
}

fn read_context(reader: &mut Reader) -> Result<Vec<(String, String)>, EnvelopeError> {
    const FIELD: &str = "encryption context";
    let stated_len = usize::from(reader.u16()?);
    let start = reader.consumed().len();
    let mut context = Vec::new();
    // An empty context is a length of 0, without a count.
    let pairs = if stated_len == 0 { 0 } else { reader.u16()? };
    if usize::from(pairs) > MAX_CONTEXT_PAIRS {
        return Err(EnvelopeError::TooMany("encryption context pairs"));
    }
    for _ in 0..pairs {
        let key = reader.text(FIELD)?;
        let value = reader.text(FIELD)?;
        if context.iter().any(|(earlier, _)| *earlier == key) {
            return Err(EnvelopeError::Malformed("encryption context: a key occurs twice"));
        }
        context.push((key, value));
    }
    if reader.consumed().len() != start.saturating_add(stated_len) {
        return Err(EnvelopeError::Malformed(FIELD));
    }
    Ok(context)
}

/// Both suites sign with P-384, so the public key must exist and be a point of that size.
fn read_public_key(context: &[(String, String)]) -> Result<Vec<u8>, EnvelopeError> {
    context
        .iter()
        .find(|(key, _)| key == PUBLIC_KEY)
        .and_then(|(_, value)| STANDARD.decode(value).ok())
        .filter(|point| point.len() == PUBLIC_KEY_LEN && matches!(point.first(), Some(2 | 3)))
        .ok_or(EnvelopeError::Malformed("public key"))
}

fn read_data_keys(reader: &mut Reader) -> Result<Vec<EncryptedDataKey>, EnvelopeError> {
    const FIELD: &str = "encrypted data key";
    let count = reader.u16()?;
    if count == 0 {
        return Err(EnvelopeError::Malformed("number of encrypted data keys"));
    }
    if usize::from(count) > MAX_ENCRYPTED_DATA_KEYS {
        return Err(EnvelopeError::TooMany("encrypted data keys"));
    }
    let mut data_keys = Vec::new();
    for _ in 0..count {
        let provider_id = reader.text(FIELD)?;
        // Other providers put bytes here that need not be text.
        let key_arn = match provider_id.as_str() {
            "aws-kms" => Some(reader.text(FIELD)?),
            _ => reader.block().map(|_| None)?,
        };
        data_keys.push(EncryptedDataKey { provider_id, key_arn, ciphertext: reader.block()?.to_vec() });
    }
    Ok(data_keys)
}

fn read_frames(reader: &mut Reader, frame_len: u32) -> Result<Vec<Frame>, EnvelopeError> {
    if frame_len == 0 {
        return Err(EnvelopeError::Malformed("frame length"));
    }
    let mut frames = Vec::new();
    // A message within the limit has fewer frames than there are numbers.
    for expected in 1.. {
        let marker = reader.u32()?;
        let is_last = marker == LAST_FRAME;
        let sequence = if is_last { reader.u32()? } else { marker };
        if sequence != expected {
            return Err(EnvelopeError::Malformed("frame sequence number"));
        }
        let iv = reader.array()?;
        let content_len = if is_last { reader.u32()? } else { frame_len };
        if content_len > frame_len {
            return Err(EnvelopeError::Malformed("length of the final frame"));
        }
        let sealed_len = usize::try_from(content_len).unwrap_or(usize::MAX).saturating_add(TAG_LEN);
        frames.push(Frame { sequence, is_last, iv, sealed: reader.take(sealed_len)?.to_vec() });
        if is_last {
            break;
        }
    }
    Ok(frames)
}

fn aes_key(prk: &Prk, info: &[&[u8]]) -> Result<LessSafeKey, Unspecified> {
    // AWS-LC wipes its own copy when it frees it.
    let key = expand(prk, info)?;
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice())?))
}

fn expand(prk: &Prk, info: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, Unspecified> {
    let mut key = Zeroizing::new([0; 32]);
    prk.expand(info, &AES_256_GCM)?.fill(key.as_mut_slice())?;
    Ok(key)
}

/// Reads big-endian fields from the front, without allocation.
struct Reader<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(whole: &'a [u8]) -> Self {
        Self { whole, rest: whole }
    }

    /// The bytes read so far.
    fn consumed(&self) -> &'a [u8] {
        let len = self.whole.len().saturating_sub(self.rest.len());
        self.whole.get(..len).unwrap_or_default()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], EnvelopeError> {
        let (field, rest) = self.rest.split_at_checked(len).ok_or(EnvelopeError::Truncated)?;
        self.rest = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(EnvelopeError::Truncated)?;
        self.rest = rest;
        Ok(*field)
    }

    fn u16(&mut self) -> Result<u16, EnvelopeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, EnvelopeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A field after its length in two bytes.
    fn block(&mut self) -> Result<&'a [u8], EnvelopeError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    fn text(&mut self, field: &'static str) -> Result<String, EnvelopeError> {
        let text = std::str::from_utf8(self.block()?).map_err(|_| EnvelopeError::Malformed(field))?;
        Ok(text.to_owned())
    }

    fn expect<const N: usize>(&mut self, value: [u8; N], field: &'static str) -> Result<(), EnvelopeError> {
        if self.array()? == value { Ok(()) } else { Err(EnvelopeError::Malformed(field)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::Index;

    use super::*;

    /// A message of an official SDK; the generators in `tools/fixtures/` say how it was made.
    #[derive(Debug, Clone)]
    struct Fixture {
        name: String,
        suite: String,
        context: Vec<(String, String)>,
        key_arns: Vec<String>,
        data_key: Vec<u8>,
        plaintext: Vec<u8>,
        message: Vec<u8>,
    }

    fn fixtures() -> Vec<Fixture> {
        [
            ("Python", include_str!("../fixtures/envelope/python.json")),
            ("JavaScript", include_str!("../fixtures/envelope/javascript.json")),
        ]
        .into_iter()
        .flat_map(|(sdk, json)| {
            let list: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
            list.into_iter().map(move |value| {
                let text = |field: &str| value[field].as_str().unwrap().to_owned();
                let bytes = |field: &str| STANDARD.decode(text(field)).unwrap();
                let string = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                let pairs = value["context"].as_object().unwrap().iter();
                Fixture {
                    name: format!("{sdk}, {}, {}", text("suite"), text("name")),
                    suite: text("suite"),
                    context: pairs.map(|(key, value)| (key.clone(), string(value))).collect(),
                    key_arns: value["key_arns"].as_array().unwrap().iter().map(string).collect(),
                    data_key: bytes("data_key"),
                    plaintext: bytes("plaintext"),
                    message: bytes("message"),
                }
            })
        })
        .collect()
    }

    /// One message of each suite from each SDK, in the shape that Cognito sends.
    fn like_cognito() -> impl Iterator<Item = Fixture> {
        fixtures().into_iter().filter(|fixture| fixture.name.ends_with("as Cognito sends it"))
    }

    fn open(message: &[u8], data_key: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        Ok(Envelope::parse(message.to_vec())?.open(data_key)?.to_vec())
    }

    #[track_caller]
    fn check_refused(what: &str, message: &[u8], expected: EnvelopeError) {
        assert_eq!(Envelope::parse(message.to_vec()).map(|_| ()), Err(expected), "{what}");
    }

    /// A message up to and including its context, with the lengths that belong to it.
    fn beginning(context: &[(&str, &[u8])]) -> Vec<u8> {
        let len = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
        let mut block = u16::try_from(context.len()).unwrap().to_be_bytes().to_vec();
        for (key, value) in context {
            block.extend([&len(key.as_bytes()), key.as_bytes(), &len(value), value].concat());
        }
        [&[2, 0x05, 0x78], [7; 32].as_slice(), &len(&block), &block].concat()
    }

    /// The public key of a P-384 message as far as its form goes.
    fn some_public_key() -> String {
        STANDARD.encode([&[2], [9; 48].as_slice()].concat())
    }

    #[test]
    fn every_message_of_the_official_sdks_opens() {
        let fixtures = fixtures();
        assert_eq!(fixtures.len(), 28);
        for fixture in fixtures {
            let envelope = Envelope::parse(fixture.message).expect(&fixture.name);
            assert_eq!(format!("0x{:04x}", envelope.suite().id()), fixture.suite, "{}", fixture.name);
            assert_eq!(envelope.suite().data_key_len(), fixture.data_key.len());

            for (key, value) in &fixture.context {
                assert_eq!(envelope.context_value(key), Some(value.as_str()), "{}", fixture.name);
            }
            assert!(envelope.context_value(PUBLIC_KEY).is_some(), "{}", fixture.name);
            assert_eq!(envelope.context_value("no such key"), None);
            assert_eq!(envelope.context().count(), fixture.context.len() + 1, "{}", fixture.name);

            let mut arns: Vec<_> =
                envelope.data_keys().iter().filter_map(EncryptedDataKey::key_arn).collect();
            arns.sort_unstable(); // the Python SDK writes them in any order
            assert_eq!(arns, fixture.key_arns, "{}", fixture.name);
            assert!(envelope.data_keys().iter().all(|key| key.provider_id() == "aws-kms"));
            assert!(envelope.data_keys().iter().all(|key| key.ciphertext().len() == 184));

            let plaintext = envelope.open(&fixture.data_key).expect(&fixture.name);
            assert_eq!(*plaintext, fixture.plaintext, "{}", fixture.name);
        }
    }

    #[test]
    fn no_message_opens_that_ends_early() {
        for Fixture { name, message, .. } in fixtures() {
            for len in 0..message.len() {
                check_refused(
                    &format!("{name}, first {len} bytes"),
                    &message[..len],
                    EnvelopeError::Truncated,
                );
            }
        }
    }

    #[test]
    fn no_message_opens_with_one_bit_flipped() {
        for Fixture { name, message, data_key, .. } in like_cognito() {
            for bit in 0..message.len() * 8 {
                let mut flipped = message.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(open(&flipped, &data_key).is_err(), "{name}, bit {bit}");
            }
        }
    }

    #[test]
    fn no_message_opens_with_a_byte_after_it() {
        for Fixture { name, mut message, .. } in fixtures() {
            message.push(0);
            check_refused(&name, &message, EnvelopeError::TrailingBytes);
        }
    }

    #[test]
    fn another_data_key_opens_nothing() {
        for fixture in fixtures() {
            let envelope = Envelope::parse(fixture.message).unwrap();
            let mut other = fixture.data_key.clone();
            other[31] ^= 1;
            let part = match envelope.suite() {
                Suite::Signed0378 => Part::Header,
                Suite::CommittingSigned0578 => Part::Commitment,
            };
            assert_eq!(envelope.open(&other), Err(EnvelopeError::NotAuthentic(part)), "{}", fixture.name);
            for len in [0, 16, 31, 33, 64] {
                assert_eq!(envelope.open(&vec![1; len]), Err(EnvelopeError::DataKeyLength));
            }
        }
    }

    #[test]
    fn an_altered_message_tells_which_part_is_not_authentic() {
        for Fixture { name, message, data_key, plaintext, .. } in like_cognito() {
            // From the end: signature with its length in two bytes, tag, six digits, their length, IV.
            let envelope = Envelope::parse(message.clone()).unwrap();
            let footer = envelope.signed.len();
            let tag = footer - 1;
            let content = footer - TAG_LEN - plaintext.len();
            let iv = content - 4 - 1;
            let in_message_id = 5;
            let in_signature = message.len() - 1;
            let first_part = match envelope.suite() {
                Suite::Signed0378 => Part::Header,
                Suite::CommittingSigned0578 => Part::Commitment,
            };
            for (position, part) in [
                (in_message_id, first_part),
                (envelope.header.len(), Part::Header),
                (iv, Part::Frame),
                (content, Part::Frame),
                (tag, Part::Frame),
                (in_signature, Part::Signature),
            ] {
                let mut altered = message.clone();
                altered[position] ^= 1;
                let expected = Err(EnvelopeError::NotAuthentic(part));
                assert_eq!(open(&altered, &data_key), expected, "{name}, byte {position}");
            }
        }
    }

    #[test]
    fn the_footer_of_one_message_does_not_sign_another() {
        let all: Vec<_> = like_cognito().collect();
        for (ours, theirs) in [(&all[0], &all[1]), (&all[1], &all[0]), (&all[0], &all[2])] {
            let body = Envelope::parse(ours.message.clone()).unwrap().signed;
            let footer_at = Envelope::parse(theirs.message.clone()).unwrap().signed.len();
            let spliced = [&body, &theirs.message[footer_at..]].concat();
            let expected = Err(EnvelopeError::NotAuthentic(Part::Signature));
            assert_eq!(open(&spliced, &ours.data_key), expected);
        }
    }

    /// To every ECDSA signature (r, s) there is one more, (r, n - s), that anyone can compute. It is the only change that
    /// leaves a message authentic, and the clear text stays the same.
    #[test]
    fn a_suite_that_is_not_read_is_named() {
        for id in [0x0014_u16, 0x0178, 0x0346, 0x0478, 0x0579, 0xFFFF] {
            let [high, low] = id.to_be_bytes();
            let text = format!("algorithm suite 0x{id:04X} is not supported, only 0x0378 and 0x0578");
            for start in [vec![1, MESSAGE_TYPE, high, low], vec![2, high, low]] {
                check_refused(&text, &start, EnvelopeError::UnsupportedSuite(id));
            }
            assert_eq!(EnvelopeError::UnsupportedSuite(id).to_string(), text);
        }
    }

    #[test]
    fn a_suite_belongs_to_one_version_of_the_format() {
        let mismatch = |version, suite| EnvelopeError::SuiteVersionMismatch { version, suite };
        check_refused("0x0578 in version 1", &[1, MESSAGE_TYPE, 0x05, 0x78], mismatch(1, 0x0578));
        check_refused("0x0378 in version 2", &[2, 0x03, 0x78], mismatch(2, 0x0378));
        for version in (0..=u8::MAX).filter(|version| ![1, 2].contains(version)) {
            check_refused(
                "version",
                &[version, MESSAGE_TYPE, 0x03, 0x78],
                EnvelopeError::UnsupportedVersion(version),
            );
        }
        check_refused("message type", &[1, 0x81, 0x03, 0x78], EnvelopeError::Malformed("message type"));
    }

    #[test]
    fn a_message_over_the_limit_is_not_looked_at() {
        check_refused("one byte over", &vec![1; MAX_MESSAGE_LEN + 1], EnvelopeError::TooLarge);
        let mut padded = like_cognito().next().unwrap().message;
        padded.resize(MAX_MESSAGE_LEN, 0);
        check_refused("at the limit", &padded, EnvelopeError::TrailingBytes);
    }

    #[test]
    fn a_context_is_read_strictly() {
        let public_key = some_public_key();
        let ours = (PUBLIC_KEY, public_key.as_bytes());
        let good = beginning(&[ours, ("userpool-id", b"pool")]);
        check_refused("nothing wrong but the end", &good, EnvelopeError::Truncated);

        check_refused(
            "a key twice",
            &beginning(&[ours, ("a", b"1"), ("a", b"1")]),
            EnvelopeError::Malformed("encryption context: a key occurs twice"),
        );
        check_refused(
            "no UTF-8",
            &beginning(&[ours, ("a", b"\xFF")]),
            EnvelopeError::Malformed("encryption context"),
        );
        for delta in [1, u8::MAX] {
            let mut other_len = good.clone();
            let low_byte_of_len = 1 + 2 + 32 + 1;
            other_len[low_byte_of_len] = other_len[low_byte_of_len].wrapping_add(delta);
            check_refused("another length", &other_len, EnvelopeError::Malformed("encryption context"));
        }

        let names: Vec<_> = (0..MAX_CONTEXT_PAIRS).map(|number| number.to_string()).collect();
        let mut pairs: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
        pairs[0] = ours;
        check_refused("as many pairs as permitted", &beginning(&pairs), EnvelopeError::Truncated);
        pairs.push(("one more", b""));
        let expected = EnvelopeError::TooMany("encryption context pairs");
        check_refused("one pair more", &beginning(&pairs), expected);
    }

    #[test]
    fn a_message_without_a_p384_public_key_is_refused() {
        let check = |context: &[(&str, &[u8])]| {
            check_refused("public key", &beginning(context), EnvelopeError::Malformed("public key"));
        };
        let p256 = STANDARD.encode([&[2], [9; 32].as_slice()].concat());
        let uncompressed = STANDARD.encode([&[4], [9; 96].as_slice()].concat());
        let not_compressed = STANDARD.encode([&[4], [9; 48].as_slice()].concat());
        check(&[]);
        check(&[("userpool-id", b"pool")]);
        check(&[(PUBLIC_KEY, b"")]);
        check(&[(PUBLIC_KEY, b"not base64!")]);
        check(&[(PUBLIC_KEY, p256.as_bytes())]);
        check(&[(PUBLIC_KEY, uncompressed.as_bytes())]);
        check(&[(PUBLIC_KEY, not_compressed.as_bytes())]);
        let empty = [&[2, 0x05, 0x78], [7; 32].as_slice(), &[0, 0]].concat();
        check_refused("empty context", &empty, EnvelopeError::Malformed("public key"));
    }

    #[test]
    fn data_keys_are_read_strictly() {
        let public_key = some_public_key();
        let check = |what: &str, keys: &[u8], expected| {
            let start = beginning(&[(PUBLIC_KEY, public_key.as_bytes())]);
            check_refused(what, &[&start, keys].concat(), expected);
        };
        let content_type = EnvelopeError::Malformed("content type");
        check("none", &[0, 0], EnvelopeError::Malformed("number of encrypted data keys"));
        let ours = b"\0\x07aws-kms\0\x03arn\0\x01x";
        let eight = [&[0, 8], ours.repeat(8).as_slice(), &[1]].concat();
        check("as many as permitted, then a content that is not framed", &eight, content_type);
        let nine = [&[0, 9], ours.repeat(9).as_slice(), &[FRAMED]].concat();
        check("one more", &nine, EnvelopeError::TooMany("encrypted data keys"));
        check("most", &[0xFF, 0xFF], EnvelopeError::TooMany("encrypted data keys"));
        let not_text = EnvelopeError::Malformed("encrypted data key");
        check("provider not UTF-8", b"\0\x01\0\x01\xFF\0\x01x\0\x01x", not_text);
        check("ARN not UTF-8", b"\0\x01\0\x07aws-kms\0\x01\xFF\0\x01x", not_text);
        check(
            "another provider's information is any bytes",
            b"\0\x01\0\x03raw\0\x01\xFF\0\x01x\x01",
            content_type,
        );
    }

    #[test]
    fn the_rest_of_the_header_and_the_frames_are_read_strictly() {
        let check = |name: &str, from_header_end: usize, byte: u8, expected| {
            let mut message = fixtures().into_iter().find(|fixture| fixture.name == name).unwrap().message;
            let header_end = Envelope::parse(message.clone()).unwrap().header.len();
            message[header_end - 10 + from_header_end] = byte;
            check_refused(name, &message, EnvelopeError::Malformed(expected));
        };
        // The header of format 1 ends with content type, four reserved bytes, IV length and frame length;
        // IV and tag follow, then the frames.
        let one_frame = "Python, 0x0378, a six-digit code as Cognito sends it";
        let frames = 10 + NONCE_LEN + TAG_LEN;
        check(one_frame, 0, 1, "content type");
        check(one_frame, 4, 1, "reserved field");
        check(one_frame, 5, 16, "IV length");
        check(one_frame, 8, 0, "frame length"); // 0x1000 becomes 0
        check(one_frame, frames, 0x7F, "frame sequence number");
        check(one_frame, frames + 7, 2, "frame sequence number");
        check(one_frame, frames + 8 + NONCE_LEN + 2, 0x11, "length of the final frame");
        let three_frames = "JavaScript, 0x0378, three frames of the usual length";
        check(three_frames, frames + 3, 2, "frame sequence number");
        check(three_frames, frames + 3 + 4 + NONCE_LEN + 4096 + TAG_LEN, 1, "frame sequence number");
    }

    #[test]
    fn what_is_printed_shows_nothing_of_the_content() {
        let fixture = like_cognito().next().unwrap();
        let envelope = Envelope::parse(fixture.message).unwrap();
        assert_eq!(format!("{envelope:?}"), "Envelope { suite: Signed0378, .. }");
        let expected = format!(
            "EncryptedDataKey {{ provider_id: \"aws-kms\", key_arn: Some({:?}), .. }}",
            fixture.key_arns[0]
        );
        assert_eq!(format!("{:?}", envelope.data_keys()[0]), expected);
        let error = envelope.open(&[0; DATA_KEY_LEN]).unwrap_err();
        assert_eq!(error.to_string(), "the header of the message is not authentic");
    }

    #[test]
    fn a_direct_kms_ciphertext_is_told_from_a_message() {
        assert!(looks_like_direct_kms_ciphertext(&STANDARD.decode("AQICAHhhYmM=").unwrap()));
        assert!(looks_like_direct_kms_ciphertext(&STANDARD.decode("AQIDAHhhYmM=").unwrap()));
        for fixture in fixtures() {
            assert!(!looks_like_direct_kms_ciphertext(&fixture.message), "{}", fixture.name);
            let envelope = Envelope::parse(fixture.message).unwrap();
            assert!(
                envelope.data_keys().iter().all(|key| looks_like_direct_kms_ciphertext(key.ciphertext()))
            );
        }
        assert!(!looks_like_direct_kms_ciphertext(b""));
        assert!(!looks_like_direct_kms_ciphertext(b"123456"));
    }

    /// A genuine message and some edits: bytes overwritten, inserted or removed at any position.
    fn mutated() -> impl Strategy<Value = (Fixture, Vec<u8>)> {
        let edit = (any::<Index>(), any::<u8>(), 0..4_u8);
        (prop::sample::select(fixtures()), prop::collection::vec(edit, 1..6)).prop_flat_map(
            |(fixture, edits)| {
                let mut message = fixture.message.clone();
                for (position, byte, action) in edits {
                    let position = position.index(message.len());
                    match action {
                        0 => message.insert(position, byte),
                        1 => drop(message.remove(position)),
                        _ => message[position] = byte,
                    }
                }
                (Just(fixture), Just(message))
            },
        )
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in any::<Vec<u8>>()) {
            prop_assert!(Envelope::parse(bytes).is_err());
        }

        #[test]
        fn reading_never_panics_behind_a_good_beginning(suite in 0..2_usize, rest in any::<Vec<u8>>()) {
            let start = [&[1, MESSAGE_TYPE, 0x03, 0x78][..], &[2, 0x05, 0x78]][suite];
            prop_assert!(Envelope::parse([start, &rest].concat()).is_err());
        }

        #[test]
        fn a_mutated_message_neither_panics_nor_opens((fixture, message) in mutated()) {
            let opened = open(&message, &fixture.data_key);
            if message == fixture.message {
                prop_assert_eq!(opened, Ok(fixture.plaintext));
            } else {
                prop_assert!(opened.is_err());
            }
        }

        #[test]
        fn no_data_key_panics(data_key in any::<Vec<u8>>()) {
            for fixture in like_cognito() {
                prop_assert!(open(&fixture.message, &data_key).is_err());
            }
        }
    }
}
