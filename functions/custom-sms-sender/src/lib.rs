//! Decrypts a code, renders the SMS and sends it with Amazon SNS or AWS End User Messaging.
//!
//! Cognito invokes this function asynchronously: after an error Lambda retries twice and then sends the event to the
//! on-failure destination. So the function returns an error only if a retry or a fix can help.

pub mod end_user_messaging;
pub mod guard;
pub mod sns;

use std::time::Duration;

use client::aws::{Aws, Service};
use client::http::http_client;
use client::time::Deadline;
use runtime::metrics::Metrics;
use sender::channel::{Accepted, Admission, Channel, MessageFacts, Rejected, send_with_fallback};
use sender::delivery::{Delivery, Tables, Validity};
use sender::errors::ServiceError;
use sender::job::Job;
use sender::kms::Decryptor;
use sender::store::Store;
use shared::arn::KeyArn;
use shared::config::Settings;
use shared::disposable::BlockedDomains;
use shared::dry_run::{Preview, SmsPreview};
use shared::locale::Locale;
use shared::message::{Content, Insert, Messages, RenderError, Sms};
use shared::phone::{Country, CountryAllowlist, PhoneNumber, SmsPermission};
use shared::pumping::SmsLimits;
use shared::recipient::RecipientHasher;
use shared::segments::segments;
use shared::trigger::{MessageKind, Trigger};

use crate::end_user_messaging::EndUserMessaging;
use crate::guard::Guard;
use crate::sns::{SmsSettings, Sns};

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
    key: KeyArn,
    messages: Messages,
    denied: BlockedDomains,
    countries: CountryAllowlist,
    provider: ProviderSettings,
    limits: SmsLimits,
    tables: Tables,
    validity: Validity,
    metrics: Metrics,
    hasher: RecipientHasher,
}

/// Who delivers the SMS, and how.
#[derive(Debug)]
enum ProviderSettings {
    Sns(SmsSettings),
    EndUserMessaging(end_user_messaging::Settings),
}

impl ProviderSettings {
    /// Reads `SMS_PROVIDER` and what belongs to it, noting all problems: a setting of the other provider would have
    /// no effect, which nobody wants who sets it.
    fn read(settings: &Settings<'_>) -> Option<Self> {
        let by_sns = settings.optional("SMS_PROVIDER", |text| match text {
            "sns" => Ok(true),
            "end-user-messaging" => Ok(false),
            _ => Err("is neither `sns` nor `end-user-messaging`"),
        });
        let sender_id = settings.optional("SMS_SENDER_ID", str::parse);
        let origination_number = settings.optional("SMS_ORIGINATION_NUMBER", str::parse);
        let max_price = settings.optional("SMS_MAX_PRICE_USD", str::parse);
        let identity = settings.optional("SMS_ORIGINATION_IDENTITY", str::parse);
        let configuration_set = settings.optional("SMS_CONFIGURATION_SET", |text| {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if text.len() <= 64 && text.bytes().all(valid) {
                Ok(text.to_owned())
            } else {
                Err("is not a configuration set's name: up to 64 letters, digits, `_` and `-`")
            }
        });
        let by_sns = by_sns?.unwrap_or(true);
        let others = if by_sns {
            ["SMS_ORIGINATION_IDENTITY", "SMS_CONFIGURATION_SET"]
        } else {
            ["SMS_SENDER_ID", "SMS_ORIGINATION_NUMBER"]
        };
        let mut clean = true;
        for name in others.into_iter().filter(|name| settings.text(name).is_some()) {
            settings.problem(name, "belongs to the other SMS_PROVIDER");
            clean = false;
        }
        if !by_sns && matches!(identity, Some(None)) {
            settings.problem(
                "SMS_ORIGINATION_IDENTITY",
                "is not set, and SMS_PROVIDER=end-user-messaging needs it",
            );
        }
        let (sender_id, origination_number, max_price) = (sender_id?, origination_number?, max_price?);
        let (identity, configuration_set) = (identity?, configuration_set?);
        let read = if by_sns {
            Self::Sns(SmsSettings { sender_id, origination_number, max_price })
        } else {
            let identity = identity?;
            Self::EndUserMessaging(end_user_messaging::Settings { identity, configuration_set, max_price })
        };
        clean.then_some(read)
    }
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
        let countries = settings.allowed_countries();
        let provider = ProviderSettings::read(settings);
        let limits = SmsLimits::read(settings, countries.as_ref());
        let tables = Tables::read(settings);
        let validity = Validity::read(settings);
        let messages = messages?;
        warn_of_long_messages(&messages);
        let (tables, limits, countries) = (tables?, limits?, countries?);
        let parts = most_parts(&messages);
        let below = limits.below(parts, &countries);
        for limit in &below {
            settings.problem(limit.setting(), format!("is less than the {parts} SMS that one message takes"));
        }
        if !below.is_empty() {
            return None;
        }
        if tables.counters.is_none() {
            tracing::warn!("DELIVERY_TABLE is not set: every process has SMS limits of its own");
        }
        Some(Self {
            aws: aws?,
            key: key?,
            messages,
            denied: denied?,
            countries,
            provider: provider?,
            limits,
            tables,
            validity: validity?,
            metrics,
            hasher,
        })
    }
}

