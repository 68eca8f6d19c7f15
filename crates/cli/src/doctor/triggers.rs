//! The triggers: which functions the pool invokes, whether it may and can, and what becomes of what fails.

use shared::arn::{function_name, region_of, unqualified};
use shared::trigger::Trigger;

use pool::permission::{COGNITO, InvokePermission, PermittedPools};
use pool::policy::{Effect, Policy};

use super::finding::Finding;
use super::step::Step;
use super::{Subject, key, startup};
use crate::aws::{AwsError, Kind};
use crate::cognito::Pool;
use crate::deployment::Deployment;
use crate::lambda::{Configuration, EventInvoke, Functions};
use crate::shell::quote;

const ATTACHED: &str = "triggers.attached";
const CHANNEL: &str = "triggers.channel";
const FUNCTION: &str = "triggers.function";
const PERMISSION: &str = "triggers.permission";
const RETRIES: &str = "triggers.retries";
const SETTINGS: &str = "triggers.settings";

/// The only version of a sender's events that there is.
const VERSION: &str = "V1_0";

/// The longest validity of a code for signing in, and the template's default.
const EVENT_AGE_SECONDS: i32 = 900;

/// The guide's page of the rules that hold for every trigger.
const TRIGGER_PAGE: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html";
const SENDER_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sender-triggers.html";
const MESSAGE_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html";
const ASYNC_PAGE: &str = "https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html";
const STATES_PAGE: &str = "https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html";

/// A function that the pool invokes.
#[derive(Clone, Copy)]
pub(super) struct Attached<'a> {
    pub(super) trigger: Trigger,
    pub(super) arn: &'a str,
}

/// What Lambda answered about it.
struct Answers<'a> {
    attached: Attached<'a>,
    configuration: Option<&'a Result<Configuration, AwsError>>,
    policy: Result<Option<String>, AwsError>,
    concurrency: Result<Option<i32>, AwsError>,
    /// For a sender, which is invoked asynchronously.
    event_invoke: Option<Result<Option<EventInvoke>, AwsError>>,
}

pub(super) async fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let pool = match subject.pool {
        Ok(pool) => pool,
        Err(error) => return vec![Finding::not_checked(ATTACHED, "which functions the pool invokes", error)],
    };
    let ask = async |trigger| match pool.triggers.function_arn(trigger) {
        Some(arn) => Some(Box::pin(answers(subject, Attached { trigger, arn })).await),
        None => None,
    };
    let [first, second, third, fourth] = Trigger::ALL;
    let (first, second, third, fourth, key) =
        tokio::join!(ask(first), ask(second), ask(third), ask(fourth), Box::pin(key::look(subject, pool)));
    let mut findings = slots(pool, subject.deployment);
    findings.extend(channels(subject, pool));
    for answers in [first, second, third, fourth].into_iter().flatten() {
        findings.extend(answers.findings(subject, pool));
    }
    findings.extend(key);
    findings
}

async fn answers<'a>(subject: &Subject<'a>, attached: Attached<'a>) -> Answers<'a> {
    let functions = &Functions::new(subject.aws);
    let event_invoke = async {
        if attached.is_sender() {
            Some(subject.progress.of(functions.event_invoke(attached.arn)).await)
        } else {
            None
        }
    };
    let (policy, concurrency, event_invoke) = tokio::join!(
        subject.progress.of(functions.policy(attached.arn)),
        subject.progress.of(functions.reserved_concurrency(attached.arn)),
        event_invoke,
    );
    let configuration = subject.functions.get(&attached.trigger);
    Answers { attached, configuration, policy, concurrency, event_invoke }
}

impl Attached<'_> {
    pub(super) fn is_sender(self) -> bool {
        matches!(self.trigger, Trigger::CustomEmailSender | Trigger::CustomSmsSender)
    }

    /// Whose failure is meant: what the user or the operator sees of it.
    fn without(self) -> &'static str {
        match self.trigger {
            Trigger::PreSignUp => "every sign-up fails",
            Trigger::CustomMessage => "every operation that sends a message fails",
            Trigger::CustomEmailSender => "no e-mail goes out",
            Trigger::CustomSmsSender => "no SMS goes out",
        }
    }
}

