//! How a job stands: what the queue keeps of it.

use super::{JobRequest, Moment};
use pool_core::{InstanceId, InstanceTypeName, JobId};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};
use utoipa::ToSchema;

/// Where a job is on its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// It waits for a worker.
    Queued,
    /// It was given to a worker, which has not confirmed it.
    Locked,
    /// It runs, or its output is being fetched.
    Running,
    /// It ran to its end. Final.
    Complete,
    /// It was ended, or given up, before. Final.
    Cancelled,
}

impl JobState {
    /// All states.
    pub(crate) const ALL: [Self; 5] =
        [Self::Queued, Self::Locked, Self::Running, Self::Complete, Self::Cancelled];

    /// Nothing changes any more.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled)
    }

    /// The name, as in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Locked => "locked",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The worker of a job's present or last run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Assigned {
    pub(crate) instance: InstanceId,
    pub(crate) instance_type: InstanceTypeName,
    /// Whether the provider may take it away.
    pub(crate) preemptible: bool,
}

/// How a job came to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Finish {
    /// Complete: it ended by itself.
    Exited { code: i32 },
    /// Complete: a signal that nobody of us sent ended it. Its name without `SIG`, or its number.
    Signaled { signal: String },
    /// Complete: it could not be started on its worker (no such program or directory).
    NotStarted { reason: String },
    /// Cancelled, and why: killed, stopped, lost too often, its output or its end could not be kept.
    Cancelled { reason: String },
}

impl Finish {
    /// The state that it leads to.
    pub(crate) fn state(&self) -> JobState {
        match self {
            Self::Exited { .. } | Self::Signaled { .. } | Self::NotStarted { .. } => JobState::Complete,
            Self::Cancelled { .. } => JobState::Cancelled,
        }
    }
}

/// What is stored of a job's output, from its last run that had a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputKept {
    /// Nothing yet.
    #[default]
    None,
    /// What the job wrote, up to its limit.
    Complete,
    /// Only what had arrived when its worker was lost.
    Incomplete,
}

/// What changes of a job. Durable before it is acted on or reported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) state: JobState,
    pub(crate) priority: u32,
    /// How often it was given to a worker: the number of its present or last run.
    #[serde(default)]
    pub(crate) runs: u32,
    /// How many of these count against its attempts.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// How many were lost because the provider took the worker away: these do not count as attempts.
    #[serde(default)]
    pub(crate) preemptions: u32,
    /// Of the present or last run.
    #[serde(default)]
    pub(crate) worker: Option<Assigned>,
    /// It is to be ended, and why.
    #[serde(default)]
    pub(crate) cancel: Option<String>,
    /// When the present or last run was given to its worker.
    #[serde(default)]
    pub(crate) locked: Option<Moment>,
    /// When its process started, by the worker's clock where that is known.
    #[serde(default)]
    pub(crate) started: Option<Moment>,
    /// When it came to its end.
    #[serde(default)]
    pub(crate) ended: Option<Moment>,
    #[serde(default)]
    pub(crate) finish: Option<Finish>,
    #[serde(default)]
    pub(crate) output: OutputKept,
    /// Bytes that are stored.
    #[serde(default)]
    pub(crate) stdout_size: u64,
    /// Bytes that are stored.
    #[serde(default)]
    pub(crate) stderr_size: u64,
    /// Bytes; none if not known.
    #[serde(default)]
    pub(crate) peak_memory: Option<u64>,
    /// User and system time; none if not known.
    #[serde(default)]
    pub(crate) cpu_time_ms: Option<u64>,
}

impl Record {
    /// Of a job that was just submitted.
    pub(crate) fn new(priority: u32) -> Self {
        Self {
            state: JobState::Queued,
            priority,
            runs: 0,
            attempts: 0,
            preemptions: 0,
            worker: None,
            cancel: None,
            locked: None,
            started: None,
            ended: None,
            finish: None,
            output: OutputKept::None,
            stdout_size: 0,
            stderr_size: 0,
            peak_memory: None,
            cpu_time_ms: None,
        }
    }
}

/// One job, as the queue has it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Job {
    /// Counted from 1, in the order of submission, never used again.
    pub(crate) number: u64,
    pub(crate) id: JobId,
    pub(crate) submitted: Moment,
    pub(crate) request: Arc<JobRequest>,
    pub(crate) record: Record,
}

/// One line of a job's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HistoryEntry {
    pub(crate) at: Moment,
    /// The state from then on.
    pub(crate) state: JobState,
    /// Why, and where, for people.
    pub(crate) detail: String,
}
