//! The function that attaches the triggers to an existing pool: CloudFormation's requests, their effect on the pool,
//! and the responses.

use std::time::Duration;

use attach::memory::{IdKey, Memory};
use pool::triggers::Triggers;
use serde_json::{Value, json};
use shared::outcome::ErrorType;
use tests::function::{Function, Init, Invocation};
use tests::mock_aws::{
    CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, CUSTOM_SMS_SENDER, KEY_ARN, MockAws, POOL, PRE_SIGN_UP, SENDER, arn,
};
use tests::presigned::{Presigned, SIGNATURE};
use tests::service::Reply;
use tests::tls::Tls;

use crate::fixtures::{PHYSICAL_ID_KEY, STACK_ID, settings};

const DESCRIBE: &str = "cognito-idp:DescribeUserPool";
const UPDATE: &str = "cognito-idp:UpdateUserPool";
const THEIRS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:theirs";
const THEIR_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555";
/// The physical ID of a resource that attached nothing. docs/troubleshooting.md names it.
const NOTHING: &str = "nothing-attached";

/// Longer than a request needs unless a test delays it.
const LONG: Duration = Duration::from_mins(1);

/// The function between Cognito and CloudFormation.
pub(crate) struct Stage {
    pub(crate) world: MockAws,
    answers: Presigned,
    function: Function,
}

impl Stage {
    /// A pool with many settings and no triggers.
    pub(crate) async fn start() -> Self {
        let world = MockAws::start();
        world.attached_by_hand();
        Self::with(world, &[]).await
    }

    async fn with(world: MockAws, more: &[(&str, &str)]) -> Self {
        let answers = Presigned::start(None);
        let function = start(&world, more).await;
        Self { world, answers, function }
    }

    /// Sends a request to the function, which must respond exactly once.
    pub(crate) async fn ask(&self, request: &Value) -> Value {
        self.ask_within(LONG, request).await
    }

    async fn ask_within(&self, time: Duration, request: &Value) -> Value {
        let before = self.answers.answers().len();
        let mut request = request.clone();
        request["ResponseURL"] = json!(self.answers.url());
        let ended = self.function.invoke_within(time, request.to_string()).await;
        assert!(matches!(ended, Invocation::Ok(_)), "{ended:?}\n{}", self.function.stdout());
        let answers = self.answers.answers();
        assert_eq!(answers.len(), before + 1, "one answer");
        let answer = answers.last().expect("an answer").clone();
        for name in ["StackId", "RequestId", "LogicalResourceId"] {
            assert_eq!(answer[name], request[name]);
        }
        assert!(!self.function.stdout().contains(SIGNATURE), "the address is a secret");
        answer
    }

    /// The physical ID in a response, which must report success.
    #[track_caller]
    fn done(answer: &Value) -> &str {
        assert_eq!(answer["Status"], "SUCCESS", "{answer}");
        answer["PhysicalResourceId"].as_str().expect("an id")
    }

    pub(crate) async fn create(&self, properties: &Value) -> String {
        Self::done(&self.ask(&create(properties)).await).to_owned()
    }

    pub(crate) async fn delete(&self, id: &str, properties: &Value) {
        Self::done(&self.ask(&delete(id, properties)).await);
    }

    async fn update(&self, id: &str, new: &Value, old: &Value) {
        let answer = self.ask(&update(id, new, old)).await;
        assert_eq!(Self::done(&answer), id, "the id stays");
    }

    /// The reason in the response to a request that fails and leaves the pool unchanged.
    async fn refused(&self, request: &Value) -> String {
        let before = self.world.pool();
        let answer = self.ask_within(Duration::from_secs(4), request).await;
        assert_eq!(self.world.pool(), before);
        assert_eq!(answer["Status"], "FAILED", "{answer}");
        assert_eq!(
            answer["PhysicalResourceId"],
            request.get("PhysicalResourceId").unwrap_or(&json!(NOTHING)).clone()
        );
        answer["Reason"].as_str().expect("a reason").to_owned()
    }

    fn config(&self) -> Value {
        self.world.pool()["LambdaConfig"].clone()
    }

    fn set(&self, slot: &'static str, value: Value) {
        self.world.change_pool(|pool| pool["LambdaConfig"][slot] = value);
    }

    fn writes(&self) -> usize {
        self.world.asked(UPDATE).len()
    }
}

