//! The result of a check: what is wrong, the evidence, and what to do.

use serde::{Serialize, Serializer};

use super::level::Level;
use super::registry::CheckId;
use super::step::Step;
use crate::aws::AwsError;

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) check: CheckId,
    pub(super) level: Level,
    /// The result, in one sentence.
    #[serde(rename = "sentence")]
    pub(super) summary: String,
    /// What to do.
    #[serde(rename = "mends", skip_serializing_if = "Vec::is_empty")]
    pub(super) remedies: Vec<Remedy>,
    /// How the conclusion was reached, for `--why`.
    #[serde(rename = "why", skip_serializing_if = "Vec::is_empty")]
    pub(super) evidence: Vec<Evidence>,
}

/// What an operator can do about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// `--fix` can run it after a confirmation; the report shows the equivalent command.
    Step(Step),
    /// A command that the operator has to run: it needs something that the tool doesn't know, such as a password.
    Command(String),
    /// An explanation, or something that no command does.
    Advice(String),
}

/// How a conclusion was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// What a call or a log returned.
    Observed(String),
    /// The page that states the rule.
    Source(&'static str),
}

impl Serialize for Remedy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Step(step) => serializer.serialize_str(&step.command()),
            Self::Command(text) | Self::Advice(text) => serializer.serialize_str(text),
        }
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Observed(text) => serializer.serialize_str(text),
            Self::Source(page) => serializer.serialize_str(page),
        }
    }
}

impl Finding {
    /// The level is what the check proposes, but never more than its entry in the registry.
    pub(super) fn new(check: CheckId, proposed: Level, summary: impl Into<String>) -> Self {
        let level = proposed.min(check.check().worst);
        Self { check, level, summary: summary.into(), remedies: Vec::new(), evidence: Vec::new() }
    }

    pub(super) fn ok(check: CheckId, summary: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, summary)
    }

    pub(super) fn warning(check: CheckId, summary: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, summary)
    }

    pub(super) fn cause(check: CheckId, summary: impl Into<String>) -> Self {
        Self::new(check, Level::Cause, summary)
    }

    /// The check couldn't run; the error names the missing permission if that is the reason.
    pub(super) fn not_checked(check: CheckId, what: &str, error: &AwsError) -> Self {
        Self::new(check, Level::NotChecked, format!("{what}: not checked, {error}"))
    }

    pub(super) fn evidence(mut self, observed: impl Into<String>) -> Self {
        self.evidence.push(Evidence::Observed(observed.into()));
        self
    }

    pub(super) fn source(mut self, page: &'static str) -> Self {
        self.evidence.push(Evidence::Source(page));
        self
    }

    fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }

    pub(super) fn step(self, step: Step) -> Self {
        self.remedy(Remedy::Step(step))
    }

    pub(super) fn command(self, command: impl Into<String>) -> Self {
        self.remedy(Remedy::Command(command.into()))
    }

    pub(super) fn advice(self, advice: impl Into<String>) -> Self {
        self.remedy(Remedy::Advice(advice.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_check_reports_more_than_its_entry_in_the_registry() {
        assert_eq!(Finding::cause(CheckId::EmailDkim, "").level, Level::Warning);
        assert_eq!(Finding::cause(CheckId::EmailIdentity, "").level, Level::Cause);
        assert_eq!(Finding::warning(CheckId::EmailIdentity, "").level, Level::Warning);
    }
}
