//! The way of one message from its event to the service, as far as both senders go it alike.

use std::time::{Duration, Instant};

use runtime::Failure;
use shared::message::{Content, RenderError};
use shared::recipient::RecipientHash;

use crate::delivery::{CallFailure, FailureClass, milliseconds};
use crate::failure;
use crate::job::Job;
use crate::kms::Decryptor;

/// One message on its way to one recipient.
pub struct Dispatch<'a> {
    /// Lambda's id of the invocation.
    pub id: &'a str,
    /// What is to be sent.
    pub job: &'a Job,
    /// The recipient as it may be logged.
    pub recipient: RecipientHash,
}

/// A finished message, and how long it took.
pub struct Written<T> {
    /// The message.
    pub message: T,
    decrypted: Duration,
    rendered: Duration,
}

/// What only an SMS has to tell in the log.
#[derive(Clone, Copy, Debug)]
pub struct SmsFacts {
    /// The number's country.
    pub country: shared::phone::Country,
    /// SMS that the text takes.
    pub parts: usize,
}

impl Dispatch<'_> {
    /// Says why nothing is sent although nothing is wrong with us: the invocation ends well.
    pub fn not_sent(&self, reason: &str) {
        tracing::warn!(
            invocation.id = self.id,
            trigger.source = self.job.trigger_source,
            message.kind = self.job.kind.name(),
            recipient.hash = %self.recipient,
            "did not send a message: {reason}"
        );
    }

    /// Decrypts the code and renders the message; `contact` is what an invited user may sign in with.
    ///
    /// # Errors
    /// When the code cannot be decrypted, or a built-in template does not render.
    pub async fn write<T>(
        &self,
        decryptor: &Decryptor,
        contact: &str,
        render: impl FnOnce(Content<'_>) -> Result<(T, Option<RenderError>), RenderError>,
    ) -> Result<Written<T>, Failure> {
        let start = Instant::now();
        let code = decryptor
            .decrypt(&self.job.code, &self.job.user_pool_id)
            .await
            .map_err(|error| failure::decryption(self.id, self.job, self.recipient, &error))?;
        let decrypted = start.elapsed();
        let code = self.job.clear_code(code);
        let name = self.job.sign_in_name(contact);
        let (message, template_error) = render(self.job.content(&code, &name))
            .map_err(|error| failure::rendering(self.id, self.job, &error))?;
        if let Some(error) = template_error {
            tracing::error!(invocation.id = self.id, "{error}; the built-in text is used");
        }
        Ok(Written { message, decrypted, rendered: start.elapsed().saturating_sub(decrypted) })
    }

    /// Ends the invocation by what the service said, with the one line in the log.
    ///
    /// # Errors
    /// When the message was not sent, unless that is the recipient's fault.
    pub fn finish<T>(
        &self,
        written: &Written<T>,
        sent: Result<String, CallFailure>,
        sending: Duration,
        sms: Option<SmsFacts>,
    ) -> Result<(), Failure> {
        let (locale, reason) = self.job.locale;
        match sent {
            Ok(message_id) => {
                tracing::info!(
                    invocation.id = self.id,
                    trigger.source = self.job.trigger_source,
                    message.kind = self.job.kind.name(),
                    message.locale = locale.tag(),
                    message.locale_reason = reason.name(),
                    message.id = message_id,
                    recipient.hash = %self.recipient,
                    recipient.country = sms.map(|sms| sms.country.to_string()),
                    sms.parts = sms.map(|sms| sms.parts),
                    decrypt_ms = milliseconds(written.decrypted),
                    render_ms = milliseconds(written.rendered),
                    send_ms = milliseconds(sending),
                    "sent {}",
                    if sms.is_some() { "an SMS" } else { "an e-mail" }
                );
                Ok(())
            }
            Err(error) if error.class == FailureClass::Recipient => {
                self.not_sent(&error.to_string());
                Ok(())
            }
            Err(error) => Err(failure::sending(self.id, self.job, self.recipient, &error)),
        }
    }
}