async fn start(world: &MockAws, more: &[(&str, &str)]) -> Function {
    let endpoint = ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", world.url());
    let environment = settings("attach").into_iter().chain([endpoint]).chain(more.iter().copied());
    let function = Function::start("attach", &environment.collect::<Vec<_>>());
    assert_eq!(function.init_outcome().await, Init::Ready, "{}", function.stdout());
    function
}

/// The name of the attach function.
const ATTACH: &str = "triggers-AttachFunction-1A2B3C4D5E6F";

/// The properties of the resource in a stack with both senders.
pub(crate) fn properties() -> Value {
    json!({
        "ServiceToken": format!("arn:aws:lambda:eu-central-1:123456789012:function:{ATTACH}"),
        "ServiceTimeout": "300",
        "UserPoolId": POOL,
        "PreSignUp": PRE_SIGN_UP,
        "CustomEmailSender": CUSTOM_EMAIL_SENDER,
        "CustomSMSSender": CUSTOM_SMS_SENDER,
        "KMSKeyID": KEY_ARN,
        "ReplaceTriggers": "false",
        "EmailIsUsername": "false",
        "After": ["a", "b"],
    })
}

pub(crate) fn with(name: &str, value: &str) -> Value {
    let mut properties = properties();
    properties[name] = json!(value);
    properties
}

fn without_sms() -> Value {
    let mut properties = properties();
    properties.as_object_mut().expect("an object").remove("CustomSMSSender");
    properties
}

fn request(kind: &str, properties: &Value) -> Value {
    json!({
        "RequestType": kind,
        // Equal for equal requests only.
        "RequestId": format!("{kind} {properties}"),
        "StackId": STACK_ID,
        "ResourceType": "Custom::CognitoTriggers",
        "LogicalResourceId": "AttachedTriggers",
        "ResourceProperties": properties,
    })
}

fn create(properties: &Value) -> Value {
    request("Create", properties)
}

fn update(id: &str, new: &Value, old: &Value) -> Value {
    let mut update = request("Update", new);
    update["PhysicalResourceId"] = json!(id);
    update["OldResourceProperties"] = old.clone();
    update["RequestId"] = json!(format!("Update {new} {old}"));
    update
}

fn delete(id: &str, properties: &Value) -> Value {
    let mut delete = request("Delete", properties);
    delete["PhysicalResourceId"] = json!(id);
    delete
}

fn sender(arn: &str) -> Value {
    json!({ "LambdaVersion": "V1_0", "LambdaArn": arn })
}

fn ours() -> Value {
    json!({
        "PreSignUp": PRE_SIGN_UP,
        "CustomEmailSender": sender(CUSTOM_EMAIL_SENDER),
        "CustomSMSSender": sender(CUSTOM_SMS_SENDER),
        "KMSKeyID": KEY_ARN,
    })
}

fn theirs() -> Value {
    json!({
        "PreSignUp": THEIRS,
        "CustomEmailSender": sender(THEIRS),
        "CustomSMSSender": sender(THEIRS),
        "KMSKeyID": THEIR_KEY,
        "PostConfirmation": THEIRS,
    })
}

/// The id with which the function stores what was attached before.
fn id(memory: &Memory) -> String {
    PHYSICAL_ID_KEY.parse::<IdKey>().expect("a key").write(memory).expect("a short memory")
}

/// A memory of this pool, in which these functions were attached before.
fn memory(pool: &str, before: &Value) -> Memory {
    Memory { before: Triggers::from_lambda_config(before), ..Memory::new(pool.to_owned()) }
}

/// The pool without the settings that no request sets.
pub(crate) fn settable(mut pool: Value) -> Value {
    let members = pool.as_object_mut().expect("a pool");
    members.remove("LastModifiedDate");
    // The old name of a password setting: Cognito returns it and doesn't accept it.
    members["AdminCreateUserConfig"].as_object_mut().expect("a setting").remove("UnusedAccountValidityDays");
    // A pool without triggers may have an empty setting or none.
    members.retain(|name, value| name != "LambdaConfig" || *value != json!({}));
    pool
}

#[tokio::test]
async fn attaching_and_detaching_changes_nothing_else_in_the_pool() {
    let stage = Stage::start().await;
    let before = settable(stage.world.pool());
    let id = stage.create(&properties()).await;
    assert_eq!(id, self::id(&memory(POOL, &json!({}))));
    assert_eq!(stage.config(), ours());
    let mut after = settable(stage.world.pool());
    after.as_object_mut().expect("a pool").remove("LambdaConfig");
    assert_eq!(after, before);
    stage.delete(&id, &properties()).await;
    assert_eq!(settable(stage.world.pool()), before);
    assert_eq!(stage.writes(), 2);
}

