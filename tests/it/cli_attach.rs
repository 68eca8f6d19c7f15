//! `cognito-triggers attach`, `detach` and `diff`: an existing pool gets the triggers, and nothing else in it changes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::cli::Output;
use tests::mock_aws::{
    CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, CUSTOM_SMS_SENDER, KEY_ARN, MockAws, POOL, PRE_SIGN_UP, STACK, arn,
    function_name, physical_id,
};
use tests::service::Reply;

const UPDATE: &str = "cognito-idp:UpdateUserPool";
const DESCRIBE: &str = "cognito-idp:DescribeUserPool";
const OTHERS: &str = "arn:aws:lambda:eu-central-1:123456789012:function:others";

/// An existing pool without triggers, and a folder for backups.
struct Stage {
    world: MockAws,
    folder: TempDir,
}

impl Stage {
    fn set() -> Self {
        let world = MockAws::start();
        world.attached_by_hand();
        // The stack manages its own permissions.
        world.change_pool(|pool| {
            pool["EmailConfiguration"]["FutureRoute"] = json!("nested and unknown");
            pool["LambdaConfig"]["PostConfirmation"] = json!(OTHERS);
        });
        Self { world, folder: TempDir::new().expect("a temporary folder") }
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.json")
    }

    /// Runs a command for the stack. The name of the folder, which differs every time, is replaced in the output.
    async fn run(&self, command: &str, more: &[&str]) -> Output {
        let output = self.world.run(&[&[command, "--stack-name", STACK], more].concat()).await;
        let folder = self.folder.path().to_str().expect("UTF-8");
        let named = |text: &str| words(text).replace(&words(folder), "FOLDER");
        let stdout = output.stdout.replace(folder, "FOLDER");
        Output { stdout, stderr: named(&output.stderr), ..output }
    }

    async fn attach(&self, more: &[&str]) -> Output {
        let backup = self.backup();
        let backup = ["--apply", "--backup", backup.to_str().expect("UTF-8")];
        self.run("attach", &[&backup, more].concat()).await
    }

    async fn detach(&self, more: &[&str]) -> Output {
        let backup = self.folder.path().join("detach.json");
        let backup = ["--apply", "--backup", backup.to_str().expect("UTF-8")];
        self.run("detach", &[&backup, more].concat()).await
    }

    /// Removes all permissions.
    fn forbid_invocation(&self) {
        for function in [PRE_SIGN_UP, CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER] {
            self.world.change_permissions(function, Vec::clear);
        }
    }

