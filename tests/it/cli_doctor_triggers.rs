//! `cognito-triggers doctor`: what it says about the triggers, over one server that plays all of AWS.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::canary::assert_absent;
use tests::cli::Output;
use tests::mock_aws::{
    CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, CUSTOM_SMS_SENDER, KEY_ARN, MockAws, POOL, PRE_SIGN_UP,
    RECIPIENT_HASH_KEY, STACK, USER, arn, function_name,
};

/// The part of the text below a title: one entry for each finding.
pub(crate) fn findings(output: &Output, title: &str) -> Vec<String> {
    assert!(matches!(output.code, Some(0 | 1)), "{output:?}");
    let lines = output.stdout.lines().skip_while(|line| *line != title).skip(1);
    let mut findings: Vec<String> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let more = line.starts_with("          ");
        match findings.last_mut() {
            Some(finding) if more => {
                finding.push('\n');
                finding.push_str(line);
            }
            _ => findings.push(line.to_owned()),
        }
    }
    findings
}

/// Text wraps at 80 columns; commands stay whole, so that they can be pasted.
#[track_caller]
pub(crate) fn assert_narrow(finding: &str) {
    let is_whole = |line: &str| {
        let is_command = ["aws ", "cognito-triggers "].iter().any(|program| line.starts_with(program));
        // An ARN stays whole as well.
        is_command || !line.contains(' ')
    };
    for line in finding.lines().filter(|line| line.chars().count() > 80) {
        assert!(is_whole(line.trim_start()), "{line}");
    }
}

pub(crate) fn is_ok(finding: &str) -> bool {
    finding.starts_with("ok ")
}

/// Nothing that an operator did not ask for.
#[track_caller]
pub(crate) fn assert_harmless(output: &Output) {
    let secrets = [
        ("the key of the hashes", RECIPIENT_HASH_KEY),
        ("another user's address", "bea@example.org"),
        ("another user's number", "+12065550199"),
        ("a code", "918273"),
    ];
    assert_absent(&secrets, &format!("{}{}", output.stdout, output.stderr));
}

async fn doctor(world: &MockAws, more: &[&str]) -> Output {
    let output = world.run(&[&["doctor", USER, "--stack-name", STACK], more].concat()).await;
    assert_harmless(&output);
    output
}

const TITLE: &str = "Lambda triggers";

type Change = fn(&MockAws);

fn lambda_config(world: &MockAws, change: fn(&mut Value)) {
    world.change_pool(|pool| change(&mut pool["LambdaConfig"]));
}

fn key(world: &MockAws, member: &'static str, value: &'static str) {
    world.change("kms:DescribeKey", move |answer| answer["KeyMetadata"][member] = json!(value));
}

/// Lets KMS return this key for every key id.
fn only_key(world: &MockAws, arn: &str) {
    let metadata = json!({
        "KeyId": arn.rsplit('/').next(),
        "Arn": arn,
        "KeyState": "Enabled",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
    });
    world.answer("kms:DescribeKey", json!({ "KeyMetadata": metadata }));
    world.answer("kms:ListGrants", json!({ "Grants": [], "Truncated": false }));
}

fn function(world: &MockAws, arn: &'static str, change: fn(&mut Value)) {
    world.change("lambda:GetFunctionConfiguration", move |answer| {
        if answer["FunctionArn"] == arn {
            change(answer);
        }
    });
}

fn condition(world: &MockAws, operator: &str, name: &str, value: &str) {
    world.change_permissions(CUSTOM_EMAIL_SENDER, |statements| {
        statements[0]["Condition"][operator][name] = json!(value);
    });
}

/// Another statement in the key's policy, about the email sender's role.
fn key_policy(world: &MockAws, statements: &Value) {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    world.answer("kms:GetKeyPolicy", json!({ "Policy": policy, "PolicyName": "default" }));
}

