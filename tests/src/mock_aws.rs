//! One server that plays all of AWS for the operator's tool: an account in which everything is as it should be.
//!
//! A test changes what it is about, by the names of the API, whatever the protocol on the wire:
//!
//! ```ignore
//! let aws = MockAws::start();
//! aws.change("ses:GetAccount", |answer| answer["SendingEnabled"] = json!(false));
//! let output = aws.run(&["doctor", USER]).await;
//! ```
//!
//! Operations are known as IAM knows them, `ses:GetAccount`; requests and answers are JSON with the member names of the
//! API. An answer that AWS could not give fails the test: the shapes are those of the service models. Members that
//! begin with `Future`, and values that begin with `FUTURE`, are let through: they play what AWS may add one day.

mod account;
mod cbor;
mod model;
mod sample;
mod stack;
mod time;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::cli::{self, Output};
use crate::http::{Handler, Request, Response, ResponseAction, Server, patiently};
use crate::mock_aws::account::Account;
pub use crate::mock_aws::account::{function_name, metrics};
use crate::mock_aws::model::Operation;
pub use crate::mock_aws::sample::{
    ACCOUNT, CLIENT, CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, CUSTOM_SMS_SENDER, KEY_ARN, PHONE, POOL, POOL_ARN,
    PRE_SIGN_UP, QUEUE_URL, RECIPIENT_HASH_KEY, REGION, SENDER, STACK, SUB, USER,
};
pub use crate::mock_aws::stack::{arn, physical_id, variables};
use crate::service::{Refusal, Reply, deliver};

/// An account at AWS. It ends when it is dropped, and then fails the test if a scripted answer is impossible for AWS.
pub struct MockAws {
    state: Arc<State>,
    url: String,
    server: Server,
}

/// What a test wants as the answer to a request: JSON, or a [`Reply`] instead of an answer.
pub struct Given(Result<Value, Reply>);

impl From<Value> for Given {
    fn from(answer: Value) -> Self {
        Self(Ok(answer))
    }
}

impl From<Reply> for Given {
    fn from(reply: Reply) -> Self {
        Self(Err(reply))
    }
}

impl From<Result<Value, Reply>> for Given {
    fn from(given: Result<Value, Reply>) -> Self {
        Self(given)
    }
}

/// Longer than the tool needs to get to its next request.
const HOLD_LIMIT: Duration = Duration::from_secs(10);

impl MockAws {
    /// Listens on a free port of 127.0.0.1. Everything is as it should be. Needs a running tokio runtime.
    #[must_use]
    pub fn start() -> Self {
        let state = Arc::new(State { inner: Mutex::default(), held: Semaphore::new(0) });
        let server = Server::start(Arc::clone(&state), None);
        Self { state, url: format!("http://{}", server.address()), server }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Replaces the answer of an operation.
    ///
    /// # Panics
    /// When the operation is unknown, or the service could not give that answer.
    pub fn answer(&self, operation: &str, answer: impl Into<Value>) {
        let answer = answer.into();
        if let Err(wrong) = model::check(known(operation), &answer) {
            panic!("AWS could not answer that: {wrong}");
        }
        self.set(operation, Box::new(move |_| Given(Ok(answer.clone()))));
    }

    /// Changes the answer that an operation has otherwise, each time it is given. Changes add up.
    ///
    /// # Panics
    /// When the operation is unknown.
    pub fn change(&self, operation: &str, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        let _ = known(operation);
        self.lock().changes.entry(operation.to_owned()).or_default().push(Box::new(change));
    }

    /// Computes the answer of an operation from the request: a [`Value`], a [`Reply`], or a `Result` of both.
    ///
    /// # Panics
    /// When the operation is unknown.
    pub fn answer_with<G: Into<Given>>(
        &self,
        operation: &str,
        answer: impl Fn(&Value) -> G + Send + Sync + 'static,
    ) {
        let _ = known(operation);
        self.set(operation, Box::new(move |request| answer(request).into()));
    }

    /// Refuses an operation, every time. `*` means all operations, `ses:*` those of a service.
    ///
    /// # Panics
    /// When the operation is unknown.
    pub fn refuse(&self, operation: &str, status: u16, aws_error_code: &str) {
        self.always(operation, &Reply::error(status, aws_error_code));
    }

    /// Replies to an operation like that, every time. `*` means all operations, `ses:*` those of a service.
    ///
    /// # Panics
    /// When the operation is unknown.
    pub fn always(&self, operation: &str, reply: &Reply) {
        if !operation.ends_with('*') {
            let _ = known(operation);
        }
        let reply = reply.clone();
        self.set(operation, Box::new(move |_| Given(Err(reply.clone()))));
    }

    /// Queues replies for the next requests of an operation, one each. `*` means all operations, `ses:*` those of a
    /// service.
    ///
    /// # Panics
    /// When the operation is unknown.
    pub fn script(&self, operation: &str, replies: impl IntoIterator<Item = Reply>) {
        if !operation.ends_with('*') {
            let _ = known(operation);
        }
        self.lock().scripts.entry(operation.to_owned()).or_default().extend(replies);
    }

    /// Every request that was understood, in order: the operation and its input.
    #[must_use]
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.lock().calls.iter().map(|call| (call.operation.clone(), call.request.clone())).collect()
    }