#[tokio::test]
async fn other_functions_stay_attached_and_are_named_with_the_remedy() {
    let stage = Stage::start().await;
    stage.set("PreSignUp", json!(THEIRS));
    let reason = stage.refused(&create(&properties())).await;
    assert_eq!(
        reason,
        format!(
            "PreSignUp already points to another function: {THEIRS}. Detach that function from the user pool, \
             or deploy with AttachTriggers=replace: the stack then replaces it, and restores it when you delete \
             the stack."
        )
    );
    // The rollback of the stack makes no call, so none can fail.
    let calls = stage.world.calls().len();
    stage.delete(NOTHING, &properties()).await;
    assert_eq!(stage.world.calls().len(), calls);
}

#[tokio::test]
async fn replaced_triggers_are_restored_when_the_stack_is_deleted() {
    let stage = Stage::start().await;
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs());
    let before = settable(stage.world.pool());
    let replacing = with("ReplaceTriggers", "true");
    let id = stage.create(&replacing).await;
    let mut expected = ours();
    expected["PostConfirmation"] = json!(THEIRS);
    assert_eq!(stage.config(), expected);
    stage.update(&id, &with("ReplaceTriggers", "false"), &replacing).await;
    stage.delete(&id, &properties()).await;
    assert_eq!(settable(stage.world.pool()), before);
}

#[tokio::test]
async fn another_sender_that_stays_attached_keeps_its_key() {
    let stage = Stage::start().await;
    stage.world.change_pool(|pool| {
        pool["LambdaConfig"] = json!({ "CustomSMSSender": sender(THEIRS), "KMSKeyID": THEIR_KEY });
    });
    let mut wanted = without_sms();
    wanted["ReplaceTriggers"] = json!("true");
    let reason = stage.refused(&create(&wanted)).await;
    assert!(reason.contains(THEIR_KEY) && reason.contains("CodeKeyArn"), "{reason}");
}

#[tokio::test]
async fn a_request_that_is_delivered_twice_gets_the_same_response() {
    let mut stage = Stage::start().await;
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs());
    let request = create(&with("ReplaceTriggers", "true"));
    let first = stage.ask(&request).await;
    assert_eq!(stage.ask(&request).await, first);
    assert_eq!(stage.writes(), 1);
    // Another process doesn't know the previous triggers, but it knows that they were not the stack's.
    stage.function = start(&stage.world, &[]).await;
    let id = Stage::done(&stage.ask(&request).await).to_owned();
    assert_eq!(id, self::id(&memory(POOL, &json!({}))));
    assert_eq!(stage.writes(), 1);
    // The first process remembers them.
    stage.delete(&id, &properties()).await;
    assert_eq!(stage.config(), json!({ "PostConfirmation": THEIRS }));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_by_reading_again() {
    let stage = Stage::start().await;
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs());
    let before = settable(stage.world.pool());
    let replacing = with("ReplaceTriggers", "true");
    stage.world.script(UPDATE, [Reply::ResetAfter]);
    let id = stage.create(&replacing).await;
    assert_eq!(stage.writes(), 1, "it was done already");
    stage.delete(&id, &replacing).await;
    assert_eq!(settable(stage.world.pool()), before);
}

#[tokio::test]
async fn an_update_attaches_new_triggers_and_restores_removed_ones() {
    let stage = Stage::start().await;
    let id = stage.create(&without_sms()).await;
    assert_eq!(stage.config().get("CustomSMSSender"), None);
    stage.update(&id, &properties(), &without_sms()).await;
    assert_eq!(stage.config(), ours());
    stage.update(&id, &without_sms(), &properties()).await;
    assert_eq!(stage.config().get("CustomSMSSender"), None);
    // Cognito delivers everything: the key is removed with the last sender.
    let mut by_cognito = without_sms();
    for name in ["CustomEmailSender", "KMSKeyID"] {
        by_cognito.as_object_mut().expect("an object").remove(name);
    }
    by_cognito["CustomMessage"] = json!(CUSTOM_MESSAGE);
    stage.update(&id, &by_cognito, &without_sms()).await;
    assert_eq!(stage.config(), json!({ "PreSignUp": PRE_SIGN_UP, "CustomMessage": CUSTOM_MESSAGE }));
    stage.delete(&id, &by_cognito).await;
    assert_eq!(stage.config(), json!({}));
}

