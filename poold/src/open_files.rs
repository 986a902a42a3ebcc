//! How many files the program may have open: a connection is one, to a worker or from a client.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open besides connections: the queue and who reads it, outputs, logs.
const OTHERS: u64 = 512;

/// Raises the limit for so many connections, as far as the system lets it. Says so when that is not enough.
pub(crate) fn allow(connections: u64) {
    let wanted = connections + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    let (current, maximum) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if current >= wanted {
        return;
    }
    let raised = Rlimit { current: Some(wanted.min(maximum)), maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, current, wanted, "the limit of open files (RLIMIT_NOFILE) cannot be raised");
    } else if maximum < wanted {
        tracing::warn!(
            maximum,
            wanted,
            "the limit of open files (RLIMIT_NOFILE) is too low for all workers and clients at once"
        );
    }
}