// ---------------------------------------------------------------------------------- what is attached

/// How the functions of a stack get to where they belong.
pub(super) fn attach(pool_id: &str, deployment: &Deployment) -> String {
    format!(
        "cognito-triggers attach --user-pool-id {} --stack-name {} --apply",
        quote(pool_id),
        quote(&deployment.stack)
    )
}

/// Every slot of `LambdaConfig` against what the stack deploys.
fn slots(pool: &Pool, deployment: Option<&Deployment>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut right = Vec::new();
    for trigger in Trigger::ALL {
        let deployed =
            deployment.and_then(|deployment| Some((deployment, deployment.function_arn(trigger)?)));
        match (pool.triggers.function_arn(trigger), deployed) {
            (None, None) => {}
            // Where it belongs depends on who delivers: `channels`.
            (None, Some(_)) if trigger == Trigger::CustomMessage => {}
            (None, Some((deployment, _))) => findings.push(missing(trigger, pool, deployment)),
            (Some(attached), Some((deployment, deployed))) if unqualified(attached) != deployed => {
                findings.push(foreign(trigger, attached, pool, deployment));
            }
            (Some(attached), None) if deployment.is_some() => {
                findings.extend(deployment.map(|deployment| foreign(trigger, attached, pool, deployment)));
            }
            (Some(attached), _) => {
                findings.extend(frozen(trigger, attached));
                right.push(function_name(attached));
            }
        }
    }
    let right = right.join(" and ");
    let what = match (right.is_empty(), deployment) {
        (false, Some(deployment)) => format!("the pool invokes {right} of the stack {}", deployment.stack),
        (false, None) => format!("the pool invokes {right}; of which stack is not known"),
        (true, None) => {
            "the pool invokes no function: Cognito itself writes and sends every message".to_owned()
        }
        (true, Some(_)) => return findings,
    };
    findings.insert(
        0,
        Finding::ok(ATTACHED, what)
            .why("cognito-idp:DescribeUserPool shows them in LambdaConfig, the stack's outputs name its own"),
    );
    findings
}

fn missing(trigger: Trigger, pool: &Pool, deployment: &Deployment) -> Finding {
    let (stack, name, slot) = (&deployment.stack, trigger.package(), trigger.lambda_config_member());
    let subject = format!("the stack {stack} deploys {name}, but the pool does not invoke it");
    let finding = match trigger {
        Trigger::PreSignUp => Finding::warning(
            ATTACHED,
            format!("{subject}: nobody decides about sign-ups, and everybody gets Cognito's normal code"),
        ),
        Trigger::CustomMessage => {
            Finding::warning(ATTACHED, format!("{subject}: Cognito writes its own texts"))
        }
        Trigger::CustomEmailSender => Finding::warning(
            ATTACHED,
            format!("{subject}: e-mails are Cognito's own, within its own limits, or do not go out at all"),
        ),
        Trigger::CustomSmsSender => Finding::warning(
            ATTACHED,
            format!("{subject}: SMS are Cognito's own, within its own limits, or do not go out at all"),
        ),
    };
    finding
        .why(format!(
            "cognito-idp:DescribeUserPool shows no LambdaConfig.{slot}, the stack has the output {}",
            trigger.output()
        ))
        .why("update-user-pool takes every trigger off that it is not given")
        .why(TRIGGER_PAGE)
        .command(attach(&pool.id, deployment))
}

fn foreign(trigger: Trigger, attached: &str, pool: &Pool, deployment: &Deployment) -> Finding {
    let (slot, stack) = (trigger.lambda_config_member(), &deployment.stack);
    Finding::warning(
        ATTACHED,
        format!("{slot} of the pool is {attached}, which is not of the stack {stack}: that function decides"),
    )
    .why("cognito-idp:DescribeUserPool, LambdaConfig, against the stack's outputs")
    .advice(format!(
        "If it should be the stack's, see what would change with cognito-triggers diff --user-pool-id {} \
         --stack-name {}",
        quote(&pool.id),
        quote(stack)
    ))
}

