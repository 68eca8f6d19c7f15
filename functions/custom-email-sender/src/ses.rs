//! Sends a rendered email with Amazon SES.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};
use aws_types::SdkConfig;
use client::aws::Service;
use client::time::Deadline;
use sender::channel::{Accepted, send_with_fallback};
use sender::errors::{ABOUT_RECIPIENT, ServiceError};
use shared::address::EmailAddress;
use shared::mailbox::Mailbox;
use shared::message::Email;
use shared::settings::email::{SesIdentity, SesRoute};

/// Sends from one SES identity, by the first route that accepts the message.
#[derive(Debug, Clone)]
pub struct Ses {
    connections: Vec<Connection>,
    from: String,
    from_address: String,
    reply_to: Option<String>,
}

#[derive(Debug, Clone)]
struct Connection {
    client: Client,
    route: SesRoute,
    /// The ARN of the identity in the Region of this route.
    identity: Option<String>,
}

impl Ses {
    /// Builds the clients, once per process.
    #[must_use]
    pub fn new<'a>(
        routes: impl IntoIterator<Item = (SdkConfig, &'a SesRoute)>,
        from: &Mailbox,
        reply_to: Option<&Mailbox>,
        identity: Option<&SesIdentity>,
    ) -> Self {
        let connection = |(config, route): (SdkConfig, &SesRoute)| {
            let region = config.region().map(ToString::to_string);
            let identity = identity.zip(region.as_deref()).map(|(identity, region)| identity.arn_in(region));
            let configuration_set = route.configuration_set.clone();
            Connection {
                client: Client::new(&config),
                route: SesRoute { region, configuration_set },
                identity,
            }
        };
        let connections = routes.into_iter().map(connection).collect();
        Self {
            connections,
            from: from.header(),
            from_address: from.address(),
            reply_to: reply_to.map(Mailbox::header),
        }
    }

    /// The sender's address. It or its domain must be verified in SES.
    #[must_use]
    pub fn from_address(&self) -> &str {
        &self.from_address
    }

    /// Each route with its Region, in the order in which they are tried.
    pub fn routes(&self) -> impl Iterator<Item = &SesRoute> {
        self.connections.iter().map(|connection| &connection.route)
    }

    /// Sends to one address and returns SES's message ID. `tags` appear in SES events and metrics.
    ///
    /// Source: `SendEmail`, Amazon SES API v2 reference.
    ///
    /// # Errors
    /// If SES rejected the message or its response was lost.
    pub async fn send(
        &self,
        to: &EmailAddress,
        email: &Email,
        tags: &[(&str, &str)],
        deadline: Deadline,
    ) -> Result<Accepted, ServiceError> {
        let invalid_request = |_: BuildError| ServiceError::invalid_request(Service::SesV2);
        let content = content(email).map_err(invalid_request)?;
        let tags: Vec<_> = tags
            .iter()
            .map(|(name, value)| MessageTag::builder().name(*name).value(*value).build())
            .collect::<Result<_, _>>()
            .map_err(invalid_request)?;
        let send = async |connection: &Connection| {
            let answer = connection
                .client
                .send_email()
                .from_email_address(&self.from)
                .set_from_email_address_identity_arn(connection.identity.clone())
                .destination(Destination::builder().to_addresses(to.expose()).build())
                .set_reply_to_addresses(self.reply_to.clone().map(|address| vec![address]))
                .set_configuration_set_name(connection.route.configuration_set.clone())
                .set_email_tags(Some(tags.clone()))
                .content(content.clone())
                .send()
                .await;
            answer.map(|answer| answer.message_id.unwrap_or_default()).map_err(|error| {
                // SES names an invalid address only in the error message. It may also be one of the sender's
                // addresses. So the recipient is the cause only if the message contains the recipient's address and
                // none of the sender's.
                let recipient = to.expose();
                let own = [Some(&self.from), self.reply_to.as_ref()].into_iter().flatten();
                let is_own = own.into_iter().any(|own| names(own, &recipient));
                ServiceError::new(Service::SesV2, &error, |error| {
                    let named = !is_own && names(error.message()?, &recipient);
                    named.then(|| ABOUT_RECIPIENT.to_owned())
                })
            })
        };
        send_with_fallback(&self.connections, deadline, send, Service::SesV2).await
    }
}

/// Whether a text contains the address as a whole, in upper or lower case, and not as a part of a longer one.
fn names(text: &str, address: &str) -> bool {
    let (text, address) = (text.to_lowercase(), address.to_lowercase());
    let of_address =
        |character: char| character.is_alphanumeric() || ".!#$%&*+/=?^_{|}~-@".contains(character);
    text.match_indices(&address).any(|(start, found)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let mut after = text.get(start.saturating_add(found.len())..).unwrap_or_default().chars();
        // A full stop usually ends the sentence, unless a domain continues after it.
        let goes_on = match after.next() {
            Some('.') => after.next().is_some_and(of_address),
            next => next.is_some_and(of_address),
        };
        !before.is_some_and(of_address) && !goes_on
    })
}

fn content(email: &Email) -> Result<EmailContent, BuildError> {
    let part = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(part(&email.text)?).html(part(&email.html)?).build();
    Ok(EmailContent::builder()
        .simple(Message::builder().subject(part(&email.subject)?).body(body).build())
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, named: bool) {
        assert_eq!(names(text, "Reply@example.com"), named, "{text}");
    }

    #[test]
    fn an_address_is_named_as_a_whole_or_not_at_all() {
        check("Illegal address: reply@example.com", true);
        check("Illegal address <Reply@Example.com>.", true);
        check("reply@example.com is on no list", true);
        check("Illegal address: no-reply@example.com", false);
        check("Illegal address: reply@example.com.example", false);
        check("Illegal address: reply@example.community", false);
        check("Illegal address: x.reply@example.com", false);
        check("", false);
    }
}
