//! Hands a finished e-mail to Amazon SES.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message, MessageTag};
use aws_types::SdkConfig;
use client::aws::Service;
use client::time::Deadline;
use sender::channel::{Accepted, send_with_fallback};
use sender::errors::{ABOUT_RECIPIENT, ServiceError};
use shared::address::EmailAddress;
use shared::config::Settings;
use shared::message::Email;

use crate::mailbox::Mailbox;

/// A region and a configuration set to send through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The region whose SES is called; `None` for the function's own.
    pub region: Option<String>,
    /// The configuration set, where not the identity's default one.
    pub configuration_set: Option<String>,
}

impl Route {
    /// Reads the route of `SES_REGION` and `SES_CONFIGURATION_SET`, and the one to fall back on, which either of
    /// `SES_FALLBACK_REGION` and `SES_FALLBACK_CONFIGURATION_SET` switches on. Notes all problems.
    #[must_use]
    pub fn read(settings: &Settings<'_>) -> Option<Vec<Self>> {
        let own = settings.text("AWS_REGION");
        let region = |name| {
            let region = settings.optional(name, |text| {
                let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                if text.bytes().all(valid) {
                    Ok(text.to_owned())
                } else {
                    Err("is not the name of a region, such as eu-central-1")
                }
            })?;
            Some(region.filter(|region| Some(region) != own.as_ref()))
        };
        let configuration_set = |name| {
            settings.optional(name, |text| {
                let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
                if text.len() <= 64 && text.bytes().all(valid) {
                    Ok(text.to_owned())
                } else {
                    Err("is not a configuration set's name: up to 64 letters, digits, `_` and `-`")
                }
            })
        };
        let first = (region("SES_REGION"), configuration_set("SES_CONFIGURATION_SET"));
        let second = (region("SES_FALLBACK_REGION"), configuration_set("SES_FALLBACK_CONFIGURATION_SET"));
        let first = Self { region: first.0?, configuration_set: first.1? };
        let (region, configuration_set) = (second.0?, second.1?);
        let unset = |name| settings.text(name).is_none();
        if unset("SES_FALLBACK_REGION") && unset("SES_FALLBACK_CONFIGURATION_SET") {
            return Some(vec![first]);
        }
        let same_region = unset("SES_FALLBACK_REGION");
        let region = if same_region { first.region.clone() } else { region };
        let second = Self { region, configuration_set };
        if second == first {
            settings.problem(
                "SES_FALLBACK_REGION",
                "and SES_FALLBACK_CONFIGURATION_SET name the first route again",
            );
            return None;
        }
        Some(vec![first, second])
    }
}

/// Sends through one SES identity, by the first of its routes that takes the message.
#[derive(Debug, Clone)]
pub struct Ses {
    routes: Vec<(Client, Option<String>)>,
    from: String,
    from_address: String,
    reply_to: Option<String>,
}

impl Ses {
    /// Builds the clients, once per process.
    #[must_use]
    pub fn new<'a>(
        routes: impl IntoIterator<Item = (SdkConfig, &'a Route)>,
        from: &Mailbox,
        reply_to: Option<&Mailbox>,
    ) -> Self {
        let routes = routes
            .into_iter()
            .map(|(config, route)| (Client::new(&config), route.configuration_set.clone()))
            .collect();
        Self {
            routes,
            from: from.header(),
            from_address: from.address(),
            reply_to: reply_to.map(Mailbox::header),
        }
    }

    /// The address that messages come from, which SES must have verified, by itself or by its domain.
    #[must_use]
    pub fn from_address(&self) -> &str {
        &self.from_address
    }

    /// Region and configuration set of each route, in the order in which they are asked.
    pub fn routes(&self) -> impl Iterator<Item = (Option<&str>, Option<&str>)> {
        self.routes.iter().map(|(client, configuration_set)| {
            (client.config().region().map(AsRef::as_ref), configuration_set.as_deref())
        })
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
        deadline: Deadline,
    ) -> Result<Accepted, ServiceError> {
        let invalid_request = |_: BuildError| ServiceError::invalid_request(Service::SesV2);
        let content = content(email).map_err(invalid_request)?;
        let tags: Vec<_> = tags
            .iter()
            .map(|(name, value)| MessageTag::builder().name(*name).value(*value).build())
            .collect::<Result<_, _>>()
            .map_err(invalid_request)?;
        let send = async |(client, configuration_set): &(Client, Option<String>)| {
            let answer = client
                .send_email()
                .from_email_address(&self.from)
                .destination(Destination::builder().to_addresses(to.expose()).build())
                .set_reply_to_addresses(self.reply_to.clone().map(|address| vec![address]))
                .set_configuration_set_name(configuration_set.clone())
                .set_email_tags(Some(tags.clone()))
                .content(content.clone())
                .send()
                .await;
            answer.map(|answer| answer.message_id.unwrap_or_default()).map_err(|error| {
                // What SES does not like about an address it says in words only. The sender's own addresses may
                // be meant as well, so only a text that names the recipient's is taken for the recipient's fault.
                let recipient = to.expose();
                let own = [Some(&self.from), self.reply_to.as_ref()].into_iter().flatten();
                let is_own = own.into_iter().any(|own| names(own, &recipient));
                ServiceError::new(Service::SesV2, &error, |error| {
                    let named = !is_own && names(error.message()?, &recipient);
                    named.then(|| ABOUT_RECIPIENT.to_owned())
                })
            })
        };
        send_with_fallback(&self.routes, deadline, send, Service::SesV2).await
    }
}

/// Whether a text holds the address as a whole, in any case of letters, and not as a part of a longer one.
fn names(text: &str, address: &str) -> bool {
    let (text, address) = (text.to_lowercase(), address.to_lowercase());
    let of_address =
        |character: char| character.is_alphanumeric() || ".!#$%&*+/=?^_{|}~-@".contains(character);
    text.match_indices(&address).any(|(start, found)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let mut after = text.get(start.saturating_add(found.len())..).unwrap_or_default().chars();
        // A full stop ends a sentence more often than it goes on with a domain.
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