/// A number at the end of the ARN is a version, which no deployment changes.
fn frozen(trigger: Trigger, attached: &str) -> Option<Finding> {
    let version = attached.strip_prefix(unqualified(attached))?.strip_prefix(':')?;
    version.bytes().all(|byte| byte.is_ascii_digit()).then(|| {
        let slot = trigger.lambda_config_member();
        Finding::warning(
            ATTACHED,
            format!(
                "{slot} of the pool is version {version} of its function: no deployment changes what it does"
            ),
        )
        .why("Cognito's guide knows functions and aliases, no versions")
        .why(TRIGGER_PAGE)
    })
}

/// Who writes to the users: for each channel exactly one of sender and custom-message.
fn channels(subject: &Subject<'_>, pool: &Pool) -> Vec<Finding> {
    let triggers = &pool.triggers;
    let mut findings = Vec::new();
    let senders = [
        (Trigger::CustomEmailSender, &triggers.custom_email_sender, "email"),
        (Trigger::CustomSmsSender, &triggers.custom_sms_sender, "sms"),
    ];
    let written = subject.setting(Trigger::CustomMessage, "CUSTOM_MESSAGE_CHANNELS").unwrap_or_default();
    let writes = |channel: &str| written.split(',').any(|name| name.trim() == channel);
    for (trigger, sender, channel) in &senders {
        let Some(sender) = sender else { continue };
        let slot = trigger.lambda_config_member();
        if sender.version != VERSION {
            findings.push(
                Finding::warning(
                    CHANNEL,
                    format!(
                        "{slot} of the pool has the version {}: the function knows {VERSION} alone",
                        sender.version
                    ),
                )
                .why(format!("LambdaConfig.{slot}.LambdaVersion"))
                .why(SENDER_PAGE),
            );
        }
        if triggers.custom_message.is_some() && writes(channel) {
            findings.push(
                Finding::warning(
                    CHANNEL,
                    format!(
                        "both {slot} and CustomMessage are attached for this channel: what Cognito then does \
                         is not documented"
                    ),
                )
                .why(format!(
                    "LambdaConfig names both, and CUSTOM_MESSAGE_CHANNELS of custom-message names {channel}; \
                     the guide's pages of the two do not speak of each other"
                ))
                .why(MESSAGE_PAGE)
                .why(SENDER_PAGE)
                .advice("One of the two should go: EmailDelivery and SmsDelivery of the stack say which."),
            );
        }
    }
    if let Some(deployment) = subject.deployment
        && triggers.custom_message.is_none()
        && left_to_cognito(deployment, &writes)
    {
        findings.push(missing(Trigger::CustomMessage, pool, deployment));
    }
    findings
}

/// Whether the stack is deployed so that Cognito sends and custom-message writes.
///
/// With a sender for e-mail and no SMS, custom-message is set up for both channels although it is attached to none;
/// so both together mean something only where no e-mail sender is deployed.
fn left_to_cognito(deployment: &Deployment, writes: &impl Fn(&str) -> bool) -> bool {
    let sends = |trigger| deployment.function_arn(trigger).is_some();
    let (email, sms) = (writes("email"), writes("sms"));
    (email && !sends(Trigger::CustomEmailSender)) || (sms && !email && !sends(Trigger::CustomSmsSender))
}

// ---------------------------------------------------------------------------------- each function

/// A command of the AWS CLI for a function.
fn cli(command: &str, arn: &str) -> String {
    let region = region_of(arn).unwrap_or_default();
    format!("aws lambda {command} --function-name {} --region {}", quote(arn), quote(region))
}

