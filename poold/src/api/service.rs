//! What the program can be asked, whatever carries the question.

use super::{
    EventStream, Explanation, HoldOff, InstanceRow, JobDetail, JobPage, JobQuery, JobRow, PoolStatus, Series,
    ServiceError, Submission, Submitted, TypeRow,
};
use crate::job::JobKey;
use async_trait::async_trait;
use bytes::Bytes;
use pool_core::{InstanceId, OutputStream};
use std::time::Duration;

/// The running dispatcher, as the HTTP server sees it. Every future may be dropped at any time; a change that was
/// asked for is then made or not.
#[async_trait]
pub(crate) trait Service: Send + Sync {
    /// Queues jobs; durable when it returns.
    async fn submit(&self, submission: Submission) -> Result<Submitted, ServiceError>;

    /// A page of jobs.
    async fn jobs(&self, query: JobQuery) -> Result<JobPage, ServiceError>;

    /// One job.
    async fn job(&self, key: JobKey) -> Result<JobDetail, ServiceError>;

    /// Why a job waits.
    async fn explain(&self, key: JobKey) -> Result<Explanation, ServiceError>;

    /// A job when it is final, or as it is after `patience`.
    async fn wait(&self, key: JobKey, patience: Duration) -> Result<JobRow, ServiceError>;

    /// Ends a job, or takes it out of the queue. A final one is an error ([`Conflict`](super::ErrorCode::Conflict)).
    async fn kill(&self, key: JobKey, reason: String) -> Result<JobRow, ServiceError>;

    /// Gives a job another priority.
    async fn set_priority(&self, key: JobKey, priority: u32) -> Result<JobRow, ServiceError>;

    /// A piece of a job's output.
    async fn read_output(&self, read: OutputRead) -> Result<OutputPiece, ServiceError>;

    /// Every instance, and every create in flight.
    async fn instances(&self) -> Result<Vec<InstanceRow>, ServiceError>;

    /// Does something to an instance. Hold, drain and run answer when the cloud has saved it.
    async fn act_on_instance(
        &self,
        id: InstanceId,
        action: InstanceAction,
    ) -> Result<InstanceRow, ServiceError>;

    /// The configured types, by name.
    async fn types(&self) -> Result<Vec<TypeRow>, ServiceError>;

    /// What is not asked of the provider for now.
    async fn hold_offs(&self) -> Result<Vec<HoldOff>, ServiceError>;

    /// What was in the last so many seconds, as far as it is kept.
    async fn series(&self, back: Duration) -> Result<Series, ServiceError>;

    /// What changes from now on. All that is read after its first event is no older than what its next ones tell. Who is
    /// slow to read them misses some and is told so.
    async fn events(&self) -> Result<EventStream, ServiceError>;

    /// All in short.
    async fn status(&self) -> Result<PoolStatus, ServiceError>;

    /// Whether the instances have been listed once. Cheap: nobody else is asked.
    fn is_loaded(&self) -> bool;

    /// In Prometheus' text format.
    async fn metrics(&self) -> String;
}

/// What to do to an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum InstanceAction {
    /// It gets no more jobs, and is not destroyed.
    Hold,
    /// It gets no more jobs, and is destroyed when it has none.
    Drain,
    /// It gets jobs again.
    Run,
    /// It is destroyed at once.
    Kill { reason: String },
}

/// Which piece of output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OutputRead {
    pub(crate) key: JobKey,
    pub(crate) stream: OutputStream,
    /// Which run; none: the present or last.
    pub(crate) run: Option<u32>,
    pub(crate) offset: u64,
    /// Waits until there is something after `offset`, or nothing more will come.
    pub(crate) wait: bool,
}

/// A piece of output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OutputPiece {
    /// Which run it is of; none: the job has had none yet.
    pub(crate) run: Option<u32>,
    pub(crate) data: Bytes,
    /// Nothing follows: the job is final, or it is an earlier run. Without `wait` also: nothing more has arrived.
    pub(crate) last: bool,
    /// The worker was lost: what it had not sent is missing.
    pub(crate) incomplete: bool,
}
