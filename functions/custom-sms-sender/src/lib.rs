//! Decrypts a code, writes the SMS, hands it to Amazon SNS.
//!
//! Cognito invokes this function asynchronously: an error makes Lambda try again twice and then keep the event in
//! the queue, so the function fails exactly when that can help.

pub mod sns;

use std::time::Instant;

use runtime::{Failure, Invocation};
use sender::aws::{Aws, Service, http_client};
use sender::delivery::{FailureClass, milliseconds};
use sender::failure;
use sender::job::{Job, Task};
use sender::kms::{Decryptor, KeyArn};
use serde_json::value::RawValue;
use shared::config::{MessageSettings, Settings};
use shared::domain::DomainDenylist;
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
        let aws = Aws::read(settings);
        let key = settings.required("CODE_KEY_ARN", str::parse::<KeyArn>);
        let message_settings = MessageSettings::read(settings);
        let denied = settings.denied_domains();
        let countries = settings.list("SMS_ALLOWED_COUNTRIES").and_then(|list| {
            list.parse::<CountryAllowlist>()
                .map_err(|error| settings.problem("SMS_ALLOWED_COUNTRIES", error))
                .ok()
        });
        let sender_id = settings.optional("SMS_SENDER_ID", str::parse);
        let origination_number = settings.optional("SMS_ORIGINATION_NUMBER", str::parse);
        let max_price = settings.optional("SMS_MAX_PRICE_USD", str::parse);
        let templates = settings.optional("TEMPLATES_DIR", runtime::read_templates);
        let (messages, problems) = Messages::new(message_settings?, templates?.unwrap_or_default());
        for problem in problems {
            tracing::error!("{problem}; the built-in text is used");
        }
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
            hasher: settings.recipient_hasher(random),
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
            Ok(Task::Send(job)) => self.send(id, &job).await?,
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
        let recipient = self.hasher.hash(&number);
        let not_sent = |reason: &str| {
            tracing::warn!(
                invocation.id = id,
                trigger.source = job.trigger_source,
                recipient.hash = %recipient,
                "did not send an SMS: {reason}"
            );
        };
        if email.is_some_and(|email| self.denied.denies(&email).is_some()) {
            not_sent("the user's e-mail domain is on DENIED_EMAIL_DOMAINS");
            return Ok(());
        }
        let Ok(to) = number.parse::<PhoneNumber>() else {
            not_sent("the attribute `phone_number` is not a number in E.164 form");
            return Ok(());
        };
        let country = match self.countries.decide(&to) {
            SmsPermission::Allowed(country) => country,
            SmsPermission::Refused(refusal) => {
                not_sent(&refusal.to_string());
                return Ok(());
            }
        };

        let start = Instant::now();
        let code = self
            .decryptor
            .decrypt(&job.code, &job.user_pool_id)
            .await
            .map_err(|error| failure::decryption(id, job, recipient, &error))?;
        let decrypted = start.elapsed();

        let (locale, reason) = job.locale;
        let code = job.clear_code(code);
        let name = job.sign_in_name(&number);
        let (sms, template_error) = self
            .messages
            .sms(job.kind, locale, job.content(&code, &name))
            .map_err(|error| failure::rendering(id, job, &error))?;
        if let Some(error) = template_error {
            tracing::error!(invocation.id = id, "{error}; the built-in text is used");
        }
        let rendered = start.elapsed();

        match self.sns.send(&to, &sms).await {
            Ok(message_id) => {
                tracing::info!(
                    invocation.id = id,
                    trigger.source = job.trigger_source,
                    message.kind = job.kind.name(),
                    message.locale = locale.tag(),
                    message.locale_reason = reason.name(),
                    message.id = message_id,
                    recipient.hash = %recipient,
                    recipient.country = %country,
                    sms.parts = segments(&sms.text).parts,
                    decrypt_ms = milliseconds(decrypted),
                    render_ms = milliseconds(rendered.saturating_sub(decrypted)),
                    send_ms = milliseconds(start.elapsed().saturating_sub(rendered)),
                    "sent an SMS"
                );
                Ok(())
            }
            Err(error) if error.class == FailureClass::Recipient => {
                not_sent(&error.to_string());
                Ok(())
            }
            Err(error) => Err(failure::sending(id, job, recipient, &error)),
        }
    }
}
