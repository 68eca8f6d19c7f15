//! The custom resource that attaches the Lambda triggers to an existing user pool when the stack is created or updated,
//! and restores the previous ones when it is deleted.
//!
//! CloudFormation invokes this function and waits for a response at a presigned URL until the template's timeout. So
//! every request ends with a response, and the reason of a failed one names the remedy.
//!
//! - [`stack`]: what the function may act on, whatever a request says;
//! - [`request`]: CloudFormation's request;
//! - [`memory`]: what was attached before;
//! - [`plan`]: what to change in the pool, decided without a call;
//! - [`reason`]: errors and their remedies;
//! - [`response_url`]: where the response goes.

pub mod memory;
pub mod plan;
pub mod reason;
pub mod request;
pub mod response_url;
pub mod stack;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use client::aws::Aws;
use client::time::Deadline;
use pool::aws::Clients;
use pool::control;
use pool::model::UnknownFields;
use pool::plan::Plan;
use pool::triggers::Triggers;
use pool::user_pool::{EmailSignIn, UserPool};
use runtime::{Failure, Invocation};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::outcome::{self as logged, ErrorType};
use shared::settings::{Noted, Settings};
use tokio::time::{sleep, timeout};

use crate::memory::{Memory, NOTHING};
use crate::reason::RequestError;
use crate::request::{Action, Caller, Properties};
use crate::stack::Stack;

/// Sets another endpoint for Cognito only.
///
/// Source: "Service-specific endpoints", AWS SDKs and Tools reference guide.
const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER";

/// The settings of this function.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
    stack: Stack,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// If a variable is missing or invalid.
    pub fn read(settings: &Settings<'_>, _random: &[u8; 32]) -> Result<Self, Noted> {
        let aws = Aws::read_with(settings, &[ENDPOINT_VARIABLE]);
        let stack = Stack::read(settings);
        Ok(Self { aws: aws?, stack: stack? })
    }
}

/// The function.
#[derive(Debug)]
pub struct Attach {
    stack: Stack,
    clients: Clients,
    connector: SharedHttpConnector,
    /// The last response with the id of its request: a request that is delivered twice gets the same response.
    last: Mutex<Option<(String, String)>>,
}

/// The response to CloudFormation about the resource.
struct ResourceResult {
    physical_resource_id: String,
    /// An attribute for the template, if the request has one.
    result: Result<Option<ResourceAttribute>, RequestError>,
}

/// An attribute of the resource that the template reads with `Fn::GetAtt`.
type ResourceAttribute = (&'static str, bool);

/// `EmailIsUsername`, according to the pool.
fn email_is_username(sign_in: EmailSignIn) -> ResourceAttribute {
    ("EmailIsUsername", sign_in == EmailSignIn::Only)
}

impl Attach {
    /// Builds the clients, once per process.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let connector = client::http::http_connector();
        let of_sdk = connector.clone();
        let http_client = http_client_fn(move |_, _| of_sdk.clone());
        let clients = Clients::new(&config.aws.config_with(ENDPOINT_VARIABLE, None, &http_client));
        Self { stack: config.stack, clients, connector, last: Mutex::default() }
    }

    /// Handles a request and sends the response.
    ///
    /// # Errors
    /// When the response could not be sent.
    pub async fn handle(&self, invocation: Invocation) -> Result<Box<RawValue>, Failure> {
        let deadline = Deadline::after(invocation.time_left);
        // Three quarters for the work. The rest is for the response, without which CloudFormation waits until its timeout.
        let work = deadline.before(invocation.time_left / 4);
        let event: Value = serde_json::from_str(invocation.event.get()).unwrap_or_default();
        let Some(caller) = Caller::read(&event, &self.stack) else {
            return Err(failure(
                logged::Outcome::Malformed,
                ErrorType::Malformed,
                "the request has no ResponseURL of CloudFormation, so CloudFormation gets no response",
            ));
        };
        let body = match self.last_response(&caller) {
            Some(body) => body,
            None => response_body(&caller, &self.work(&event, &caller, work).await),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((caller.request_id, body.clone()));
        match response_url::put(&self.connector, &caller.response_url, &body, deadline).await {
            Ok(()) => Ok(RawValue::NULL.to_owned()),
            Err(problem) => {
                tracing::error!(http.status = problem.0, "the response did not reach CloudFormation");
                Err(failure(
                    logged::Outcome::Unanswered,
                    ErrorType::Unanswered,
                    "the response did not reach CloudFormation",
                ))
            }
        }
    }

    fn last_response(&self, caller: &Caller) -> Option<String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (request, body) = last.as_ref()?;
        (*request == caller.request_id && !request.is_empty()).then(|| body.clone())
    }

    async fn work(&self, event: &Value, caller: &Caller, deadline: Deadline) -> ResourceResult {
        // An update that fails is rolled back and must keep its id.
        let id = if caller.physical_resource_id.is_empty() { NOTHING } else { &caller.physical_resource_id };
        let outcome = match Action::read(event, &self.stack) {
            Err(problem) => {
                ResourceResult { physical_resource_id: id.to_owned(), result: Err(problem.into()) }
            }
            Ok(action) => {
                let (stack, clients) = (&self.stack, &self.clients);
                RequestHandler { stack, clients, deadline, id: id.to_owned() }.run(action).await
            }
        };
        match &outcome.result {
            Ok(_) => {
                tracing::info!(outcome = logged::Outcome::RequestSucceeded.name(), "the request succeeded");
            }
            Err(problem) => tracing::error!(
                outcome = logged::Outcome::RequestFailed.name(),
                error.r#type = ErrorType::RequestFailed.name(),
                reason = %problem,
                "the request failed"
            ),
        }
        outcome
    }
}

