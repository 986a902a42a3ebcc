//! No job waits while a worker that fits has nothing to do.

use super::checker::Checker;
use pool_core::{InstanceId, InstanceType, InstanceTypeName, JobId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A pair of job and worker may be seen in so many looks in a row: the first may be in the midst of it.
const LOOKS: u32 = 2;

/// A job that could be started.
#[derive(Clone, Debug)]
pub(crate) struct WaitingJob {
    pub(crate) id: JobId,
    /// The types that it fits and that are not too dear for it.
    pub(crate) types: BTreeSet<InstanceTypeName>,
    pub(crate) preemptible: bool,
}

/// What is seen in one look.
#[derive(Debug)]
pub(crate) struct IdleLook<'a> {
    /// Jobs that wait, and that nothing keeps from being started but the want of a worker.
    pub(crate) waiting: Vec<WaitingJob>,
    /// Workers without any job, that take jobs.
    pub(crate) idle: Vec<(InstanceId, &'a InstanceType)>,
}

/// What the last look has shown.
#[derive(Debug, Default)]
pub(super) struct Idle {
    pairs: BTreeMap<(JobId, InstanceId), u32>,
}

impl Checker {
    /// A look at what waits and what is idle. A job that has waited for too long, and a worker that fits.
    pub(crate) fn look(&mut self, now: Duration, look: &IdleLook<'_>) -> Option<(JobId, InstanceId)> {
        self.now = now;
        let before = std::mem::take(&mut self.idle.pairs);
        let fits = |job: &WaitingJob, of: &InstanceType| {
            job.types.contains(&of.name) && (job.preemptible || !of.preemptible)
        };
        for job in &look.waiting {
            let Some((worker, _)) = look.idle.iter().find(|(_, of)| fits(job, of)) else { continue };
            let pair = (job.id.clone(), worker.clone());
            let looks = before.get(&pair).copied().unwrap_or(0) + 1;
            if looks > LOOKS {
                return Some(pair);
            }
            self.idle.pairs.insert(pair, looks);
        }
        None
    }
}
