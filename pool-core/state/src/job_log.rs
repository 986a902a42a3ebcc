//! Which jobs have changed last, so that who follows them need not look at all of them each time.

use crate::{JobStatus, PoolState};
use pool_api::JobId;
use std::collections::BTreeMap;

/// How far somebody has followed the [changes of jobs](PoolState::job_changes). The default: not at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct JobCursor(u64);

/// What has become of jobs.
#[derive(Clone, PartialEq, Debug)]
pub struct JobChanges {
    /// These are all jobs that are known. So it is at the first time, and for who has not looked for very long.
    pub all: bool,
    /// Jobs that have changed since, and what they are now; none: not known any longer.
    pub jobs: Vec<(JobId, Option<JobStatus>)>,
    /// Where to go on.
    pub next: JobCursor,
}

/// More jobs that are not known any longer than there are others, by this many, are not remembered.
const MORE_THAN_KNOWN: usize = 1024;

/// Each job that has changed, with the number of its last change.
#[derive(Debug)]
pub(crate) struct JobLog {
    numbers: BTreeMap<JobId, u64>,
    jobs: BTreeMap<u64, JobId>,
    last: u64,
    /// Up to here the changes are not complete.
    incomplete: u64,
}

impl Default for JobLog {
    fn default() -> Self {
        // A reader that has read nothing is behind this.
        Self { numbers: BTreeMap::new(), jobs: BTreeMap::new(), last: 1, incomplete: 1 }
    }
}

impl JobLog {
    fn note(&mut self, job: &JobId) {
        self.last += 1;
        if let Some(before) = self.numbers.insert(job.clone(), self.last) {
            self.jobs.remove(&before);
        }
        self.jobs.insert(self.last, job.clone());
    }

    fn forget(&mut self, gone: impl Fn(&JobId) -> bool) {
        let incomplete = &mut self.incomplete;
        let numbers = &mut self.numbers;
        self.jobs.retain(|number, job| {
            let goes = gone(job);
            if goes {
                numbers.remove(job);
                *incomplete = (*incomplete).max(*number);
            }
            !goes
        });
    }
}

impl PoolState {
    /// Jobs of [`running`](Self::running) that have changed since somebody looked last.
    pub fn job_changes(&self, since: JobCursor) -> JobChanges {
        let next = JobCursor(self.job_log.last);
        if since.0 < self.job_log.incomplete {
            let jobs = self.running().into_iter().map(|(job, status)| (job, Some(status))).collect();
            return JobChanges { all: true, jobs, next };
        }
        let changed = self.job_log.jobs.range(since.0 + 1..).map(|(_, job)| (job.clone(), self.job(job)));
        JobChanges { all: false, jobs: changed.collect(), next }
    }

    /// To be called after each change of what [`job`](Self::job) says.
    pub(crate) fn job_changed(&mut self, job: &JobId) {
        self.job_log.note(job);
        let known = self.jobs.len() + self.ended.len();
        if self.job_log.jobs.len() > 2 * known + MORE_THAN_KNOWN {
            let (jobs, ended) = (&self.jobs, &self.ended);
            self.job_log.forget(|job| !jobs.contains_key(job) && !ended.contains_key(job));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> JobId {
        format!("job-{number}").try_into().unwrap()
    }

    #[test]
    fn each_job_is_there_once_and_the_last_changed_comes_last() {
        let mut log = JobLog::default();
        [1, 2, 1].into_iter().for_each(|number| log.note(&id(number)));
        assert_eq!(log.jobs.values().cloned().collect::<Vec<_>>(), [id(2), id(1)]);
    }

    #[test]
    fn who_has_missed_what_is_forgotten_is_behind_and_others_are_not() {
        let mut log = JobLog::default();
        log.note(&id(1));
        let early = log.last;
        log.note(&id(2));
        let late = log.last;
        log.note(&id(3));
        log.forget(|job| *job == id(2));
        assert!(early < log.incomplete && late >= log.incomplete);
        assert_eq!(log.jobs.values().cloned().collect::<Vec<_>>(), [id(1), id(3)]);
        assert_eq!(log.numbers.len(), 2);
    }
}
