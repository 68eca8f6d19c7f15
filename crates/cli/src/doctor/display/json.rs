//! The report for programs: one JSON document. Its field names are part of the interface.

use serde::Serialize;

use crate::doctor::event::Event;
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::{Area, Call, CheckId};
use crate::terminal::output::Output;

/// Collects the findings, and writes the document with the conclusion.
pub(crate) struct Json<'a> {
    output: &'a mut Output,
    findings: Vec<FindingEntry<'a>>,
}

#[derive(Serialize)]
struct Document<'a> {
    user_pool_id: &'a str,
    verdict: String,
    causes: usize,
    warnings: usize,
    not_checked: usize,
    findings: &'a [FindingEntry<'a>],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    meanwhile: &'a [String],
}

#[derive(Serialize)]
struct FindingEntry<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    docs: String,
}

impl<'a> Json<'a> {
    pub(crate) fn new(output: &'a mut Output) -> Self {
        Self { output, findings: Vec::new() }
    }

    /// # Errors
    /// When standard output is gone.
    pub(crate) fn show(&mut self, event: Event<'a>) -> std::io::Result<()> {
        match event {
            Event::AreaStarted(_) | Event::AreaFinished => Ok(()),
            Event::Finding(finding) => {
                self.findings.push(FindingEntry { finding, docs: finding.check.check().docs() });
                Ok(())
            }
            Event::Concluded { user_pool_id, conclusion } => self.output.json(&Document {
                user_pool_id,
                verdict: conclusion.sentence(),
                causes: conclusion.causes,
                warnings: conclusion.warnings,
                not_checked: conclusion.not_checked,
                findings: &self.findings,
                meanwhile: &conclusion.workaround,
            }),
        }
    }
}

#[derive(Serialize)]
struct CheckEntry {
    check: CheckId,
    area: Area,
    question: &'static str,
    worst: Level,
    calls: Vec<CallEntry>,
    end_user_messaging: Vec<CallEntry>,
    dns: &'static [&'static str],
    docs: String,
}

#[derive(Serialize)]
struct CallEntry {
    operation: &'static str,
    action: String,
}

/// Every check with its question and the IAM actions that it needs.
///
/// # Errors
/// When standard output is gone.
pub(crate) fn list_checks(output: &mut Output) -> std::io::Result<()> {
    let calls = |calls: &[Call]| {
        calls.iter().map(|call| CallEntry { operation: call.operation, action: call.action() }).collect()
    };
    let entry = |id: &CheckId| {
        let check = id.check();
        CheckEntry {
            check: *id,
            area: check.area,
            question: check.question,
            worst: check.worst,
            calls: calls(check.calls),
            end_user_messaging: calls(check.end_user_messaging),
            dns: check.dns,
            docs: check.docs(),
        }
    };
    output.json(&CheckId::ALL.iter().map(entry).collect::<Vec<_>>())
}
