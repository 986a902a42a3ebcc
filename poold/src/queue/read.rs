//! Questions about jobs, over whichever connection.

use super::{
    JobFilter, JobReader, QueueError,
    failure::Failure,
    page,
    rows::{self, column, select_jobs},
};
use crate::job::{HistoryEntry, Job, QueueTag};
use rusqlite::{Connection, Params};
use std::path::Path;

/// A queue's file, to be read.
pub(super) struct Reading<'a> {
    pub(super) on: &'a Connection,
    pub(super) tag: &'a QueueTag,
    pub(super) path: &'a Path,
}

impl Reading<'_> {
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, QueueError> {
        read(self.on).map_err(|failure| failure.at(self.path))
    }

    pub(super) fn read_jobs(&self, sql: &str, parameters: impl Params) -> Result<Vec<Job>, QueueError> {
        self.read(|on| {
            let mut statement = on.prepare_cached(sql)?;
            let mut rows = statement.query(parameters)?;
            let mut jobs = Vec::new();
            while let Some(row) = rows.next()? {
                jobs.push(rows::job(self.tag, row)?);
            }
            Ok(jobs)
        })
    }
}

impl JobReader for Reading<'_> {
    fn job(&self, number: u64) -> Result<Option<Job>, QueueError> {
        let jobs = self.read_jobs(select_jobs!("WHERE jobs.number = ?1"), [column(number)])?;
        Ok(jobs.into_iter().next())
    }

    fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, QueueError> {
        let numbers = self.read(|on| page::numbers(on, filter))?;
        let mut jobs = Vec::with_capacity(numbers.len());
        for number in numbers {
            jobs.extend(self.job(number)?);
        }
        Ok(jobs)
    }

    fn history(&self, number: u64) -> Result<Vec<HistoryEntry>, QueueError> {
        self.read(|on| {
            let mut statement =
                on.prepare_cached("SELECT at, state, detail FROM history WHERE number = ?1 ORDER BY line")?;
            let mut rows = statement.query([column(number)])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(rows::history(number, row)?);
            }
            Ok(entries)
        })
    }
}
