//! What to change in a user pool, decided without a call.

use std::fmt;

use serde_json::{Map, Value};
use shared::trigger::Trigger;

use crate::model::{self, UnknownFields};
use crate::triggers::{LambdaConfigMember, Triggers, arn_of};
use crate::user_pool::UserPool;

const EMAIL_BY_COGNITO: &str = "the user pool uses the default email configuration (EmailSendingAccount is not \
                                DEVELOPER), and Cognito then rejects emails that a CustomMessage function \
                                writes";

/// What to do if a wanted Lambda trigger already points to another function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Change nothing.
    #[default]
    Refuse,
    /// Replace it.
    Replace,
}

/// The changes to one pool.
#[derive(Clone, Debug)]
pub struct Plan {
    before: UserPool,
    after: UserPool,
    /// The members that change.
    pub changes: Vec<Change>,
    /// Why the plan must not be applied.
    pub refusals: Vec<Refusal>,
    /// Facts for the operator that the plan does not change.
    pub remarks: Vec<Remark>,
}

/// The change of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The member.
    pub member: LambdaConfigMember,
    /// Its current value in `LambdaConfig`.
    pub from: Option<Value>,
    /// Its value afterwards.
    pub to: Option<Value>,
}

/// Why a plan must not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another function is attached. [`OnConflict::Replace`] overrides it.
    #[error("{member} already points to another function: {arn}")]
    Occupied {
        /// The member.
        member: LambdaConfigMember,
        /// The attached function.
        arn: String,
    },
    /// Nothing overrides it: with another key, that function could no longer decrypt its codes. Ours can use its key.
    #[error("{member} already points to another function, {arn}, whose codes are encrypted with {key}")]
    KeyInUse {
        /// The member of the function that stays.
        member: LambdaConfigMember,
        /// The function that stays.
        arn: String,
        /// The key that it needs.
        key: String,
    },
    /// A custom sender without a key, which Cognito rejects.
    #[error("a custom sender needs a KMS key (KMSKeyID), and the stack has none")]
    NoKey,
    /// With the default email configuration, Cognito rejects email of a `CustomMessage` function.
    ///
    /// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html>
    #[error("{EMAIL_BY_COGNITO}")]
    EmailByCognito,
    /// [`UnknownFields`] overrides it.
    #[error("the user pool has settings that this version does not support: {}", .0.join(", "))]
    UnknownMembers(Vec<String>),
}

/// A fact about the pool that the plan does not change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// Another function handles the same messages as ours.
    #[error("{member} points to {arn}, which stays attached and handles the same messages")]
    Beside {
        /// The member.
        member: LambdaConfigMember,
        /// The attached function.
        arn: String,
    },
    /// Another function replaced ours.
    #[error("{member} points to {arn}, which is not a function of this stack and stays attached")]
    NotOurs {
        /// The member.
        member: LambdaConfigMember,
        /// The attached function.
        arn: String,
    },
    /// The key stays because a function needs it.
    #[error(
        "KMSKeyID stays unchanged, because {member} points to {arn}, whose codes are encrypted with this key"
    )]
    KeyStays {
        /// The member of the function.
        member: LambdaConfigMember,
        /// The function.
        arn: String,
    },
    /// The previous function could not decrypt its codes: it is not restored.
    #[error(
        "{member} is not restored to {arn}, because this function needs another key than {key}, which stays"
    )]
    AnotherKey {
        /// The member.
        member: LambdaConfigMember,
        /// The previous function.
        arn: String,
        /// The key that stays.
        key: String,
    },
    /// [`Refusal::EmailByCognito`], but ours is already attached: a rollback must not fail because of it.
    #[error("{EMAIL_BY_COGNITO}")]
    EmailByCognito,
}

impl Change {
    /// The current function or key.
    #[must_use]
    pub fn from_arn(&self) -> Option<&str> {
        self.from.as_ref().and_then(arn_of)
    }

