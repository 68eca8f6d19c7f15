//! What is to be changed in a user pool, decided without a call.

use std::fmt;

use serde_json::{Map, Value};

use crate::description::Description;
use crate::model::{self, UnknownFields};
use crate::triggers::{Slot, Triggers, arn_of};

/// What is to become of a function in our slots that is not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// Nothing is changed.
    #[default]
    Refuse,
    /// Ours takes its place.
    Replace,
}

/// The changes to one pool.
#[derive(Clone, Debug)]
pub struct Plan {
    before: Description,
    after: Description,
    /// What is different afterwards.
    pub changes: Vec<Change>,
    /// What forbids to carry the plan out.
    pub refusals: Vec<Refusal>,
    /// What stays as it is and is worth knowing.
    pub remarks: Vec<Remark>,
}

/// What happens to one slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The slot.
    pub slot: Slot,
    /// What is in it, as it stands in `LambdaConfig`.
    pub from: Option<Value>,
    /// What will be in it.
    pub to: Option<Value>,
}

/// Why a plan must not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// [`Foreign::Replace`] takes its place.
    #[error("{slot} holds another function: {arn}")]
    Occupied {
        /// The slot.
        slot: Slot,
        /// What is in it.
        arn: String,
    },
    /// Nothing overrides it: that function could not read its codes any more. Ours can use its key.
    #[error("{slot} holds another function, {arn}, whose codes are encrypted with {key}")]
    KeyInUse {
        /// The slot of the function that stays.
        slot: Slot,
        /// The function that stays.
        arn: String,
        /// The key that it needs.
        key: String,
    },
    /// A custom sender without a key: Cognito takes none.
    #[error("a custom sender needs a key, and none is given")]
    NoKey,
    /// [`UnknownFields`] overrides it.
    #[error("the user pool has settings that this version does not know: {}", .0.join(", "))]
    UnknownMembers(Vec<String>),
}

/// What stays as it is and is worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// A function beside ours that writes the same messages, or is asked before ours.
    #[error("{slot} holds {arn}, which is left there: it has to do with the same messages")]
    Beside {
        /// The slot.
        slot: Slot,
        /// What is in it.
        arn: String,
    },
    /// Somebody else took our place meanwhile.
    #[error("{slot} holds {arn}, which is not ours: it is left there")]
    NotOurs {
        /// The slot.
        slot: Slot,
        /// What is in it.
        arn: String,
    },
    /// The key stays, for a function needs it.
    #[error("KMSKeyID stays: {slot} holds {arn}, whose codes are encrypted with it")]
    KeyStays {
        /// The slot of the function.
        slot: Slot,
        /// The function.
        arn: String,
    },
    /// A custom message function must not write e-mails for this pool.
    #[error(
        "the pool's e-mails go out through Cognito's own account (EmailSendingAccount is not DEVELOPER): Cognito \
         then refuses e-mails of a CustomMessage function"
    )]
    EmailByCognito,
}

impl Change {
    /// The function or key that is in the slot.
    #[must_use]
    pub fn from_arn(&self) -> Option<&str> {
        self.from.as_ref().and_then(arn_of)
    }

    /// The function or key that will be in the slot.
    #[must_use]
    pub fn to_arn(&self) -> Option<&str> {
        self.to.as_ref().and_then(arn_of)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.slot;
        match (self.from_arn(), self.to_arn()) {
            (Some(from), Some(to)) if from == to => write!(formatter, "{slot}: the version of {to}"),
            (from, to) => {
                write!(formatter, "{slot}: {} -> {}", from.unwrap_or("nothing"), to.unwrap_or("nothing"))
            }
        }
    }
}

