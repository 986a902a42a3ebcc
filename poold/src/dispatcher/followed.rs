//! What the pool says of jobs, followed by its changes: a pass looks at what has changed and at what is not done with, and
//! not at every job that runs.

use crate::job::QueueTag;
use pool_core::{JobCursor, JobId, JobStatus, Pool};
use std::collections::{BTreeMap, BTreeSet};

/// Jobs as the pool knows them, and which are to be looked at.
#[derive(Debug, Default)]
pub(super) struct Followed {
    cursor: JobCursor,
    known: BTreeMap<JobId, JobStatus>,
    /// Known jobs that have changed, or of which there is something left to do.
    to_look_at: BTreeSet<JobId>,
    /// Numbers of jobs that may have a worker by the queue and are not known.
    may_be_absent: BTreeSet<u64>,
}

impl Followed {
    /// Takes in what has changed. `active`: the numbers of all jobs that have a worker by the queue.
    pub(super) fn follow(&mut self, pool: &Pool, tag: &QueueTag, active: impl Iterator<Item = u64>) {
        let changes = pool.job_changes(self.cursor);
        self.cursor = changes.next;
        if changes.all {
            self.known.clear();
            self.to_look_at.clear();
            self.may_be_absent = active.collect();
        }
        for (id, status) in changes.jobs {
            if let Some(status) = status {
                self.to_look_at.insert(id.clone());
                self.known.insert(id, status);
            } else {
                self.to_look_at.remove(&id);
                self.known.remove(&id);
                self.may_be_absent.extend(tag.number(&id));
            }
        }
    }

    /// Nothing that was done with what was seen has happened. `active`: as above.
    pub(super) fn look_at_all_again(&mut self, active: impl Iterator<Item = u64>) {
        self.to_look_at = self.known.keys().cloned().collect();
        self.may_be_absent.extend(active);
    }

    /// A job that was not given to its worker.
    pub(super) fn was_refused(&mut self, number: u64) {
        self.may_be_absent.insert(number);
    }

    pub(super) fn knows(&self, id: &JobId) -> bool {
        self.known.contains_key(id)
    }

    /// What is to be looked at, by id. Each is [done with](Self::done_with) or comes again.
    pub(super) fn to_look_at(&self) -> Vec<(JobId, JobStatus)> {
        let status = |id: &JobId| Some((id.clone(), self.known.get(id)?.clone()));
        self.to_look_at.iter().filter_map(status).collect()
    }

    /// Nothing is left to do about a job until it changes.
    pub(super) fn done_with(&mut self, id: &JobId) {
        self.to_look_at.remove(id);
    }

    /// Jobs that may be absent, those left out that are not. `is_absent` says so of a number.
    pub(super) fn absent<T>(&mut self, is_absent: impl Fn(u64, &Self) -> Option<T>) -> Vec<T> {
        let candidates = std::mem::take(&mut self.may_be_absent);
        let mut absent = Vec::new();
        for number in candidates {
            if let Some(job) = is_absent(number, self) {
                self.may_be_absent.insert(number);
                absent.push(job);
            }
        }
        absent
    }
}
