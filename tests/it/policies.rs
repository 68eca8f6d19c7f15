//! The permissions of each function's role, compared with the calls that the function makes.
//!
//! The policies are evaluated as IAM does, as far as they go: allowed by one statement, denied by none, for every
//! resource of the call. Sources: "Policy evaluation logic", IAM user guide; the resource types and condition keys of
//! each action, Service authorization reference.

use std::collections::{BTreeMap, BTreeSet};

use client::aws::Service;
use serde_json::{Value, json};
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::Invocation;
use tests::kms::KEY_ARN;
use tests::mock_aws::{POOL, POOL_ARN, PRE_SIGN_UP, arn};
use tests::service::Reply;

use crate::attach_function::{Stage, properties, with};
use crate::fixtures::deployed;
use crate::watched::{BY_END_USER_MESSAGING, Services, TABLE, Watched};

/// One call to AWS in the words of IAM.
#[derive(Clone, Debug)]
struct Call {
    action: String,
    resources: Vec<String>,
    context: BTreeMap<String, String>,
}

/// One action on one resource, of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    allow: bool,
    action: String,
    resource: String,
    /// Operator, key, value.
    conditions: Vec<(String, String, String)>,
}

impl Grant {
    fn read(statement: &Value) -> Vec<Self> {
        let list = |value: &Value| match value {
            Value::Array(values) => values.iter().map(text).collect(),
            value => vec![text(value)],
        };
        let mut conditions = Vec::new();
        for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for (key, value) in keys.as_object().into_iter().flatten() {
                conditions.push((operator.clone(), key.clone(), deployed_name(&text(value))));
            }
        }
        let (actions, resources) = (list(&statement["Action"]), list(&statement["Resource"]));
        let of_action = |action: &String| {
            let grant = |resource: &String| Self {
                allow: statement["Effect"] == "Allow",
                action: action.clone(),
                resource: deployed_name(resource),
                conditions: conditions.clone(),
            };
            resources.iter().map(grant).collect::<Vec<_>>()
        };
        actions.iter().flat_map(of_action).collect()
    }

    fn concerns(&self, call: &Call, resource: &str) -> bool {
        let holds = |(operator, key, expected): &(String, String, String)| {
            let found = call.context.get(key);
            match operator.as_str() {
                "StringEquals" => found == Some(expected),
                "StringEqualsIgnoreCase" => found.is_some_and(|found| found.eq_ignore_ascii_case(expected)),
                other => panic!("the operator {other} is not known here"),
            }
        };
        self.action == call.action && matches(&self.resource, resource) && self.conditions.iter().all(holds)
    }

    /// What another service does with the function's role, and not the function: Lambda before and after it, Cognito with
    /// a key of the pool's data.
    fn is_the_platforms(&self) -> bool {
        ["logs:", "xray:"].iter().any(|service| self.action.starts_with(service))
            || self.resource == "<OnFailureQueue.Arn>"
            || self.conditions.iter().any(|(_, key, value)| {
                key == "kms:ViaService" && ["sqs.", "cognito-idp."].iter().any(|by| value.starts_with(by))
            })
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The names of the template's resources in a deployed stack.
fn deployed_name(name: &str) -> String {
    match name {
        "<CodeKey.Arn>" => KEY_ARN.to_owned(),
        "<DeliveryTable.Arn>" => format!("arn:aws:dynamodb:eu-central-1:123456789012:table/{TABLE}"),
        "<UserPoolSmsRole.Arn>" => arn("UserPoolSmsRole").to_owned(),
        other => other.to_owned(),
    }
}

/// Whether the pattern, in which `*` is any text, is the whole resource.
fn matches(pattern: &str, resource: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == resource,
        Some((start, rest)) => resource.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).filter_map(|index| tail.get(index..)).any(|tail| matches(rest, tail))
        }),
    }
}

/// The region that a request was signed for.
fn region(headers: &[(String, String)]) -> &str {
    let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let scope = header.and_then(|(_, value)| value.split_once("Credential=")).map(|(_, scope)| scope);
    scope.and_then(|scope| scope.split('/').nth(2)).expect("a signed request")
}