fn iam_decides() -> Value {
    json!({ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::123456789012:root" }, "Action": "kms:*" })
}

fn simulate(world: &MockAws, decision: &str) {
    let result = json!({ "EvalActionName": "kms:Decrypt", "EvalDecision": decision });
    world.answer(
        "iam:SimulatePrincipalPolicy",
        json!({ "EvaluationResults": [result], "IsTruncated": false }),
    );
}

/// What is changed in a healthy account, and the word that the finding begins with.
const CASES: &[(&str, &str, Change)] = &[
    ("the pool does not invoke the email sender", "warning", |world| {
        world.change_pool(|pool| {
            pool["LambdaConfig"].as_object_mut().map(|config| config.remove("CustomEmailSender"));
        });
    }),
    ("the pool does not invoke the SMS sender", "warning", |world| {
        world.change_pool(|pool| {
            pool["LambdaConfig"].as_object_mut().map(|config| config.remove("CustomSMSSender"));
        });
    }),
    ("the pool does not invoke pre-sign-up", "warning", |world| {
        world.change_pool(|pool| {
            pool["LambdaConfig"].as_object_mut().map(|config| config.remove("PreSignUp"));
        });
    }),
    ("another function is attached", "warning", |world| {
        lambda_config(world, |config| config["PreSignUp"] = json!(CUSTOM_MESSAGE));
    }),
    ("a version is attached", "warning", |world| {
        lambda_config(world, |config| config["PreSignUp"] = json!(format!("{PRE_SIGN_UP}:7")));
        world.answer("lambda:GetPolicy", json!({ "Policy": allowing(PRE_SIGN_UP) }));
        world
            .answer("lambda:GetFunctionConfiguration", json!({ "FunctionName": function_name(PRE_SIGN_UP) }));
        world.change_pool(|pool| {
            pool["LambdaConfig"] = json!({ "PreSignUp": pool["LambdaConfig"]["PreSignUp"] });
        });
    }),
    ("sender and custom-message for the same channel", "warning", |world| {
        lambda_config(world, |config| config["CustomMessage"] = json!(CUSTOM_MESSAGE));
        world.set_variable(CUSTOM_MESSAGE, "CUSTOM_MESSAGE_CHANNELS", Some("email"));
    }),
    ("a version of the events that is newer than the function", "warning", |world| {
        lambda_config(world, |config| config["CustomEmailSender"]["LambdaVersion"] = json!("FUTURE_V2"));
    }),
    ("no key", "CAUSE", |world| {
        world.change_pool(|pool| {
            pool["LambdaConfig"].as_object_mut().map(|config| config.remove("KMSKeyID"));
        });
    }),
    ("no policy", "CAUSE", |world| world.change_permissions(CUSTOM_EMAIL_SENDER, Vec::clear)),
    ("a policy for another pool", "CAUSE", |world| {
        let other = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Other";
        condition(world, "ArnLike", "AWS:SourceArn", other);
    }),
    ("a policy for another account", "CAUSE", |world| {
        condition(world, "StringEquals", "AWS:SourceAccount", "111122223333");
    }),
    ("a policy without conditions", "warning", |world| {
        world.change_permissions(CUSTOM_EMAIL_SENDER, |statements| {
            statements[0].as_object_mut().map(|statement| statement.remove("Condition"));
        });
    }),
    ("a policy for another service", "CAUSE", |world| {
        world.change_permissions(CUSTOM_EMAIL_SENDER, |statements| {
            statements[0]["Principal"]["Service"] = json!("apigateway.amazonaws.com");
        });
    }),
    ("a policy with a condition that is unknown here", "warning", |world| {
        condition(world, "StringEquals", "aws:PrincipalOrgID", "o-1234567890");
    }),
    ("a policy that forbids it", "CAUSE", |world| {
        world.change_permissions(CUSTOM_EMAIL_SENDER, |statements| {
            let mut denial = statements[0].clone();
            denial["Effect"] = json!("Deny");
            statements.push(denial);
        });
    }),
    ("a policy that denies it under an unknown condition", "warning", |world| {
        world.change_permissions(CUSTOM_EMAIL_SENDER, |statements| {
            let mut deny = statements[0].clone();
            deny["Effect"] = json!("Deny");
            deny["Condition"] = json!({ "Bool": { "aws:SecureTransport": "false" } });
            statements.push(deny);
        });
    }),
    ("the function does not exist", "CAUSE", |world| {
        world.refuse("lambda:GetFunctionConfiguration", 404, "ResourceNotFoundException");
    }),
    ("another function is attached, and does not exist", "CAUSE", |world| {
        world.change_pool(|pool| {
            pool["LambdaConfig"] = json!({ "PreSignUp": CUSTOM_MESSAGE });
        });
        world.refuse("lambda:GetFunctionConfiguration", 404, "ResourceNotFoundException");
    }),
    ("the function failed", "CAUSE", |world| {
        function(world, CUSTOM_EMAIL_SENDER, |answer| {
            answer["State"] = json!("Failed");
            answer["StateReason"] = json!("The function's image is gone.");
        });
    }),
    ("the function is inactive", "warning", |world| {
        function(world, CUSTOM_EMAIL_SENDER, |answer| answer["State"] = json!("Inactive"));
    }),
    ("the function is pending", "warning", |world| {
        function(world, CUSTOM_EMAIL_SENDER, |answer| answer["State"] = json!("Pending"));
    }),
    ("the last deployment failed", "warning", |world| {
        function(world, CUSTOM_EMAIL_SENDER, |answer| answer["LastUpdateStatus"] = json!("Failed"));
    }),
    ("the function is switched off", "CAUSE", |world| {
        world.answer_with("lambda:GetFunctionConcurrency", |asked| {
            let is_sender = asked["FunctionName"] == function_name(CUSTOM_EMAIL_SENDER);
            if is_sender { json!({ "ReservedConcurrentExecutions": 0 }) } else { json!({}) }
        });
    }),
    ("no retries, for hours, without a queue", "warning", |world| {
        world.change("lambda:GetFunctionEventInvokeConfig", |answer| {
            answer["MaximumRetryAttempts"] = json!(0);
            answer["MaximumEventAgeInSeconds"] = json!(7200);
            answer["DestinationConfig"] = json!({});
        });
    }),
    ("no settings for what fails", "warning", |world| {
        world.refuse("lambda:GetFunctionEventInvokeConfig", 404, "ResourceNotFoundException");
    }),
    ("settings with which a function does not start", "CAUSE", |world| {
        world.set_variable(CUSTOM_EMAIL_SENDER, "LOG_LEVEL", Some("loud"));
        world.set_variable(CUSTOM_SMS_SENDER, "SMS_ALLOWED_COUNTRIES", None);
    }),
    ("the sender has another key than the pool", "CAUSE", |world| {
        world.change_pool(|pool| pool["LambdaConfig"]["KMSKeyID"] = json!(OTHER_KEY));
        only_key(world, OTHER_KEY);
        key_policy(world, &json!([iam_decides()]));
    }),
    ("the key is in another Region", "CAUSE", |world| {
        key(world, "Arn", "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555");
    }),
    ("the key is of another account", "warning", |world| {
        key(world, "Arn", "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555");
    }),
    ("the key is disabled", "CAUSE", |world| key(world, "KeyState", "Disabled")),
    ("the key is about to be deleted", "CAUSE", |world| key(world, "KeyState", "PendingDeletion")),
    ("the key has no material", "CAUSE", |world| key(world, "KeyState", "PendingImport")),
    ("the key store is away", "CAUSE", |world| key(world, "KeyState", "Unavailable")),
    ("the key is being made", "warning", |world| key(world, "KeyState", "Creating")),
    ("the key is for signatures", "CAUSE", |world| {
        key(world, "KeySpec", "ECC_NIST_P256");
        key(world, "KeyUsage", "SIGN_VERIFY");
    }),
    ("the key does not exist", "CAUSE", |world| world.refuse("kms:DescribeKey", 400, "NotFoundException")),
    ("the key does not exist, because it is in another Region", "CAUSE", |world| {
        world.change_pool(|pool| {
            let key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";
            pool["LambdaConfig"]["KMSKeyID"] = json!(key);
        });
        world.refuse("kms:DescribeKey", 400, "NotFoundException");
    }),
    ("an alias that may not be followed", "-", |world| {
        world.change_pool(|pool| {
            let alias = "arn:aws:kms:eu-central-1:123456789012:alias/codes";
            pool["LambdaConfig"]["KMSKeyID"] = json!(alias);
        });
        world.refuse("kms:DescribeKey", 400, "AccessDeniedException");
    }),
    ("a key policy that leaves nothing to IAM, and a grant for one role", "CAUSE", |world| {
        key_policy(world, &json!([]));
        let role = arn("CustomEmailSenderRole");
        let grant = json!({ "GranteePrincipal": role, "Operations": ["Decrypt"], "Constraints": {} });
        world.change("kms:ListGrants", move |answer| {
            answer["Grants"].as_array_mut().expect("a list").push(grant.clone());
        });
    }),
    ("no grant", "CAUSE", |world| {
        world.answer("kms:ListGrants", json!({ "Grants": [], "Truncated": false }));
    }),
    ("a grant for another pool", "CAUSE", |world| {
        world.change("kms:ListGrants", |answer| {
            answer["Grants"][0]["Constraints"]["EncryptionContextSubset"]["userpool-id"] =
                json!("eu-central-1_Other");
        });
    }),
    ("a grant that may be of another service", "warning", |world| {
        world.change("kms:ListGrants", |answer| {
            answer["Grants"][0]["GranteePrincipal"] = json!("arn:aws:iam::111122223333:root");
            answer["Grants"][0]["Constraints"] = json!({});
        });
    }),
    ("a key policy that leaves nothing to IAM", "CAUSE", |world| key_policy(world, &json!([]))),
    ("a key policy that lets another pool pass alone", "CAUSE", |world| {
        key_policy(
            world,
            &json!([
                iam_decides(),
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "kms:Decrypt",
                    "Condition": {
                        "StringNotEquals": { "kms:EncryptionContext:userpool-id": "eu-central-1_Other" },
                    },
                },
            ]),
        );
    }),
    ("a key policy that keeps Cognito from encrypting", "CAUSE", |world| {
        key_policy(
            world,
            &json!([
                iam_decides(),
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": ["kms:Encrypt", "kms:GenerateDataKey*"],
                    "Condition": {
                        "StringNotEquals": { "kms:EncryptionContext:userpool-id": "eu-central-1_Other" },
                    },
                },
            ]),
        );
    }),
    ("a key policy that denies", "CAUSE", |world| {
        key_policy(
            world,
            &json!([iam_decides(), { "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt" }]),
        );
    }),
    ("a key policy that denies under an unknown condition", "warning", |world| {
        let condition = json!({ "Bool": { "aws:ViaAWSService": "false" } });
        key_policy(
            world,
            &json!([
                iam_decides(),
                { "Effect": "Deny", "Principal": "*", "Action": "kms:*", "Condition": condition },
            ]),
        );
    }),
    ("a role that may not decrypt for this pool", "CAUSE", |world| simulate(world, "implicitDeny")),
    ("a role that must not decrypt", "CAUSE", |world| simulate(world, "explicitDeny")),
];

