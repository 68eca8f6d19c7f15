//! A function with missing or malformed settings doesn't start and logs all problems in one line. `doctor` predicts
//! that line.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use serde_json::{Value, json};
use shared::parameter::PARAMETERS;
use tests::function::{Function, Init};
use tests::kms::KEY_ARN;
use tests::mock_aws::{
    CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, CUSTOM_SMS_SENDER, MockAws, PRE_SIGN_UP, STACK, USER,
};

use crate::contract::settings_of_all_functions;

/// The problems that a function logs instead of starting, `None` if it starts.
async fn problems(function: &str, settings: &[(&str, &str)]) -> Option<String> {
    let function = Function::start(function, settings);
    let outcome = function.init_outcome().await;
    if outcome == Init::Ready {
        return None;
    }
    assert!(matches!(outcome, Init::Exited(status) if !status.success()), "{outcome:?}");
    let output = function.stop().await;
    let lines: Vec<_> = output.stdout.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    let [line] = lines.as_slice() else { panic!("not one line: {}", output.stdout) };
    let line: Value = serde_json::from_str(line).expect("a line in JSON");
    let message =
        line["message"].as_str().and_then(|message| message.strip_prefix("invalid configuration: "));
    Some(message.unwrap_or_else(|| panic!("{line}")).to_owned())
}

async fn line(function: &str, settings: &[(&str, &str)]) -> String {
    problems(function, settings).await.expect("a problem").replace("; ", ";\n")
}

#[tokio::test]
async fn missing_settings_are_named_all_at_once() {
    assert_snapshot!("custom message without settings", line("custom-message", &[]).await);
    assert_snapshot!("email sender without settings", line("custom-email-sender", &[]).await);
    assert_snapshot!("SMS sender without settings", line("custom-sms-sender", &[]).await);
}

#[tokio::test]
async fn malformed_settings_are_named_all_at_once_without_addresses_or_numbers() {
    let common = [
        ("BRAND_NAME", "<b>Acme</b>"),
        ("SUPPORT_CONTACT", "help\u{200b}@example.com"),
        ("DEFAULT_LOCALE", "tlh"),
        ("TEMPLATES_DIR", "/nowhere"),
        ("LOG_LEVEL", "trace"),
    ];
    let sender = [
        ("CODE_KEY_ARN", "arn:aws:kms:eu-central-1:123456789012:alias/codes"),
        ("DENIED_EMAIL_DOMAINS", "file:/nowhere, ann@example.com"),
    ];
    let pre_sign_up = [
        ("ALLOWED_EMAIL_DOMAINS", "*, *.com, ann@example.com, exa mple.com"),
        ("DENIED_EMAIL_DOMAINS", "file:/nowhere"),
        ("SIGN_UP_MODE", "Open"),
        ("AUTO_VERIFY_PHONE", "yes"),
        ("CONFIRM_TRUSTED_USERS", "maybe"),
        ("EMAIL_IS_USERNAME", "1"),
        ("REFUSAL_MESSAGE", "two\nlines"),
    ];
    assert_snapshot!("pre sign-up", line("pre-sign-up", &pre_sign_up).await);
    let custom_message: Vec<_> = common
        .into_iter()
        .chain([("CUSTOM_MESSAGE_CHANNELS", "fax"), ("EMAIL_CONFIRMATION", "both")])
        .collect();
    assert_snapshot!("custom message", line("custom-message", &custom_message).await);
    let email: Vec<_> = common
        .into_iter()
        .chain(sender)
        .chain([
            ("FROM_ADDRESS", "Acme <no-reply@example.com>, ann@example.com"),
            ("REPLY_TO_ADDRESS", "ann at example.com"),
            ("SES_CONFIGURATION_SET", "a b"),
            ("SES_REGION", "Frankfurt"),
        ])
        .collect();
    assert_snapshot!("email sender", line("custom-email-sender", &email).await);
    let sms: Vec<_> = common
        .into_iter()
        .chain(sender)
        .chain([
            ("SMS_ALLOWED_COUNTRIES", "*, DE, UK, +12065550123"),
            ("SMS_SENDER_ID", "123"),
            ("SMS_ORIGINATION_NUMBER", "0049 x"),
            ("SMS_MAX_PRICE_USD", "much"),
        ])
        .collect();
    assert_snapshot!("SMS sender", line("custom-sms-sender", &sms).await);
}

#[tokio::test]
async fn contradicting_settings_do_not_start() {
    let settings = [("SIGN_UP_MODE", "closed"), ("ALLOWED_EMAIL_DOMAINS", "")];
    assert_snapshot!("closed without a list", line("pre-sign-up", &settings).await);
}