#[tokio::test]
async fn an_update_restores_the_previous_triggers() {
    let stage = Stage::start().await;
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs());
    let replacing = with("ReplaceTriggers", "true");
    let id = stage.create(&replacing).await;
    let mut by_cognito = replacing.clone();
    for name in ["CustomEmailSender", "CustomSMSSender", "KMSKeyID"] {
        by_cognito.as_object_mut().expect("an object").remove(name);
    }
    stage.update(&id, &by_cognito, &replacing).await;
    let mut expected = theirs();
    expected["PreSignUp"] = json!(PRE_SIGN_UP);
    assert_eq!(stage.config(), expected);
    // And replaces them again.
    stage.update(&id, &replacing, &by_cognito).await;
    assert_eq!(stage.config()["CustomSMSSender"], sender(CUSTOM_SMS_SENDER));
    stage.delete(&id, &replacing).await;
    assert_eq!(stage.config(), theirs());
}

#[tokio::test]
async fn an_update_attaches_lost_triggers_again() {
    let stage = Stage::start().await;
    let id = stage.create(&properties()).await;
    // An operator called UpdateUserPool without the triggers.
    stage.world.change_pool(|pool| pool["LambdaConfig"] = json!({}));
    let other = with("EmailIsUsername", "true");
    stage.update(&id, &other, &properties()).await;
    assert_eq!(stage.config(), ours());
}

#[tokio::test]
async fn a_trigger_that_another_function_replaced_stays_replaced_and_blocks_no_update() {
    let stage = Stage::start().await;
    let id = stage.create(&properties()).await;
    stage.set("PreSignUp", json!(THEIRS));
    // In both directions, as in a rollback by CloudFormation.
    for (new, old) in [(without_sms(), properties()), (properties(), without_sms())] {
        stage.update(&id, &new, &old).await;
        assert_eq!(stage.config()["PreSignUp"], THEIRS);
    }
    assert!(
        stage.function.stdout().contains("another function replaced one of this stack's"),
        "{}",
        stage.function.stdout()
    );
    stage.delete(&id, &properties()).await;
    assert_eq!(stage.config(), json!({ "PreSignUp": THEIRS }));
}

#[tokio::test]
async fn an_update_replaces_only_triggers_that_it_can_restore() {
    let stage = Stage::start().await;
    let old = without_sms();
    let id = stage.create(&old).await;
    stage.set("CustomSMSSender", sender(THEIRS));
    let reason = stage.refused(&update(&id, &properties(), &old)).await;
    assert!(reason.contains("AttachTriggers=replace"), "{reason}");
    let reason = stage.refused(&update(&id, &with("ReplaceTriggers", "true"), &old)).await;
    assert!(
        reason.contains("attached after this stack") && reason.contains("Detach that function"),
        "{reason}"
    );
    // CloudFormation rolls back.
    stage.update(&id, &old, &properties()).await;
    assert_eq!(stage.config()["CustomSMSSender"], sender(THEIRS));
}

#[tokio::test]
async fn another_pool_is_another_resource() {
    let stage = Stage::start().await;
    let former = memory("eu-central-1_Former01", &json!({}));
    let old = with("UserPoolId", "eu-central-1_Former01");
    let answer = stage.ask(&update(&id(&former), &properties(), &old)).await;
    let id = Stage::done(&answer).to_owned();
    assert_eq!(id, self::id(&former.moved(POOL)));
    assert_eq!(stage.config(), ours());
    // The rollback, with the ID of the pool that it returns to.
    stage.update(&id, &properties(), &old).await;
}

#[tokio::test]
async fn a_failed_move_to_another_pool_attaches_nothing_there() {
    let stage = Stage::start().await;
    stage.world.change(DESCRIBE, |answer| {
        if answer["UserPool"]["LambdaConfig"].get("PreSignUp").is_some() {
            answer["UserPool"]["MfaConfiguration"] = json!("OFF");
        }
    });
    let former = &id(&memory("eu-central-1_Former01", &json!({})));
    let old = with("UserPoolId", "eu-central-1_Former01");
    let answer = stage.ask(&update(former, &properties(), &old)).await;
    assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("FAILED"), &json!(former)));
    assert_eq!(stage.config(), json!({}));
}

