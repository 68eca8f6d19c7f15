//! What the checks report, as types: a display turns them into text or JSON.

use super::conclusion::Conclusion;
use super::finding::Finding;
use super::registry::Area;

/// One step of a report. Each area comes with its findings, the conclusion comes last.
#[derive(Clone, Copy)]
pub(super) enum Event<'a> {
    /// The findings of an area follow.
    AreaStarted(Area),
    Finding(&'a Finding),
    AreaFinished,
    Concluded {
        user_pool_id: &'a str,
        conclusion: &'a Conclusion,
    },
}
