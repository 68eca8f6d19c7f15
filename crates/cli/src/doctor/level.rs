//! The levels of findings.

use serde::Serialize;

/// How much a finding matters to a user who got no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    /// No problem.
    Ok,
    /// The check couldn't run: a permission is missing, or DNS or a service doesn't respond.
    NotChecked,
    /// May keep codes from arriving.
    Warning,
    /// Explains why no code arrives.
    Cause,
}
