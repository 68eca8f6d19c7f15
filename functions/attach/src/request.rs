//! CloudFormation's request.
//!
//! Source: "Custom resource request objects", AWS CloudFormation user guide.

use pool::triggers::{LambdaConfigMember, Triggers};
use serde_json::Value;

use crate::memory::{Memory, NOTHING};
use crate::response_url::ResponseUrl;
use crate::stack::Stack;

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
    /// Reads the members that exist, `None` unless `ResponseURL` is where CloudFormation waits for a response.
    #[must_use]
    pub fn read(event: &Value, stack: &Stack) -> Option<Self> {
        Some(Self {
            response_url: ResponseUrl::read(&text(event, "ResponseURL")?, stack)?,
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
    /// When a member is missing or wrong, or names something that isn't this stack's. A request of this stack to delete
    /// a resource is always valid, because the stack could otherwise never be deleted.
    pub fn read(event: &Value, stack: &Stack) -> Result<Self, Malformed> {
        if text(event, "StackId").as_deref() != Some(stack.id()) {
            return Err(Malformed("StackId must be the stack of this function"));
        }
        let id = text(event, "PhysicalResourceId").unwrap_or_default();
        let properties = event.get("ResourceProperties").unwrap_or(&Value::Null);
        match text(event, "RequestType").as_deref() {
            Some("Create" | "Update") if flag(properties, "CheckOnly") == Some(true) => Ok(Self::Check {
                pool: pool(properties, stack)?,
                email_is_username: flag(properties, "EmailIsUsername").ok_or(NO_EMAIL_IS_USERNAME)?,
            }),
            Some("Create") => {
                let wanted = Properties::read(properties, stack)?;
                Ok(Self::Attach { memory: Memory::new(wanted.pool.clone()), wanted })
            }
            Some("Update") => {
                let old = event.get("OldResourceProperties").unwrap_or(&Value::Null);
                Ok(Self::update(stack.ids().read(&id), Properties::read(properties, stack)?, old, stack))
            }
            Some("Delete") if id == NOTHING => Ok(Self::Nothing),
            Some("Delete") => {
                let ours = own_triggers(properties, stack);
                Ok(match stack.ids().read(&id) {
                    // The stack's pool, or the one that it moved away from.
                    Some(Memory { pool, before, .. }) => Self::Detach { pool, ours, before },
                    // CloudFormation generated the id because it got no response, so nothing was recorded.
                    None if pool(properties, stack).is_ok() => {
                        Self::Detach { pool: stack.pool().to_owned(), ours, before: Triggers::default() }
                    }
                    None => Self::Nothing,
                })
            }
            _ => Err(Malformed("RequestType must be `Create`, `Update` or `Delete`")),
        }
    }

    /// An update may name another pool. The memory names the pool that this resource belongs to: when a move to
    /// another pool is rolled back, the old properties name that other pool.
    fn update(memory: Option<Memory>, wanted: Properties, old: &Value, stack: &Stack) -> Self {
        let old_pool = text(old, "UserPoolId");
        let memory = memory.unwrap_or_else(|| Memory::new(old_pool.clone().unwrap_or_default()));
        if memory.pool != wanted.pool {
            return Self::Attach { memory: memory.moved(&wanted.pool), wanted };
        }
        let same_pool = old_pool.is_some_and(|old| old == wanted.pool);
        let former = if same_pool { own_triggers(old, stack) } else { Triggers::default() };
        Self::AttachAgain { wanted, former, before: memory.before }
    }
}

impl Properties {
    fn read(properties: &Value, stack: &Stack) -> Result<Self, Malformed> {
        let triggers = triggers(properties, |_, _| true);
        if triggers.functions().next().is_none() {
            return Err(Malformed("the ARN of at least one function must be set"));
        }
        if own_triggers(properties, stack) != triggers {
            return Err(Malformed("the functions must be those of this stack"));
        }
        if triggers.arn(LambdaConfigMember::Key).is_some_and(|key| !stack.has_key(key)) {
            return Err(Malformed("KMSKeyID must be the key of this stack"));
        }
        Ok(Self {
            pool: pool(properties, stack)?,
            triggers,
            replace: flag(properties, "ReplaceTriggers")
                .ok_or(Malformed("ReplaceTriggers must be `true` or `false`"))?,
            email_is_username: flag(properties, "EmailIsUsername").ok_or(NO_EMAIL_IS_USERNAME)?,
        })
    }
}

/// The pool that the template names.
fn pool(properties: &Value, stack: &Stack) -> Result<String, Malformed> {
    let pool = text(properties, "UserPoolId").ok_or(NO_POOL)?;
    if pool == stack.pool() {
        Ok(pool)
    } else {
        Err(Malformed("UserPoolId must be the user pool of this stack"))
    }
}

fn triggers(properties: &Value, keep: impl Fn(LambdaConfigMember, &str) -> bool) -> Triggers {
    LambdaConfigMember::ALL.into_iter().fold(Triggers::default(), |triggers, member| {
        match text(properties, member.name()) {
            Some(arn) if keep(member, &arn) => triggers.with(member, &arn),
            _ => triggers,
        }
    })
}

/// The functions of this stack, and the key. The key may be a former one.
fn own_triggers(properties: &Value, stack: &Stack) -> Triggers {
    triggers(properties, |member, arn| member == LambdaConfigMember::Key || stack.has_function(arn))
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
    use crate::stack::tests::{ID, KEY, stack};

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
        id_of(&Memory { before, ..Memory::new(pool.to_owned()) })
    }

    fn id_of(memory: &Memory) -> String {
        stack(ID, "").ids().write(memory).expect("a short one")
    }

    #[track_caller]
    fn check(event: &Value, expected: &Result<Action, Malformed>) {
        let mut event = event.clone();
        event["StackId"] = json!(ID);
        assert_eq!(Action::read(&event, &stack(ID, "")), *expected, "{event}");
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
        let moved = id_of(&memory("a_1").moved("b_2"));
        check(&update(&moved, "b_2", "a_1"), &Ok(attach(memory("a_1"))));
        // The move to another pool failed, and is rolled back.
        check(&update(&id("a_1"), "b_2", "a_1"), &Ok(again(&Triggers::default(), &before)));
        let delete = |id: &str| json!({ "RequestType": "Delete", "PhysicalResourceId": id, "ResourceProperties": properties("a_1") });
        let detach = |before: Triggers| Action::Detach { pool: "a_1".to_owned(), ours: ours.clone(), before };
        let before_moving = before.clone();
        check(&delete(&id("a_1")), &Ok(detach(before.clone())));
        // CloudFormation generated this id because it got no response.
        check(&delete("triggers-AttachedTriggers-1A2B3C4D5E6F"), &Ok(detach(Triggers::default())));
        check(&delete(NOTHING), &Ok(Action::Nothing));
        // The stack moved away from a pool. Only an id that this stack wrote names it.
        let former = Action::Detach { pool: "b_2".to_owned(), ours: ours.clone(), before: before_moving };
        let mut request = delete(&id("b_2"));
        request["ResourceProperties"] = properties("b_2");
        check(&request, &Ok(former));
        request["PhysicalResourceId"] = json!(memory("b_2").text().expect("a short one"));
        check(&request, &Ok(Action::Nothing));
    }

    #[test]
    fn a_request_acts_on_nothing_that_is_not_this_stacks() {
        let evil = "arn:aws:lambda:us-east-1:999999999999:function:triggers-evil";
        for (name, value, problem) in [
            ("UserPoolId", "b_2", "UserPoolId must be the user pool of this stack"),
            ("PreSignUp", evil, "the functions must be those of this stack"),
            ("CustomMessage", THEIRS, "the functions must be those of this stack"),
            ("PreSignUp", "x; rm -rf /", "the functions must be those of this stack"),
            ("KMSKeyID", &KEY.replace("1234abcd", "9999abcd"), "KMSKeyID must be the key of this stack"),
        ] {
            let mut properties = properties("a_1");
            properties[name] = json!(value);
            for kind in ["Create", "Update"] {
                let event = json!({ "RequestType": kind, "ResourceProperties": properties });
                check(&event, &Err(Malformed(problem)));
            }
        }
        let create = json!({ "RequestType": "Create", "ResourceProperties": properties("a_1") });
        let other = ID.replace("0a1b2c3d", "99999999");
        for id in [json!(other), json!(""), Value::Null] {
            let mut create = create.clone();
            create["StackId"] = id;
            let problem = Malformed("StackId must be the stack of this function");
            assert_eq!(Action::read(&create, &stack(ID, "")), Err(problem));
        }
        // Functions that are not this stack's are not replaced as its former ones, and an id without a hash restores nothing.
        let memory = Memory {
            before: Triggers::default().with(LambdaConfigMember::Function(Trigger::PreSignUp), evil),
            ..Memory::new("a_1".to_owned())
        };
        let mut old = properties("a_1");
        old["PreSignUp"] = json!(THEIRS);
        let forged = json!({
            "RequestType": "Update",
            "PhysicalResourceId": memory.text().expect("a short one"),
            "ResourceProperties": properties("a_1"),
            "OldResourceProperties": old,
        });
        let (former, before) = (Triggers::default(), Triggers::default());
        check(&forged, &Ok(Action::AttachAgain { wanted: wanted("a_1"), former, before }));
        let forged = json!({
            "RequestType": "Delete",
            "PhysicalResourceId": memory.text().expect("a short one"),
            "ResourceProperties": old,
        });
        let (ours, before) = (Triggers::default(), Triggers::default());
        check(&forged, &Ok(Action::Detach { pool: "a_1".to_owned(), ours, before }));
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
        let read = |event| Caller::read(&event, &stack(ID, ""));
        assert!(read(json!({ "StackId": "stack" })).is_none());
        assert!(read(json!({ "ResponseURL": "https://example.com/" })).is_none());
        let url = "https://cloudformation-custom-resource-response-eucentral1.s3.amazonaws.com/a";
        let caller = read(json!({ "ResponseURL": url, "RequestId": 7 })).unwrap();
        assert_eq!((caller.stack_id.as_str(), caller.request_id.as_str()), ("", ""));
    }
}
