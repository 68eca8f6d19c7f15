//! What was found, and what mends it.

use serde::Serialize;

use super::step::Step;
use crate::aws::AwsError;

/// How much a finding matters to a user who got no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Nobody could look: a missing permission, no resolver, a service that did not answer.
    NotChecked,
    /// Does not stop the code by itself, but may.
    Warning,
    /// Explains that no code arrives.
    Cause,
}

/// The answer to one question of the checklist.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// `area.question`, such as `user.status`; the list of all is in docs/operating.md.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    /// One sentence.
    pub(crate) sentence: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mends: Vec<Mend>,
    /// How the conclusion was reached: what was asked and answered, and the source of the rule. For `--why`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) why: Vec<String>,
}

/// What an operator can do about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mend {
    /// `--fix` can do it after a yes; the command that does the same is shown.
    Step(Step),
    /// A command that somebody has to run, because it needs what the tool does not know, such as a password.
    Command(String),
    /// Something that no command does.
    Advice(String),
}

impl Serialize for Mend {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Step(step) => serializer.serialize_str(&step.command()),
            Self::Command(text) | Self::Advice(text) => serializer.serialize_str(text),
        }
    }
}

impl Finding {
    pub(crate) fn new(check: &'static str, level: Level, sentence: impl Into<String>) -> Self {
        Self { check, level, sentence: sentence.into(), mends: Vec::new(), why: Vec::new() }
    }

    pub(crate) fn ok(check: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, sentence)
    }

    pub(crate) fn warning(check: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, sentence)
    }

    pub(crate) fn cause(check: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(check, Level::Cause, sentence)
    }

    /// The question could not be asked; the error names the missing permission where that is why.
    pub(crate) fn not_checked(check: &'static str, what: &str, error: &AwsError) -> Self {
        Self::new(check, Level::NotChecked, format!("{what}: not checked, {error}"))
    }

    pub(crate) fn why(mut self, reason: impl Into<String>) -> Self {
        self.why.push(reason.into());
        self
    }

    pub(crate) fn mend(mut self, mend: Mend) -> Self {
        self.mends.push(mend);
        self
    }

    pub(crate) fn step(self, step: Step) -> Self {
        self.mend(Mend::Step(step))
    }

    pub(crate) fn command(self, command: impl Into<String>) -> Self {
        self.mend(Mend::Command(command.into()))
    }

    pub(crate) fn advice(self, advice: impl Into<String>) -> Self {
        self.mend(Mend::Advice(advice.into()))
    }
}