    /// The inputs of an operation, in order.
    ///
    /// # Panics
    /// When the operation is unknown.
    #[must_use]
    pub fn asked(&self, operation: &str) -> Vec<Value> {
        self.of(operation, |call| call.request.clone())
    }

    /// The Regions that an operation was called in, in order.
    ///
    /// # Panics
    /// When the operation is unknown.
    #[must_use]
    pub fn regions(&self, operation: &str) -> Vec<String> {
        self.of(operation, |call| call.region.clone())
    }

    /// The inputs of an operation for which the service did what the request says, in order.
    ///
    /// # Panics
    /// If the operation is unknown.
    #[must_use]
    pub fn accepted(&self, operation: &str) -> Vec<Value> {
        self.of(operation, |call| call.accepted.then(|| call.request.clone())).into_iter().flatten().collect()
    }

    /// The session tokens that an operation was signed with, in order. The token of a role's session is its ARN.
    ///
    /// # Panics
    /// If the operation is unknown.
    #[must_use]
    pub fn session_tokens(&self, operation: &str) -> Vec<Option<String>> {
        self.of(operation, |call| call.session_token.clone())
    }

    /// What is of interest of each request of an operation.
    fn of<T>(&self, operation: &str, what: impl Fn(&Call) -> T) -> Vec<T> {
        let _ = known(operation);
        let inner = self.lock();
        inner.calls.iter().filter(|call| call.operation == operation).map(what).collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.lock().calls.clear();
    }

    /// The user pool as `DescribeUserPool` shows it now.
    #[must_use]
    pub fn pool(&self) -> Value {
        self.lock().account.pool.clone()
    }

