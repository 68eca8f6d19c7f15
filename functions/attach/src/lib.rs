//! Attaches the triggers to an existing user pool when the stack is made, again when it changes, and puts back what
//! was there when it goes.
//!
//! CloudFormation calls this function and waits for an answer at an address of its own, for as long as the template
//! says. So every way through here ends in an answer, and one that failed says what to do.
//!
//! - [`request`]: what CloudFormation asks for;
//! - [`memory`]: what was there before;
//! - [`plan`]: what becomes of the pool, decided without a call;
//! - [`reason`]: what went wrong, and the remedy;
//! - [`response_url`]: where the answer goes.

pub mod memory;
pub mod plan;
pub mod reason;
pub mod request;
pub mod response_url;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use client::aws::Aws;
use client::time::Deadline;
use pool::aws::Clients;
use pool::control;
use pool::description::{Description, SignInName};
use pool::model::UnknownFields;
use pool::plan::Plan;
use pool::triggers::Triggers;
use runtime::{Failure, Invocation};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared::config::Settings;
use shared::outcome::{self as logged, ErrorType};
use tokio::time::{sleep, timeout};

use crate::memory::{Memory, NOTHING};
use crate::reason::Problem;
use crate::request::{Action, Caller, Properties};

/// Names another endpoint for Cognito alone.
///
/// Source: "Service-specific endpoints", AWS SDKs and Tools reference guide.
const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER";

/// The configuration: AWS's own variables alone.
#[derive(Debug)]
pub struct Config {
    aws: Aws,
}

impl Config {
    /// Reads the configuration.
    #[must_use]
    pub fn read(settings: &Settings<'_>, _random: &[u8; 32]) -> Option<Self> {
        Some(Self { aws: Aws::read_with(settings, &[ENDPOINT_VARIABLE])? })
    }
}

/// The function.
#[derive(Debug)]
pub struct Attach {
    clients: Clients,
    connector: SharedHttpConnector,
    /// The last answer, with the id of its request: what is delivered twice gets the same answer.
    last: Mutex<Option<(String, String)>>,
}

/// How a request ended.
struct Outcome {
    physical_resource_id: String,
    /// With what the template is told.
    result: Result<Option<Told>, Problem>,
}

