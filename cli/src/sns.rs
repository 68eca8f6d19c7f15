//! SNS: what SMS may cost.

use crate::aws::{Aws, AwsError, Call};

/// US dollars that SNS spends a month where nobody has set a limit.
///
/// Source: "Requesting increases to your monthly SMS spending quota for Amazon SNS", Amazon SNS developer guide.
const DEFAULT_LIMIT: f64 = 1.0;

/// US dollars that the SMS of a month may cost; then SNS takes messages and sends none.
///
/// Source: <https://docs.aws.amazon.com/sns/latest/api/API_SetSMSAttributes.html>
///
/// # Errors
/// When SNS does not say.
pub(crate) async fn monthly_spend_limit(aws: &Aws) -> Result<f64, AwsError> {
    let call = Call { service: "SNS", action: "sns:GetSMSAttributes", region: aws.region(), quotes: false };
    let answer = aws_sdk_sns::Client::new(aws.config())
        .get_sms_attributes()
        .attributes("MonthlySpendLimit")
        .send()
        .await
        .map_err(|error| call.failure(&error))?;
    let limit = answer.attributes().and_then(|attributes| attributes.get("MonthlySpendLimit"));
    Ok(limit.and_then(|limit| limit.parse().ok()).unwrap_or(DEFAULT_LIMIT))
}
