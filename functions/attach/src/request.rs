//! CloudFormation's request.
//!
//! Source: "Custom resource request objects", AWS CloudFormation user guide.

use pool::triggers::{LambdaConfigMember, Triggers};
use serde_json::Value;

use crate::memory::{Memory, NOTHING};
use crate::response_url::ResponseUrl;

/// Where the response goes, and the members that it must repeat.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where CloudFormation waits for the response.
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

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Check `EmailIsUsername` before a function relies on it.
    Check {
        /// The pool's id.
        pool: String,
        /// The value to check.
        email_is_username: bool,
    },
    /// Attach to a pool that is new to this resource.
    Attach {
        /// What to attach.
        wanted: Properties,
        /// The memory of the pool, and of the one that the resource belongs to now.
        memory: Memory,
    },
    /// Attach to the same pool again, perhaps other functions.
    AttachAgain {
        /// What to attach.
        wanted: Properties,
        /// What was attached until now.
        former: Triggers,
        /// What was attached before ours.
        before: Triggers,
    },
    /// Detach and restore what was attached before.
    Detach {
        /// The pool's id.
        pool: String,
        /// What was attached.
        ours: Triggers,
        /// What was attached before ours.
        before: Triggers,
    },
    /// The resource was never created, or has nothing to undo.
    Nothing,
}

/// The properties of the resource, as the template sets them.
#[derive(Clone, Debug, PartialEq)]
pub struct Properties {
    /// `UserPoolId`.
    pub pool: String,
    /// The four functions as they apply, and the key.
    pub triggers: Triggers,
    /// `ReplaceTriggers`: other functions are replaced.
    pub replace: bool,
    /// `EmailIsUsername`: email is the only sign-in attribute of the pool.
    pub email_is_username: bool,
}

