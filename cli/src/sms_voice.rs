//! AWS End User Messaging SMS: what SMS may cost.

use aws_sdk_pinpointsmsvoicev2::types::SpendLimitName;

use crate::aws::{Aws, AwsError, Call, Kind};

/// US dollars that the SMS of a month may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpendLimit {
    /// What holds now; beyond it nothing is sent.
    pub(crate) enforced: i64,
    /// To which the account itself may raise it.
    pub(crate) most: i64,
}

/// Asks for the limit on the SMS of a month.
///
/// Source: <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SpendLimit.html>
///
/// # Errors
/// When the service does not say.
pub(crate) async fn spend_limit(aws: &Aws) -> Result<SpendLimit, AwsError> {
    let action = "sms-voice:DescribeSpendLimits";
    let call = Call { service: "End User Messaging SMS", action, region: aws.region(), quotes: false };
    let answer = aws_sdk_pinpointsmsvoicev2::Client::new(aws.config())
        .describe_spend_limits()
        .send()
        .await
        .map_err(|error| call.failure(&error))?;
    let mut limits = answer.spend_limits().iter();
    let limit = limits.find(|limit| *limit.name() == SpendLimitName::TextMessageMonthlySpendLimit);
    let limit = limit.ok_or_else(|| {
        AwsError::new(Kind::NotFound, format!("the service names no limit for SMS ({action})"))
    })?;
    let enforced = if limit.overridden() { limit.enforced_limit() } else { limit.max_limit() };
    Ok(SpendLimit { enforced, most: limit.max_limit() })
}
