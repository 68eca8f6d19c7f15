//! SES: the account, its identities, its configuration sets and its suppression list.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::types::{BehaviorOnMxFailure, SuppressionListReason};

use crate::aws::{Aws, AwsError, Call, if_any};

/// SES in one Region.
pub(crate) struct Ses {
    client: Client,
    region: String,
}

/// The state of SES in an account.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html>
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    /// Whether sending is enabled.
    pub(crate) sending: bool,
    /// Whether the account has production access. Without it, SES sends only to verified recipients.
    pub(crate) production: bool,
    /// `HEALTHY`, `PROBATION` or `SHUTDOWN`.
    pub(crate) standing: Option<String>,
    /// The sending quota: emails in any 24 hours; `None` without a limit.
    pub(crate) quota: Option<f64>,
    /// Emails of the last 24 hours.
    pub(crate) sent: f64,
    /// `BOUNCE`, `COMPLAINT`: the reasons for which SES puts an address on the suppression list and sends it nothing.
    pub(crate) suppresses: Vec<String>,
}

/// An identity: an address or a domain that the account sends from.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) verified: bool,
    /// `PENDING`, `SUCCESS`, `FAILED`, `TEMPORARY_FAILURE`, `NOT_STARTED`.
    pub(crate) status: String,
    /// Whether DKIM signing is enabled.
    pub(crate) signing: bool,
    /// `SUCCESS` if SES found the DKIM keys in DNS.
    pub(crate) dkim: String,
    pub(crate) mail_from: Option<MailFrom>,
    /// The default configuration set.
    pub(crate) configuration_set: Option<String>,
}

/// The MAIL FROM domain, whose SPF record receivers check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailFrom {
    pub(crate) domain: String,
    /// `PENDING`, `SUCCESS`, `FAILED`, `TEMPORARY_FAILURE`.
    pub(crate) status: String,
    /// Whether SES sends nothing until the MX record is correct. Otherwise it uses its own domain.
    pub(crate) rejects: bool,
}

/// Settings of a configuration set.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetConfigurationSet.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigurationSet {
    pub(crate) sending: bool,
    /// Overrides [`Account::suppresses`] of the account; `None` if it doesn't.
    pub(crate) suppresses: Option<Vec<String>>,
}

/// An address on the suppression list.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SuppressedDestination.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suppression {
    /// `BOUNCE` or `COMPLAINT`.
    pub(crate) reason: String,
    /// `YYYY-MM-DD`.
    pub(crate) since: String,
}

impl Ses {
    pub(crate) fn new(aws: &Aws, region: &str) -> Self {
        let aws = aws.in_region(region);
        Self { client: Client::new(aws.config()), region: region.to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        // The error message may quote the address in the request.
        Call { service: "SES", action, region: &self.region, quotes: true }
    }

    /// Whether the account can send, to which recipients, and how much.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn account(&self) -> Result<Account, AwsError> {
        let call = self.call("ses:GetAccount");
        let answer = self.client.get_account().send().await.map_err(|error| call.failure(&error))?;
        let quota = answer.send_quota.as_ref();
        Ok(Account {
            sending: answer.sending_enabled,
            production: answer.production_access_enabled,
            standing: answer.enforcement_status,
            // -1 means no limit.
            quota: quota.map(|quota| quota.max24_hour_send).filter(|most| *most >= 0.0),
            sent: quota.map(|quota| quota.sent_last24_hours).unwrap_or_default(),
            suppresses: answer
                .suppression_attributes
                .and_then(|attributes| attributes.suppressed_reasons)
                .map(|named| reasons(&named))
                .unwrap_or_default(),
        })
    }

    /// An identity; `None` if the account has none with this name in the Region.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn identity(&self, name: &str) -> Result<Option<Identity>, AwsError> {
        let call = self.call("ses:GetEmailIdentity");
        let answer = self.client.get_email_identity().email_identity(name).send().await;
        let Some(answer) = if_any(answer.map_err(|error| call.failure(&error)))? else { return Ok(None) };
        let dkim = answer.dkim_attributes;
        let status = answer.verification_status.map(|status| status.to_string());
        Ok(Some(Identity {
            name: name.to_owned(),
            verified: answer.verified_for_sending_status,
            status: status.unwrap_or_else(|| "NOT_STARTED".to_owned()),
            signing: dkim.as_ref().is_some_and(|dkim| dkim.signing_enabled),
            dkim: dkim
                .and_then(|dkim| dkim.status)
                .map_or_else(|| "NOT_STARTED".to_owned(), |status| status.to_string()),
            mail_from: answer.mail_from_attributes.filter(|from| !from.mail_from_domain.is_empty()).map(
                |from| MailFrom {
                    status: from.mail_from_domain_status.to_string(),
                    rejects: from.behavior_on_mx_failure == BehaviorOnMxFailure::RejectMessage,
                    domain: from.mail_from_domain,
                },
            ),
            configuration_set: answer.configuration_set_name,
        }))
    }

    /// A configuration set; `None` if the account has none with this name in the Region.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn configuration_set(&self, name: &str) -> Result<Option<ConfigurationSet>, AwsError> {
        let call = self.call("ses:GetConfigurationSet");
        let answer = self.client.get_configuration_set().configuration_set_name(name).send().await;
        let answer = if_any(answer.map_err(|error| call.failure(&error)))?;
        Ok(answer.map(|answer| ConfigurationSet {
            // Sending is on by default.
            sending: answer.sending_options.is_none_or(|options| options.sending_enabled),
            suppresses: answer
                .suppression_options
                .and_then(|options| options.suppressed_reasons)
                .map(|named| reasons(&named)),
        }))
    }

    /// Whether an address is on the account's suppression list, and why.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn suppression(&self, address: &str) -> Result<Option<Suppression>, AwsError> {
        let call = self.call("ses:GetSuppressedDestination");
        let answer = self.client.get_suppressed_destination().email_address(address).send().await;
        let answer = if_any(answer.map_err(|error| call.failure(&error)))?;
        Ok(answer.and_then(|answer| answer.suppressed_destination).map(|destination| Suppression {
            reason: destination.reason.to_string(),
            since: crate::aws::day(&destination.last_update_time),
        }))
    }
}

fn reasons(reasons: &[SuppressionListReason]) -> Vec<String> {
    reasons.iter().map(ToString::to_string).collect()
}

// Changes to SES, if the operator agrees.

/// Removes an address from the account's suppression list in the Region.
///
/// # Errors
/// If the call fails.
pub(crate) async fn remove_suppression(aws: &Aws, address: &str) -> Result<(), AwsError> {
    // The error message quotes an address that is not on the list.
    let action = "ses:DeleteSuppressedDestination";
    let call = Call { service: "SES", action, region: aws.region(), quotes: true };
    let answer = aws_sdk_sesv2::Client::new(aws.config())
        .delete_suppressed_destination()
        .email_address(address)
        .send()
        .await;
    answer.map(drop).map_err(|error| call.failure(&error))
}

/// Enables sending for the account in the Region.
///
/// # Errors
/// If the call fails.
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
