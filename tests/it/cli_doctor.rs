//! `cognito-triggers doctor`: why a user got no code. Here are the frame, the user, the pool and its app clients; the
//! files beside this one have the other areas.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Map, Value, json};
use shared::outcome::Outcome;
use shared::recipient::RecipientHasher;
use tests::cli::Output;
use tests::mock_aws::{
    CLIENT, CUSTOM_EMAIL_SENDER, KEY_ARN, MockAws, PHONE, POOL, RECIPIENT_HASH_KEY, STACK, SUB, USER,
};
use tests::service::Reply;

use crate::cli_doctor_email::Place;

/// The areas of this file.
const AREAS: [&str; 3] = ["user.", "client.", "stack."];

/// An account, a DNS and logs in which everything is as it should be: the last code was sent.
fn healthy() -> Place {
    let place = Place::new();
    let hash = RecipientHasher::new(RECIPIENT_HASH_KEY.as_bytes()).hash(USER).to_string();
    let line = json!({
        "message": "sent an email",
        "outcome": Outcome::Sent.name(),
        "message.kind": "forgot-password",
        "message.id": "0102018c-aaaa-bbbb-000000",
        "recipient.hash": hash,
    });
    place.world.answer_with("logs:FilterLogEvents", move |request| {
        let about =
            |member: &str, text: &str| request[member].as_str().is_some_and(|value| value.contains(text));
        let told = about("logGroupName", "custom-email-sender") && !about("filterPattern", "ERROR");
        let event =
            json!({ "timestamp": 1_795_255_200_000_i64, "message": line.to_string(), "eventId": "1" });
        json!({ "events": if told { vec![event] } else { Vec::new() }, "searchedLogStreams": [] })
    });
    let group = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/cognito";
    place.world.answer(
        "cognito-idp:GetLogDeliveryConfiguration",
        json!({ "LogDeliveryConfiguration": { "UserPoolId": POOL, "LogConfigurations": [{
            "LogLevel": "ERROR",
            "EventSource": "userNotification",
            "CloudWatchLogsConfiguration": { "LogGroupArn": group },
        }] } }),
    );
    place
}

/// Nothing about a person leaves standard output.
#[track_caller]
fn assert_discreet(output: &Output) {
    for personal in [USER, PHONE, SUB, "Ann Example", "ann@", "unknown@", "examplesecret"] {
        assert!(!output.stderr.contains(personal), "{output:?}");
    }
    assert!(!output.stdout.contains("examplesecret"), "the client's secret is shown: {output:?}");
}

async fn doctor(place: &Place, arguments: &[&str]) -> Output {
    answered(place, arguments, "").await
}

/// With that standard input.
async fn answered(place: &Place, arguments: &[&str], stdin: &str) -> Output {
    let resolver = place.dns.address();
    let frame = ["doctor", "--user-pool-id", POOL, "--resolver", &resolver];
    let output = place.world.begin(&[&frame, arguments].concat(), &[], stdin).end().await;
    assert_discreet(&output);
    output
}

async fn report(place: &Place, arguments: &[&str]) -> Value {
    let output = doctor(place, &[&["--format", "json"], arguments].concat()).await;
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    report["findings"].as_array().expect("findings").iter()
}

/// What is not as it should be, as far as this file's areas go.
fn complaints(report: &Value) -> String {
    let mut text = String::new();
    for found in findings(report).filter(|found| found["level"] != "ok") {
        let check = found["check"].as_str().expect("a check");
        if AREAS.iter().any(|area| check.starts_with(area)) {
            let level = found["level"].as_str().expect("a level");
            writeln!(text, "{level} {check}: {}", found["sentence"].as_str().expect("a sentence"))
                .expect("text");
            for remedy in found["mends"].as_array().into_iter().flatten() {
                writeln!(text, "    {}", remedy.as_str().expect("a text")).expect("text");
            }
        }
    }
    text
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The part of the report about the user, which depends on no other area.
fn section(output: &Output) -> &str {
    let (_, rest) = output.stdout.split_once("User and user pool\n").expect("the section");
    rest.split_once("\n\n").expect("its end").0
}

#[track_caller]
fn assert_80_columns(text: &str) {
    for line in text.lines().filter(|line| !line.trim_start().starts_with("aws ")) {
        let longest = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
        assert!(line.chars().count() <= 80 || longest > 60, "{line}");
    }
}

fn set_status(world: &MockAws, status: &'static str) {
    world.change_user(|user| user["UserStatus"] = json!(status));
}

fn set_pool(world: &MockAws, member: &'static str, value: Value) {
    world.change_pool(|pool| pool[member] = value);
}

fn recover_by(world: &MockAws, names: &[&str]) {
    let mechanisms: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(index, name)| json!({ "Priority": index + 1, "Name": name }))
        .collect();
    set_pool(world, "AccountRecoverySetting", json!({ "RecoveryMechanisms": mechanisms }));
}

