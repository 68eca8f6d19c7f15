//! Secrets Manager: the key of the recipient hashes.

use zeroize::Zeroizing;

use crate::aws::{Aws, AwsError, Call, Kind};

/// The text of a secret.
///
/// # Errors
/// If there is no such secret, if it is binary, or if the call fails.
pub(crate) async fn text(aws: &Aws, secret_id: &str) -> Result<Zeroizing<String>, AwsError> {
    let call = Call {
        service: "Secrets Manager",
        action: "secretsmanager:GetSecretValue",
        region: aws.region(),
        quotes: false,
    };
    let answer = aws_sdk_secretsmanager::Client::new(aws.config())
        .get_secret_value()
        .secret_id(secret_id)
        .send()
        .await
        .map_err(|error| call.failure(&error))?;
    let text = answer.secret_string.map(Zeroizing::new);
    text.ok_or_else(|| AwsError::new(Kind::NotFound, "the secret is binary, not text"))
}
