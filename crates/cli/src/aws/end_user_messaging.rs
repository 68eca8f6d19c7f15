//! AWS End User Messaging SMS: what stands between the account and a phone.

use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::types::{AccountAttributeName, SpendLimitName, VerificationStatus};

use crate::aws::{Aws, AwsError, Call, Kind, if_any};

/// AWS End User Messaging SMS in one Region.
pub(crate) struct EndUserMessaging {
    client: Client,
    region: String,
}

/// US dollars that the SMS of a month may cost.
///
/// Source: <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SpendLimit.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpendLimit {
    /// What holds now; beyond it nothing is sent.
    pub(crate) enforced: i64,
    /// To which the account itself may raise it.
    pub(crate) most: i64,
}

/// A number whose verification has at least begun; an account without production access needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) verified: bool,
    /// By which the code that it was sent is handed in.
    pub(crate) id: String,
}

/// A number or a pool of numbers to send from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origination {
    /// `ACTIVE` when it may be used.
    pub(crate) status: String,
    /// Who answered STOP to it.
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
        // It could quote the number in the request.
        Call { service: "End User Messaging SMS", action, region: &self.region, quotes: true }
    }

    /// Whether only verified numbers are sent to.
    ///
    /// Source: <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_AccountAttribute.html>
    ///
    /// # Errors
    /// When the service does not say.
    pub(crate) async fn in_sandbox(&self) -> Result<bool, AwsError> {
        let call = self.call("sms-voice:DescribeAccountAttributes");
        let answer = self.client.describe_account_attributes().send().await;
        let answer = answer.map_err(|error| call.failure(&error))?;
        let mut attributes = answer.account_attributes.unwrap_or_default().into_iter();
        let tier = attributes.find(|attribute| attribute.name == AccountAttributeName::AccountTier);
        Ok(tier.is_some_and(|tier| tier.value == "SANDBOX"))
    }

    /// The limit on the SMS of a month.
    ///
    /// # Errors
    /// When the service does not say.
    pub(crate) async fn spend_limit(&self) -> Result<SpendLimit, AwsError> {
        let call = self.call("sms-voice:DescribeSpendLimits");
        let answer = self.client.describe_spend_limits().send().await;
        let answer = answer.map_err(|error| call.failure(&error))?;
        let mut limits = answer.spend_limits.unwrap_or_default().into_iter();
        let limit = limits.find(|limit| limit.name == SpendLimitName::TextMessageMonthlySpendLimit);
        let limit = limit
            .ok_or_else(|| AwsError::new(Kind::NotFound, "End User Messaging SMS names no limit for SMS"))?;
        let enforced = if limit.overridden { limit.enforced_limit } else { limit.max_limit };
        Ok(SpendLimit { enforced, most: limit.max_limit })
    }

    /// How far the verification of a number is; `None` if it is not among the account's verified numbers.
    ///
    /// # Errors
    /// When the service does not say.
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

    /// Whether the owner of that number answered STOP to a sender that uses that opt-out list.
    ///
    /// # Errors
    /// When the service does not say.
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

    /// The number or pool of that ARN; `None` when there is none.
    ///
    /// # Errors
    /// When the service does not say.
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