#[tokio::test]
async fn a_move_that_is_rolled_back_restores_the_triggers_of_the_former_pool() {
    let stage = Stage::start().await;
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs());
    let id = stage.create(&with("ReplaceTriggers", "true")).await;
    // The stack moved to another pool, and returns because another resource failed.
    let mut of_triggers = theirs();
    of_triggers.as_object_mut().expect("an object").remove("PostConfirmation");
    let moved = self::id(&memory(POOL, &of_triggers).moved("eu-central-1_Other0001"));
    let other = with("UserPoolId", "eu-central-1_Other0001");
    let answer = stage.ask(&update(&moved, &properties(), &other)).await;
    assert_eq!(Stage::done(&answer), id);
    stage.delete(&id, &properties()).await;
    assert_eq!(stage.config(), theirs());
}

#[tokio::test]
async fn a_move_to_another_pool_leaves_time_for_a_rollback() {
    let stage = Stage::start().await;
    // The write succeeds, and its answer takes all the time of the move. The next write fails once.
    stage.world.script(UPDATE, [Reply::HangAfter, Reply::error(400, "ConcurrentModificationException")]);
    let former = &id(&memory("eu-central-1_Former01", &json!({})));
    let old = with("UserPoolId", "eu-central-1_Former01");
    // Three quarters of the time are for the work. All of that except three seconds is for the rollback.
    let answer = stage.ask_within(Duration::from_secs(24), &update(former, &properties(), &old)).await;
    assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("FAILED"), &json!(former)));
    assert_eq!(stage.config(), json!({}));
    assert_eq!(stage.writes(), 3);
}

#[tokio::test]
async fn a_rollback_can_attach_again_what_the_update_detached() {
    let stage = Stage::start().await;
    let sms = json!({ "CustomSMSSender": sender(THEIRS), "KMSKeyID": THEIR_KEY });
    stage.world.change_pool(|pool| pool["LambdaConfig"] = sms.clone());
    let replacing = with("ReplaceTriggers", "true");
    let id = stage.create(&replacing).await;
    stage.update(&id, &properties(), &replacing).await;
    let mut by_cognito = properties();
    for name in ["CustomEmailSender", "CustomSMSSender", "KMSKeyID"] {
        by_cognito.as_object_mut().expect("an object").remove(name);
    }
    stage.update(&id, &by_cognito, &properties()).await;
    assert_eq!(stage.config()["CustomSMSSender"], sender(THEIRS));
    stage.update(&id, &properties(), &by_cognito).await;
    assert_eq!(stage.config()["CustomSMSSender"], sender(THEIRS));
    assert!(stage.function.stdout().contains("leaves it in place"), "{}", stage.function.stdout());
    stage.delete(&id, &properties()).await;
    assert_eq!(stage.config(), sms);
}

#[tokio::test]
async fn the_function_waits_for_a_change_that_cognito_shows_late() {
    let stage = Stage::start().await;
    let asked = std::sync::atomic::AtomicUsize::new(0);
    // Two calls before the write, and three after it.
    stage.world.change(DESCRIBE, move |answer| {
        if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 5 {
            answer["UserPool"]["LambdaConfig"] = json!({});
        }
    });
    let _ = stage.create(&properties()).await;
    assert_eq!(stage.config(), ours());
}

#[tokio::test]
async fn a_key_that_was_set_before_the_stack_stays() {
    let stage = Stage::start().await;
    stage.set("KMSKeyID", json!(KEY_ARN));
    let id = stage.create(&properties()).await;
    stage.delete(&id, &properties()).await;
    assert_eq!(stage.config(), json!({ "KMSKeyID": KEY_ARN }));
}

#[tokio::test]
async fn detaching_from_a_deleted_pool_succeeds() {
    let stage = Stage::start().await;
    // The former pool of a stack that moved to another one.
    let gone = with("UserPoolId", "eu-central-1_Gone00001");
    stage.delete(&id(&memory("eu-central-1_Gone00001", &json!({}))), &gone).await;
    stage.world.refuse(DESCRIBE, 400, "ResourceNotFoundException");
    let reason = stage.refused(&create(&properties())).await;
    assert!(reason.contains("UserPoolId must name a user pool in the account and Region"), "{reason}");
}

#[tokio::test]
async fn a_stack_whose_creation_got_no_response_can_be_deleted() {
    let stage = Stage::start().await;
    let _ = stage.create(&properties()).await;
    stage.delete("triggers-AttachedTriggers-1A2B3C4D5E6F", &properties()).await;
    assert_eq!(stage.config(), json!({}));
}