    /// The function or key afterwards.
    #[must_use]
    pub fn to_arn(&self) -> Option<&str> {
        self.to.as_ref().and_then(arn_of)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = self.member;
        match (self.from_arn(), self.to_arn()) {
            (Some(from), Some(to)) if from == to => write!(formatter, "{member}: the version of {to}"),
            (from, to) => {
                write!(formatter, "{member}: {} -> {}", from.unwrap_or("nothing"), to.unwrap_or("nothing"))
            }
        }
    }
}

impl Plan {
    /// Attaches `wanted`.
    ///
    /// `former` is what earlier versions of the same stack attached: it is detached if this version does not want it.
    /// All other members stay as they are.
    #[must_use]
    pub fn attach(pool: &UserPool, wanted: &Triggers, former: &Triggers, on_conflict: OnConflict) -> Self {
        let now = pool.triggers();
        let mut builder = PlanBuilder::new(&now);
        for member in LambdaConfigMember::ALL.into_iter().filter(|member| *member != LambdaConfigMember::Key)
        {
            let current = now.arn(member);
            match (wanted.value(member), current) {
                (Some(value), None) => builder.set(member, Some(value.clone())),
                (Some(value), Some(arn)) => {
                    if on_conflict == OnConflict::Refuse
                        && !wanted.holds(member, arn)
                        && !former.holds(member, arn)
                    {
                        builder.refusals.push(Refusal::Occupied { member, arn: arn.to_owned() });
                    }
                    builder.set(member, Some(merged(now.value(member), value)));
                }
                (None, Some(arn)) if former.holds(member, arn) => builder.set(member, None),
                (None, Some(arn)) if beside(wanted, member) => {
                    builder.remarks.push(Remark::Beside { member, arn: arn.to_owned() });
                }
                (None, _) => {}
            }
        }
        builder.change_key(wanted, former);
        if !pool.sends_email_through_ses() {
            builder.check_email(wanted, former);
        }
        builder.build(pool)
    }

    /// Detaches `ours` and restores what was attached `before`, except for members that no longer point to `ours`.
    #[must_use]
    pub fn detach(pool: &UserPool, ours: &Triggers, before: &Triggers) -> Self {
        let now = pool.triggers();
        let mut builder = PlanBuilder::new(&now);
        for (member, arn) in now.functions() {
            if ours.holds(member, arn) {
                let before = before.value(member).filter(|value| arn_of(value) != ours.arn(member));
                builder.set(member, before.cloned());
            } else if ours.arn(member).is_some() {
                builder.remarks.push(Remark::NotOurs { member, arn: arn.to_owned() });
            }
        }
        builder.restore_key(ours, before);
        builder.skip_senders_with_another_key(before);
        builder.build(pool)
    }

    /// The pool as it was read.
    #[must_use]
    pub fn before(&self) -> &UserPool {
        &self.before
    }

    /// The pool as it should be afterwards.
    #[must_use]
    pub fn after(&self) -> &UserPool {
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
    /// When the plan must not be applied, or the pool has unknown members and `unknown` refuses them.
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

    /// Every reason why the plan must not be applied.
    #[must_use]
    pub fn refusals(&self, unknown: UnknownFields) -> Vec<Refusal> {
        let members: Vec<_> = self.before.unknown_members().map(str::to_owned).collect();
        let refused = unknown == UnknownFields::Refuse && !members.is_empty();
        self.refusals.iter().cloned().chain(refused.then_some(Refusal::UnknownMembers(members))).collect()
    }

    /// The permissions that the plan needs: pairs of action and resource.
    ///
    /// Sources: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncognitouserpools.html>
    /// and, for the key,
    /// <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sender-triggers.html>
    #[must_use]
    pub fn needs(&self) -> Vec<(&'static str, String)> {
        let pool = [("cognito-idp:UpdateUserPool", self.before.arn().to_owned())];
        let roles = self.before.roles().into_iter().map(|role| ("iam:PassRole", role.to_owned()));
        let key =
            self.after.triggers().arn(LambdaConfigMember::Key).map(|key| ("kms:CreateGrant", key.to_owned()));
        pool.into_iter().chain(roles).chain(key).collect()
    }
}

/// Whether a function in `member` handles the same messages as a wanted function.
fn beside(wanted: &Triggers, member: LambdaConfigMember) -> bool {
    let sender = wanted.functions().any(|(member, _)| member.is_sender());
    member == LambdaConfigMember::Function(Trigger::CustomMessage) && sender
        || member.is_sender() && wanted.arn(LambdaConfigMember::Function(Trigger::CustomMessage)).is_some()
}

/// `wanted`, with the other members of the same function.
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

/// Collects the changes of a plan.
struct PlanBuilder<'a> {
    now: &'a Triggers,
    then: Triggers,
    refusals: Vec<Refusal>,
    remarks: Vec<Remark>,
}