/// One request.
struct RequestHandler<'a> {
    stack: &'a Stack,
    clients: &'a Clients,
    deadline: Deadline,
    /// The physical id for the response.
    id: String,
}

/// One attempt reads and writes at most twice each, and waits until Cognito shows the change.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// The time that a move to another pool reserves to undo itself if it fails.
const UNDO_RESERVE: Duration = Duration::from_secs(15);
/// The pause before the second attempt; it doubles with every further one. IAM needs some seconds until a new role is
/// known everywhere.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl RequestHandler<'_> {
    async fn run(mut self, action: Action) -> ResourceResult {
        let result = match action {
            Action::Nothing => Ok(None),
            Action::Check { pool, email_is_username } => {
                self.retry(|| self.check(&pool, email_is_username)).await.map(Some)
            }
            Action::Attach { wanted, memory } => {
                self.attach(&wanted, memory).await.map(|name| Some(email_is_username(name)))
            }
            Action::AttachAgain { wanted, former, before } => self
                .retry(|| self.attach_again(&wanted, &former, &before))
                .await
                .map(|name| Some(email_is_username(name))),
            Action::Detach { pool, ours, before } => {
                self.retry(|| self.detach(&pool, &ours, &before)).await.map(|()| None)
            }
        };
        ResourceResult { physical_resource_id: self.id, result }
    }

    /// Whether pre-sign-up may trust the email addresses of this pool. With `EmailIsUsername=false` there is no call, so
    /// that a rollback to it cannot fail.
    async fn check(&self, pool: &str, email_is_username: bool) -> Result<ResourceAttribute, RequestError> {
        if email_is_username {
            plan::check_email_is_username(&self.read(pool).await?)?;
        }
        Ok(("Trusted", email_is_username))
    }

    /// The first attachment. As soon as the pool may have changed, the id holds what was attached before.
    async fn attach(&mut self, wanted: &Properties, mut memory: Memory) -> Result<EmailSignIn, RequestError> {
        let moves = self.id != NOTHING;
        let deadline = if moves { self.deadline.before(UNDO_RESERVE) } else { self.deadline };
        let mut id = None;
        let mut pause = Pause::default();
        let result = loop {
            let attempt = self.attach_once(wanted, &mut memory, &mut id);
            match in_time(deadline, attempt).await {
                Err(problem) if pause.before_another(&problem, deadline).await => {}
                result => break result,
            }
        };
        match id {
            Some(_) if result.is_err() && moves => self.undo_move(wanted, &memory).await,
            Some(id) => self.id = id,
            None => {}
        }
        result
    }

    /// Detaches from the new pool after a failed move: CloudFormation rolls back to the former pool and sends no further
    /// request for this one.
    async fn undo_move(&self, wanted: &Properties, memory: &Memory) {
        let undone = self.retry(|| self.detach(&wanted.pool, &wanted.triggers, &memory.before)).await;
        if let Err(problem) = undone {
            tracing::error!(user_pool = wanted.pool, reason = %problem, "could not undo the move to this user pool: detach its Lambda triggers with `cognito-triggers detach`");
        }
    }

    async fn attach_once(
        &self,
        wanted: &Properties,
        memory: &mut Memory,
        id: &mut Option<String>,
    ) -> Result<EmailSignIn, RequestError> {
        let pool = self.read(&wanted.pool).await?;
        let plan = plan::attach(&pool, wanted, memory)?;
        let untouched = id.replace(self.stack.ids().write(memory).map_err(plan::Rejection::from)?);
        if let Err(problem) = self.write(&plan).await {
            if problem.wrote_nothing() {
                *id = untouched;
            }
            return Err(problem);
        }
        Ok(pool.email_sign_in())
    }

    /// Attaches to the same pool again, perhaps other functions.
    async fn attach_again(
        &self,
        wanted: &Properties,
        former: &Triggers,
        before: &Triggers,
    ) -> Result<EmailSignIn, RequestError> {
        let mut pool = self.read(&wanted.pool).await?;
        let released = plan::release(&pool, wanted, former, before);
        let (mut take, mut given_up) = plan::attach_again(released.after(), wanted, former, before)?;
        if !released.is_empty() {
            self.write(&released).await?;
            pool = self.read(&wanted.pool).await?;
            (take, given_up) = plan::attach_again(&pool, wanted, former, before)?;
        }
        for refusal in given_up {
            tracing::warn!(
                "another function replaced one of this stack's, and the stack leaves it in place: {refusal}"
            );
        }
        self.write(&take).await?;
        Ok(pool.email_sign_in())
    }

    async fn detach(&self, pool: &str, ours: &Triggers, before: &Triggers) -> Result<(), RequestError> {
        let pool = match self.read(pool).await {
            Err(problem) if problem.is_pool_not_found() => return Ok(()),
            other => other?,
        };
        self.write(&Plan::detach(&pool, ours, before)).await
    }

    async fn read(&self, pool: &str) -> Result<UserPool, RequestError> {
        Ok(control::read(self.clients, pool).await?)
    }

    async fn write(&self, plan: &Plan) -> Result<(), RequestError> {
        for remark in &plan.remarks {
            tracing::warn!("{remark}");
        }
        for change in &plan.changes {
            // Before the call, so that the log has it even if the response gets lost.
            tracing::info!(user_pool = plan.before().id(), change = %change, "changing a Lambda trigger");
        }
        // In a pool with unknown members, even an empty plan cannot be written.
        if plan.is_empty() {
            Ok(())
        } else {
            Ok(control::write(self.clients, plan, UnknownFields::Refuse).await?)
        }
    }

    /// Retries temporary errors until the deadline.
    async fn retry<T>(&self, attempt: impl AsyncFn() -> Result<T, RequestError>) -> Result<T, RequestError> {
        let mut pause = Pause::default();
        loop {
            match in_time(self.deadline, attempt()).await {
                Err(problem) if pause.before_another(&problem, self.deadline).await => {}
                result => return result,
            }
        }
    }
}