#[tokio::test]
async fn a_forged_request_attaches_no_function_of_the_attacker_and_restores_none() {
    const EVIL: &str = "arn:aws:lambda:us-east-1:999999999999:function:evil";
    let stage = Stage::start().await;
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs());
    let replacing = with("ReplaceTriggers", "true");
    let evil = |mut properties: Value, function: &str| {
        properties["PreSignUp"] = json!(function);
        properties
    };
    for function in [EVIL, "x; rm -rf /"] {
        let reason = stage.refused(&create(&evil(replacing.clone(), function))).await;
        assert!(reason.contains("the functions must be those of this stack"), "{reason}");
    }
    let reason = stage.refused(&create(&with("UserPoolId", "eu-central-1_Another01"))).await;
    assert!(reason.contains("UserPoolId must be the user pool of this stack"), "{reason}");
    let reason = stage.refused(&create(&with("KMSKeyID", THEIR_KEY))).await;
    assert!(reason.contains("KMSKeyID must be the key of this stack"), "{reason}");
    let mut other_stack = create(&replacing);
    other_stack["StackId"] = json!(STACK_ID.replace("triggers", "another"));
    let reason = stage.refused(&other_stack).await;
    assert!(reason.contains("StackId must be the stack of this function"), "{reason}");
    // Former properties that name the other function don't make it this stack's.
    let former = evil(properties(), THEIRS);
    let _ = stage.ask(&update("triggers-AttachedTriggers-1A2B3C4D5E6F", &properties(), &former)).await;
    assert_eq!(stage.config(), theirs());
    // An id of the attacker is not restored, not even a genuine one with another function.
    let id = stage.create(&replacing).await;
    let config = json!({ "PreSignUp": EVIL, "CustomEmailSender": sender(EVIL) });
    let forged = memory(POOL, &config).text().expect("a short memory");
    for forged in [forged.clone(), format!("{}{forged}", &id[..32]), id.replace("theirs", "evilly")] {
        let mut request = delete(&forged, &replacing);
        request["RequestId"] = json!(forged);
        let _ = stage.ask(&request).await;
        let config = stage.config().to_string();
        assert!(!config.contains("evil"), "{config}");
        stage.world.change_pool(|pool| pool["LambdaConfig"] = ours());
    }
    stage.delete(&id, &replacing).await;
    assert_eq!(stage.config()["PreSignUp"], THEIRS, "the genuine id still restores");
}

#[tokio::test]
async fn a_response_goes_to_cloudformation_only() {
    let world = MockAws::start();
    world.attached_by_hand();
    let listener = Presigned::start(None);
    let function = Function::start("attach", &settings("attach"));
    assert_eq!(function.init_outcome().await, Init::Ready, "{}", function.stdout());
    for url in [listener.url().to_owned(), listener.url().replace("127.0.0.1", "localhost")] {
        let mut request = create(&properties());
        request["ResponseURL"] = json!(url);
        let ended = function.invoke_within(LONG, request.to_string()).await;
        assert!(ended.error_message().contains("no ResponseURL of CloudFormation"), "{ended:?}");
    }
    assert_eq!(listener.attempts(), 0);
}

#[tokio::test]
async fn email_is_trusted_only_if_it_is_the_only_sign_in_attribute() {
    type Change = fn(&mut Value);
    let alias: Change = |pool| pool["AliasAttributes"] = json!(["email"]);
    let number: Change = |pool| pool["UsernameAttributes"] = json!(["phone_number"]);
    let either: Change = |pool| pool["UsernameAttributes"] = json!(["email", "phone_number"]);
    let neither: Change = |pool| {
        pool.as_object_mut().expect("a pool").remove("UsernameAttributes");
    };
    for (change, word) in [
        (alias, "AliasAttributes"),
        (number, "UsernameAttributes"),
        (either, "UsernameAttributes"),
        (neither, "UsernameAttributes"),
    ] {
        let stage = Stage::start().await;
        stage.world.change_pool(change);
        for request in [
            create(&with("EmailIsUsername", "true")),
            update(&id(&memory(POOL, &json!({}))), &with("EmailIsUsername", "true"), &properties()),
        ] {
            let reason = stage.refused(&request).await;
            assert!(reason.contains(word) && reason.contains("EmailIsUsername=false"), "{reason}");
        }
        let answer = stage.ask(&create(&properties())).await;
        Stage::done(&answer);
        let expected = if word == "AliasAttributes" { "true" } else { "false" };
        assert_eq!(answer["Data"], json!({ "EmailIsUsername": expected }), "{word}");
    }
}