    /// Changes the user pool.
    pub fn change_pool(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.lock().account.pool);
    }

    /// The users of the pool, as `ListUsers` shows them now.
    #[must_use]
    pub fn users(&self) -> Vec<Value> {
        self.lock().account.users.clone()
    }

    /// Changes the users of the pool. Each is as `ListUsers` shows it, with `UserMFASettingList` and
    /// `PreferredMfaSetting` besides for `AdminGetUser`.
    pub fn change_users(&self, change: impl FnOnce(&mut Vec<Value>)) {
        change(&mut self.lock().account.users);
    }

    /// Changes the one user.
    pub fn change_user(&self, change: impl FnOnce(&mut Value)) {
        self.lock().account.users.first_mut().map(change);
    }

    /// Sets an attribute of the one user, or removes it.
    pub fn set_attribute(&self, name: &str, value: Option<&str>) {
        self.change_user(|user| account::cognito::set_attribute(user, name, value));
    }

    /// Sets or, with none, removes a variable in the environment of a function, which is named by its ARN.
    ///
    /// # Panics
    /// When there is no such function.
    pub fn set_variable(&self, function: &str, name: &str, value: Option<&str>) {
        self.lock().account.set_variable(function, name, value);
    }

    /// The statements of a function's resource policy; it is named by its ARN.
    #[must_use]
    pub fn permissions(&self, function: &str) -> Vec<Value> {
        self.lock().account.permissions.get(function).cloned().unwrap_or_default()
    }

    /// Changes the statements of a function's resource policy; without statements there is no policy.
    pub fn change_permissions(&self, function: &str, change: impl FnOnce(&mut Vec<Value>)) {
        change(self.lock().account.permissions.entry(function.to_owned()).or_default());
    }

    /// Puts failed events into the on-failure destination, an SQS queue.
    pub fn fail_events(&self, bodies: impl IntoIterator<Item = String>) {
        let mut inner = self.lock();
        bodies.into_iter().for_each(|body| inner.account.enqueue(body));
    }

    /// The failed events in the queue that a receiver would get now.
    #[must_use]
    pub fn visible_events(&self) -> Vec<String> {
        self.lock().account.events(false)
    }

    /// The failed events in the queue that a receiver got and neither deleted nor made visible again.
    #[must_use]
    pub fn hidden_events(&self) -> Vec<String> {
        self.lock().account.events(true)
    }

    /// Ends the visibility timeout of all hidden events.
    pub fn end_visibility_timeout(&self) {
        self.lock().account.end_visibility_timeout();
    }

    /// Deploys the stack with `AttachTriggers=false`: the pool has no `LambdaConfig` yet.
    pub fn attached_by_hand(&self) {
        self.lock().account.attached_by_hand();
    }

    /// Puts everything into one more Region. In the others there is nothing.
    pub fn also_in(&self, region: &str) {
        self.lock().more_regions.push(region.to_owned());
    }

    /// Waits until a request is held by [`Reply::Hang`] or [`Reply::HangAfter`]. Each one is reported once.
    ///
    /// # Panics
    /// When none is within ten seconds.
    pub async fn held(&self) {
        let next = patiently("a request that is held", HOLD_LIMIT, self.state.held.acquire()).await;
        next.expect("it is never closed").forget();
    }

    /// Ends all connections and refuses new ones.
    pub async fn close(&mut self) {
        self.server.close().await;
    }

    /// The environment that leads the tool here: Region, credentials, endpoint.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let given = cli::credentials().into_iter().map(|(name, value)| (name, value.to_owned()));
        given.chain([("AWS_ENDPOINT_URL", self.url.clone())]).collect()
    }

    /// Starts the tool in that environment, with more variables that win over it.
    #[must_use]
    pub fn begin(&self, arguments: &[&str], more: &[(&str, &str)], stdin: &str) -> cli::Running {
        let env = self.env();
        let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        cli::start(arguments, &[&env, more].concat(), stdin)
    }

    /// Runs the tool to its end on a terminal, with more variables.
    pub async fn run_on_terminal(&self, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let env = self.env();
        let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        cli::on_terminal(arguments, &[&env, more].concat()).await
    }

    /// Runs the tool to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.begin(arguments, &[], "").end().await
    }

    fn set(&self, operation: &str, answer: Override) {
        self.lock().overrides.insert(operation.to_owned(), answer);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.lock()
    }
}

impl Drop for MockAws {
    fn drop(&mut self) {
        let faults = std::mem::take(&mut self.lock().faults);
        // A second panic would end the whole program.
        assert!(faults.is_empty() || std::thread::panicking(), "{}", faults.join("\n"));
    }
}

fn known(name: &str) -> Operation {
    let hint = "the list is in tools/service_model.py";
    model::operation(name).unwrap_or_else(|| panic!("the operation {name} is not known here: {hint}"))
}

type Override = Box<dyn Fn(&Value) -> Given + Send + Sync>;
type Change = Box<dyn Fn(&mut Value) + Send + Sync>;

struct State {
    inner: Mutex<Inner>,
    /// A permit for each request that is held and was not yet told.
    held: Semaphore,
}

