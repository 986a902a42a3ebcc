//! Files that cannot be used are kept as they are, byte for byte.

use super::support::{Temporary, request, submit};
use crate::queue::{JobFilter, JobReader as _, Queue, QueueError, SqliteQueue};
use rusqlite::Connection;
use std::{error::Error as _, fs, path::Path};

/// A closed queue of some hundred jobs.
fn filled() -> Temporary {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let change = submit(&queue, (0..300).map(|number| request(&format!("job {number}"))));
    queue.commit(&[change]).unwrap();
    temporary
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Opens it, which must fail and leave all of it alone.
#[track_caller]
fn refused(temporary: &Temporary) -> QueueError {
    let before = fs::read(temporary.path()).unwrap();
    for _ in 0..2 {
        SqliteQueue::open(&temporary.path()).unwrap_err();
    }
    let error = SqliteQueue::open(&temporary.path()).unwrap_err();
    assert!(fs::read(temporary.path()).unwrap() == before, "its bytes were changed");
    error
}

#[track_caller]
fn damaged(temporary: &Temporary, why: &str) {
    let error = refused(temporary);
    assert!(matches!(error, QueueError::Damaged { .. }), "{error:?}");
    let source = error.source().unwrap().to_string();
    assert!(source.contains(why), "{source}");
    assert!(error.to_string().contains("queue.sqlite"), "{error}");
}

#[test]
fn what_is_no_queue_is_refused() {
    let temporary = Temporary::new();
    for (content, why) in [
        (&b""[..], "empty"),
        (b"SQLite format 3\0", "cut off"),
        (b"a thesis", "no SQLite file"),
        (&[0; 5000], "no SQLite file"),
    ] {
        fs::write(temporary.path(), content).unwrap();
        damaged(&temporary, why);
    }
}

#[test]
fn another_programs_file_is_refused() {
    let temporary = Temporary::new();
    let other = Connection::open(temporary.path()).unwrap();
    other.execute_batch("CREATE TABLE jobs (number INTEGER PRIMARY KEY); PRAGMA user_version = 1").unwrap();
    other.close().unwrap();
    damaged(&temporary, "another program");
}

#[test]
fn a_file_of_a_newer_release_is_refused() {
    let temporary = filled();
    edit(&temporary.path(), |bytes| bytes[60..64].copy_from_slice(&7_i32.to_be_bytes()));
    assert!(matches!(refused(&temporary), QueueError::Newer { found: 7, known: 1, .. }));
}

#[test]
fn a_file_whose_log_says_that_it_is_newer_is_refused_and_so_is_its_log() {
    let temporary = filled();
    let newer = Connection::open(temporary.path()).unwrap();
    newer.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    newer.execute_batch("PRAGMA user_version = 7").unwrap();
    newer.close().unwrap();
    let log = temporary.directory.path().join("queue.sqlite-wal");
    let before = fs::read(&log).unwrap();
    assert!(!before.is_empty());
    assert!(matches!(refused(&temporary), QueueError::Newer { found: 7, known: 1, .. }));
    assert!(fs::read(&log).unwrap() == before, "the log was changed");
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let temporary = filled();
    edit(&temporary.path(), |bytes| bytes.truncate(bytes.len() / 2));
    damaged(&temporary, "");
}

#[test]
fn damage_anywhere_is_found_when_it_is_opened_or_named_when_it_is_met() {
    let (mut at_once, mut later) = (0, 0);
    let pages = fs::metadata(filled().path()).unwrap().len() / 4096;
    for page in 0..pages {
        let temporary = filled();
        // The first page's head is another test.
        let start = usize::try_from(page).unwrap() * 4096 + if page == 0 { 100 } else { 0 };
        edit(&temporary.path(), |bytes| bytes[start..start + 2000].fill(0xa5));
        let before = fs::read(temporary.path()).unwrap();
        match SqliteQueue::open(&temporary.path()) {
            Err(error) => {
                assert!(matches!(error, QueueError::Damaged { .. }), "page {page}: {error:?}");
                assert!(fs::read(temporary.path()).unwrap() == before, "page {page} was changed");
                at_once += 1;
            }
            Ok(queue) => {
                // What is still found must be right.
                let filter = JobFilter { limit: 1000, ..JobFilter::default() };
                match queue.unfinished().and_then(|_| queue.jobs(&filter)) {
                    Ok(jobs) => assert_eq!(jobs.len(), 300, "page {page}"),
                    Err(error) => {
                        assert!(matches!(error, QueueError::Damaged { .. }), "page {page}: {error:?}");
                    }
                }
                later += 1;
            }
        }
    }
    assert!(at_once > 10, "{at_once} of {pages} pages at once, {later} later");
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    for (sql, what) in [
        ("UPDATE jobs SET record = '{' WHERE number = 7", "record"),
        ("UPDATE jobs SET record = replace(record, 'queued', 'stuck') WHERE number = 7", "record"),
        ("UPDATE requests SET request = '{\"cmd\":[]}' WHERE number = 7", "request"),
        ("UPDATE jobs SET state = 'locked' WHERE number = 7", "record"),
        ("DELETE FROM requests WHERE number = 7", "request"),
    ] {
        let temporary = filled();
        Connection::open(temporary.path()).unwrap().execute_batch(sql).unwrap();
        let queue = temporary.open();
        let filter = JobFilter { limit: 1000, ..JobFilter::default() };
        for error in [queue.unfinished().map(drop), queue.job(7).map(drop), queue.jobs(&filter).map(drop)] {
            let error = error.unwrap_err();
            assert!(matches!(error, QueueError::Damaged { .. }), "{error:?}");
            assert_eq!(
                error.source().unwrap().to_string(),
                format!("job 7: its {what} cannot be read"),
                "{sql}"
            );
        }
        // The others can still be looked at.
        assert!(queue.job(8).unwrap().is_some());
    }
}

#[test]
fn a_file_without_what_it_must_have_is_refused() {
    for sql in [
        "DELETE FROM meta WHERE key = 'tag'",
        "UPDATE meta SET value = 'x' WHERE key = 'next_number'",
        "UPDATE meta SET value = 300 WHERE key = 'next_number'",
        "UPDATE jobs SET state = 'gone' WHERE number = 7",
        "PRAGMA foreign_keys = OFF; DROP TABLE jobs",
        "DROP TABLE history",
        "DROP INDEX jobs_by_name",
    ] {
        let temporary = filled();
        Connection::open(temporary.path()).unwrap().execute_batch(sql).unwrap();
        let error = refused(&temporary);
        assert!(matches!(error, QueueError::Damaged { .. }), "{sql}: {error:?}");
    }
}

#[test]
fn a_log_without_its_file_is_not_mixed_with_a_new_one() {
    let temporary = filled();
    let log = temporary.directory.path().join("queue.sqlite-wal");
    fs::write(&log, "changes").unwrap();
    fs::rename(temporary.path(), temporary.directory.path().join("elsewhere")).unwrap();
    let error = SqliteQueue::open(&temporary.path()).unwrap_err();
    assert!(error.to_string().contains("queue.sqlite-wal"), "{error}");
    assert_eq!(fs::read(&log).unwrap(), b"changes");
    assert!(!temporary.path().exists());
}

#[test]
fn what_a_crash_left_of_a_queue_that_was_being_made_is_no_obstacle() {
    let temporary = Temporary::new();
    for suffix in [".new", ".new-wal", ".new-shm", "-wal", "-shm"] {
        let content = if suffix == "-wal" { "" } else { "half" };
        fs::write(temporary.directory.path().join(format!("queue.sqlite{suffix}")), content).unwrap();
    }
    assert_eq!(temporary.open().next_number(), 1);
    assert!(!temporary.directory.path().join("queue.sqlite.new").exists());
}

#[test]
fn a_directory_or_a_pipe_in_its_place_is_an_error() {
    let temporary = Temporary::new();
    fs::create_dir(temporary.path()).unwrap();
    assert!(matches!(SqliteQueue::open(&temporary.path()), Err(QueueError::Failed { .. })));
    let nowhere = temporary.directory.path().join("no/such/queue.sqlite");
    assert!(matches!(SqliteQueue::open(&nowhere), Err(QueueError::Failed { .. })));
}
