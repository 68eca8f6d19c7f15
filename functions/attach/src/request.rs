//! What CloudFormation asks for.
//!
//! Source: "Custom resource request objects", AWS CloudFormation user guide.

use pool::triggers::{Slot, Triggers};
use serde_json::Value;

use crate::memory::{Memory, NOTHING};
use crate::response_url::ResponseUrl;

/// To whom the answer goes, and what it has to repeat.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where CloudFormation waits for the answer.
    pub response_url: ResponseUrl,
    /// `StackId`.
    pub stack_id: String,
    /// `RequestId`, the same in every delivery of one request.
    pub request_id: String,
    /// `LogicalResourceId`.
    pub logical_resource_id: String,
    /// `PhysicalResourceId`, empty in the request that creates the resource.
    pub physical_resource_id: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// See whether what is said of a pool is true, before any function acts on it.
    Check {
        /// The pool's id.
        pool: String,
        /// Somebody says that nobody's address can be taken from him in this pool.
        email_is_username: bool,
    },
    /// Attach to a pool that this resource has nothing to do with so far.
    Attach {
        /// What is wanted.
        wanted: Properties,
        /// What is known so far of the pool, and of the one that the resource belongs to now.
        memory: Memory,
    },
    /// Attach to the same pool again, perhaps other functions.
    AttachAgain {
        /// What is wanted now.
        wanted: Properties,
        /// What was attached until now.
        former: Triggers,
        /// What was there before the first of ours.
        before: Triggers,
    },
    /// Put back what was there.
    Detach {
        /// The pool's id.
        pool: String,
        /// What was attached.
        ours: Triggers,
        /// What was there before.
        before: Triggers,
    },
    /// The resource was never made, or has nothing to undo.
    Nothing,
}

/// The properties of the resource, as the template sets them.
#[derive(Clone, Debug, PartialEq)]
pub struct Properties {
    /// `UserPoolId`.
    pub pool: String,
    /// The four functions as they apply, and the key.
    pub triggers: Triggers,
    /// `ReplaceTriggers`: functions of others make way.
    pub replace: bool,
    /// `EmailIsUsername`: somebody says that nobody's address can be taken from him in this pool.
    pub email_is_username: bool,
}

