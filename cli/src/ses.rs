//! SES: what the account may send.

use crate::aws::{Aws, AwsError, Call};

/// The account's sending in one Region.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    /// E-mails of the last 24 hours.
    pub(crate) sent: f64,
    /// E-mails that any 24 hours may have; `None` without a limit.
    pub(crate) quota: Option<f64>,
    /// Whether SES sends at all.
    pub(crate) sending: bool,
    /// Whether it sends to verified recipients only.
    pub(crate) sandbox: bool,
    /// `HEALTHY`, `PROBATION` or `SHUTDOWN`.
    pub(crate) standing: Option<String>,
}

/// Asks SES about the account.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html>
///
/// # Errors
/// When SES does not say.
pub(crate) async fn account(aws: &Aws) -> Result<Account, AwsError> {
    let call = Call { service: "SES", action: "ses:GetAccount", region: aws.region(), quotes: false };
    let answer = aws_sdk_sesv2::Client::new(aws.config())
        .get_account()
        .send()
        .await
        .map_err(|error| call.failure(&error))?;
    let quota = answer.send_quota();
    Ok(Account {
        sent: quota.map(aws_sdk_sesv2::types::SendQuota::sent_last24_hours).unwrap_or_default(),
        // -1 says that there is none.
        quota: quota.map(aws_sdk_sesv2::types::SendQuota::max24_hour_send).filter(|most| *most >= 0.0),
        sending: answer.sending_enabled(),
        sandbox: !answer.production_access_enabled(),
        standing: answer.enforcement_status().map(str::to_owned),
    })
}
