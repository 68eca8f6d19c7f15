//! The delivery records and the SMS counters in DynamoDB: `record.rs` in the words of conditional updates.
//!
//! Source: "Working with items and attributes: conditional updates", Amazon DynamoDB developer guide.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_types::SdkConfig;

use crate::aws::Service;
use crate::errors::CallFailure;
use crate::record::{Before, Claim, End, KEPT, MessageKey, Millis};
use crate::time::{Attempts, Deadline, random};

/// How the table is called: quick answers or none, because no code waits long for its record.
///
/// An update takes some 5 ms; the first one of a process, with its connection, some 100 ms on the smallest memory.
/// An update of a record may be repeated: a claim knows its own owner, the others do the same twice.
pub const ATTEMPTS: Attempts = Attempts {
    number: 2,
    each: Duration::from_millis(600),
    least: Duration::from_millis(20),
    repeatable: true,
};

/// How a counter is called: what may have been counted is not counted again, or a message would stop itself.
const COUNT_ATTEMPTS: Attempts = Attempts { repeatable: false, ..ATTEMPTS };

/// The table of a deployment. Its key is `id`, a string; `expires_at` is its time to live.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: String,
}

/// The name of the process and invocation that claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(String);

impl Owner {
    /// A name that no other invocation has, not even another one of the same event.
    #[must_use]
    pub fn new(request_id: &str) -> Self {
        let mut nonce = [0; 8];
        // Without random numbers the request id alone still tells events apart.
        let _ = getrandom::fill(&mut nonce);
        Self(format!("{request_id}/{:016x}", u64::from_be_bytes(nonce)))
    }

    /// As it stands in the table.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The present time.
#[must_use]
pub fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

type Item = HashMap<String, AttributeValue>;

impl Store {
    /// Builds the client, once per process.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table }
    }

    /// Claims a message for as long as the lease.
    ///
    /// # Errors
    /// When the table cannot be asked: whether the message is claimed is then unknown.
    pub async fn claim(
        &self,
        key: &MessageKey,
        owner: &Owner,
        now: Millis,
        lease: Duration,
        deadline: Deadline,
    ) -> Result<Claim, CallFailure> {
        let until = now.saturating_add(millis(lease));
        let answer = self
            .update(ATTEMPTS, deadline, || {
                self.item(key.as_str())
                    .update_expression(
                        "SET #state = :claimed, #owner = :owner, lease_until = :until, \
                         first_claimed_at = if_not_exists(first_claimed_at, :now), expires_at = :expires \
                         ADD claims :one",
                    )
                    .condition_expression(
                        "attribute_not_exists(id) OR \
                         (#state <> :done AND (lease_until <= :now OR #owner = :owner))",
                    )
                    .expression_attribute_names("#state", "state")
                    .expression_attribute_names("#owner", "owner")
                    .expression_attribute_values(":claimed", text("claimed"))
                    .expression_attribute_values(":done", text("done"))
                    .expression_attribute_values(":owner", text(&owner.0))
                    .expression_attribute_values(":until", number(until))
                    .expression_attribute_values(":now", number(now))
                    .expression_attribute_values(":one", number(1))
                    .expression_attribute_values(":expires", expires(now))
                    .return_values(ReturnValue::AllOld)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            })
            .await?;
        let attribute = |item: &Item, name: &str| item.get(name)?.as_s().ok().cloned();
        Ok(match answer {
            Update::Done(old) => Claim::Held {
                before: match attribute(&old, "state").as_deref() {
                    Some("claimed") if attribute(&old, "owner").as_deref() != Some(&owner.0) => {
                        Before::Unknown
                    }
                    // Released, or the answer to our own claim was lost on its way.
                    _ => match old.get("admitted").and_then(|value| value.as_n().ok()).map(String::as_str) {
                        None => Before::Nothing,
                        Some("0") => Before::Unadmitted,
                        Some(_) => Before::Released,
                    },
                },
                first_claimed: old
                    .get("first_claimed_at")
                    .and_then(|value| value.as_n().ok()?.parse().ok())
                    .unwrap_or(now),
            },
            Update::Refused(item) if attribute(&item, "state").as_deref() == Some("done") => Claim::Done,
            // Also where the answer does not show the item: what is not known to be done must not end well.
            Update::Refused(_) => Claim::Busy,
        })
    }

