//! Decrypts the code of an event.
//!
//! The message is parsed completely before KMS is called. The call names the key and the encryption context, and the
//! response is checked against both. Source: "Custom sender Lambda triggers", Amazon Cognito developer guide;
//! "Decrypt", AWS KMS API reference.

use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_types::SdkConfig;
use shared::arn::KeyArn;
use shared::outcome::FailureClass;
use shared::secret::Code;
use shared::settings::sender::{ALLOW_CODES_WITHOUT_POOL, CodeSettings};
use tokio::task::yield_now;
use tokio::try_join;
use zeroize::Zeroizing;

use crate::envelope::{Envelope, EnvelopeError};
use crate::errors::ServiceError;
use crate::retry::{RetryPolicy, random};
use client::aws::Service;
use client::time::Deadline;

/// Why a code could not be decrypted, with what to do. It contains nothing of the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The code is not base64.
    #[error("the event's `request.code` is not base64")]
    NotBase64,
    /// The code was encrypted by KMS directly, which no user pool does.
    #[error(
        "the event's `request.code` is a direct KMS ciphertext, not a message of the AWS Encryption SDK as Cognito writes it"
    )]
    DirectKms,
    /// The message cannot be read or is not authentic.
    #[error("the event's `request.code` cannot be used: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The clear text is not UTF-8.
    #[error("the decrypted code is not UTF-8")]
    NotText,
    /// No data key of the message is encrypted with our key.
    #[error(
        "the code is encrypted with another key than CODE_KEY_ARN (parameter CodeKeyArn): set it to the \
         KMSKeyID in the user pool's LambdaConfig"
    )]
    OtherKey,
    /// The message belongs to another user pool.
    #[error("the code was encrypted for another user pool than the event's `userPoolId`")]
    OtherPool,
    /// The message names no user pool.
    #[error(
        "the code's encryption context names no user pool, so Cognito did not encrypt it; only tests with an emulator \
         set {ALLOW_CODES_WITHOUT_POOL}=true"
    )]
    NoPool,
    /// The clear text is not what the event says it is.
    #[error(
        "the decrypted text is not a code of 6 to 8 digits, so Cognito did not encrypt it for this message"
    )]
    NotACode,
    /// The clear text of an invitation can't be a password.
    #[error("the decrypted text is too long for a temporary password, or has invisible characters")]
    NotAPassword,
    /// KMS used another key than the call named.
    #[error("KMS decrypted with another key than CODE_KEY_ARN")]
    WrongKeyUsed,
    /// KMS rejected the call or did not respond.
    #[error(transparent)]
    Kms(#[from] ServiceError),
}

impl DecryptError {
    /// The class of the failure.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        match self {
            // No message was sent, whatever KMS did.
            Self::Kms(failure) if failure.class == FailureClass::Ambiguous => FailureClass::Transient,
            Self::Kms(failure) => failure.class,
            Self::NotBase64
            | Self::DirectKms
            | Self::Envelope(_)
            | Self::NotText
            | Self::OtherKey
            | Self::OtherPool
            | Self::NoPool
            | Self::NotACode
            | Self::NotAPassword
            | Self::WrongKeyUsed => FailureClass::Configuration,
        }
    }
}

/// The retry policy for KMS. It responds in about 10 ms, so an attempt ends after 1.5 s.
pub const RETRY: RetryPolicy = RetryPolicy {
    max_attempts: 5,
    attempt_timeout: Duration::from_millis(1_500),
    min_time_left: Duration::from_millis(300),
    idempotent: true,
};

/// Decrypts codes as its settings allow.
#[derive(Debug, Clone)]
pub struct Decryptor {
    client: Client,
    settings: CodeSettings,
}

/// The key of the encryption context that holds the user pool's id.
const POOL_CONTEXT: &str = "userpool-id";

impl Decryptor {
    /// Builds the client, once per process.
    #[must_use]
    pub fn new(config: &SdkConfig, settings: CodeSettings) -> Self {
        if settings.allow_without_pool {
            tracing::warn!(
                "{ALLOW_CODES_WITHOUT_POOL} is true: whatever is encrypted with the code key can be sent as a code"
            );
        }
        Self { client: Client::new(config), settings }
    }

    /// The key that codes must be encrypted with.
    #[must_use]
    pub fn key(&self) -> &KeyArn {
        &self.settings.key
    }

    /// Decrypts the code of an event from the user pool.
    ///
    /// # Errors
    /// If the message is not authentic, or not for this pool or key, or if KMS doesn't decrypt its data key in time.
    pub async fn decrypt(
        &self,
        envelope: &Envelope,
        user_pool_id: &str,
        deadline: Deadline,
    ) -> Result<Code, DecryptError> {
        match envelope.context_value(POOL_CONTEXT) {
            Some(pool) if pool == user_pool_id => {}
            Some(_) => return Err(DecryptError::OtherPool),
            // User pools always bind the code to themselves. Some emulators don't.
            None if self.settings.allow_without_pool => {}
            None => return Err(DecryptError::NoPool),
        }
        let verify = async {
            // The request to KMS leaves when this task yields: the signature is checked while KMS works on it.
            yield_now().await;
            yield_now().await;
            envelope.verify().map_err(DecryptError::from)
        };
        let (verified, data_key) = try_join!(verify, self.data_key(envelope, deadline))?;
        let clear = verified.open(&data_key)?;
        let text = std::str::from_utf8(&clear).map_err(|_| DecryptError::NotText)?;
        Ok(Code::new(Zeroizing::new(text.to_owned())))
    }

    /// Decrypts the data key with KMS: tries every one that is encrypted with our key, until one succeeds.
    async fn data_key(
        &self,
        envelope: &Envelope,
        deadline: Deadline,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let mut result = Err(DecryptError::OtherKey);
        let ours = envelope.data_keys().iter().filter(|key| {
            key.provider_id() == "aws-kms" && key.key_arn().is_some_and(|arn| self.key().is_same_key(arn))
        });
        for key in ours {
            let answer = RETRY
                .call(Service::Kms, deadline, random, async || {
                    let request = self
                        .client
                        .decrypt()
                        .key_id(self.key().as_str())
                        .ciphertext_blob(Blob::new(key.ciphertext()))
                        .set_encryption_context(Some(
                            envelope
                                .context()
                                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                                .collect(),
                        ));
                    request.send().await.map_err(|error| ServiceError::new(Service::Kms, &error, |_| None))
                })
                .await;
            match answer {
                Ok(answer) => {
                    let data_key = Zeroizing::new(answer.plaintext.map(Blob::into_inner).unwrap_or_default());
                    if !answer.key_id.is_some_and(|used| self.key().is_same_key(&used)) {
                        return Err(DecryptError::WrongKeyUsed);
                    }
                    return Ok(data_key);
                }
                Err(failure) => result = Err(failure.into()),
            }
        }
        result
    }
}
