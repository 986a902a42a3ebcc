//! The file of an SQLite queue: made, recognised, brought up to date, and never harmed.

use super::{
    QueueError,
    failure::{Failure, of_io},
    schema::{APPLICATION_ID, MIGRATIONS, meta},
};
use crate::job::QueueTag;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};
use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// For others who have the file open, such as an operator with `sqlite3` at it. Everything stands still meanwhile.
const BUSY: Duration = Duration::from_secs(2);
/// For the owner's commit under way, when the log is emptied beside it. The owner waits meanwhile.
const BUSY_TO_EMPTY: Duration = Duration::from_millis(200);
/// How long a lock that another has is waited for. A program that was just killed gives up its files one after the other,
/// and a process that it was forking has them until it executes its own program.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// The write-ahead log is cut to this when it is empty; a large submission may make it larger.
pub(super) const LOG_SIZE: u32 = 64 * 1024 * 1024;
const STATEMENTS: usize = 64;

/// No other process uses the queue while this is there.
///
/// A file of its own: the kernel would drop SQLite's own locks with the first descriptor of the queue's file that any
/// code in this process closes.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Blocks for up to about a second while another process has it.
    pub(super) fn acquire(queue: &Path) -> Result<Self, QueueError> {
        let path = beside(queue, "-lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(|error| of_io(&path, error))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(QueueError::InUse { path: queue.to_owned() }),
                Err(TryLockError::Error(error)) => return Err(of_io(&path, error)),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone leaves it to a process that another thread has just forked. An error leaves it to the closing.
        drop(self.0.unlock());
    }
}

/// Opens the file, which is made if it is not there. What cannot be used is left as it is, byte for byte.
///
/// The caller holds its [`Lock`], and [`accept`]s what it was given. A new file gets the tag.
pub(super) fn open(path: &Path, tag: &QueueTag) -> Result<Connection, QueueError> {
    open_with(path, MIGRATIONS, tag)
}

pub(super) fn open_with(path: &Path, migrations: &[&str], tag: &QueueTag) -> Result<Connection, QueueError> {
    // Looked at before SQLite does, which would change a file that another program left half-written.
    match Head::read(path).map_err(|error| of_io(path, error))? {
        Some(head) => head.check(path, migrations)?,
        None => create(path, migrations, tag)?,
    }
    connect(path, migrations).map_err(|failure| failure.at(path)).and_then(|(connection, format)| {
        match i64::try_from(migrations.len()) {
            Ok(known) if format > known => Err(newer(path, format, known)),
            _ => Ok(connection),
        }
    })
}

fn newer(path: &Path, found: i64, known: i64) -> QueueError {
    QueueError::Newer { path: path.to_owned(), found, known }
}

/// The beginning of an SQLite file (<https://www.sqlite.org/fileformat.html>).
struct Head {
    is_sqlite: bool,
    length: usize,
    format: i64,
    application: i32,
}

impl Head {
    /// None if there is no file.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        // Not opened if it is something else: to open a named pipe would wait for its other end.
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => return Err(io::Error::other("it is not a file")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(100).read_to_end(&mut bytes)?;
        let number = |at: usize| {
            bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, i32::from_be_bytes)
        };
        Ok(Some(Self {
            is_sqlite: bytes.starts_with(b"SQLite format 3\0"),
            length: bytes.len(),
            format: number(60).into(),
            application: number(68),
        }))
    }

    fn check(&self, path: &Path, migrations: &[&str]) -> Result<(), QueueError> {
        let known = migrations.len() as i64;
        let damaged = |problem: &str| {
            let source = problem.to_owned().into();
            Err(QueueError::Damaged { path: path.to_owned(), source })
        };
        if self.length == 0 {
            damaged("it is empty")
        } else if !self.is_sqlite {
            damaged("it is no SQLite file")
        } else if self.length < 100 {
            damaged("it was cut off")
        } else if self.application != APPLICATION_ID {
            damaged("it is an SQLite file of another program")
        } else if self.format < 1 {
            damaged("it names no format")
        } else if self.format > known {
            Err(newer(path, self.format, known))
        } else {
            Ok(())
        }
    }
}

/// Makes the file under another name, so that what has the queue's name is whole.
fn create(path: &Path, migrations: &[&str], tag: &QueueTag) -> Result<(), QueueError> {
    refuse_leftovers(path)?;
    let new = beside(path, ".new");
    let created =
        create_new(&new, migrations, tag).and_then(|()| fs::rename(&new, path).map_err(|e| of_io(path, e)));
    if created.is_err() {
        // It holds nothing of worth; what stays is deleted at the next try.
        drop(remove_new(&new));
    }
    created?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| of_io(directory, error))
}

