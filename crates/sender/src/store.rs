//! The delivery records and the counters in DynamoDB: `record.rs` as conditional updates.
//!
//! Source: "Working with items and attributes: conditional updates", Amazon DynamoDB developer guide.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_types::SdkConfig;

use crate::errors::ServiceError;
use crate::record::{ClaimResult, FinalState, KEPT, MessageKey, Millis, PriorAttempt};
use crate::retry::{RetryPolicy, random};
use client::aws::Service;
use client::time::Deadline;

/// The retry policy for records: short attempts, because a code must not wait long for its record.
///
/// An update takes about 5 ms. The first one of a process, with its connection, takes about 100 ms on the smallest
/// memory. An update of a record may be repeated: a claim recognizes its own owner, the others have the same effect
/// twice.
pub const RETRY: RetryPolicy = RetryPolicy {
    max_attempts: 2,
    attempt_timeout: Duration::from_millis(600),
    min_time_left: Duration::from_millis(20),
    idempotent: true,
};

/// The retry policy for counters: an update that may have been executed is not repeated, because a message could
/// block itself.
const COUNT_RETRY: RetryPolicy = RetryPolicy { idempotent: false, ..RETRY };

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
    /// A unique name, also among invocations for the same event.
    #[must_use]
    pub fn new(request_id: &str) -> Self {
        let mut nonce = [0; 8];
        // Without random numbers, the request ID still distinguishes events.
        let _ = getrandom::fill(&mut nonce);
        Self(format!("{request_id}/{:016x}", u64::from_be_bytes(nonce)))
    }

    /// Its form in the table.
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
    /// If the call fails: whether the message is claimed is then unknown.
    pub async fn claim(
        &self,
        key: &MessageKey,
        owner: &Owner,
        now: Millis,
        lease: Duration,
        deadline: Deadline,
    ) -> Result<ClaimResult, ServiceError> {
        let until = now.saturating_add(millis(lease));
        let answer = self
            .update(RETRY, deadline, || {
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
            Update::Done(old) => ClaimResult::Held {
                before: match attribute(&old, "state").as_deref() {
                    Some("claimed") if attribute(&old, "owner").as_deref() != Some(&owner.0) => {
                        PriorAttempt::Unknown
                    }
                    // Released, or the response to our own claim was lost.
                    _ => match old.get("admitted").and_then(|value| value.as_n().ok()).map(String::as_str) {
                        None => PriorAttempt::Nothing,
                        Some("0") => PriorAttempt::Unadmitted,
                        Some(_) => PriorAttempt::Released,
                    },
                },
                first_claimed: old
                    .get("first_claimed_at")
                    .and_then(|value| value.as_n().ok()?.parse().ok())
                    .unwrap_or(now),
            },
            Update::Refused(item) if attribute(&item, "state").as_deref() == Some("done") => {
                ClaimResult::Done
            }
            // Also if the response doesn't contain the item: the invocation must not succeed unless the message is
            // done.
            Update::Refused(_) => ClaimResult::Busy,
        })
    }

    /// Settles a message permanently. `message_id` is the provider's, if it accepted the message.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn settle(
        &self,
        key: &MessageKey,
        end: FinalState,
        message_id: &str,
        now: Millis,
        deadline: Deadline,
    ) -> Result<(), ServiceError> {
        self.update(RETRY, deadline, || {
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

    /// Releases a message unsent, if the owner still holds it. `admitted` says whether the limits admitted it.
    ///
    /// # Errors
    /// If the call fails. The lease then expires.
    pub async fn release(
        &self,
        key: &MessageKey,
        owner: &Owner,
        admitted: bool,
        deadline: Deadline,
    ) -> Result<(), ServiceError> {
        self.update(RETRY, deadline, || {
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

    /// Adds to a counter up to a limit: `true` if it was counted, `false` if the counter was above `room`.
    ///
    /// `expires_at` is in seconds since 1970.
    ///
    /// # Errors
    /// If the call fails: whether it was counted is then unknown.
    pub async fn count(
        &self,
        key: &str,
        amount: u64,
        room: u64,
        expires_at: u64,
        deadline: Deadline,
    ) -> Result<bool, ServiceError> {
        let answer = self
            .update(COUNT_RETRY, deadline, || {
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

    /// Takes back what [`Self::count`] counted.
    ///
    /// # Errors
    /// If the call fails. The counter may then stay too high until its window ends.
    pub async fn uncount(&self, key: &str, amount: u64, deadline: Deadline) -> Result<(), ServiceError> {
        self.update(COUNT_RETRY, deadline, || {
            self.item(key)
                .update_expression("ADD amount :minus")
                .condition_expression("amount >= :amount")
                .expression_attribute_values(":minus", AttributeValue::N(format!("-{amount}")))
                .expression_attribute_values(":amount", number(amount))
        })
        .await
        .map(|_| ())
    }

    fn item(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("id", text(id))
    }

    async fn update(
        &self,
        attempts: RetryPolicy,
        deadline: Deadline,
        request: impl Fn() -> UpdateItemFluentBuilder,
    ) -> Result<Update, ServiceError> {
        attempts
            .call(Service::DynamoDb, deadline, random, async || match request().send().await {
                Ok(answer) => Ok(Update::Done(answer.attributes.unwrap_or_default())),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                        Ok(Update::Refused(refusal.item.clone().unwrap_or_default()))
                    }
                    _ => Err(ServiceError::new(Service::DynamoDb, &error, |_| None)),
                },
            })
            .await
    }
}

/// The result of a conditional update, with the item as it was before.
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
