//! Hands a finished e-mail to Amazon SES.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};
use aws_types::SdkConfig;
use sender::delivery::{CallFailure, FailureClass, SendOnce};
use shared::address::EmailAddress;
use shared::message::Email;

use crate::mailbox::Mailbox;

/// Sends through one SES identity.
#[derive(Debug, Clone)]
pub struct Ses {
    client: Client,
    from: String,
    reply_to: Option<String>,
    configuration_set: Option<String>,
}

impl Ses {
    /// Builds the client, once per process.
    #[must_use]
    pub fn new(
        config: &SdkConfig,
        from: &Mailbox,
        reply_to: Option<&Mailbox>,
        configuration_set: Option<String>,
    ) -> Self {
        let config = Builder::from(config).retry_classifier(SendOnce).build();
        Self {
            client: Client::from_conf(config),
            from: from.header(),
            reply_to: reply_to.map(Mailbox::header),
            configuration_set,
        }
    }

    /// Sends to one address and gives SES's message id. `tags` appear in SES events and metrics.
    ///
    /// Source: `SendEmail`, Amazon SES API v2 reference.
    ///
    /// # Errors
    /// When SES did not take the message, or did not say that it did.
    pub async fn send(
        &self,
        to: &EmailAddress,
        email: &Email,
        tags: &[(&str, &str)],
    ) -> Result<String, CallFailure> {
        let content = content(email).map_err(|_| unbuildable())?;
        let tags: Vec<_> = tags
            .iter()
            .map(|(name, value)| MessageTag::builder().name(*name).value(*value).build())
            .collect::<Result<_, _>>()
            .map_err(|_| unbuildable())?;
        self.client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(to.expose()).build())
            .set_reply_to_addresses(self.reply_to.clone().map(|address| vec![address]))
            .set_configuration_set_name(self.configuration_set.clone())
            .set_email_tags(Some(tags))
            .content(content)
            .send()
            .await
            .map(|answer| answer.message_id.unwrap_or_default())
            .map_err(|error| {
                // What SES does not like about an address it says in words only. The sender's own addresses may
                // be meant as well, so only a text that names the recipient's is taken for the recipient's fault.
                let recipient = to.expose().to_lowercase();
                let names_recipient = |text: &str| text.to_lowercase().contains(&recipient);
                CallFailure::new("SES", &error, |code, text| class(code, text.is_some_and(names_recipient)))
            })
    }
}

fn content(email: &Email) -> Result<EmailContent, BuildError> {
    let part = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(part(&email.text)?).html(part(&email.html)?).build();
    Ok(EmailContent::builder()
        .simple(Message::builder().subject(part(&email.subject)?).body(body).build())
        .build())
}

fn unbuildable() -> CallFailure {
    CallFailure {
        service: "SES",
        code: "request could not be built".to_owned(),
        class: FailureClass::Configuration,
        remedy: None,
    }
}

/// Class and remedy of SES's error codes. Unknown ones may pass, so they are tried again.
fn class(code: &str, names_recipient: bool) -> Option<(FailureClass, Option<&'static str>)> {
    use FailureClass::{Configuration, Recipient, Transient};
    Some(match code {
        "TooManyRequestsException" | "LimitExceededException" | "Throttling" | "ThrottlingException" => {
            (Transient, Some("the account's sending rate or quota is used up"))
        }
        "AccountSuspendedException" => {
            (Configuration, Some("SES has suspended the account's sending: see its e-mail"))
        }
        "SendingPausedException" => {
            (Configuration, Some("sending is paused for the account or the configuration set"))
        }
        "MailFromDomainNotVerifiedException" => {
            (Configuration, Some("verify the identity's MAIL FROM domain"))
        }
        "NotFoundException" => (Configuration, Some("SES_CONFIGURATION_SET does not exist in that region")),
        "AccessDeniedException" => {
            (Configuration, Some("allow ses:SendEmail on the identity and the configuration set"))
        }
        "MessageRejected" => {
            (Configuration, Some("verify FROM_ADDRESS in that region; in the sandbox also the recipient"))
        }
        "BadRequestException" if names_recipient => {
            (Recipient, Some("SES does not take the recipient's address"))
        }
        "BadRequestException" => (Configuration, Some("SES does not take the request: look at the settings")),
        _ => return None,
    })
}
