//! What was attached to the pool before, stored in the resource's physical id.
//!
//! CloudFormation sends the id with every later request, and keeps it exactly as long as the resource exists. A keyed hash
//! in the id proves that this function wrote it, because an attacker who may invoke the function could send another one.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use pool::triggers::{LambdaConfigMember, Triggers};
use pool::user_pool::UserPool;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use shared::arn::unqualified;

/// The id of a resource that has nothing to undo: deleting it needs no call, so it cannot fail.
pub const NOTHING: &str = "nothing-attached";

/// The key that proves that this function wrote an id. The template generates it in Secrets Manager.
#[derive(Clone)]
pub struct IdKey(Hmac<Sha256>);

/// 16 bytes of the hash in hexadecimal.
const TAG_LEN: usize = 32;

/// "can be up to 1 KB in size".
///
/// Source: "Custom resource response objects", AWS CloudFormation user guide.
const LONGEST_ID: usize = 1024;

/// What was attached to one pool before.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The pool's id.
    pub pool: String,
    /// What was attached before ours.
    pub before: Triggers,
    /// The same for the pool from which the resource moved here, because the move may be rolled back.
    pub from: Option<Box<Self>>,
}

/// The ARNs of the previous functions are too long for the id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ARNs of the functions that the user pool has now are too long to store for a later restore ({0} bytes, \
     at most {LONGEST_ID})"
)]
pub struct TooLong(usize);

impl Memory {
    /// Nothing is known to have been attached.
    #[must_use]
    pub fn new(pool: String) -> Self {
        Self { pool, before: Triggers::default(), from: None }
    }

    /// Records what is attached to the pool. If that is ours, an earlier record stays.
    ///
    /// All members are recorded, also those that are not wanted now: an update may want them later and must not change
    /// the id. The key is ours if an attached sender of ours uses it. Otherwise it is the owner's.
    pub fn record(&mut self, pool: &UserPool, ours: &Triggers) {
        let now = pool.triggers();
        // The whole value: it may include an event version.
        let (seen, known) = (now.to_lambda_config(), self.before.to_lambda_config());
        let our_sender = LambdaConfigMember::ALL
            .into_iter()
            .filter(|member| member.is_sender())
            .any(|member| is(member, &now, ours));
        let before: Map<_, _> = LambdaConfigMember::ALL
            .into_iter()
            .filter_map(|member| {
                let own = is(member, &now, ours) && (member != LambdaConfigMember::Key || our_sender);
                let source = if own { &known } else { &seen };
                Some((member.name().to_owned(), source.get(member.name())?.clone()))
            })
            .collect();
        self.before = Triggers::from_lambda_config(&Value::Object(before));
    }

    /// The memory as the physical id holds it behind its hash.
    ///
    /// # Errors
    /// When the id would be longer than CloudFormation accepts.
    pub fn text(&self) -> Result<String, TooLong> {
        let mut memory = self.to_json();
        if let (Some(members), Some(from)) = (memory.as_object_mut(), &self.from) {
            members.insert("from".to_owned(), from.to_json());
        }
        let memory = memory.to_string();
        let len = TAG_LEN + memory.len();
        if len <= LONGEST_ID { Ok(memory) } else { Err(TooLong(len)) }
    }

    fn to_json(&self) -> Value {
        json!({ "pool": self.pool, "before": self.before.to_lambda_config() })
    }

    /// Reads what [`Self::text`] wrote.
    fn from_text(text: &str) -> Option<Self> {
        let memory: Value = serde_json::from_str(text).ok()?;
        let from = memory.get("from").and_then(Self::from_json).map(Box::new);
        Some(Self { from, ..Self::from_json(&memory)? })
    }

    fn from_json(memory: &Value) -> Option<Self> {
        let before = memory.get("before").filter(|before| before.is_object())?;
        Some(Self {
            before: Triggers::from_lambda_config(before),
            ..Self::new(memory.get("pool")?.as_str()?.to_owned())
        })
    }

    /// The record for `pool` when the resource moves there. If the move goes back, it is the former record.
    #[must_use]
    pub fn moved(mut self, pool: &str) -> Self {
        match self.from.take() {
            Some(back) if back.pool == pool => *back,
            _ => Self { from: Some(Box::new(self)), ..Self::new(pool.to_owned()) },
        }
    }
}

impl FromStr for IdKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const PROBLEM: &str = "must have at least 32 characters";
        if text.len() < 32 {
            return Err(PROBLEM);
        }
        Hmac::new_from_slice(text.as_bytes()).map(Self).map_err(|_| PROBLEM)
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdKey(******)")
    }
}

impl IdKey {
    /// The physical id of a memory.
    ///
    /// # Errors
    /// When it is longer than CloudFormation accepts.
    pub fn write(&self, memory: &Memory) -> Result<String, TooLong> {
        let text = memory.text()?;
        let hash: [u8; 32] = self.hash(&text).finalize().into_bytes().into();
        let tag = hash.first_chunk().map_or(0, |tag| u128::from_be_bytes(*tag));
        Ok(format!("{tag:032x}{text}"))
    }

