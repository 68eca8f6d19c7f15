//! `cognito-triggers explain`: what the sign-up policy does with an address, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::disposable::LIST_DATE;
use tempfile::NamedTempFile;
use tests::cli::{Output, run, start};
use tests::function::Function;
use tests::mock_aws::{CUSTOM_SMS_SENDER, MockAws, PRE_SIGN_UP, STACK};
use tests::service::Reply;

const OUTPUTS: [(&str, &str); 2] =
    [("PreSignUpFunctionArn", PRE_SIGN_UP), ("CustomSmsSenderFunctionArn", CUSTOM_SMS_SENDER)];

const NUMBER: &str = "+12065550123";

/// Lists with an entry for every address below.
const LISTS: &str = "\
# Who may sign up
ALLOWED_EMAIL_DOMAINS=example.com,*.example.com
DENIED_EMAIL_DOMAINS=*.denied.example
DENY_DISPOSABLE_EMAIL=true
EMAIL_IS_USERNAME=true
";

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("UTF-8")
}

/// With these settings in a file, whose name differs every time.
async fn explain(settings: &str, arguments: &[&str]) -> Output {
    let settings = file(settings);
    let output = run(&[&["explain", "--settings", path(&settings)], arguments].concat(), &[]).await;
    let named = |text: &str| text.replace(path(&settings), "settings.env");
    Output { stdout: named(&output.stdout), stderr: named(&output.stderr), ..output }
}