    /// Settles a message for good. `message_id` is the service's, where it took the message.
    ///
    /// # Errors
    /// When the table cannot be asked.
    pub async fn settle(
        &self,
        key: &MessageKey,
        end: End,
        message_id: &str,
        now: Millis,
        deadline: Deadline,
    ) -> Result<(), CallFailure> {
        self.update(ATTEMPTS, deadline, || {
            self.item(key.as_str())
                .update_expression(
                    "SET #state = :done, outcome = :outcome, message_id = :message_id, \
                     expires_at = :expires, first_claimed_at = if_not_exists(first_claimed_at, :now) \
                     REMOVE #owner, lease_until",
                )
                .expression_attribute_names("#state", "state")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":done", text("done"))
                .expression_attribute_values(":outcome", text(end.name()))
                .expression_attribute_values(":message_id", text(message_id))
                .expression_attribute_values(":now", number(now))
                .expression_attribute_values(":expires", expires(now))
        })
        .await
        .map(|_| ())
    }

    /// Gives a message back unsent, if it is still the owner's. `admitted` says whether the SMS guard let it pass.
    ///
    /// # Errors
    /// When the table cannot be asked. The lease then ends by itself.
    pub async fn release(
        &self,
        key: &MessageKey,
        owner: &Owner,
        admitted: bool,
        deadline: Deadline,
    ) -> Result<(), CallFailure> {
        self.update(ATTEMPTS, deadline, || {
            self.item(key.as_str())
                .update_expression("SET #state = :released, lease_until = :zero, admitted = :admitted")
                .condition_expression("#owner = :owner AND #state = :claimed")
                .expression_attribute_names("#state", "state")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", text(&owner.0))
                .expression_attribute_values(":claimed", text("claimed"))
                .expression_attribute_values(":released", text("released"))
                .expression_attribute_values(":zero", number(0))
                .expression_attribute_values(":admitted", number(u64::from(admitted)))
        })
        .await
        .map(|_| ())
    }

    /// Counts something up to a limit: `true` when it was counted, `false` when more than `room` was counted before.
    ///
    /// `expires_at` is in seconds since 1970.
    ///
    /// # Errors
    /// When the table cannot be asked: whether it was counted is then unknown.
    pub async fn count(
        &self,
        key: &str,
        amount: u64,
        room: u64,
        expires_at: u64,
        deadline: Deadline,
    ) -> Result<bool, CallFailure> {
        let answer = self
            .update(COUNT_ATTEMPTS, deadline, || {
                self.item(key)
                    .update_expression("SET expires_at = :expires ADD amount :amount")
                    .condition_expression("attribute_not_exists(amount) OR amount <= :room")
                    .expression_attribute_values(":amount", number(amount))
                    .expression_attribute_values(":room", number(room))
                    .expression_attribute_values(":expires", number(expires_at))
            })
            .await?;
        Ok(matches!(answer, Update::Done(_)))
    }

    fn item(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("id", text(id))
    }

    async fn update(
        &self,
        attempts: Attempts,
        deadline: Deadline,
        request: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Update, CallFailure> {
        attempts
            .call(Service::DynamoDb, deadline, random, async || match request().send().await {
                Ok(answer) => Ok(Update::Done(answer.attributes.unwrap_or_default())),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                        Ok(Update::Refused(refusal.item.clone().unwrap_or_default()))
                    }
                    _ => Err(CallFailure::new(Service::DynamoDb, &error, |_| None)),
                },
            })
            .await
    }
}

/// What became of a conditional update, with the item as it was before.
enum Update {
    Done(Item),
    Refused(Item),
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn expires(now: Millis) -> AttributeValue {
    number(now.saturating_add(millis(KEPT)) / 1000)
}

/// A duration in the unit of the table's times.
pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