/// A request that is not valid. The text names the member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CloudFormation's request is not valid: {0}")]
pub struct Malformed(pub &'static str);

const NO_POOL: Malformed = Malformed("UserPoolId must be set");
const NO_EMAIL_IS_USERNAME: Malformed = Malformed("EmailIsUsername must be `true` or `false`");

impl Caller {
    /// Reads the members that exist, `None` if there is no valid `ResponseURL`.
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
    /// Reads the request.
    ///
    /// # Errors
    /// When a member is missing or wrong. A request to delete a resource that was never created is always valid, because
    /// the stack could otherwise never be deleted.
    pub fn read(event: &Value) -> Result<Self, Malformed> {
        let id = text(event, "PhysicalResourceId").unwrap_or_default();
        let properties = event.get("ResourceProperties").unwrap_or(&Value::Null);
        match text(event, "RequestType").as_deref() {
            Some("Create" | "Update") if flag(properties, "CheckOnly") == Some(true) => Ok(Self::Check {
                pool: text(properties, "UserPoolId").ok_or(NO_POOL)?,
                email_is_username: flag(properties, "EmailIsUsername").ok_or(NO_EMAIL_IS_USERNAME)?,
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
            _ => Err(Malformed("RequestType must be `Create`, `Update` or `Delete`")),
        }
    }

    /// An update may name another pool. The memory names the pool that this resource belongs to: when a move to
    /// another pool is rolled back, the old properties name that other pool.
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
            return Err(Malformed("the ARN of at least one function must be set"));
        }
        Ok(Self {
            pool: text(properties, "UserPoolId").ok_or(NO_POOL)?,
            triggers,
            replace: flag(properties, "ReplaceTriggers")
                .ok_or(Malformed("ReplaceTriggers must be `true` or `false`"))?,
            email_is_username: flag(properties, "EmailIsUsername").ok_or(NO_EMAIL_IS_USERNAME)?,
        })
    }
}

fn triggers(properties: &Value) -> Triggers {
    LambdaConfigMember::ALL.into_iter().fold(Triggers::default(), |triggers, member| {
        triggers.with(member, &text(properties, member.name()).unwrap_or_default())
    })
}

/// CloudFormation sends every value as a string.
fn flag(properties: &Value, name: &str) -> Option<bool> {
    text(properties, name)?.parse().ok()
}

/// A string that is not empty.
fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use shared::trigger::Trigger;

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
        let triggers = Triggers::default().with(LambdaConfigMember::Function(Trigger::PreSignUp), OURS);
        Properties { pool: pool.to_owned(), triggers, replace: false, email_is_username: true }
    }

    fn id(pool: &str) -> String {
        let before = Triggers::default().with(LambdaConfigMember::Function(Trigger::PreSignUp), THEIRS);
        Memory { before, ..Memory::new(pool.to_owned()) }.to_id().expect("a short one")
    }

    #[track_caller]
    fn check(event: &Value, expected: &Result<Action, Malformed>) {
        assert_eq!(Action::read(event), *expected, "{event}");
    }

    #[test]
    fn the_action_follows_from_the_request_and_the_memory_in_the_id() {
        let before = Triggers::default().with(LambdaConfigMember::Function(Trigger::PreSignUp), THEIRS);
        let ours = Triggers::default().with(LambdaConfigMember::Function(Trigger::PreSignUp), OURS);
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
        // The move to another pool succeeded, and is rolled back because of another resource.
        let moved = memory("a_1").moved("b_2").to_id().expect("a short one");
        check(&update(&moved, "b_2", "a_1"), &Ok(attach(memory("a_1"))));
        // The move to another pool failed, and is rolled back.
        check(&update(&id("a_1"), "b_2", "a_1"), &Ok(again(&Triggers::default(), &before)));
        let delete = |id: &str| json!({ "RequestType": "Delete", "PhysicalResourceId": id, "ResourceProperties": properties("a_1") });
        let detach = |before: Triggers| Action::Detach { pool: "a_1".to_owned(), ours: ours.clone(), before };
        check(&delete(&id("a_1")), &Ok(detach(before)));
        // CloudFormation generated this id because it got no response.
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
        check(&checked("Create", "perhaps"), &Err(NO_EMAIL_IS_USERNAME));
        check(&checked("Delete", "true"), &Ok(Action::Nothing));
    }

    #[test]
    fn a_resource_that_was_never_created_is_deleted_with_any_properties() {
        let delete = json!({ "RequestType": "Delete", "PhysicalResourceId": NOTHING });
        check(&delete, &Ok(Action::Nothing));
    }

    #[test]
    fn the_error_of_an_invalid_request_names_the_member() {
        let create = |name: &str, value: Value| {
            let mut properties = properties("a_1");
            properties[name] = value;
            json!({ "RequestType": "Create", "ResourceProperties": properties })
        };
        for (event, problem) in [
            (json!({}), "RequestType must be `Create`, `Update` or `Delete`"),
            (json!([]), "RequestType must be `Create`, `Update` or `Delete`"),
            (json!({ "RequestType": "Create" }), "the ARN of at least one function must be set"),
            (create("UserPoolId", json!("")), "UserPoolId must be set"),
            (create("UserPoolId", json!(7)), "UserPoolId must be set"),
            (create("PreSignUp", Value::Null), "the ARN of at least one function must be set"),
            (create("ReplaceTriggers", json!("yes")), "ReplaceTriggers must be `true` or `false`"),
            (create("EmailIsUsername", Value::Null), "EmailIsUsername must be `true` or `false`"),
        ] {
            check(&event, &Err(Malformed(problem)));
        }
    }

    #[test]
    fn a_response_needs_an_address_and_repeats_only_the_members_that_exist() {
        assert!(Caller::read(&json!({ "StackId": "stack" })).is_none());
        assert!(Caller::read(&json!({ "ResponseURL": "ftp://example.com/" })).is_none());
        let caller = Caller::read(&json!({ "ResponseURL": "https://example.com/", "RequestId": 7 })).unwrap();
        assert_eq!((caller.stack_id.as_str(), caller.request_id.as_str()), ("", ""));
    }
}
