//! Hands a finished SMS to AWS End User Messaging, which says itself why it does not send one.

use std::str::FromStr;
use std::time::Duration;

use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::operation::send_text_message::SendTextMessageError;
use aws_sdk_pinpointsmsvoicev2::types::MessageType;
use aws_types::SdkConfig;
use client::aws::Service;
use sender::errors::{ABOUT_RECIPIENT, ServiceError};
use shared::message::Sms;
use shared::phone::PhoneNumber;

use crate::sns::MaxPrice;

/// The ARN of the number, pool of numbers or sender id that messages come from.
///
/// IAM is granted on that ARN, and only checks it where the call names the ARN and not the number.
/// Source: "`SendTextMessage`", AWS End User Messaging SMS and voice v2 API reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginationIdentity(String);

impl FromStr for OriginationIdentity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "sms-voice", region, account, resource]
                if !partition.is_empty()
                    && !region.is_empty()
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && ["phone-number/", "pool/", "sender-id/"]
                        .iter()
                        .any(|kind| resource.strip_prefix(kind).is_some_and(|name| !name.is_empty())) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(
                "is not the ARN of a number, pool or sender id, such as arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234",
            ),
        }
    }
}

/// How messages go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where they come from.
    pub identity: OriginationIdentity,
    /// The configuration set, where delivery events are wanted.
    pub configuration_set: Option<String>,
    /// The most that one message may cost.
    pub max_price: Option<MaxPrice>,
}

/// Sends SMS.
#[derive(Debug, Clone)]
pub struct EndUserMessaging {
    client: Client,
    settings: Settings,
}

impl EndUserMessaging {
    /// Builds the client, once per process.
    #[must_use]
    pub fn new(config: &SdkConfig, settings: Settings) -> Self {
        Self { client: Client::new(config), settings }
    }

    /// Where messages come from.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.settings.identity.0
    }

    /// Sends to one number and gives the message's id. The message is given up after `validity`, in which its code
    /// can be used.
    ///
    /// # Errors
    /// When the service did not take the message, or did not say that it did.
    pub async fn send(
        &self,
        to: &PhoneNumber,
        sms: &Sms,
        validity: Option<Duration>,
    ) -> Result<String, ServiceError> {
        let answer = self
            .client
            .send_text_message()
            .destination_phone_number(to.expose())
            .origination_identity(&self.settings.identity.0)
            .message_body(&sms.text)
            .message_type(MessageType::Transactional)
            .set_configuration_set_name(self.settings.configuration_set.clone())
            .set_max_price(self.settings.max_price.as_ref().map(|price| price.as_str().to_owned()))
            .set_time_to_live(validity.and_then(time_to_live))
            .send()
            .await;
        answer
            .map(|answer| answer.message_id.unwrap_or_default())
            .map_err(|error| ServiceError::new(Service::EndUserMessaging, &error, reason))
    }
}

/// The service takes 5 seconds to 3 days.
fn time_to_live(validity: Duration) -> Option<i32> {
    i32::try_from(validity.as_secs().clamp(5, 259_200)).ok()
}

/// The request's field that holds the recipient's number.
const NUMBER_FIELD: &str = "DestinationPhoneNumber";

/// Reasons that leave it to the named fields to say what is wrong.
const GENERAL_REASONS: [&str; 5] =
    ["CANNOT_PARSE", "FIELD_VALIDATION_FAILED", "INVALID_PARAMETER", "INVALID_REQUEST", "OTHER"];

/// What the service says besides its error code.
fn reason(error: &SendTextMessageError) -> Option<String> {
    use SendTextMessageError::{ConflictException, ServiceQuotaExceededException, ValidationException};
    match error {
        ConflictException(error) => error.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        ServiceQuotaExceededException(error) => {
            error.reason.as_ref().map(|reason| reason.as_str().to_owned())
        }
        ValidationException(error) => {
            let reason = error.reason.as_ref().map(|reason| reason.as_str().to_owned());
            let says_nothing = reason.as_deref().is_none_or(|reason| GENERAL_REASONS.contains(&reason));
            let fields = error.fields();
            let about_number = !fields.is_empty() && fields.iter().all(|field| field.name == NUMBER_FIELD);
            if says_nothing && about_number { Some(ABOUT_RECIPIENT.to_owned()) } else { reason }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, accepted: bool) {
        assert_eq!(text.parse::<OriginationIdentity>().is_ok(), accepted, "{text}");
    }

    #[test]
    fn only_the_arn_of_something_that_sends_is_an_origination_identity() {
        check("arn:aws:sms-voice:eu-central-1:123456789012:phone-number/phone-1234", true);
        check("arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234", true);
        check("arn:aws:sms-voice:eu-central-1:123456789012:sender-id/Acme/DE", true);
        check("arn:aws:sms-voice:eu-central-1:123456789012:configuration-set/x", false);
        check("arn:aws:sns:eu-central-1:123456789012:pool/pool-1234", false);
        check("arn:aws:sms-voice:eu-central-1:1234:pool/pool-1234", false);
        check("arn:aws:sms-voice:eu-central-1:123456789012:pool/", false);
        check("+12065550100", false);
        check("", false);
    }

    #[test]
    fn a_message_is_given_up_when_its_code_is_dead() {
        assert_eq!(time_to_live(Duration::from_mins(3)), Some(180));
        assert_eq!(time_to_live(Duration::from_secs(1)), Some(5));
        assert_eq!(time_to_live(Duration::from_hours(365 * 24)), Some(259_200));
    }
}