#[tokio::test]
async fn the_parameters_about_the_pool_are_checked_before_a_function_gets_them() {
    let stage = Stage::start().await;
    let said = |value: &str| json!({ "UserPoolId": POOL, "CheckOnly": "true", "EmailIsUsername": value, "ReplaceTriggers": "false" });
    let answer = stage.ask(&create(&said("true"))).await;
    assert_eq!((Stage::done(&answer), &answer["Data"]), (NOTHING, &json!({ "Trusted": "true" })));
    stage.world.change_pool(|pool| pool["AliasAttributes"] = json!(["email"]));
    let mut again = update(NOTHING, &said("true"), &said("false"));
    let reason = stage.refused(&again).await;
    assert!(reason.contains("AliasAttributes") && reason.contains("EmailIsUsername=false"), "{reason}");
    // The rollback succeeds even if Cognito denies the call.
    stage.world.refuse(DESCRIBE, 400, "AccessDeniedException");
    again = update(NOTHING, &said("false"), &said("true"));
    let answer = stage.ask(&again).await;
    assert_eq!((Stage::done(&answer), &answer["Data"]), (NOTHING, &json!({ "Trusted": "false" })));
    stage.delete(NOTHING, &said("true")).await;
    assert_eq!(stage.writes(), 0);
}

#[tokio::test]
async fn triggers_that_cannot_be_remembered_are_not_replaced() {
    let stage = Stage::start().await;
    let long = format!("{THEIRS}{}", "x".repeat(60));
    let long = format!("{long}:{}", "alias".repeat(25));
    stage.world.change_pool(|pool| {
        pool["LambdaConfig"] = json!({
            "PreSignUp": long,
            "CustomMessage": long,
            "CustomEmailSender": sender(&long),
            "CustomSMSSender": sender(&long),
            "KMSKeyID": THEIR_KEY,
        });
    });
    let reason = stage.refused(&create(&with("ReplaceTriggers", "true"))).await;
    assert!(reason.contains("at most 1024") && reason.contains("cognito-triggers attach"), "{reason}");
}

#[tokio::test]
async fn the_function_waits_until_a_new_permission_takes_effect() {
    let stage = Stage::start().await;
    stage.world.script(DESCRIBE, [Reply::error(400, "AccessDeniedException")]);
    let id = stage.create(&properties()).await;
    stage.world.script(UPDATE, [Reply::error(400, "ConcurrentModificationException")]);
    stage.delete(&id, &properties()).await;
    assert_eq!(stage.config(), json!({}));
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let stage = Stage::start().await;
    let role = arn("UserPoolSmsRole");
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/triggers-AttachRole-1A2B3C4D5E6F/{ATTACH} is not authorized to \
         perform: iam:PassRole on resource: {role} because no identity-based policy allows the iam:PassRole action"
    );
    for (code, replace) in [("AccessDeniedException", "false"), ("InvalidParameterException", "true")] {
        let body = json!({ "__type": code, "message": message }).to_string();
        let reply = Reply::Status { code: 400, aws_error_code: Some(code.to_owned()), body };
        stage.world.always(UPDATE, &reply);
        let reason = stage.refused(&create(&with("ReplaceTriggers", replace))).await;
        let remedy =
            format!("Set PoolSmsRoleArn to {role}, the SMS role of the user pool, then deploy again.");
        assert!(reason.ends_with(&remedy), "{reason}");
    }
}

#[tokio::test]
async fn no_error_quotes_an_address_of_the_pool() {
    let stage = Stage::start().await;
    let message =
        format!("Email address is not verified: arn:aws:ses:eu-central-1:123456789012:identity/{SENDER}");
    let body = json!({ "__type": "InvalidParameterException", "message": message }).to_string();
    let code = Some("InvalidParameterException".to_owned());
    stage.world.always(UPDATE, &Reply::Status { code: 400, aws_error_code: code, body });
    let reason = stage.refused(&create(&properties())).await;
    assert!(reason.contains("InvalidParameterException: Email address is not verified: …"), "{reason}");
    for text in [reason, stage.function.stdout(), stage.function.stderr()] {
        assert!(!text.contains('@'), "{text}");
    }
}

