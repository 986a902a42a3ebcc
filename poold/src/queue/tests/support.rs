//! What tests of queues share.

use crate::{
    job::{Finish, HistoryEntry, JobRequest, JobState, Moment, Record},
    queue::{Change, NewJob, Queue, SqliteQueue},
};
use std::{path::PathBuf, sync::Arc};

/// A queue in a directory that goes with it.
pub(super) struct Temporary {
    pub(super) directory: tempfile::TempDir,
}

impl Temporary {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("queue.sqlite")
    }

    pub(super) fn open(&self) -> SqliteQueue {
        SqliteQueue::open(&self.path()).unwrap()
    }
}

pub(super) fn request(name: &str) -> JobRequest {
    JobRequest { name: Some(name.to_owned()), ..JobRequest::new(["echo", name]) }
}

/// New jobs as a submission of the queue's next numbers, a second after one another.
pub(super) fn submit(queue: &dyn Queue, requests: impl IntoIterator<Item = JobRequest>) -> Change {
    submit_as(queue, None, requests)
}

pub(super) fn submit_as(
    queue: &dyn Queue,
    request_id: Option<&str>,
    requests: impl IntoIterator<Item = JobRequest>,
) -> Change {
    let jobs = (queue.next_number()..).zip(requests).map(|(number, request)| NewJob {
        number,
        submitted: Moment(number * 1000),
        request: Arc::new(request),
    });
    Change::Submit { request_id: request_id.map(str::to_owned), jobs: jobs.collect() }
}

pub(super) fn record(state: JobState, ended: Option<u64>) -> Record {
    let finish = match state {
        JobState::Complete => Some(Finish::Exited { code: 0 }),
        JobState::Cancelled => Some(Finish::Cancelled { reason: "killed".into() }),
        _ => None,
    };
    Record { state, ended: ended.map(Moment), finish, ..Record::new(7) }
}

pub(super) fn update(number: u64, record: Record) -> Change {
    let entry = HistoryEntry { at: Moment(number), state: record.state, detail: "so it is".into() };
    Change::Update { number, record: record.into(), history: Some(entry) }
}

pub(super) fn numbers(queue: &dyn Queue) -> Vec<u64> {
    queue.unfinished().unwrap().iter().map(|job| job.number).collect()
}
