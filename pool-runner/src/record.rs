//! What is on disk of a run, beside its output.

use pool_api::{InstanceSetId, JobSpec, RunId};
use serde::{Deserialize, Serialize};

/// `record.json`: written durably before anything is started. It holds the job's environment, secrets included,
/// in a file that only its owner can read, until the run is forgotten.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) instance_set: InstanceSetId,
    pub(crate) run: RunId,
    pub(crate) spec: JobSpec,
    /// Milliseconds since the Unix epoch.
    pub(crate) accepted_ms: u64,
}

/// `keeper.json`: written by the keeper before it starts the job. As long as it is not there, no job was started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeeperRecord {
    pub(crate) keeper: ProcessId,
}

/// `started.json`: written by the keeper once the job's process runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartRecord {
    pub(crate) job: ProcessId,
    /// Milliseconds since the Unix epoch.
    pub(crate) started_ms: u64,
}

/// A process, such that a later one with the same number is not taken for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// When it was started, in clock ticks since boot: `/proc/<pid>/stat`, field 22.
    pub(crate) start_ticks: u64,
    /// Which boot.
    pub(crate) boot_id: String,
}
