//! The queue in a file.

use super::{
    Change, JobFilter, JobReader, Queue, QueueError, QueueReader,
    commit::{self, Totals},
    failure::{Failure, no_room_beside},
    file::{self, Lock},
    read::Reading,
    rows::{self, column, select_jobs, unsigned},
    schema::meta,
};
use crate::job::{HistoryEntry, Job, JobRequest, JobState, Moment, QueueTag};
use rand::Rng;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, types::FromSql};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A queue in one SQLite file, with its log and locks beside it.
///
/// Others may read the file while it is in use (`sqlite3 -readonly`); only one process at a time opens it as a queue.
#[derive(Debug)]
pub(crate) struct SqliteQueue {
    pub(super) connection: Connection,
    path: PathBuf,
    tag: QueueTag,
    totals: Totals,
    reader: QueueReader,
    /// Dropped last.
    _lock: Lock,
}

impl SqliteQueue {
    /// Opens a queue, which is made if there is none. The file of an older release is brought up to date.
    ///
    /// # Errors
    /// [`QueueError`]. A file that cannot be used is left as it is, byte for byte.
    pub(crate) fn open(path: &Path) -> Result<Self, QueueError> {
        Self::open_with(path, &mut rand::rng())
    }

    /// The same with a source of chance, which the tag of a new queue comes from.
    ///
    /// # Errors
    /// [`QueueError`].
    pub(crate) fn open_with(path: &Path, rng: &mut impl Rng) -> Result<Self, QueueError> {
        let lock = Lock::acquire(path)?;
        let connection = file::open(path, &QueueTag::draw(rng))?;
        let read = read_meta(&connection).and_then(|read| Ok(file::accept(&connection).map(|()| read)?));
        let (tag, totals) = read.map_err(|failure| failure.at(path))?;
        let reader = QueueReader::new(path.to_owned(), tag.clone(), file::LOG_SIZE.into());
        Ok(Self { connection, path: path.to_owned(), tag, totals, reader, _lock: lock })
    }

    /// Answers questions beside this owner of the file, from now on and for as long as it is there.
    pub(crate) fn reader(&self) -> QueueReader {
        self.reader.clone()
    }

    fn reading(&self) -> Reading<'_> {
        Reading { on: &self.connection, tag: &self.tag, path: &self.path }
    }

    fn failed(&self) -> impl Fn(Failure) -> QueueError {
        |failure| failure.at(&self.path)
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, QueueError> {
        self.reading().read(read)
    }
}

impl Drop for SqliteQueue {
    fn drop(&mut self) {
        // The last connection to be closed moves the log into the file: let it be the owner's.
        self.reader.close();
    }
}

fn read_meta(on: &Connection) -> Result<(QueueTag, Totals), Failure> {
    let damaged = |problem: String| Failure::Damaged(problem.into());
    let tag: Option<String> = meta_value(on, meta::TAG)?;
    let tag = tag.as_deref().and_then(QueueTag::parse).ok_or_else(|| damaged("it has no tag".to_owned()))?;
    let next: Option<i64> = meta_value(on, meta::NEXT_NUMBER)?;
    let last: i64 = on.query_row("SELECT coalesce(max(number), 0) FROM jobs", [], |row| row.get(0))?;
    let next = next.filter(|next| *next > last).and_then(|next| u64::try_from(next).ok());
    let next_number = next.ok_or_else(|| damaged(format!("its next number is not after job {last}")))?;
    let mut counts = BTreeMap::new();
    let mut statement = on.prepare("SELECT state, count(*), max(number) FROM jobs GROUP BY state")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (state, number): (String, _) = (row.get(0)?, unsigned(row, 2)?);
        counts.insert(rows::job_state(number, &state)?, unsigned(row, 1)?);
    }
    Ok((tag, Totals { next_number, counts }))
}

