//! A custom email sender that posts its messages to a webhook: the example of docs/architecture.md for a new provider.
//!
//! All of it is a [`Channel`] and the wiring of `main`. Records, retries, limits, logs and metrics come from `sender`.

use std::process::ExitCode;

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use client::aws::{Aws, Service};
use client::http::{NotConnected, http_client, http_connector};
use client::time::Deadline;
use runtime::metrics::Metrics;
use sender::channel::{Accepted, Admission, Channel, Rejected, send_with_fallback};
use sender::delivery::Delivery;
use sender::errors::ServiceError;
use sender::job::Job;
use sender::kms::Decryptor;
use sender::record::Millis;
use sender::store::Store;
use serde_json::json;
use shared::dry_run::Preview;
use shared::message::{Content, Messages, RenderError};
use shared::outcome::FailureClass;
use shared::settings::sender::{CodeSettings, Tables, Validity};
use shared::settings::{Noted, Settings};
use shared::sms_limits::SmsLimit;
use shared::trigger::Trigger;

const WEBHOOK: Service = Service::Other("the webhook");

/// Posts messages to one address.
struct Webhook {
    connector: SharedHttpConnector,
    url: String,
    counters: Store,
    /// The most messages in a day.
    limit: u64,
}

/// A message for the webhook.
struct Post {
    to: String,
    text: String,
}

impl Channel for Webhook {
    type Recipient = String;
    type Message = Post;
    const NAME: &'static str = "webhook";
    const NOUN: &'static str = "a message to the webhook";
    const TRIGGER: Trigger = Trigger::CustomEmailSender;
    const ATTRIBUTE: &'static str = "email";

    fn recipient(&self, _: &Job, contact: &str) -> Result<String, Rejected> {
        Ok(contact.to_owned())
    }

    fn render(
        &self,
        messages: &Messages,
        job: &Job,
        to: String,
        content: Content<'_>,
    ) -> Result<(Post, Option<RenderError>), RenderError> {
        let (mut email, problem) = messages.email(job.kind, job.locale.0, content)?;
        Ok((Post { to, text: std::mem::take(&mut email.text) }, problem))
    }

    fn preview(&self, post: &Post) -> Preview {
        Preview::Other(json!({ "characters": post.text.chars().count() }))
    }

    async fn admit(&self, _: &Post, at: Millis, deadline: Deadline) -> Admission {
        let day = at / 86_400_000;
        let Some(room) = self.limit.checked_sub(1) else {
            return Admission::Blocked(SmsLimit::DailyMessages);
        };
        let expires_at = (day + 2) * 86_400;
        match self.counters.count(&format!("webhook#{day}"), 1, room, expires_at, deadline).await {
            Ok(true) => Admission::Admitted,
            Ok(false) => Admission::Blocked(SmsLimit::DailyMessages),
            Err(error) => Admission::Uncounted(error),
        }
    }

    async fn send(&self, post: &Post, deadline: Deadline) -> Result<Accepted, ServiceError> {
        let send = async |url: &String| self.post(url, post).await;
        send_with_fallback(std::slice::from_ref(&self.url), deadline, send, WEBHOOK).await
    }
}

impl Webhook {
    /// The webhook's errors: connections, rejections and lost answers. A code and a recipient are never in them.
    async fn post(&self, url: &str, post: &Post) -> Result<String, ServiceError> {
        let body = json!({ "to": post.to, "text": post.text }).to_string();
        let mut request = HttpRequest::new(SdkBody::from(body.as_str()));
        let invalid = |_| ServiceError::invalid_request(WEBHOOK);
        request.set_method("POST").map_err(invalid)?;
        request.set_uri(url).map_err(invalid)?;
        request.headers_mut().insert("content-length", body.len().to_string());
        let failed =
            |class, code: &str| ServiceError { service: WEBHOOK, code: code.to_owned(), class, remedy: "" };
        match self.connector.call(request).await {
            Err(error) if NotConnected::caused(&error) => {
                Err(failed(FailureClass::Transient, "no connection"))
            }
            Err(_) => Err(failed(FailureClass::Ambiguous, "connection failed")),
            Ok(answer) => match answer.status().as_u16() {
                200..300 => Ok(answer.headers().get("x-message-id").unwrap_or_default().to_owned()),
                429 | 503 => Err(failed(FailureClass::Transient, "throttled")),
                404 => Err(failed(FailureClass::Recipient, "unknown recipient")),
                _ => Err(failed(FailureClass::Configuration, "rejected")),
            },
        }
    }
}

fn read(settings: &Settings<'_>, random: &[u8; 32]) -> Result<Delivery<Webhook>, Noted> {
    let hasher = settings.recipient_hasher(random);
    let metrics = Metrics::read(settings, "webhook-sender");
    let aws = Aws::read(settings);
    let codes = CodeSettings::read(settings);
    let messages = Messages::read(settings);
    let tables = Tables::read(settings);
    let validity = Validity::read(settings);
    let url = settings.required("WEBHOOK_URL", str::parse::<String>);
    let limit = settings.required("WEBHOOK_DAILY_LIMIT", str::parse::<u64>);
    let (aws, codes, tables) = (aws?, codes?, tables?);
    let http_client = http_client();
    let table = tables.counters.ok_or_else(|| settings.problem("DELIVERY_TABLE", "is not set"))?;
    let store = Store::new(&aws.config(Service::DynamoDb, None, &http_client), table);
    Ok(Delivery {
        channel: Webhook { connector: http_connector(), url: url?, counters: store.clone(), limit: limit? },
        messages: messages?,
        decryptor: Decryptor::new(&aws.config(Service::Kms, Some(codes.key.region()), &http_client), codes),
        records: tables.records.map(|_| store),
        validity: validity?,
        hasher,
        metrics: metrics?,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(sender) = &runtime::configure(read) else { return ExitCode::FAILURE };
    runtime::run(async |invocation| sender.handle(invocation).await).await
}
