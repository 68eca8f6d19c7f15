//! The common options.

use clap::{Args, ValueEnum};

/// The options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Output format
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Profile in the AWS configuration files; default: `AWS_PROFILE`
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// AWS Region; default: the Region in the queue's URL, `AWS_REGION` or the Region of the profile
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) region: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    #[default]
    Text,
    /// One JSON document
    Json,
}
