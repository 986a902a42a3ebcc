//! What is read.

use super::failure::{BadRow, Failure};
use crate::job::{HistoryEntry, Job, JobState, Moment, QueueTag};
use rusqlite::Row;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// As SQLite stores it. Nothing that we count comes near the difference.
pub(super) fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(at)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, value))
}

/// What [`job`] reads, of jobs that the rest of the statement chooses.
macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT jobs.number, state, submitted, record, request FROM jobs LEFT JOIN requests USING (number) ",
            $rest
        )
    };
}
pub(super) use select_jobs;

pub(super) fn job(tag: &QueueTag, row: &Row<'_>) -> Result<Job, Failure> {
    let number = unsigned(row, 0)?;
    let bad = |what, source| BadRow { number, what, source };
    let text = |at, what| row.get::<_, String>(at).map_err(|error| bad(what, error.into()));
    let state = job_state(number, &text(1, "state")?)?;
    let submitted = unsigned(row, 2).map_err(|error| bad("time of submission", error.into()))?;
    let record: crate::job::Record = parse(number, "record", &text(3, "record")?)?;
    if record.state != state {
        let problem = format!("it says {}, and the column {state}", record.state);
        return Err(bad("record", problem.into()).into());
    }
    Ok(Job {
        number,
        id: tag.job_id(number),
        submitted: Moment(submitted),
        request: Arc::new(parse(number, "request", &text(4, "request")?)?),
        record,
    })
}

pub(super) fn history(number: u64, row: &Row<'_>) -> Result<HistoryEntry, Failure> {
    let state: String = row.get(1)?;
    Ok(HistoryEntry { at: Moment(unsigned(row, 0)?), state: job_state(number, &state)?, detail: row.get(2)? })
}

pub(super) fn job_state(number: u64, text: &str) -> Result<JobState, BadRow> {
    JobState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| BadRow {
        number,
        what: "state",
        source: format!("there is no state {text:?}").into(),
    })
}

pub(super) fn parse<T: DeserializeOwned>(number: u64, what: &'static str, text: &str) -> Result<T, BadRow> {
    serde_json::from_str(text).map_err(|error| BadRow { number, what, source: error.into() })
}
