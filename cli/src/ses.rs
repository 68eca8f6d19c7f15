//! SES: what the account and its identities are allowed to send.

use crate::aws::{Aws, AwsError, Call};

// What changes SES, for an operator who said yes.

/// Takes an address off the account's suppression list in the Region.
///
/// # Errors
/// When SES does not say that it did.
pub(crate) async fn remove_suppression(aws: &Aws, address: &str) -> Result<(), AwsError> {
    // SES quotes an address that is not on the list.
    let action = "ses:DeleteSuppressedDestination";
    let call = Call { service: "SES", action, region: aws.region(), quotes: true };
    let answer = aws_sdk_sesv2::Client::new(aws.config())
        .delete_suppressed_destination()
        .email_address(address)
        .send()
        .await;
    answer.map(drop).map_err(|error| call.failure(&error))
}

/// Lets the account send again in the Region.
///
/// # Errors
/// When SES does not say that it did.
pub(crate) async fn resume_sending(aws: &Aws) -> Result<(), AwsError> {
    let action = "ses:PutAccountSendingAttributes";
    let call = Call { service: "SES", action, region: aws.region(), quotes: false };
    let answer = aws_sdk_sesv2::Client::new(aws.config())
        .put_account_sending_attributes()
        .sending_enabled(true)
        .send()
        .await;
    answer.map(drop).map_err(|error| call.failure(&error))
}