fn meta_value<T: FromSql>(on: &Connection, key: &str) -> Result<Option<T>, Failure> {
    let mut statement = on.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

impl JobReader for SqliteQueue {
    fn job(&self, number: u64) -> Result<Option<Job>, QueueError> {
        self.reading().job(number)
    }

    fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, QueueError> {
        self.reading().jobs(filter)
    }

    fn history(&self, number: u64) -> Result<Vec<HistoryEntry>, QueueError> {
        self.reading().history(number)
    }
}

impl Queue for SqliteQueue {
    fn tag(&self) -> &QueueTag {
        &self.tag
    }

    fn next_number(&self) -> u64 {
        self.totals.next_number
    }

    fn cloud(&self) -> Result<Option<String>, QueueError> {
        self.read(|on| meta_value(on, meta::CLOUD))
    }

    fn bind_to_cloud(&mut self, cloud: &str) -> Result<(), QueueError> {
        self.read(|on| {
            on.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", (meta::CLOUD, cloud))?;
            Ok(())
        })
    }

    fn unfinished(&self) -> Result<Vec<Job>, QueueError> {
        self.reading().read_jobs(
            select_jobs!("WHERE state IN ('queued', 'locked', 'running') ORDER BY jobs.number"),
            [],
        )
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), QueueError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut totals = self.totals.clone();
        let written = (|| {
            // Rolled back when it is dropped before it is committed, or when the commit fails.
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            commit::write(&transaction, &mut totals, changes)?;
            Ok(transaction.commit()?)
        })();
        written.map_err(self.failed())?;
        self.totals = totals;
        Ok(())
    }

    fn try_to_write(&mut self) -> Result<(), QueueError> {
        // Where a single page has room, the next job may have none.
        if no_room_beside(&self.path) {
            return Err(QueueError::DiskFull { path: self.path.clone() });
        }
        self.read(|on| {
            on.execute("UPDATE meta SET value = value WHERE key = ?1", [meta::TAG])?;
            Ok(())
        })
    }

    fn submission(&self, request_id: &str) -> Result<Option<(u64, u64)>, QueueError> {
        self.read(|on| {
            let mut statement =
                on.prepare_cached("SELECT first, count FROM submissions WHERE request_id = ?1")?;
            let found = statement.query_row([request_id], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)));
            Ok(found.optional()?)
        })
    }

    fn request(&self, number: u64) -> Result<Option<Arc<JobRequest>>, QueueError> {
        self.read(|on| {
            let mut statement = on.prepare_cached("SELECT request FROM requests WHERE number = ?1")?;
            let found: Option<String> = statement.query_row([column(number)], |row| row.get(0)).optional()?;
            Ok(found.map(|text| rows::parse(number, "request", &text)).transpose()?.map(Arc::new))
        })
    }

    fn counts(&self) -> Result<BTreeMap<JobState, u64>, QueueError> {
        Ok(self.totals.counts.clone())
    }

    fn prunable(
        &self,
        before: Moment,
        recent: Moment,
        keep: u64,
        limit: usize,
    ) -> Result<Vec<u64>, QueueError> {
        let finals = self.totals.counts.iter().filter(|(state, _)| state.is_final());
        let too_many = finals.map(|(_, count)| count).sum::<u64>().saturating_sub(keep);
        self.read(|on| {
            // Those to be pruned come first, for either reason.
            let mut statement = on.prepare_cached(
                "SELECT number, ended FROM jobs WHERE ended IS NOT NULL ORDER BY ended, number LIMIT ?1",
            )?;
            let mut rows = statement.query([column(limit as u64)])?;
            let mut numbers = Vec::new();
            while let Some(row) = rows.next()? {
                let ended = unsigned(row, 1)?;
                if ended >= recent.0 || (numbers.len() as u64 >= too_many && ended >= before.0) {
                    break;
                }
                numbers.push(unsigned(row, 0)?);
            }
            Ok(numbers)
        })
    }
}
