//! What can be answered from the queue's file alone.

use crate::{
    api::{JobDetail, JobPage, JobRow},
    job::{HistoryEntry, JobState},
    queue::{JobFilter, JobReader, QueueError},
};

pub(super) fn page(reader: &dyn JobReader, filter: &JobFilter) -> Result<JobPage, QueueError> {
    let jobs = reader.jobs(filter)?;
    let full = jobs.len() >= filter.limit;
    let next = jobs.last().map(|job| job.number).filter(|_| full);
    Ok(JobPage { jobs: jobs.iter().map(JobRow::from).collect(), next })
}

/// None if there is no such job.
pub(super) fn detail(reader: &dyn JobReader, number: u64) -> Result<Option<JobDetail>, QueueError> {
    let Some(job) = reader.job(number)? else { return Ok(None) };
    let stored = reader.history(number)?;
    let first = HistoryEntry { at: job.submitted, state: JobState::Queued, detail: "submitted".to_owned() };
    let history = std::iter::once(first).chain(stored).collect();
    Ok(Some(JobDetail { job: JobRow::from(&job), history }))
}

/// Those of these jobs that there are.
pub(super) fn rows(reader: &dyn JobReader, numbers: &[u64]) -> Result<Vec<JobRow>, QueueError> {
    let mut rows = Vec::with_capacity(numbers.len());
    for number in numbers {
        rows.extend(reader.job(*number)?.as_ref().map(JobRow::from));
    }
    Ok(rows)
}
