//! How a command ends, and its exit code.

use crate::aws::{AwsError, Kind};

/// The exit codes, as `--help` shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    done, but the output shows a problem that needs your attention
  2    the command line is wrong
  3    a call to AWS failed (credentials, Region, permission, network)
  4    AWS throttled the calls: run the command again later
  130  interrupted: the remaining items are unchanged";

/// How a command ended, unless it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// The command found a problem that it can't fix.
    LookAtIt,
    Interrupted,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The arguments contradict each other or the deployment. clap finds most such errors earlier.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Standard input or output.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Aws(error) if error.kind == Kind::Throttled => 4,
            Self::Aws(_) => 3,
            Self::Io(_) => 1,
        }
    }
}

impl End {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::LookAtIt => 1,
            Self::Interrupted => 130,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_in_the_help() {
        let throttled = AwsError { kind: Kind::Throttled, text: String::new() };
        let other = AwsError { kind: Kind::Other, text: String::new() };
        let codes = [End::Done, End::LookAtIt, End::Interrupted].map(End::exit_code).into_iter().chain(
            [Error::Usage(String::new()), other.into(), throttled.into()].map(|error| error.exit_code()),
        );
        for code in codes {
            assert!(EXIT_CODES.lines().any(|line| line.starts_with(&format!("  {code} "))), "{code}");
        }
    }
}