/// The most SMS that one message takes, in any language, with an ordinary user name and password.
fn most_parts(messages: &Messages) -> usize {
    let parts = |kind, locale| {
        let sample = if kind == MessageKind::AdminCreateUser {
            Content::Invitation {
                username: Insert::Placeholder("+12065550100"),
                password: Insert::Placeholder("12345678"),
            }
        } else {
            Content::Code(Insert::Placeholder("12345678"))
        };
        messages.sms(kind, locale, sample).map_or(1, |(sms, _)| segments(&sms.text).parts)
    };
    let all = Locale::all().flat_map(|locale| MessageKind::ALL.map(|kind| parts(kind, locale)));
    all.max().unwrap_or(1)
}

/// A long brand name makes every message cost twice, which nobody would notice before the bill.
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
                "this text takes more than one SMS: a shorter BRAND_NAME would halve its price"
            );
        }
    }
}

/// Who delivers the SMS.
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
    let kms = aws(Service::Kms, Some(config.key.region()));
    let store = |table| Store::new(&aws(Service::DynamoDb, None), table);
    let counters = config.tables.counters.map(store);
    // Both are in the same table.
    let records = counters.clone().filter(|_| config.tables.records.is_some());
    let provider = match config.provider {
        ProviderSettings::Sns(settings) => Provider::Sns(Sns::new(&aws(Service::Sns, None), settings)),
        ProviderSettings::EndUserMessaging(settings) => {
            let config = aws(Service::EndUserMessaging, None);
            Provider::EndUserMessaging(EndUserMessaging::new(&config, settings))
        }
    };
    let channel = SmsChannel {
        provider,
        guard: Guard::new(config.limits, counters, config.hasher.clone()),
        denied: config.denied,
        countries: config.countries,
        validity: config.validity,
    };
    Delivery {
        channel,
        messages: config.messages,
        decryptor: Decryptor::new(&kms, config.key),
        records,
        validity: config.validity,
        hasher: config.hasher,
        metrics: config.metrics,
    }
}

/// SMS through Amazon SNS or AWS End User Messaging.
#[derive(Debug)]
pub struct SmsChannel {
    provider: Provider,
    guard: Guard,
    denied: BlockedDomains,
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
        // An email address that can't be parsed blocks no SMS: the message doesn't go there.
        if let Some(email) = job.request.attribute("email").map_err(Rejected::Malformed)? {
            Rejected::check_domain(&self.denied, &email)?;
        }
        let number: PhoneNumber = number.parse().map_err(|_| {
            Rejected::Blocked("the attribute `phone_number` is not a number in E.164 form".to_owned())
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
        Ok((Text { to, sms, parts, validity: self.validity.of(job.kind) }, problem))
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

    async fn admit(&self, text: &Text, deadline: Deadline) -> Admission {
        self.guard.admit(&text.to.number, text.to.country, text.parts, deadline).await
    }

    async fn send(&self, text: &Text, deadline: Deadline) -> Result<Accepted, ServiceError> {
        self.provider.send(&text.to.number, &text.sms, text.validity, deadline).await
    }
}
