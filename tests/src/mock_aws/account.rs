//! What is in the account, and how each service answers by itself.

#![expect(
    clippy::indexing_slicing,
    reason = "in JSON there is null where nothing is, and room where something is put"
)]

pub(super) mod cognito;

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::model::Operation;
use super::sample::{
    ACCOUNT, CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, CUSTOM_SMS_SENDER, KEY_ARN, POOL_ARN, PRE_SIGN_UP,
    QUEUE_URL, REGION, STACK,
};
use super::stack::{self, physical_id};
use super::{time, wire};
use crate::function::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use crate::kms::Kms;
use crate::service::Refusal;

/// The state of the account.
pub(super) struct Account {
    /// As `DescribeUserPool` shows it.
    pub(super) pool: Value,
    /// As `ListUsers` shows them.
    pub(super) users: Vec<Value>,
    /// The statements of the resource policies, by the ARN of the function.
    pub(super) permissions: BTreeMap<String, Vec<Value>>,
    /// What is or was in the queue.
    messages: Vec<Message>,
    /// As `GetFunctionConfiguration` shows them, by the ARN of the function.
    functions: BTreeMap<String, Value>,
    /// As `GetFunctionEventInvokeConfig` shows them, by the ARN of the function.
    event_invoke: BTreeMap<String, Value>,
    log_delivery: Vec<Value>,
    key_state: &'static str,
    grants: Vec<Value>,
    attached_by_hand: bool,
    /// `tests/fixtures/mock_aws.json`.
    pub(super) fixture: Value,
}

/// A message of the queue.
struct Message {
    body: String,
    /// Received, and not yet visible again: time doesn't pass here.
    hidden: bool,
    deleted: bool,
    received: usize,
}

const FUNCTIONS: [&str; 4] = [PRE_SIGN_UP, CUSTOM_MESSAGE, CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER];
const CREATED: &str = "2026-11-01T08:00:00Z";

impl Default for Account {
    fn default() -> Self {
        let fixture = stack::resolve(include_str!("../../fixtures/mock_aws.json"));
        let fixture: Value = serde_json::from_str(&fixture).expect("the fixture is JSON");
        let functions = stack::functions().map(function).collect();
        let senders = [CUSTOM_EMAIL_SENDER, CUSTOM_SMS_SENDER];
        let event_invoke = senders.map(|arn| {
            let mut configuration = fixture["event invoke configuration"].clone();
            configuration["FunctionArn"] = json!(format!("{arn}:$LATEST"));
            (arn.to_owned(), configuration)
        });
        Self {
            pool: fixture["pool"].clone(),
            users: vec![fixture["user"].clone()],
            permissions: FUNCTIONS.map(|arn| (arn.to_owned(), vec![permission(arn)])).into(),
            messages: Vec::new(),
            functions,
            event_invoke: event_invoke.into(),
            log_delivery: Vec::new(),
            key_state: "Enabled",
            grants: array(&fixture["grants"]),
            attached_by_hand: false,
            fixture,
        }
    }
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// The name of a function, which is the last part of its ARN.
#[must_use]
pub fn function_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// A function's ARN and its whole configuration.
fn function(stacks: &Value) -> (String, Value) {
    let mut configuration = json!({
        "CodeSize": 5_000_000,
        "CodeSha256": "RyuIBfJvOgpWzGo9IbjSGLTcZpvpzAZYnmpKNQlWGTo=",
        "LastModified": "2026-11-01T08:00:00.000+0000",
        "Version": "$LATEST",
        "RevisionId": "2d1e9082-1469-4f18-9b4d-000000000001",
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "EphemeralStorage": { "Size": 512 },
        "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
    });
    for (name, value) in stacks.as_object().into_iter().flatten() {
        configuration[name] = value.clone();
    }
    (text(stacks, "FunctionArn").to_owned(), configuration)
}

/// The permission that the template gives.
fn permission(function: &str) -> Value {
    // `triggers-PreSignUpFunction-…` has the permission `triggers-PreSignUpPermission-…`.
    let logical_id = function_name(function).split('-').nth(1).unwrap_or_default();
    json!({
        "Sid": physical_id(&logical_id.replace("Function", "Permission")),
        "Effect": "Allow",
        "Principal": { "Service": "cognito-idp.amazonaws.com" },
        "Action": "lambda:InvokeFunction",
        "Resource": function,
        "Condition": {
            "StringEquals": { "AWS:SourceAccount": ACCOUNT },
            "ArnLike": { "AWS:SourceArn": POOL_ARN },
        },
    })
}

fn not_found(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", message)
}

fn invalid(code: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(400, code, message)
}

fn no_stack(operation: &str, name: &str) -> Refusal {
    let message = match operation {
        "DescribeStacks" => format!("Stack with id {name} does not exist"),
        _ => format!("Stack '{name}' does not exist"),
    };
    invalid("ValidationError", message)
}

fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request[name].as_str().unwrap_or_default()
}

