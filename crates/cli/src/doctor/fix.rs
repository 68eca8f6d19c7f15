//! `--fix`: asks before each step, and takes it after a yes.

use super::Area;
use super::finding::{Finding, Level, Mend};
use super::step::Step;
use crate::aws::Aws;
use crate::terminal::output::{Output, Tone};
use crate::{End, Error};

/// Offers every step that mends something. None where there was nothing to offer.
///
/// # Errors
/// When standard input or output is gone. A step that AWS refuses is told, and the next one offered.
pub(super) async fn offer(areas: &[Area], aws: &Aws, output: &mut Output) -> Result<Option<End>, Error> {
    let findings: Vec<&Finding> = areas.iter().flat_map(|area| &area.findings).collect();
    let mut steps: Vec<&Step> = Vec::new();
    for step in findings.iter().flat_map(|finding| steps_of(finding)) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    output.text(Tone::Plain, 0, "")?;
    if steps.is_empty() {
        output.text(Tone::Plain, 0, "There is nothing here that --fix can mend.")?;
        return Ok(None);
    }
    let mut done = Vec::new();
    for step in steps {
        if !output.ask(&format!("Run: {} ?", step.command()))? {
            output.text(Tone::Plain, 2, "  left as it is")?;
            continue;
        }
        match step.run(aws).await {
            Ok(()) => {
                output.text(Tone::Good, 2, "  done")?;
                done.push(step);
            }
            Err(error) => output.text(Tone::Warning, 2, &format!("  not done: {error}"))?,
        }
    }
    if done.is_empty() {
        return Ok(None);
    }
    output.text(Tone::Plain, 0, "Run doctor again to see what has become of it.")?;
    let mended = |finding: &&Finding| steps_of(finding).any(|step| done.contains(&step));
    let found = |finding: &&&Finding| matches!(finding.level, Level::Warning | Level::Cause);
    Ok(findings.iter().filter(found).copied().all(|finding| mended(&finding)).then_some(End::Done))
}

fn steps_of(finding: &Finding) -> impl Iterator<Item = &Step> {
    finding.mends.iter().filter_map(|mend| match mend {
        Mend::Step(step) => Some(step),
        Mend::Command(_) | Mend::Advice(_) => None,
    })
}
