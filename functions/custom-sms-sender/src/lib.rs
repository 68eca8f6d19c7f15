//! Decrypts a code, writes the SMS, hands it to Amazon SNS.
//!
//! Cognito invokes this function asynchronously: an error makes Lambda try again twice and then keep the event in
//! the queue, so the function fails exactly when that can help.

pub mod sns;

use std::time::Instant;

use runtime::{Failure, Invocation};
use sender::aws::{Aws, Service, http_client};
use sender::dispatch::{Dispatch, SmsFacts};
use sender::failure;
use sender::job::{Job, Task};
use sender::kms::{Decryptor, KeyArn};
use serde_json::value::RawValue;
use shared::config::Settings;
use shared::domain::{Denial, DomainDenylist};
use shared::event::EventError;
use shared::locale::Locale;
use shared::message::{Content, Insert, MessageKind, MessageTrigger, Messages};
use shared::phone::{CountryAllowlist, PhoneNumber, SmsPermission};
use shared::recipient::RecipientHasher;
use shared::segments::segments;

use crate::sns::{SmsSettings, Sns};

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
    key: KeyArn,
    messages: Messages,
    denied: DomainDenylist,
    countries: CountryAllowlist,
    sms: SmsSettings,
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
        let countries = settings.list("SMS_ALLOWED_COUNTRIES").and_then(|list| {
            list.parse::<CountryAllowlist>()
                .map_err(|error| settings.problem("SMS_ALLOWED_COUNTRIES", error))
                .ok()
        });
        let sender_id = settings.optional("SMS_SENDER_ID", str::parse);
        let origination_number = settings.optional("SMS_ORIGINATION_NUMBER", str::parse);
        let max_price = settings.optional("SMS_MAX_PRICE_USD", str::parse);
        let messages = messages?;
        warn_of_long_messages(&messages);
        Some(Self {
            aws: aws?,
            key: key?,
            messages,
            denied: denied?,
            countries: countries?,
            sms: SmsSettings {
                sender_id: sender_id?,
                origination_number: origination_number?,
                max_price: max_price?,
            },
            hasher,
        })
    }
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

/// The function with its clients, built once per process.
#[derive(Debug)]
pub struct SmsSender {
    decryptor: Decryptor,
    sns: Sns,
    messages: Messages,
    denied: DomainDenylist,
    countries: CountryAllowlist,
    hasher: RecipientHasher,
}

impl SmsSender {
    /// Builds the clients.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let http_client = http_client();
        let kms = config.aws.config(Service::Kms, Some(config.key.region()), &http_client);
        let sns = config.aws.config(Service::Sns, None, &http_client);
        Self {
            decryptor: Decryptor::new(&kms, config.key),
            sns: Sns::new(&sns, config.sms),
            messages: config.messages,
            denied: config.denied,
            countries: config.countries,
            hasher: config.hasher,
        }
    }

    /// Handles one event and gives it back; Cognito does not look at the answer.
    ///
    /// # Errors
    /// When the event is malformed, or the message was not sent for a reason that is not the recipient's.
    pub async fn handle(&self, invocation: Invocation) -> Result<Box<RawValue>, Failure> {
        let id = &invocation.request_id;
        let default_locale: Locale = self.messages.settings().default_locale;
        match Task::read(MessageTrigger::CustomSmsSender, &invocation.event, default_locale) {
            Err(error) => return Err(failure::malformed(id, &error)),
            Ok(Task::Nothing(reason)) => failure::log_nothing(id, &reason),
            // On the heap, because the compiler gives up on futures that are nested as deep as the SDK's are here.
            Ok(Task::Send(job)) => Box::pin(self.send(id, &job)).await?,
        }
        Ok(invocation.event)
    }

    async fn send(&self, id: &str, job: &Job) -> Result<(), Failure> {
        let malformed = |error: EventError| failure::malformed(id, &error);
        let number = job
            .request
            .attribute("phone_number")
            .and_then(|number| {
                number.ok_or_else(|| EventError::Missing {
                    field: "request.userAttributes.phone_number".to_owned(),
                })
            })
            .map_err(malformed)?;
        let email = job.request.attribute("email").map_err(malformed)?;
        let dispatch = Dispatch { id, job, recipient: self.hasher.hash(&number) };
        // An address that cannot be read keeps nobody from getting an SMS: it is not what we send to.
        if email.is_some_and(|email| matches!(self.denied.denies(&email), Some(Denial::Listed(_)))) {
            dispatch.not_sent("the user's e-mail domain is on DENIED_EMAIL_DOMAINS");
            return Ok(());
        }
        let Ok(to) = number.parse::<PhoneNumber>() else {
            dispatch.not_sent("the attribute `phone_number` is not a number in E.164 form");
            return Ok(());
        };
        let country = match self.countries.decide(&to) {
            SmsPermission::Allowed(country) => country,
            SmsPermission::Refused(refusal) => {
                dispatch.not_sent(&refusal.to_string());
                return Ok(());
            }
        };
        let (locale, _) = job.locale;
        let written = dispatch
            .write(&self.decryptor, &number, |content| self.messages.sms(job.kind, locale, content))
            .await?;
        let start = Instant::now();
        let sent = self.sns.send(&to, &written.message).await;
        let facts = SmsFacts { country, parts: segments(&written.message.text).parts };
        dispatch.finish(&written, sent, start.elapsed(), Some(facts))
    }
}
