//! How many files the daemon may have open. Were there no more for a journal or a connection, it could not hear of what goes on.

use rustix::{
    io,
    process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit},
};

/// What a run takes that goes on: its keeper's line, and the way to give it orders.
const EACH: u64 = 2;
/// What may be open beside: connections, and files that are read, made or deleted.
const OTHERS: u64 = 128;

/// The limit.
#[derive(Debug)]
pub(super) struct OpenFiles {
    /// As the daemon was started with it.
    usual: Rlimit,
    is_raised: bool,
    /// Most runs for which there is enough.
    runs: usize,
}

impl OpenFiles {
    /// Raises it for so many runs, as far as it can be raised.
    pub(super) fn allow(runs: usize) -> Self {
        let usual = getrlimit(Resource::Nofile);
        let current = usual.current.unwrap_or(u64::MAX);
        let wanted = (runs as u64 * EACH + OTHERS).min(usual.maximum.unwrap_or(u64::MAX));
        let raised = Rlimit { current: Some(wanted), maximum: usual.maximum };
        let is_raised = wanted > current && setrlimit(Resource::Nofile, raised).is_ok();
        let limit = if is_raised { wanted } else { current };
        let enough = (limit - OTHERS.min(limit / 2)) / EACH;
        Self { usual, is_raised, runs: usize::try_from(enough).unwrap_or(usize::MAX) }
    }

    pub(super) fn runs(&self) -> usize {
        self.runs
    }

    /// Sets it for a child as it was: a job finds it as usual.
    pub(super) fn reset(&self, child: Pid) -> io::Result<()> {
        if self.is_raised {
            prlimit(Some(child), Resource::Nofile, self.usual)?;
        }
        Ok(())
    }
}