impl Account {
    /// Sets or removes a variable of a function.
    pub(super) fn set_variable(&mut self, function: &str, name: &str, value: Option<&str>) {
        let variables = self.functions.get_mut(function).expect("one of the four functions");
        let variables = variables["Environment"]["Variables"].as_object_mut().expect("it has variables");
        match value {
            Some(value) => variables.insert(name.to_owned(), json!(value)),
            None => variables.remove(name),
        };
    }

    /// Puts a message into the queue.
    pub(super) fn enqueue(&mut self, body: String) {
        self.messages.push(Message { body, hidden: false, deleted: false, received: 0 });
    }

    /// The message that a receipt belongs to.
    fn message(&mut self, receipt: &Value) -> Option<&mut Message> {
        let (number, received) = receipt.as_str()?.strip_prefix("receipt-")?.split_once('-')?;
        let received: usize = received.parse().ok()?;
        let message = self.messages.get_mut(number.parse::<usize>().ok()?)?;
        (message.received == received).then_some(message)
    }

    fn receive(&mut self, most: usize) -> Value {
        let waiting =
            self.messages.iter_mut().enumerate().filter(|(_, message)| !message.hidden && !message.deleted);
        let received: Vec<_> = waiting
            .take(most)
            .map(|(number, message)| {
                message.hidden = true;
                message.received += 1;
                json!({
                    "MessageId": format!("5fea7756-0ea4-451a-a703-{number:012}"),
                    "ReceiptHandle": format!("receipt-{number}-{}", message.received),
                    "Body": message.body,
                    "Attributes": {
                        "SentTimestamp": "1795262400000",
                        "ApproximateFirstReceiveTimestamp": "1795262400000",
                        "ApproximateReceiveCount": message.received.to_string(),
                    },
                })
            })
            .collect();
        if received.is_empty() { json!({}) } else { json!({ "Messages": received }) }
    }

    fn give_back(&mut self, entry: &Value) {
        let hidden = entry["VisibilityTimeout"] != 0;
        if let Some(message) = self.message(&entry["ReceiptHandle"]) {
            message.hidden = hidden;
        }
    }

    /// The messages that are not deleted, either the hidden or the visible ones.
    pub(super) fn events(&self, hidden: bool) -> Vec<String> {
        let messages = self.messages.iter().filter(|message| !message.deleted && message.hidden == hidden);
        messages.map(|message| message.body.clone()).collect()
    }

    /// Makes all messages visible.
    pub(super) fn end_visibility_timeout(&mut self) {
        self.messages.iter_mut().for_each(|message| message.hidden = false);
    }

    /// See `MockAws::attached_by_hand`.
    pub(super) fn attached_by_hand(&mut self) {
        self.attached_by_hand = true;
        self.pool["LambdaConfig"] = json!({});
        self.grants.clear();
        self.set_variable(PRE_SIGN_UP, "EMAIL_IS_USERNAME", Some("false"));
    }