fn second_factor(world: &MockAws, factor: &'static str) {
    world.change_user(|user| {
        user["UserMFASettingList"] = json!([factor]);
        user["PreferredMfaSetting"] = json!(factor);
    });
}

fn unconfirmed(world: &MockAws) {
    set_status(world, "UNCONFIRMED");
    world.set_attribute("email_verified", Some("false"));
    world.set_attribute("phone_number_verified", Some("false"));
}

/// One more user with the same address, who has not verified it.
fn twin(world: &MockAws) {
    world.change_users(|users| {
        let mut twin = users[0].clone();
        twin["Username"] = json!("bea");
        let attributes = twin["Attributes"].as_array_mut().expect("attributes");
        attributes.retain(|attribute| attribute["Name"] != "sub" && attribute["Name"] != "email_verified");
        users.push(twin);
    });
}

fn by_user_name(world: &MockAws, aliases: &[&str]) {
    world.change_pool(|pool| {
        pool.as_object_mut().expect("a pool").remove("UsernameAttributes");
        pool["AliasAttributes"] = json!(aliases);
    });
    world.change_user(|user| user["Username"] = json!("ann"));
}

/// How something comes about.
type Change = fn(&MockAws);

/// A problem, how to create it, and the argument of doctor.
type Case = (&'static str, Change, &'static str);

/// Each cause and each warning of this file's areas.
const CASES: &[Case] = &[
    ("nothing", |_| {}, USER),
    ("disabled", |world| world.change_user(|user| user["Enabled"] = json!(false)), USER),
    ("not confirmed", unconfirmed, USER),
    (
        "not confirmed, and the pool sends no code",
        |world| {
            unconfirmed(world);
            set_pool(world, "AutoVerifiedAttributes", json!([]));
        },
        USER,
    ),
    (
        "not confirmed, without the contact that the code goes to",
        |world| {
            unconfirmed(world);
            set_pool(world, "AutoVerifiedAttributes", json!(["phone_number"]));
            world.set_attribute("phone_number", None);
        },
        USER,
    ),
    ("temporary password, expired", |world| set_status(world, "FORCE_CHANGE_PASSWORD"), USER),
    (
        "temporary password, perhaps expired",
        |world| {
            set_status(world, "FORCE_CHANGE_PASSWORD");
            world.change_user(|user| user["UserLastModifiedDate"] = json!("2100-01-01T00:00:00Z"));
        },
        USER,
    ),
    (
        "temporary password, invited to a phone, known by username",
        |world| {
            by_user_name(world, &[]);
            set_status(world, "FORCE_CHANGE_PASSWORD");
            world.set_attribute("email", None);
            world.change_user(|user| user["UserCreateDate"] = json!("2100-01-01T00:00:00Z"));
            world.change_user(|user| user["UserLastModifiedDate"] = json!("2100-01-01T00:00:00Z"));
        },
        "ann",
    ),
    ("reset required", |world| set_status(world, "RESET_REQUIRED"), USER),
    ("of an identity provider", |world| set_status(world, "EXTERNAL_PROVIDER"), USER),
    ("archived", |world| set_status(world, "ARCHIVED"), USER),
    ("compromised", |world| set_status(world, "COMPROMISED"), USER),
    ("unknown state", |world| set_status(world, "UNKNOWN"), USER),
    ("address not verified", |world| world.set_attribute("email_verified", Some("false")), USER),
    (
        "nothing verified",
        |world| {
            world.set_attribute("email_verified", Some("false"));
            world.set_attribute("phone_number_verified", None);
        },
        USER,
    ),
    (
        "no contact",
        |world| {
            world.set_attribute("email", None);
            world.set_attribute("phone_number", None);
        },
        SUB,
    ),
    ("administrators alone", |world| recover_by(world, &["admin_only"]), USER),
    (
        "MFA by SMS, which is also the only way to recover",
        |world| {
            recover_by(world, &["verified_phone_number"]);
            second_factor(world, "SMS_MFA");
        },
        USER,
    ),
    (
        "MFA by email, which is also the only way to recover",
        |world| {
            recover_by(world, &["verified_email"]);
            second_factor(world, "EMAIL_OTP");
        },
        USER,
    ),
    (
        "MFA by SMS, without a number",
        |world| {
            second_factor(world, "SMS_MFA");
            world.set_attribute("phone_number", None);
        },
        USER,
    ),
    (
        "an alias that others have too",
        |world| {
            by_user_name(world, &["email"]);
            twin(world);
        },
        USER,
    ),
    (
        "an address that others have too",
        |world| {
            by_user_name(world, &["phone_number"]);
            twin(world);
        },
        USER,
    ),
    ("an address that is no alias", |world| by_user_name(world, &["preferred_username"]), USER),
    (
        "an alias that is not verified",
        |world| {
            by_user_name(world, &["phone_number", "email"]);
            world.set_attribute("phone_number_verified", Some("false"));
        },
        "+1 (206) 555-0123",
    ),
    (
        "another spelling",
        |world| set_pool(world, "UsernameConfiguration", json!({ "CaseSensitive": true })),
        "ANN@Example.com",
    ),
    (
        "no such user, in a pool with case-sensitive usernames",
        |world| set_pool(world, "UsernameConfiguration", json!({ "CaseSensitive": true })),
        "Unknown",
    ),
    (
        "no app client",
        |world| world.answer("cognito-idp:ListUserPoolClients", json!({ "UserPoolClients": [] })),
        USER,
    ),
];

