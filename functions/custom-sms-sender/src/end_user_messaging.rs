//! Sends a rendered SMS with AWS End User Messaging, which returns a reason if it doesn't send it.

use std::time::Duration;

use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::operation::send_text_message::SendTextMessageError;
use aws_sdk_pinpointsmsvoicev2::types::MessageType;
use aws_types::SdkConfig;
use client::aws::Service;
use sender::errors::{ABOUT_RECIPIENT, ServiceError};
use shared::message::Sms;
use shared::phone::PhoneNumber;
use shared::settings::sms::EndUserMessagingSettings;

/// Sends SMS.
#[derive(Debug, Clone)]
pub struct EndUserMessaging {
    client: Client,
    settings: EndUserMessagingSettings,
}

impl EndUserMessaging {
    /// Builds the client, once per process.
    #[must_use]
    pub fn new(config: &SdkConfig, settings: EndUserMessagingSettings) -> Self {
        Self { client: Client::new(config), settings }
    }

    /// The ARN of the identity that messages come from.
    #[must_use]
    pub fn from(&self) -> &str {
        self.settings.identity.as_str()
    }

    /// Sends to one number and returns the message ID. The service stops trying after `validity`, when the code is no
    /// longer valid.
    ///
    /// # Errors
    /// If the service rejected the message or its response was lost.
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
            .origination_identity(self.settings.identity.as_str())
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

/// The service accepts 5 seconds to 3 days.
fn time_to_live(validity: Duration) -> Option<i32> {
    i32::try_from(validity.as_secs().clamp(5, 259_200)).ok()
}

/// The request's field that holds the recipient's number.
const NUMBER_FIELD: &str = "DestinationPhoneNumber";

/// These reasons are general; the fields of the error name the problem.
const GENERAL_REASONS: [&str; 5] =
    ["CANNOT_PARSE", "FIELD_VALIDATION_FAILED", "INVALID_PARAMETER", "INVALID_REQUEST", "OTHER"];

/// The reason besides the error code.
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

    #[test]
    fn the_service_stops_trying_when_the_code_is_no_longer_valid() {
        assert_eq!(time_to_live(Duration::from_mins(3)), Some(180));
        assert_eq!(time_to_live(Duration::from_secs(1)), Some(5));
        assert_eq!(time_to_live(Duration::from_hours(365 * 24)), Some(259_200));
    }
}