const OTHER_KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/99999999-2222-3333-4444-555555555555";

fn allowing(function: &str) -> String {
    json!({ "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": "cognito-idp.amazonaws.com" },
        "Action": "lambda:InvokeFunction",
        "Resource": function,
        "Condition": { "ArnLike": { "AWS:SourceArn": tests::mock_aws::POOL_ARN } },
    }] })
    .to_string()
}

#[tokio::test]
async fn every_problem_of_the_triggers_is_found_with_a_remedy() {
    let mut shown = String::new();
    for (name, word, change) in CASES {
        let world = MockAws::start();
        change(&world);
        let output = doctor(&world, &[]).await;
        let found: Vec<_> = findings(&output, TITLE).into_iter().filter(|one| !is_ok(one)).collect();
        assert!(found.iter().any(|one| one.starts_with(word)), "{name}: {output:?}");
        for one in &found {
            assert_narrow(one);
        }
        writeln!(shown, "# {name}\n{}\n", found.join("\n")).expect("a text");
    }
    assert_snapshot!("doctor, the triggers", shown);
}

#[tokio::test]
async fn healthy_triggers_are_ok_with_evidence() {
    let world = MockAws::start();
    let output = doctor(&world, &["--why"]).await;
    let found = findings(&output, TITLE);
    assert!(found.iter().all(|one| is_ok(one)), "{found:#?}");
    assert!(found.iter().all(|one| one.contains("          because ")), "{found:#?}");
    assert_snapshot!("doctor, healthy triggers", found.join("\n"));
}

