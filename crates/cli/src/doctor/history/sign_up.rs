//! How pre-sign-up decided about the user's address.

use serde_json::Value;
use shared::policy::{Decision, RefuseReason};
use shared::trigger::Trigger;

use super::{lines_about, recipient_hash, timestamp};
use crate::doctor::finding::Finding;
use crate::doctor::registry::CheckId;
use crate::doctor::subject::Subject;
use crate::logs::{Line, Logs};
use crate::shell::quote;

const SIGN_UP: CheckId = CheckId::HistorySignUp;

/// The latest decision, if there is one.
pub(super) async fn check(subject: &Subject<'_>, logs: &Logs) -> Option<Finding> {
    let attached = subject.pool.as_ref().ok()?.triggers.pre_sign_up.is_some();
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
    Some(match text("decision")? {
        "refuse" => {
            let reason = refusal(text("message").unwrap_or_default());
            let finding =
                Finding::cause(SIGN_UP, format!("the sign-up of this address at {at} was {reason}"));
            match subject.deployment {
                Some(deployment) => finding.advice("Which setting decided that:").command(format!(
                    "cognito-triggers explain {} --stack-name {}",
                    quote(address),
                    quote(&deployment.stack)
                )),
                None => finding,
            }
        }
        "confirm" => Finding::ok(
            SIGN_UP,
            format!("the sign-up of this address at {at} was confirmed without a code, so none was sent"),
        ),
        _ => {
            Finding::ok(SIGN_UP, format!("the sign-up of this address at {at} was accepted and needs a code"))
        }
    })
}

/// Why a sign-up was refused. The date of the list of disposable domains may differ.
fn refusal(message: &str) -> &'static str {
    let reasons =
        [RefuseReason::Denied, RefuseReason::Disposable, RefuseReason::Unreadable, RefuseReason::Closed];
    let sentences = reasons.map(|reason| Decision::Refuse(reason).explain());
    let beginning = |sentence: &'static str| {
        sentence.split_once(" list of ").map_or(sentence, |(beginning, _)| beginning)
    };
    sentences.into_iter().find(|sentence| message.starts_with(beginning(sentence))).unwrap_or("refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusals_are_those_of_pre_sign_up() {
        for reason in
            [RefuseReason::Denied, RefuseReason::Disposable, RefuseReason::Unreadable, RefuseReason::Closed]
        {
            let sentence = Decision::Refuse(reason).explain();
            assert_eq!(refusal(sentence), sentence);
        }
        assert_eq!(refusal("ann@example.com"), "refused");
    }
}
