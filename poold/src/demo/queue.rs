//! The jobs that wait, run and have ended. In memory: the demo's jobs need not survive it.

use super::load::{Expected, LoadJob};
use pool_core::{InstanceId, JobEnd, JobId, JobSpec, Outcome, QueuedJob, WaitingJobs};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// How often a job is given to a worker before it counts as lost.
const MOST_ATTEMPTS: u32 = 3;

/// How a job stands. Times are counted from the demo's start.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Stage {
    Queued,
    Running {
        instance: InstanceId,
        since: Duration,
    },
    /// It has ended; its output is being fetched.
    Collecting {
        instance: InstanceId,
        since: Duration,
        ended: Duration,
    },
    Final {
        instance: Option<InstanceId>,
        times: Option<(Duration, Duration)>,
        result: JobResult,
    },
}

/// How a job ended, as the summary counts it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum JobResult {
    Succeeded,
    Failed { code: i32 },
    Signaled { signal: String },
    Killed { reason: String },
    NotStarted { reason: String },
    OutputFailed { reason: String },
    Unknown,
    Lost,
    Cancelled,
}

impl fmt::Display for JobResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Failed { code } => write!(f, "failed with exit code {code}"),
            Self::Signaled { signal } => write!(f, "ended by signal {signal}"),
            Self::Killed { reason } => write!(f, "killed: {reason}"),
            Self::NotStarted { reason } => write!(f, "could not be started: {reason}"),
            Self::OutputFailed { reason } => write!(f, "output could not be written: {reason}"),
            Self::Unknown => f.write_str("ended while nobody watched"),
            Self::Lost => f.write_str("lost with its worker"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl JobResult {
    fn of(outcome: &Outcome, killed: Option<&String>) -> Self {
        match (outcome, killed) {
            (Outcome::NotStarted { reason }, _) => Self::NotStarted { reason: reason.clone() },
            (Outcome::OutputFailed { reason }, _) => Self::OutputFailed { reason: reason.clone() },
            (_, Some(reason)) => Self::Killed { reason: reason.clone() },
            (Outcome::Exited { code: 0 }, None) => Self::Succeeded,
            (Outcome::Exited { code }, None) => Self::Failed { code: *code },
            (Outcome::Signaled { signal }, None) => Self::Signaled { signal: signal.clone() },
            (Outcome::Unknown, None) => Self::Unknown,
        }
    }

    fn is(&self, expected: Expected) -> bool {
        match expected {
            Expected::Success => *self == Self::Succeeded,
            Expected::Code(wanted) => matches!(self, Self::Failed { code } if *code == wanted),
            Expected::NotStarted => matches!(self, Self::NotStarted { .. }),
            Expected::KilledAfter(_) | Expected::TimeLimit => matches!(self, Self::Killed { .. }),
        }
    }
}

/// One job in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) load: LoadJob,
    pub(crate) stage: Stage,
    pub(crate) attempt: u32,
    pub(crate) peak_memory: Option<u64>,
}

impl Job {
    /// Whether it ended as the demo meant it to.
    pub(crate) fn is_as_expected(&self) -> bool {
        matches!(&self.stage, Stage::Final { result, .. } if result.is(self.load.expected))
    }
}

/// All jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    jobs: BTreeMap<JobId, Job>,
    /// In the order in which they were submitted.
    order: Vec<JobId>,
}

/// How many jobs are at each stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) queued: usize,
    pub(crate) running: usize,
    pub(crate) done: usize,
}

impl Queue {
    pub(crate) fn new(load: Vec<LoadJob>) -> Self {
        let order = load.iter().map(|job| job.id.clone()).collect();
        let job = |load: LoadJob| Job { load, stage: Stage::Queued, attempt: 1, peak_memory: None };
        Self { jobs: load.into_iter().map(|load| (load.id.clone(), job(load))).collect(), order }
    }

    /// What the scheduler's plan is made from.
    pub(crate) fn waiting(&self) -> WaitingJobs {
        (1..)
            .zip(self.iter())
            .filter(|(_, job)| job.stage == Stage::Queued)
            .map(|(number, job)| QueuedJob {
                id: job.load.id.clone(),
                number,
                priority: 1,
                resources: job.load.spec.resources,
                preemptible: true,
                group: None,
            })
            .collect()
    }

    pub(crate) fn get(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// In the order of submission.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Job> {
        self.order.iter().filter_map(|id| self.jobs.get(id))
    }

    pub(crate) fn counts(&self) -> Counts {
        self.jobs.values().fold(Counts::default(), |mut counts, job| {
            match job.stage {
                Stage::Queued => counts.queued += 1,
                Stage::Running { .. } => counts.running += 1,
                Stage::Collecting { .. } | Stage::Final { .. } => counts.done += 1,
            }
            counts
        })
    }

    pub(crate) fn all_final(&self) -> bool {
        self.jobs.values().all(|job| matches!(job.stage, Stage::Final { .. }))
    }

    /// What to run, and as which attempt.
    pub(crate) fn spec(&self, id: &JobId) -> Option<(JobSpec, u32)> {
        self.jobs.get(id).map(|job| (job.load.spec.clone(), job.attempt))
    }

    pub(crate) fn started(&mut self, id: &JobId, instance: InstanceId, now: Duration) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.stage = Stage::Running { instance, since: now };
        }
    }

    /// Takes in that a job has ended. True when its output is to be fetched; else it can be forgotten.
    pub(crate) fn ended(&mut self, id: &JobId, end: &JobEnd, now: Duration) -> bool {
        let Some(job) = self.jobs.get_mut(id) else { return false };
        let Stage::Running { instance, since } = job.stage.clone() else { return false };
        match end {
            JobEnd::Finished(end) => {
                job.peak_memory = end.peak_memory;
                job.stage = Stage::Collecting { instance, since, ended: now };
                true
            }
            // The attempt was not used.
            JobEnd::NotStarted { .. } => {
                job.stage = Stage::Queued;
                false
            }
            JobEnd::Denied | JobEnd::WorkerGone => {
                if job.attempt >= MOST_ATTEMPTS {
                    let times = Some((since, now));
                    job.stage = Stage::Final { instance: Some(instance), times, result: JobResult::Lost };
                } else {
                    job.attempt += 1;
                    job.stage = Stage::Queued;
                }
                false
            }
        }
    }

    /// Takes in that a job's output is stored (or could not be fetched).
    pub(crate) fn collected(&mut self, id: &JobId, outcome: &Outcome, killed: Option<&String>) {
        if let Some(job) = self.jobs.get_mut(id)
            && let Stage::Collecting { instance, since, ended } = job.stage.clone()
        {
            let result = JobResult::of(outcome, killed);
            job.stage = Stage::Final { instance: Some(instance), times: Some((since, ended)), result };
        }
    }

    /// Whatever has not ended never will.
    pub(crate) fn cancel_rest(&mut self) {
        for job in self.jobs.values_mut() {
            if !matches!(job.stage, Stage::Final { .. }) {
                job.stage = Stage::Final { instance: None, times: None, result: JobResult::Cancelled };
            }
        }
    }
}
