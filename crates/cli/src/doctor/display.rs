//! Shows the report: [`text`] for people, [`json`] for programs.

pub(super) mod json;
pub(super) mod text;

use super::conclusion::{AreaFindings, Conclusion};
use super::event::Event;
use crate::common::Format;
use crate::terminal::output::Output;

/// Shows all findings and the conclusion.
///
/// # Errors
/// When standard output is gone.
pub(super) fn show(
    areas: &[AreaFindings],
    conclusion: &Conclusion,
    user_pool_id: &str,
    evidence: bool,
    format: Format,
    output: &mut Output,
) -> std::io::Result<()> {
    let areas = areas.iter().filter(|one| !one.findings.is_empty());
    let findings = areas.flat_map(|one| {
        let findings = one.findings.iter().map(Event::Finding);
        [Event::AreaStarted(one.area)].into_iter().chain(findings).chain([Event::AreaFinished])
    });
    let events = findings.chain([Event::Concluded { user_pool_id, conclusion }]);
    match format {
        Format::Text => {
            let mut display = text::Text { output, evidence };
            events.into_iter().try_for_each(|event| display.show(event))
        }
        Format::Json => {
            let mut display = json::Json::new(output);
            events.into_iter().try_for_each(|event| display.show(event))
        }
    }
}