#[tokio::test]
async fn a_function_starts_without_a_setting_that_it_does_not_need() {
    let function = Function::start("pre-sign-up", &[]);
    assert_eq!(function.init_outcome().await, Init::Ready);
    let function = Function::start("pre-sign-up", &[("ALLOWED_EMAIL_DOMAINS", "gmail.com")]);
    assert_eq!(function.init_outcome().await, Init::Ready);
    assert!(function.stdout().contains("where anyone can get a mailbox"), "{}", function.stdout());
}

type Setting = (&'static str, &'static str);

/// The functions with the settings that they require. The cases below are set in addition.
const REQUIRED: [(&str, &str, &[Setting]); 4] = [
    ("pre-sign-up", PRE_SIGN_UP, &[]),
    ("custom-message", CUSTOM_MESSAGE, &[("BRAND_NAME", "Shop"), ("CUSTOM_MESSAGE_CHANNELS", "email, sms")]),
    (
        "custom-email-sender",
        CUSTOM_EMAIL_SENDER,
        &[("BRAND_NAME", "Shop"), ("CODE_KEY_ARN", KEY_ARN), ("FROM_ADDRESS", "Shop <a@shop.example>")],
    ),
    (
        "custom-sms-sender",
        CUSTOM_SMS_SENDER,
        &[("BRAND_NAME", "Shop"), ("CODE_KEY_ARN", KEY_ARN), ("SMS_ALLOWED_COUNTRIES", "DE,AT")],
    ),
];

const LONG_BRAND: &str = "A brand name of sixty-four characters, which is the longest one.";
const EVERY_FUNCTION: &[&[Setting]] = &[
    &[],
    &[("LOG_LEVEL", "WARN")],
    &[("LOG_LEVEL", "loud")],
    &[("METRICS_NAMESPACE", "my stack")],
    &[("OBSERVABILITY", "much")],
    &[("MORE_SETTINGS", "LogLevel=loud; LogLevel")],
];
const EVERY_MESSAGE: &[&[Setting]] = &[
    &[("BRAND_NAME", "")],
    &[("BRAND_NAME", "<b>Shop</b>")],
    &[("SUPPORT_CONTACT", "{help}"), ("DEFAULT_LOCALE", "tlh")],
];
const EVERY_LIST: &[&[Setting]] = &[
    &[("DENIED_EMAIL_DOMAINS", "evil.example, a@evil.example, *.com")],
    &[("DENY_DISPOSABLE_EMAIL", "yes")],
    &[("DISPOSABLE_EMAIL_EXCEPTIONS", "mailinator.com")],
];
const EVERY_SENDER: &[&[Setting]] = &[
    &[("CODE_KEY_ARN", "arn:aws:kms:eu-central-1:123456789012:alias/codes"), ("BRAND_NAME", "")],
    &[("CODE_KEY_ARN", "arn:aws:sns:eu-central-1:123456789012:key/1")],
    &[("CODE_KEY_ARN", "arn:aws:kms::123456789012:key/1")],
    &[("DELIVERY_TABLE", "codes")],
    &[("DELIVERY_TABLE", "my codes")],
    &[("DELIVERY_TABLE", "my codes"), ("DELIVERY_RECORDS", "true")],
    &[("DELIVERY_RECORDS", "true")],
    &[("DELIVERY_RECORDS", "1"), ("DELIVERY_TABLE", "codes")],
    &[("SIGN_IN_CODE_MINUTES", "3")],
    &[("SIGN_IN_CODE_MINUTES", "16")],
    &[("AWS_USE_FIPS_ENDPOINT", "yes")],
];
const PRE_SIGN_UP_ONLY: &[&[Setting]] = &[
    &[("ALLOWED_EMAIL_DOMAINS", "*, example.com, ann@example.com")],
    &[("SIGN_UP_MODE", "Open")],
    &[("SIGN_UP_MODE", "closed")],
    &[("SIGN_UP_MODE", "closed"), ("ALLOWED_EMAIL_DOMAINS", "*.com")],
    &[("CONFIRM_TRUSTED_USERS", "maybe"), ("AUTO_VERIFY_PHONE", "1"), ("EMAIL_IS_USERNAME", "no")],
    &[("REFUSAL_MESSAGE", "two\nlines")],
];
const CUSTOM_MESSAGE_ONLY: &[&[Setting]] = &[
    &[("CUSTOM_MESSAGE_CHANNELS", "")],
    &[("CUSTOM_MESSAGE_CHANNELS", "email,fax")],
    &[("EMAIL_CONFIRMATION", "both")],
];
const EMAIL_ONLY: &[&[Setting]] = &[
    &[("FROM_ADDRESS", "")],
    &[("FROM_ADDRESS", "shop.example")],
    &[("FROM_ADDRESS", "Sh\u{200b}op <a@shop.example>")],
    &[("REPLY_TO_ADDRESS", "a at shop.example")],
    &[("SES_REGION", "Frankfurt")],
    &[("SES_CONFIGURATION_SET", "a b")],
    &[("SES_FALLBACK_REGION", "eu-west-1")],
    &[("SES_FALLBACK_REGION", "eu-central-1")],
    &[("SES_FALLBACK_CONFIGURATION_SET", "codes"), ("SES_CONFIGURATION_SET", "codes")],
];
const SMS_ONLY: &[&[Setting]] = &[
    &[("SMS_ALLOWED_COUNTRIES", "")],
    &[("SMS_ALLOWED_COUNTRIES", "*, DE, UK")],
    &[("SMS_PROVIDER", "post")],
    &[("SMS_SENDER_ID", "123"), ("SMS_ORIGINATION_NUMBER", "0049 x"), ("SMS_MAX_PRICE_USD", "much")],
    &[("SMS_ORIGINATION_IDENTITY", "arn:aws:sms-voice:eu-central-1:123456789012:pool/1")],
    &[("SMS_PROVIDER", "end-user-messaging")],
    &[("SMS_PROVIDER", "end-user-messaging"), ("SMS_ORIGINATION_IDENTITY", "arn")],
    &[
        ("SMS_PROVIDER", "end-user-messaging"),
        ("SMS_ORIGINATION_IDENTITY", "arn:aws:sms-voice:eu-central-1:123456789012:pool/1"),
        ("SMS_SENDER_ID", "Shop"),
        ("SMS_CONFIGURATION_SET", "a b"),
    ],
    &[("SMS_MAX_PER_NUMBER_HOURLY", "0"), ("SMS_DAILY_BUDGET_MESSAGES", "none")],
    &[("BRAND_NAME", LONG_BRAND), ("SMS_MAX_PER_NUMBER_HOURLY", "1")],
    &[("SMS_DAILY_BUDGET_USD", "5")],
    &[("SMS_DAILY_BUDGET_USD", "5"), ("SMS_PRICES_USD", "DE=0.1, AT=6")],
    &[("SMS_DAILY_BUDGET_USD", "5"), ("SMS_PRICES_USD", "DE=0.1, AT=free")],
    &[("SMS_DAILY_BUDGET_USD", "5"), ("SMS_MAX_PRICE_USD", "0.5")],
    &[("SMS_PRICES_USD", "DE=0.1")],
];