async fn in_time<T>(
    deadline: Deadline,
    attempt: impl Future<Output = Result<T, RequestError>>,
) -> Result<T, RequestError> {
    timeout(ATTEMPT_TIMEOUT.min(deadline.left()), attempt).await.unwrap_or(Err(RequestError::TimedOut))
}

/// The pauses between attempts.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// Waits if another attempt is possible before the deadline. Returns whether it is.
    async fn before_another(&mut self, problem: &RequestError, deadline: Deadline) -> bool {
        let again = problem.is_temporary() && deadline.left() > self.0;
        if again {
            tracing::warn!(reason = %problem, "an attempt failed and will be retried");
            sleep(self.0).await;
            self.0 *= 2;
        }
        again
    }
}

/// The body of the response. At most 4,096 bytes: "Custom resource response objects", AWS CloudFormation user guide.
fn response_body(caller: &Caller, outcome: &ResourceResult) -> String {
    let mut body = json!({
        "Status": if outcome.result.is_ok() { "SUCCESS" } else { "FAILED" },
        "PhysicalResourceId": outcome.physical_resource_id,
        "StackId": caller.stack_id,
        "RequestId": caller.request_id,
        "LogicalResourceId": caller.logical_resource_id,
    });
    let more = match &outcome.result {
        Ok(None) => None,
        Ok(Some((name, value))) => Some(("Data", json!({ *name: value.to_string() }))),
        Err(problem) => Some(("Reason", problem.reason().into())),
    };
    if let (Some(members), Some((name, value))) = (body.as_object_mut(), more) {
        members.insert(name.to_owned(), value);
    }
    body.to_string()
}

fn failure(outcome: logged::Outcome, error_type: ErrorType, message: &str) -> Failure {
    tracing::error!(outcome = outcome.name(), error.r#type = error_type.name(), "{message}");
    Failure { error_type, message: message.to_owned() }
}