    /// What a service answers by itself.
    pub(super) fn answer(&mut self, operation: Operation, request: &Value) -> Result<Value, Refusal> {
        if let Some(answer) = self.fixture["answers"].get(operation.full_name()) {
            return Ok(answer.clone());
        }
        match operation.service.prefix {
            "cloudformation" => self.cloudformation(operation.name, request),
            "cloudwatch" => Ok(cloudwatch(operation.name, request)),
            "cognito-idp" => self.cognito(operation.name, request),
            "iam" => Ok(iam(request)),
            "kms" => self.kms(operation.name, request),
            "lambda" => self.lambda(operation.name, request),
            "logs" => Ok(Self::log_groups(request)),
            "ses" => match operation.name {
                "GetSuppressedDestination" | "DeleteSuppressedDestination" => {
                    let message = "Email address is not on the suppression list.";
                    Err(Refusal::new(404, "NotFoundException", message))
                }
                _ => Ok(json!({})),
            },
            "sqs" => self.sqs(operation.name, request),
            "sts" => Ok(assume_role(request)),
            // The rest answers nothing.
            _ => Ok(json!({})),
        }
    }

    fn cloudformation(&self, name: &str, request: &Value) -> Result<Value, Refusal> {
        let asked = text(request, "StackName");
        let id = text(stack::stack(), "id");
        if name == "DescribeStacks" && request.get("StackName").is_none() || [STACK, id].contains(&asked) {
            self.stack(name, request, id)
        } else {
            Err(no_stack(name, asked))
        }
    }

    fn stack(&self, name: &str, request: &Value, id: &str) -> Result<Value, Refusal> {
        let detailed = |time: &str| {
            let resources = array(&stack::stack()["resources"]).into_iter().map(|mut resource| {
                resource["ResourceStatus"] = json!("CREATE_COMPLETE");
                resource[time] = json!(CREATED);
                resource
            });
            resources.collect::<Vec<_>>()
        };
        let with_stack = |mut resource: Value| {
            resource["StackName"] = json!(STACK);
            resource["StackId"] = json!(id);
            resource
        };
        Ok(match name {
            "DescribeStacks" => {
                let kind = if self.attached_by_hand { "attached by hand" } else { "attached by the stack" };
                let mut stack = stack::stack()[kind].clone();
                for (name, value) in [
                    ("StackId", id),
                    ("StackName", STACK),
                    ("CreationTime", CREATED),
                    ("StackStatus", "CREATE_COMPLETE"),
                ] {
                    stack[name] = json!(value);
                }
                json!({ "Stacks": [stack] })
            }
            "DescribeStackResource" => {
                let logical = &request["LogicalResourceId"];
                let mut resources = detailed("LastUpdatedTimestamp").into_iter();
                let resource = resources.find(|resource| &resource["LogicalResourceId"] == logical);
                let missing = || {
                    let logical = logical.as_str().unwrap_or_default();
                    invalid("ValidationError", format!("Resource {logical} does not exist for stack {STACK}"))
                };
                json!({ "StackResourceDetail": with_stack(resource.ok_or_else(missing)?) })
            }
            "DescribeStackResources" => {
                let resources: Vec<_> = detailed("Timestamp").into_iter().map(with_stack).collect();
                json!({ "StackResources": resources })
            }
            "ListStackResources" => json!({ "StackResourceSummaries": detailed("LastUpdatedTimestamp") }),
            _ => json!({ "StackEvents": [] }),
        })
    }

