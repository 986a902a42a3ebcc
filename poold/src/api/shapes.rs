//! The JSON that goes over the API. Fields are only ever added.

use super::{
    numbers::{optional_place, whole_number},
    schemas::ResourcesSchema,
};
use crate::job::{Finish, HistoryEntry, Job, JobRequest, JobState, Moment, OutputKept};
use pool_core::{InstanceId, InstanceTypeName, JobGroup, JobId, Resources};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Jobs to be queued: all or none.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// Chosen by the client (1 to 64 printable characters): asking again with the same one makes no second submission,
    /// and answers with the first one's ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) request_id: Option<String>,
    #[schema(min_items = 1, max_items = 10000)]
    pub(crate) jobs: Vec<JobRequest>,
}

/// What was queued, durably, in the order of the submission.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Submitted {
    #[schema(value_type = Vec<String>)]
    pub(crate) ids: Vec<JobId>,
}

/// Which jobs to show: the newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobQuery {
    /// States with commas between; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(
        pattern = r"^(queued|locked|running|complete|cancelled)(,(queued|locked|running|complete|cancelled))*$"
    )]
    pub(crate) state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = r"^[A-Za-z0-9_][A-Za-z0-9._\-]{0,62}$")]
    pub(crate) group: Option<JobGroup>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// `key=value`, with commas between: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$")]
    pub(crate) label: Option<String>,
    /// Only jobs that were submitted before the one with this number: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "optional_place")]
    pub(crate) before: Option<u64>,
    /// At most so many, 1 to 1000. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

/// A page of jobs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobPage {
    pub(crate) jobs: Vec<JobRow>,
    /// Where the next page begins; none: this was the last.
    pub(crate) next: Option<u64>,
}

/// One job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobRow {
    #[schema(value_type = String, examples("k7wq2-42"))]
    pub(crate) id: JobId,
    pub(crate) number: u64,
    pub(crate) name: Option<String>,
    #[schema(value_type = Option<String>)]
    pub(crate) group: Option<JobGroup>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) state: JobState,
    /// When complete and not ended by a signal. 127: it could not be started.
    pub(crate) exit_code: Option<i32>,
    /// The name, without `SIG`, of the signal that ended it, when complete.
    pub(crate) signal: Option<String>,
    /// Why it was cancelled or could not be started, or what it is being ended for.
    pub(crate) reason: Option<String>,
    pub(crate) priority: u32,
    pub(crate) command: Vec<String>,
    #[schema(value_type = ResourcesSchema)]
    pub(crate) resources: Resources,
    pub(crate) preemptible: bool,
    /// Attempts used: runs, but for those that never started or were preempted.
    pub(crate) attempts: u32,
    pub(crate) runs: u32,
    pub(crate) preemptions: u32,
    /// Where its present or last run is or was.
    #[schema(value_type = Option<String>)]
    pub(crate) instance: Option<InstanceId>,
    #[schema(value_type = Option<String>)]
    pub(crate) instance_type: Option<InstanceTypeName>,
    pub(crate) submitted_at: Moment,
    /// When its present or last run was given to a worker.
    pub(crate) locked_at: Option<Moment>,
    pub(crate) started_at: Option<Moment>,
    pub(crate) ended_at: Option<Moment>,
    pub(crate) output: OutputKept,
    pub(crate) stdout_size: u64,
    pub(crate) stderr_size: u64,
    pub(crate) peak_memory: Option<u64>,
    pub(crate) cpu_time_ms: Option<u64>,
    /// Why it waits, while it is queued.
    #[serde(default)]
    pub(crate) waiting: Option<Reason>,
}

/// Why a job waits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Reason {
    /// The kind of the reason, for programs: `quota`, `no_capacity`, `booting`, …
    pub(crate) reason: String,
    /// The same for people.
    pub(crate) text: String,
    /// What would let it run, for people; none where nothing needs to be done.
    pub(crate) remedy: Option<String>,
}

impl From<&Job> for JobRow {
    fn from(job: &Job) -> Self {
        let (request, record) = (&job.request, &job.record);
        let (mut exit_code, mut signal, mut reason) = (None, None, record.cancel.clone());
        match &record.finish {
            Some(Finish::Exited { code }) => exit_code = Some(*code),
            Some(Finish::Signaled { signal: name }) => signal = Some(name.clone()),
            Some(Finish::NotStarted { reason: why }) => {
                exit_code = Some(127);
                reason = Some(why.clone());
            }
            Some(Finish::Cancelled { reason: why }) => reason = Some(why.clone()),
            None => {}
        }
        Self {
            id: job.id.clone(),
            number: job.number,
            name: request.name.clone(),
            group: request.group.clone(),
            labels: request.labels.clone(),
            state: record.state,
            exit_code,
            signal,
            reason,
            priority: record.priority,
            command: request.command.clone(),
            resources: request.resources(),
            preemptible: request.preemptible,
            attempts: record.attempts,
            runs: record.runs,
            preemptions: record.preemptions,
            instance: record.worker.as_ref().map(|worker| worker.instance.clone()),
            instance_type: record.worker.as_ref().map(|worker| worker.instance_type.clone()),
            submitted_at: job.submitted,
            locked_at: record.locked,
            started_at: record.started,
            ended_at: record.ended,
            output: record.output,
            stdout_size: record.stdout_size,
            stderr_size: record.stderr_size,
            peak_memory: record.peak_memory,
            cpu_time_ms: record.cpu_time_ms,
            waiting: None,
        }
    }
}

