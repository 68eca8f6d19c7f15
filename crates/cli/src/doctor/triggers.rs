//! The Lambda triggers: which functions the user pool invokes, whether it can, and what happens to failed events.

mod attached;
mod function;
mod permission;
mod retries;

use shared::trigger::Trigger;

use super::finding::Finding;
use super::function::AttachedFunction;
use super::registry::CheckId;
use super::subject::Subject;
use crate::aws::AwsError;
use crate::aws::lambda::{Configuration, EventInvoke, Functions};

/// What Lambda returned about a function.
struct FunctionFacts<'a> {
    attached: AttachedFunction<'a>,
    configuration: Option<&'a Result<Configuration, AwsError>>,
    policy: Result<Option<String>, AwsError>,
    concurrency: Result<Option<i32>, AwsError>,
    /// Of a sender, which Cognito invokes asynchronously.
    event_invoke: Option<Result<Option<EventInvoke>, AwsError>>,
}

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let pool = match subject.pool {
        Ok(pool) => pool,
        Err(error) => {
            let what = "which functions the user pool invokes";
            return vec![Finding::not_checked(CheckId::TriggersAttached, what, error)];
        }
    };
    let facts = async |trigger| match pool.function_arn(trigger) {
        Some(arn) => Some(Box::pin(facts(subject, AttachedFunction { trigger, arn })).await),
        None => None,
    };
    let [first, second, third, fourth] = Trigger::ALL;
    let all = tokio::join!(facts(first), facts(second), facts(third), facts(fourth));
    let mut findings = attached::attached(pool, subject.stack);
    findings.extend(attached::channels(subject, pool));
    for facts in [all.0, all.1, all.2, all.3].into_iter().flatten() {
        if let Some(absent) = function::absent(facts.attached, facts.configuration, subject, pool) {
            findings.push(absent);
            continue;
        }
        findings.extend(function::findings(facts.attached, facts.configuration, subject));
        findings.push(permission::finding(facts.attached, &facts.policy, pool));
        findings.extend(function::concurrency(facts.attached, &facts.concurrency));
        if let Some(event_invoke) = &facts.event_invoke {
            findings.extend(retries::findings(facts.attached, event_invoke));
        }
    }
    findings
}

async fn facts<'a>(subject: &Subject<'a>, attached: AttachedFunction<'a>) -> FunctionFacts<'a> {
    let functions = &Functions::new(subject.aws);
    let event_invoke = async {
        if attached.trigger.is_sender() {
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
    FunctionFacts { attached, configuration, policy, concurrency, event_invoke }
}