/// SQLite would take what is left of a file that is gone for a part of the new one.
fn refuse_leftovers(path: &Path) -> Result<(), QueueError> {
    for suffix in ["-wal", "-journal"] {
        let leftover = beside(path, suffix);
        match fs::metadata(&leftover) {
            Ok(found) if found.len() > 0 => {
                let source = format!("it holds changes of {}, which is not there", path.display()).into();
                return Err(QueueError::Damaged { path: leftover, source });
            }
            Ok(_) => fs::remove_file(&leftover).map_err(|error| of_io(&leftover, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(of_io(&leftover, error)),
        }
    }
    // An index of the log, made again from it.
    remove_if_there(&beside(path, "-shm")).map_err(|error| of_io(path, error))
}

fn create_new(new: &Path, migrations: &[&str], tag: &QueueTag) -> Result<(), QueueError> {
    let io = |error| of_io(new, error);
    remove_new(new).map_err(io)?;
    // SQLite gives the files beside it the same mode.
    let file = File::options().write(true).create_new(true).mode(0o600).open(new).map_err(io)?;
    let fill = || -> Result<(), Failure> {
        let mut connection = Connection::open_with_flags(new, flags())?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction()?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        migrate(&transaction, 0, migrations)?;
        let insert = "INSERT INTO meta (key, value) VALUES (?1, ?2)";
        transaction.execute(insert, (meta::TAG, tag.as_str()))?;
        transaction.execute(insert, (meta::NEXT_NUMBER, 1))?;
        transaction.commit()?;
        // Moves all into the one file.
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    };
    fill().map_err(|failure| failure.at(new))?;
    file.sync_all().map_err(io)
}

fn remove_new(new: &Path) -> io::Result<()> {
    ["", "-wal", "-shm", "-journal"].iter().try_for_each(|suffix| remove_if_there(&beside(new, suffix)))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn flags() -> OpenFlags {
    // Without SQLITE_OPEN_CREATE and _URI: the path is a path, and the file is there.
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Opens what looks like ours. Returns the format too, and has changed nothing where that is a newer one.
fn connect(path: &Path, migrations: &[&str]) -> Result<(Connection, i64), Failure> {
    let mut connection = Connection::open_with_flags(path, flags())?;
    // Until all is known to be well: closing would move the log into the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_SIZE)?;
    if connection.is_readonly("main")? {
        return Err(Failure::Misuse("it cannot be written: let this user write it".to_owned()));
    }
    // Also what is only in the log yet.
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if usize::try_from(format).is_ok_and(|format| format > migrations.len()) {
        return Ok((connection, format));
    }
    let found: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if found != "ok" {
        return Err(Failure::Damaged(found.into()));
    }
    if usize::try_from(format).is_ok_and(|format| format < migrations.len()) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migrate(&transaction, format, migrations)?;
        transaction.commit()?;
        // So that an older release sees the format in the file's head.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    check_tables(&connection, migrations)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    Ok((connection, migrations.len() as i64))
}

/// Opens a queue that its owner has open, to read it only.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// How long the write-ahead log is; 0 if there is none.
pub(super) fn log_size(path: &Path) -> u64 {
    fs::metadata(beside(path, "-wal")).map_or(0, |found| found.len())
}

/// Moves the write-ahead log into the file, beside the owner. Returns whether the log is empty then: it is not if
/// somebody reads what is in it.
pub(super) fn empty_log(path: &Path) -> rusqlite::Result<bool> {
    let connection = Connection::open_with_flags(path, flags())?;
    // The owner may be gone by then, and the file another's.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY_TO_EMPTY)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Most of it while the owner goes on writing; the owner waits for the rest only.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// Whether all tables and indexes are there that a new file has.
fn check_tables(connection: &Connection, migrations: &[&str]) -> Result<(), Failure> {
    let names = |of: &Connection| -> rusqlite::Result<BTreeSet<String>> {
        of.prepare("SELECT name FROM sqlite_schema")?.query_map([], |row| row.get(0))?.collect()
    };
    let new = Connection::open_in_memory()?;
    migrate(&new, 0, migrations)?;
    let found = names(connection)?;
    match names(&new)?.into_iter().find(|name| !found.contains(name)) {
        Some(missing) => Err(Failure::Damaged(format!("it has no {missing}").into())),
        None => Ok(()),
    }
}

/// From now on the file may be changed, also when it is closed.
pub(super) fn accept(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

fn migrate(connection: &Connection, from: i64, migrations: &[&str]) -> rusqlite::Result<()> {
    for (format, step) in (0_i64..).zip(migrations).skip_while(|(format, _)| *format < from) {
        connection.execute_batch(step)?;
        connection.pragma_update(None, "user_version", format + 1)?;
    }
    Ok(())
}

/// The path with more at its end.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
