//! The report for people.

use crate::doctor::conclusion::Conclusion;
use crate::doctor::event::Event;
use crate::doctor::finding::{Evidence, Finding, Remedy};
use crate::doctor::level::Level;
use crate::doctor::registry::{Area, Call, CheckId};
use crate::terminal::output::{Output, Tone};

pub(crate) struct Text<'a> {
    pub(crate) output: &'a mut Output,
    /// Whether to show how each conclusion was reached.
    pub(crate) evidence: bool,
}

impl Text<'_> {
    /// # Errors
    /// When standard output is gone.
    pub(crate) fn show(&mut self, event: Event<'_>) -> std::io::Result<()> {
        match event {
            Event::AreaStarted(area) => self.output.text(Tone::Strong, 0, area.title()),
            Event::Finding(finding) => self.finding(finding),
            Event::AreaFinished => self.output.text(Tone::Plain, 0, ""),
            Event::Concluded { conclusion, .. } => self.conclusion(conclusion),
        }
    }

    fn finding(&mut self, finding: &Finding) -> std::io::Result<()> {
        let (word, tone) = match finding.level {
            Level::Ok => ("ok     ", Tone::Good),
            Level::NotChecked => ("-      ", Tone::Plain),
            Level::Warning => ("warning", Tone::Warning),
            Level::Cause => ("CAUSE  ", Tone::Warning),
        };
        self.output.text(tone, 10, &format!("{word}   {}", finding.summary))?;
        for remedy in &finding.remedies {
            match remedy {
                Remedy::Step(step) => self.command(&step.command())?,
                Remedy::Command(command) => self.command(command)?,
                Remedy::Advice(advice) => {
                    self.output.text(Tone::Plain, 12, &format!("            {advice}"))?;
                }
            }
        }
        let evidence = if self.evidence { finding.evidence.as_slice() } else { &[] };
        for evidence in evidence {
            match evidence {
                Evidence::Observed(text) => {
                    self.output.text(Tone::Plain, 14, &format!("          because {text}"))?;
                }
                Evidence::Source(page) => self.output.row(Tone::Plain, &format!("          see {page}"))?,
            }
        }
        Ok(())
    }

    /// A command stays one line, so that it can be copied. Control characters in it can't reach the terminal.
    fn command(&mut self, command: &str) -> std::io::Result<()> {
        let command = command.replace(char::is_control, " ");
        self.output.row(Tone::Plain, &format!("            {command}"))
    }

    fn conclusion(&mut self, conclusion: &Conclusion) -> std::io::Result<()> {
        let tone = if conclusion.causes > 0 { Tone::Warning } else { Tone::Strong };
        self.output.text(tone, 2, &conclusion.sentence())?;
        if conclusion.workaround.is_empty() {
            return Ok(());
        }
        self.output.text(Tone::Plain, 0, "")?;
        self.output.text(
            Tone::Plain,
            2,
            "Until then, an administrator can set a password, either permanent or temporary (to be changed at the next \
             sign-in):",
        )?;
        conclusion
            .workaround
            .iter()
            .try_for_each(|command| self.output.row(Tone::Plain, &format!("  {command}")))
    }
}

/// Every check with its question and the IAM actions that it needs.
///
/// # Errors
/// When standard output is gone.
pub(crate) fn list_checks(output: &mut Output) -> std::io::Result<()> {
    for area in Area::ALL {
        output.text(Tone::Strong, 0, area.title())?;
        for check in CheckId::ALL.iter().map(|id| id.check()).filter(|check| check.area == area) {
            output.text(Tone::Plain, 4, &format!("  {}: {}", check.name, check.question))?;
            let actions =
                |calls: &[Call]| calls.iter().map(|call| call.action()).collect::<Vec<_>>().join(", ");
            if !check.calls.is_empty() {
                output.text(Tone::Plain, 6, &format!("    {}", actions(check.calls)))?;
            }
            if !check.end_user_messaging.is_empty() {
                let actions = actions(check.end_user_messaging);
                output.text(Tone::Plain, 6, &format!("    with AWS End User Messaging SMS: {actions}"))?;
            }
            if !check.dns.is_empty() {
                output.text(Tone::Plain, 6, &format!("    DNS: {}", check.dns.join(", ")))?;
            }
        }
        output.text(Tone::Plain, 0, "")?;
    }
    Ok(())
}