/// How many days something was ago changes from day to day.
fn without_numbers_of_days(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for index in 1..words.len() {
        let days = words[index].trim_end_matches([';', ':', ',', '\n']).starts_with("day");
        if days && words[index - 1].parse::<u32>().is_ok_and(|number| number > 5) {
            words[index - 1] = "N";
        }
    }
    words.join(" ")
}

#[tokio::test]
async fn every_cause_and_warning_is_found() {
    let mut shown = String::new();
    for (name, change, asked) in CASES {
        let place = healthy();
        change(&place.world);
        let report = report(&place, &[asked]).await;
        let complaints = complaints(&report);
        writeln!(shown, "# {name}\n{complaints}").expect("a text");
        // The text says the same.
        let output = doctor(&place, &[asked]).await;
        assert_eq!(output.code, Some(i32::from(!complaints.is_empty())), "{name}: {output:?}");
        assert_80_columns(section(&output));
        for found in findings(&report) {
            let sentence = found["sentence"].as_str().expect("a text");
            assert!(words(&output.stdout).contains(&words(sentence)), "{name}: {sentence}");
        }
        assert!(
            words(&output.stdout).contains(&words(report["verdict"].as_str().expect("a text"))),
            "{name}"
        );
    }
    assert_snapshot!("doctor, the user: causes and warnings", without_numbers_of_days(&shown));
}