impl<'a> PlanBuilder<'a> {
    fn new(now: &'a Triggers) -> Self {
        Self { now, then: now.clone(), refusals: Vec::new(), remarks: Vec::new() }
    }

    fn set(&mut self, member: LambdaConfigMember, value: Option<Value>) {
        self.then.set(member, value);
    }

    /// A custom sender that stays attached, and so needs the current key.
    fn staying_sender(&self) -> Option<(LambdaConfigMember, String)> {
        let stays = |(member, arn): &(LambdaConfigMember, &str)| {
            member.is_sender() && self.now.arn(*member) == Some(*arn)
        };
        self.then.functions().find(stays).map(|(member, arn)| (member, arn.to_owned()))
    }

    fn any_sender(&self) -> bool {
        self.then.functions().any(|(member, _)| member.is_sender())
    }

    /// The key may change only if each attached sender can decrypt with the new one.
    fn change_key(&mut self, wanted: &Triggers, former: &Triggers) {
        let current = self.now.arn(LambdaConfigMember::Key);
        let Some(key) = wanted.value(LambdaConfigMember::Key) else {
            if wanted.functions().any(|(member, _)| member.is_sender()) {
                self.refusals.push(Refusal::NoKey);
            } else if current.is_some_and(|key| former.holds(LambdaConfigMember::Key, key))
                && !self.any_sender()
            {
                self.set(LambdaConfigMember::Key, None);
            }
            return;
        };
        if let Some(current) = current.filter(|current| Some(*current) != arn_of(key)) {
            let other_sender =
                self.then.functions().find(|(member, arn)| member.is_sender() && !wanted.holds(*member, arn));
            if let Some((member, arn)) = other_sender {
                let (arn, key) = (arn.to_owned(), current.to_owned());
                self.refusals.push(Refusal::KeyInUse { member, arn, key });
                return;
            }
        }
        self.set(LambdaConfigMember::Key, Some(key.clone()));
    }

    /// With the default email configuration, Cognito rejects email that a function wrote. A custom email sender sends it
    /// instead.
    fn check_email(&mut self, wanted: &Triggers, former: &Triggers) {
        let member = LambdaConfigMember::Function(Trigger::CustomMessage);
        if wanted.arn(member).is_none()
            || self.then.arn(LambdaConfigMember::Function(Trigger::CustomEmailSender)).is_some()
        {
            return;
        }
        if self.now.arn(member).is_some_and(|arn| wanted.holds(member, arn) || former.holds(member, arn)) {
            self.remarks.push(Remark::EmailByCognito);
        } else {
            self.refusals.push(Refusal::EmailByCognito);
        }
    }

    /// A restored sender can decrypt only with its previous key.
    fn skip_senders_with_another_key(&mut self, before: &Triggers) {
        let (Some(had), Some(key)) =
            (before.arn(LambdaConfigMember::Key), self.then.arn(LambdaConfigMember::Key).map(str::to_owned))
        else {
            return;
        };
        if had == key {
            return;
        }
        for member in LambdaConfigMember::ALL.into_iter().filter(|member| member.is_sender()) {
            let comes = self.then.arn(member).filter(|arn| self.now.arn(member) != Some(*arn));
            if let Some(arn) = comes.map(str::to_owned) {
                self.set(member, None);
                self.remarks.push(Remark::AnotherKey { member, arn, key: key.clone() });
            }
        }
    }

