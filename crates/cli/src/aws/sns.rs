//! SNS: the settings that decide whether an SMS is delivered.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::SmsSandboxPhoneNumberVerificationStatus;

use crate::aws::{Aws, AwsError, Call};

/// SNS's monthly SMS spend limit in US dollars if none is set.
///
/// Source: "Requesting increases to your monthly SMS spending quota for Amazon SNS", Amazon SNS developer guide.
const DEFAULT_LIMIT: f64 = 1.0;

/// The maximum number of pages to read, far more than an account has.
const MAX_PAGES: usize = 20;

/// SNS in one Region.
pub(crate) struct Sns {
    client: Client,
    region: String,
}

/// The account's SMS settings.
///
/// Source: <https://docs.aws.amazon.com/sns/latest/api/API_SetSMSAttributes.html>
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attributes {
    /// The monthly SMS spend limit in US dollars. Above it, SNS accepts messages but sends none.
    pub(crate) monthly_spend_limit: f64,
    /// `Promotional` or `Transactional`.
    pub(crate) default_type: String,
}

/// An origination number.
///
/// Source: <https://docs.aws.amazon.com/sns/latest/api/API_PhoneNumberInformation.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginationNumber {
    /// ISO 3166-1, two letters.
    pub(crate) country: String,
    /// `ACTIVE` if it can be used.
    pub(crate) status: String,
    /// Whether it can send SMS.
    pub(crate) sms: bool,
}

impl Sns {
    pub(crate) fn new(aws: &Aws, region: &str) -> Self {
        let aws = aws.in_region(region);
        Self { client: Client::new(aws.config()), region: region.to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        // The error message may quote the number in the request.
        Call { service: "SNS", action, region: &self.region, quotes: true }
    }

    /// The account's SMS settings.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn attributes(&self) -> Result<Attributes, AwsError> {
        let call = self.call("sns:GetSMSAttributes");
        let answer = self.client.get_sms_attributes().send().await.map_err(|error| call.failure(&error))?;
        let attributes = answer.attributes.unwrap_or_default();
        let limit = attributes.get("MonthlySpendLimit").and_then(|limit| limit.parse().ok());
        let default_type = attributes.get("DefaultSMSType").filter(|default_type| !default_type.is_empty());
        Ok(Attributes {
            monthly_spend_limit: limit.unwrap_or(DEFAULT_LIMIT),
            default_type: default_type.cloned().unwrap_or_else(|| "Promotional".to_owned()),
        })
    }

    /// Whether the account can send only to verified numbers.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn in_sandbox(&self) -> Result<bool, AwsError> {
        let call = self.call("sns:GetSMSSandboxAccountStatus");
        let answer = self.client.get_sms_sandbox_account_status().send().await;
        Ok(answer.map_err(|error| call.failure(&error))?.is_in_sandbox)
    }

    /// Whether a number is verified; `None` if its verification has not begun.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn verified_in_sandbox(&self, number: &str) -> Result<Option<bool>, AwsError> {
        let call = self.call("sns:ListSMSSandboxPhoneNumbers");
        let mut pages = self.client.list_sms_sandbox_phone_numbers().into_paginator().send();
        // An account in the SMS sandbox has at most ten verified numbers.
        for _ in 0..MAX_PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| call.failure(&error))?;
            let found = page.phone_numbers.iter().find(|known| known.phone_number.as_deref() == Some(number));
            if let Some(found) = found {
                return Ok(Some(found.status == Some(SmsSandboxPhoneNumberVerificationStatus::Verified)));
            }
        }
        Ok(None)
    }

    /// Whether the owner of the number replied STOP.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn opted_out(&self, number: &str) -> Result<bool, AwsError> {
        let call = self.call("sns:CheckIfPhoneNumberIsOptedOut");
        let answer = self.client.check_if_phone_number_is_opted_out().phone_number(number).send().await;
        Ok(answer.map_err(|error| call.failure(&error))?.is_opted_out)
    }

    /// The account's origination numbers.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn origination_numbers(&self) -> Result<Vec<OriginationNumber>, AwsError> {
        let call = self.call("sns:ListOriginationNumbers");
        let mut pages = self.client.list_origination_numbers().into_paginator().send();
        let mut numbers = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| call.failure(&error))?;
            numbers.extend(page.phone_numbers.unwrap_or_default().into_iter().map(|number| {
                OriginationNumber {
                    country: number.iso2_country_code.unwrap_or_default(),
                    status: number.status.unwrap_or_default(),
                    sms: number
                        .number_capabilities
                        .unwrap_or_default()
                        .iter()
                        .any(|capability| capability.as_str() == "SMS"),
                }
            }));
        }
        Ok(numbers)
    }
}

// Changes to SNS, if the operator agrees.

/// Opts a number in again. AWS allows this once in 30 days for each number.
///
/// # Errors
/// If the call fails.
pub(crate) async fn opt_in(aws: &Aws, number: &str) -> Result<(), AwsError> {
    // SNS's error messages may quote numbers.
    let action = "sns:OptInPhoneNumber";
    let call = Call { service: "SNS", action, region: aws.region(), quotes: true };
    let answer =
        aws_sdk_sns::Client::new(aws.config()).opt_in_phone_number().phone_number(number).send().await;
    answer.map(drop).map_err(|error| call.failure(&error))
}