#[tokio::test]
async fn a_pool_with_unknown_settings_is_not_written() {
    let stage = Stage::start().await;
    let id = stage.create(&properties()).await;
    stage.world.change_pool(|pool| pool["FutureSetting"] = json!("FUTURE"));
    for request in [delete(&id, &properties()), update(&id, &without_sms(), &properties())] {
        let reason = stage.refused(&request).await;
        assert!(reason.contains("FutureSetting") && reason.contains("`cognito-triggers`"), "{reason}");
    }
    // As the remedy says, the tool detaches the triggers. Then the function has nothing to do.
    stage.world.change_pool(|pool| pool["LambdaConfig"] = json!({}));
    let mut request = delete(&id, &properties());
    request["RequestId"] = json!("another request");
    Stage::done(&stage.ask(&request).await);
}

#[tokio::test]
async fn a_pool_that_changed_during_the_write_is_reported() {
    let stage = Stage::start().await;
    stage.world.change(DESCRIBE, |answer| {
        if answer["UserPool"]["LambdaConfig"].get("PreSignUp").is_some() {
            answer["UserPool"]["MfaConfiguration"] = json!("OFF");
        }
    });
    let answer = stage.ask(&create(&properties())).await;
    assert_eq!(answer["Status"], "FAILED");
    let reason = answer["Reason"].as_str().expect("a reason");
    assert!(reason.contains("MfaConfiguration"), "{reason}");
    // The rollback detaches the triggers.
    let id = answer["PhysicalResourceId"].as_str().expect("an id");
    assert_eq!(id, self::id(&memory(POOL, &json!({}))));
    let _ = stage.ask(&delete(id, &properties())).await;
    assert_eq!(stage.config(), json!({}));
}

#[tokio::test]
async fn the_response_is_sent_before_the_deadline() {
    let stage = Stage::start().await;
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs());
    stage.world.always(UPDATE, &Reply::HangAfter);
    let answer = stage.ask_within(Duration::from_secs(4), &create(&with("ReplaceTriggers", "true"))).await;
    assert_eq!(answer["Status"], "FAILED");
    // The write may have succeeded, so the ID holds the previous triggers.
    assert!(answer["PhysicalResourceId"].as_str().expect("an id").contains(THEIRS));
}

#[tokio::test]
async fn a_malformed_request_gets_a_response_if_it_has_a_response_url() {
    let stage = Stage::start().await;
    let mut malformed = create(&properties());
    malformed["ResourceProperties"] = json!(["UserPoolId"]);
    let reason = stage.refused(&malformed).await;
    assert!(reason.starts_with("CloudFormation's request is not valid: "), "{reason}");
    let url = stage.answers.url();
    for request in
        [json!({ "ResponseURL": url }), json!({ "ResponseURL": url, "RequestType": 7, "StackId": [] })]
    {
        let _ = stage.function.invoke_within(LONG, request.to_string()).await;
        let answer = stage.answers.answers().last().expect("an answer").clone();
        assert_eq!(answer["Status"], "FAILED");
    }
    for event in ["{}", "[]", "7", "\"https://example.com\"", r#"{"ResponseURL":"http://example.com/"}"#] {
        let ended = stage.function.invoke_within(LONG, event).await;
        assert!(ended.error_message().contains("CloudFormation gets no response"), "{ended:?}");
    }
    assert_eq!(stage.world.calls(), []);
}

#[tokio::test]
async fn the_response_is_retried_and_the_function_fails_without_it() {
    let stage = Stage::start().await;
    stage.answers.script([Reply::bare(503), Reply::ResetBefore, Reply::bare(500)]);
    let id = stage.create(&properties()).await;
    assert_eq!((stage.answers.attempts(), stage.writes()), (4, 1));
    stage.answers.script(std::iter::repeat_n(Reply::bare(403), 10));
    let mut request = delete(&id, &properties());
    request["ResponseURL"] = json!(stage.answers.url());
    let ended = stage.function.invoke_within(Duration::from_secs(4), request.to_string()).await;
    assert!(
        matches!(&ended, Invocation::Err { error_type, .. } if error_type == ErrorType::Unanswered.name()),
        "{ended:?}"
    );
    assert!(!format!("{ended:?}{}", stage.function.stdout()).contains(SIGNATURE));
}

#[tokio::test]
async fn the_response_is_sent_over_tls() {
    let tls = Tls::new();
    let world = MockAws::start();
    world.attached_by_hand();
    let ca_file = tls.ca_file().to_str().expect("a path").to_owned();
    let mut stage = Stage::with(world, &[("SSL_CERT_FILE", &ca_file)]).await;
    stage.answers = Presigned::start(Some(&tls));
    assert!(stage.answers.url().starts_with("https://"));
    let _ = stage.create(&properties()).await;
}
