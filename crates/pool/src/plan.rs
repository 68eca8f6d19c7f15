//! What is to be changed in a user pool, decided without a call.

use std::fmt;

use serde_json::{Map, Value};

use crate::description::Description;
use crate::model::{self, UnknownFields};
use crate::triggers::{Slot, Triggers, arn_of};

const EMAIL_BY_COGNITO: &str = "the pool's e-mails go out through Cognito's own account (EmailSendingAccount is not \
                                DEVELOPER): Cognito then refuses e-mails of a CustomMessage function";

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
    /// Cognito sends the pool's e-mails through its own account, and takes none from a `CustomMessage` function then.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html>
    #[error("{EMAIL_BY_COGNITO}")]
    EmailByCognito,
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
    /// What was there before would get codes that it cannot read: the place is left empty.
    #[error("{arn} is not put back into {slot}: it needs another key than {key}, which stays")]
    AnotherKey {
        /// The slot.
        slot: Slot,
        /// What was there before.
        arn: String,
        /// The key that stays.
        key: String,
    },
    /// [`Refusal::EmailByCognito`], but ours is there already: a rollback must not fail because of it.
    #[error("{EMAIL_BY_COGNITO}")]
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
        if !pool.sends_email_itself() {
            draft.check_email(wanted, former);
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
        draft.leave_out_what_needs_another_key(before);
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

    /// Through its own account, Cognito sends no e-mail that a function wrote. A custom e-mail sender sends it instead.
    fn check_email(&mut self, wanted: &Triggers, former: &Triggers) {
        let slot = Slot::CustomMessage;
        if wanted.arn(slot).is_none() || self.then.arn(Slot::CustomEmailSender).is_some() {
            return;
        }
        if self.now.arn(slot).is_some_and(|arn| wanted.holds(slot, arn) || former.holds(slot, arn)) {
            self.remarks.push(Remark::EmailByCognito);
        } else {
            self.refusals.push(Refusal::EmailByCognito);
        }
    }

    /// A sender that is put back can read only what is encrypted with the key that it had.
    fn leave_out_what_needs_another_key(&mut self, before: &Triggers) {
        let (Some(had), Some(key)) = (before.arn(Slot::Key), self.then.arn(Slot::Key).map(str::to_owned))
        else {
            return;
        };
        if had == key {
            return;
        }
        for slot in Slot::ALL.into_iter().filter(|slot| slot.is_sender()) {
            let comes = self.then.arn(slot).filter(|arn| self.now.arn(slot) != Some(*arn));
            if let Some(arn) = comes.map(str::to_owned) {
                self.set(slot, None);
                self.remarks.push(Remark::AnotherKey { slot, arn, key: key.clone() });
            }
        }
    }

    /// The key that was there before comes back, unless a sender that came meanwhile needs ours.
    fn give_key_back(&mut self, ours: &Triggers, before: &Triggers) {
        if !self.now.arn(Slot::Key).is_some_and(|key| ours.holds(Slot::Key, key)) {
            return;
        }
        let was = before.value(Slot::Key).cloned();
        // A backup that was made with ours attached says nothing about a key that is ours.
        let ours_before = before.functions().any(|(slot, arn)| ours.holds(slot, arn));
        match self.staying_sender() {
            Some((slot, arn)) => self.remarks.push(Remark::KeyStays { slot, arn }),
            None if self.any_sender() && was.is_none() => {}
            None if self.any_sender() => self.set(Slot::Key, was),
            None => self.set(Slot::Key, was.filter(|key| !ours_before || arn_of(key) != ours.arn(Slot::Key))),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555";
    const OTHER_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555";

    fn arn(name: &str) -> String {
        format!("arn:aws:lambda:eu-central-1:123456789012:function:{name}")
    }

    fn pool(config: &Value) -> Description {
        let pool = json!({ "UserPool": {
            "Id": "eu-central-1_Example01",
            "Arn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01",
            "SmsConfiguration": { "SnsCallerArn": "arn:aws:iam::123456789012:role/sms" },
            "LambdaConfig": config,
        }});
        Description::parse(pool.to_string().as_bytes()).unwrap()
    }

    fn sender(name: &str) -> Value {
        json!({ "LambdaVersion": "V1_0", "LambdaArn": arn(name) })
    }

    /// Ours: pre-sign-up and the e-mail sender.
    fn ours() -> Triggers {
        Triggers::default()
            .with(Slot::PreSignUp, &arn("pre-sign-up"))
            .with(Slot::CustomEmailSender, &arn("email"))
            .with(Slot::Key, KEY)
    }

    fn attach(config: &Value, foreign: Foreign) -> Plan {
        Plan::attach(&pool(config), &ours(), &Triggers::default(), foreign)
    }

    fn config(plan: &Plan) -> Value {
        Value::Object(plan.after().lambda_config())
    }

    #[test]
    fn other_triggers_stay() {
        let plan = attach(&json!({ "PostConfirmation": arn("post"), "FutureTrigger": 1 }), Foreign::Refuse);
        let expected = json!({
            "PostConfirmation": arn("post"),
            "FutureTrigger": 1,
            "PreSignUp": arn("pre-sign-up"),
            "CustomEmailSender": sender("email"),
            "KMSKeyID": KEY,
        });
        assert_eq!((config(&plan), plan.refusals.len()), (expected, 0));
        assert_eq!(
            plan.changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                format!("PreSignUp: nothing -> {}", arn("pre-sign-up")),
                format!("CustomEmailSender: nothing -> {}", arn("email")),
                format!("KMSKeyID: nothing -> {KEY}"),
            ]
        );
    }

    #[test]
    fn the_version_alone_may_be_wrong() {
        let was = json!({ "LambdaVersion": "V0_9", "LambdaArn": arn("email"), "FutureMember": 1 });
        let plan = attach(&json!({ "CustomEmailSender": was }), Foreign::Refuse);
        assert_eq!(plan.refusals, []);
        assert_eq!(config(&plan)["CustomEmailSender"]["LambdaVersion"], "V1_0");
        assert_eq!(config(&plan)["CustomEmailSender"]["FutureMember"], 1);
        assert_eq!(
            plan.changes[1].to_string(),
            format!("CustomEmailSender: the version of {}", arn("email"))
        );
    }

    #[test]
    fn a_key_that_a_foreign_sender_needs_is_never_taken() {
        let was = json!({ "CustomSMSSender": sender("others"), "KMSKeyID": OTHER_KEY });
        for foreign in [Foreign::Refuse, Foreign::Replace] {
            let refusal = Refusal::KeyInUse {
                slot: Slot::CustomSmsSender,
                arn: arn("others"),
                key: OTHER_KEY.to_owned(),
            };
            assert_eq!(attach(&was, foreign).refusals, [refusal]);
        }
        let with_that_key = ours().with(Slot::Key, OTHER_KEY);
        let plan = Plan::attach(&pool(&was), &with_that_key, &Triggers::default(), Foreign::Refuse);
        assert_eq!((plan.refusals.len(), plan.changes.len()), (0, 2));
    }

    #[test]
    fn a_key_that_nobody_needs_is_changed() {
        let plan = attach(&json!({ "KMSKeyID": OTHER_KEY }), Foreign::Refuse);
        assert_eq!((plan.refusals.len(), &config(&plan)["KMSKeyID"]), (0, &json!(KEY)));
        let plan = attach(
            &json!({ "KMSKeyID": OTHER_KEY, "CustomEmailSender": sender("others") }),
            Foreign::Replace,
        );
        assert_eq!((plan.refusals.len(), &config(&plan)["KMSKeyID"]), (0, &json!(KEY)));
    }

    #[test]
    fn a_sender_without_a_key_is_refused() {
        let wanted = Triggers::default().with(Slot::CustomSmsSender, &arn("sms"));
        let plan = Plan::attach(&pool(&json!({})), &wanted, &Triggers::default(), Foreign::Refuse);
        assert_eq!(plan.refusals, [Refusal::NoKey]);
    }

    #[test]
    fn what_the_deployment_had_attached_before_goes() {
        let was =
            json!({ "PreSignUp": arn("pre-sign-up"), "CustomEmailSender": sender("email"), "KMSKeyID": KEY });
        let wanted = Triggers::default().with(Slot::PreSignUp, &arn("pre-sign-up-2"));
        let plan = Plan::attach(&pool(&was), &wanted, &ours(), Foreign::Refuse);
        assert_eq!((plan.refusals.len(), config(&plan)), (0, json!({ "PreSignUp": arn("pre-sign-up-2") })));
    }

    #[test]
    fn a_function_that_writes_the_same_messages_is_remarked_on() {
        let plan = attach(&json!({ "CustomMessage": arn("others") }), Foreign::Refuse);
        assert_eq!(plan.remarks, [Remark::Beside { slot: Slot::CustomMessage, arn: arn("others") }]);
        let wanted = Triggers::default().with(Slot::CustomMessage, &arn("message"));
        let was = json!({ "CustomEmailSender": sender("others"), "KMSKeyID": KEY });
        let plan = Plan::attach(&pool(&was), &wanted, &Triggers::default(), Foreign::Refuse);
        let beside = Remark::Beside { slot: Slot::CustomEmailSender, arn: arn("others") };
        assert_eq!((plan.remarks, plan.refusals), (vec![beside], vec![]));
    }

    #[test]
    fn a_function_must_not_write_the_e_mails_that_cognito_sends_through_its_own_account() {
        let message = Triggers::default().with(Slot::CustomMessage, &arn("message"));
        let old = Triggers::default().with(Slot::CustomMessage, &arn("message-1"));
        let plan = |now: &Value, wanted: &Triggers| {
            let plan = Plan::attach(&pool(now), wanted, &old, Foreign::Refuse);
            (plan.refusals, plan.remarks)
        };
        assert_eq!(plan(&json!({}), &message), (vec![Refusal::EmailByCognito], vec![]));
        for ours in ["message", "message-1"] {
            let now = json!({ "CustomMessage": arn(ours) });
            assert_eq!(plan(&now, &message), (vec![], vec![Remark::EmailByCognito]));
        }
        let both = ours().with(Slot::CustomMessage, &arn("message"));
        assert_eq!(plan(&json!({}), &both), (vec![], vec![]));
        let mut members = pool(&json!({})).members().clone();
        members.insert("EmailConfiguration".to_owned(), json!({ "EmailSendingAccount": "DEVELOPER" }));
        let through_ses = Description::parse(json!({ "UserPool": members }).to_string().as_bytes()).unwrap();
        assert_eq!(Plan::attach(&through_ses, &message, &old, Foreign::Refuse).refusals, []);
    }

    #[test]
    fn a_sender_whose_key_does_not_come_back_stays_off() {
        let now = json!({ "CustomEmailSender": sender("email"), "CustomSMSSender": sender("others"), "KMSKeyID": KEY });
        let before = Triggers::from_lambda_config(
            &json!({ "CustomEmailSender": sender("old"), "KMSKeyID": OTHER_KEY }),
        );
        let plan = Plan::detach(&pool(&now), &ours(), &before);
        assert_eq!(config(&plan), json!({ "CustomSMSSender": sender("others"), "KMSKeyID": KEY }));
        let stays = Remark::KeyStays { slot: Slot::CustomSmsSender, arn: arn("others") };
        let off = Remark::AnotherKey { slot: Slot::CustomEmailSender, arn: arn("old"), key: KEY.to_owned() };
        assert_eq!(plan.remarks, [stays, off]);
        let before = before.with(Slot::Key, KEY);
        assert_eq!(config(&Plan::detach(&pool(&now), &ours(), &before))["CustomEmailSender"], sender("old"));
    }

    #[test]
    fn a_key_that_is_ours_as_well_comes_back_with_the_sender_that_needs_it() {
        let ours = ours().with(Slot::CustomSmsSender, &arn("sms"));
        let before = Triggers::from_lambda_config(
            &json!({ "CustomEmailSender": sender("email"), "CustomSMSSender": sender("old"), "KMSKeyID": KEY }),
        );
        let plan = Plan::detach(&pool(&ours.to_lambda_config()), &ours, &before);
        assert_eq!(config(&plan), json!({ "CustomSMSSender": sender("old"), "KMSKeyID": KEY }));
    }

    #[test]
    fn detaching_leaves_what_others_put_there_meanwhile() {
        let now =
            json!({ "PreSignUp": arn("others"), "CustomEmailSender": sender("email"), "KMSKeyID": KEY });
        let before = Triggers::from_lambda_config(
            &json!({ "PreSignUp": arn("old"), "CustomEmailSender": sender("old"), "KMSKeyID": OTHER_KEY }),
        );
        let plan = Plan::detach(&pool(&now), &ours(), &before);
        let expected =
            json!({ "PreSignUp": arn("others"), "CustomEmailSender": sender("old"), "KMSKeyID": OTHER_KEY });
        assert_eq!(config(&plan), expected);
        assert_eq!(plan.remarks, [Remark::NotOurs { slot: Slot::PreSignUp, arn: arn("others") }]);
    }

    #[test]
    fn the_key_stays_for_a_sender_that_came_meanwhile() {
        let now = json!({ "CustomEmailSender": sender("email"), "CustomSMSSender": sender("others"), "KMSKeyID": KEY });
        let plan = Plan::detach(&pool(&now), &ours(), &Triggers::default());
        assert_eq!(config(&plan), json!({ "CustomSMSSender": sender("others"), "KMSKeyID": KEY }));
        assert_eq!(plan.remarks, [Remark::KeyStays { slot: Slot::CustomSmsSender, arn: arn("others") }]);
    }

    #[test]
    fn a_backup_that_was_made_with_ours_attached_does_not_bring_ours_back() {
        let before = ours();
        let plan = Plan::detach(&pool(&before.to_lambda_config()), &ours(), &before);
        assert_eq!(config(&plan), json!({}));
        // All of it is sent, for what is left out may be kept.
        assert_eq!(plan.update_request(UnknownFields::Refuse).unwrap()["LambdaConfig"], json!({}));
    }

    #[test]
    fn what_a_plan_needs_is_named() {
        let needs = attach(&json!({}), Foreign::Refuse).needs();
        let actions: Vec<_> = needs.iter().map(|(action, _)| *action).collect();
        assert_eq!(actions, ["cognito-idp:UpdateUserPool", "iam:PassRole", "kms:CreateGrant"]);
    }
}