#[tokio::test]
async fn a_denied_call_is_named_and_the_other_checks_run() {
    for action in [
        "lambda:GetFunctionConfiguration",
        "lambda:GetPolicy",
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionEventInvokeConfig",
        "kms:DescribeKey",
        "kms:ListGrants",
        "kms:GetKeyPolicy",
        "iam:SimulatePrincipalPolicy",
    ] {
        let world = MockAws::start();
        world.refuse(action, 403, "AccessDeniedException");
        let found = findings(&doctor(&world, &[]).await, TITLE);
        let unchecked: Vec<_> = found.iter().filter(|one| one.starts_with("- ")).collect();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            unchecked.iter().any(|one| words(one).contains(&format!("lack the permission {action} "))),
            "{action}: {found:#?}"
        );
        assert!(found.iter().all(|one| is_ok(one) || one.starts_with("- ")), "{action}: {found:#?}");
        assert!(found.iter().any(|one| is_ok(one)), "{action}: {found:#?}");
    }
}

#[tokio::test]
async fn an_alias_of_a_key_is_resolved() {
    let world = MockAws::start();
    let alias = "arn:aws:kms:eu-central-1:123456789012:alias/triggers-codes";
    world.change_pool(|pool| pool["LambdaConfig"]["KMSKeyID"] = json!(alias));
    only_key(&world, KEY_ARN);
    let found = findings(&doctor(&world, &[]).await, TITLE);
    assert!(found.iter().any(|one| one.contains("use the same KMS key") && is_ok(one)), "{found:#?}");
    assert_eq!(world.asked("kms:DescribeKey")[0]["KeyId"], alias);
    assert_eq!(world.asked("kms:ListGrants")[0]["KeyId"], KEY_ARN);
}

