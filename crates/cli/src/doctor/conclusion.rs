//! The conclusion from all findings.

use super::finding::Finding;
use super::level::Level;
use super::registry::Area;
use crate::terminal::words::count;

/// The findings of one area.
pub(super) struct AreaFindings {
    pub(super) area: Area,
    pub(super) findings: Vec<Finding>,
}

/// The conclusion from all findings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conclusion {
    pub(super) diagnosis: Diagnosis,
    pub(super) causes: usize,
    pub(super) warnings: usize,
    pub(super) not_checked: usize,
    /// Commands with which an administrator lets the user in until codes arrive again.
    pub(super) workaround: Vec<String>,
}

/// Why the user got no code, with the summaries of the findings in the order of the chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Diagnosis {
    Causes(Vec<String>),
    /// No cause was found, but these can be the reason.
    Warnings(Vec<String>),
    /// Nothing is wrong, but some checks couldn't run.
    Incomplete,
    NothingWrong,
}

impl Conclusion {
    pub(super) fn new(areas: &[AreaFindings]) -> Self {
        let mut chain: Vec<&AreaFindings> = areas.iter().collect();
        chain.sort_by_key(|one| one.area.position());
        let summaries = |level| {
            let findings = chain.iter().flat_map(|one| &one.findings);
            let findings = findings.filter(move |finding| finding.level == level);
            findings.map(|finding| finding.summary.trim_end_matches('.').to_owned()).collect::<Vec<_>>()
        };
        let (causes, warnings, not_checked) =
            (summaries(Level::Cause), summaries(Level::Warning), summaries(Level::NotChecked).len());
        let (cause_count, warning_count) = (causes.len(), warnings.len());
        let diagnosis = if cause_count > 0 {
            Diagnosis::Causes(causes)
        } else if warning_count > 0 {
            Diagnosis::Warnings(warnings)
        } else if not_checked > 0 {
            Diagnosis::Incomplete
        } else {
            Diagnosis::NothingWrong
        };
        Self { diagnosis, causes: cause_count, warnings: warning_count, not_checked, workaround: Vec::new() }
    }

    /// Whether a problem needs attention.
    pub(super) fn needs_attention(&self) -> bool {
        self.causes + self.warnings > 0
    }

    /// The conclusion in one or two sentences.
    pub(super) fn sentence(&self) -> String {
        const NEXT: &str =
            "Check the junk folder; the log of the sender has the id of the accepted message (message.id).";
        let counts = self.counts();
        match &self.diagnosis {
            Diagnosis::Causes(causes) => {
                format!("No code arrives because: {}. ({counts})", causes.join("; "))
            }
            Diagnosis::Warnings(warnings) => {
                format!("No cause was found. Possible reasons: {}. ({counts})", warnings.join("; "))
            }
            Diagnosis::Incomplete => {
                format!("Nothing wrong was found, but some checks could not run ({counts}). {NEXT}")
            }
            Diagnosis::NothingWrong => format!("Nothing wrong was found. {NEXT}"),
        }
    }

    /// "1 cause, 2 warnings".
    fn counts(&self) -> String {
        let counts = [
            (self.causes, count(self.causes, "cause")),
            (self.warnings, count(self.warnings, "warning")),
            (self.not_checked, format!("{} not checked", self.not_checked)),
        ];
        let nonzero = counts.into_iter().filter(|(number, _)| *number > 0);
        nonzero.map(|(_, text)| text).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{AwsError, Kind};
    use crate::doctor::registry::CheckId;

    fn area(area: Area, findings: Vec<Finding>) -> AreaFindings {
        AreaFindings { area, findings }
    }

    #[track_caller]
    fn check(areas: &[AreaFindings], expected: &str) {
        assert_eq!(Conclusion::new(areas).sentence(), expected);
    }

    #[test]
    fn causes_are_named_in_the_order_of_the_chain() {
        let denied = AwsError::new(Kind::Denied, "no");
        let not_checked = || Finding::not_checked(CheckId::TriggersGrant, "something", &denied);
        let late = vec![
            Finding::cause(CheckId::EmailQuota, "the second."),
            Finding::warning(CheckId::EmailDkim, "odd"),
        ];
        let early = vec![Finding::cause(CheckId::TriggersFunction, "the first"), not_checked()];
        check(
            &[area(Area::Email, late), area(Area::Triggers, early)],
            "No code arrives because: the first; the second. (2 causes, 1 warning, 1 not checked)",
        );
        check(
            &[area(Area::User, vec![Finding::warning(CheckId::UserAlias, "odd")])],
            "No cause was found. Possible reasons: odd. (1 warning)",
        );
        let nothing = Conclusion::new(&[area(Area::User, vec![Finding::ok(CheckId::UserFound, "fine")])]);
        assert_eq!(nothing.diagnosis, Diagnosis::NothingWrong);
        assert!(nothing.sentence().contains("junk folder") && nothing.sentence().contains("message.id"));
        let gap = Conclusion::new(&[area(Area::Triggers, vec![not_checked()])]);
        assert_eq!(gap.diagnosis, Diagnosis::Incomplete);
        assert!(gap.sentence().contains("(1 not checked)") && gap.sentence().contains("junk folder"));
    }
}
