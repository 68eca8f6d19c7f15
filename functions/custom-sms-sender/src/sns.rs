//! Hands a finished SMS to Amazon SNS.

use std::str::FromStr;

use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;
use client::aws::Service;
use sender::errors::{ABOUT_RECIPIENT, ServiceError};
use shared::message::Sms;
use shared::phone::PhoneNumber;

/// The name that a phone shows instead of a number, where the country permits one.
///
/// 3 to 11 letters, digits or hyphens, at least one letter: "Publishing to a mobile phone", Amazon SNS guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderId(String);

impl FromStr for SenderId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        if (3..=11).contains(&text.len()) && letter && text.bytes().all(valid) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not 3 to 11 letters, digits or hyphens with at least one letter")
        }
    }
}

/// The number that messages come from: 5 to 14 digits, with or without `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginationNumber(String);

impl FromStr for OriginationNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if (5..=14).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not a number of 5 to 14 digits")
        }
    }
}

/// The most that one message may cost, in USD. SNS does not send what would cost more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxPrice(String);

impl MaxPrice {
    /// As the services take it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MaxPrice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        if digits(whole) && digits(fraction) && !zero {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not a price in USD above zero, such as 0.50")
        }
    }
}

/// How messages go out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmsSettings {
    /// Shown instead of a number.
    pub sender_id: Option<SenderId>,
    /// The number that messages come from.
    pub origination_number: Option<OriginationNumber>,
    /// The most that one message may cost.
    pub max_price: Option<MaxPrice>,
}

/// Sends SMS.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    attributes: Vec<(&'static str, String)>,
}

impl Sns {
    /// Builds the client, once per process.
    #[must_use]
    pub fn new(config: &SdkConfig, settings: SmsSettings) -> Self {
        let optional = [
            ("AWS.SNS.SMS.SenderID", settings.sender_id.map(|id| id.0)),
            ("AWS.MM.SMS.OriginationNumber", settings.origination_number.map(|number| number.0)),
            ("AWS.SNS.SMS.MaxPrice", settings.max_price.map(|price| price.0)),
        ];
        let attributes = std::iter::once(("AWS.SNS.SMS.SMSType", "Transactional".to_owned()))
            .chain(optional.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .collect();
        Self { client: Client::new(config), attributes }
    }

    /// The sender id or number that messages come from; `None` where SNS chooses.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        ["AWS.SNS.SMS.SenderID", "AWS.MM.SMS.OriginationNumber"].into_iter().find_map(|wanted| {
            let (_, value) = self.attributes.iter().find(|(name, _)| *name == wanted)?;
            Some(value.as_str())
        })
    }

    /// Sends to one number and gives SNS's message id, which is no proof of delivery.
    ///
    /// Source: "Publish", Amazon SNS API reference.
    ///
    /// # Errors
    /// When SNS did not take the message, or did not say that it did.
    pub async fn send(&self, to: &PhoneNumber, sms: &Sms) -> Result<String, ServiceError> {
        let mut request = self.client.publish().phone_number(to.expose()).message(&sms.text);
        for (name, value) in &self.attributes {
            let attribute = MessageAttributeValue::builder()
                .data_type(if *name == "AWS.SNS.SMS.MaxPrice" { "Number" } else { "String" })
                .string_value(value)
                .build()
                .map_err(|_| ServiceError::invalid_request(Service::Sns))?;
            request = request.message_attributes(*name, attribute);
        }
        request
            .send()
            .await
            .map(|answer| answer.message_id.unwrap_or_default())
            .map_err(|error| ServiceError::new(Service::Sns, &error, |error| reason(error.message())))
    }
}

/// What SNS does not like about a number it says in words only.
fn reason(text: Option<&str>) -> Option<String> {
    let recipient =
        |text: &&str| text.starts_with("Invalid parameter: PhoneNumber") || text.contains("opted out");
    text.filter(recipient).map(|_| ABOUT_RECIPIENT.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr>(text: &str, accepted: bool) {
        assert_eq!(text.parse::<T>().is_ok(), accepted, "{text}");
    }

    #[test]
    fn settings_are_what_sns_takes() {
        check::<SenderId>("Acme", true);
        check::<SenderId>("Acme-24", true);
        check::<SenderId>("Ac", false);
        check::<SenderId>("12345", false);
        check::<SenderId>("Acme Inc", false);
        check::<SenderId>("AcmeAcmeAcme", false);
        check::<OriginationNumber>("+15550100123", true);
        check::<OriginationNumber>("12345", true);
        check::<OriginationNumber>("1234", false);
        check::<OriginationNumber>("+1555010012345678", false);
        check::<MaxPrice>("0.50", true);
        check::<MaxPrice>("1", true);
        for wrong in ["0", "0.00", "-1", ".5", "1.", "1e3", "", "NaN"] {
            check::<MaxPrice>(wrong, false);
        }
    }
}