impl Plan {
    /// Puts `wanted` into its slots.
    ///
    /// `former` is what earlier versions of the same deployment attached and this one does not any more: it is taken
    /// off. A slot that holds anything else, and that nothing is wanted for, is left alone.
    #[must_use]
    pub fn attach(pool: &Description, wanted: &Triggers, former: &Triggers, foreign: Foreign) -> Self {
        let now = pool.triggers();
        let mut draft = Draft::new(&now);
        for slot in Slot::ALL.into_iter().filter(|slot| *slot != Slot::Key) {
            let current = now.arn(slot);
            match (wanted.value(slot), current) {
                (Some(value), None) => draft.set(slot, Some(value.clone())),
                (Some(value), Some(arn)) => {
                    if foreign == Foreign::Refuse && !wanted.holds(slot, arn) && !former.holds(slot, arn) {
                        draft.refusals.push(Refusal::Occupied { slot, arn: arn.to_owned() });
                    }
                    draft.set(slot, Some(merged(now.value(slot), value)));
                }
                (None, Some(arn)) if former.holds(slot, arn) => draft.set(slot, None),
                (None, Some(arn)) if beside(wanted, slot) => {
                    draft.remarks.push(Remark::Beside { slot, arn: arn.to_owned() });
                }
                (None, _) => {}
            }
        }
        draft.change_key(wanted, former);
        if wanted.arn(Slot::CustomMessage).is_some() && !pool.sends_email_itself() {
            draft.remarks.push(Remark::EmailByCognito);
        }
        draft.finish(pool)
    }

    /// Takes `ours` out of the slots and puts back what was there `before`; only where `ours` still is.
    #[must_use]
    pub fn detach(pool: &Description, ours: &Triggers, before: &Triggers) -> Self {
        let now = pool.triggers();
        let mut draft = Draft::new(&now);
        for (slot, arn) in now.functions() {
            if ours.holds(slot, arn) {
                let before = before.value(slot).filter(|value| arn_of(value) != ours.arn(slot));
                draft.set(slot, before.cloned());
            } else if ours.arn(slot).is_some() {
                draft.remarks.push(Remark::NotOurs { slot, arn: arn.to_owned() });
            }
        }
        draft.give_key_back(ours, before);
        draft.finish(pool)
    }

    /// The pool as it was read.
    #[must_use]
    pub fn before(&self) -> &Description {
        &self.before
    }

    /// The pool as it is to be afterwards.
    #[must_use]
    pub fn after(&self) -> &Description {
        &self.after
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The input of `UpdateUserPool` that makes the changes and keeps everything else.
    ///
    /// # Errors
    /// When the plan must not be carried out, or the pool has unknown members and `unknown` refuses them.
    pub fn update_request(&self, unknown: UnknownFields) -> Result<Value, Vec<Refusal>> {
        let refusals = self.refusals(unknown);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let mut request = Map::new();
        request.insert("UserPoolId".to_owned(), self.before.id().into());
        request.extend(model::settings(self.after.members(), unknown));
        Ok(Value::Object(request))
    }

    /// All that forbids to carry the plan out.
    #[must_use]
    pub fn refusals(&self, unknown: UnknownFields) -> Vec<Refusal> {
        let members: Vec<_> = self.before.unknown_members().map(str::to_owned).collect();
        let refused = unknown == UnknownFields::Refuse && !members.is_empty();
        self.refusals.iter().cloned().chain(refused.then_some(Refusal::UnknownMembers(members))).collect()
    }

    /// What whoever carries the plan out has to be allowed, each as an action and the resource it is about.
    ///
    /// Sources: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncognitouserpools.html>
    /// and, for the key,
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sender-triggers.html>
    #[must_use]
    pub fn needs(&self) -> Vec<(&'static str, String)> {
        let pool = [("cognito-idp:UpdateUserPool", self.before.arn().to_owned())];
        let roles = self.before.roles().into_iter().map(|role| ("iam:PassRole", role.to_owned()));
        let key = self.after.triggers().arn(Slot::Key).map(|key| ("kms:CreateGrant", key.to_owned()));
        pool.into_iter().chain(roles).chain(key).collect()
    }
}

/// A function in `slot` has to do with messages that a wanted function writes.
fn beside(wanted: &Triggers, slot: Slot) -> bool {
    let sender = wanted.functions().any(|(slot, _)| slot.is_sender());
    slot == Slot::CustomMessage && sender || slot.is_sender() && wanted.arn(Slot::CustomMessage).is_some()
}

/// `wanted`, with what else there is about the same function.
fn merged(current: Option<&Value>, wanted: &Value) -> Value {
    match (current, wanted) {
        (Some(Value::Object(current)), Value::Object(new))
            if current.get("LambdaArn") == new.get("LambdaArn") =>
        {
            let mut merged = current.clone();
            merged.extend(new.clone());
            Value::Object(merged)
        }
        _ => wanted.clone(),
    }
}

/// A plan in the making.
struct Draft<'a> {
    now: &'a Triggers,
    then: Triggers,
    refusals: Vec<Refusal>,
    remarks: Vec<Remark>,
}

