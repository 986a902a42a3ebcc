use std::fmt;
use std::process::Command;

use serde::Serialize;

use crate::process::{output_of, repository_root};

/// Which code was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Commit {
    hash: String,
    /// Whether files differ from it.
    changed: bool,
}

impl Commit {
    /// The one that is checked out; none where there is no repository.
    pub(super) fn current() -> Option<Self> {
        let git = |arguments: &[&str]| {
            let output = output_of(Command::new("git").args(arguments).current_dir(repository_root()));
            Some(String::from_utf8_lossy(&output.ok()?).trim().to_owned())
        };
        let hash = git(&["rev-parse", "HEAD"])?;
        let changed = !git(&["status", "--porcelain"])?.is_empty();
        Some(Self { hash, changed })
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "commit {}", self.hash.get(..12).unwrap_or(&self.hash))?;
        if self.changed {
            write!(out, ", with changes")?;
        }
        Ok(())
    }
}