/// One job with its history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobDetail {
    #[serde(flatten)]
    pub(crate) job: JobRow,
    pub(crate) history: Vec<HistoryEntry>,
}

/// Why a job waits, or what else becomes of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Explanation {
    pub(crate) job: JobRow,
    /// The kind of the reason, for programs: `quota`, `no_capacity`, `booting`, `running`, …
    pub(crate) reason: String,
    /// The same for people.
    pub(crate) text: String,
    /// What would let it run, for people; none where nothing needs to be done.
    pub(crate) remedy: Option<String>,
    /// How many jobs are before it in the queue; none if it does not wait.
    pub(crate) ahead: Option<u64>,
    /// Whether there are more than that: they are counted up to 10,000.
    #[serde(default)]
    pub(crate) ahead_is_at_least: bool,
    pub(crate) history: Vec<HistoryEntry>,
}

/// The states of workers in the order of a life, the first for those that are being created.
pub(crate) const WORKER_STATES: [&str; 6] = ["creating", "unknown", "booting", "idle", "running", "shutdown"];

/// One instance, or one that is being created.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct InstanceRow {
    /// None while it is being created.
    #[schema(value_type = Option<String>)]
    pub(crate) id: Option<InstanceId>,
    #[schema(value_type = String)]
    pub(crate) instance_type: InstanceTypeName,
    pub(crate) provider_type: String,
    pub(crate) placement: String,
    pub(crate) address: Option<String>,
    /// One of [`WORKER_STATES`]: `creating`, `unknown`, `booting`, `idle`, `running`, `shutdown`.
    pub(crate) worker_state: String,
    /// `run`, `hold`, `drain`.
    pub(crate) idle_behavior: String,
    #[schema(value_type = Vec<String>)]
    pub(crate) running_jobs: Vec<JobId>,
    #[schema(value_type = Option<String>)]
    pub(crate) last_job: Option<JobId>,
    /// For an hour, in currency units; none for a type that is no longer configured.
    pub(crate) price: Option<f64>,
    /// Why it is being destroyed, or says that it is broken.
    pub(crate) reason: Option<String>,
    pub(crate) created_at: Option<Moment>,
    /// Seconds since it had a job last, or since it got ready.
    pub(crate) idle_seconds: Option<f64>,
    /// What its jobs have reserved.
    #[schema(value_type = ResourcesSchema)]
    pub(crate) reserved: Resources,
}

/// Which instances to show.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InstanceQuery {
    /// Worker states with commas between; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(
        pattern = r"^(creating|unknown|booting|idle|running|shutdown)(,(creating|unknown|booting|idle|running|shutdown))*$"
    )]
    pub(crate) state: Option<String>,
    /// A configured type; none: all.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = r"^[A-Za-z0-9_][A-Za-z0-9._\-]{0,62}$")]
    pub(crate) instance_type: Option<InstanceTypeName>,
}

impl InstanceQuery {
    /// Whether an instance is to be shown.
    pub(crate) fn wants(&self, row: &InstanceRow) -> bool {
        let state = |states: &String| states.split(',').any(|state| state.trim() == row.worker_state);
        self.state.as_ref().is_none_or(state)
            && self.instance_type.as_ref().is_none_or(|name| *name == row.instance_type)
    }

    /// What is wrong with it.
    pub(crate) fn problem(&self) -> Option<String> {
        let states = self.state.iter().flat_map(|states| states.split(','));
        let wrong = states.map(str::trim).find(|state| !WORKER_STATES.contains(state))?;
        Some(format!("state: {wrong:?} is none of {}", WORKER_STATES.join(", ")))
    }
}

/// All in short.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct PoolStatus {
    pub(crate) release: String,
    pub(crate) pid: u32,
    pub(crate) instance_set: String,
    pub(crate) driver: String,
    pub(crate) started_at: Moment,
    /// Whether the instances have been listed once.
    pub(crate) loaded: bool,
    /// Jobs by state.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub(crate) jobs: BTreeMap<JobState, u64>,
    /// Instances by worker state.
    pub(crate) instances: BTreeMap<String, u64>,
    /// Of all instances, for an hour, in currency units.
    pub(crate) price_per_hour: f64,
    /// No more instances may be asked for now, for whichever of the next two reasons.
    pub(crate) at_quota: bool,
    /// There are as many instances as the configuration allows (`pool.max_instances`).
    #[serde(default)]
    pub(crate) at_max_instances: bool,
    /// The provider's quota of all instances is used up.
    #[serde(default)]
    pub(crate) at_provider_quota: bool,
    /// Types without capacity now.
    #[schema(value_type = Vec<String>)]
    pub(crate) at_capacity: Vec<InstanceTypeName>,
    /// What hinders it now, for people: a full disk, calls to the cloud that fail.
    pub(crate) problems: Vec<String>,
}

/// Why a job or an instance is to be ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KillRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub(crate) reason: Option<String>,
}

/// A job's new priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriorityRequest {
    #[schema(maximum = 1000000)]
    #[serde(deserialize_with = "whole_number")]
    pub(crate) priority: u32,
}

/// It is well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Health {
    /// Always `OK`.
    pub(crate) health: String,
}
