//! The levels of findings.

use serde::Serialize;

/// How much a finding matters to a user who got no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// The check couldn't run: a permission is missing, DNS or a service doesn't answer.
    NotChecked,
    /// Can keep codes from arriving, but need not.
    Warning,
    /// Explains why no code arrives.
    Cause,
}
