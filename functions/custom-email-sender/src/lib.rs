//! Decrypts a code, writes the e-mail, hands it to Amazon SES.
//!
//! Cognito invokes this function asynchronously: an error makes Lambda try again twice and then keep the event in
//! the queue, so the function fails exactly when that can help.

pub mod mailbox;
pub mod ses;

use runtime::metrics::Metrics;
use runtime::{Failure, Invocation};
use sender::aws::{Aws, Service};
use sender::delivery::{Channel, Delivery, Tables, Taken, Validity};
use sender::errors::CallFailure;
use sender::http::http_client;
use sender::job::Job;
use sender::kms::Decryptor;
use sender::report::{Outcome, Report};
use sender::store::Store;
use sender::time::Deadline;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::address::EmailAddress;
use shared::arn::KeyArn;
use shared::config::Settings;
use shared::disposable::BlockedDomains;
use shared::domain::Denial;
use shared::event::EventError;
use shared::message::{Content, Email, Messages, RenderError};
use shared::recipient::RecipientHasher;
use shared::trigger::Trigger;

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
    /// Reads every setting, noting all problems. `random` stands in for `RECIPIENT_HASH_KEY`.
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

/// The function with its clients, built once per process.
#[derive(Debug)]
pub struct EmailSender {
    delivery: Delivery,
    ses: Ses,
    messages: Messages,
    denied: BlockedDomains,
    hasher: RecipientHasher,
}

impl EmailSender {
    /// Builds the clients.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let http_client = http_client();
        let aws = |service, region: Option<&str>| config.aws.config(service, region, &http_client);
        let ses = Ses::new(
            config.routes.iter().map(|route| (aws(Service::SesV2, route.region.as_deref()), route)),
            &config.from,
            config.reply_to.as_ref(),
        );
        let kms = aws(Service::Kms, Some(config.key.region()));
        let records = config.tables.records.map(|table| Store::new(&aws(Service::DynamoDb, None), table));
        Self {
            delivery: Delivery {
                decryptor: Decryptor::new(&kms, config.key),
                records,
                metrics: config.metrics,
                validity: config.validity,
            },
            ses,
            messages: config.messages,
            denied: config.denied,
            hasher: config.hasher,
        }
    }

    /// Handles one event and gives it back; Cognito does not look at the answer. A dry run has its own.
    ///
    /// # Errors
    /// When the event is malformed, or the message was not sent for a reason that is not the recipient's.
    pub async fn handle(&self, invocation: Invocation) -> Result<Box<RawValue>, Failure> {
        let send = async |job: &Job, report: &mut Report<'_>| self.send(job, &invocation, report).await;
        let trigger = Trigger::CustomEmailSender;
        let answer = self.delivery.handle(trigger, &self.messages, &invocation, send).await?;
        Ok(answer.unwrap_or(invocation.event))
    }

    async fn send(&self, job: &Job, invocation: &Invocation, report: &mut Report<'_>) -> Outcome {
        let address = match job.request.attribute("email") {
            Ok(Some(address)) => address,
            Ok(None) => {
                let field = "request.userAttributes.email".to_owned();
                return Outcome::Malformed(EventError::Missing { field });
            }
            Err(error) => return Outcome::Malformed(error),
        };
        report.recipient = Some(self.hasher.hash(&address));
        // What cannot be read is no address either, which the next lines say.
        if let Some(denial @ (Denial::Listed(_) | Denial::Disposable)) = self.denied.denies(&address) {
            return Outcome::Blocked(denial.explain().to_owned());
        }
        let Ok(to) = address.parse::<EmailAddress>() else {
            let reason = "the attribute `email` is not one plain address that SES could send to";
            return Outcome::Blocked(reason.to_owned());
        };
        let letter = Letter { sender: self, job, to };
        self.delivery.deliver(job, &address, &letter, invocation, report).await
    }
}

/// One e-mail to one address.
struct Letter<'a> {
    sender: &'a EmailSender,
    job: &'a Job,
    to: EmailAddress,
}

impl Channel for Letter<'_> {
    type Message = Email;
    const NAME: &'static str = "email";

    fn write(&self, content: Content<'_>) -> Result<(Email, Option<RenderError>), RenderError> {
        let (locale, _) = self.job.locale;
        self.sender.messages.email(self.job.kind, locale, content)
    }

    fn preview(&self, email: &Email) -> Value {
        json!({
            "from": self.sender.ses.from_address(),
            "routes": self.sender.ses.routes().map(|(region, configuration_set)| {
                json!({ "region": region, "configurationSet": configuration_set })
            }).collect::<Vec<_>>(),
            "subjectCharacters": email.subject.chars().count(),
            "textCharacters": email.text.chars().count(),
            "htmlCharacters": email.html.chars().count(),
        })
    }

    async fn send(&self, email: &Email, deadline: Deadline) -> Result<Taken, CallFailure> {
        let tags =
            [("trigger-source", self.job.trigger_source.as_str()), ("message-kind", self.job.kind.name())];
        self.sender.ses.send(&self.to, email, &tags, deadline).await
    }
}
