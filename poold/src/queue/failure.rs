//! What SQLite's errors mean for a queue.

use super::QueueError;
use rusqlite::ErrorCode;
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// A row that says what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("job {number}: its {what} cannot be read")]
pub(super) struct BadRow {
    pub(super) number: u64,
    pub(super) what: &'static str,
    #[source]
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}

/// A step on the way to a [`QueueError`], for code that does not know the file.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// The file's content is not what we wrote.
    Damaged(Box<dyn std::error::Error + Send + Sync>),
    /// We were asked for what cannot be: an error of this program.
    Misuse(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<BadRow> for Failure {
    fn from(row: BadRow) -> Self {
        Self::Damaged(row.into())
    }
}

impl Failure {
    pub(super) fn at(self, path: &Path) -> QueueError {
        let path = path.to_owned();
        match self {
            Self::Sqlite(error) => of_sqlite(path, error),
            Self::Damaged(source) => QueueError::Damaged { path, source },
            Self::Misuse(problem) => QueueError::Failed { path, source: problem.into() },
        }
    }
}

fn of_sqlite(path: PathBuf, error: rusqlite::Error) -> QueueError {
    use rusqlite::Error as E;
    let source = Box::new(error);
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => QueueError::DiskFull { path },
        // SQLite says "disk full" for ENOSPC of a write alone, not for a quota, or when a file is made or synced.
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if no_room_beside(&path) => {
            QueueError::DiskFull { path }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => QueueError::Damaged { path, source },
        Some(_) => QueueError::Failed { path, source },
        None => match *source {
            // Not of the types that the tables have, or not there at all.
            E::InvalidColumnType(..)
            | E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::Utf8Error(..)
            | E::QueryReturnedNoRows => QueueError::Damaged { path, source },
            _ => QueueError::Failed { path, source },
        },
    }
}

pub(super) fn of_io(path: &Path, error: io::Error) -> QueueError {
    let path = path.to_owned();
    if is_no_room(&error) {
        QueueError::DiskFull { path }
    } else {
        QueueError::Failed { path, source: error.into() }
    }
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the file's disk takes no more, found out by trying: the number of the system's error is not to be had.
pub(super) fn no_room_beside(path: &Path) -> bool {
    static A_FEW_PAGES: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tried = tempfile::tempfile_in(directory).and_then(|mut file| {
        file.write_all(&A_FEW_PAGES)?;
        file.sync_all()
    });
    tried.is_err_and(|error| is_no_room(&error))
}