    fn kms(&mut self, name: &str, request: &Value) -> Result<Value, Refusal> {
        let id = KEY_ARN.rsplit('/').next().unwrap_or_default();
        let alias = format!("alias/{STACK}-codes");
        if name == "ListAliases" {
            let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:{alias}");
            let alias = json!({ "AliasName": alias, "AliasArn": arn, "TargetKeyId": id });
            return Ok(json!({ "Aliases": [alias], "Truncated": false }));
        }
        let asked = text(request, "KeyId");
        // What was encrypted says itself which key it was.
        let known = [KEY_ARN, id, &alias].contains(&asked) || name == "Decrypt" && asked.is_empty();
        if !known {
            return Err(invalid("NotFoundException", format!("Key '{asked}' does not exist")));
        }
        let uses = ["Decrypt", "GenerateDataKey", "CreateGrant"].contains(&name);
        match self.key_state {
            "Disabled" if uses => Err(invalid("DisabledException", format!("{KEY_ARN} is disabled."))),
            "PendingDeletion" if uses || name == "EnableKey" => {
                Err(invalid("KMSInvalidStateException", format!("{KEY_ARN} is pending deletion.")))
            }
            _ => self.key(name, request, id),
        }
    }

    fn key(&mut self, name: &str, request: &Value, id: &str) -> Result<Value, Refusal> {
        Ok(match name {
            "DescribeKey" => json!({ "KeyMetadata": {
                "AWSAccountId": ACCOUNT,
                "KeyId": id,
                "Arn": KEY_ARN,
                "CreationDate": CREATED,
                "Enabled": self.key_state == "Enabled",
                "Description": format!("Codes of {STACK}."),
                "KeyUsage": "ENCRYPT_DECRYPT",
                "KeyState": self.key_state,
                "Origin": "AWS_KMS",
                "KeyManager": "CUSTOMER",
                "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
                "KeySpec": "SYMMETRIC_DEFAULT",
                "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
                "MultiRegion": false,
            } }),
            "GetKeyPolicy" => {
                json!({ "Policy": self.fixture["key policy"].to_string(), "PolicyName": "default" })
            }
            "ListGrants" => json!({ "Grants": self.grants, "Truncated": false }),
            "CreateGrant" => {
                let grant_id = format!("{:064x}", self.grants.len() + 1);
                let mut grant = json!({
                    "KeyId": KEY_ARN,
                    "GrantId": grant_id,
                    "CreationDate": CREATED,
                    "IssuingAccount": format!("arn:aws:iam::{ACCOUNT}:root"),
                });
                for name in ["GranteePrincipal", "RetiringPrincipal", "Operations", "Constraints", "Name"] {
                    if let Some(value) = request.get(name) {
                        grant[name] = value.clone();
                    }
                }
                self.grants.push(grant);
                json!({ "GrantToken": "example", "GrantId": grant_id })
            }
            "RevokeGrant" => {
                self.grants.retain(|grant| grant["GrantId"] != request["GrantId"]);
                json!({})
            }
            "EnableKey" | "DisableKey" => {
                self.key_state = if name == "EnableKey" { "Enabled" } else { "Disabled" };
                json!({})
            }
            "CancelKeyDeletion" => {
                self.key_state = "Disabled";
                json!({ "KeyId": KEY_ARN })
            }
            "GenerateDataKey" => {
                let data_key = [7; 32];
                json!({
                    "KeyId": KEY_ARN,
                    "Plaintext": wire::base64(&data_key),
                    "CiphertextBlob": wire::base64(&Kms::wrap(&data_key)),
                })
            }
            _ => {
                let blob = wire::from_base64(request.get("CiphertextBlob")).unwrap_or_default();
                let data_key = Kms::unwrap(&blob).ok_or_else(|| invalid("InvalidCiphertextException", ""))?;
                json!({
                    "KeyId": KEY_ARN,
                    "Plaintext": wire::base64(data_key),
                    "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
                })
            }
        })
    }

