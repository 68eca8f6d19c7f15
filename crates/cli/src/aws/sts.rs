//! STS: the caller's identity.

use crate::aws::{Aws, AwsError, Call, Kind};

/// The ARN of the caller, `arn:aws:iam::123456789012:user/ann` or
/// `arn:aws:sts::123456789012:assumed-role/deployer/session`.
///
/// It needs no permission. Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
///
/// # Errors
/// If the call fails.
pub(crate) async fn caller(aws: &Aws) -> Result<String, AwsError> {
    let action = "sts:GetCallerIdentity";
    let call = Call { service: "STS", action, region: aws.region(), quotes: false };
    let sent = aws_sdk_sts::Client::new(aws.config()).get_caller_identity().send();
    let answer = sent.await.map_err(|error| call.failure(&error))?;
    answer.arn.ok_or_else(|| AwsError::new(Kind::Other, "STS returned no ARN for these credentials"))
}
