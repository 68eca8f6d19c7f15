//! Which functions the user pool invokes, and whether they are the stack's.

use shared::arn::{function_name, unqualified};
use shared::trigger::Trigger;

use crate::doctor::finding::Finding;
use crate::doctor::function::attach_command;
use crate::doctor::registry::CheckId;
use crate::doctor::subject::Subject;
use crate::stack::Stack;
use crate::terminal::shell::quote;
use crate::terminal::words::list;
use pool::user_pool::UserPool;

const ATTACHED: CheckId = CheckId::TriggersAttached;
const CHANNEL: CheckId = CheckId::TriggersChannel;

/// The only version of a custom sender's events.
const VERSION: &str = "V1_0";

const TRIGGER_PAGE: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html";
const SENDER_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sender-triggers.html";
const MESSAGE_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html";

/// Every Lambda trigger of the user pool, compared with the stack's functions.
pub(super) fn attached(pool: &UserPool, stack: Option<&Stack>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut matching = Vec::new();
    for trigger in Trigger::ALL {
        let deployed = stack.and_then(|stack| Some((stack, stack.function_arn(trigger)?)));
        match (pool.function_arn(trigger), deployed) {
            (None, None) => {}
            // Whether it is needed depends on the delivery of each channel: see `channels`.
            (None, Some(_)) if trigger == Trigger::CustomMessage => {}
            (None, Some((stack, _))) => findings.push(missing(trigger, pool, stack)),
            (Some(attached), Some((stack, deployed))) if unqualified(attached) != deployed => {
                findings.push(other_function(trigger, attached, pool, stack));
            }
            (Some(attached), None) if stack.is_some() => {
                findings.extend(stack.map(|stack| other_function(trigger, attached, pool, stack)));
            }
            (Some(attached), _) => {
                findings.extend(version(trigger, attached));
                matching.push(function_name(attached));
            }
        }
    }
    let names = list(&matching);
    let summary = match (matching.is_empty(), stack) {
        (false, Some(stack)) => {
            format!("the user pool invokes {names} of the stack {}", stack.name())
        }
        (false, None) => format!("the user pool invokes {names}; the stack isn't known"),
        (true, None) => {
            "the user pool invokes no function: Cognito writes and sends every message".to_owned()
        }
        (true, Some(_)) => return findings,
    };
    findings.insert(
        0,
        Finding::ok(ATTACHED, summary)
            .evidence("LambdaConfig (cognito-idp:DescribeUserPool), compared with the outputs of the stack"),
    );
    findings
}

fn missing(trigger: Trigger, pool: &UserPool, stack: &Stack) -> Finding {
    let (name, member) = (trigger.package(), trigger.lambda_config_member());
    let consequence = match trigger {
        Trigger::PreSignUp => "every sign-up is accepted, and needs Cognito's normal code",
        Trigger::CustomMessage => "Cognito uses its own texts",
        Trigger::CustomEmailSender => "Cognito sends the emails, within its own limits, or not at all",
        Trigger::CustomSmsSender => "Cognito sends the SMS, within its own limits, or not at all",
    };
    Finding::warning(
        ATTACHED,
        format!(
            "the stack {} deploys {name}, but the user pool doesn't invoke it: {consequence}",
            stack.name()
        ),
    )
    .evidence(format!(
        "cognito-idp:DescribeUserPool returns no LambdaConfig.{member}, the stack has the output {}",
        trigger.output()
    ))
    .evidence("update-user-pool removes every trigger that isn't passed to it")
    .source(TRIGGER_PAGE)
    .command(attach_command(pool.id(), stack))
}

fn other_function(trigger: Trigger, attached: &str, pool: &UserPool, stack: &Stack) -> Finding {
    let (member, stack) = (trigger.lambda_config_member(), stack.name());
    Finding::warning(
        ATTACHED,
        format!("{member} of the user pool is {attached}, which doesn't belong to the stack {stack}"),
    )
    .evidence("LambdaConfig (cognito-idp:DescribeUserPool), compared with the outputs of the stack")
    .advice("If the stack's function should be there, see what would change:")
    .command(format!(
        "cognito-triggers diff --user-pool-id {} --stack-name {}",
        quote(pool.id()),
        quote(stack)
    ))
}

/// A number at the end of the ARN is a version, which no deployment changes.
fn version(trigger: Trigger, attached: &str) -> Option<Finding> {
    let version = attached.strip_prefix(unqualified(attached))?.strip_prefix(':')?;
    version.bytes().all(|byte| byte.is_ascii_digit()).then(|| {
        let member = trigger.lambda_config_member();
        Finding::warning(
            ATTACHED,
            format!(
                "{member} of the user pool is version {version} of its function: deployments don't change it"
            ),
        )
        .advice("Attach the function itself or an alias.")
        .evidence("Cognito's guide describes functions and aliases, not versions")
        .source(TRIGGER_PAGE)
    })
}

/// For each channel, either a custom sender or custom-message writes the messages.
pub(super) fn channels(subject: &Subject<'_>, pool: &UserPool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let custom_message = pool.function_arn(Trigger::CustomMessage);
    let channels = subject.setting(Trigger::CustomMessage, "CUSTOM_MESSAGE_CHANNELS").unwrap_or_default();
    let writes = |channel: &str| channels.split(',').any(|name| name.trim() == channel);
    for (sender, channel) in [(Trigger::CustomEmailSender, "email"), (Trigger::CustomSmsSender, "sms")] {
        if pool.function_arn(sender).is_none() {
            continue;
        }
        let member = sender.lambda_config_member();
        let version = pool.event_version(sender).unwrap_or_default();
        if version != VERSION {
            findings.push(
                Finding::warning(
                    CHANNEL,
                    format!(
                        "{member} of the user pool has the event version {version}: the function supports only {VERSION}"
                    ),
                )
                .advice("Attach the triggers again.")
                .evidence(format!("LambdaConfig.{member}.LambdaVersion"))
                .source(SENDER_PAGE),
            );
        }
        if custom_message.is_some() && writes(channel) {
            findings.push(
                Finding::warning(
                    CHANNEL,
                    format!(
                        "both {member} and CustomMessage are attached for {channel} messages: AWS doesn't document \
                         what Cognito does then"
                    ),
                )
                .evidence(format!(
                    "LambdaConfig has both, and CUSTOM_MESSAGE_CHANNELS of custom-message includes {channel}"
                ))
                .source(MESSAGE_PAGE)
                .source(SENDER_PAGE)
                .advice("Remove one of the two: EmailDelivery and SmsDelivery of the stack decide which."),
            );
        }
    }
    if let Some(stack) = subject.stack
        && custom_message.is_none()
        && cognito_sends(stack, &writes)
    {
        findings.push(missing(Trigger::CustomMessage, pool, stack));
    }
    findings
}

/// Whether the stack is deployed so that Cognito sends and custom-message writes.
///
/// With an email sender and without SMS, custom-message has both channels although it isn't attached. So both channels
/// together mean that only without an email sender.
fn cognito_sends(stack: &Stack, writes: &impl Fn(&str) -> bool) -> bool {
    let sends = |trigger| stack.function_arn(trigger).is_some();
    let (email, sms) = (writes("email"), writes("sms"));
    (email && !sends(Trigger::CustomEmailSender)) || (sms && !email && !sends(Trigger::CustomSmsSender))
}
