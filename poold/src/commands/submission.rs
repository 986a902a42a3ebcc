//! Jobs on their way into the queue, in batches.

use super::{
    failure::Failure,
    requests::{MAX_JOBS, Origin, Requests, Written},
};
use crate::{
    api::ServiceError,
    client::{Client, ClientError},
};
use pool_core::JobId;
use std::ops::Range;

/// Jobs of a batch.
const MAX_BATCH_JOBS: usize = 1000;
/// Bytes of a batch. The server takes more; the first ids are to come soon.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Queues all jobs. `queued` is told of each batch as soon as it is durable.
///
/// # Errors
/// What the server says against a job names the job's place in the file. What was queued before stays.
pub(super) async fn submit(
    client: &Client,
    requests: &Requests,
    mut queued: impl FnMut(&[JobId]) -> Result<(), Failure>,
) -> Result<Vec<JobId>, Failure> {
    debug_assert!(requests.jobs.len() <= MAX_JOBS as usize);
    let mut ids = Vec::with_capacity(requests.jobs.len());
    for batch in batches(&requests.jobs) {
        let jobs: Vec<_> = requests.jobs[batch.clone()].iter().map(|job| job.json.clone()).collect();
        let request_id = format!("{:032x}", rand::random::<u128>());
        let submitted = client
            .submit(&request_id, &jobs)
            .await
            .map_err(|error| Failure::from(placed(error, requests, batch.start)));
        let told = submitted.and_then(|submitted| {
            ids.extend_from_slice(&submitted.ids);
            queued(&submitted.ids)
        });
        told.map_err(|failure| part(failure, ids.len(), requests.jobs.len()))?;
    }
    Ok(ids)
}

fn part(failure: Failure, done: usize, all: usize) -> Failure {
    if done == 0 || (done == all && matches!(failure, Failure::Closed)) {
        return failure;
    }
    let done = format!("only {done} of {all} jobs were submitted; the others are not in the queue");
    Failure::Partly { done, source: Box::new(failure) }
}

fn batches(jobs: &[Written]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, job) in jobs.iter().enumerate() {
        let size = job.json.get().len() + 1;
        if at > start && (at - start >= MAX_BATCH_JOBS || bytes + size > MAX_BATCH_BYTES) {
            batches.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < jobs.len() {
        batches.push(start..jobs.len());
    }
    batches
}

/// `jobs[7].cpus` of a batch is `jobs.jsonl:1012: cpus` for people.
fn placed(error: ClientError, requests: &Requests, first: usize) -> ClientError {
    let ClientError::Refused(ServiceError { code, message, mut fields }) = error else { return error };
    for bad in &mut fields {
        let Some((index, field)) = bad.field.strip_prefix("jobs[").and_then(|rest| rest.split_once(']'))
        else {
            continue;
        };
        let Ok(index) = index.parse::<usize>() else { continue };
        let field = field.trim_start_matches('.');
        bad.field = match requests.origin(first + index) {
            Origin::CommandLine => field.to_owned(),
            Origin::Line(file, line) => format!("{file}:{line}: {field}"),
        };
    }
    // The jobs of an array all have the same problem.
    fields.dedup();
    ClientError::Refused(ServiceError { code, message, fields })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_core::FieldProblem;

    fn lines(count: usize, size: usize) -> Requests {
        let line = format!("{{\"command\":[\"true\",\"{}\"]}}\n\n", "x".repeat(size));
        Requests::from_lines(line.repeat(count).as_bytes(), "jobs").unwrap()
    }

    #[test]
    fn batches_are_bounded_in_number_and_size_and_none_is_left_out() {
        let sizes = |requests: &Requests| {
            batches(&requests.jobs).iter().map(ExactSizeIterator::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&lines(1, 1)), [1]);
        assert_eq!(sizes(&lines(2000, 1)), [1000, 1000]);
        assert_eq!(sizes(&lines(2001, 1)), [1000, 1000, 1]);
        let large = lines(100, 100_000);
        let batches = batches(&large.jobs);
        assert_eq!((batches[0].start, batches.last().unwrap().end), (0, 100));
        for batch in &batches {
            let bytes: usize = large.jobs[batch.clone()].iter().map(|job| job.json.get().len()).sum();
            assert!(bytes <= MAX_BATCH_BYTES && bytes > MAX_BATCH_BYTES / 3, "{batch:?}");
        }
    }

    #[test]
    fn a_refused_job_is_named_by_its_line() {
        let requests = lines(3, 1);
        let field = |field: &str| FieldProblem { field: field.to_owned(), problem: "too many".to_owned() };
        let refused = |fields| {
            let error = ClientError::Refused(ServiceError::invalid_jobs(fields));
            let ClientError::Refused(error) = placed(error, &requests, 1) else { panic!() };
            error.fields.into_iter().map(|bad| bad.field).collect::<Vec<_>>()
        };
        assert_eq!(refused(vec![field("jobs[1].cpus"), field("request_id")]), ["jobs:5: cpus", "request_id"]);
    }
}
