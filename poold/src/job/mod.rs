//! What a job is: what was asked for, and how it stands.

mod key;
mod moment;
mod record;
mod request;

pub(crate) use key::{JobKey, QueueTag};
pub(crate) use moment::Moment;
pub(crate) use record::{Assigned, Finish, HistoryEntry, Job, JobState, OutputKept, Record};
pub(crate) use request::{DEFAULT_PRIORITY, JobRequest, MAX_JOB_SIZE};