    #[track_caller]
    fn assert_nothing_was_written(&self) {
        for operation in [UPDATE, "lambda:AddPermission", "lambda:RemovePermission"] {
            assert_eq!(self.world.asked(operation), Vec::<Value>::new(), "{operation}");
        }
        assert!(!self.backup().exists());
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// The pool without times and versions, and without the older of two names for one setting.
fn settings(pool: &Value) -> Value {
    let mut pool = pool.clone();
    let members = pool.as_object_mut().expect("an object");
    // Over the wire it is a number.
    for time in ["CreationDate", "LastModifiedDate"] {
        members.remove(time);
    }
    if let Some(config) = members["AdminCreateUserConfig"].as_object_mut() {
        config.remove("UnusedAccountValidityDays");
    }
    pool
}

fn attached() -> Value {
    json!({
        "PostConfirmation": OTHERS,
        "PreSignUp": PRE_SIGN_UP,
        "CustomEmailSender": { "LambdaVersion": "V1_0", "LambdaArn": CUSTOM_EMAIL_SENDER },
        "CustomSMSSender": { "LambdaVersion": "V1_0", "LambdaArn": CUSTOM_SMS_SENDER },
        "KMSKeyID": KEY_ARN,
    })
}

/// A sentence about the pre-sign-up function.
fn pre_sign_up(sentence: &str) -> String {
    format!("{}: {sentence}", function_name(PRE_SIGN_UP))
}

#[track_caller]
fn assert_end(output: &Output, code: i32, said: &str) {
    assert_eq!(output.code, Some(code), "{output:?}");
    assert!(words(&output.stderr).contains(said) || words(&output.stdout).contains(said), "{output:?}");
    assert!(
        output.stdout.lines().all(|line| line.chars().count() <= 80 || line.contains("arn:")),
        "{output:?}"
    );
}

#[tokio::test]
async fn without_apply_the_difference_is_shown_and_nothing_is_changed() {
    let stage = Stage::set();
    stage.world.change_permissions(CUSTOM_SMS_SENDER, Vec::clear);
    let output = stage.run("attach", &[]).await;
    assert_end(&output, 0, "Dry run: nothing is changed.");
    assert_snapshot!("attach, dry run", output.stdout);
    let json = stage.run("attach", &["--format", "json"]).await;
    assert_snapshot!("attach, dry run, json", json.stdout);
    assert_eq!(output.stderr, "");
    stage.assert_nothing_was_written();
    let documentation = include_str!("../../docs/operating.md");
    assert!(documentation.contains(&output.stdout), "docs/operating.md shows what is printed");
}

#[tokio::test]
async fn all_settings_survive_attaching_and_detaching() {
    let stage = Stage::set();
    stage.forbid_invocation();
    let before = stage.world.pool();
    let output = stage.attach(&[]).await;
    assert_end(&output, 0, "Attached. All other settings are unchanged.");
    assert_snapshot!("attach", output.stdout);

    let mut expected = before.clone();
    expected["LambdaConfig"] = attached();
    assert_eq!(settings(&stage.world.pool()), settings(&expected));
    assert_eq!(stage.world.asked(UPDATE).len(), 1);
    for function in [PRE_SIGN_UP, CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER] {
        let statements = stage.world.permissions(function);
        assert_eq!(statements.len(), 1);
        assert_eq!(statements[0]["Condition"]["ArnLike"]["AWS:SourceArn"], before["Arn"]);
        assert_eq!(statements[0]["Condition"]["StringEquals"]["AWS:SourceAccount"], "123456789012");
    }
    let backup = read(&stage.backup());
    assert_eq!(settings(&backup["UserPool"]), settings(&before));
    let mode = std::fs::metadata(stage.backup()).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    stage.world.forget();
    let again = stage.run("attach", &["--apply"]).await;
    assert_end(&again, 0, "Everything is attached already: there is nothing to do.");
    assert_eq!(stage.world.asked(UPDATE), Vec::<Value>::new());
    assert_end(&stage.run("diff", &[]).await, 0, "agree.");

    let backup = stage.backup();
    let restore = ["--restore", backup.to_str().expect("UTF-8")];
    let dry = stage.run("detach", &restore).await;
    assert_end(&dry, 0, "Dry run: nothing is changed.");
    assert_snapshot!("detach, dry run", dry.stdout);
    let output = stage.detach(&restore).await;
    assert_end(&output, 0, "Detached. All other settings are unchanged.");
    assert_eq!(settings(&stage.world.pool()), settings(&before));
    for function in [PRE_SIGN_UP, CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER] {
        assert_eq!(stage.world.permissions(function), Vec::<Value>::new());
    }
    assert_end(&stage.run("detach", &[]).await, 0, "there is nothing to do");
}

#[tokio::test]
async fn permissions_of_the_stack_are_neither_duplicated_nor_removed() {
    let stage = Stage::set();
    let permissions = stage.world.permissions(PRE_SIGN_UP);
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    assert_eq!(stage.world.permissions(PRE_SIGN_UP), permissions);
    assert_end(&stage.detach(&[]).await, 0, "Detached");
    assert_eq!(stage.world.permissions(PRE_SIGN_UP), permissions);
    assert_eq!(stage.world.pool()["LambdaConfig"], json!({ "PostConfirmation": OTHERS }));
}

#[tokio::test]
async fn another_function_stays_attached_unless_replacement_is_requested() {
    let stage = Stage::set();
    stage.world.change_pool(|pool| pool["LambdaConfig"]["PreSignUp"] = json!(OTHERS));
    let before = stage.world.pool();
    let output = stage.attach(&[]).await;
    assert_end(&output, 1, "To replace it, add --replace.");
    assert_snapshot!("attach, refused", output.stdout);
    stage.assert_nothing_was_written();

    assert_end(&stage.attach(&["--replace"]).await, 0, "Attached");
    assert_eq!(stage.world.pool()["LambdaConfig"], attached());
    let permissions = stage.world.permissions(PRE_SIGN_UP);
    let policy = json!({ "Statement": permissions }).to_string();
    stage.world.answer("lambda:GetPolicy", json!({ "Policy": policy }));
    let backup = stage.backup();
    let restore = ["--restore", backup.to_str().expect("UTF-8")];
    assert_end(&stage.detach(&restore).await, 0, "Detached");
    assert_eq!(settings(&stage.world.pool()), settings(&before));
}

#[tokio::test]
async fn detaching_leaves_a_replacement_attached() {
    let stage = Stage::set();
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    stage.world.change_pool(|pool| {
        pool["LambdaConfig"]["CustomSMSSender"]["LambdaArn"] = json!(OTHERS);
        pool["MfaConfiguration"] = json!("ON");
    });
    let output = stage.detach(&[]).await;
    assert_end(&output, 0, "CustomSMSSender points to");
    let expected = json!({
        "PostConfirmation": OTHERS,
        "CustomSMSSender": { "LambdaVersion": "V1_0", "LambdaArn": OTHERS },
        "KMSKeyID": KEY_ARN,
    });
    let pool = stage.world.pool();
    assert_eq!((&pool["LambdaConfig"], &pool["MfaConfiguration"]), (&expected, &json!("ON")));
}

#[tokio::test]
async fn settings_that_are_not_known_are_refused_kept_or_left_out() {
    let stage = Stage::set();
    stage.world.change_pool(|pool| pool["FutureSetting"] = json!({ "a": 1 }));
    let output = stage.attach(&[]).await;
    assert_end(&output, 1, "settings that this version does not support: FutureSetting");
    stage.assert_nothing_was_written();
    assert_end(&stage.attach(&["--unknown-fields", "keep"]).await, 0, "Attached");
    assert_eq!(stage.world.pool()["FutureSetting"], json!({ "a": 1 }));
    assert_end(&stage.detach(&["--unknown-fields", "drop"]).await, 0, "Detached");
    assert_eq!(stage.world.pool().get("FutureSetting"), None);
}

#[tokio::test]
async fn a_refused_change_leaves_a_backup_and_names_what_is_probably_missing() {
    let stage = Stage::set();
    stage.forbid_invocation();
    stage.world.refuse(UPDATE, 400, "AccessDeniedException");
    let before = stage.world.pool();
    let output = stage.attach(&[]).await;
    assert_end(&output, 3, "these credentials lack the permission cognito-idp:UpdateUserPool");
    assert_snapshot!("attach, denied", output.stderr);
    assert_eq!(settings(&read(&stage.backup())["UserPool"]), settings(&before));
    assert_eq!(stage.world.pool(), before);
    // A permission for a trigger that isn't attached has no effect.
    assert_eq!(stage.world.permissions(PRE_SIGN_UP), Vec::<Value>::new());
}

#[tokio::test]
async fn throttling_and_silence_are_told_apart() {
    let stage = Stage::set();
    stage.world.refuse(UPDATE, 400, "TooManyRequestsException");
    assert_end(&stage.attach(&[]).await, 4, "The pool was not changed.");
    std::fs::remove_file(stage.backup()).expect("a backup");
    stage.world.refuse(UPDATE, 500, "InternalErrorException");
    assert_end(&stage.attach(&[]).await, 3, "It is not known whether the pool was changed");
    assert!(stage.backup().exists());
}

#[tokio::test]
async fn anything_else_that_is_different_afterwards_is_an_error() {
    let stage = Stage::set();
    stage.world.change(DESCRIBE, |answer| {
        if answer["UserPool"]["LambdaConfig"].get("PreSignUp").is_some() {
            answer["UserPool"]["MfaConfiguration"] = json!("OFF");
        }
    });
    let output = stage.attach(&[]).await;
    assert_end(&output, 1, "after the change the user pool differs from what was written: MfaConfiguration");
    assert!(output.stderr.contains("The backup FOLDER/backup.json has its previous settings."), "{output:?}");
}

#[tokio::test]
async fn a_pool_that_changes_meanwhile_is_not_written() {
    for (changed, said) in
        [("LastModifiedDate", json!("2026-11-22T08:00:00Z")), ("MfaConfiguration", json!("ON"))]
    {
        let stage = Stage::set();
        stage.forbid_invocation();
        let reads = Arc::new(AtomicUsize::new(0));
        stage.world.change(DESCRIBE, move |answer| {
            if reads.fetch_add(1, Ordering::SeqCst) > 0 {
                answer["UserPool"][changed] = said.clone();
            }
        });
        let said = format!("the user pool changed after it was read, so nothing was written: {changed}");
        assert_end(&stage.attach(&[]).await, 1, &said);
        assert_eq!(stage.world.asked(UPDATE), Vec::<Value>::new());
        assert_eq!(stage.world.permissions(PRE_SIGN_UP), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn missing_permissions_of_the_caller_are_named_in_advance() {
    let stage = Stage::set();
    stage.world.answer_with("iam:SimulatePrincipalPolicy", |request: &Value| {
        let action = &request["ActionNames"][0];
        let decision = if action == "cognito-idp:UpdateUserPool" { "allowed" } else { "implicitDeny" };
        json!({ "EvaluationResults": [{ "EvalActionName": action, "EvalDecision": decision }] })
    });
    let output = stage.run("attach", &[]).await;
    assert_end(&output, 1, &format!("iam:PassRole: denied {}", arn("UserPoolSmsRole")));
    assert!(words(&output.stdout).contains("the key's policy may"), "{output:?}");
    let asked = stage.world.asked("iam:SimulatePrincipalPolicy");
    assert_eq!(asked[0]["PolicySourceArn"], "arn:aws:iam::123456789012:user/operator");
    assert_eq!(asked[1]["ContextEntries"][0]["ContextKeyValues"][0], "cognito-idp.amazonaws.com");
    assert_eq!(asked[2]["ContextEntries"][1]["ContextKeyValues"][0], POOL);
}

#[tokio::test]
async fn permissions_that_cannot_be_checked_in_advance_are_named_too() {
    let stage = Stage::set();
    stage.world.refuse("iam:SimulatePrincipalPolicy", 403, "AccessDenied");
    let output = stage.run("attach", &[]).await;
    assert_end(
        &output,
        0,
        "iam:PassRole: not checked: these credentials lack the permission iam:SimulatePrincipalPolicy",
    );
}

#[tokio::test]
async fn the_permissions_of_a_session_are_those_of_its_role() {
    let stage = Stage::set();
    let session = format!("arn:aws:sts::123456789012:assumed-role/{}/ann", physical_id("UserPoolSmsRole"));
    stage.world.change("sts:GetCallerIdentity", move |answer| answer["Arn"] = json!(session));
    assert_end(&stage.run("attach", &[]).await, 0, "iam:PassRole: ");
    assert_eq!(
        stage.world.asked("iam:SimulatePrincipalPolicy")[0]["PolicySourceArn"],
        arn("UserPoolSmsRole")
    );
}

#[tokio::test]
async fn drift_is_found() {
    let stage = Stage::set();
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    stage.world.change_pool(|pool| {
        pool["LambdaConfig"]["PreSignUp"] = json!(OTHERS);
        pool["LambdaConfig"].as_object_mut().expect("an object").remove("CustomSMSSender");
    });
    stage.world.change_permissions(CUSTOM_EMAIL_SENDER, Vec::clear);
    let output = stage.run("diff", &[]).await;
    assert_end(&output, 1, "differ.");
    assert_snapshot!("diff", output.stdout);
    let json = stage.run("diff", &["--format", "json"]).await;
    assert_eq!(json.code, Some(1));
    let document: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(document["changes"][0], json!({ "slot": "PreSignUp", "from": OTHERS, "to": PRE_SIGN_UP }));
    assert_eq!(document["permissions"][1]["state"], "missing");
}

#[tokio::test]
async fn a_function_that_the_stack_no_longer_has_is_detached() {
    let stage = Stage::set();
    let gone =
        "arn:aws:lambda:eu-central-1:123456789012:function:triggers-CustomEmailSenderFunction-1A2B3C4D5E6F";
    stage.world.change_pool(|pool| {
        pool["LambdaConfig"]["CustomEmailSender"] = json!({ "LambdaVersion": "V1_0", "LambdaArn": gone });
        pool["LambdaConfig"]["KMSKeyID"] = json!(KEY_ARN);
    });
    stage.world.change("cloudformation:DescribeStacks", |answer| {
        let outputs = answer["Stacks"][0]["Outputs"].as_array_mut().expect("a list");
        outputs.retain(|one| one["OutputKey"] != "CustomEmailSenderFunctionArn");
        for output in outputs.iter_mut().filter(|one| one["OutputKey"] == "LambdaConfigToAttach") {
            let config = json!({ "PreSignUp": PRE_SIGN_UP, "CustomMessage": CUSTOM_MESSAGE });
            output["OutputValue"] = json!(config.to_string());
        }
    });
    assert_end(&stage.run("diff", &[]).await, 1, "differ.");
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    let expected =
        json!({ "PostConfirmation": OTHERS, "PreSignUp": PRE_SIGN_UP, "CustomMessage": CUSTOM_MESSAGE });
    assert_eq!(stage.world.pool()["LambdaConfig"], expected, "no function needs the key");
    assert_end(&stage.run("diff", &[]).await, 0, "agree.");
}

#[tokio::test]
async fn the_parameter_for_the_user_names_follows_from_the_pool() {
    let stage = Stage::set();
    assert_end(&stage.run("attach", &[]).await, 0, "EmailIsUsername=true: email is the sign-in attribute");
    stage.world.change_pool(|pool| {
        pool.as_object_mut().expect("an object").remove("UsernameAttributes");
        pool["AliasAttributes"] = json!(["email"]);
    });
    assert_end(
        &stage.run("attach", &[]).await,
        0,
        "EmailIsUsername=false is correct for this user pool: email is an alias attribute",
    );
    stage.world.change("cloudformation:DescribeStacks", |answer| {
        let parameters = answer["Stacks"][0]["Parameters"].as_array_mut().expect("a list");
        parameters.retain(|one| one["ParameterKey"] != "EmailIsUsername");
        parameters.push(json!({ "ParameterKey": "EmailIsUsername", "ParameterValue": "true" }));
    });
    let output = stage.attach(&[]).await;
    assert_end(&output, 1, "EmailIsUsername=true is wrong for this user pool: ");
    assert_snapshot!("attach, refused for EmailIsUsername", output.stdout);
    stage.assert_nothing_was_written();
    assert_end(&stage.run("diff", &[]).await, 1, "EmailIsUsername=true is wrong for this user pool: ");
}

#[tokio::test]
async fn functions_that_rely_on_unique_addresses_are_not_attached_to_a_pool_without_them() {
    let stage = Stage { world: MockAws::start(), folder: TempDir::new().expect("a temporary folder") };
    stage.world.change_pool(|pool| {
        pool["LambdaConfig"] = json!({});
        pool["UsernameAttributes"] = json!(["email", "phone_number"]);
    });
    let output = stage.attach(&[]).await;
    assert_end(&output, 1, "is wrong for this user pool: users may also sign up with");
    stage.assert_nothing_was_written();
    stage.world.change_pool(|pool| pool["UsernameAttributes"] = json!(["email"]));
    assert_end(&stage.attach(&[]).await, 0, "EmailIsUsername=true is correct for this user pool");
}

#[tokio::test]
async fn a_function_with_a_denying_statement_is_named_and_its_policy_unchanged() {
    let stage = Stage::set();
    stage.world.change_permissions(PRE_SIGN_UP, |statements| {
        let mut denial = statements[0].clone();
        (denial["Sid"], denial["Effect"]) = (json!("denial"), json!("Deny"));
        statements.push(denial);
    });
    let said = &pre_sign_up("this user pool can't invoke it, because a Deny statement of its policy applies");
    assert_end(&stage.attach(&[]).await, 1, &format!("Refused: {said}. Remove that statement"));
    stage.assert_nothing_was_written();
    assert_end(&stage.run("diff", &[]).await, 1, said);
}

#[tokio::test]
async fn a_function_that_any_pool_may_invoke_is_named_but_is_not_drift() {
    let stage = Stage::set();
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    stage.world.change_permissions(PRE_SIGN_UP, |statements| {
        statements[0].as_object_mut().expect("an object").remove("Condition");
    });
    let output = stage.run("diff", &[]).await;
    assert_end(&output, 0, &pre_sign_up("every user pool of every account can invoke it"));
    assert_end(&output, 0, "agree.");
}

#[tokio::test]
async fn a_condition_that_cannot_be_evaluated_is_named() {
    let stage = Stage::set();
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    stage.world.change_permissions(PRE_SIGN_UP, |statements| {
        let mut denial = statements[0].clone();
        (denial["Sid"], denial["Effect"]) = (json!("denial"), json!("Deny"));
        denial["Condition"] = json!({ "Bool": { "aws:SecureTransport": "false" } });
        statements.push(denial);
    });
    let output = stage.run("diff", &[]).await;
    assert_end(
        &output,
        0,
        "this user pool can invoke it unless a Deny statement of its policy applies; this command",
    );
    assert_end(&output, 0, "can't evaluate the condition on aws:securetransport in it");
    stage.world.change_permissions(PRE_SIGN_UP, |statements| {
        statements.pop();
        statements[0]["Condition"]["Bool"] = json!({ "aws:SecureTransport": "true" });
    });
    assert_end(
        &stage.run("diff", &[]).await,
        1,
        "only if a condition on aws:securetransport in its policy holds",
    );
    stage.world.change_permissions(PRE_SIGN_UP, |statements| {
        statements[0]["Condition"] = json!({ "StringEquals": { "AWS:SourceAccount": "123456789012" } });
    });
    let output = stage.run("diff", &[]).await;
    assert_end(&output, 0, &pre_sign_up("every user pool of the account can invoke it"));
}

#[tokio::test]
async fn another_key_is_drift() {
    let stage = Stage::set();
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    stage.world.change_pool(|pool| {
        let config = &mut pool["LambdaConfig"];
        config["CustomEmailSender"] = json!({ "LambdaVersion": "V1_0", "LambdaArn": OTHERS });
        config["KMSKeyID"] = json!(format!("{KEY_ARN}-of-others"));
    });
    stage.world.change("cloudformation:DescribeStacks", |answer| {
        for output in answer["Stacks"][0]["Outputs"].as_array_mut().expect("a list") {
            if output["OutputKey"] == "LambdaConfigToAttach" {
                let sender = json!({ "LambdaVersion": "V1_0", "LambdaArn": CUSTOM_SMS_SENDER });
                let config =
                    json!({ "PreSignUp": PRE_SIGN_UP, "CustomSMSSender": sender, "KMSKeyID": KEY_ARN });
                output["OutputValue"] = json!(config.to_string());
            }
        }
    });
    let output = stage.run("diff", &[]).await;
    assert_end(&output, 1, "attach would refuse: CustomEmailSender already points to another function");
    assert_end(&output, 1, "differ.");
}

#[tokio::test]
async fn a_pool_that_sends_through_cognitos_own_account_gets_no_custom_message_function() {
    let stage = Stage::set();
    stage
        .world
        .change_pool(|pool| pool["EmailConfiguration"]["EmailSendingAccount"] = json!("COGNITO_DEFAULT"));
    stage.world.change("cloudformation:DescribeStacks", |answer| {
        for output in answer["Stacks"][0]["Outputs"].as_array_mut().expect("a list") {
            if output["OutputKey"] == "LambdaConfigToAttach" {
                let config = json!({ "PreSignUp": PRE_SIGN_UP, "CustomMessage": CUSTOM_MESSAGE });
                output["OutputValue"] = json!(config.to_string());
            }
        }
    });
    assert_end(&stage.attach(&[]).await, 1, "or deploy with EmailDelivery=sender.");
    stage.assert_nothing_was_written();
}

#[tokio::test]
async fn a_function_that_cognito_may_not_invoke_is_not_restored() {
    let stage = Stage::set();
    stage.world.change_pool(|pool| pool["LambdaConfig"]["PreSignUp"] = json!(OTHERS));
    assert_end(&stage.attach(&["--replace"]).await, 0, "Attached");
    stage.world.forget();
    let backup = stage.backup();
    let restore = ["--restore", backup.to_str().expect("UTF-8")];
    let output = stage.detach(&restore).await;
    assert_end(&output, 1, "others: this user pool can't invoke it. Leave out --restore");
    assert_eq!(stage.world.asked(UPDATE), Vec::<Value>::new());
    assert_end(&stage.detach(&[]).await, 0, "Detached");
    assert_eq!(stage.world.pool()["LambdaConfig"], json!({ "PostConfirmation": OTHERS }));
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_not_repeated() {
    let stage = Stage::set();
    stage.forbid_invocation();
    stage.world.script(UPDATE, [Reply::ResetAfter, Reply::error(400, "TooManyRequestsException")]);
    assert_end(&stage.attach(&[]).await, 3, "It is not known whether the pool was changed");
    assert_eq!(stage.world.asked(UPDATE).len(), 1);
    assert_eq!(stage.world.pool()["LambdaConfig"], attached());
    assert_eq!(stage.world.permissions(PRE_SIGN_UP).len(), 1);
    assert_end(&stage.run("diff", &[]).await, 0, "agree.");
}

#[tokio::test]
async fn a_statement_that_was_changed_by_hand_is_replaced() {
    let stage = Stage::set();
    stage.forbid_invocation();
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    stage.world.change_permissions(PRE_SIGN_UP, |statements| {
        statements[0]["Condition"]["StringEquals"]["AWS:SourceAccount"] = json!("210987654321");
    });
    assert_end(&stage.run("diff", &[]).await, 1, &pre_sign_up("this user pool can't invoke it"));
    assert_end(&stage.run("attach", &["--apply"]).await, 0, &pre_sign_up("this user pool can invoke it now"));
    assert_end(&stage.run("diff", &[]).await, 0, "agree.");
}

#[tokio::test]
async fn a_permission_that_cannot_be_removed_is_reported() {
    let stage = Stage::set();
    stage.forbid_invocation();
    assert_end(&stage.attach(&[]).await, 0, "Attached");
    stage.world.refuse("lambda:RemovePermission", 403, "AccessDeniedException");
    let output = stage.detach(&[]).await;
    assert_end(&output, 3, "Cognito may still invoke a function that is not attached any more.");
    assert!(
        output.stderr.contains("these credentials lack the permission lambda:RemovePermission"),
        "{output:?}"
    );
    assert!(output.stdout.contains("Detached"), "{output:?}");
    assert_eq!(stage.world.pool()["LambdaConfig"], json!({ "PostConfirmation": OTHERS }));
}

#[tokio::test]
async fn a_backup_is_never_overwritten() {
    let stage = Stage::set();
    std::fs::write(stage.backup(), "precious").expect("written");
    assert_end(&stage.attach(&[]).await, 1, "can't write FOLDER/backup.json");
    assert_eq!(std::fs::read_to_string(stage.backup()).expect("a file"), "precious");
    assert_eq!(stage.world.asked(UPDATE), Vec::<Value>::new());
}

#[tokio::test]
async fn a_backup_of_another_pool_or_an_empty_one_is_a_usage_error() {
    let stage = Stage::set();
    let restore = stage.folder.path().join("restore.json");
    let path = restore.to_str().expect("UTF-8");
    let another = json!({ "UserPool": { "Id": "eu-central-1_Another01", "Arn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Another01" } });
    for (text, said) in [
        (another.to_string(), "is a backup of eu-central-1_Another01, not of"),
        ("{}".to_owned(), "is not a description of a user pool"),
    ] {
        std::fs::write(&restore, text).expect("written");
        assert_end(&stage.detach(&["--restore", path]).await, 2, said);
    }
    stage.assert_nothing_was_written();
}

#[tokio::test]
async fn a_missing_pool_or_stack_is_reported() {
    let stage = Stage::set();
    let output = stage.run("attach", &["--user-pool-id", "eu-central-1_Another01"]).await;
    assert_end(&output, 3, "not found by Cognito in eu-central-1 (cognito-idp:DescribeUserPool)");
    let output = stage.world.run(&["diff", "--stack-name", "another"]).await;
    assert_end(&output, 3, "there is no stack another");
}
