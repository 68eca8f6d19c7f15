//! `--fix`: offers each step, and runs it after a confirmation.

use super::conclusion::AreaFindings;
use super::finding::{Finding, Remedy};
use super::level::Level;
use super::step::Step;
use crate::aws::Aws;
use crate::exit::{End, Error};
use crate::terminal::output::{Output, Tone};

/// Offers every step that fixes something. `None` if there was nothing to offer or nothing was done.
///
/// # Errors
/// When standard input or output is gone. If AWS rejects a step, that is shown, and the next one is offered.
pub(super) async fn offer(
    areas: &[AreaFindings],
    aws: &Aws,
    output: &mut Output,
) -> Result<Option<End>, Error> {
    let findings: Vec<&Finding> = areas.iter().flat_map(|area| &area.findings).collect();
    let mut steps: Vec<&Step> = Vec::new();
    for step in findings.iter().flat_map(|finding| steps_of(finding)) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    output.text(Tone::Plain, 0, "")?;
    if steps.is_empty() {
        output.text(Tone::Plain, 0, "No finding has a command that --fix can run.")?;
        return Ok(None);
    }
    let mut done = Vec::new();
    for step in steps {
        if !output.ask(&format!("Run: {} ?", step.command()))? {
            output.text(Tone::Plain, 2, "  skipped")?;
            continue;
        }
        match step.run(aws).await {
            Ok(()) => {
                output.text(Tone::Good, 2, "  done")?;
                done.push(step);
            }
            Err(error) => output.text(Tone::Warning, 2, &format!("  failed: {error}"))?,
        }
    }
    if done.is_empty() {
        return Ok(None);
    }
    output.text(Tone::Plain, 0, "Run doctor again to check the result.")?;
    let fixed = |finding: &&Finding| steps_of(finding).any(|step| done.contains(&step));
    let problem = |finding: &&&Finding| matches!(finding.level, Level::Warning | Level::Cause);
    Ok(findings.iter().filter(problem).copied().all(|finding| fixed(&finding)).then_some(End::Done))
}

fn steps_of(finding: &Finding) -> impl Iterator<Item = &Step> {
    finding.remedies.iter().filter_map(|remedy| match remedy {
        Remedy::Step(step) => Some(step),
        Remedy::Command(_) | Remedy::Advice(_) => None,
    })
}