/// A request that makes no sense; names the member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request of CloudFormation cannot be read: {0}")]
pub struct Malformed(pub &'static str);

const NO_POOL: Malformed = Malformed("UserPoolId is missing");
const NO_TRUST: Malformed = Malformed("EmailIsUsername is neither true nor false");

impl Caller {
    /// As far as the request says it; `None` where nobody can be answered.
    #[must_use]
    pub fn read(event: &Value) -> Option<Self> {
        Some(Self {
            response_url: text(event, "ResponseURL")?.parse().ok()?,
            stack_id: text(event, "StackId").unwrap_or_default(),
            request_id: text(event, "RequestId").unwrap_or_default(),
            logical_resource_id: text(event, "LogicalResourceId").unwrap_or_default(),
            physical_resource_id: text(event, "PhysicalResourceId").unwrap_or_default(),
        })
    }
}

impl Action {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// When a member is missing or wrong. A request to delete what was never made is understood whatever else is in
    /// it, or the stack could never be deleted.
    pub fn read(event: &Value) -> Result<Self, Malformed> {
        let id = text(event, "PhysicalResourceId").unwrap_or_default();
        let properties = event.get("ResourceProperties").unwrap_or(&Value::Null);
        match text(event, "RequestType").as_deref() {
            Some("Create" | "Update") if flag(properties, "CheckOnly") == Some(true) => Ok(Self::Check {
                pool: text(properties, "UserPoolId").ok_or(NO_POOL)?,
                email_is_username: flag(properties, "EmailIsUsername").ok_or(NO_TRUST)?,
            }),
            Some("Create") => {
                let wanted = Properties::read(properties)?;
                Ok(Self::Attach { memory: Memory::new(wanted.pool.clone()), wanted })
            }
            Some("Update") => {
                let old = event.get("OldResourceProperties").unwrap_or(&Value::Null);
                Ok(Self::update(&id, Properties::read(properties)?, old))
            }
            Some("Delete") if id == NOTHING => Ok(Self::Nothing),
            Some("Delete") => Ok(Self::Detach {
                pool: text(properties, "UserPoolId").ok_or(NO_POOL)?,
                ours: triggers(properties),
                before: Memory::read(&id).map(|memory| memory.before).unwrap_or_default(),
            }),
            _ => Err(Malformed("RequestType is none of Create, Update and Delete")),
        }
    }

    /// An update may name another pool. The memory says which one this resource belongs to: when a move to another
    /// pool is rolled back, the old properties name that other one.
    fn update(id: &str, wanted: Properties, old: &Value) -> Self {
        let old_pool = text(old, "UserPoolId");
        let memory = Memory::read(id).unwrap_or_else(|| Memory::new(old_pool.clone().unwrap_or_default()));
        if memory.pool != wanted.pool {
            return Self::Attach { memory: memory.moved(&wanted.pool), wanted };
        }
        let former =
            if old_pool.is_some_and(|old| old == wanted.pool) { triggers(old) } else { Triggers::default() };
        Self::AttachAgain { wanted, former, before: memory.before }
    }
}

impl Properties {
    fn read(properties: &Value) -> Result<Self, Malformed> {
        let triggers = triggers(properties);
        if triggers.functions().next().is_none() {
            return Err(Malformed("no function is named"));
        }
        Ok(Self {
            pool: text(properties, "UserPoolId").ok_or(NO_POOL)?,
            triggers,
            replace: flag(properties, "ReplaceTriggers")
                .ok_or(Malformed("ReplaceTriggers is neither true nor false"))?,
            email_is_username: flag(properties, "EmailIsUsername").ok_or(NO_TRUST)?,
        })
    }
}

fn triggers(properties: &Value) -> Triggers {
    Slot::ALL.into_iter().fold(Triggers::default(), |triggers, slot| {
        triggers.with(slot, &text(properties, slot.member()).unwrap_or_default())
    })
}

/// CloudFormation writes every value as a text.
fn flag(properties: &Value, name: &str) -> Option<bool> {
    text(properties, name)?.parse().ok()
}

/// A text that is not empty.
fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OURS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-pre-sign-up";
    const THEIRS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:theirs";

    fn properties(pool: &str) -> Value {
        json!({
            "ServiceToken": "arn:aws:lambda:eu-central-1:123456789012:function:triggers-attach",
            "UserPoolId": pool,
            "PreSignUp": OURS,
            "ReplaceTriggers": "false",
            "EmailIsUsername": "true",
            "After": ["a", "b"],
        })
    }

    fn wanted(pool: &str) -> Properties {
        let triggers = Triggers::default().with(Slot::PreSignUp, OURS);
        Properties { pool: pool.to_owned(), triggers, replace: false, email_is_username: true }
    }

    fn id(pool: &str) -> String {
        let before = Triggers::default().with(Slot::PreSignUp, THEIRS);
        Memory { before, ..Memory::new(pool.to_owned()) }.to_id().expect("a short one")
    }

    #[track_caller]
    fn check(event: &Value, expected: &Result<Action, Malformed>) {
        assert_eq!(Action::read(event), *expected, "{event}");
    }

    #[test]
    fn what_is_to_be_done_follows_from_the_request_and_the_memory_in_the_id() {
        let before = Triggers::default().with(Slot::PreSignUp, THEIRS);
        let ours = Triggers::default().with(Slot::PreSignUp, OURS);
        let create = json!({ "RequestType": "Create", "ResourceProperties": properties("a_1") });
        let attach = |memory| Action::Attach { wanted: wanted("a_1"), memory };
        check(&create, &Ok(attach(Memory::new("a_1".to_owned()))));
        let update = |id: &str, old: &str, new: &str| {
            json!({
                "RequestType": "Update",
                "PhysicalResourceId": id,
                "ResourceProperties": properties(new),
                "OldResourceProperties": properties(old),
            })
        };
        let again = |former: &Triggers, before: &Triggers| Action::AttachAgain {
            wanted: wanted("a_1"),
            former: former.clone(),
            before: before.clone(),
        };
        check(&update(&id("a_1"), "a_1", "a_1"), &Ok(again(&ours, &before)));
        check(&update("something else", "a_1", "a_1"), &Ok(again(&ours, &Triggers::default())));
        let memory = |pool: &str| Memory { before: before.clone(), ..Memory::new(pool.to_owned()) };
        let from = Some(Box::new(memory("b_2")));
        let moved = Memory { from, ..Memory::new("a_1".to_owned()) };
        check(&update(&id("b_2"), "b_2", "a_1"), &Ok(attach(moved)));
        // The move to another pool went well, and is taken back because of another resource.
        let moved = memory("a_1").moved("b_2").to_id().expect("a short one");
        check(&update(&moved, "b_2", "a_1"), &Ok(attach(memory("a_1"))));
        // The move to another pool failed, and is taken back.
        check(&update(&id("a_1"), "b_2", "a_1"), &Ok(again(&Triggers::default(), &before)));
        let delete = |id: &str| json!({ "RequestType": "Delete", "PhysicalResourceId": id, "ResourceProperties": properties("a_1") });
        let detach = |before: Triggers| Action::Detach { pool: "a_1".to_owned(), ours: ours.clone(), before };
        check(&delete(&id("a_1")), &Ok(detach(before)));
        // CloudFormation made this id itself, because no answer came.
        check(&delete("triggers-AttachedTriggers-1A2B3C4D5E6F"), &Ok(detach(Triggers::default())));
        check(&delete(NOTHING), &Ok(Action::Nothing));
    }

    #[test]
    fn a_check_needs_no_functions() {
        let checked = |kind: &str, value: &str| {
            json!({
                "RequestType": kind,
                "PhysicalResourceId": NOTHING,
                "ResourceProperties": { "UserPoolId": "a_1", "CheckOnly": "true", "EmailIsUsername": value },
            })
        };
        let check_only = |email_is_username| Ok(Action::Check { pool: "a_1".to_owned(), email_is_username });
        check(&checked("Create", "true"), &check_only(true));
        check(&checked("Update", "false"), &check_only(false));
        check(&checked("Create", "perhaps"), &Err(NO_TRUST));
        check(&checked("Delete", "true"), &Ok(Action::Nothing));
    }

    #[test]
    fn what_was_never_made_is_deleted_whatever_the_properties_are() {
        let delete = json!({ "RequestType": "Delete", "PhysicalResourceId": NOTHING });
        check(&delete, &Ok(Action::Nothing));
    }

    #[test]
    fn a_malformed_request_is_refused_by_the_name_of_the_member() {
        let create = |name: &str, value: Value| {
            let mut properties = properties("a_1");
            properties[name] = value;
            json!({ "RequestType": "Create", "ResourceProperties": properties })
        };
        for (event, problem) in [
            (json!({}), "RequestType is none of Create, Update and Delete"),
            (json!([]), "RequestType is none of Create, Update and Delete"),
            (json!({ "RequestType": "Create" }), "no function is named"),
            (create("UserPoolId", json!("")), "UserPoolId is missing"),
            (create("UserPoolId", json!(7)), "UserPoolId is missing"),
            (create("PreSignUp", Value::Null), "no function is named"),
            (create("ReplaceTriggers", json!("yes")), "ReplaceTriggers is neither true nor false"),
            (create("EmailIsUsername", Value::Null), "EmailIsUsername is neither true nor false"),
        ] {
            check(&event, &Err(Malformed(problem)));
        }
    }

    #[test]
    fn nobody_is_answered_without_an_address_and_others_as_far_as_they_say_who_they_are() {
        assert!(Caller::read(&json!({ "StackId": "stack" })).is_none());
        assert!(Caller::read(&json!({ "ResponseURL": "ftp://example.com/" })).is_none());
        let caller = Caller::read(&json!({ "ResponseURL": "https://example.com/", "RequestId": 7 })).unwrap();
        assert_eq!((caller.stack_id.as_str(), caller.request_id.as_str()), ("", ""));
    }
}