impl<'a> Draft<'a> {
    fn new(now: &'a Triggers) -> Self {
        Self { now, then: now.clone(), refusals: Vec::new(), remarks: Vec::new() }
    }

    fn set(&mut self, slot: Slot, value: Option<Value>) {
        self.then.set(slot, value);
    }

    /// A custom sender that stays what it is, and so needs the key that it has.
    fn staying_sender(&self) -> Option<(Slot, String)> {
        let stays = |(slot, arn): &(Slot, &str)| slot.is_sender() && self.now.arn(*slot) == Some(*arn);
        self.then.functions().find(stays).map(|(slot, arn)| (slot, arn.to_owned()))
    }

    fn any_sender(&self) -> bool {
        self.then.functions().any(|(slot, _)| slot.is_sender())
    }

    /// The key goes with the senders: it may change only where each of them can read with the new one.
    fn change_key(&mut self, wanted: &Triggers, former: &Triggers) {
        let current = self.now.arn(Slot::Key);
        let Some(key) = wanted.value(Slot::Key) else {
            if wanted.functions().any(|(slot, _)| slot.is_sender()) {
                self.refusals.push(Refusal::NoKey);
            } else if current.is_some_and(|key| former.holds(Slot::Key, key)) && !self.any_sender() {
                self.set(Slot::Key, None);
            }
            return;
        };
        if let Some(current) = current.filter(|current| Some(*current) != arn_of(key)) {
            let foreign =
                self.then.functions().find(|(slot, arn)| slot.is_sender() && !wanted.holds(*slot, arn));
            if let Some((slot, arn)) = foreign {
                let (arn, key) = (arn.to_owned(), current.to_owned());
                self.refusals.push(Refusal::KeyInUse { slot, arn, key });
                return;
            }
        }
        self.set(Slot::Key, Some(key.clone()));
    }

    /// The key that was there before comes back, unless a sender that came meanwhile needs ours.
    fn give_key_back(&mut self, ours: &Triggers, before: &Triggers) {
        if !self.now.arn(Slot::Key).is_some_and(|key| ours.holds(Slot::Key, key)) {
            return;
        }
        let key = before.value(Slot::Key);
        match self.staying_sender() {
            Some((slot, arn)) => self.remarks.push(Remark::KeyStays { slot, arn }),
            None if self.any_sender() && key.is_some() => self.set(Slot::Key, key.cloned()),
            None if self.any_sender() => {}
            None => self.set(Slot::Key, key.filter(|key| arn_of(key) != ours.arn(Slot::Key)).cloned()),
        }
    }

    fn finish(self, pool: &Description) -> Plan {
        let mut config = pool.lambda_config();
        let mut changes = Vec::new();
        for slot in Slot::ALL {
            let (from, to) = (self.now.value(slot), self.then.value(slot));
            if from == to {
                continue;
            }
            changes.push(Change { slot, from: from.cloned(), to: to.cloned() });
            match to {
                Some(value) => config.insert(slot.member().to_owned(), value.clone()),
                None => config.shift_remove(slot.member()),
            };
        }
        let after = if changes.is_empty() { pool.clone() } else { pool.with_lambda_config(config) };
        Plan { before: pool.clone(), after, changes, refusals: self.refusals, remarks: self.remarks }
    }
}
