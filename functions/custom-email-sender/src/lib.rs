//! Decrypts a code, writes the e-mail, hands it to Amazon SES.
//!
//! Cognito invokes this function asynchronously: an error makes Lambda try again twice and then keep the event in
//! the queue, so the function fails exactly when that can help.

pub mod mailbox;
pub mod ses;

use std::time::Instant;

use runtime::{Failure, Invocation};
use sender::aws::{Aws, Service, http_client};
use sender::dispatch::Dispatch;
use sender::failure;
use sender::job::{Job, Task};
use sender::kms::{Decryptor, KeyArn};
use serde_json::value::RawValue;
use shared::address::EmailAddress;
use shared::config::Settings;
use shared::domain::{Denial, DomainDenylist};
use shared::event::EventError;
use shared::message::{MessageTrigger, Messages};
use shared::recipient::RecipientHasher;

use crate::mailbox::Mailbox;
use crate::ses::Ses;

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
    key: KeyArn,
    messages: Messages,
    denied: DomainDenylist,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    configuration_set: Option<String>,
    region: Option<String>,
    hasher: RecipientHasher,
}

impl Config {
    /// Reads every setting, noting all problems. `random` stands in for `RECIPIENT_HASH_KEY`.
    #[must_use]
    pub fn read(settings: &Settings<'_>, random: &[u8; 32]) -> Option<Self> {
        let hasher = settings.recipient_hasher(random);
        let aws = Aws::read(settings);
        let key = settings.required("CODE_KEY_ARN", str::parse::<KeyArn>);
        let messages = runtime::messages(settings);
        let denied = settings.denied_domains();
        let from = settings.required("FROM_ADDRESS", str::parse::<Mailbox>);
        let reply_to = settings.optional("REPLY_TO_ADDRESS", str::parse::<Mailbox>);
        let configuration_set = settings.optional("SES_CONFIGURATION_SET", |text| {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if text.len() <= 64 && text.bytes().all(valid) {
                Ok(text.to_owned())
            } else {
                Err("is not a configuration set's name: up to 64 letters, digits, `_` and `-`")
            }
        });
        let region = settings.optional("SES_REGION", |text| {
            if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
                Ok(text.to_owned())
            } else {
                Err("is not the name of a region, such as eu-central-1")
            }
        });
        Some(Self {
            aws: aws?,
            key: key?,
            messages: messages?,
            denied: denied?,
            from: from?,
            reply_to: reply_to?,
            configuration_set: configuration_set?,
            region: region?,
            hasher,
        })
    }
}

/// The function with its clients, built once per process.
#[derive(Debug)]
pub struct EmailSender {
    decryptor: Decryptor,
    ses: Ses,
    messages: Messages,
    denied: DomainDenylist,
    hasher: RecipientHasher,
}

impl EmailSender {
    /// Builds the clients.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let http_client = http_client();
        let kms = config.aws.config(Service::Kms, Some(config.key.region()), &http_client);
        let ses = config.aws.config(Service::SesV2, config.region.as_deref(), &http_client);
        Self {
            decryptor: Decryptor::new(&kms, config.key),
            ses: Ses::new(&ses, &config.from, config.reply_to.as_ref(), config.configuration_set),
            messages: config.messages,
            denied: config.denied,
            hasher: config.hasher,
        }
    }

    /// Handles one event and gives it back; Cognito does not look at the answer.
    ///
    /// # Errors
    /// When the event is malformed, or the message was not sent for a reason that is not the recipient's.
    pub async fn handle(&self, invocation: Invocation) -> Result<Box<RawValue>, Failure> {
        let id = &invocation.request_id;
        let default_locale = self.messages.settings().default_locale;
        match Task::read(MessageTrigger::CustomEmailSender, &invocation.event, default_locale) {
            Err(error) => return Err(failure::malformed(id, &error)),
            Ok(Task::Nothing(reason)) => failure::log_nothing(id, &reason),
            // On the heap, because the compiler gives up on futures that are nested as deep as the SDK's are here.
            Ok(Task::Send(job)) => Box::pin(self.send(id, &job)).await?,
        }
        Ok(invocation.event)
    }

    async fn send(&self, id: &str, job: &Job) -> Result<(), Failure> {
        let address = job
            .request
            .attribute("email")
            .and_then(|email| {
                email.ok_or_else(|| EventError::Missing { field: "request.userAttributes.email".to_owned() })
            })
            .map_err(|error| failure::malformed(id, &error))?;
        let dispatch = Dispatch { id, job, recipient: self.hasher.hash(&address) };
        if matches!(self.denied.denies(&address), Some(Denial::Listed(_))) {
            dispatch.not_sent("the e-mail domain is on DENIED_EMAIL_DOMAINS");
            return Ok(());
        }
        let Ok(to) = address.parse::<EmailAddress>() else {
            dispatch.not_sent("the attribute `email` is not one plain address that SES could send to");
            return Ok(());
        };
        let (locale, _) = job.locale;
        let written = dispatch
            .write(&self.decryptor, &address, |content| self.messages.email(job.kind, locale, content))
            .await?;
        let tags = [("trigger-source", job.trigger_source.as_str()), ("message-kind", job.kind.name())];
        let start = Instant::now();
        let sent = self.ses.send(&to, &written.message, &tags).await;
        dispatch.finish(&written, sent, start.elapsed(), None)
    }
}