    fn lambda(&mut self, name: &str, request: &Value) -> Result<Value, Refusal> {
        let asked = text(request, "FunctionName");
        let unqualified = asked.trim_end_matches(":$LATEST");
        let arn = FUNCTIONS.into_iter().find(|arn| unqualified == *arn || unqualified == function_name(arn));
        let arn = arn.ok_or_else(|| {
            let arn = if asked.starts_with("arn:") {
                asked.to_owned()
            } else {
                format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{asked}")
            };
            Refusal::new(404, "ResourceNotFoundException", format!("Function not found: {arn}"))
        })?;
        let missing = |message: &str| Refusal::new(404, "ResourceNotFoundException", message);
        match name {
            "GetFunctionConfiguration" => Ok(self.functions[arn].clone()),
            "GetFunction" => Ok(json!({ "Configuration": self.functions[arn] })),
            "GetFunctionEventInvokeConfig" => self.event_invoke.get(arn).cloned().ok_or_else(|| {
                missing(&format!("The function {arn}:$LATEST doesn't have an EventInvokeConfig"))
            }),
            "PutFunctionEventInvokeConfig" => {
                let mut configuration = request.clone();
                if let Some(members) = configuration.as_object_mut() {
                    members.retain(|name, _| name != "FunctionName" && name != "Qualifier");
                }
                configuration["FunctionArn"] = json!(format!("{arn}:$LATEST"));
                self.event_invoke.insert(arn.to_owned(), configuration.clone());
                Ok(configuration)
            }
            "Invoke" => invoked(request),
            "GetPolicy" | "AddPermission" | "RemovePermission" => self.permission(name, arn, request),
            // Concurrency.
            _ => Ok(json!({})),
        }
    }

    fn permission(&mut self, name: &str, arn: &str, request: &Value) -> Result<Value, Refusal> {
        let statements = self.permissions.entry(arn.to_owned()).or_default();
        let missing = || {
            let message = "The resource you requested does not exist.";
            Refusal::new(404, "ResourceNotFoundException", message)
        };
        let sid = &request["StatementId"];
        let there = statements.iter().position(|statement| &statement["Sid"] == sid);
        match name {
            "GetPolicy" if statements.is_empty() => Err(missing()),
            "GetPolicy" => {
                let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
                Ok(json!({
                    "Policy": policy.to_string(),
                    "RevisionId": "2d1e9082-1469-4f18-9b4d-000000000002",
                }))
            }
            "RemovePermission" => {
                statements.remove(there.ok_or_else(missing)?);
                Ok(Value::Null)
            }
            _ if there.is_some() => {
                let message =
                    format!("The statement id ({}) provided already exists.", text(request, "StatementId"));
                Err(Refusal::new(409, "ResourceConflictException", message))
            }
            _ => {
                let statement = added(arn, request);
                statements.push(statement.clone());
                Ok(json!({ "Statement": statement.to_string() }))
            }
        }
    }