/// All settings of a case, those that `more` doesn't replace included.
fn settings(required: &[Setting], more: &[Setting]) -> Vec<Setting> {
    let kept = required.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    kept.chain(more).copied().collect()
}

fn cases(function: &str) -> Vec<Vec<Setting>> {
    let groups: &[&[&[Setting]]] = match function {
        "pre-sign-up" => &[EVERY_FUNCTION, EVERY_LIST, PRE_SIGN_UP_ONLY],
        "custom-message" => &[EVERY_FUNCTION, EVERY_MESSAGE, CUSTOM_MESSAGE_ONLY],
        "custom-email-sender" => &[EVERY_FUNCTION, EVERY_MESSAGE, EVERY_LIST, EVERY_SENDER, EMAIL_ONLY],
        _ => &[EVERY_FUNCTION, EVERY_MESSAGE, EVERY_LIST, EVERY_SENDER, SMS_ONLY],
    };
    let required = REQUIRED.iter().find(|(name, ..)| *name == function).expect("a function").2;
    groups.iter().flat_map(|group| group.iter()).map(|more| settings(required, more)).collect()
}

/// The findings of `doctor` about the start of functions with these variables.
async fn doctor(variables: BTreeMap<&'static str, Vec<Setting>>) -> Vec<(String, String)> {
    let aws = MockAws::start();
    aws.change_pool(|pool| pool["LambdaConfig"]["CustomMessage"] = json!(CUSTOM_MESSAGE));
    aws.change("lambda:GetFunctionConfiguration", move |answer| {
        let settings = answer["FunctionArn"].as_str().and_then(|arn| variables.get(arn));
        if let Some(settings) = settings {
            let settings: BTreeMap<_, _> = settings.iter().copied().collect();
            answer["Environment"]["Variables"] = json!(settings);
        }
    });
    let output = aws.run(&["doctor", USER, "--stack-name", STACK, "--format", "json"]).await;
    let report: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let findings = report["findings"].as_array().expect("findings").iter();
    let text = |finding: &Value, member: &str| finding[member].as_str().expect("a text").to_owned();
    findings
        .filter(|finding| finding["check"] == "triggers.settings")
        .map(|finding| (text(finding, "level"), text(finding, "sentence")))
        .collect()
}