impl Answers<'_> {
    fn findings(&self, subject: &Subject<'_>, pool: &Pool) -> Vec<Finding> {
        let attached = self.attached;
        let mut findings = Vec::new();
        match self.configuration {
            Some(Err(error)) if error.kind == Kind::NotFound => {
                return vec![absent(attached, pool, subject.deployment)];
            }
            Some(Err(error)) => {
                let what = format!("state and settings of {}", function_name(attached.arn));
                findings.push(Finding::not_checked(FUNCTION, &what, error));
            }
            Some(Ok(configuration)) => {
                findings.push(state(attached, configuration));
                findings.extend(last_update(configuration));
                if is_ours(attached, configuration, subject.deployment) {
                    findings.extend(usable(attached, configuration));
                }
            }
            None => {}
        }
        findings.push(permission(attached, &self.policy, pool));
        findings.extend(concurrency(attached, &self.concurrency));
        if let Some(event_invoke) = &self.event_invoke {
            findings.extend(retries(attached, event_invoke));
        }
        findings
    }
}

fn absent(attached: Attached<'_>, pool: &Pool, deployment: Option<&Deployment>) -> Finding {
    let finding = Finding::cause(
        FUNCTION,
        format!("the pool invokes {}, which does not exist: {}", attached.arn, attached.without()),
    )
    .why(format!(
        "lambda:GetFunctionConfiguration answered ResourceNotFoundException for {}",
        attached.trigger.lambda_config_member()
    ))
    .why("Cognito then says: invocation failed due to error AccessDeniedException");
    match deployment {
        Some(deployment) if deployment.function_arn(attached.trigger) == Some(unqualified(attached.arn)) => {
            finding.advice("Deploy the stack again: its function was deleted by hand.")
        }
        // It takes the place of another function only if it is told to.
        Some(deployment) => finding.command(format!("{} --replace", attach(&pool.id, deployment))),
        None => finding.advice("Deploy the function again, or take it out of the pool's LambdaConfig."),
    }
}

fn state(attached: Attached<'_>, configuration: &Configuration) -> Finding {
    let Configuration { name, state, state_reason, .. } = configuration;
    let reason = state_reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let finding = match state.as_deref() {
        None | Some("Active") => Finding::ok(FUNCTION, format!("{name} is ready")),
        Some("Failed") => {
            Finding::cause(FUNCTION, format!("{name} is in the state Failed{reason}: {}", attached.without()))
                .advice("Deploy the stack again.")
        }
        Some("Inactive") => Finding::warning(
            FUNCTION,
            format!("{name} is in the state Inactive{reason}: its next invocation fails and wakes it up"),
        )
        .command(cli("get-function-configuration", attached.arn)),
        Some(other) => Finding::warning(
            FUNCTION,
            format!("{name} is in the state {other}{reason}: it cannot be invoked until it is Active"),
        ),
    };
    let processor = configuration.architecture.as_deref().unwrap_or("unknown processor");
    let runtime = configuration.runtime.as_deref().unwrap_or("no runtime");
    finding
        .why(format!(
            "lambda:GetFunctionConfiguration: State {}, {runtime}, {processor}",
            state.as_deref().unwrap_or("none")
        ))
        .why(STATES_PAGE)
}

fn last_update(configuration: &Configuration) -> Option<Finding> {
    let Configuration { name, last_update, last_update_reason, .. } = configuration;
    (last_update.as_deref() == Some("Failed")).then(|| {
        let reason = last_update_reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Finding::warning(
            FUNCTION,
            format!(
                "the last deployment of {name} failed{reason}: the code and settings before it are at work"
            ),
        )
        .why("lambda:GetFunctionConfiguration: LastUpdateStatus Failed")
        .why(STATES_PAGE)
        .advice("Deploy the stack again.")
    })
}

