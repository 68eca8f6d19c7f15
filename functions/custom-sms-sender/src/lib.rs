//! Decrypts a code, renders the SMS and sends it with Amazon SNS or AWS End User Messaging.
//!
//! Cognito invokes this function asynchronously: after an error Lambda retries twice and then sends the event to the
//! on-failure destination. So the function returns an error only if a retry or a fix can help.

pub mod end_user_messaging;
pub mod limiter;
pub mod sns;

use std::time::Duration;

use client::aws::{Aws, Service};
use client::http::http_client;
use client::time::Deadline;
use runtime::metrics::Metrics;
use sender::channel::{Accepted, Admission, Channel, MessageFacts, Rejected, send_with_fallback};
use sender::delivery::Delivery;
use sender::errors::ServiceError;
use sender::job::Job;
use sender::kms::Decryptor;
use sender::record::Millis;
use sender::store::Store;
use shared::dry_run::{Preview, SmsPreview};
use shared::message::{Content, Insert, Messages, RenderError, Sms};
use shared::parameter::Variable;
use shared::phone::{Country, CountryAllowlist, PhoneNumber, SmsPermission};
use shared::policy::RecipientPolicy;
use shared::recipient::RecipientHasher;
use shared::segments::segments;
use shared::settings::sender::Validity;
use shared::settings::sms::{SmsProvider, SmsSettings};
use shared::settings::{Noted, Settings};
use shared::sms_limits::SmsClass;
use shared::trigger::{MessageKind, Trigger};

use crate::end_user_messaging::EndUserMessaging;
use crate::limiter::SmsLimiter;
use crate::sns::Sns;

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
    settings: SmsSettings,
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
        let settings = SmsSettings::read(settings)?;
        runtime::log_template_problems(&settings.messages);
        warn_of_long_messages(&settings.messages);
        if settings.sender.tables.counters.is_none() {
            tracing::warn!("DELIVERY_TABLE is not set, so each process counts its SMS separately");
        }
        Ok(Self { aws: aws?, settings, metrics: metrics?, hasher })
    }
}

/// With a long brand name, each message takes two SMS and costs twice as much.
fn warn_of_long_messages(messages: &Messages) {
    let locale = messages.settings().default_locale;
    let sample = Content::Code(Insert::Placeholder("12345678"));
    for kind in MessageKind::ALL.into_iter().filter(|kind| *kind != MessageKind::AdminCreateUser) {
        let parts = messages.sms(kind, locale, sample).map_or(1, |(sms, _)| segments(&sms.text).parts);
        if parts > 1 {
            tracing::warn!(
                message.kind = kind.name(),
                message.locale = locale.tag(),
                sms.parts = parts,
                "this text takes more than one SMS: set a shorter {} to halve its price",
                Variable("BRAND_NAME")
            );
        }
    }
}

/// The service that sends the SMS.
#[derive(Debug)]
enum Provider {
    Sns(Sns),
    EndUserMessaging(EndUserMessaging),
}

impl Provider {
    async fn send(
        &self,
        to: &PhoneNumber,
        sms: &Sms,
        validity: Option<Duration>,
        deadline: Deadline,
    ) -> Result<Accepted, ServiceError> {
        match self {
            Self::Sns(sns) => {
                let send = async |sns: &Sns| sns.send(to, sms).await;
                send_with_fallback(std::slice::from_ref(sns), deadline, send, Service::Sns).await
            }
            Self::EndUserMessaging(service) => {
                let send = async |service: &EndUserMessaging| service.send(to, sms, validity).await;
                send_with_fallback(std::slice::from_ref(service), deadline, send, Service::EndUserMessaging)
                    .await
            }
        }
    }
}