#[tokio::test]
async fn a_healthy_account_has_no_findings() {
    let place = healthy();
    let output = doctor(&place, &[USER]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    assert!(words(&output.stdout).contains("Nothing wrong was found."), "{output:?}");
    assert!(words(&output.stdout).contains("Check the junk folder"), "{output:?}");
    assert!(!output.stdout.contains("admin-set-user-password"), "no workaround is needed: {output:?}");
    assert_snapshot!("doctor, the user: nothing wrong", section(&output));
    let document = report(&place, &[USER]).await;
    assert_eq!(
        (&document["causes"], &document["warnings"], document.get("meanwhile")),
        (&json!(0), &json!(0), None)
    );
}

#[tokio::test]
async fn why_shows_the_evidence() {
    let place = healthy();
    unconfirmed(&place.world);
    let output = doctor(&place, &[USER, "--why"]).await;
    assert_80_columns(section(&output));
    assert_snapshot!("doctor, the user: why", section(&output));
}

#[tokio::test]
async fn the_conclusion_names_every_cause_and_a_workaround() {
    let place = healthy();
    recover_by(&place.world, &["admin_only"]);
    place.world.refuse("kms:DescribeKey", 400, "NotFoundException");
    let report = report(&place, &[USER]).await;
    let verdict = report["verdict"].as_str().expect("a text");
    assert!(
        verdict.starts_with("No code arrives because: only an administrator can reset a password"),
        "{verdict}"
    );
    assert!(verdict.contains("; the user pool's key"), "{verdict}");
    assert!(verdict.contains("(2 causes"), "{verdict}");
    let output = doctor(&place, &[USER]).await;
    for how in ["--permanent", "--no-permanent"] {
        let command = format!(
            "aws cognito-idp admin-set-user-password --user-pool-id {POOL} --username {SUB} --password \
             'NEW-PASSWORD' {how} --region eu-central-1"
        );
        assert!(output.stdout.lines().any(|line| line.trim() == command), "{output:?}");
        assert!(report["meanwhile"].as_array().expect("a list").contains(&json!(command)), "{report}");
    }
}

#[tokio::test]
async fn no_workaround_is_shown_for_a_disabled_user() {
    let place = healthy();
    place.world.change_user(|user| user["Enabled"] = json!(false));
    let report = report(&place, &[USER]).await;
    assert!(report["verdict"].as_str().expect("a text").contains("the user is disabled"), "{report}");
    assert!(report["meanwhile"].is_null(), "{report}");
}

#[tokio::test]
async fn a_user_is_found_by_every_name() {
    let place = healthy();
    place.world.set_attribute("preferred_username", Some("annie"));
    for name in [USER, "Ann@Example.com", PHONE, "+1 206 555 0123", SUB, "annie", "Annie"] {
        let report = report(&place, &[name]).await;
        let found = findings(&report).find(|found| found["check"] == "user.found").expect("the finding");
        assert_eq!(found["level"], "ok", "{name}: {found}");
        assert!(found["sentence"].as_str().expect("a text").contains(name), "{found}");
    }
}

#[tokio::test]
async fn without_mfa_the_lookup_does_not_count_towards_monthly_active_users() {
    let place = healthy();
    set_pool(&place.world, "MfaConfiguration", json!("OFF"));
    let output = doctor(&place, &[USER]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(place.world.asked("cognito-idp:AdminGetUser"), Vec::<Value>::new());
    set_pool(&place.world, "MfaConfiguration", json!("ON"));
    doctor(&place, &[USER]).await;
    assert_eq!(place.world.asked("cognito-idp:AdminGetUser").len(), 1);
}

#[tokio::test]
async fn an_unknown_user_is_explained_by_what_each_app_client_returns() {
    let place = healthy();
    let unknown = "unknown@example.com";
    let output = doctor(&place, &[unknown]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(words(section(&output)).contains("Cognito responds as if it had sent a code"), "{output:?}");
    assert_snapshot!("doctor, the user: no such user", section(&output));
    place.world.change("cognito-idp:DescribeUserPoolClient", |answer| {
        answer["UserPoolClient"]["PreventUserExistenceErrors"] = json!("LEGACY");
    });
    let output = doctor(&place, &[unknown]).await;
    assert!(words(section(&output)).contains("Cognito returns UserNotFoundException"), "{output:?}");
    assert!(!output.stdout.contains("admin-set-user-password"), "{output:?}");
    // Cognito can parse the filter for similar names.
    assert!(output.stdout.contains(r#"--filter 'email ^= "unk"'"#), "{output:?}");
}

#[tokio::test]
async fn many_app_clients_are_checked_concurrently() {
    let place = healthy();
    let clients: Vec<Value> =
        (0..60).map(|number| json!({ "ClientId": format!("client{number}"), "UserPoolId": POOL })).collect();
    place.world.answer(
        "cognito-idp:ListUserPoolClients",
        json!({ "UserPoolClients": clients, "NextToken": "more" }),
    );
    place.world.answer_with("cognito-idp:DescribeUserPoolClient", |request| {
        json!({ "UserPoolClient": { "ClientId": request["ClientId"], "ClientName": request["ClientId"] } })
    });
    let output = doctor(&place, &[USER]).await;
    assert!(words(section(&output)).contains("60 app clients checked; the user pool has more"), "{output:?}");
    assert!(
        words(section(&output))
            .contains("and 56 more: for an unknown user, Cognito returns UserNotFoundException"),
        "{output:?}"
    );
    assert_eq!(place.world.asked("cognito-idp:DescribeUserPoolClient").len(), 60);
}

#[tokio::test]
async fn only_the_given_app_client_is_checked() {
    let place = healthy();
    let output = doctor(&place, &[USER, "--client-id", CLIENT]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(place.world.asked("cognito-idp:ListUserPoolClients").is_empty());
    let output = doctor(&place, &[USER, "--client-id", "another"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(words(section(&output)).contains("has no app client with that id"), "{output:?}");
}

#[tokio::test]
async fn a_denied_call_is_named_and_the_other_checks_run() {
    let place = healthy();
    unconfirmed(&place.world);
    doctor(&place, &[USER]).await;
    let operations: BTreeSet<String> =
        place.world.calls().into_iter().map(|(operation, _)| operation).collect();
    assert!(operations.len() >= 7, "{operations:?}");
    assert!(operations.iter().all(|operation| !is_change(operation)), "{operations:?}");
    for operation in operations {
        let place = healthy();
        place.world.refuse(&operation, 400, "AccessDeniedException");
        let output = doctor(&place, &[USER]).await;
        let pool = operation == "cognito-idp:DescribeUserPool";
        assert_eq!(output.code == Some(3), pool, "{operation}: {output:?}");
        assert!(
            words(&output.stdout).contains(&format!("these credentials lack the permission {operation}")),
            "{operation}: {output:?}"
        );
        // What was found out without it is there.
        assert!(
            output.stdout.contains("is enabled") || operation == "cognito-idp:ListUsers",
            "{operation}: {output:?}"
        );
    }
}

#[tokio::test]
async fn without_any_permission_for_users_both_calls_are_named() {
    let place = healthy();
    place.world.refuse("cognito-idp:ListUsers", 400, "AccessDeniedException");
    let output = doctor(&place, &[USER]).await;
    assert!(section(&output).contains("is the user"), "by AdminGetUser: {output:?}");
    place.world.refuse("cognito-idp:AdminGetUser", 400, "AccessDeniedException");
    let output = doctor(&place, &[USER]).await;
    let text = words(section(&output));
    assert!(
        text.contains("lack the permission cognito-idp:ListUsers")
            && text.contains("cognito-idp:AdminGetUser"),
        "{text}"
    );
}

#[tokio::test]
async fn a_pool_that_cannot_be_described_ends_with_3() {
    for (status, code, said) in [
        (
            400,
            "ResourceNotFoundException",
            "not found by Cognito in eu-central-1 (cognito-idp:DescribeUserPool)",
        ),
        (400, "ExpiredTokenException", "the credentials have expired"),
        (400, "AccessDeniedException", "lack the permission cognito-idp:DescribeUserPool"),
    ] {
        let place = healthy();
        place.world.refuse("cognito-idp:DescribeUserPool", status, code);
        let output = doctor(&place, &[USER]).await;
        assert_eq!(output.code, Some(3), "{output:?}");
        assert!(words(&output.stderr).contains(said), "{output:?}");
    }
    let place = healthy();
    place.world.always("cognito-idp:DescribeUserPool", &Reply::error(400, "TooManyRequestsException"));
    assert_eq!(doctor(&place, &[USER]).await.code, Some(4));
}

#[tokio::test]
async fn the_pool_comes_from_the_stack_and_the_stack_from_the_pool() {
    let place = healthy();
    let output =
        place.world.run(&["doctor", USER, "--resolver", &place.dns.address(), "--stack-name", STACK]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(section(&output).contains(POOL), "{output:?}");
    let output = doctor(&place, &[USER]).await;
    assert!(section(&output).contains(&format!("the stack {STACK}")), "{output:?}");
    place.world.change("cloudformation:DescribeStacks", |answer| {
        let outputs = answer["Stacks"][0]["Outputs"].as_array_mut().expect("outputs");
        outputs.retain(|output| output["OutputKey"] != "UserPoolId");
    });
    let output =
        place.world.run(&["doctor", USER, "--resolver", &place.dns.address(), "--stack-name", STACK]).await;
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(words(&output.stderr).contains("--user-pool-id"), "{output:?}");
}

/// A command of the AWS CLI as the call that it makes: the operation, its input, the Region.
fn parse(command: &str) -> (String, Value, String) {
    let words: Vec<&str> = command.split(' ').map(|word| word.trim_matches('\'')).collect();
    assert_eq!(words[0], "aws", "{command}");
    let service = if words[1] == "sesv2" { "ses" } else { words[1] };
    let mut input = Map::new();
    let mut options = words[3..].iter().peekable();
    while let Some(option) = options.next() {
        let name = option.strip_prefix("--").expect("an option");
        let value = options.next_if(|next| !next.starts_with("--")).copied();
        let member = if service == "sns" && name != "region" {
            let pascal = pascal(name);
            format!("{}{}", pascal[..1].to_lowercase(), &pascal[1..])
        } else {
            pascal(name)
        };
        let value = match (name, value) {
            ("user-attributes", Some(pairs)) => {
                let pair: Map<_, _> = pairs
                    .split(',')
                    .map(|pair| pair.split_once('=').expect("a pair"))
                    .map(|(name, value)| (name.to_owned(), json!(value)))
                    .collect();
                json!([pair])
            }
            ("desired-delivery-mediums", Some(medium)) => json!([medium]),
            (_, Some(value)) => json!(value),
            (_, None) => json!(true),
        };
        input.insert(member, value);
    }
    let region = input.remove("Region").expect("a Region").as_str().expect("a text").to_owned();
    (format!("{service}:{}", pascal(words[2])), Value::Object(input), region)
}

fn pascal(kebab: &str) -> String {
    kebab.split('-').fold(String::new(), |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

/// The commands that `--fix` asks for.
fn offered(output: &Output) -> Vec<String> {
    let lines = output.stdout.lines().filter_map(|line| line.strip_prefix("Run: ")?.split_once(" ? [y/N]"));
    lines.map(|(command, _)| command.to_owned()).collect()
}

fn is_change(operation: &str) -> bool {
    let (_, name) = operation.split_once(':').expect("an operation");
    !["Get", "List", "Describe", "AdminGet", "Check", "Simulate", "Filter", "Receive", "Assume", "StartQuery"]
        .iter()
        .any(|reads| name.starts_with(reads))
}

fn key_state(world: &MockAws, state: &'static str) {
    world.change("kms:DescribeKey", move |answer| {
        assert_eq!(answer["KeyMetadata"]["Arn"], KEY_ARN);
        answer["KeyMetadata"]["KeyState"] = json!(state);
    });
}

/// Problems that a step fixes, with its operation.
const STEPS: &[(Change, &str)] = &[
    (
        |world| {
            world.set_attribute("email_verified", Some("false"));
            world.set_attribute("phone_number_verified", Some("false"));
        },
        "cognito-idp:AdminUpdateUserAttributes",
    ),
    (unconfirmed, "cognito-idp:AdminConfirmSignUp"),
    (|world| world.change_user(|user| user["Enabled"] = json!(false)), "cognito-idp:AdminEnableUser"),
    (|world| set_status(world, "FORCE_CHANGE_PASSWORD"), "cognito-idp:AdminCreateUser"),
    (|world| set_status(world, "RESET_REQUIRED"), "cognito-idp:AdminResetUserPassword"),
    (
        |world| world.change("ses:GetAccount", |answer| answer["SendingEnabled"] = json!(false)),
        "ses:PutAccountSendingAttributes",
    ),
    (
        |world| {
            let suppressed = json!({
                "EmailAddress": USER,
                "Reason": "BOUNCE",
                "LastUpdateTime": "2026-11-02T08:00:00Z",
            });
            world.answer("ses:GetSuppressedDestination", json!({ "SuppressedDestination": suppressed }));
            world.answer("ses:DeleteSuppressedDestination", json!({}));
        },
        "ses:DeleteSuppressedDestination",
    ),
    (
        |world| world.answer("sns:CheckIfPhoneNumberIsOptedOut", json!({ "isOptedOut": true })),
        "sns:OptInPhoneNumber",
    ),
    (|world| key_state(world, "Disabled"), "kms:EnableKey"),
    (|world| key_state(world, "PendingDeletion"), "kms:CancelKeyDeletion"),
    (|world| world.change_permissions(CUSTOM_EMAIL_SENDER, Vec::clear), "lambda:AddPermission"),
];

#[tokio::test]
async fn fix_makes_the_call_of_the_command() {
    for (change, operation) in STEPS {
        let place = healthy();
        change(&place.world);
        let output = answered(&place, &[USER, "--fix"], &"y\n".repeat(9)).await;
        let commands = offered(&output);
        assert!(!commands.is_empty(), "{operation}: {output:?}");
        let changes: Vec<_> = place.world.calls().into_iter().filter(|(name, _)| is_change(name)).collect();
        let parsed: Vec<_> = commands.iter().map(|command| parse(command)).collect();
        let expected: Vec<_> = parsed.iter().map(|(name, input, _)| (name.clone(), input.clone())).collect();
        assert_eq!(changes, expected, "{output:?}");
        assert!(changes.iter().any(|(name, _)| name == operation), "{operation}: {changes:?}");
        for (name, _, region) in parsed {
            assert!(place.world.regions(&name).iter().all(|asked| *asked == region), "{name}");
        }
        assert_eq!(output.stdout.matches("\n  done\n").count(), commands.len(), "{output:?}");
        assert!(output.stdout.contains("Run doctor again"), "{output:?}");
        // doctor showed every command before it asked whether to run it.
        for command in commands {
            assert!(output.stdout.lines().any(|line| line.trim() == command), "{output:?}");
        }
    }
}

#[tokio::test]
async fn fix_does_nothing_without_confirmation() {
    for answer in ["", "n\n", "\n", "yeah\n", "no\ny\n"] {
        let place = healthy();
        place.world.change_user(|user| user["Enabled"] = json!(false));
        let output = answered(&place, &[USER, "--fix"], answer).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        assert_eq!(offered(&output).len(), 1, "{output:?}");
        assert!(output.stdout.contains("skipped"), "{output:?}");
        assert!(
            place.world.calls().iter().all(|(operation, _)| !is_change(operation)),
            "{:?}",
            place.world.calls()
        );
    }
}

#[tokio::test]
async fn after_fix_the_exit_code_shows_whether_everything_was_fixed() {
    let place = healthy();
    place.world.change_user(|user| user["Enabled"] = json!(false));
    let arguments = ["-", "--fix"];
    // The first line names the user, the next one is the yes.
    let input = format!("{USER}\nYes\n");
    let output = answered(&place, &arguments, &input).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(place.world.users()[0]["Enabled"], true);
    let output = answered(&place, &arguments, &input).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("No finding has a command that --fix can run."), "{output:?}");

    place.world.change_user(|user| user["Enabled"] = json!(false));
    place.world.refuse("cognito-idp:AdminEnableUser", 400, "AccessDeniedException");
    let output = answered(&place, &arguments, &input).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        words(&output.stdout)
            .contains("failed: these credentials lack the permission cognito-idp:AdminEnableUser")
    );
    assert_discreet(&output);
}

#[tokio::test]
async fn fix_and_json_are_rejected_together() {
    let place = healthy();
    let output = doctor(&place, &[USER, "--fix", "--format", "json"]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
    assert!(place.world.calls().is_empty());
}

#[tokio::test]
async fn names_are_quoted_for_the_shell_and_control_characters_are_removed() {
    let place = healthy();
    by_user_name(&place.world, &["email"]);
    place.world.change_user(|user| {
        user["Username"] = json!("o'neill;$(reboot)");
        user["Enabled"] = json!(false);
    });
    place.world.set_attribute("email", Some("\u{1b}[2Jann@example.com"));
    let output = doctor(&place, &["o'neill;$(reboot)"]).await;
    assert!(output.stdout.contains(r"--username 'o'\''neill;$(reboot)' --region"), "{output:?}");
    assert!(!output.stdout.contains('\u{1b}'), "{output:?}");
}

#[tokio::test]
async fn the_help_fits_the_terminal() {
    let output = tests::cli::run(&["doctor", "--help"], &[]).await;
    assert_80_columns(&output.stdout);
    assert_snapshot!("help of doctor", output.stdout);
}

#[tokio::test]
async fn without_a_user_pool_both_options_are_named() {
    let output = tests::cli::run(&["doctor", USER], &[]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
    let text = words(&output.stderr);
    assert!(text.contains("--user-pool-id") && text.contains("--stack-name"), "{output:?}");
    assert!(!text.contains(USER), "{output:?}");
    // Neither is the user optional.
    let output = tests::cli::run(&["doctor", "--stack-name", STACK], &[]).await;
    assert_eq!(output.code, Some(2), "{output:?}");
}

/// The list of checks as a table: the registry is in the tool.
fn table(checks: &Value) -> String {
    let mut table = "| Check | Question | IAM actions | Worst level |\n|---|---|---|---|\n".to_owned();
    for check in checks.as_array().expect("a list") {
        let text = |member: &str| check[member].as_str().expect("a text");
        let list = |member: &str, name: fn(&Value) -> &str| {
            let entries = check[member].as_array().expect("a list").iter();
            let names: Vec<_> = entries.map(|entry| format!("`{}`", name(entry))).collect();
            names.join(", ")
        };
        let actions = |member| list(member, |entry| entry["action"].as_str().expect("a text"));
        let mut needs = vec![actions("calls")];
        if check["end_user_messaging"] != json!([]) {
            needs.push(format!("with AWS End User Messaging SMS: {}", actions("end_user_messaging")));
        }
        if check["dns"] != json!([]) {
            needs.push(format!("none (DNS: {})", list("dns", |entry| entry.as_str().expect("a text"))));
        }
        needs.retain(|text| !text.is_empty());
        let needs = if needs.is_empty() { "none".to_owned() } else { needs.join("; ") };
        let (_, anchor) = text("docs").split_once('#').expect("an anchor");
        let (name, question, worst) = (text("check"), text("question"), text("worst"));
        writeln!(table, "| <a id=\"{anchor}\"></a>`{name}` | {question} | {needs} | {worst} |")
            .expect("text");
    }
    table
}

#[tokio::test]
async fn the_documentation_lists_every_check() {
    let output = tests::cli::run(&["doctor", "--list-checks", "--format", "json"], &[]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let checks: Value = serde_json::from_str(&output.stdout).expect("JSON");
    crate::docs::hold("operating.md", "cli_doctor.rs", &table(&checks));
    let output = tests::cli::run(&["doctor", "--list-checks"], &[]).await;
    assert_80_columns(&output.stdout);
    for check in checks.as_array().expect("a list") {
        assert!(output.stdout.contains(check["check"].as_str().expect("a text")), "{check}");
    }
}

/// The commands of the documentation's section, with what it shows below each: parts, between lines of `…`.
fn tour() -> Vec<(Vec<String>, Vec<String>)> {
    let page = include_str!("../../docs/operating.md");
    let (_, rest) = page.split_once("## Why did I get no code? `doctor`\n").expect("the section");
    let section = rest.split("\n## ").next().expect("a text");
    let blocks =
        section.split("```console\n").skip(1).map(|block| block.split("```").next().expect("a block"));
    blocks
        .map(|block| {
            let (command, shown) = block.split_once('\n').expect("a command");
            let words = command.strip_prefix("$ cognito-triggers ").expect("our command").split(' ');
            let parts = shown.split("…\n").filter(|part| !part.trim().is_empty()).map(str::to_owned);
            (words.map(str::to_owned).collect(), parts.collect())
        })
        .collect()
}

#[tokio::test]
async fn the_documentation_shows_what_is_printed() {
    let tour = tour();
    assert_eq!(tour.len(), 3, "{tour:?}");
    for (number, (command, parts)) in tour.iter().enumerate() {
        let place = healthy();
        if number < 2 {
            place.world.set_attribute("email_verified", Some("false"));
            place.world.set_attribute("phone_number_verified", Some("false"));
        }
        let resolver = place.dns.address();
        let command = command.iter().map(String::as_str).chain(["--resolver", &resolver]);
        let command: Vec<&str> = command.collect();
        let output = place.world.begin(&command, &[], "y\nn\n").end().await;
        assert!([Some(0), Some(1)].contains(&output.code), "{output:?}");
        // A page does not end lines with the space behind a question.
        let printed = output.stdout.replace("[y/N] \n", "[y/N]\n");
        let mut rest = printed.as_str();
        for part in parts {
            let at = rest.find(part.as_str()).unwrap_or_else(|| panic!("{part}\nis not in\n{rest}"));
            rest = &rest[at + part.len()..];
        }
    }
}