    /// Restores the previous key, unless a sender that was attached since needs ours.
    fn restore_key(&mut self, ours: &Triggers, before: &Triggers) {
        if !self.now.arn(LambdaConfigMember::Key).is_some_and(|key| ours.holds(LambdaConfigMember::Key, key))
        {
            return;
        }
        let was = before.value(LambdaConfigMember::Key).cloned();
        // A backup that was made with our functions attached does not show who owns the key.
        let ours_before = before.functions().any(|(member, arn)| ours.holds(member, arn));
        match self.staying_sender() {
            Some((member, arn)) => self.remarks.push(Remark::KeyStays { member, arn }),
            None if self.any_sender() && was.is_none() => {}
            None if self.any_sender() => self.set(LambdaConfigMember::Key, was),
            None => self.set(
                LambdaConfigMember::Key,
                was.filter(|key| !ours_before || arn_of(key) != ours.arn(LambdaConfigMember::Key)),
            ),
        }
    }

    fn build(self, pool: &UserPool) -> Plan {
        let mut config = pool.lambda_config();
        let mut changes = Vec::new();
        for member in LambdaConfigMember::ALL {
            let (from, to) = (self.now.value(member), self.then.value(member));
            if from == to {
                continue;
            }
            changes.push(Change { member, from: from.cloned(), to: to.cloned() });
            match to {
                Some(value) => config.insert(member.name().to_owned(), value.clone()),
                None => config.shift_remove(member.name()),
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

    fn pool(config: &Value) -> UserPool {
        let pool = json!({ "UserPool": {
            "Id": "eu-central-1_Example01",
            "Arn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01",
            "SmsConfiguration": { "SnsCallerArn": "arn:aws:iam::123456789012:role/sms" },
            "LambdaConfig": config,
        }});
        UserPool::parse(pool.to_string().as_bytes()).unwrap()
    }

    fn sender(name: &str) -> Value {
        json!({ "LambdaVersion": "V1_0", "LambdaArn": arn(name) })
    }

    /// Ours: pre-sign-up and the email sender.
    fn ours() -> Triggers {
        Triggers::default()
            .with(LambdaConfigMember::Function(Trigger::PreSignUp), &arn("pre-sign-up"))
            .with(LambdaConfigMember::Function(Trigger::CustomEmailSender), &arn("email"))
            .with(LambdaConfigMember::Key, KEY)
    }

    fn attach(config: &Value, on_conflict: OnConflict) -> Plan {
        Plan::attach(&pool(config), &ours(), &Triggers::default(), on_conflict)
    }

    fn config(plan: &Plan) -> Value {
        Value::Object(plan.after().lambda_config())
    }

    #[test]
    fn other_triggers_stay() {
        let plan =
            attach(&json!({ "PostConfirmation": arn("post"), "FutureTrigger": 1 }), OnConflict::Refuse);
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
        let plan = attach(&json!({ "CustomEmailSender": was }), OnConflict::Refuse);
        assert_eq!(plan.refusals, []);
        assert_eq!(config(&plan)["CustomEmailSender"]["LambdaVersion"], "V1_0");
        assert_eq!(config(&plan)["CustomEmailSender"]["FutureMember"], 1);
        assert_eq!(
            plan.changes[1].to_string(),
            format!("CustomEmailSender: the version of {}", arn("email"))
        );
    }

    #[test]
    fn a_key_that_another_sender_needs_is_never_replaced() {
        let was = json!({ "CustomSMSSender": sender("others"), "KMSKeyID": OTHER_KEY });
        for on_conflict in [OnConflict::Refuse, OnConflict::Replace] {
            let refusal = Refusal::KeyInUse {
                member: LambdaConfigMember::Function(Trigger::CustomSmsSender),
                arn: arn("others"),
                key: OTHER_KEY.to_owned(),
            };
            assert_eq!(attach(&was, on_conflict).refusals, [refusal]);
        }
        let with_that_key = ours().with(LambdaConfigMember::Key, OTHER_KEY);
        let plan = Plan::attach(&pool(&was), &with_that_key, &Triggers::default(), OnConflict::Refuse);
        assert_eq!((plan.refusals.len(), plan.changes.len()), (0, 2));
    }

    #[test]
    fn a_key_that_no_other_sender_needs_is_replaced() {
        let plan = attach(&json!({ "KMSKeyID": OTHER_KEY }), OnConflict::Refuse);
        assert_eq!((plan.refusals.len(), &config(&plan)["KMSKeyID"]), (0, &json!(KEY)));
        let plan = attach(
            &json!({ "KMSKeyID": OTHER_KEY, "CustomEmailSender": sender("others") }),
            OnConflict::Replace,
        );
        assert_eq!((plan.refusals.len(), &config(&plan)["KMSKeyID"]), (0, &json!(KEY)));
    }

    #[test]
    fn a_sender_without_a_key_is_refused() {
        let wanted =
            Triggers::default().with(LambdaConfigMember::Function(Trigger::CustomSmsSender), &arn("sms"));
        let plan = Plan::attach(&pool(&json!({})), &wanted, &Triggers::default(), OnConflict::Refuse);
        assert_eq!(plan.refusals, [Refusal::NoKey]);
    }

    #[test]
    fn former_functions_of_the_stack_are_detached() {
        let was =
            json!({ "PreSignUp": arn("pre-sign-up"), "CustomEmailSender": sender("email"), "KMSKeyID": KEY });
        let wanted =
            Triggers::default().with(LambdaConfigMember::Function(Trigger::PreSignUp), &arn("pre-sign-up-2"));
        let plan = Plan::attach(&pool(&was), &wanted, &ours(), OnConflict::Refuse);
        assert_eq!((plan.refusals.len(), config(&plan)), (0, json!({ "PreSignUp": arn("pre-sign-up-2") })));
    }

    #[test]
    fn a_function_that_handles_the_same_messages_is_named() {
        let plan = attach(&json!({ "CustomMessage": arn("others") }), OnConflict::Refuse);
        assert_eq!(
            plan.remarks,
            [Remark::Beside {
                member: LambdaConfigMember::Function(Trigger::CustomMessage),
                arn: arn("others")
            }]
        );
        let wanted =
            Triggers::default().with(LambdaConfigMember::Function(Trigger::CustomMessage), &arn("message"));
        let was = json!({ "CustomEmailSender": sender("others"), "KMSKeyID": KEY });
        let plan = Plan::attach(&pool(&was), &wanted, &Triggers::default(), OnConflict::Refuse);
        let beside = Remark::Beside {
            member: LambdaConfigMember::Function(Trigger::CustomEmailSender),
            arn: arn("others"),
        };
        assert_eq!((plan.remarks, plan.refusals), (vec![beside], vec![]));
    }

    #[test]
    fn a_function_must_not_write_email_with_the_default_email_configuration() {
        let message =
            Triggers::default().with(LambdaConfigMember::Function(Trigger::CustomMessage), &arn("message"));
        let old =
            Triggers::default().with(LambdaConfigMember::Function(Trigger::CustomMessage), &arn("message-1"));
        let plan = |now: &Value, wanted: &Triggers| {
            let plan = Plan::attach(&pool(now), wanted, &old, OnConflict::Refuse);
            (plan.refusals, plan.remarks)
        };
        assert_eq!(plan(&json!({}), &message), (vec![Refusal::EmailByCognito], vec![]));
        for ours in ["message", "message-1"] {
            let now = json!({ "CustomMessage": arn(ours) });
            assert_eq!(plan(&now, &message), (vec![], vec![Remark::EmailByCognito]));
        }
        let both = ours().with(LambdaConfigMember::Function(Trigger::CustomMessage), &arn("message"));
        assert_eq!(plan(&json!({}), &both), (vec![], vec![]));
        let mut members = pool(&json!({})).members().clone();
        members.insert("EmailConfiguration".to_owned(), json!({ "EmailSendingAccount": "DEVELOPER" }));
        let through_ses = UserPool::parse(json!({ "UserPool": members }).to_string().as_bytes()).unwrap();
        assert_eq!(Plan::attach(&through_ses, &message, &old, OnConflict::Refuse).refusals, []);
    }

    #[test]
    fn a_sender_whose_key_is_not_restored_is_not_restored() {
        let now = json!({ "CustomEmailSender": sender("email"), "CustomSMSSender": sender("others"), "KMSKeyID": KEY });
        let before = Triggers::from_lambda_config(
            &json!({ "CustomEmailSender": sender("old"), "KMSKeyID": OTHER_KEY }),
        );
        let plan = Plan::detach(&pool(&now), &ours(), &before);
        assert_eq!(config(&plan), json!({ "CustomSMSSender": sender("others"), "KMSKeyID": KEY }));
        let stays = Remark::KeyStays {
            member: LambdaConfigMember::Function(Trigger::CustomSmsSender),
            arn: arn("others"),
        };
        let off = Remark::AnotherKey {
            member: LambdaConfigMember::Function(Trigger::CustomEmailSender),
            arn: arn("old"),
            key: KEY.to_owned(),
        };
        assert_eq!(plan.remarks, [stays, off]);
        let before = before.with(LambdaConfigMember::Key, KEY);
        assert_eq!(config(&Plan::detach(&pool(&now), &ours(), &before))["CustomEmailSender"], sender("old"));
    }

    #[test]
    fn a_shared_key_is_restored_with_the_sender_that_needs_it() {
        let ours = ours().with(LambdaConfigMember::Function(Trigger::CustomSmsSender), &arn("sms"));
        let before = Triggers::from_lambda_config(
            &json!({ "CustomEmailSender": sender("email"), "CustomSMSSender": sender("old"), "KMSKeyID": KEY }),
        );
        let plan = Plan::detach(&pool(&ours.to_lambda_config()), &ours, &before);
        assert_eq!(config(&plan), json!({ "CustomSMSSender": sender("old"), "KMSKeyID": KEY }));
    }

    #[test]
    fn detaching_keeps_functions_that_replaced_ours() {
        let now =
            json!({ "PreSignUp": arn("others"), "CustomEmailSender": sender("email"), "KMSKeyID": KEY });
        let before = Triggers::from_lambda_config(
            &json!({ "PreSignUp": arn("old"), "CustomEmailSender": sender("old"), "KMSKeyID": OTHER_KEY }),
        );
        let plan = Plan::detach(&pool(&now), &ours(), &before);
        let expected =
            json!({ "PreSignUp": arn("others"), "CustomEmailSender": sender("old"), "KMSKeyID": OTHER_KEY });
        assert_eq!(config(&plan), expected);
        assert_eq!(
            plan.remarks,
            [Remark::NotOurs {
                member: LambdaConfigMember::Function(Trigger::PreSignUp),
                arn: arn("others")
            }]
        );
    }

    #[test]
    fn the_key_stays_for_a_sender_that_was_attached_since() {
        let now = json!({ "CustomEmailSender": sender("email"), "CustomSMSSender": sender("others"), "KMSKeyID": KEY });
        let plan = Plan::detach(&pool(&now), &ours(), &Triggers::default());
        assert_eq!(config(&plan), json!({ "CustomSMSSender": sender("others"), "KMSKeyID": KEY }));
        assert_eq!(
            plan.remarks,
            [Remark::KeyStays {
                member: LambdaConfigMember::Function(Trigger::CustomSmsSender),
                arn: arn("others")
            }]
        );
    }

    #[test]
    fn a_backup_with_ours_attached_does_not_restore_ours() {
        let before = ours();
        let plan = Plan::detach(&pool(&before.to_lambda_config()), &ours(), &before);
        assert_eq!(config(&plan), json!({}));
        // All of it is sent, for what is left out may be kept.
        assert_eq!(plan.update_request(UnknownFields::Refuse).unwrap()["LambdaConfig"], json!({}));
    }

    #[test]
    fn what_a_plan_needs_is_named() {
        let needs = attach(&json!({}), OnConflict::Refuse).needs();
        let actions: Vec<_> = needs.iter().map(|(action, _)| *action).collect();
        assert_eq!(actions, ["cognito-idp:UpdateUserPool", "iam:PassRole", "kms:CreateGrant"]);
    }
}
