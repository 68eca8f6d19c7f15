//! What was in the pool before, kept where CloudFormation keeps it for us: in the resource's physical id.
//!
//! The id is told again with every later request, and lives exactly as long as what it has to be remembered for.

use pool::description::Description;
use pool::triggers::{Slot, Triggers};
use serde_json::{Map, Value, json};
use shared::arn::unqualified;

/// The id of a resource that has nothing to undo: deleting it calls nobody, so it cannot fail.
pub const NOTHING: &str = "nothing-attached";

/// "can be up to 1 KB in size".
///
/// Source: "Custom resource response objects", AWS CloudFormation user guide.
const LONGEST_ID: usize = 1024;

/// What was in our slots of one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The pool's id.
    pub pool: String,
    /// What was there before the first of ours.
    pub before: Triggers,
    /// What is remembered of the pool from which the resource moved here, for as long as the move may be rolled back.
    pub from: Option<Box<Self>>,
}

/// The names of the functions that were there are too long to be remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is attached to the pool now has names too long to be remembered ({0} bytes of {LONGEST_ID})")]
pub struct TooLong(usize);

impl Memory {
    /// Nothing was there, as far as is known.
    #[must_use]
    pub fn new(pool: String) -> Self {
        Self { pool, before: Triggers::default(), from: None }
    }

    /// Notes what is in the pool. Where that is ours already, an earlier look knows better.
    ///
    /// All slots are noted, those too that are not wanted now: an update may want them later, and must not change
    /// the id. The key is ours where a sender of ours reads with it: it may have been the owner's before.
    pub fn note(&mut self, pool: &Description, ours: &Triggers) {
        let now = pool.triggers();
        // As it stands there: a version of the events may belong to it.
        let (seen, known) = (now.to_lambda_config(), self.before.to_lambda_config());
        let our_sender =
            Slot::ALL.into_iter().filter(|slot| slot.is_sender()).any(|slot| is(slot, &now, ours));
        let before: Map<_, _> = Slot::ALL
            .into_iter()
            .filter_map(|slot| {
                let own = is(slot, &now, ours) && (slot != Slot::Key || our_sender);
                let source = if own { &known } else { &seen };
                Some((slot.member().to_owned(), source.get(slot.member())?.clone()))
            })
            .collect();
        self.before = Triggers::from_lambda_config(&Value::Object(before));
    }

    /// The id that says all this.
    ///
    /// # Errors
    /// When CloudFormation would not take it.
    pub fn to_id(&self) -> Result<String, TooLong> {
        let mut id = self.to_json();
        if let (Some(members), Some(from)) = (id.as_object_mut(), &self.from) {
            members.insert("from".to_owned(), from.to_json());
        }
        let id = id.to_string();
        if id.len() <= LONGEST_ID { Ok(id) } else { Err(TooLong(id.len())) }
    }

    fn to_json(&self) -> Value {
        json!({ "pool": self.pool, "before": self.before.to_lambda_config() })
    }

    /// Reads an id; `None` for one that is not of [`Self::to_id`].
    #[must_use]
    pub fn read(id: &str) -> Option<Self> {
        let memory: Value = serde_json::from_str(id).ok()?;
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

    /// What to remember of `pool` when the resource moves there: this one, or what is known already where the move
    /// goes back.
    #[must_use]
    pub fn moved(mut self, pool: &str) -> Self {
        match self.from.take() {
            Some(back) if back.pool == pool => *back,
            _ => Self { from: Some(Box::new(self)), ..Self::new(pool.to_owned()) },
        }
    }
}

/// Whether both have the same function or key in a slot; versions and aliases count as one.
pub(crate) fn is(slot: Slot, one: &Triggers, other: &Triggers) -> bool {
    one.arn(slot).zip(other.arn(slot)).is_some_and(|(one, other)| unqualified(one) == unqualified(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:";
    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn all(name: &str, key: &str) -> Triggers {
        Slot::ALL.into_iter().fold(Triggers::default(), |triggers, slot| {
            triggers.with(slot, &if slot == Slot::Key { key.to_owned() } else { format!("{FUNCTION}{name}") })
        })
    }

    fn pool(triggers: &Triggers) -> Description {
        let answer = json!({ "UserPool": {
            "Id": "eu-central-1_Example01",
            "Arn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01",
            "LambdaConfig": triggers.to_lambda_config(),
        } });
        Description::parse(answer.to_string().as_bytes()).expect("a pool")
    }

    #[test]
    fn what_is_remembered_comes_back() {
        let memory =
            Memory { before: all("theirs", KEY), ..Memory::new("eu-central-1_Example01".to_owned()) };
        let id = memory.to_id().unwrap();
        assert!(id.is_ascii() && !id.contains(' '));
        assert_eq!(Memory::read(&id), Some(memory.clone()));
        let moved = memory.clone().moved("eu-central-1_Example02");
        let id = moved.to_id().unwrap();
        assert_eq!(Memory::read(&id), Some(moved.clone()));
        assert_eq!(moved.clone().moved("eu-central-1_Example01"), memory, "back again");
        let third = moved.moved("eu-central-1_Example03");
        assert_eq!(third.from.unwrap().from, None, "one step, for that is all that is rolled back");
    }

    #[test]
    fn names_of_usual_length_fit_and_the_longest_do_not() {
        let before = |name: &str| Memory {
            before: all(name, KEY),
            ..Memory::new("eu-central-1_Example01".to_owned())
        };
        // A function made by CloudFormation: stack, logical id, 12 characters.
        assert!(before("a-stack-of-some-name-CustomEmailSenderFunction-1A2B3C4D5E6F").to_id().is_ok());
        assert!(before(&"f".repeat(140)).to_id().is_err());
    }

    #[test]
    fn ours_is_never_what_was_there_before() {
        let (ours, theirs) = (all("ours", KEY), all("theirs", KEY.replace("key/1", "key/2").as_str()));
        let mut memory = Memory::new(String::new());
        memory.note(&pool(&ours), &ours);
        assert_eq!(memory.before, Triggers::default(), "the first delivery's answer was lost");
        memory.note(&pool(&theirs), &ours);
        assert_eq!(memory.before, theirs);
        memory.note(&pool(&ours), &ours);
        assert_eq!(memory.before, theirs, "an earlier look knows better");
        let newer = json!({ "CustomEmailSender": { "LambdaArn": "arn:theirs", "LambdaVersion": "V2_0" } });
        memory.note(&pool(&Triggers::from_lambda_config(&newer)), &ours);
        assert_eq!(memory.before.to_lambda_config(), newer, "with all that belongs to it");
        memory.note(&pool(&Triggers::default()), &ours);
        assert_eq!(memory.before, Triggers::default(), "somebody took them off meanwhile");
    }

    #[test]
    fn the_owners_key_is_the_owners_though_ours_use_it() {
        let (ours, key) = (all("ours", KEY), Triggers::default().with(Slot::Key, KEY));
        let mut memory = Memory::new(String::new());
        memory.note(&pool(&key), &ours);
        assert_eq!(memory.before, key);
        memory.note(&pool(&ours), &ours);
        assert_eq!(memory.before, key, "an earlier look knows better");
    }

    proptest! {
        #[test]
        fn an_id_that_is_not_ours_is_no_memory_and_no_panic(id in ".*") {
            prop_assert!(Memory::read(&id).is_none_or(|memory| memory.to_id().is_ok()));
        }
    }
}
