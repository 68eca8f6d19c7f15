//! Decrypts a code, renders the email and sends it with Amazon SES.
//!
//! Cognito invokes this function asynchronously: after an error Lambda retries twice and then sends the event to the
//! on-failure destination. So the function returns an error only if a retry or a fix can help.

pub mod ses;

use client::aws::{Aws, Service};
use client::http::http_client;
use client::time::Deadline;
use runtime::metrics::Metrics;
use sender::channel::{Accepted, Channel, Rejected};
use sender::delivery::Delivery;
use sender::errors::ServiceError;
use sender::job::Job;
use sender::kms::Decryptor;
use sender::store::Store;
use shared::address::EmailAddress;
use shared::dry_run::{EmailPreview, Preview};
use shared::message::{Content, Email, Messages, RenderError};
use shared::policy::RecipientPolicy;
use shared::recipient::RecipientHasher;
use shared::settings::email::EmailSettings;
use shared::settings::{Noted, Settings};
use shared::trigger::{MessageKind, Trigger};

use crate::ses::Ses;

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
    settings: EmailSettings,
    metrics: Metrics,
    hasher: RecipientHasher,
}

impl Config {
    /// Reads all settings. `random` replaces a missing `RECIPIENT_HASH_KEY`.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>, random: &[u8; 32]) -> Result<Self, Noted> {
        let hasher = settings.recipient_hasher(random);
        let metrics = Metrics::read(settings, env!("CARGO_PKG_NAME"));
        let aws = Aws::read(settings);
        let settings = EmailSettings::read(settings)?;
        runtime::log_template_problems(&settings.messages);
        Ok(Self { aws: aws?, settings, metrics: metrics?, hasher })
    }
}

/// The function, with its clients built once per process.
#[must_use]
pub fn new(config: Config) -> Delivery<EmailChannel> {
    let http_client = http_client();
    let aws = |service, region: Option<&str>| config.aws.config(service, region, &http_client);
    let EmailSettings { sender, messages, from, reply_to, identity, routes } = config.settings;
    let ses = Ses::new(
        routes.iter().map(|route| (aws(Service::SesV2, route.region.as_deref()), route)),
        &from,
        reply_to.as_ref(),
        identity.as_ref(),
    );
    let kms = aws(Service::Kms, Some(sender.codes.key.region()));
    let records = sender.tables.records.map(|table| Store::new(&aws(Service::DynamoDb, None), table));
    Delivery {
        channel: EmailChannel { ses, recipients: sender.recipients },
        messages,
        decryptor: Decryptor::new(&kms, sender.codes),
        records,
        validity: sender.validity,
        hasher: config.hasher,
        metrics: config.metrics,
    }
}

/// Email through Amazon SES.
#[derive(Debug)]
pub struct EmailChannel {
    ses: Ses,
    recipients: RecipientPolicy,
}

/// An email to one address.
#[derive(Debug)]
pub struct Letter {
    to: EmailAddress,
    email: Email,
    trigger_source: String,
    kind: MessageKind,
}

impl Channel for EmailChannel {
    type Recipient = EmailAddress;
    type Message = Letter;
    const NAME: &'static str = "email";
    const NOUN: &'static str = "an email";
    const TRIGGER: Trigger = Trigger::CustomEmailSender;
    const ATTRIBUTE: &'static str = "email";

    fn recipient(&self, job: &Job, address: &str) -> Result<EmailAddress, Rejected> {
        Rejected::check_address(&self.recipients, job.kind, address)?;
        address.parse().map_err(|_| {
            Rejected::Blocked("the attribute `email` is not one plain address that SES accepts".to_owned())
        })
    }

    fn render(
        &self,
        messages: &Messages,
        job: &Job,
        to: EmailAddress,
        content: Content<'_>,
    ) -> Result<(Letter, Option<RenderError>), RenderError> {
        let (locale, _) = job.locale;
        let (email, problem) = messages.email(job.kind, locale, content)?;
        Ok((Letter { to, email, trigger_source: job.trigger_source.clone(), kind: job.kind }, problem))
    }

    fn preview(&self, letter: &Letter) -> Preview {
        Preview::Email(EmailPreview {
            from: self.ses.from_address().to_owned(),
            routes: self.ses.routes().cloned().collect(),
            subject_characters: letter.email.subject.chars().count(),
            text_characters: letter.email.text.chars().count(),
            html_characters: letter.email.html.chars().count(),
        })
    }

    async fn send(&self, letter: &Letter, deadline: Deadline) -> Result<Accepted, ServiceError> {
        let tags = [("trigger-source", letter.trigger_source.as_str()), ("message-kind", letter.kind.name())];
        self.ses.send(&letter.to, &letter.email, &tags, deadline).await
    }
}
