//! How pre-sign-up decided about the user's address.

use serde_json::Value;
use shared::outcome::Outcome;
use shared::trigger::Trigger;

use super::old_lines;
use super::recipient_log::{lines_about, recipient_hash, timestamp};
use crate::aws::logs::{Line, Logs};
use crate::doctor::finding::Finding;
use crate::doctor::registry::CheckId;
use crate::doctor::subject::Subject;
use crate::record::harmless;
use crate::terminal::shell::quote;

const SIGN_UP: CheckId = CheckId::HistorySignUp;

/// The latest decision, if there is one.
pub(super) async fn check(subject: &Subject<'_>, logs: &Logs) -> Option<Finding> {
    let attached = subject.pool.as_ref().ok()?.function_arn(Trigger::PreSignUp).is_some();
    attached.then_some(())?;
    let configuration = subject.function(Trigger::PreSignUp)?;
    let address = subject.email()?;
    let hash = recipient_hash(subject, Trigger::PreSignUp, &address)?;
    let group = &configuration.log_group;
    let lines = match lines_about(subject, logs, group, &hash).await {
        Ok(lines) => lines,
        Err(error) => return Some(Finding::not_checked(SIGN_UP, "the decision of pre-sign-up", &error)),
    };
    let finding = lines.iter().rev().find_map(|line| decision(subject, &address, line, &hash))?;
    Some(finding.evidence(format!("logs:FilterLogEvents of {group} for the keyed hash of the address")))
}

fn decision(subject: &Subject<'_>, address: &str, line: &Line, hash: &str) -> Option<Finding> {
    let fields: Value = serde_json::from_str(&line.text).ok()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    (text("recipient.hash")? == hash).then_some(())?;
    let at = timestamp(line.time);
    let outcome = match text("outcome") {
        Some(outcome) => outcome.parse().ok()?,
        None => match text("decision")? {
            "refuse" => Outcome::SignUpRefused,
            "confirm" => Outcome::SignUpConfirmed,
            _ => Outcome::SignUpPassedOn,
        },
    };
    match outcome {
        Outcome::SignUpRefused => {
            let reason = match text("outcome.reason") {
                Some(reason) => harmless(reason),
                None => old_lines::refusal(text("message").unwrap_or_default()),
            };
            let finding =
                Finding::cause(SIGN_UP, format!("the sign-up of this address at {at} was {reason}"));
            Some(match subject.stack {
                Some(stack) => finding.advice("Which setting decided that:").command(format!(
                    "cognito-triggers explain {} --stack-name {}",
                    quote(address),
                    quote(stack.name())
                )),
                None => finding,
            })
        }
        Outcome::SignUpConfirmed => Some(Finding::ok(
            SIGN_UP,
            format!("the sign-up of this address at {at} was confirmed without a code, so none was sent"),
        )),
        Outcome::SignUpPassedOn | Outcome::SignUpUnchanged => Some(Finding::ok(
            SIGN_UP,
            format!("the sign-up of this address at {at} was accepted and needs a code"),
        )),
        _ => None,
    }
}
