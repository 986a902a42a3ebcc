//! What somebody may do.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Each may do what those before may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// See jobs, their output, instances and metrics.
    Read,
    /// Submit, end and reorder jobs: whoever may submit runs code on workers, with their cloud role.
    Submit,
    /// Hold, drain and destroy instances.
    Admin,
}

impl Role {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Submit, Self::Admin];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
