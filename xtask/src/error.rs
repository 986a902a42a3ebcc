use std::path::PathBuf;

use crate::bench::{LIMITS, LimitsError};
use crate::sim::{LIST, ListError, REGRESSIONS};

/// Why a task could not do its work. What a task *finds* is no error, but its result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("cannot start `{command}`; is {program} installed and in PATH?")]
    Start { program: String, command: String, source: std::io::Error },

    #[error("`{command}` failed ({status}): {stderr}")]
    Failed { command: String, status: std::process::ExitStatus, stderr: String },

    #[error("lost the output of `{command}`")]
    Output { command: String, source: std::io::Error },

    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("cannot create {}", path.display())]
    Create { path: PathBuf, source: std::io::Error },

    #[error("{LIST}")]
    Mutants(#[from] ListError),

    #[error("{LIMITS}")]
    Limits(#[from] LimitsError),

    #[error("{REGRESSIONS} cannot be read")]
    Regressions(#[source] toml::de::Error),
}

/// The error and its sources on one line, for people.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
