//! Dry runs: how an event requests one, and how a sender responds.
//!
//! An event asks for a dry run with `"dryRun": true` beside `triggerSource`. Only a caller that may invoke the
//! function can set this member: Cognito writes the event, and everything from a client of Cognito is inside
//! `request`.
//!
//! A dry run does everything except sending, counting and writing a delivery record, and its `outcome` in the log is
//! [`crate::outcome::Outcome::DryRun`]. The response depends on the trigger:
//!
//! - pre-sign-up and custom-message respond as they respond to Cognito;
//! - a sender, whose response Cognito ignores, returns a [`DryRunAnswer`] instead of the event.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Event, EventError};
use crate::settings::email::SesRoute;

/// The member of the event that requests a dry run.
pub const MEMBER: &str = "dryRun";

/// Whether an event requests a dry run.
///
/// # Errors
/// If the member is neither `true`, `false` nor null. Such an event must not send or count a message.
pub fn is_requested(event: &Event) -> Result<bool, EventError> {
    event.flag(MEMBER)
}

/// The response of a sender to a dry run, instead of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRunAnswer {
    /// The result of the dry run.
    pub dry_run: DryRun,
}

/// The result of a sender's dry run. It holds neither the code nor the recipient.
///
/// The words are those of [`crate::outcome`], [`crate::trigger`] and [`crate::locale`]. They are strings, because
/// another version of a function may know other words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// Whether the message would be sent.
    pub would_send: bool,
    /// The [`crate::outcome::ErrorType`], if the invocation would fail.
    pub error_type: Option<String>,
    /// Why the message would not be sent.
    pub reason: Option<String>,
    /// The trigger source, if the event asks for a message.
    pub trigger_source: Option<String>,
    /// The [`crate::trigger::MessageKind`], if the event asks for a message.
    pub message_kind: Option<String>,
    /// The tag of the message's language.
    pub locale: Option<String>,
    /// Why this language was chosen: a [`crate::locale::LocaleReason`].
    pub locale_reason: Option<String>,
    /// The KMS key of the function's `CODE_KEY_ARN`.
    pub key_arn: String,
    /// Whether a template override is part of the message.
    pub overridden: Option<bool>,
    /// Problems of template overrides, which are replaced by built-in templates.
    pub template_problems: Vec<String>,
    /// The message, if it was rendered.
    pub message: Option<Preview>,
}

/// A message that would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Preview {
    /// Through SES.
    Email(EmailPreview),
    /// Through SNS or AWS End User Messaging.
    Sms(SmsPreview),
    /// Through another channel, or by a version with other members.
    Other(Value),
}

/// An email that would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmailPreview {
    /// The address of `FROM_ADDRESS`.
    pub from: String,
    /// The Region and configuration set of each attempt, in this order. Each route names its Region, even if it is the
    /// function's own.
    pub routes: Vec<SesRoute>,
    /// The length of the subject in characters.
    pub subject_characters: usize,
    /// The length of the text part in characters.
    pub text_characters: usize,
    /// The length of the HTML part in characters.
    pub html_characters: usize,
}

/// An SMS that would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SmsPreview {
    /// The value of `SMS_PROVIDER`.
    pub provider: String,
    /// The sender ID, origination number or identity, if one is set.
    pub from: Option<String>,
    /// The country of the number, by its ISO 3166 code.
    pub country: String,
    /// The number of SMS parts of the text.
    pub parts: usize,
    /// The length of the text in characters.
    pub characters: usize,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_preview(preview: &Preview, json: Value) {
        assert_eq!(serde_json::to_value(preview).unwrap(), json);
        assert_eq!(&serde_json::from_value::<Preview>(json).unwrap(), preview);
    }

    #[test]
    fn each_channel_has_its_preview() {
        check_preview(
            &Preview::Email(EmailPreview {
                from: "codes@example.com".to_owned(),
                routes: vec![SesRoute { region: Some("eu-central-1".to_owned()), configuration_set: None }],
                subject_characters: 1,
                text_characters: 2,
                html_characters: 3,
            }),
            json!({
                "from": "codes@example.com",
                "routes": [{ "region": "eu-central-1", "configurationSet": null }],
                "subjectCharacters": 1, "textCharacters": 2, "htmlCharacters": 3,
            }),
        );
        check_preview(&Preview::Other(json!({ "characters": 4 })), json!({ "characters": 4 }));
    }

    #[test]
    fn the_tool_reads_what_a_sender_writes() {
        let message = SmsPreview {
            provider: "sns".to_owned(),
            from: None,
            country: "US".to_owned(),
            parts: 1,
            characters: 40,
        };
        let dry_run = DryRun {
            would_send: true,
            error_type: None,
            reason: None,
            trigger_source: Some("CustomSMSSender_SignUp".to_owned()),
            message_kind: Some("sign-up".to_owned()),
            locale: Some("en".to_owned()),
            locale_reason: Some("default".to_owned()),
            key_arn: "arn".to_owned(),
            overridden: Some(false),
            template_problems: Vec::new(),
            message: Some(Preview::Sms(message)),
        };
        let answer = DryRunAnswer { dry_run };
        let written = serde_json::to_value(&answer).unwrap();
        assert_eq!(
            written,
            json!({ "dryRun": {
                "wouldSend": true, "errorType": null, "reason": null,
                "triggerSource": "CustomSMSSender_SignUp", "messageKind": "sign-up",
                "locale": "en", "localeReason": "default", "keyArn": "arn",
                "overridden": false, "templateProblems": [],
                "message": { "provider": "sns", "from": null, "country": "US", "parts": 1, "characters": 40 },
            }})
        );
        assert_eq!(written.as_object().unwrap().keys().collect::<Vec<_>>(), [MEMBER]);
        assert_eq!(serde_json::from_value::<DryRunAnswer>(written).unwrap(), answer);
    }
}
