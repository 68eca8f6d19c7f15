//! SQS: the on-failure destination.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};
use shared::arn::Arn;

use crate::aws::{Aws, AwsError, Call, Kind};

/// For how long a received message stays hidden from other consumers, in seconds.
///
/// It is longer than handling ten messages takes. If the command is killed, its messages stay hidden for this time.
const HIDDEN_SECONDS: i32 = 120;

/// How long to wait for a message, in seconds. With long polling, SQS queries all its servers, so an empty response
/// means an empty queue.
///
/// Source: "Amazon SQS short and long polling", Amazon SQS developer guide.
const WAIT_SECONDS: i32 = 1;

/// The maximum number of messages in one call.
const BATCH: usize = 10;

/// One queue.
pub(crate) struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
    region: String,
}

/// The attributes of a queue.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) region: String,
    /// The account, 12 digits.
    pub(crate) account: String,
    pub(crate) name: String,
    /// Messages in flight: received by a consumer, and neither deleted nor made visible again.
    pub(crate) hidden: u64,
}

/// A received message, hidden from other consumers for two minutes.
pub(crate) struct Message {
    pub(crate) id: String,
    /// The receipt handle, which deletes the message or makes it visible again.
    pub(crate) receipt: String,
    /// When Lambda sent it to the queue.
    pub(crate) sent: Option<SystemTime>,
    /// Holds personal data.
    pub(crate) body: String,
}

impl Queue {
    pub(crate) fn new(aws: &Aws, url: &str) -> Self {
        let client = aws_sdk_sqs::Client::new(aws.config());
        Self { client, url: url.to_owned(), region: aws.region().to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        Call { service: "SQS", action, region: &self.region, quotes: false }
    }

    /// Reads the attributes of the queue.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn facts(&self) -> Result<Facts, AwsError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .send()
            .await
            .map_err(|error| self.call("sqs:GetQueueAttributes").failure(&error))?;
        let attribute = |name| answer.attributes().and_then(|attributes| attributes.get(&name));
        let arn = attribute(QueueAttributeName::QueueArn).and_then(|arn| Arn::parse(arn));
        let Some((arn, name)) = arn.and_then(|arn| Some((arn, arn.resource_of("sqs", "")?))) else {
            return Err(AwsError::new(Kind::Other, "SQS did not return the queue's ARN"));
        };
        let hidden = attribute(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        Ok(Facts {
            region: arn.region().to_owned(),
            account: arn.account().to_owned(),
            name: name.to_owned(),
            hidden: hidden.and_then(|number| number.parse().ok()).unwrap_or_default(),
        })
    }

    /// The approximate number of messages in the queue, visible ones and those in flight.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn length(&self) -> Result<u64, AwsError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .send()
            .await
            .map_err(|error| self.call("sqs:GetQueueAttributes").failure(&error))?;
        let number = |name| answer.attributes().and_then(|all| all.get(&name)?.parse::<u64>().ok());
        let visible = number(QueueAttributeName::ApproximateNumberOfMessages);
        let hidden = number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        Ok(visible.unwrap_or_default().saturating_add(hidden.unwrap_or_default()))
    }

    /// The next messages, at most ten; none if the rest is hidden.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn receive(&self, most: usize) -> Result<Vec<Message>, AwsError> {
        self.receive_hidden(most, HIDDEN_SECONDS).await
    }

    async fn receive_hidden(&self, most: usize, seconds: i32) -> Result<Vec<Message>, AwsError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most.min(BATCH)).unwrap_or(1))
            .visibility_timeout(seconds)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(|error| self.call("sqs:ReceiveMessage").failure(&error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|message| {
                let body = message.body.unwrap_or_default();
                let attributes = message.attributes.unwrap_or_default();
                let sent = attributes.get(&MessageSystemAttributeName::SentTimestamp);
                // Milliseconds since 1970.
                let sent = sent.and_then(|sent| Some(UNIX_EPOCH + Duration::from_millis(sent.parse().ok()?)));
                Some(Message { id: message.message_id?, receipt: message.receipt_handle?, sent, body })
            })
            .collect())
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), AwsError> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.call("sqs:DeleteMessage").failure(&error))
    }

    /// Makes these messages visible to other consumers. A message that is already visible is not an error.
    ///
    /// # Errors
    /// If the call fails. The messages then become visible after two minutes.
    pub(crate) async fn give_back(&self, receipts: &[String]) -> Result<(), AwsError> {
        for batch in receipts.chunks(BATCH) {
            let entries = batch.iter().enumerate().filter_map(|(number, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .build()
                    .ok()
            });
            self.client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map_err(|error| self.call("sqs:ChangeMessageVisibility").failure(&error))?;
        }
        Ok(())
    }
}

/// The calls of `doctor`.
impl Queue {
    /// At most ten messages, which stay visible to other consumers.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn peek(&self) -> Result<Vec<Message>, AwsError> {
        self.receive_hidden(BATCH, 0).await
    }
}
