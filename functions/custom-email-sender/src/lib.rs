//! Decrypts a code, renders the email and sends it with Amazon SES.
//!
//! Cognito invokes this function asynchronously: after an error Lambda retries twice and then sends the event to the
//! on-failure destination. So the function returns an error only if a retry or a fix can help.

pub mod mailbox;
pub mod ses;

use client::aws::{Aws, Service};
use client::http::http_client;
use client::time::Deadline;
use runtime::metrics::Metrics;
use sender::channel::{Accepted, Channel, Rejected};
use sender::delivery::{Delivery, Tables, Validity};
use sender::errors::ServiceError;
use sender::job::Job;
use sender::kms::Decryptor;
use sender::store::Store;
use shared::address::EmailAddress;
use shared::arn::KeyArn;
use shared::config::Settings;
use shared::disposable::BlockedDomains;
use shared::dry_run::{EmailPreview, Preview, SesRoute};
use shared::message::{Content, Email, Messages, RenderError};
use shared::recipient::RecipientHasher;
use shared::trigger::{MessageKind, Trigger};

use crate::mailbox::Mailbox;
use crate::ses::{Route, Ses};

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
    key: KeyArn,
    messages: Messages,
    denied: BlockedDomains,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    routes: Vec<Route>,
    tables: Tables,
    validity: Validity,
    metrics: Metrics,
    hasher: RecipientHasher,
}

impl Config {
    /// Reads every setting, noting all problems. `random` replaces a missing `RECIPIENT_HASH_KEY`.
    #[must_use]
    pub fn read(settings: &Settings<'_>, random: &[u8; 32]) -> Option<Self> {
        let hasher = settings.recipient_hasher(random);
        let metrics = Metrics::read(settings, env!("CARGO_PKG_NAME"));
        let aws = Aws::read(settings);
        let key = settings.required("CODE_KEY_ARN", str::parse::<KeyArn>);
        let messages = runtime::messages(settings);
        let denied = settings.blocked_domains();
        let from = settings.required("FROM_ADDRESS", str::parse::<Mailbox>);
        let reply_to = settings.optional("REPLY_TO_ADDRESS", str::parse::<Mailbox>);
        let routes = Route::read(settings);
        let tables = Tables::read(settings);
        let validity = Validity::read(settings);
        Some(Self {
            aws: aws?,
            key: key?,
            messages: messages?,
            denied: denied?,
            from: from?,
            reply_to: reply_to?,
            routes: routes?,
            tables: tables?,
            validity: validity?,
            metrics,
            hasher,
        })
    }
}

/// The function, with its clients built once per process.
#[must_use]
pub fn new(config: Config) -> Delivery<EmailChannel> {
    let http_client = http_client();
    let aws = |service, region: Option<&str>| config.aws.config(service, region, &http_client);
    let ses = Ses::new(
        config.routes.iter().map(|route| (aws(Service::SesV2, route.region.as_deref()), route)),
        &config.from,
        config.reply_to.as_ref(),
    );
    let kms = aws(Service::Kms, Some(config.key.region()));
    let records = config.tables.records.map(|table| Store::new(&aws(Service::DynamoDb, None), table));
    Delivery {
        channel: EmailChannel { ses, denied: config.denied },
        messages: config.messages,
        decryptor: Decryptor::new(&kms, config.key),
        records,
        validity: config.validity,
        hasher: config.hasher,
        metrics: config.metrics,
    }
}

/// Email through Amazon SES.
#[derive(Debug)]
pub struct EmailChannel {
    ses: Ses,
    denied: BlockedDomains,
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
    const NOUN: &'static str = "an e-mail";
    const TRIGGER: Trigger = Trigger::CustomEmailSender;
    const ATTRIBUTE: &'static str = "email";

    fn recipient(&self, _job: &Job, address: &str) -> Result<EmailAddress, Rejected> {
        Rejected::check_domain(&self.denied, address)?;
        address.parse().map_err(|_| {
            Rejected::Blocked(
                "the attribute `email` is not one plain address that SES could send to".to_owned(),
            )
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
        let routes = self.ses.routes().map(|(region, configuration_set)| SesRoute {
            region: region.map(str::to_owned),
            configuration_set: configuration_set.map(str::to_owned),
        });
        Preview::Email(EmailPreview {
            from: self.ses.from_address().to_owned(),
            routes: routes.collect(),
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
