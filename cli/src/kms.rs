//! KMS: the key that codes are encrypted with.

use crate::aws::{Aws, AwsError, Call};

// What changes a key, for an operator who said yes.

/// Enables a key.
///
/// # Errors
/// When KMS does not say that it did.
pub(crate) async fn enable_key(aws: &Aws, key_arn: &str) -> Result<(), AwsError> {
    let call = Call { service: "KMS", action: "kms:EnableKey", region: aws.region(), quotes: false };
    let answer = aws_sdk_kms::Client::new(aws.config()).enable_key().key_id(key_arn).send().await;
    answer.map(drop).map_err(|error| call.failure(&error))
}

/// Keeps a key that was to be deleted; it is disabled afterwards.
///
/// # Errors
/// When KMS does not say that it did.
pub(crate) async fn cancel_key_deletion(aws: &Aws, key_arn: &str) -> Result<(), AwsError> {
    let call = Call { service: "KMS", action: "kms:CancelKeyDeletion", region: aws.region(), quotes: false };
    let answer = aws_sdk_kms::Client::new(aws.config()).cancel_key_deletion().key_id(key_arn).send().await;
    answer.map(drop).map_err(|error| call.failure(&error))
}
