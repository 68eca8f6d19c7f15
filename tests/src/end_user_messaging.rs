//! A mock of AWS End User Messaging SMS: `SendTextMessage` in AWS JSON 1.0.
//!
//! <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html>

use serde_json::{Map, Value, json};

use crate::aws_json;
use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Reply, Service};

/// A mock of End User Messaging. The body of a call is the request's JSON, with every field.
pub type EndUserMessaging = Service<SendTextMessage>;

/// The protocol of [`EndUserMessaging`].
#[derive(Default)]
pub struct SendTextMessage;

const PREFIX: &str = "PinpointSMSVoiceV2.";

/// A refusal that says why, such as `ConflictException` with `DESTINATION_PHONE_NUMBER_OPTED_OUT`, or
/// `ServiceQuotaExceededException` with `MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT`.
#[must_use]
pub fn refusal(aws_error_code: &str, reason: &str) -> Reply {
    reply(Refusal::new(400, aws_error_code, "scripted by the test").with("Reason", json!(reason)))
}

/// A refusal that says of the recipient's number alone that it is wrong.
#[must_use]
pub fn refusal_of_the_number() -> Reply {
    let fields = json!([{ "Name": "DestinationPhoneNumber", "Message": "scripted by the test" }]);
    let refusal = Refusal::new(400, "ValidationException", "scripted by the test");
    reply(refusal.with("Reason", json!("INVALID_PARAMETER")).with("Fields", fields))
}

fn reply(refusal: Refusal) -> Reply {
    let body = SendTextMessage.refuse(&refusal).body;
    Reply::Status {
        code: refusal.status,
        aws_error_code: Some(refusal.code),
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

impl Protocol for SendTextMessage {
    type Body = Value;

    const SIGNING_NAME: &'static str = "sms-voice";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2";

    fn parse(&self, request: &Request) -> Result<Value, Refusal> {
        match aws_json::operation(request, PREFIX)? {
            (name, input) if name == "SendTextMessage" => Ok(Value::Object(input)),
            (name, _) => Err(aws_json::unknown(&name)),
        }
    }

    fn accept(&self, body: &Value, number: usize) -> Result<Response, Refusal> {
        let required = |name: &'static str| match body.get(name).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(invalid("FIELD_VALIDATION_FAILED", name)),
        };
        let number_called = required("DestinationPhoneNumber")?;
        let digits = number_called.strip_prefix('+').unwrap_or(number_called);
        // \+?[1-9][0-9]{1,18}
        if !(2..=19).contains(&digits.len())
            || digits.starts_with('0')
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(invalid("FIELD_VALIDATION_FAILED", "DestinationPhoneNumber"));
        }
        if let Some(text) = body.get("MessageBody").and_then(Value::as_str)
            && !(1..=1600).contains(&text.chars().count())
        {
            return Err(invalid("FIELD_VALIDATION_FAILED", "MessageBody"));
        }
        let id = format!("7c1d6a6e-2f4b-4d0c-9a51-{number:012}");
        Ok(aws_json::answer(&json!({ "MessageId": id })))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        // The model spells the member so.
        let mut refusal = refusal.clone();
        refusal.details.insert("Message".to_owned(), json!(refusal.message));
        aws_json::refuse(&refusal, "")
    }
}

/// <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_ValidationException.html>
fn invalid(reason: &str, field: &str) -> Refusal {
    let message = format!("{field} is not valid");
    let field = Map::from_iter([("Name".to_owned(), json!(field)), ("Message".to_owned(), json!(message))]);
    Refusal::new(400, "ValidationException", message)
        .with("Reason", json!(reason))
        .with("Fields", json!([field]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "PinpointSMSVoiceV2.SendTextMessage";

    #[tokio::test]
    async fn a_message_is_recorded_and_gets_an_id() {
        let service = EndUserMessaging::start(None);
        let message = json!({ "DestinationPhoneNumber": "+12065550100", "MessageBody": "Hello" });
        let (status, body) = service.call(TARGET, &message).await.unwrap();
        assert_eq!((status, &body["MessageId"]), (200, &json!("7c1d6a6e-2f4b-4d0c-9a51-000000000001")));
        assert_eq!(service.accepted(), [message]);
    }

    #[tokio::test]
    async fn a_malformed_message_is_rejected_with_a_reason() {
        let service = EndUserMessaging::start(None);
        for message in [
            json!({}),
            json!({ "DestinationPhoneNumber": "2065550100x" }),
            json!({ "DestinationPhoneNumber": "+02065550100" }),
            json!({ "DestinationPhoneNumber": "+12065550100", "MessageBody": "" }),
            json!({ "DestinationPhoneNumber": "+12065550100", "MessageBody": "x".repeat(1601) }),
        ] {
            let (status, body) = service.call(TARGET, &message).await.unwrap();
            assert_eq!((status, body["__type"].as_str()), (400, Some("ValidationException")), "{message}");
            assert_eq!(body["Reason"], "FIELD_VALIDATION_FAILED");
        }
        let (_, body) = service.call("PinpointSMSVoiceV2.SendVoiceMessage", &json!({})).await.unwrap();
        assert_eq!(body["__type"], "UnknownOperationException");
        assert!(service.accepted().is_empty());
    }

    #[tokio::test]
    async fn a_scripted_refusal_says_why() {
        let service = EndUserMessaging::start(None);
        service.script([refusal("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT")]);
        let message = json!({ "DestinationPhoneNumber": "+12065550100", "MessageBody": "Hello" });
        let (status, body) = service.call(TARGET, &message).await.unwrap();
        assert_eq!((status, body["__type"].as_str()), (400, Some("ConflictException")));
        assert_eq!(body["Reason"], "DESTINATION_PHONE_NUMBER_OPTED_OUT");
        assert!(service.accepted().is_empty());
    }
}
