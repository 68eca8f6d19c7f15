//! The least that an email sender has to do: decrypt the code and hand it to SES. No template, no log, no checks.
//!
//! The benchmark measures against it what all the rest costs.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kms::config::BehaviorVersion;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use aws_types::SdkConfig;
use aws_types::region::Region;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::http::http_client;
use client::time::Deadline;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use sender::envelope::Envelope;
use sender::record::{FinalState, MessageKey};
use sender::store::{Owner, Store, now};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let kms = &aws_sdk_kms::Client::new(&config("AWS_ENDPOINT_URL_KMS")?);
    let ses = &aws_sdk_sesv2::Client::new(&config("AWS_ENDPOINT_URL_SESV2")?);
    let store = &store()?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        // With a table, the two round trips of a delivery record and nothing else that belongs to one.
        let key = MessageKey::of_code(event.context.request_id.as_bytes());
        let owner = Owner::new(&event.context.request_id);
        let deadline = Deadline::after(Duration::from_secs(5));
        if let Some(store) = store {
            store.claim(&key, &owner, now(), Duration::from_secs(5), deadline).await?;
        }
        handle(kms, ses, &event.payload).await?;
        if let Some(store) = store {
            store.settle(&key, FinalState::Sent, "id", now(), deadline).await?;
        }
        Ok::<_, Error>(())
    }))
    .await
}

#[expect(clippy::disallowed_methods, reason = "read before the first event")]
fn store() -> Result<Option<Store>, Error> {
    let Ok(table) = std::env::var("DELIVERY_TABLE") else { return Ok(None) };
    Ok(Some(Store::new(&config("AWS_ENDPOINT_URL_DYNAMODB")?, table)))
}

#[expect(clippy::disallowed_methods, reason = "read before the first event")]
fn config(endpoint_variable: &str) -> Result<SdkConfig, Error> {
    use std::env::var;
    let credentials = Credentials::new(
        var("AWS_ACCESS_KEY_ID")?,
        var("AWS_SECRET_ACCESS_KEY")?,
        var("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client())
        .region(Region::new(var("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    config.set_endpoint_url(var(endpoint_variable).ok());
    Ok(config.build())
}

async fn handle(kms: &aws_sdk_kms::Client, ses: &aws_sdk_sesv2::Client, event: &Value) -> Result<(), Error> {
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str).ok_or(pointer);
    let envelope = Envelope::parse(STANDARD.decode(text("/request/code")?)?)?;
    let data_key = envelope.data_keys().first().ok_or("no data key")?;
    let answer = kms
        .decrypt()
        .set_key_id(data_key.key_arn().map(str::to_owned))
        .ciphertext_blob(Blob::new(data_key.ciphertext()))
        .set_encryption_context(Some(envelope.context().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()))
        .send()
        .await?;
    let code = envelope.open(answer.plaintext().ok_or("no plaintext")?.as_ref())?;

    let part = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(part(std::str::from_utf8(&code)?)?).build();
    let message = Message::builder().subject(part("Your code")?).body(body).build();
    ses.send_email()
        .from_email_address("no-reply@example.com")
        .destination(Destination::builder().to_addresses(text("/request/userAttributes/email")?).build())
        .content(EmailContent::builder().simple(message).build())
        .send()
        .await?;
    Ok(())
}
