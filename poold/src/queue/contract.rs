//! What the dispatcher asks of a queue, whatever keeps it.

use crate::job::{HistoryEntry, Job, JobRequest, JobState, Moment, QueueTag, Record};
use pool_core::JobGroup;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// What can be asked about single jobs and pages of them.
pub(crate) trait JobReader {
    /// One job; none if there is none, or it was pruned.
    fn job(&self, number: u64) -> Result<Option<Job>, QueueError>;

    /// A page of jobs.
    fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, QueueError>;

    /// What has happened to a job, oldest first.
    fn history(&self, number: u64) -> Result<Vec<HistoryEntry>, QueueError>;
}

/// Where jobs are kept. Called inline by one owner, the dispatcher.
///
/// # Contract
/// * [`commit`](Self::commit) is all or nothing, and durable when it returns: it survives a loss of power.
/// * A commit that fails has changed nothing, and the queue can be used again: a full disk that has room again needs
///   no restart.
/// * Numbers count up from 1 and are never given twice, also when jobs were pruned.
pub(crate) trait Queue: JobReader + Send {
    /// The tag of this queue's jobs, made when the queue was.
    fn tag(&self) -> &QueueTag;

    /// The number that the next new job gets.
    fn next_number(&self) -> u64;

    /// The driver and instance set that the jobs run on that are locked or running, as one text; none while none was
    /// ever set.
    fn cloud(&self) -> Result<Option<String>, QueueError>;

    /// Binds the queue to a driver and instance set. Durable when it returns.
    fn bind_to_cloud(&mut self, cloud: &str) -> Result<(), QueueError>;

    /// Every job that is not final, by number.
    fn unfinished(&self) -> Result<Vec<Job>, QueueError>;

    /// Makes changes durable, all or none.
    fn commit(&mut self, changes: &[Change]) -> Result<(), QueueError>;

    /// Whether there is room for changes after some could not be made, found out by writing. What is stored stays as it is.
    fn try_to_write(&mut self) -> Result<(), QueueError>;

    /// What was submitted under this request id: the numbers of its jobs, first and count. None if nothing was.
    fn submission(&self, request_id: &str) -> Result<Option<(u64, u64)>, QueueError>;

    /// What was submitted, of one job; for who has the rest.
    fn request(&self, number: u64) -> Result<Option<Arc<JobRequest>>, QueueError>;

    /// How many jobs there are of each state; states without any may be absent.
    fn counts(&self) -> Result<BTreeMap<JobState, u64>, QueueError>;

    /// The oldest final jobs, by when they ended, that are more than `keep` or ended before `before`: at most `limit`
    /// numbers, to be pruned. None that ended at `recent` or later.
    fn prunable(
        &self,
        before: Moment,
        recent: Moment,
        keep: u64,
        limit: usize,
    ) -> Result<Vec<u64>, QueueError>;
}

/// A change of the queue.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// New jobs. Their numbers follow [`Queue::next_number`].
    Submit {
        /// Names the submission, so that asking again after a lost answer makes no second one.
        request_id: Option<String>,
        jobs: Vec<NewJob>,
    },
    /// A job's record, and a line of its history, if it is worth one.
    Update { number: u64, record: Box<Record>, history: Option<HistoryEntry> },
    /// A final job is dropped, with its history.
    Prune { number: u64 },
}

/// A job that is new.
#[derive(Clone, Debug)]
pub(crate) struct NewJob {
    pub(crate) number: u64,
    pub(crate) submitted: Moment,
    pub(crate) request: Arc<JobRequest>,
}

/// Which jobs a page shows. Newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct JobFilter {
    /// Any of these; empty: all.
    pub(crate) states: Vec<JobState>,
    pub(crate) group: Option<JobGroup>,
    pub(crate) name: Option<String>,
    /// All of these.
    pub(crate) labels: BTreeMap<String, String>,
    /// Only jobs with a smaller number: where the page before ended.
    pub(crate) before: Option<u64>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// The queue could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum QueueError {
    /// Nothing was stored.
    #[error("there is no room for the queue on the disk of {path}: make room")]
    DiskFull { path: PathBuf },
    /// The file holds something else, or is damaged. It was left as it is.
    #[error(
        "{path} is damaged or is no queue of poold, and was left as it is: move it away, or restore it from a backup"
    )]
    Damaged {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer release wrote it. It was left as it is.
    #[error(
        "{path} was written by a newer release of poold (format {found}, this one knows up to {known}) and was left as \
         it is: use that release"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// One process at a time.
    #[error("another program uses the queue {path}: stop it first")]
    InUse { path: PathBuf },
    /// Its owner is gone: this program ends.
    #[error("the queue {path} is closed: poold is stopping")]
    Closed { path: PathBuf },
    /// Anything else.
    #[error("the queue {path} cannot be used")]
    Failed {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
