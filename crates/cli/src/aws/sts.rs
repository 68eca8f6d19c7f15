//! STS: whose credentials these are.

use crate::aws::{Aws, AwsError, Call, Kind};

/// Who calls, `arn:aws:iam::123456789012:user/ann` or `arn:aws:sts::123456789012:assumed-role/deployer/session`.
///
/// It needs no permission. Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
///
/// # Errors
/// When STS does not say.
pub(crate) async fn caller(aws: &Aws) -> Result<String, AwsError> {
    let action = "sts:GetCallerIdentity";
    let call = Call { service: "STS", action, region: aws.region(), quotes: false };
    let sent = aws_sdk_sts::Client::new(aws.config()).get_caller_identity().send();
    let answer = sent.await.map_err(|error| call.failure(&error))?;
    answer.arn.ok_or_else(|| AwsError::new(Kind::Other, "STS does not say whose credentials these are"))
}