#[tokio::test]
async fn the_role_is_simulated_with_the_pool_in_the_encryption_context() {
    let world = MockAws::start();
    doctor(&world, &[]).await;
    let asked = world.asked("iam:SimulatePrincipalPolicy");
    assert_eq!(asked.len(), 2, "{asked:?}");
    for request in asked {
        assert_eq!(request["ActionNames"], json!(["kms:Decrypt"]));
        assert_eq!(request["ResourceArns"], json!([KEY_ARN]));
        let context = &request["ContextEntries"][0];
        assert_eq!(context["ContextKeyName"], "kms:EncryptionContext:userpool-id");
        assert_eq!(context["ContextKeyValues"], json!([POOL]));
    }
}

#[tokio::test]
async fn each_function_is_described_once() {
    let world = MockAws::start();
    doctor(&world, &[]).await;
    assert_eq!(world.asked("lambda:GetFunctionConfiguration").len(), 4);
}

#[tokio::test]
async fn programs_get_every_check_by_its_name() {
    let world = MockAws::start();
    let output = doctor(&world, &["--format", "json"]).await;
    let document: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let checks: BTreeSet<_> = document["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|finding| finding["check"].as_str())
        .filter(|check| check.starts_with("triggers.") || check.starts_with("trail."))
        .collect();
    let expected = [
        "trail.dead-letters",
        "trail.errors",
        "trail.log-delivery",
        "trail.messages",
        "triggers.attached",
        "triggers.decrypt",
        "triggers.function",
        "triggers.grant",
        "triggers.key",
        "triggers.key-state",
        "triggers.permission",
        "triggers.retries",
    ];
    assert_eq!(checks, BTreeSet::from(expected));
}