    fn log_groups(request: &Value) -> Value {
        let prefix = text(request, "logGroupNamePrefix");
        let groups: Vec<_> = array(&stack::stack()["resources"])
            .iter()
            .filter(|resource| resource["ResourceType"] == "AWS::Logs::LogGroup")
            .map(|resource| text(resource, "PhysicalResourceId"))
            .filter(|name| name.starts_with(prefix))
            .map(|name| {
                let arn = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}");
                json!({
                    "logGroupName": name,
                    "creationTime": 1_793_520_000_000_i64,
                    "retentionInDays": 30,
                    "metricFilterCount": 0,
                    "arn": format!("{arn}:*"),
                    "storedBytes": 4096,
                    "logGroupClass": "STANDARD",
                    "logGroupArn": arn,
                })
            })
            .collect();
        json!({ "logGroups": groups })
    }

    fn sqs(&mut self, name: &str, request: &Value) -> Result<Value, Refusal> {
        if text(request, "QueueUrl") != QUEUE_URL {
            return Err(invalid("QueueDoesNotExist", "The specified queue does not exist."));
        }
        let [waiting, held] = [false, true].map(|hidden| self.events(hidden).len().to_string());
        Ok(match name {
            "GetQueueAttributes" => json!({ "Attributes": {
                "QueueArn": stack::arn("OnFailureQueue"),
                "ApproximateNumberOfMessages": waiting,
                "ApproximateNumberOfMessagesNotVisible": held,
                "ApproximateNumberOfMessagesDelayed": "0",
                "CreatedTimestamp": "1793520000",
                "LastModifiedTimestamp": "1793520000",
                "VisibilityTimeout": "120",
                "MaximumMessageSize": "1048576",
                "MessageRetentionPeriod": "345600",
                "DelaySeconds": "0",
                "ReceiveMessageWaitTimeSeconds": "0",
                "KmsMasterKeyId": KEY_ARN,
            } }),
            "ReceiveMessage" => {
                let number = |name: &str, default: u64| request[name].as_u64().unwrap_or(default);
                let most = number("MaxNumberOfMessages", 1);
                if !(1..=10).contains(&most) || number("WaitTimeSeconds", 0) > 20 {
                    return Err(invalid(
                        "InvalidParameterValue",
                        "Must be between 1 and 10, and at most 20.",
                    ));
                }
                self.receive(usize::try_from(most).expect("at most 10"))
            }
            "ChangeMessageVisibility" => {
                self.give_back(request);
                Value::Null
            }
            "ChangeMessageVisibilityBatch" => {
                let entries = array(&request["Entries"]);
                for entry in &entries {
                    self.give_back(entry);
                }
                let done: Vec<_> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
                json!({ "Successful": done, "Failed": [] })
            }
            "DeleteMessage" => {
                // SQS answers alike when the receipt is an old one.
                if let Some(message) = self.message(&request["ReceiptHandle"]) {
                    message.deleted = true;
                }
                Value::Null
            }
            "SendMessage" => json!({
                "MessageId": "5fea7756-0ea4-451a-a703-000000000000",
                "MD5OfMessageBody": "00000000000000000000000000000000",
            }),
            _ => Value::Null,
        })
    }
}

/// What a service answers in a Region where nothing is.
pub(super) fn elsewhere(operation: Operation, region: &str, request: &Value) -> Result<Value, Refusal> {
    let rest = |code: &str, message: &str| Err(Refusal::new(404, code, message));
    match operation.service.prefix {
        "cloudformation" if request.get("StackName").is_none() => Ok(json!({ "Stacks": [] })),
        "cloudformation" => Err(no_stack(operation.name, text(request, "StackName"))),
        "cognito-idp" if operation.name == "ListUserPools" => Ok(json!({ "UserPools": [] })),
        "cognito-idp" => Err(not_found(format!("User pool {} does not exist.", text(request, "UserPoolId")))),
        "kms" => Err(invalid("NotFoundException", format!("Key is not in {region}"))),
        "lambda" => rest("ResourceNotFoundException", "Function not found"),
        "logs" if operation.name == "DescribeLogGroups" => Ok(json!({ "logGroups": [] })),
        "secretsmanager" => Err(not_found("Secrets Manager can't find the specified secret.")),
        "ses" if ["GetEmailIdentity", "GetConfigurationSet"].contains(&operation.name) => {
            rest("NotFoundException", "It does not exist.")
        }
        "sqs" => Err(invalid("QueueDoesNotExist", "The specified queue does not exist.")),
        _ => Account::default().answer(operation, request),
    }
}

/// A statement as `AddPermission` makes it.
fn added(arn: &str, request: &Value) -> Value {
    let principal = text(request, "Principal");
    let principal = match principal {
        "*" => json!("*"),
        service if service.ends_with(".amazonaws.com") => json!({ "Service": service }),
        account => json!({ "AWS": account }),
    };
    let mut statement = json!({
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal,
        "Action": request["Action"],
        "Resource": arn,
    });
    if let Some(account) = request.get("SourceAccount") {
        statement["Condition"]["StringEquals"]["AWS:SourceAccount"] = account.clone();
    }
    if let Some(source) = request.get("SourceArn") {
        statement["Condition"]["ArnLike"]["AWS:SourceArn"] = source.clone();
    }
    statement
}

