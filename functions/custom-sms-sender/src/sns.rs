//! Sends a rendered SMS with Amazon SNS.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;
use client::aws::Service;
use sender::errors::{ABOUT_RECIPIENT, ServiceError};
use shared::message::Sms;
use shared::phone::PhoneNumber;
use shared::settings::sms::{MaxPrice, OriginationNumber, SenderId, SnsSettings};

/// Sends SMS.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
    attributes: Vec<(&'static str, String)>,
}

impl Sns {
    /// Builds the client, once per process.
    #[must_use]
    pub fn new(config: &SdkConfig, settings: &SnsSettings) -> Self {
        let optional = [
            ("AWS.SNS.SMS.SenderID", settings.sender_id.as_ref().map(SenderId::as_str)),
            (
                "AWS.MM.SMS.OriginationNumber",
                settings.origination_number.as_ref().map(OriginationNumber::as_str),
            ),
            ("AWS.SNS.SMS.MaxPrice", settings.max_price.as_ref().map(MaxPrice::as_str)),
        ];
        let attributes = std::iter::once(("AWS.SNS.SMS.SMSType", "Transactional".to_owned()))
            .chain(optional.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))))
            .collect();
        Self { client: Client::new(config), attributes }
    }

    /// The sender ID or number that messages come from. `None` if SNS chooses it.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        ["AWS.SNS.SMS.SenderID", "AWS.MM.SMS.OriginationNumber"].into_iter().find_map(|wanted| {
            let (_, value) = self.attributes.iter().find(|(name, _)| *name == wanted)?;
            Some(value.as_str())
        })
    }

    /// Sends to one number and returns SNS's message ID, which doesn't prove delivery.
    ///
    /// Source: "Publish", Amazon SNS API reference.
    ///
    /// # Errors
    /// If SNS rejected the message or its response was lost.
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

/// SNS names an invalid number only in the error text.
fn reason(text: Option<&str>) -> Option<String> {
    let recipient =
        |text: &&str| text.starts_with("Invalid parameter: PhoneNumber") || text.contains("opted out");
    text.filter(recipient).map(|_| ABOUT_RECIPIENT.to_owned())
}