fn document(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_end(output: &Output, code: i32, said: &str) {
    assert_eq!((output.stdout.as_str(), output.code), ("", Some(code)), "{output:?}");
    assert!(words(&output.stderr).contains(said), "{output:?}");
}

#[tokio::test]
async fn every_reason_of_every_decision_is_explained() {
    let mut seen = BTreeSet::new();
    let mut shown = String::new();
    for (more, arguments) in [
        ("", vec!["ann@example.com"]),
        ("AUTO_VERIFY_PHONE=true\nSMS_ALLOWED_COUNTRIES=US", vec!["ann@a.example.com", "--phone", NUMBER]),
        ("", vec!["ann@example.com", "--source", "admin"]),
        ("", vec!["ann@example.com", "--source", "external"]),
        ("SIGN_UP_MODE=review", vec!["ann@example.com"]),
        ("CONFIRM_TRUSTED_USERS=false", vec!["ann@example.com"]),
        ("#", vec!["ann@example.com"]),
        ("", vec!["ann@example.org"]),
        ("", vec!["ann@mail.denied.example"]),
        ("REFUSAL_MESSAGE=Not with a throw-away mailbox", vec!["ann@mailinator.com"]),
        ("", vec!["ann at example.com"]),
        ("SIGN_UP_MODE=closed", vec!["ann@example.org"]),
    ] {
        // The tool rejects a second line with the same name, so the alias pool has its own lists.
        let lists = if more == "#" { LISTS.replace("EMAIL_IS_USERNAME=true", "") } else { LISTS.to_owned() };
        let settings = format!("{lists}{more}");
        let output = explain(&settings, &arguments).await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        // The name of the file decides where the headline wraps.
        let (headline, body) = output.stdout.split_once("\n\n").expect("a headline");
        writeln!(shown, "{}\n{body}", words(headline)).expect("a text");
        let document = document(&explain(&settings, &[&arguments[..], &["--format", "json"]].concat()).await);
        assert_eq!(document["address"], arguments[0]);
        assert!(words(&output.stdout).contains(document["explanation"].as_str().expect("a text")));
        seen.insert(document["reason"].as_str().expect("a text").to_owned());
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
    let bodies = || shown.lines().filter(|line| !line.starts_with("With "));
    assert!(bodies().all(|line| line.chars().count() <= 80), "{shown}");
    assert_snapshot!("explain, every reason", shown.replace(LIST_DATE, "<date>"));
}

#[tokio::test]
async fn an_sms_is_explained_with_its_number() {
    let mut shown = String::new();
    for (address, number) in [
        ("ann@example.com", NUMBER),
        ("ann@example.com", "+4930123456"),
        ("ann@example.com", "+19005550123"),
        ("ann@example.com", "+881612345678"),
        ("ann@example.com", "+21012345678"),
        ("ann@example.com", "0301234567"),
        ("ann@mail.denied.example", NUMBER),
        ("ann@mailinator.com", NUMBER),
        ("no address", NUMBER),
    ] {
        let settings = format!("{LISTS}SMS_ALLOWED_COUNTRIES=US,FR");
        let arguments = [address, "--phone", number];
        let output = explain(&settings, &arguments).await;
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        let (_, sms) = output.stdout.split_once(number).expect("the number");
        writeln!(shown, "{address} {number}{sms}").expect("a text");
        let document = document(&explain(&settings, &[&arguments[..], &["--format", "json"]].concat()).await);
        assert_eq!(document["sms"]["number"], number);
        assert_eq!(document["sms"]["allowed"], sms.contains("SMS allowed"), "{document}");
        assert_eq!(document["sms"]["allowed"], document["sms"]["country"] == "US", "{document}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert_snapshot!("explain, SMS", shown.replace(LIST_DATE, "<date>"));
}

#[tokio::test]
async fn the_documentation_shows_what_is_printed() {
    let documentation = include_str!("../../docs/operating.md");
    let settings = format!("{LISTS}SMS_ALLOWED_COUNTRIES=US,FR");
    let environment = json!({ "Variables": variables(&settings) });
    let stage = Stage::new(&OUTPUTS, &[(PRE_SIGN_UP, environment.clone()), (CUSTOM_SMS_SENDER, environment)]);
    let output = stage.explain(&["ann@mail.denied.example"]).await;
    assert!(documentation.contains(&output.stdout), "{}", output.stdout);
    let output = stage.explain(&["ann@a.example.com", "--phone", "+4930123456"]).await;
    assert!(documentation.contains(&output.stdout), "{}", output.stdout);
    let addresses = "ann@example.com\nbob@mail.denied.example\ncid@example.org\ndot@example.com\n";
    let arguments = ["explain", "--stack-name", STACK, "--file", "-"];
    let output = stage.0.begin(&arguments, &[], addresses).end().await;
    assert!(documentation.contains(&output.stdout), "{}", output.stdout);
}

#[tokio::test]
async fn without_settings_the_defaults_apply() {
    let output = run(&["explain", "ann@example.com"], &[]).await;
    assert_snapshot!("explain, defaults", output.stdout);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let output = run(&["explain", "ann@example.com", "--phone", NUMBER], &[]).await;
    assert_end(
        &output,
        1,
        "custom-sms-sender doesn't start with the default settings: SMS_ALLOWED_COUNTRIES (parameter \
         SmsAllowedCountries) must list at least one country",
    );
    // The address stays out of the shell's history.
    let output = start(&["explain", "-", "--format", "json"], &[], " ann@example.com\n").end().await;
    let expected = json!({
        "source": "sign-up",
        "address": "ann@example.com",
        "decision": "pass-through",
        "reason": "not-listed",
        "explanation": "unchanged: the email domain is on no list, so Cognito sends its normal code",
    });
    assert_eq!(document(&output), expected);
}

/// The line that the function logs instead of starting.
async fn line_of_pre_sign_up(settings: &[(&str, &str)]) -> String {
    let function = Function::start("pre-sign-up", settings);
    function.init_outcome().await;
    let output = function.stop().await;
    let line = output.stdout.lines().find(|line| line.contains("invalid configuration")).expect("a line");
    let line: Value = serde_json::from_str(line).expect("a line in JSON");
    let message =
        line["message"].as_str().and_then(|message| message.strip_prefix("invalid configuration: "));
    message.expect("the problems").to_owned()
}

#[tokio::test]
async fn settings_are_rejected_in_the_words_of_the_function() {
    for settings in [
        vec![
            ("ALLOWED_EMAIL_DOMAINS", "*, *.com, ann@example.com"),
            ("DENIED_EMAIL_DOMAINS", "file:/nowhere"),
            ("SIGN_UP_MODE", "Open"),
            ("AUTO_VERIFY_PHONE", "yes"),
            ("CONFIRM_TRUSTED_USERS", "maybe"),
            ("EMAIL_IS_USERNAME", "1"),
        ],
        vec![("SIGN_UP_MODE", "closed"), ("DISPOSABLE_EMAIL_EXCEPTIONS", "example.com")],
    ] {
        let lines: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let output = explain(&lines.join("\n"), &["ann@example.com"]).await;
        let said = line_of_pre_sign_up(&settings).await;
        let said = format!("error: pre-sign-up doesn't start with the settings in settings.env: {said}");
        assert_eq!((words(&output.stderr), output.code), (said, Some(1)));
        assert_eq!(output.stdout, "");
    }
    let output = explain("SIGN_UP_MODE=shut\n", &["ann@example.com", "--phone", NUMBER]).await;
    assert_end(&output, 1, "pre-sign-up doesn't start with the settings in settings.env");
    assert_end(&output, 1, "custom-sms-sender doesn't start with the settings in settings.env");
}

#[tokio::test]
async fn a_malformed_settings_file_is_a_usage_error() {
    assert_end(&explain("A=1\nB\n", &["ann@example.com"]).await, 2, "settings.env: line 2 is not NAME=value");
    let output = run(&["explain", "ann@example.com", "--settings", "/nowhere"], &[]).await;
    assert_end(&output, 2, "can't read /nowhere: No such file or directory");
    let output = explain("SIGNUP_MODE=closed\nBRAND_NAME=Acme\n", &["ann@example.com"]).await;
    assert_eq!(output.code, Some(0));
    assert_eq!(
        words(&output.stderr),
        "note: these settings don't affect the decision: BRAND_NAME, SIGNUP_MODE"
    );
    let output = explain("ALLOWED_EMAIL_DOMAINS=gmail.com\n", &["ann@example.com"]).await;
    assert!(output.stderr.contains("trusts gmail.com, where anyone can get a mailbox"), "{output:?}");
}

#[tokio::test]
async fn missing_and_conflicting_arguments_are_usage_errors() {
    for arguments in [
        vec![],
        vec!["ann@example.com", "--file", "-"],
        vec!["ann@example.com", "--settings", "a", "--stack-name", "b"],
        vec!["--file", "-", "--phone", NUMBER],
        vec!["ann@example.com", "--source", "elsewhere"],
        vec![""],
        vec!["-"],
        vec!["--file", "/nowhere"],
    ] {
        let output = run(&[&["explain"], &arguments[..]].concat(), &[]).await;
        assert_eq!((output.stdout.as_str(), output.code), ("", Some(2)), "{arguments:?}");
    }
}

/// A stack with some outputs, some functions, and nothing else.
struct Stage(MockAws);

impl Stage {
    /// Functions are known by their ARN and have that `Environment`, null for none.
    fn new(outputs: &[(&str, &str)], functions: &[(&str, Value)]) -> Self {
        let aws = MockAws::start();
        let output = |&(key, value): &(&str, &str)| json!({ "OutputKey": key, "OutputValue": value });
        let outputs: Vec<_> = outputs.iter().map(output).collect();
        aws.change("cloudformation:DescribeStacks", move |answer| {
            answer["Stacks"][0]["Outputs"] = json!(outputs);
        });
        let environment = |(arn, environment): &(&str, Value)| ((*arn).to_owned(), environment.clone());
        let environments: BTreeMap<_, _> = functions.iter().map(environment).collect();
        aws.answer_with("lambda:GetFunctionConfiguration", move |request| {
            let arn = request["FunctionName"].as_str().unwrap_or_default();
            let environment = environments.get(arn);
            let environment = environment.ok_or_else(|| Reply::error(404, "ResourceNotFoundException"))?;
            let mut answer = json!({ "FunctionArn": arn, "State": "Active", "Environment": environment });
            if environment.is_null() {
                // Lambda omits the member if a function has no variables.
                answer.as_object_mut().and_then(|answer| answer.remove("Environment"));
            }
            Ok::<_, Reply>(answer)
        });
        Self(aws)
    }

    async fn explain(&self, arguments: &[&str]) -> Output {
        self.0.run(&[&["explain", "--stack-name", STACK], arguments].concat()).await
    }
}

fn variables(settings: &str) -> Value {
    let pairs = settings.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn the_settings_of_the_functions_come_from_the_stack() {
    let secret = "a key that must not be shown";
    let mut pre_sign_up = variables(LISTS);
    pre_sign_up["RECIPIENT_HASH_KEY"] = json!(secret);
    let sms = json!({ "SMS_ALLOWED_COUNTRIES": "US", "RECIPIENT_HASH_KEY": secret });
    let functions = [
        (PRE_SIGN_UP, json!({ "Variables": pre_sign_up })),
        (CUSTOM_SMS_SENDER, json!({ "Variables": sms })),
    ];
    let stage = Stage::new(&OUTPUTS, &functions);

    let output = stage.explain(&["ann@mail.denied.example"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(output.stdout.contains("is on DENIED_EMAIL_DOMAINS"), "{output:?}");
    assert_eq!(stage.0.asked("lambda:GetFunctionConfiguration"), [json!({ "FunctionName": PRE_SIGN_UP })]);

    // Each function has its own variables: this SMS sender has no list of denied domains.
    let output = stage.explain(&["ann@mail.denied.example", "--phone", NUMBER]).await;
    assert!(output.stdout.contains("SMS allowed: the number is in US"), "{output:?}");
    assert!(!format!("{output:?}").contains(secret));

    let output = stage.0.run(&["explain", "ann@example.com", "--stack-name", "another"]).await;
    assert_end(&output, 3, "there is no stack another in eu-central-1");
}

#[tokio::test]
async fn a_stack_that_cannot_be_read_is_an_error() {
    let stage = Stage::new(&OUTPUTS, &[(PRE_SIGN_UP, Value::Null)]);
    let output = stage.explain(&["ann@example.com"]).await;
    assert_eq!(output.code, Some(0), "no variable is set: {output:?}");

    stage.0.script("cloudformation:DescribeStacks", [Reply::error(403, "AccessDenied")]);
    let output = stage.explain(&["ann@example.com"]).await;
    assert_end(
        &output,
        3,
        "these credentials lack the permission cloudformation:DescribeStacks in eu-central-1",
    );

    stage.0.script("lambda:GetFunctionConfiguration", [Reply::error(403, "AccessDeniedException")]);
    let output = stage.explain(&["ann@example.com"]).await;
    assert_end(
        &output,
        3,
        "these credentials lack the permission lambda:GetFunctionConfiguration in eu-central-1",
    );

    let output = stage.explain(&["ann@example.com", "--phone", NUMBER]).await;
    assert_end(&output, 3, "not found by Lambda in eu-central-1 (lambda:GetFunctionConfiguration)");

    let error =
        json!({ "Error": { "ErrorCode": "AccessDeniedException", "Message": "User: … kms:Decrypt" } });
    let stage = Stage::new(&OUTPUTS[..1], &[(PRE_SIGN_UP, error)]);
    let output = stage.explain(&["ann@example.com"]).await;
    assert_end(&output, 3, "for these credentials: AccessDeniedException");

    let stage = Stage::new(&OUTPUTS[..1], &[(PRE_SIGN_UP, Value::Null)]);
    let output = stage.explain(&["ann@example.com", "--phone", NUMBER]).await;
    assert_end(&output, 3, "the stack has no output CustomSmsSenderFunctionArn: it deploys no SMS sender");

    let stage = Stage::new(&[], &[]);
    let output = stage.explain(&["ann@example.com"]).await;
    assert_end(&output, 3, "the stack has no output PreSignUpFunctionArn");
}

#[tokio::test]
async fn a_list_in_a_layer_is_read_from_a_copy_or_not_at_all() {
    let copy = file("# a copy\n*.denied.example\n");
    for (list, code) in [("/opt/of-a-layer/denied.txt", 1), (path(&copy), 0)] {
        let settings = json!({ "DENIED_EMAIL_DOMAINS": format!("file:{list}"), "SIGN_UP_MODE": "open" });
        let stage = Stage::new(&OUTPUTS, &[(PRE_SIGN_UP, json!({ "Variables": settings }))]);
        let output = stage.explain(&["ann@mail.denied.example"]).await;
        if code == 0 {
            assert_eq!(output.code, Some(0), "{output:?}");
            assert!(output.stdout.contains("List entry: *.denied.example"), "{output:?}");
        } else {
            let said =
                format!("the list {list} is in a Lambda layer of the deployed function and can't be read");
            assert_end(&output, code, &said);
        }
    }
}

#[tokio::test]
async fn a_file_may_be_of_any_length() {
    let mut addresses = String::from("\u{feff}");
    for number in 0..5_000 {
        let domain = ["example.com", "example.org", "denied.example", "a.denied.example"][number % 4];
        write!(addresses, "user{number}@{domain}\r\n\n").expect("a text");
    }
    let addresses = file(&addresses);
    let output = explain(LISTS, &["--file", path(&addresses)]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let rows: Vec<_> = output.stdout.lines().filter(|line| line.contains('@')).collect();
    assert_eq!(rows.len(), 5_000);
    assert_eq!(rows[0], "confirm       trusted                user0@example.com");
    assert_eq!(rows[4_999], "refuse        denied                 user4999@a.denied.example");
    let (_, totals) = output.stdout.split_once("user4999@a.denied.example\n").expect("the last one");
    assert_snapshot!("explain, totals", totals);

    let output = explain(LISTS, &["--file", path(&addresses), "--format", "json"]).await;
    let document = document(&output);
    let rows = document["addresses"].as_array().expect("addresses");
    assert_eq!(rows.len(), 5_000);
    assert_eq!(
        (&rows[3]["address"], &rows[3]["entry"]),
        (&json!("user3@a.denied.example"), &json!("*.denied.example"))
    );
    let sum: u64 = document["totals"]
        .as_array()
        .expect("totals")
        .iter()
        .map(|total| total["addresses"].as_u64().expect("a number"))
        .sum();
    assert_eq!(sum, 5_000);
}

#[tokio::test]
async fn every_line_gets_a_decision_even_if_it_is_not_an_address() {
    let lines = "  ann@example.com  \nno address\n\u{1b}[2Jann@example.com\n";
    let settings = file(LISTS);
    let arguments = ["explain", "--settings", path(&settings), "--file", "-"];
    let output = start(&arguments, &[], lines).end().await;
    assert!(output.stdout.contains("refuse        unreadable             no address\n"), "{output:?}");
    assert!(output.stdout.contains("\n3 addresses\n"), "{output:?}");
    assert!(!output.stdout.contains('\u{1b}'), "{output:?}");
    let output = start(&arguments, &[], "").end().await;
    assert!(output.stdout.ends_with("\n0 addresses\n"), "{output:?}");
    let output = start(&[&arguments[..], &["--format", "json"]].concat(), &[], "").end().await;
    assert_eq!(document(&output), json!({ "source": "sign-up", "addresses": [], "totals": [] }));
    // Latin-1: no user of Cognito can have such an address.
    let latin = file("");
    std::fs::write(latin.path(), b"ann@b\xfccher.example\nann@example.com").expect("written");
    let output = explain(LISTS, &["--file", path(&latin)]).await;
    assert!(
        output.stdout.contains("refuse        unreadable             ann@b\u{fffd}cher.example\n"),
        "{output:?}"
    );
    assert!(output.stdout.contains("confirm       trusted                ann@example.com\n"), "{output:?}");
}

#[tokio::test]
async fn the_help_says_what_is_decided_and_how() {
    let output = run(&["explain", "--help"], &[]).await;
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 80), "{}", output.stdout);
    assert_snapshot!("help of explain", output.stdout);
}