/// The problems in a sentence of `doctor`: "FUNCTION doesn't start (PROBLEMS): CONSEQUENCE".
fn predicted(findings: &[(String, String)], arn: &str) -> Option<String> {
    let name = shared::arn::function_name(arn);
    let beginning = format!("{name} doesn't start (");
    let (_, problems) = findings.iter().find_map(|(_, sentence)| sentence.split_once(&beginning))?;
    Some(problems.rsplit_once("): ").expect("a consequence").0.to_owned())
}

#[tokio::test]
async fn doctor_predicts_every_problem_that_keeps_a_function_from_starting() {
    let cases = REQUIRED.map(|(function, arn, _)| (function, arn, cases(function)));
    let most = cases.iter().map(|(.., cases)| cases.len()).max().expect("functions");
    let mut wrong = Vec::new();
    let mut starts = 0;
    for index in 0..most {
        let case = |cases: &[Vec<Setting>]| cases.get(index).cloned();
        let variables = cases.iter().filter_map(|(_, arn, cases)| Some((*arn, case(cases)?))).collect();
        let findings = doctor(variables).await;
        for (function, arn, cases) in &cases {
            let Some(settings) = case(cases) else { continue };
            let (logged, predicted) = (problems(function, &settings).await, predicted(&findings, arn));
            starts += usize::from(logged.is_none());
            if logged != predicted {
                wrong.push(format!(
                    "{function} {settings:?}\n  function: {logged:?}\n  doctor: {predicted:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(starts > 8, "some settings are valid");
}

#[tokio::test]
async fn doctor_says_that_it_cannot_read_files_in_a_layer() {
    let required =
        |function: &str| REQUIRED.iter().find(|(name, ..)| *name == function).expect("a function").2;
    let variables = [
        (
            PRE_SIGN_UP,
            [("SIGN_UP_MODE", "closed"), ("ALLOWED_EMAIL_DOMAINS", "file:/opt/allowed.txt")].to_vec(),
        ),
        (CUSTOM_MESSAGE, settings(required("custom-message"), &[("TEMPLATES_DIR", "/opt/templates")])),
        (
            CUSTOM_EMAIL_SENDER,
            settings(
                required("custom-email-sender"),
                &[("DENIED_EMAIL_DOMAINS", "file:/opt/denied.txt"), ("SES_REGION", "Frankfurt")],
            ),
        ),
        (
            CUSTOM_SMS_SENDER,
            settings(
                required("custom-sms-sender"),
                &[
                    ("SMS_ALLOWED_COUNTRIES", "file:/opt/countries.txt"),
                    ("SMS_DAILY_BUDGET_USD", "20"),
                    ("SMS_PRICES_USD", "file:/opt/prices.txt"),
                ],
            ),
        ),
    ];
    let findings = doctor(variables.into()).await;
    let shown: Vec<_> = findings.iter().map(|(level, sentence)| format!("{level}: {sentence}")).collect();
    assert_snapshot!("doctor and files in a layer", shown.join("\n"));
}

#[test]
fn every_variable_has_the_parameters_that_set_it_in_the_template() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(path).expect("the template");
    let parameters = template.split("\nResources:\n").next().expect("the parameters");
    let is_parameter = |name: &str| parameters.contains(&format!("\n  {name}:\n"));
    let read: BTreeSet<String> = settings_of_all_functions().into_values().flatten().collect();
    let is_variable = |name: &&str| read.contains(*name);
    let set_by_one: BTreeSet<(&str, &str)> = template
        .lines()
        .filter_map(|line| line.trim_start().split_once(": !Ref "))
        .filter(|(variable, name)| is_variable(variable) && is_parameter(name))
        .collect();
    assert!(set_by_one.len() > 10, "{set_by_one:?}");
    for (variable, parameter) in &set_by_one {
        let listed = PARAMETERS.iter().find(|(name, _)| name == variable);
        assert_eq!(listed.map(|(_, parameters)| *parameters), Some([*parameter].as_slice()), "{variable}");
    }
    // The template computes these from a parameter and the rest of the stack.
    let computed = PARAMETERS.iter().filter(|(name, _)| set_by_one.iter().all(|(set, _)| set != name));
    let computed: Vec<_> = computed.map(|(name, _)| *name).collect();
    assert_eq!(computed, ["EMAIL_IS_USERNAME", "CUSTOM_MESSAGE_CHANNELS", "SMS_PROVIDER", "CODE_KEY_ARN"]);
    for (variable, parameters) in PARAMETERS {
        assert!(is_variable(variable), "no function reads {variable}");
        assert!(parameters.iter().all(|name| is_parameter(name)), "{variable}: {parameters:?}");
    }
}