/// A function that gives the event back, as a trigger does that has nothing to change.
fn invoked(request: &Value) -> Result<Value, Refusal> {
    let event = text(request, "Payload");
    // An empty payload stands for the event `null`.
    if !event.is_empty() && serde_json::from_str::<&RawValue>(event).is_err() {
        let message = format!("Could not parse request body into json: {event}");
        return Err(invalid("InvalidRequestContentException", message));
    }
    Ok(match text(request, "InvocationType") {
        "Event" => json!({ "StatusCode": 202 }),
        "DryRun" => json!({ "StatusCode": 204 }),
        _ => json!({ "StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": event }),
    })
}

/// Allows everything.
fn iam(request: &Value) -> Value {
    let resources = match array(&request["ResourceArns"]) {
        resources if resources.is_empty() => vec![json!("*")],
        resources => resources,
    };
    let results: Vec<_> = array(&request["ActionNames"])
        .iter()
        .flat_map(|action| resources.iter().map(move |resource| (action.clone(), resource.clone())))
        .map(|(action, resource)| {
            json!({
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            })
        })
        .collect();
    json!({ "EvaluationResults": results, "IsTruncated": false })
}

fn assume_role(request: &Value) -> Value {
    let role = text(request, "RoleArn");
    let name = role.rsplit('/').next().unwrap_or_default();
    let session = text(request, "RoleSessionName");
    json!({
        "Credentials": {
            "AccessKeyId": ACCESS_KEY_ID,
            "SecretAccessKey": SECRET_ACCESS_KEY,
            "SessionToken": role,
            "Expiration": "2126-01-01T00:00:00Z",
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("AROAEXAMPLE:{session}"),
            "Arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"),
        },
    })
}

/// No data, for every query.
fn cloudwatch(name: &str, request: &Value) -> Value {
    if name == "GetMetricStatistics" {
        return json!({ "Label": request["MetricName"], "Datapoints": [] });
    }
    let results: Vec<_> = array(&request["MetricDataQueries"])
        .iter()
        .filter(|query| query["ReturnData"] != false)
        .map(|query| {
            let metric = &query["MetricStat"]["Metric"]["MetricName"];
            let label = [&query["Label"], metric, &query["Id"]].into_iter().find(|label| label.is_string());
            json!({
                "Id": query["Id"],
                "Label": label,
                "Timestamps": [],
                "Values": [],
                "StatusCode": "Complete",
            })
        })
        .collect();
    json!({ "MetricDataResults": results, "Messages": [] })
}

/// Data for `cloudwatch:GetMetricData`, for `MockAws::answer_with`: `values` gives, for the
/// namespace, the name and the dimensions of a metric, its values from the start of the period on, one for each step.
#[must_use]
pub fn metrics(request: &Value, values: impl Fn(&str, &str, &BTreeMap<String, String>) -> Vec<f64>) -> Value {
    let mut answer = cloudwatch("GetMetricData", request);
    let second =
        |value: &Value| value.as_f64().or_else(|| time::seconds(value.as_str()?)).unwrap_or_default();
    let start = second(&request["StartTime"]);
    for query in array(&request["MetricDataQueries"]) {
        let measured = &query["MetricStat"];
        let metric = &measured["Metric"];
        let dimensions = array(&metric["Dimensions"])
            .iter()
            .map(|dimension| (text(dimension, "Name").to_owned(), text(dimension, "Value").to_owned()))
            .collect();
        let values = values(text(metric, "Namespace"), text(metric, "MetricName"), &dimensions);
        let period = measured["Period"].as_f64().unwrap_or(60.0);
        let times: Vec<_> =
            values.iter().scan(start, |next, _| Some(std::mem::replace(next, *next + period))).collect();
        let results = answer["MetricDataResults"].as_array_mut().into_iter().flatten();
        for result in results.filter(|result| result["Id"] == query["Id"]) {
            result["Timestamps"] = json!(times);
            result["Values"] = json!(values);
        }
    }
    answer
}