/// Every call that the mocks got.
fn calls(services: &Services) -> Vec<Call> {
    let mut calls = Vec::new();
    for call in services.kms.calls() {
        let context = call.body["EncryptionContext"].as_object().into_iter().flatten();
        calls.push(Call {
            action: "kms:Decrypt".to_owned(),
            resources: vec![text(&call.body["KeyId"])],
            context: context.map(|(k, v)| (format!("kms:EncryptionContext:{k}"), text(v))).collect(),
        });
    }
    for call in services.dynamodb.calls() {
        let table = text(&call.body.input["TableName"]);
        calls.push(Call {
            action: format!("dynamodb:{}", call.body.name),
            resources: vec![format!("arn:aws:dynamodb:{}:123456789012:table/{table}", region(&call.headers))],
            context: BTreeMap::new(),
        });
    }
    for call in services.ses.calls() {
        let from = text(&call.body["FromEmailAddress"]);
        let address = from.rsplit('<').next().unwrap_or_default().trim_end_matches('>').to_owned();
        let domain = address.rsplit('@').next().unwrap_or_default();
        let arn = |rest: &str| format!("arn:aws:ses:{}:123456789012:{rest}", region(&call.headers));
        let set =
            call.body["ConfigurationSetName"].as_str().map(|name| arn(&format!("configuration-set/{name}")));
        calls.push(Call {
            action: "ses:SendEmail".to_owned(),
            resources: std::iter::once(arn(&format!("identity/{domain}"))).chain(set).collect(),
            context: BTreeMap::from([("ses:FromAddress".to_owned(), address)]),
        });
    }
    for call in services.sns.calls() {
        let to = ["TopicArn", "TargetArn", "PhoneNumber"].iter().find_map(|name| call.body.get(*name));
        calls.push(Call {
            action: "sns:Publish".to_owned(),
            resources: to.cloned().into_iter().collect(),
            context: BTreeMap::new(),
        });
    }
    for call in services.end_user_messaging.calls() {
        let set = call.body["ConfigurationSetName"].as_str();
        let set = set.map(|name| {
            format!("arn:aws:sms-voice:{}:123456789012:configuration-set/{name}", region(&call.headers))
        });
        calls.push(Call {
            action: "sms-voice:SendTextMessage".to_owned(),
            resources: std::iter::once(text(&call.body["OriginationIdentity"])).chain(set).collect(),
            context: BTreeMap::new(),
        });
    }
    // An operation that a mock doesn't know counts as an attempt and not as a call.
    let attempts = services.kms.attempts()
        + services.dynamodb.attempts()
        + services.ses.attempts()
        + services.sns.attempts()
        + services.end_user_messaging.attempts();
    assert_eq!(attempts, calls.len(), "only operations that are known were called");
    calls
}

fn grants(deployment: &str, function: &str) -> Vec<Grant> {
    let statements = &deployed()["roles"][deployment][function];
    statements.as_array().expect("the statements of a role").iter().flat_map(Grant::read).collect()
}

/// The grants that allow a call, one for each of its resources; `None` when it is refused.
fn allowed<'a>(grants: &'a [Grant], call: &Call) -> Option<Vec<&'a Grant>> {
    let of_resource = |resource: &String| {
        let mut found = grants.iter().filter(|grant| grant.concerns(call, resource)).peekable();
        found.peek()?;
        let (allowing, denying): (Vec<_>, Vec<_>) = found.partition(|grant| grant.allow);
        (denying.is_empty() && !allowing.is_empty()).then_some(allowing)
    };
    let found: Option<Vec<_>> = call.resources.iter().map(of_resource).collect();
    found.filter(|found| !found.is_empty()).map(|found| found.concat())
}

fn event(function: &str, kind: &str, pool: &str) -> Value {
    let mut event = fixture(&format!("{function}-{kind}"));
    event["userPoolId"] = json!(pool);
    sealed_event(&event, "123456", pool, SealSuite::Signed0378)
}