#[derive(Default)]
struct Inner {
    account: Account,
    overrides: BTreeMap<String, Override>,
    changes: BTreeMap<String, Vec<Change>>,
    scripts: BTreeMap<String, VecDeque<Reply>>,
    calls: Vec<Call>,
    more_regions: Vec<String>,
    /// What the test told us that AWS could not do.
    faults: Vec<String>,
}

struct Call {
    operation: String,
    region: String,
    session_token: Option<String>,
    request: Value,
    /// Whether the service did what the request says, even if its response was lost.
    accepted: bool,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A test that fails while it changes something has more to say than that the lock is poisoned.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    /// The names under which something may be set for an operation.
    fn names(operation: Operation) -> [String; 3] {
        [operation.full_name(), format!("{}:*", operation.service.prefix), "*".to_owned()]
    }

    fn scripted(&mut self, operation: Operation) -> Option<Reply> {
        Self::names(operation).into_iter().find_map(|name| self.scripts.get_mut(&name)?.pop_front())
    }

    /// The service's own answer, with the test's changes.
    fn default_answer(
        &mut self,
        operation: Operation,
        region: &str,
        request: &Value,
    ) -> Result<Value, Refusal> {
        let here = region == REGION || self.more_regions.iter().any(|more| more == region);
        let mut answer = if here {
            self.account.answer(operation, request)?
        } else {
            account::elsewhere(operation, region, request)?
        };
        for change in self.changes.get(&operation.full_name()).into_iter().flatten() {
            change(&mut answer);
        }
        Ok(answer)
    }

    fn written(&mut self, operation: Operation, answer: &Value) -> Result<Response, Refusal> {
        model::check(operation, answer).map_err(|wrong| {
            let fault = format!("AWS could not answer that: {wrong}");
            self.faults.push(fault.clone());
            Refusal::new(500, "TheTestIsWrong", fault)
        })?;
        Ok(wire::write(operation, answer))
    }

    /// Records the request and finds out what becomes of it.
    fn take(&mut self, asked: wire::Asked) -> (Reply, Option<Result<Response, Refusal>>) {
        let wire::Asked { operation, request, region, session_token } = asked;
        let scripted = self.scripted(operation);
        let set = Self::names(operation).into_iter().find_map(|name| self.overrides.get(&name));
        // A scripted reply comes first, so an operation that always fails can do it differently once.
        let (reply, given) = match (scripted, set.map(|set| set(&request).0)) {
            (scripted, Some(Ok(answer))) => (scripted.unwrap_or(Reply::Ok), Some(answer)),
            (Some(reply), _) | (None, Some(Err(reply))) => (reply, None),
            (None, None) => (Reply::Ok, None),
        };
        let answer = reply.does().then(|| {
            let answer = given.map_or_else(|| self.default_answer(operation, &region, &request), Ok);
            answer.and_then(|answer| self.written(operation, &answer))
        });
        let accepted = matches!(answer, Some(Ok(_)));
        self.calls.push(Call { operation: operation.full_name(), region, session_token, request, accepted });
        (reply, answer)
    }
}