/// Whether it reads its settings as our functions do: those of somebody else have settings of their own.
fn is_ours(attached: Attached<'_>, configuration: &Configuration, deployment: Option<&Deployment>) -> bool {
    match deployment {
        Some(deployment) => deployment.function_arn(attached.trigger) == Some(unqualified(attached.arn)),
        None => configuration
            .variables
            .as_ref()
            .is_ok_and(|variables| variables.contains_key("METRICS_NAMESPACE")),
    }
}

/// Whether it would start with its settings.
fn usable(attached: Attached<'_>, configuration: &Configuration) -> Option<Finding> {
    let name = &configuration.name;
    let variables = match &configuration.variables {
        Ok(variables) => variables,
        Err(error) => return Some(Finding::not_checked(SETTINGS, &format!("settings of {name}"), error)),
    };
    let problem = startup::problem(attached.trigger, variables)?;
    Some(
        Finding::cause(SETTINGS, format!("{name} does not start ({problem}): {}", attached.without()))
            .why(
                "lambda:GetFunctionConfiguration shows its variables, which were read as the function reads \
                 them",
            )
            .advice("Set the parameter of that name and deploy the stack again: docs/configuration.md."),
    )
}

fn concurrency(attached: Attached<'_>, reserved: &Result<Option<i32>, AwsError>) -> Option<Finding> {
    let name = function_name(attached.arn);
    match reserved {
        Ok(Some(0)) => Some(
            Finding::cause(
                FUNCTION,
                format!("{name} is switched off (reserved concurrency 0): {}", attached.without()),
            )
            .why(
                "lambda:GetFunctionConcurrency: ReservedConcurrentExecutions 0, so Lambda throttles every \
                 invocation",
            )
            .command(cli("delete-function-concurrency", attached.arn)),
        ),
        Ok(_) => None,
        Err(error) => Some(Finding::not_checked(FUNCTION, &format!("whether {name} is switched off"), error)),
    }
}

// ---------------------------------------------------------------------------------- permission

fn permission(attached: Attached<'_>, policy: &Result<Option<String>, AwsError>, pool: &Pool) -> Finding {
    let name = function_name(attached.arn);
    let what = format!("whether Cognito may invoke {name}");
    let policy = match policy {
        Ok(policy) => policy.as_deref().and_then(Policy::parse),
        Err(error) => return Finding::not_checked(PERMISSION, &what, error),
    };
    let cause = |why: &str| {
        Finding::cause(
            PERMISSION,
            format!("Cognito may not invoke {name} for this pool ({why}): {}", attached.without()),
        )
    };
    let permission = policy.as_ref().map(|policy| InvokePermission::in_policy(policy, &pool.arn));
    let finding = match &permission {
        None => cause("the function has no policy"),
        Some(InvokePermission::Allowed(PermittedPools::Named)) => {
            Finding::ok(PERMISSION, format!("Cognito may invoke {name} for this pool"))
        }
        Some(InvokePermission::Allowed(PermittedPools::OfAccount)) => {
            Finding::ok(PERMISSION, format!("Cognito may invoke {name} for every user pool of its account"))
        }
        Some(InvokePermission::Allowed(PermittedPools::OfEveryAccount)) => {
            Finding::warning(PERMISSION, format!("every user pool of every account may invoke {name}"))
        }
        Some(InvokePermission::NotAllowed { allowed_instead }) if allowed_instead.is_empty() => {
            cause("no statement of its policy is about Cognito")
        }
        Some(InvokePermission::NotAllowed { allowed_instead }) => {
            cause(&format!("its policy names {}", allowed_instead.join(", ")))
        }
        Some(InvokePermission::Denied) => cause("a statement of its policy denies it"),
        Some(InvokePermission::Unknown { effect: Effect::Allow, condition_key }) => Finding::warning(
            PERMISSION,
            format!(
                "whether Cognito may invoke {name} depends on the condition {condition_key}, which cannot be \
                 judged here"
            ),
        ),
        Some(InvokePermission::Unknown { effect: Effect::Deny, condition_key }) => Finding::warning(
            PERMISSION,
            format!(
                "a Deny statement of the policy of {name} depends on the condition {condition_key}, which cannot \
                 be evaluated here: if it applies, {}",
                attached.without()
            ),
        ),
    };
    let own = attached.arn != unqualified(attached.arn);
    let own = if own { ", of that version or alias, which has its own" } else { "" };
    let finding = finding
        .why(format!(
            "lambda:GetPolicy{own}: it takes a statement for lambda:InvokeFunction and {COGNITO} whose \
             aws:SourceArn is {} and whose aws:SourceAccount is its account",
            pool.arn
        ))
        .why(TRIGGER_PAGE);
    match permission {
        None | Some(InvokePermission::NotAllowed { .. }) => finding.step(Step::AllowInvoke {
            function_arn: attached.arn.to_owned(),
            pool_arn: pool.arn.clone(),
            account: account_of(&pool.arn).to_owned(),
        }),
        Some(InvokePermission::Denied) => {
            finding.advice("Take that statement out: lambda remove-permission, or the stack that put it in.")
        }
        Some(InvokePermission::Allowed(_) | InvokePermission::Unknown { .. }) => finding,
    }
}

