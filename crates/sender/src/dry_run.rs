//! The response to a dry run: what would happen to a message, without its code and recipient.

use serde_json::value::{RawValue, to_raw_value};
use shared::arn::KeyArn;
use shared::dry_run::{DryRun, DryRunAnswer};
use shared::message::Messages;

use crate::report::{DeliveryOutcome, DeliveryReport};

/// The response, which replaces the event.
#[must_use]
pub fn answer(report: DeliveryReport<'_>, key: &KeyArn, messages: &Messages) -> Option<Box<RawValue>> {
    let (facts, outcome) = (report.facts, report.outcome);
    let job = facts.job;
    let would_send = matches!(outcome, DeliveryOutcome::DryRun);
    let dry_run = DryRun {
        would_send,
        error_type: outcome.error_type().map(|error_type| error_type.to_string()),
        reason: (!would_send).then(|| outcome.explain()),
        trigger_source: job.map(|job| job.trigger_source.clone()),
        message_kind: job.map(|job| job.kind.name().to_owned()),
        locale: job.map(|job| job.locale.0.tag().to_owned()),
        locale_reason: job.map(|job| job.locale.1.name().to_owned()),
        key_arn: key.to_string(),
        overridden: job.map(|job| messages.is_overridden(job.kind, job.locale.0)),
        template_problems: messages.problems().iter().cloned().chain(facts.template_problem).collect(),
        message: facts.preview,
    };
    to_raw_value(&DryRunAnswer { dry_run }).ok()
}