impl Handler for State {
    async fn answer(&self, request: Request) -> ResponseAction {
        let Some((service, region)) = wire::service(&request) else {
            let message = "the request is not signed for a service that is known here";
            return ResponseAction::Send(Response::new(403, "text/plain", message));
        };
        let refuse = |refusal: &Refusal| wire::refuse(service, refusal);
        let asked = match wire::read(service, region, &request) {
            Ok(asked) => asked,
            Err(refusal) => return ResponseAction::Send(refuse(&refusal)),
        };
        let (reply, answer) = self.lock().take(asked);
        let answer = answer.map(|answer| answer.unwrap_or_else(|refusal| refuse(&refusal)));
        deliver(reply, answer, &refuse, wire::expired(service), &self.held).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    impl MockAws {
        /// Makes a signed call of an operation with a target header.
        async fn call(&self, service: &str, target: &str, body: Value) -> (u16, Value) {
            let headers = vec![("x-amz-target".to_owned(), target.to_owned())];
            let body = if service == "sts" {
                body.as_str().unwrap_or_default().as_bytes().to_vec()
            } else {
                body.to_string().into_bytes()
            };
            let mut request = Request { method: "POST".to_owned(), target: "/".to_owned(), headers, body };
            crate::signature::add(&mut request, service);
            let address = self.server.address();
            let response = crate::http::post(address, "/", &request.headers, &request.body).await.unwrap();
            let text = String::from_utf8(response.body).unwrap();
            (response.status, serde_json::from_str(&text).unwrap_or(json!(text)))
        }

        async fn cognito(&self, operation: &str, body: Value) -> (u16, Value) {
            let target = format!("AWSCognitoIdentityProviderService.{operation}");
            self.call("cognito-idp", &target, body).await
        }
    }

    /// A request for an operation: these members, and others if the operation needs them.
    fn request(operation: &str) -> Value {
        let mut request = json!({
            "UserPoolId": POOL,
            "ClientId": CLIENT,
            "Username": SUB,
            "KeyId": KEY_ARN,
            "FunctionName": PRE_SIGN_UP,
            "StackName": STACK,
            "LogicalResourceId": "CodeKey",
            "QueueUrl": QUEUE_URL,
            "RoleArn": arn("RedriveRole"),
            "RoleSessionName": "s",
            "ActionNames": ["kms:CreateGrant"],
            "MetricName": "Publish",
            "StatementId": physical_id("PreSignUpPermission"),
            "Principal": "cognito-idp.amazonaws.com",
            "CiphertextBlob": wire::base64(&crate::kms::Kms::wrap(&[1; 32])),
            "MetricDataQueries": [{ "Id": "q", "MetricStat": { "Metric": { "MetricName": "Publish" } } }],
        });
        match operation {
            "lambda:AddPermission" => request["StatementId"] = json!("another"),
            "lambda:GetFunctionEventInvokeConfig" => request["FunctionName"] = json!(CUSTOM_EMAIL_SENDER),
            "lambda:PutFunctionEventInvokeConfig" => request = json!({ "FunctionName": PRE_SIGN_UP }),
            "cognito-idp:AdminCreateUser" => request["Username"] = json!("bea@example.com"),
            "cognito-idp:UpdateUserPool" => request = json!({ "UserPoolId": POOL }),
            _ => {}
        }
        request
    }

    #[test]
    fn every_operation_has_an_answer_that_its_service_could_give() {
        let refused = [
            // The user is confirmed already, and the address is not suppressed.
            "cognito-idp:AdminConfirmSignUp",
            "ses:DeleteSuppressedDestination",
            "ses:GetSuppressedDestination",
        ];
        for operation in model::services().flat_map(model::Service::operations) {
            let name = operation.full_name();
            match Account::default().answer(operation, &request(&name)) {
                Ok(answer) => {
                    assert_eq!(model::check(operation, &answer), Ok(()), "{name}");
                    let _ = wire::write(operation, &answer);
                }
                Err(refusal) => assert!(refused.contains(&name.as_str()), "{name}: {refusal:?}"),
            }
        }
    }

    #[test]
    fn the_fixture_answers_only_what_is_known() {
        let fixture: Value = serde_json::from_str(include_str!("../fixtures/mock_aws.json")).unwrap();
        for name in fixture["answers"].as_object().unwrap().keys() {
            let _ = known(name);
        }
    }

    #[test]
    fn the_constants_are_those_of_the_fixtures() {
        let account = Account::default();
        for (place, expected) in [
            (&account.pool["Id"], POOL),
            (&account.pool["Arn"], POOL_ARN),
            (&account.fixture["client"]["ClientId"], CLIENT),
            (&account.users[0]["Username"], SUB),
            (&account.users[0]["Attributes"][1]["Value"], USER),
            (&account.users[0]["Attributes"][3]["Value"], PHONE),
            (&account.pool["LambdaConfig"]["KMSKeyID"], KEY_ARN),
        ] {
            assert_eq!(place, expected);
        }
        for (function, logical_id) in [
            (PRE_SIGN_UP, "PreSignUpFunction"),
            (CUSTOM_MESSAGE, "CustomMessageFunction"),
            (CUSTOM_EMAIL_SENDER, "CustomEmailSenderFunction"),
            (CUSTOM_SMS_SENDER, "CustomSmsSenderFunction"),
        ] {
            assert_eq!(function, arn(logical_id));
        }
        assert_eq!(QUEUE_URL, physical_id("OnFailureQueue"));
    }

    #[tokio::test]
    async fn an_update_of_a_pool_resets_the_omitted_settings() {
        let aws = MockAws::start();
        let before = aws.pool();
        aws.change_pool(|pool| pool["FutureSetting"] = json!("kept by a client that sends it back"));
        let update = json!({ "UserPoolId": POOL, "MfaConfiguration": "ON", "FutureOther": 1 });
        assert_eq!(aws.cognito("UpdateUserPool", update).await.0, 200);
        let (_, answer) = aws.cognito("DescribeUserPool", json!({ "UserPoolId": POOL })).await;
        let after = &answer["UserPool"];
        assert_eq!((&after["MfaConfiguration"], &after["FutureOther"]), (&json!("ON"), &json!(1)));
        assert_eq!(after["LambdaConfig"], json!({}));
        for lost in ["SmsConfiguration", "UserPoolAddOns", "AutoVerifiedAttributes", "FutureSetting"] {
            assert_eq!(after.get(lost), None, "{lost}");
        }
        for kept in ["Id", "Arn", "SchemaAttributes", "UsernameAttributes", "Domain", "UsernameConfiguration"]
        {
            assert_eq!(after[kept], before[kept], "{kept}");
        }
    }

    #[tokio::test]
    async fn a_user_is_found_by_name_by_address_and_by_filter() {
        let aws = MockAws::start();
        for name in [SUB, USER, "ANN@EXAMPLE.COM"] {
            let (_, user) =
                aws.cognito("AdminGetUser", json!({ "UserPoolId": POOL, "Username": name })).await;
            assert_eq!((&user["Username"], &user["UserCreateDate"]), (&json!(SUB), &json!(1_793_700_000.0)));
        }
        // A phone number is no username of this pool.
        let by_phone = json!({ "UserPoolId": POOL, "Username": PHONE });
        assert_eq!(aws.cognito("AdminGetUser", by_phone).await.1["__type"], "UserNotFoundException");
        for (filter, found) in [
            (format!("phone_number = \"{PHONE}\""), 1),
            ("email ^= \"ann@\"".to_owned(), 1),
            ("cognito:user_status=\"UNCONFIRMED\"".to_owned(), 0),
        ] {
            let (_, answer) = aws.cognito("ListUsers", json!({ "UserPoolId": POOL, "Filter": filter })).await;
            assert_eq!(answer["Users"].as_array().map(Vec::len), Some(found), "{filter}");
        }
    }

    #[tokio::test]
    async fn users_are_listed_page_by_page() {
        let aws = MockAws::start();
        aws.change_users(|users| {
            let one = users[0].clone();
            users.extend((1..125).map(|_| one.clone()));
        });
        let mut sizes = Vec::new();
        let mut token = Value::Null;
        loop {
            let request = json!({ "UserPoolId": POOL, "PaginationToken": token });
            let (_, answer) = aws.cognito("ListUsers", request).await;
            sizes.push(answer["Users"].as_array().unwrap().len());
            token = answer["PaginationToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(sizes, [60, 60, 5]);
    }

    #[tokio::test]
    async fn a_test_sets_changes_computes_and_refuses_answers() {
        let aws = MockAws::start();
        let ask = async || aws.cognito("DescribeUserPool", json!({ "UserPoolId": POOL })).await;
        aws.change("cognito-idp:DescribeUserPool", |answer| answer["UserPool"]["Name"] = json!("changed"));
        assert_eq!(ask().await.1["UserPool"]["Name"], "changed");
        aws.answer("cognito-idp:DescribeUserPool", json!({ "UserPool": { "Name": "set" } }));
        assert_eq!(ask().await.1["UserPool"]["Name"], "set");
        aws.answer_with(
            "cognito-idp:DescribeUserPool",
            |asked| json!({ "UserPool": { "Name": asked["UserPoolId"] } }),
        );
        assert_eq!(ask().await.1["UserPool"]["Name"], POOL);
        aws.refuse("cognito-idp:DescribeUserPool", 400, "AccessDeniedException");
        assert_eq!(
            ask().await,
            (
                400,
                json!({
                    "__type": "AccessDeniedException",
                    "message": "scripted by the test",
                })
            )
        );
        aws.script("cognito-idp:*", [Reply::ExpiredCredentials]);
        aws.script("*", [Reply::bare(503)]);
        assert_eq!(ask().await.1["__type"], "ExpiredTokenException");
        assert_eq!(ask().await, (503, json!("")));
        assert_eq!(aws.asked("cognito-idp:DescribeUserPool").len(), 6);
        assert_eq!(aws.regions("cognito-idp:DescribeUserPool")[0], REGION);
    }

    #[tokio::test]
    async fn the_query_protocol_has_its_own_spelling() {
        let aws = MockAws::start();
        let role = "arn:aws:iam::123456789012:role/a";
        let form = format!(
            "Action=AssumeRole&RoleArn={role}&RoleSessionName=s&Tags.member.1.Key=k&Tags.member.1.Value=v"
        );
        let (status, body) = aws.call("sts", "", json!(form)).await;
        assert_eq!(status, 200);
        let body = body.as_str().unwrap();
        assert!(
            body.contains("<AssumeRoleResult><Credentials><AccessKeyId>AKIDEXAMPLE</AccessKeyId>"),
            "{body}"
        );
        assert!(body.contains("<Expiration>2126-01-01T00:00:00Z</Expiration>"), "{body}");
        let asked =
            json!({ "RoleArn": role, "RoleSessionName": "s", "Tags": [{ "Key": "k", "Value": "v" }] });
        assert_eq!(aws.asked("sts:AssumeRole"), [asked]);
        aws.refuse("sts:AssumeRole", 403, "AccessDenied");
        let (status, body) = aws.call("sts", "", json!(form)).await;
        assert_eq!((status, body.as_str().unwrap().contains("<Code>AccessDenied</Code>")), (403, true));
    }

    #[tokio::test]
    async fn a_request_that_aws_would_reject_is_rejected() {
        let aws = MockAws::start();
        for (request, wrong) in [
            (json!({}), "cognito-idp:AdminGetUser always has UserPoolId"),
            (json!({ "UserPoolId": 1, "Username": SUB }), "cognito-idp:AdminGetUser.UserPoolId is a string"),
            (
                json!({ "UserPoolId": POOL, "Username": SUB, "Name": "" }),
                "cognito-idp:AdminGetUser.Name is unknown",
            ),
        ] {
            let (status, answer) = aws.cognito("AdminGetUser", request).await;
            assert_eq!((status, &answer["__type"]), (400, &json!("ValidationException")));
            assert!(answer["message"].as_str().unwrap().contains(wrong), "{answer}");
        }
        assert!(aws.calls().is_empty());
    }

    #[tokio::test]
    #[should_panic(expected = "ses:GetAccount.SendQuota.Max is unknown")]
    async fn an_answer_that_aws_could_not_give_fails_the_test() {
        let aws = MockAws::start();
        aws.answer("ses:GetAccount", json!({ "SendQuota": { "Max": 1 } }));
    }

    #[tokio::test]
    #[should_panic(expected = "cognito-idp:DescribeUserPool.UserPool.MfaConfiguration is one of")]
    async fn a_change_that_aws_could_not_make_fails_the_test() {
        let aws = MockAws::start();
        aws.change_pool(|pool| pool["MfaConfiguration"] = json!("SOMETIMES"));
        let _ = aws.cognito("DescribeUserPool", json!({ "UserPoolId": POOL })).await;
    }
}
