//! The answer of a dry run: what would happen to a message, without its code and without its recipient.
//!
//! An event asks for it by `"dryRun": true` beside `triggerSource`. Only a caller that may invoke the function can
//! set it: Cognito writes the envelope itself, and what a client sends goes into `request`.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use shared::arn::KeyArn;
use shared::message::Messages;
use shared::outcome::ErrorType;

use crate::report::{DeliveryOutcome, Report};

/// The member of the event that asks for a dry run.
pub const DRY_RUN: &str = "dryRun";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    dry_run: Findings<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings<'a> {
    would_send: bool,
    /// A stable name where the message would have failed.
    error_type: Option<&'static str>,
    /// Why it would not have been sent.
    reason: Option<String>,
    trigger_source: Option<&'a str>,
    message_kind: Option<&'static str>,
    locale: Option<&'static str>,
    locale_reason: Option<&'static str>,
    key_arn: String,
    /// Whether files of the deployment have a part in the message.
    overridden: Option<bool>,
    /// What is wrong with such files.
    template_problems: Vec<&'a str>,
    /// What is particular about the channel.
    message: Option<&'a Value>,
}

/// The answer, which replaces the event.
#[must_use]
pub fn answer(report: &Report<'_>, key: &KeyArn, messages: &Messages) -> Option<Box<RawValue>> {
    let (job, outcome) = (report.facts.job, &report.outcome);
    let would_send = matches!(outcome, DeliveryOutcome::DryRun);
    let problems =
        messages.problems().iter().map(String::as_str).chain(report.facts.template_problem.as_deref());
    let findings = Findings {
        would_send,
        error_type: outcome.error_type().map(ErrorType::name),
        reason: (!would_send).then(|| outcome.explain()),
        trigger_source: job.map(|job| job.trigger_source.as_str()),
        message_kind: job.map(|job| job.kind.name()),
        locale: job.map(|job| job.locale.0.tag()),
        locale_reason: job.map(|job| job.locale.1.name()),
        key_arn: key.to_string(),
        overridden: job.map(|job| messages.is_overridden(job.kind, job.locale.0)),
        template_problems: problems.collect(),
        message: report.facts.preview.as_ref(),
    };
    to_raw_value(&Answer { dry_run: findings }).ok()
}
