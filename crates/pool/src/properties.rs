//! Random user pools that the service model allows, and a mock of Cognito that resets every setting that is missing.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use shared::trigger::Trigger;

use crate::difference::differences;
use crate::model::{READ_ONLY, SETTABLE, UnknownFields, name_in_update};
use crate::plan::{OnConflict, Plan, Refusal};
use crate::triggers::{LambdaConfigMember, Triggers};
use crate::user_pool::UserPool;

/// The service model, as botocore has it.
static MODEL: LazyLock<Value> = LazyLock::new(|| {
    let services: Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/services.json")).unwrap();
    services["cognito-idp"]["shapes"].clone()
});

const POOL: &str = "eu-central-1_Example01";
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555";
const FOREIGN_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555";

fn members(shape: &str) -> Vec<&'static str> {
    MODEL[shape]["members"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn ours(member: LambdaConfigMember) -> String {
    format!("arn:aws:lambda:eu-central-1:123456789012:function:triggers-{}", member.name())
}

fn text() -> BoxedStrategy<Value> {
    "[ -~äß€]{0,12}".prop_map(Value::from).boxed()
}

/// A value of a shape, sometimes with a member that the model does not know.
fn value(shape: &'static str) -> BoxedStrategy<Value> {
    let model = &MODEL[shape];
    match model["type"].as_str().unwrap_or(shape) {
        "structure" => {
            let required = model["required"].as_array().unwrap();
            let known = members(shape).into_iter().map(|name| {
                let value = value(model["members"][name].as_str().unwrap());
                let maybe = if required.contains(&json!(name)) {
                    value.prop_map(Some).boxed()
                } else {
                    weighted(0.7, value).boxed()
                };
                maybe.prop_map(move |value| (name.to_owned(), value)).boxed()
            });
            let future = weighted(0.2, text()).prop_map(|value| ("FutureMember".to_owned(), value)).boxed();
            known.chain([future]).collect::<Vec<_>>().prop_map(object).boxed()
        }
        "list" => vec(value(model["member"].as_str().unwrap()), 0..3).prop_map(Value::Array).boxed(),
        "map" => {
            let entry = ("[a-z:]{1,8}", value(model["value"].as_str().unwrap()));
            vec(entry, 0..3).prop_map(|entries| Value::Object(entries.into_iter().collect())).boxed()
        }
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "integer" | "long" => (0..400i32).prop_map(Value::from).boxed(),
        "timestamp" => (1_600_000_000.0..1_800_000_000.0f64).prop_map(Value::from).boxed(),
        "string" => match model["enum"].as_array() {
            Some(values) => select(values.clone()).boxed(),
            None => text(),
        },
        other => panic!("{shape} is a {other}"),
    }
}

fn object(members: Vec<(String, Option<Value>)>) -> Value {
    Value::Object(members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// What a member may hold before: nothing, or another function.
fn foreign(member: LambdaConfigMember) -> BoxedStrategy<Option<Value>> {
    weighted(0.4, Just(json!(format!("{}-of-others", ours(member))))).boxed()
}

/// A user pool, perhaps with triggers and tags.
fn pool() -> BoxedStrategy<UserPool> {
    let senders = (
        foreign(LambdaConfigMember::Function(Trigger::CustomEmailSender)),
        foreign(LambdaConfigMember::Function(Trigger::CustomSmsSender)),
    );
    let members = (
        foreign(LambdaConfigMember::Function(Trigger::PreSignUp)),
        foreign(LambdaConfigMember::Function(Trigger::CustomMessage)),
        senders,
        select(vec![None, Some(KEY), Some(FOREIGN_KEY)]),
    );
    (value("UserPoolType"), members, any::<bool>())
        .prop_map(|(mut pool, (pre_sign_up, custom_message, (email, sms), key), of_a_stack)| {
            pool["Id"] = json!(POOL);
            pool["Arn"] = json!(format!("arn:aws:cognito-idp:eu-central-1:123456789012:userpool/{POOL}"));
            if of_a_stack {
                pool["UserPoolTags"]["aws:cloudformation:stack-name"] = json!("accounts");
            }
            if pool.get("LambdaConfig").is_some() {
                let config = &mut pool["LambdaConfig"];
                let any_sender = email.is_some() || sms.is_some();
                let sender = |arn: Option<Value>| {
                    arn.map(|arn| json!({ "LambdaVersion": "V1_0", "LambdaArn": arn, "FutureMember": 1 }))
                };
                for (member, value) in [
                    (LambdaConfigMember::Function(Trigger::PreSignUp), pre_sign_up),
                    (LambdaConfigMember::Function(Trigger::CustomMessage), custom_message),
                    (LambdaConfigMember::Function(Trigger::CustomEmailSender), sender(email)),
                    (LambdaConfigMember::Function(Trigger::CustomSmsSender), sender(sms)),
                    // Without a key, Cognito rejects custom senders.
                    (LambdaConfigMember::Key, key.or(any_sender.then_some(FOREIGN_KEY)).map(Value::from)),
                ] {
                    config.as_object_mut().unwrap().remove(member.name());
                    if let Some(value) = value {
                        config[member.name()] = value;
                    }
                }
            }
            UserPool::parse(json!({ "UserPool": pool }).to_string().as_bytes()).unwrap()
        })
        .boxed()
}

/// Some of our functions, with the key if one needs it.
fn wanted() -> BoxedStrategy<Triggers> {
    vec(any::<bool>(), 4)
        .prop_map(|chosen| {
            let chosen = LambdaConfigMember::ALL.into_iter().zip(chosen).filter(|(_, chosen)| *chosen);
            chosen.fold(Triggers::default(), |wanted, (member, _)| {
                let key = if member.is_sender() { KEY } else { "" };
                wanted.with(member, &ours(member)).with(LambdaConfigMember::Key, key)
            })
        })
        .boxed()
}

/// Cognito, as far as it is documented.
struct Cognito {
    pool: Map<String, Value>,
    updates: u32,
}

impl Cognito {
    fn new(pool: &UserPool) -> Self {
        Self { pool: pool.members().clone(), updates: 0 }
    }

    fn describe(&self) -> UserPool {
        UserPool::parse(json!({ "UserPool": self.pool }).to_string().as_bytes()).unwrap()
    }

    /// Resets every missing setting, and rejects what Cognito would reject.
    fn update(&mut self, request: &Value) {
        let request = request.as_object().unwrap();
        assert_eq!(request["UserPoolId"], POOL);
        let admin =
            request.get("AdminCreateUserConfig").and_then(|config| config.get("UnusedAccountValidityDays"));
        let days = request
            .get("Policies")
            .and_then(|policies| policies["PasswordPolicy"].get("TemporaryPasswordValidityDays"));
        assert!(admin.is_none() || days.is_none(), "please use TemporaryPasswordValidityDays");
        let input = members("UpdateUserPoolRequest");
        for name in request.keys() {
            assert!(input.contains(&name.as_str()) || name.starts_with("Future"), "{name} cannot be set");
        }
        let aws_tags = |tags: &Map<String, Value>| -> Map<String, Value> {
            tags.iter()
                .filter(|(name, _)| name.starts_with("aws:"))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        let kept = self.pool.get("UserPoolTags").and_then(Value::as_object).map(aws_tags).unwrap_or_default();
        self.pool.retain(|name, _| READ_ONLY.contains(&name.as_str()));
        for (name, value) in request.iter().filter(|(name, _)| *name != "UserPoolId") {
            let name = if name == "PoolName" { "Name" } else { name };
            self.pool.insert(name.to_owned(), value.clone());
        }
        if !kept.is_empty() {
            let tags = self.pool.entry("UserPoolTags").or_insert_with(|| json!({})).as_object_mut().unwrap();
            assert!(aws_tags(tags).is_empty(), "only AWS sets its own tags");
            tags.extend(kept);
        }
        // Cognito shows the number of days under both names, whichever was set.
        if let Some(days) = days.or(admin) {
            self.pool.entry("AdminCreateUserConfig").or_insert_with(|| json!({}))["UnusedAccountValidityDays"] =
                days.clone();
            self.pool.entry("Policies").or_insert_with(|| json!({}))["PasswordPolicy"]["TemporaryPasswordValidityDays"] =
                days.clone();
        }
        self.updates += 1;
        self.pool.insert("LastModifiedDate".to_owned(), json!(1_900_000_000 + self.updates));
        self.pool.insert("EstimatedNumberOfUsers".to_owned(), json!(self.updates));
    }
}

/// Everything except our members is as before.
#[track_caller]
fn assert_rest_is_the_same(before: &UserPool, after: &UserPool) {
    // `differences` knows that two of their members are one.
    let elsewhere = ["AdminCreateUserConfig", "Policies", "LambdaConfig"];
    for name in SETTABLE.iter().filter(|name| !elsewhere.contains(name)) {
        let nothing = |value: &&Value| !value.is_null();
        assert_eq!(
            before.members().get(*name).filter(nothing),
            after.members().get(*name).filter(nothing),
            "{name}"
        );
    }
    let rest = |pool: &UserPool| {
        let mut config = pool.lambda_config();
        config.retain(|name, _| LambdaConfigMember::ALL.iter().all(|member| member.name() != name));
        config
    };
    assert_eq!(rest(before), rest(after));
}

#[test]
fn every_member_is_settable_or_read_only_as_the_service_model_says() {
    let (input, output) = (members("UpdateUserPoolRequest"), members("UserPoolType"));
    let settable: Vec<_> =
        output.iter().copied().filter(|name| input.contains(&name_in_update(name))).collect();
    let mut read_only: Vec<_> = output.iter().copied().filter(|name| !settable.contains(name)).collect();
    let sorted = |names: &[&'static str]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(&settable), sorted(&SETTABLE));
    read_only.sort_unstable();
    assert_eq!(read_only, READ_ONLY);
    let unread: Vec<_> =
        input.iter().filter(|name| !SETTABLE.iter().any(|one| name_in_update(one) == **name)).collect();
    assert_eq!(unread, [&"UserPoolId"], "all that can be set can be read");
}

proptest! {
    // Each input is a whole pool.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn attaching_changes_only_our_members(pool in pool(), wanted in wanted()) {
        let mut cognito = Cognito::new(&pool);
        let plan = Plan::attach(&pool, &wanted, &Triggers::default(), OnConflict::Replace);
        let expected = |refusal: &Refusal| matches!(refusal, Refusal::KeyInUse { .. } | Refusal::EmailByCognito);
        prop_assert!(plan.refusals.iter().all(expected));
        prop_assume!(plan.refusals.is_empty());
        cognito.update(&plan.update_request(UnknownFields::Write).unwrap());
        let after = cognito.describe();
        prop_assert_eq!(differences(plan.after(), &after), vec![]);
        assert_rest_is_the_same(&pool, &after);
        for member in LambdaConfigMember::ALL {
            let expected = wanted.arn(member).or(pool.triggers().arn(member).filter(|_| wanted.arn(member).is_none())).map(str::to_owned);
            prop_assert_eq!(after.triggers().arn(member).map(str::to_owned), expected);
        }
    }

    #[test]
    fn attaching_again_changes_nothing(pool in pool(), wanted in wanted()) {
        let mut cognito = Cognito::new(&pool);
        let plan = Plan::attach(&pool, &wanted, &Triggers::default(), OnConflict::Replace);
        prop_assume!(plan.refusals.is_empty());
        cognito.update(&plan.update_request(UnknownFields::Write).unwrap());
        let again = Plan::attach(&cognito.describe(), &wanted, &Triggers::default(), OnConflict::Refuse);
        prop_assert_eq!((&again.changes, &again.refusals), (&vec![], &vec![]));
    }

    #[test]
    fn detaching_restores_the_previous_triggers(pool in pool(), wanted in wanted()) {
        let mut cognito = Cognito::new(&pool);
        let plan = Plan::attach(&pool, &wanted, &Triggers::default(), OnConflict::Replace);
        prop_assume!(plan.refusals.is_empty());
        cognito.update(&plan.update_request(UnknownFields::Write).unwrap());
        let back = Plan::detach(&cognito.describe(), &wanted, &pool.triggers());
        cognito.update(&back.update_request(UnknownFields::Write).unwrap());
        prop_assert_eq!(differences(&pool, &cognito.describe()), vec![]);
    }

    #[test]
    fn what_is_not_replaced_is_refused(pool in pool(), wanted in wanted()) {
        let plan = Plan::attach(&pool, &wanted, &Triggers::default(), OnConflict::Refuse);
        let now = pool.triggers();
        let taken = wanted.functions().filter(|(member, _)| now.arn(*member).is_some()).count();
        let occupied = plan.refusals.iter().filter(|refusal| matches!(refusal, Refusal::Occupied { .. })).count();
        prop_assert_eq!(occupied, taken);
        prop_assert_eq!(plan.update_request(UnknownFields::Write).is_err(), !plan.refusals.is_empty());
    }

    #[test]
    fn unknown_settings_are_refused_by_default(pool in pool(), wanted in wanted(), setting in text()) {
        let mut members = pool.members().clone();
        members.insert("FutureSetting".to_owned(), setting.clone());
        let pool = UserPool::parse(json!({ "UserPool": members }).to_string().as_bytes()).unwrap();
        let plan = Plan::attach(&pool, &wanted, &Triggers::default(), OnConflict::Replace);
        prop_assume!(plan.refusals.is_empty());
        let unknown: Vec<_> = pool.unknown_members().map(str::to_owned).collect();
        prop_assert_eq!(plan.update_request(UnknownFields::Refuse), Err(vec![Refusal::UnknownMembers(unknown)]));
        prop_assert_eq!(&plan.update_request(UnknownFields::Write).unwrap()["FutureSetting"], &setting);
        prop_assert!(plan.update_request(UnknownFields::LeaveOut).unwrap().get("FutureSetting").is_none());
    }

    #[test]
    fn a_setting_that_changes_is_found(pool in pool(), which in any::<Index>()) {
        let changed = *which.get(&SETTABLE);
        let mut members = pool.members().clone();
        members.insert(changed.to_owned(), json!({ "FutureSetting": "another" }));
        let after = UserPool::parse(json!({ "UserPool": members }).to_string().as_bytes()).unwrap();
        let found = differences(&pool, &after);
        prop_assert!(found.iter().any(|one| one.member.starts_with(changed)), "{found:?}");
        prop_assert_eq!(differences(&pool, &pool), vec![]);
    }

    #[test]
    fn nothing_that_is_read_panics(text in ".*", value in text()) {
        let _ = UserPool::parse(text.as_bytes());
        let _ = Triggers::from_lambda_config(&value);
        let _ = crate::triggers::split_qualifier(&text);
    }
}
