//! A stand-in for SQS with one queue, in AWS JSON 1.0.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html>

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};

/// The URL of the queue.
pub const QUEUE_URL: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/failed-events";

const QUEUE_ARN: &str = "arn:aws:sqs:eu-central-1:123456789012:failed-events";

/// A stand-in for SQS. The body of a call is the operation and the request's JSON.
pub struct Sqs {
    /// Script and record.
    pub service: Service<OneQueue>,
    messages: Messages,
}

type Messages = Arc<Mutex<Vec<Message>>>;

struct Message {
    body: String,
    hidden: bool,
    deleted: bool,
    /// How often it was received: part of its receipt, because only the last one counts.
    received: usize,
}

/// The protocol of [`Sqs`].
pub struct OneQueue(Messages);

impl Sqs {
    /// Listens, with these messages in the queue.
    #[must_use]
    pub fn start(bodies: &[String]) -> Self {
        let messages = bodies
            .iter()
            .map(|body| Message { body: body.clone(), hidden: false, deleted: false, received: 0 })
            .collect();
        let messages = Arc::new(Mutex::new(messages));
        Self { service: Service::serve(OneQueue(Arc::clone(&messages)), None), messages }
    }

    /// The bodies of the messages that anybody could receive now.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    #[must_use]
    pub fn visible(&self) -> Vec<String> {
        self.bodies(|message| !message.deleted && !message.hidden)
    }

    /// The bodies of the messages that are hidden.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    #[must_use]
    pub fn hidden(&self) -> Vec<String> {
        self.bodies(|message| !message.deleted && message.hidden)
    }

    fn bodies(&self, wanted: impl Fn(&Message) -> bool) -> Vec<String> {
        lock(&self.messages).iter().filter(|message| wanted(message)).map(|it| it.body.clone()).collect()
    }

    /// Makes the visibility timeout of all messages pass.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    pub fn wait_for_visibility(&self) {
        lock(&self.messages).iter_mut().for_each(|message| message.hidden = false);
    }

    /// The operations that were asked for, in order.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.service.calls().into_iter().map(|call| call.body.0).collect()
    }
}

fn lock(messages: &Messages) -> MutexGuard<'_, Vec<Message>> {
    messages.lock().expect("no holder panics")
}

fn id(number: usize) -> String {
    format!("5fea7756-0ea4-451a-a703-{number:012}")
}

impl OneQueue {
    /// Does something to the message that a receipt belongs to, if it is the last one given.
    fn with(&self, receipt: Option<&Value>, change: impl FnOnce(&mut Message)) -> Option<()> {
        let (number, received) = receipt?.as_str()?.strip_prefix("receipt-")?.split_once('-')?;
        let (number, received) = (number.parse::<usize>().ok()?, received.parse::<usize>().ok()?);
        let mut messages = lock(&self.0);
        let message = messages.get_mut(number)?;
        (!message.deleted && message.received == received).then(|| change(message))
    }

    fn receive(&self, body: &Value) -> Result<Value, Refusal> {
        let number = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or_default();
        let most = usize::try_from(number("MaxNumberOfMessages")).unwrap_or_default();
        if !(1..=10).contains(&most) || !(1..=20).contains(&number("WaitTimeSeconds")) {
            return Err(Refusal::new(400, "InvalidParameterValue", "between 1 and 10, and a long poll"));
        }
        let mut messages = lock(&self.0);
        let taken =
            messages.iter_mut().enumerate().filter(|(_, message)| !message.deleted && !message.hidden);
        let taken: Vec<_> = taken
            .take(most)
            .map(|(number, message)| {
                message.hidden = true;
                message.received += 1;
                let receipt = format!("receipt-{number}-{}", message.received);
                json!({ "MessageId": id(number), "ReceiptHandle": receipt, "Body": message.body })
            })
            .collect();
        Ok(if taken.is_empty() { json!({}) } else { json!({ "Messages": taken }) })
    }

    fn delete(&self, body: &Value) -> Value {
        // SQS answers alike when the receipt is an old one.
        let _ = self.with(body.get("ReceiptHandle"), |message| message.deleted = true);
        json!({})
    }

    fn show(&self, body: &Value) -> Value {
        let entries = body.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let shown: Vec<_> = entries
            .iter()
            .filter(|entry| entry.get("VisibilityTimeout") == Some(&json!(0)))
            .filter_map(|entry| {
                self.with(entry.get("ReceiptHandle"), |message| message.hidden = false)?;
                Some(json!({ "Id": entry.get("Id") }))
            })
            .collect();
        json!({ "Successful": shown, "Failed": [] })
    }
}

impl Protocol for OneQueue {
    type Body = (String, Value);

    const SIGNING_NAME: &'static str = "sqs";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_SQS";

    fn parse(&self, request: &Request) -> Result<Self::Body, Refusal> {
        let operation = request.header("x-amz-target").and_then(|target| target.strip_prefix("AmazonSQS."));
        let body: Value = serde_json::from_slice(&request.body)
            .map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))?;
        let operation = operation.ok_or_else(|| Refusal::new(400, "UnknownOperationException", ""))?;
        Ok((operation.to_owned(), body))
    }

    fn accept(&self, (operation, body): &Self::Body, _: usize) -> Result<Response, Refusal> {
        if body.get("QueueUrl").and_then(Value::as_str) != Some(QUEUE_URL) {
            return Err(Refusal::new(400, "QueueDoesNotExist", "The specified queue does not exist."));
        }
        let answer = match operation.as_str() {
            "GetQueueAttributes" => {
                let hidden =
                    lock(&self.0).iter().filter(|message| message.hidden && !message.deleted).count();
                let hidden = hidden.to_string();
                json!({ "Attributes": {
                    "QueueArn": QUEUE_ARN,
                    "ApproximateNumberOfMessagesNotVisible": hidden,
                } })
            }
            "ReceiveMessage" => self.receive(body)?,
            "DeleteMessage" => self.delete(body),
            "ChangeMessageVisibilityBatch" => self.show(body),
            _ => return Err(Refusal::new(400, "UnknownOperationException", "")),
        };
        Ok(Response::new(200, "application/x-amz-json-1.0", answer.to_string()))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body =
            json!({ "__type": format!("com.amazonaws.sqs#{}", refusal.code), "message": refusal.message });
        Response::new(refusal.status, "application/x-amz-json-1.0", body.to_string())
    }
}
