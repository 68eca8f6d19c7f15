//! The keyed hash of a recipient for logs. Only the operator, who has the key, can compute it for an address.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Makes recipient hashes: HMAC-SHA-256 under the deployment's own key.
///
/// Without the key, an attacker can't test addresses against a hash. With it, the operator finds a user's log lines.
#[derive(Clone)]
pub struct RecipientHasher(Hmac<Sha256>);

impl RecipientHasher {
    /// Hashes with this key: `RECIPIENT_HASH_KEY` or random bytes. It can have any length; 32 bytes are enough.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        // HMAC accepts keys of every length, so there is no error to handle.
        Self(
            Hmac::new_from_slice(key)
                .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default())),
        )
    }

    /// The hash of an email address or of an E.164 number. Upper and lower case don't change it.
    #[must_use]
    pub fn hash(&self, recipient: &str) -> RecipientHash {
        let mut mac = self.0.clone();
        mac.update(recipient.trim().to_lowercase().as_bytes());
        RecipientHash(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for RecipientHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecipientHasher(******)")
    }
}

/// A recipient as it may be logged: the first 16 bytes of the hash in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientHash([u8; 32]);

impl fmt::Display for RecipientHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(16).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_hmac_sha_256_of_the_lower_case_recipient() {
        // printf ann@example.com | openssl dgst -sha256 -hmac key
        let hash = RecipientHasher::new(b"key").hash(" Ann@Example.com").to_string();
        assert_eq!(hash, "9e477c88a643485898d5bad53f82b84a");
    }

    #[test]
    fn another_key_gives_another_hash() {
        let hash = |key: &[u8]| RecipientHasher::new(key).hash("ann@example.com");
        assert_ne!(hash(b"key"), hash(b"other key"));
    }
}
