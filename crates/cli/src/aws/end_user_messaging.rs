//! AWS End User Messaging SMS: the settings that decide whether an SMS is delivered.

use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::types::{AccountAttributeName, SpendLimitName, VerificationStatus};

use crate::aws::{Aws, AwsError, Call, Kind, if_any};

/// AWS End User Messaging SMS in one Region.
pub(crate) struct EndUserMessaging {
    client: Client,
    region: String,
}

/// The monthly SMS spend limit in US dollars.
///
/// Source: <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SpendLimit.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpendLimit {
    /// The current limit: above it, nothing is sent.
    pub(crate) enforced: i64,
    /// The highest limit that the account can set itself.
    pub(crate) most: i64,
}

/// A destination number whose verification has begun. Without production access, SMS go only to verified numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) verified: bool,
    /// The id with which the verification code is submitted.
    pub(crate) id: String,
}

/// An origination identity: a number or a pool of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origination {
    /// `ACTIVE` if it can be used.
    pub(crate) status: String,
    /// The list of numbers that replied STOP to it.
    pub(crate) opt_out_list: String,
    /// Two letters; `None` for a pool, which may have numbers of several countries.
    pub(crate) country: Option<String>,
    /// Whether it may send to other countries than its own.
    pub(crate) international: bool,
}

impl EndUserMessaging {
    pub(crate) fn new(aws: &Aws, region: &str) -> Self {
        let aws = aws.in_region(region);
        Self { client: Client::new(aws.config()), region: region.to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        // The error message may quote the number in the request.
        Call { service: "End User Messaging SMS", action, region: &self.region, quotes: true }
    }

    /// Whether the account can send only to verified numbers.
    ///
    /// Source: <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_AccountAttribute.html>
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn in_sandbox(&self) -> Result<bool, AwsError> {
        let call = self.call("sms-voice:DescribeAccountAttributes");
        let answer = self.client.describe_account_attributes().send().await;
        let answer = answer.map_err(|error| call.failure(&error))?;
        let mut attributes = answer.account_attributes.unwrap_or_default().into_iter();
        let tier = attributes.find(|attribute| attribute.name == AccountAttributeName::AccountTier);
        Ok(tier.is_some_and(|tier| tier.value == "SANDBOX"))
    }

    /// The monthly SMS spend limit.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn spend_limit(&self) -> Result<SpendLimit, AwsError> {
        let call = self.call("sms-voice:DescribeSpendLimits");
        let answer = self.client.describe_spend_limits().send().await;
        let answer = answer.map_err(|error| call.failure(&error))?;
        let mut limits = answer.spend_limits.unwrap_or_default().into_iter();
        let limit = limits.find(|limit| limit.name == SpendLimitName::TextMessageMonthlySpendLimit);
        let limit = limit.ok_or_else(|| {
            AwsError::new(Kind::NotFound, "End User Messaging SMS returned no spend limit for SMS")
        })?;
        let enforced = if limit.overridden { limit.enforced_limit } else { limit.max_limit };
        Ok(SpendLimit { enforced, most: limit.max_limit })
    }

    /// The state of a number's verification; `None` if it is not among the account's verified destination numbers.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn verified_in_sandbox(&self, number: &str) -> Result<Option<Destination>, AwsError> {
        let call = self.call("sms-voice:DescribeVerifiedDestinationNumbers");
        let answer = self
            .client
            .describe_verified_destination_numbers()
            .destination_phone_numbers(number)
            .send()
            .await;
        let answer = if_any(answer.map_err(|error| call.failure(&error)))?;
        let numbers = answer.map(|answer| answer.verified_destination_numbers).unwrap_or_default();
        let found = numbers.into_iter().find(|known| known.destination_phone_number == number);
        Ok(found.map(|found| Destination {
            verified: found.status == VerificationStatus::Verified,
            id: found.verified_destination_number_id,
        }))
    }

    /// Whether the number is on this opt-out list, because its owner replied STOP.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn opted_out(&self, list: &str, number: &str) -> Result<bool, AwsError> {
        let call = self.call("sms-voice:DescribeOptedOutNumbers");
        let answer = self
            .client
            .describe_opted_out_numbers()
            .opt_out_list_name(list)
            .opted_out_numbers(number)
            .send()
            .await;
        let answer = if_any(answer.map_err(|error| call.failure(&error)))?;
        let numbers = answer.and_then(|answer| answer.opted_out_numbers).unwrap_or_default();
        Ok(numbers.iter().any(|out| out.opted_out_number == number))
    }

    /// The number or pool with this ARN; `None` if it doesn't exist.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn origination(&self, arn: &str) -> Result<Option<Origination>, AwsError> {
        if arn.contains(":pool/") { self.pool(arn).await } else { self.phone_number(arn).await }
    }

    async fn phone_number(&self, arn: &str) -> Result<Option<Origination>, AwsError> {
        let call = self.call("sms-voice:DescribePhoneNumbers");
        let answer = self.client.describe_phone_numbers().phone_number_ids(arn).send().await;
        let answer = if_any(answer.map_err(|error| call.failure(&error)))?;
        let number = answer.and_then(|answer| answer.phone_numbers?.into_iter().next());
        Ok(number.map(|number| Origination {
            status: number.status.to_string(),
            opt_out_list: number.opt_out_list_name,
            country: Some(number.iso_country_code),
            international: number.international_sending_enabled,
        }))
    }

    async fn pool(&self, arn: &str) -> Result<Option<Origination>, AwsError> {
        let call = self.call("sms-voice:DescribePools");
        let answer = self.client.describe_pools().pool_ids(arn).send().await;
        let answer = if_any(answer.map_err(|error| call.failure(&error)))?;
        let pool = answer.and_then(|answer| answer.pools?.into_iter().next());
        Ok(pool.map(|pool| Origination {
            status: pool.status.to_string(),
            opt_out_list: pool.opt_out_list_name,
            country: None,
            international: true,
        }))
    }
}