/// Makes a function send, repeat, fail at each service, and use the other route.
async fn travel(function: &str, deployment: &str) -> Vec<Call> {
    let more: &[_] = match (function, deployment) {
        ("custom-email-sender", "sns") => {
            &[("SES_FALLBACK_REGION", "eu-west-1"), ("SES_FALLBACK_CONFIGURATION_SET", "spare")]
        }
        ("custom-sms-sender", "end-user-messaging") => &BY_END_USER_MESSAGING,
        _ => &[],
    };
    let mut watched = Watched::start(function, more).await;
    let sent = event(function, "sign-up", POOL);
    for event in [&sent, &sent, &event(function, "admin-create-user", POOL)] {
        assert!(matches!(watched.invoke(event).await, Invocation::Ok(_)));
    }
    let ours = if function == "custom-email-sender" { Service::SesV2 } else { Service::Sns };
    let ours = if deployment == "end-user-messaging" && ours == Service::Sns {
        Service::EndUserMessaging
    } else {
        ours
    };
    for service in [Service::Kms, Service::DynamoDb, ours] {
        watched.services.script(service, [Reply::error(400, "AccessDeniedException")]);
        let _ = watched.invoke(&event(function, "sign-up", POOL)).await;
    }
    calls(&watched.services)
}

#[tokio::test]
async fn every_call_is_allowed_and_everything_allowed_is_called() {
    for deployment in ["sns", "end-user-messaging", "one pool"] {
        for function in ["custom-email-sender", "custom-sms-sender"] {
            let grants = grants(deployment, function);
            let mut used = BTreeSet::new();
            for call in travel(function, deployment).await {
                let by = allowed(&grants, &call);
                used.extend(
                    by.unwrap_or_else(|| panic!("{function}, {deployment}: the role refuses {call:?}")),
                );
            }
            let unused: Vec<_> = grants
                .iter()
                .filter(|grant| grant.allow && !grant.is_the_platforms() && !used.contains(grant))
                .collect();
            assert!(unused.is_empty(), "{function}, {deployment}: no call needs {unused:?}");
        }
    }
}

/// The permissions that Cognito checks when a pool is written: it passes the SMS role, and creates a grant for the key.
///
/// Sources: "`SmsConfigurationType`", Amazon Cognito API reference; "Custom sender Lambda triggers", Amazon Cognito
/// developer guide.
fn implied(request: &Value) -> Vec<Call> {
    let service = ("iam:PassedToService".to_owned(), "cognito-idp.amazonaws.com".to_owned());
    let context = ("kms:EncryptionContext:userpool-id".to_owned(), POOL.to_owned());
    let call = |action: &str, resource: &Value, context| {
        let resources = resource.as_str().map(str::to_owned).into_iter().collect();
        Call { action: action.to_owned(), resources, context: BTreeMap::from([context]) }
    };
    let email = "email.cognito-idp.amazonaws.com";
    let email_role = (request["EmailConfiguration"]["EmailSendingAccount"] == "DEVELOPER")
        .then(|| json!(format!("arn:aws:iam::123456789012:role/aws-service-role/{email}/a")));
    let calls = [
        call(
            "iam:CreateServiceLinkedRole",
            &json!(email_role),
            ("iam:AWSServiceName".to_owned(), email.to_owned()),
        ),
        call("iam:PassRole", &request["SmsConfiguration"]["SnsCallerArn"], service),
        call("kms:CreateGrant", &request["LambdaConfig"]["KMSKeyID"], context),
    ];
    calls.into_iter().filter(|call| !call.resources.is_empty()).collect()
}