/// The function, with its clients built once per process.
#[must_use]
pub fn new(config: Config) -> Delivery<SmsChannel> {
    let http_client = http_client();
    let aws = |service, region: Option<&str>| config.aws.config(service, region, &http_client);
    let SmsSettings { sender, messages, countries, provider, region, limits } = config.settings;
    let kms = aws(Service::Kms, Some(sender.codes.key.region()));
    let counters = sender.tables.counters.map(|table| Store::new(&aws(Service::DynamoDb, None), table));
    // Both are in the same table.
    let records = counters.clone().filter(|_| sender.tables.records.is_some());
    let provider = match provider {
        SmsProvider::Sns(settings) => {
            Provider::Sns(Sns::new(&aws(Service::Sns, region.as_deref()), &settings))
        }
        SmsProvider::EndUserMessaging(settings) => {
            let config = aws(Service::EndUserMessaging, region.as_deref());
            Provider::EndUserMessaging(EndUserMessaging::new(&config, settings))
        }
    };
    let channel = SmsChannel {
        provider,
        limiter: SmsLimiter::new(limits, counters, config.hasher.clone()),
        recipients: sender.recipients,
        countries,
        validity: sender.validity,
    };
    Delivery {
        channel,
        messages,
        decryptor: Decryptor::new(&kms, sender.codes),
        records,
        validity: sender.validity,
        hasher: config.hasher,
        metrics: config.metrics,
    }
}

/// SMS through Amazon SNS or AWS End User Messaging.
#[derive(Debug)]
pub struct SmsChannel {
    provider: Provider,
    limiter: SmsLimiter,
    recipients: RecipientPolicy,
    countries: CountryAllowlist,
    validity: Validity,
}

/// A phone number in an allowed country.
#[derive(Debug)]
pub struct SmsRecipient {
    number: PhoneNumber,
    country: Country,
}

/// An SMS to one number.
#[derive(Debug)]
pub struct Text {
    to: SmsRecipient,
    sms: Sms,
    parts: usize,
    class: SmsClass,
    /// How long its code is valid.
    validity: Option<Duration>,
}

impl Channel for SmsChannel {
    type Recipient = SmsRecipient;
    type Message = Text;
    const NAME: &'static str = "sms";
    const NOUN: &'static str = "an SMS";
    const TRIGGER: Trigger = Trigger::CustomSmsSender;
    const ATTRIBUTE: &'static str = "phone_number";

    fn recipient(&self, job: &Job, number: &str) -> Result<SmsRecipient, Rejected> {
        if let Some(email) = job.request.attribute("email").map_err(Rejected::Malformed)? {
            Rejected::check_address(&self.recipients, job.kind, &email)?;
        }
        let number: PhoneNumber = number.parse().map_err(|_| {
            Rejected::Blocked("the attribute `phone_number` is not a number in E.164 format".to_owned())
        })?;
        match self.countries.decide(&number) {
            SmsPermission::Allowed(country) => Ok(SmsRecipient { number, country }),
            SmsPermission::Refused(refusal) => Err(Rejected::Blocked(refusal.to_string())),
        }
    }

    fn render(
        &self,
        messages: &Messages,
        job: &Job,
        to: SmsRecipient,
        content: Content<'_>,
    ) -> Result<(Text, Option<RenderError>), RenderError> {
        let (locale, _) = job.locale;
        let (sms, problem) = messages.sms(job.kind, locale, content)?;
        let parts = segments(&sms.text).parts;
        // Cognito writes `true` and `false` as texts.
        let verified = job.request.attribute("phone_number_verified").ok().flatten();
        let class = SmsClass::of(job.kind, verified.as_deref() == Some("true"));
        Ok((Text { to, sms, parts, class, validity: self.validity.of(job.kind) }, problem))
    }

    fn describe(&self, text: &Text) -> MessageFacts {
        MessageFacts { country: Some(text.to.country), sms_parts: Some(text.parts) }
    }

    fn preview(&self, text: &Text) -> Preview {
        let (provider, from) = match &self.provider {
            Provider::Sns(sns) => ("sns", sns.from()),
            Provider::EndUserMessaging(service) => ("end-user-messaging", Some(service.from())),
        };
        Preview::Sms(SmsPreview {
            provider: provider.to_owned(),
            from: from.map(str::to_owned),
            country: text.to.country.to_string(),
            parts: text.parts,
            characters: text.sms.text.chars().count(),
        })
    }

    async fn admit(&self, text: &Text, at: Millis, deadline: Deadline) -> Admission {
        self.limiter.admit(text, at, deadline).await
    }

    async fn withdraw(&self, text: &Text, at: Millis, deadline: Deadline) {
        self.limiter.withdraw(text, at, deadline).await;
    }

    async fn send(&self, text: &Text, deadline: Deadline) -> Result<Accepted, ServiceError> {
        self.provider.send(&text.to.number, &text.sms, text.validity, deadline).await
    }
}