    /// Reads an id, `None` if [`Self::write`] did not write it with this key.
    #[must_use]
    pub fn read(&self, id: &str) -> Option<Memory> {
        let (tag, text) = id.split_at_checked(TAG_LEN)?;
        let tag = u128::from_str_radix(tag, 16).ok()?.to_be_bytes();
        self.hash(text).verify_truncated_left(&tag).ok()?;
        Memory::from_text(text)
    }

    fn hash(&self, text: &str) -> Hmac<Sha256> {
        let mut hash = self.0.clone();
        hash.update(text.as_bytes());
        hash
    }
}

/// Whether both have the same function or key in a member; versions and aliases count as one.
pub(crate) fn is(member: LambdaConfigMember, one: &Triggers, other: &Triggers) -> bool {
    one.arn(member).zip(other.arn(member)).is_some_and(|(one, other)| unqualified(one) == unqualified(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:";
    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn id_key() -> IdKey {
        "a key of thirty-two characters or more".parse().unwrap()
    }

    fn all(name: &str, key: &str) -> Triggers {
        LambdaConfigMember::ALL.into_iter().fold(Triggers::default(), |triggers, member| {
            triggers.with(
                member,
                &if member == LambdaConfigMember::Key { key.to_owned() } else { format!("{FUNCTION}{name}") },
            )
        })
    }

    fn pool(triggers: &Triggers) -> UserPool {
        let answer = json!({ "UserPool": {
            "Id": "eu-central-1_Example01",
            "Arn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01",
            "LambdaConfig": triggers.to_lambda_config(),
        } });
        UserPool::parse(answer.to_string().as_bytes()).expect("a pool")
    }

    #[test]
    fn a_memory_is_written_and_read() {
        let memory =
            Memory { before: all("theirs", KEY), ..Memory::new("eu-central-1_Example01".to_owned()) };
        let id = id_key().write(&memory).unwrap();
        assert!(id.is_ascii() && !id.contains(' '));
        assert_eq!(id_key().read(&id), Some(memory.clone()));
        let moved = memory.clone().moved("eu-central-1_Example02");
        let id = id_key().write(&moved).unwrap();
        assert_eq!(id_key().read(&id), Some(moved.clone()));
        assert_eq!(moved.clone().moved("eu-central-1_Example01"), memory, "back again");
        let third = moved.moved("eu-central-1_Example03");
        assert_eq!(third.from.unwrap().from, None, "one step, because CloudFormation rolls back only one");
    }

    #[test]
    fn function_names_of_usual_length_fit_and_the_longest_do_not() {
        let before = |name: &str| Memory {
            before: all(name, KEY),
            ..Memory::new("eu-central-1_Example01".to_owned())
        };
        // A function made by CloudFormation: stack, logical id, 12 characters.
        assert!(before("a-stack-of-some-name-CustomEmailSenderFunction-1A2B3C4D5E6F").text().is_ok());
        assert!(before(&"f".repeat(140)).text().is_err());
    }

    #[test]
    fn an_id_that_this_stack_did_not_write_is_not_read() {
        let memory =
            Memory { before: all("theirs", KEY), ..Memory::new("eu-central-1_Example01".to_owned()) };
        let id = id_key().write(&memory).unwrap();
        let other: IdKey = "another key of at least 32 characters".parse().unwrap();
        assert_eq!(other.read(&id), None);
        assert_eq!(id_key().read(&id.replace("theirs", "evil!!")), None);
        assert_eq!(id_key().read(&memory.text().unwrap()), None, "without a hash");
        assert_eq!(id_key().read(&format!("{:032x}{}", 0, memory.text().unwrap())), None);
        assert!("short".parse::<IdKey>().is_err());
    }

    #[test]
    fn our_functions_are_never_recorded_as_previous() {
        let (ours, theirs) = (all("ours", KEY), all("theirs", KEY.replace("key/1", "key/2").as_str()));
        let mut memory = Memory::new(String::new());
        memory.record(&pool(&ours), &ours);
        assert_eq!(memory.before, Triggers::default(), "the first delivery's response was lost");
        memory.record(&pool(&theirs), &ours);
        assert_eq!(memory.before, theirs);
        memory.record(&pool(&ours), &ours);
        assert_eq!(memory.before, theirs, "the earlier record stays");
        let newer = json!({ "CustomEmailSender": { "LambdaArn": "arn:theirs", "LambdaVersion": "V2_0" } });
        memory.record(&pool(&Triggers::from_lambda_config(&newer)), &ours);
        assert_eq!(memory.before.to_lambda_config(), newer, "with all its members");
        memory.record(&pool(&Triggers::default()), &ours);
        assert_eq!(memory.before, Triggers::default(), "they were detached since");
    }

    #[test]
    fn the_owners_key_is_recorded_although_our_senders_use_it() {
        let (ours, key) = (all("ours", KEY), Triggers::default().with(LambdaConfigMember::Key, KEY));
        let mut memory = Memory::new(String::new());
        memory.record(&pool(&key), &ours);
        assert_eq!(memory.before, key);
        memory.record(&pool(&ours), &ours);
        assert_eq!(memory.before, key, "the earlier record stays");
    }

    proptest! {
        #[test]
        fn another_id_is_not_a_memory_and_never_panics(id in ".*") {
            prop_assert_eq!(id_key().read(&id), None);
        }
    }
}
