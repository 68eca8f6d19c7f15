//! Whether Lambda can run a function.

use shared::arn::{function_name, region_of, unqualified};
use shared::settings::ConfigError;

use crate::aws::lambda::Configuration;
use crate::aws::{AwsError, Kind};
use crate::doctor::finding::Finding;
use crate::doctor::function::{AttachedFunction, attach_command, lambda_command};
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::settings::check_start;
use crate::doctor::subject::Subject;
use crate::stack::Stack;
use pool::user_pool::UserPool;

const FUNCTION: CheckId = CheckId::TriggersFunction;
const SETTINGS: CheckId = CheckId::TriggersSettings;

const STATES_PAGE: &str = "https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html";

/// The finding if the function doesn't exist.
pub(super) fn absent(
    attached: AttachedFunction<'_>,
    configuration: Option<&Result<Configuration, AwsError>>,
    subject: &Subject<'_>,
    pool: &UserPool,
) -> Option<Finding> {
    let error = configuration?.as_ref().err()?;
    (error.kind == Kind::NotFound).then_some(())?;
    let summary =
        format!("the user pool invokes {}, which doesn't exist: {}", attached.arn, attached.consequence());
    let finding = Finding::cause(FUNCTION, summary)
        .evidence(format!(
            "lambda:GetFunctionConfiguration returned ResourceNotFoundException for {}",
            attached.trigger.lambda_config_member()
        ))
        .evidence("Cognito then returns: invocation failed due to error AccessDeniedException");
    Some(match subject.stack {
        Some(stack) if is_of_stack(attached, stack) => finding
            .advice("The stack's function was deleted outside of CloudFormation: deploy the stack again."),
        // `attach` replaces another function only with this option.
        Some(stack) => finding.command(format!("{} --replace", attach_command(pool.id(), stack))),
        None => finding.advice("Deploy the function again, or remove it from the pool's LambdaConfig."),
    })
}

fn is_of_stack(attached: AttachedFunction<'_>, stack: &Stack) -> bool {
    stack.function_arn(attached.trigger) == Some(unqualified(attached.arn))
}

pub(super) fn findings(
    attached: AttachedFunction<'_>,
    configuration: Option<&Result<Configuration, AwsError>>,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    match configuration {
        Some(Err(error)) => {
            let what = format!("state and settings of {}", function_name(attached.arn));
            vec![Finding::not_checked(FUNCTION, &what, error)]
        }
        Some(Ok(configuration)) => {
            let mut findings = vec![state(attached, configuration)];
            findings.extend(last_update(configuration));
            if is_ours(attached, configuration, subject.stack) {
                findings.extend(settings(attached, configuration));
            }
            findings
        }
        None => Vec::new(),
    }
}

fn state(attached: AttachedFunction<'_>, configuration: &Configuration) -> Finding {
    let Configuration { name, state, state_reason, .. } = configuration;
    let reason = state_reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let finding = match state.as_deref() {
        None | Some("Active") => Finding::ok(FUNCTION, format!("{name} is ready")),
        Some("Failed") => Finding::cause(
            FUNCTION,
            format!("{name} is in the state Failed{reason}: {}", attached.consequence()),
        )
        .advice("Deploy the stack again."),
        Some("Inactive") => Finding::warning(
            FUNCTION,
            format!("{name} is in the state Inactive{reason}: the next invocation fails and reactivates it"),
        )
        .command(lambda_command("get-function-configuration", attached.arn)),
        Some(other) => Finding::warning(
            FUNCTION,
            format!("{name} is in the state {other}{reason}: it can't be invoked until it is Active"),
        ),
    };
    let architecture = configuration.architecture.as_deref().unwrap_or("unknown architecture");
    let runtime = configuration.runtime.as_deref().unwrap_or("no runtime");
    finding
        .evidence(format!(
            "lambda:GetFunctionConfiguration: State {}, {runtime}, {architecture}",
            state.as_deref().unwrap_or("none")
        ))
        .source(STATES_PAGE)
}

fn last_update(configuration: &Configuration) -> Option<Finding> {
    let Configuration { name, last_update, last_update_reason, .. } = configuration;
    (last_update.as_deref() == Some("Failed")).then(|| {
        let reason = last_update_reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Finding::warning(
            FUNCTION,
            format!(
                "the last deployment of {name} failed{reason}: the previous code and settings are still used"
            ),
        )
        .evidence("lambda:GetFunctionConfiguration: LastUpdateStatus Failed")
        .source(STATES_PAGE)
        .advice("Deploy the stack again.")
    })
}

/// Whether it is a function of this project: other functions have other settings.
fn is_ours(attached: AttachedFunction<'_>, configuration: &Configuration, stack: Option<&Stack>) -> bool {
    match stack {
        Some(stack) => is_of_stack(attached, stack),
        None => configuration
            .variables
            .as_ref()
            .is_ok_and(|variables| variables.contains_key("METRICS_NAMESPACE")),
    }
}

/// Whether it starts with its settings.
fn settings(attached: AttachedFunction<'_>, configuration: &Configuration) -> Option<Finding> {
    let name = &configuration.name;
    let variables = match &configuration.variables {
        Ok(variables) => variables,
        Err(error) => {
            return Some(Finding::not_checked(SETTINGS, &format!("the settings of {name}"), error));
        }
    };
    let region = region_of(attached.arn).unwrap_or_default();
    let error = check_start(attached.trigger, region, variables).err()?;
    let finding = match error {
        ConfigError::Invalid(_) => {
            Finding::cause(SETTINGS, format!("{name} doesn't start ({error}): {}", attached.consequence()))
                .advice(
                    "Fix the parameters that this names and deploy the stack again: docs/configuration.md.",
                )
        }
        ConfigError::NotKnown(_) => {
            Finding::new(SETTINGS, Level::NotChecked, format!("whether {name} starts: not checked, {error}"))
                .advice("All other settings of the function are valid.")
        }
    };
    Some(finding.evidence(
        "lambda:GetFunctionConfiguration returns its variables, which doctor reads as the function does",
    ))
}

pub(super) fn concurrency(
    attached: AttachedFunction<'_>,
    reserved: &Result<Option<i32>, AwsError>,
) -> Option<Finding> {
    let name = function_name(attached.arn);
    match reserved {
        Ok(Some(0)) => Some(
            Finding::cause(
                FUNCTION,
                format!("{name} is switched off (reserved concurrency 0): {}", attached.consequence()),
            )
            .evidence(
                "lambda:GetFunctionConcurrency: ReservedConcurrentExecutions 0, so Lambda throttles every invocation",
            )
            .command(lambda_command("delete-function-concurrency", attached.arn)),
        ),
        Ok(_) => None,
        Err(error) => Some(Finding::not_checked(FUNCTION, &format!("whether {name} is switched off"), error)),
    }
}