/// What the template is told: an attribute of the resource, true or false.
type Told = (&'static str, bool);

/// `EmailIsUsername`, as the pool has it.
fn about(name: SignInName) -> Told {
    ("EmailIsUsername", name == SignInName::Email)
}

impl Attach {
    /// Builds the clients, once per process.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let connector = client::http::http_connector();
        let of_sdk = connector.clone();
        let http_client = http_client_fn(move |_, _| of_sdk.clone());
        let clients = Clients::new(&config.aws.config_with(ENDPOINT_VARIABLE, None, &http_client));
        Self { clients, connector, last: Mutex::default() }
    }

    /// Does what is asked for, and answers.
    ///
    /// # Errors
    /// When nobody could be answered.
    pub async fn handle(&self, invocation: Invocation) -> Result<Box<RawValue>, Failure> {
        let deadline = Deadline::after(invocation.time_left);
        // Three quarters for the work; the rest is for the answer, without which CloudFormation waits on and on.
        let work = deadline.before(invocation.time_left / 4);
        let event: Value = serde_json::from_str(invocation.event.get()).unwrap_or_default();
        let Some(caller) = Caller::read(&event) else {
            return Err(failure(
                logged::Outcome::Malformed,
                ErrorType::Malformed,
                "the request has no ResponseURL, so nobody can be answered",
            ));
        };
        let body = match self.answered(&caller) {
            Some(body) => body,
            None => answer(&caller, &self.work(&event, &caller, work).await),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((caller.request_id, body.clone()));
        match response_url::put(&self.connector, &caller.response_url, &body, deadline).await {
            Ok(()) => Ok(RawValue::NULL.to_owned()),
            Err(problem) => {
                tracing::error!(http.status = problem.0, "the answer did not reach CloudFormation");
                Err(failure(
                    logged::Outcome::Unanswered,
                    ErrorType::Unanswered,
                    "the answer did not reach CloudFormation",
                ))
            }
        }
    }

    fn answered(&self, caller: &Caller) -> Option<String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (request, body) = last.as_ref()?;
        (*request == caller.request_id && !request.is_empty()).then(|| body.clone())
    }

    async fn work(&self, event: &Value, caller: &Caller, deadline: Deadline) -> Outcome {
        // An update that fails is rolled back, and must be what it was.
        let id = if caller.physical_resource_id.is_empty() { NOTHING } else { &caller.physical_resource_id };
        let outcome = match Action::read(event) {
            Err(problem) => Outcome { physical_resource_id: id.to_owned(), result: Err(problem.into()) },
            Ok(action) => Job { clients: &self.clients, deadline, id: id.to_owned() }.run(action).await,
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
struct Job<'a> {
    clients: &'a Clients,
    deadline: Deadline,
    /// The id to answer with.
    id: String,
}

/// One attempt reads and writes at most twice each, and waits for Cognito to show it.
const EACH: Duration = Duration::from_secs(20);
/// What a move to another pool leaves of its time, to be taken back in when it fails: that is when time runs out.
const TAKE_BACK: Duration = Duration::from_secs(15);
/// The pause before the second attempt; it doubles with every further one. IAM needs some seconds until everybody
/// knows of a role that was only just made.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl Job<'_> {
    async fn run(mut self, action: Action) -> Outcome {
        let result = match action {
            Action::Nothing => Ok(None),
            Action::Check { pool, email_is_username } => {
                self.persist(|| self.check(&pool, email_is_username)).await.map(Some)
            }
            Action::Attach { wanted, memory } => {
                self.attach(&wanted, memory).await.map(|name| Some(about(name)))
            }
            Action::AttachAgain { wanted, former, before } => self
                .persist(|| self.attach_again(&wanted, &former, &before))
                .await
                .map(|name| Some(about(name))),
            Action::Detach { pool, ours, before } => {
                self.persist(|| self.detach(&pool, &ours, &before)).await.map(|()| None)
            }
        };
        Outcome { physical_resource_id: self.id, result }
    }

    /// Whether pre-sign-up may trust the addresses of this pool. Nobody is asked where it does not want to, so that a
    /// rollback to that cannot fail.
    async fn check(&self, pool: &str, email_is_username: bool) -> Result<Told, Problem> {
        if email_is_username {
            plan::trusted(&self.read(pool).await?)?;
        }
        Ok(("Trusted", email_is_username))
    }

    /// The first attachment. From the moment in which the pool may have changed, the id is what was there before.
    async fn attach(&mut self, wanted: &Properties, mut memory: Memory) -> Result<SignInName, Problem> {
        let moves = self.id != NOTHING;
        let deadline = if moves { self.deadline.before(TAKE_BACK) } else { self.deadline };
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
            Some(_) if result.is_err() && moves => self.take_back(wanted, &memory).await,
            Some(id) => self.id = id,
            None => {}
        }
        result
    }

    /// A move to another pool has failed: CloudFormation goes back to the former one, and never asks for this one
    /// again.
    async fn take_back(&self, wanted: &Properties, memory: &Memory) {
        let undone = self.persist(|| self.detach(&wanted.pool, &wanted.triggers, &memory.before)).await;
        if let Err(problem) = undone {
            tracing::error!(user_pool = wanted.pool, reason = %problem, "triggers may be left: detach them by hand");
        }
    }

    async fn attach_once(
        &self,
        wanted: &Properties,
        memory: &mut Memory,
        id: &mut Option<String>,
    ) -> Result<SignInName, Problem> {
        let pool = self.read(&wanted.pool).await?;
        let plan = plan::attach(&pool, wanted, memory)?;
        let untouched = id.replace(memory.to_id().map_err(plan::Why::from)?);
        if let Err(problem) = self.write(&plan).await {
            if problem.wrote_nothing() {
                *id = untouched;
            }
            return Err(problem);
        }
        Ok(pool.sign_in_name())
    }

    /// The same pool again, perhaps with other functions.
    async fn attach_again(
        &self,
        wanted: &Properties,
        former: &Triggers,
        before: &Triggers,
    ) -> Result<SignInName, Problem> {
        let mut pool = self.read(&wanted.pool).await?;
        let let_go = plan::let_go(&pool, wanted, former, before);
        let (mut take, mut given_up) = plan::attach_again(let_go.after(), wanted, former, before)?;
        if !let_go.is_empty() {
            self.write(&let_go).await?;
            pool = self.read(&wanted.pool).await?;
            (take, given_up) = plan::attach_again(&pool, wanted, former, before)?;
        }
        for refusal in given_up {
            tracing::warn!("somebody else took a place of this stack's, and keeps it: {refusal}");
        }
        self.write(&take).await?;
        Ok(pool.sign_in_name())
    }

    async fn detach(&self, pool: &str, ours: &Triggers, before: &Triggers) -> Result<(), Problem> {
        let pool = match self.read(pool).await {
            Err(problem) if problem.is_no_pool() => return Ok(()),
            other => other?,
        };
        self.write(&Plan::detach(&pool, ours, before)).await
    }

    async fn read(&self, pool: &str) -> Result<Description, Problem> {
        Ok(control::read(self.clients, pool).await?)
    }

    async fn write(&self, plan: &Plan) -> Result<(), Problem> {
        for remark in &plan.remarks {
            tracing::warn!("{remark}");
        }
        for change in &plan.changes {
            // Before, so that it is known whatever becomes of the answer.
            tracing::info!(user_pool = plan.before().id(), change = %change, "changing a trigger");
        }
        // Even nothing cannot be written in a pool with unknown members.
        if plan.is_empty() {
            Ok(())
        } else {
            Ok(control::write(self.clients, plan, UnknownFields::Refuse).await?)
        }
    }

    /// Tries again, as long as there is time and hope.
    async fn persist<T>(&self, attempt: impl AsyncFn() -> Result<T, Problem>) -> Result<T, Problem> {
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
    attempt: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    timeout(EACH.min(deadline.left()), attempt).await.unwrap_or(Err(Problem::NoTime))
}

/// The pauses between attempts.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// Waits, if there is time and hope for another attempt; tells whether there is.
    async fn before_another(&mut self, problem: &Problem, deadline: Deadline) -> bool {
        let again = problem.may_pass() && deadline.left() > self.0;
        if again {
            tracing::warn!(reason = %problem, "tried in vain, and will try again");
            sleep(self.0).await;
            self.0 *= 2;
        }
        again
    }
}

/// The body of the answer. At most 4,096 bytes: "Custom resource response objects", AWS CloudFormation user guide.
fn answer(caller: &Caller, outcome: &Outcome) -> String {
    let mut answer = json!({
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
    if let (Some(members), Some((name, value))) = (answer.as_object_mut(), more) {
        members.insert(name.to_owned(), value);
    }
    answer.to_string()
}

fn failure(outcome: logged::Outcome, error_type: ErrorType, message: &str) -> Failure {
    tracing::error!(outcome = outcome.name(), error.r#type = error_type.name(), "{message}");
    Failure { error_type, message: message.to_owned() }
}