#[tokio::test]
async fn the_attach_function_has_exactly_the_permissions_that_it_uses() {
    let stage = Stage::start().await;
    let their_key = KEY_ARN.replace("key/1", "key/2");
    let sender =
        |name: &str| json!({ "LambdaVersion": "V1_0", "LambdaArn": PRE_SIGN_UP.replace("PreSignUp", name) });
    let theirs =
        json!({ "CustomEmailSender": sender("a"), "CustomSMSSender": sender("b"), "KMSKeyID": their_key });
    stage.world.change_pool(|pool| pool["LambdaConfig"] = theirs);
    let id = stage.create(&with("ReplaceTriggers", "true")).await;
    stage.delete(&id, &properties()).await;
    let of_cognito_or_lambda = |(operation, request): &(String, Value)| Call {
        action: operation.clone(),
        resources: vec![match request["UserPoolId"].as_str() {
            Some(pool) => POOL_ARN.replace(POOL, pool),
            None => text(&request["FunctionName"]),
        }],
        context: BTreeMap::new(),
    };
    let made = stage.world.calls();
    let calls =
        made.iter().map(of_cognito_or_lambda).chain(made.iter().flat_map(|(_, request)| implied(request)));
    let grants = grants("one pool", "attach");
    let mut used = BTreeSet::new();
    for call in calls {
        used.extend(allowed(&grants, &call).unwrap_or_else(|| panic!("the role refuses {call:?}")));
    }
    let unused: Vec<_> =
        grants.iter().filter(|grant| !grant.is_the_platforms() && !used.contains(grant)).collect();
    assert!(unused.is_empty(), "no call needs {unused:?}");
    for (action, resource) in [
        ("cognito-idp:UpdateUserPool", POOL_ARN.replace("Example01", "Another01")),
        ("cognito-idp:DeleteUserPool", POOL_ARN.to_owned()),
        ("cognito-idp:AdminGetUser", POOL_ARN.to_owned()),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/a".to_owned()),
        ("iam:CreateServiceLinkedRole", "arn:aws:iam::123456789012:role/aws-service-role/a".to_owned()),
        ("kms:CreateGrant", their_key.clone()),
        ("kms:Decrypt", KEY_ARN.to_owned()),
        ("lambda:InvokeFunction", PRE_SIGN_UP.to_owned()),
    ] {
        let call = Call { action: action.to_owned(), resources: vec![resource], context: BTreeMap::new() };
        assert!(allowed(&grants, &call).is_none(), "{call:?}");
    }
}

#[tokio::test]
async fn a_code_of_another_pool_is_refused_by_a_role_that_is_bound_to_one() {
    for function in ["custom-email-sender", "custom-sms-sender"] {
        let mut watched = Watched::start(function, &[]).await;
        let _ = watched.invoke(&event(function, "sign-up", "eu-central-1_Another01")).await;
        let calls = calls(&watched.services);
        let decrypt = calls.iter().find(|call| call.action == "kms:Decrypt").expect("a call to KMS");
        assert!(allowed(&grants("one pool", function), decrypt).is_none(), "{decrypt:?}");
        assert!(allowed(&grants("sns", function), decrypt).is_some(), "without UserPoolId the key decides");
    }
}

#[test]
fn a_topic_and_another_table_key_or_identity_are_denied() {
    let call = |action: &str, resource: &str, context: &[(&str, &str)]| Call {
        action: action.to_owned(),
        resources: vec![resource.to_owned()],
        context: context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let from = |address| [("ses:FromAddress", address)];
    let identity = "arn:aws:ses:eu-central-1:123456789012:identity/example.com";
    let key = KEY_ARN.replace("key/1", "key/2");
    let table = deployed_name("<DeliveryTable.Arn>");
    for (function, call, expected) in [
        ("custom-sms-sender", call("sns:Publish", "+12065550123", &[]), true),
        ("custom-sms-sender", call("sns:Publish", "arn:aws:sns:eu-central-1:123456789012:topic", &[]), false),
        ("custom-sms-sender", call("dynamodb:UpdateItem", &table, &[]), true),
        ("custom-sms-sender", call("dynamodb:UpdateItem", &format!("{table}s"), &[]), false),
        ("custom-sms-sender", call("dynamodb:GetItem", &table, &[]), false),
        ("custom-sms-sender", call("kms:Decrypt", KEY_ARN, &[]), true),
        ("custom-sms-sender", call("kms:Decrypt", &key, &[]), false),
        ("custom-sms-sender", call("kms:Encrypt", KEY_ARN, &[]), false),
        ("custom-sms-sender", call("ses:SendEmail", identity, &from("no-reply@example.com")), false),
        ("custom-email-sender", call("ses:SendEmail", identity, &from("no-reply@example.com")), true),
        ("custom-email-sender", call("ses:SendEmail", identity, &from("ceo@example.com")), false),
        ("custom-email-sender", call("ses:SendEmail", identity, &[]), false),
    ] {
        assert_eq!(allowed(&grants("sns", function), &call).is_some(), expected, "{function} {call:?}");
    }
}

#[test]
fn synchronous_functions_may_only_write_their_log() {
    for function in ["pre-sign-up", "custom-message"] {
        let grants = grants("sns", function);
        assert!(
            !grants.is_empty() && grants.iter().all(|grant| grant.action.starts_with("logs:")),
            "{grants:?}"
        );
    }
}
