//! SNS: what the account is allowed to send by SMS.

use crate::aws::{Aws, AwsError, Call};

// What changes SNS, for an operator who said yes.

/// Lets SMS go to a number again that opted out. AWS allows that once in 30 days for a number.
///
/// # Errors
/// When SNS does not say that it did.
pub(crate) async fn opt_in(aws: &Aws, number: &str) -> Result<(), AwsError> {
    // SNS quotes numbers.
    let action = "sns:OptInPhoneNumber";
    let call = Call { service: "SNS", action, region: aws.region(), quotes: true };
    let answer =
        aws_sdk_sns::Client::new(aws.config()).opt_in_phone_number().phone_number(number).send().await;
    answer.map(drop).map_err(|error| call.failure(&error))
}