/// The account in an ARN; empty where there is none.
pub(super) fn account_of(arn: &str) -> &str {
    shared::arn::account_of(arn).unwrap_or_default()
}

// ---------------------------------------------------------------------------------- what fails

/// What becomes of an event of a sender that fails.
fn retries(attached: Attached<'_>, answer: &Result<Option<EventInvoke>, AwsError>) -> Vec<Finding> {
    let name = function_name(attached.arn);
    let settings = match answer {
        Ok(settings) => settings.clone().unwrap_or_default(),
        Err(error) => {
            return vec![Finding::not_checked(
                RETRIES,
                &format!("what becomes of events that {name} fails with"),
                error,
            )];
        }
    };
    // Where there is nothing yet, there is nothing to update.
    let verb = if matches!(answer, Ok(None)) { "put" } else { "update" };
    let update =
        |rest: &str| format!("{} {rest}", cli(&format!("{verb}-function-event-invoke-config"), attached.arn));
    let mut findings = Vec::new();
    if settings.retries == Some(0) {
        findings.push(
            Finding::warning(
                RETRIES,
                format!("Lambda tries {name} once only: one fault of a second loses the message"),
            )
            .command(update("--maximum-retry-attempts 2")),
        );
    }
    // Without a setting Lambda tries for six hours.
    let seconds = settings.seconds.unwrap_or(21_600);
    if seconds > EVENT_AGE_SECONDS {
        findings.push(
            Finding::warning(
                RETRIES,
                format!(
                    "Lambda tries {name} for up to {} minutes: a code for signing in is dead after 15, one \
                     for a password after 60",
                    seconds / 60
                ),
            )
            .command(update("--maximum-event-age-in-seconds 900")),
        );
    }
    if settings.on_failure.is_none() {
        findings.push(
            Finding::warning(
                RETRIES,
                format!("events that {name} fails with for good are lost: no queue takes them"),
            )
            .advice("Deploy the stack again: its OnFailureQueue takes them, and redrive sends them again."),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            RETRIES,
            format!(
                "Lambda tries {name} again for up to {} minutes, then a queue takes the event",
                seconds / 60
            ),
        ));
    }
    let said = match answer {
        Ok(None) => {
            "lambda:GetFunctionEventInvokeConfig knows no settings, so Lambda's defaults hold".to_owned()
        }
        _ => format!(
            "lambda:GetFunctionEventInvokeConfig: MaximumRetryAttempts {}, MaximumEventAgeInSeconds {}, \
             OnFailure {}",
            settings.retries.map_or("not set".to_owned(), |retries| retries.to_string()),
            settings.seconds.map_or("not set".to_owned(), |seconds| seconds.to_string()),
            settings.on_failure.as_deref().unwrap_or("not set"),
        ),
    };
    findings.into_iter().map(|finding| finding.why(said.clone()).why(ASYNC_PAGE)).collect()
}
