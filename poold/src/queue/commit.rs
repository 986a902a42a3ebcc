//! What is written.

use super::{
    Change, NewJob,
    failure::Failure,
    rows::{column, unsigned},
    schema::meta,
};
use crate::job::{HistoryEntry, JobState, Moment, Record};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Lines of history that a job keeps: the newest. Nothing bounds how often a job is given to workers that refuse it.
const HISTORY_LINES: i64 = 200;

/// What is known without asking the file. Changed only with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Totals {
    pub(super) next_number: u64,
    pub(super) counts: BTreeMap<JobState, u64>,
}

impl Totals {
    fn add(&mut self, state: JobState) {
        *self.counts.entry(state).or_default() += 1;
    }

    fn remove(&mut self, state: JobState) {
        let count = self.counts.entry(state).or_default();
        *count = count.saturating_sub(1);
    }
}

/// Writes changes, within a transaction of the caller's.
pub(super) fn write(on: &Connection, totals: &mut Totals, changes: &[Change]) -> Result<(), Failure> {
    let first = totals.next_number;
    let last_updates = last_updates(changes);
    for (at, change) in changes.iter().enumerate() {
        match change {
            Change::Submit { request_id, jobs } => submit(on, totals, request_id.as_deref(), jobs)?,
            Change::Update { number, record, history } => {
                // A short job is started and ended in one pass: its row is written once.
                if last_updates.get(number) == Some(&at) {
                    update(on, totals, *number, record)?;
                }
                if let Some(entry) = history {
                    add_history(on, *number, entry)?;
                }
            }
            Change::Prune { number } => prune(on, totals, *number)?,
        }
    }
    if totals.next_number != first {
        on.prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?
            .execute((meta::NEXT_NUMBER, column(totals.next_number)))?;
    }
    Ok(())
}

/// Where the last update of each job is.
fn last_updates(changes: &[Change]) -> HashMap<u64, usize> {
    let update = |(at, change): (usize, &Change)| match change {
        Change::Update { number, .. } => Some((*number, at)),
        Change::Submit { .. } | Change::Prune { .. } => None,
    };
    changes.iter().enumerate().filter_map(update).collect()
}

fn submit(
    on: &Connection,
    totals: &mut Totals,
    request_id: Option<&str>,
    jobs: &[NewJob],
) -> Result<(), Failure> {
    if let (Some(request_id), Some(first)) = (request_id, jobs.first()) {
        on.prepare_cached("INSERT INTO submissions (request_id, first, count) VALUES (?1, ?2, ?3)")?
            .execute((request_id, column(first.number), column(jobs.len() as u64)))?;
    }
    let mut into_jobs = on.prepare_cached(
        "INSERT INTO jobs (number, state, name, grp, labels, submitted, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut into_requests = on.prepare_cached("INSERT INTO requests (number, request) VALUES (?1, ?2)")?;
    for NewJob { number, submitted, request } in jobs {
        if *number != totals.next_number {
            let expected = totals.next_number;
            return Err(Failure::Misuse(format!("a new job has number {number}, not {expected}")));
        }
        let record = Record::new(request.priority);
        into_jobs.execute(params![
            column(*number),
            record.state.as_str(),
            request.name,
            request.group.as_ref().map(pool_core::JobGroup::as_str),
            (!request.labels.is_empty()).then(|| json(&request.labels)).transpose()?,
            column(submitted.0),
            json(&record)?,
        ])?;
        into_requests.execute((column(*number), json(&**request)?))?;
        totals.next_number += 1;
        totals.add(record.state);
    }
    Ok(())
}

fn update(on: &Connection, totals: &mut Totals, number: u64, record: &Record) -> Result<(), Failure> {
    let Some((before, submitted)) = state(on, number)? else {
        return Err(Failure::Misuse(format!("there is no job {number} to be changed")));
    };
    let ended = record.state.is_final().then(|| column(record.ended.unwrap_or(submitted).0));
    on.prepare_cached("UPDATE jobs SET state = ?2, ended = ?3, record = ?4 WHERE number = ?1")?.execute((
        column(number),
        record.state.as_str(),
        ended,
        json(record)?,
    ))?;
    totals.remove(before);
    totals.add(record.state);
    Ok(())
}

fn add_history(on: &Connection, number: u64, entry: &HistoryEntry) -> Result<(), Failure> {
    let number = column(number);
    let line: i64 = on
        .prepare_cached(
            "INSERT INTO history (number, line, at, state, detail)
             SELECT ?1, coalesce(max(line), 0) + 1, ?2, ?3, ?4 FROM history WHERE number = ?1 RETURNING line",
        )?
        .query_row((number, column(entry.at.0), entry.state.as_str(), &entry.detail), |row| row.get(0))?;
    if line > HISTORY_LINES {
        on.prepare_cached("DELETE FROM history WHERE number = ?1 AND line <= ?2")?
            .execute((number, line - HISTORY_LINES))?;
    }
    Ok(())
}

fn prune(on: &Connection, totals: &mut Totals, number: u64) -> Result<(), Failure> {
    // Again after an answer that was lost.
    let Some((state, _)) = state(on, number)? else { return Ok(()) };
    if !state.is_final() {
        return Err(Failure::Misuse(format!("job {number} is {state}: it cannot be pruned")));
    }
    on.prepare_cached("DELETE FROM jobs WHERE number = ?1")?.execute([column(number)])?;
    totals.remove(state);
    forget_submission(on, number)
}

/// A submission is known as long as one of its jobs.
fn forget_submission(on: &Connection, number: u64) -> Result<(), Failure> {
    let found: Option<(i64, i64)> = on
        .prepare_cached("SELECT first, count FROM submissions WHERE first <= ?1 ORDER BY first DESC LIMIT 1")?
        .query_row([column(number)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((first, count)) = found.filter(|(first, count)| column(number) < first + count) else {
        return Ok(());
    };
    on.prepare_cached(
        "DELETE FROM submissions WHERE first = ?1
         AND NOT EXISTS (SELECT 1 FROM jobs WHERE number >= ?1 AND number < ?1 + ?2)",
    )?
    .execute((first, count))?;
    Ok(())
}

/// The state that is stored, and when the job was submitted.
fn state(on: &Connection, number: u64) -> Result<Option<(JobState, Moment)>, Failure> {
    let found: Option<(String, u64)> = on
        .prepare_cached("SELECT state, submitted FROM jobs WHERE number = ?1")?
        .query_row([column(number)], |row| Ok((row.get(0)?, unsigned(row, 1)?)))
        .optional()?;
    let Some((state, submitted)) = found else { return Ok(None) };
    Ok(Some((super::rows::job_state(number, &state)?, Moment(submitted))))
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Misuse(format!("it is no JSON: {error}")))
}
