//! The SQLite queue keeps the contract, and what only a file has to.

use super::{
    contract::contract_tests,
    support::{Temporary, numbers, request, submit},
};
use crate::{
    job::QueueTag,
    queue::{Queue, QueueError, SqliteQueue},
};
use rand::{SeedableRng as _, rngs::StdRng};
use std::os::unix::fs::PermissionsExt as _;

type Held = (SqliteQueue, Temporary);

fn held() -> Held {
    let temporary = Temporary::new();
    (temporary.open(), temporary)
}

fn queue(held: &mut Held) -> &mut dyn Queue {
    &mut held.0
}

contract_tests!(held(), queue);

#[test]
fn all_is_there_after_it_was_opened_again() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let change = submit(&queue, [request("a"), request("b")]);
    queue.commit(&[change]).unwrap();
    queue.bind_to_cloud("loopback/local").unwrap();
    let (tag, counts, jobs) = (queue.tag().clone(), queue.counts().unwrap(), queue.unfinished().unwrap());
    drop(queue);
    let queue = temporary.open();
    assert_eq!((queue.tag(), queue.next_number()), (&tag, 3));
    assert_eq!((queue.counts().unwrap(), queue.unfinished().unwrap()), (counts, jobs));
    assert_eq!(queue.cloud().unwrap().as_deref(), Some("loopback/local"));
}

#[test]
fn a_new_queue_has_a_tag_of_the_chance_that_it_is_given_and_keeps_it() {
    let tag = |seed| QueueTag::draw(&mut StdRng::seed_from_u64(seed));
    assert_eq!((tag(1), tag(1) == tag(2)), (tag(1), false), "the same chance, the same tag");
    let temporary = Temporary::new();
    for seed in [1, 2] {
        let mut rng = StdRng::seed_from_u64(seed);
        let queue = SqliteQueue::open_with(&temporary.path(), &mut rng).unwrap();
        assert_eq!(queue.tag(), &tag(1));
    }
}

#[test]
fn only_its_owner_can_read_it_and_only_one_at_a_time_opens_it() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let change = submit(&queue, [request("a")]);
    queue.commit(&[change]).unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(temporary.directory.path()).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert_eq!(files, 4, "the file, its log, the log's index, the lock");
    assert!(matches!(SqliteQueue::open(&temporary.path()), Err(QueueError::InUse { .. })));
    drop(queue);
    temporary.open();
}

#[test]
fn who_is_about_to_let_it_go_is_waited_for() {
    let temporary = Temporary::new();
    let queue = temporary.open();
    let path = temporary.path();
    let next = std::thread::spawn(move || SqliteQueue::open(&path).map(drop));
    // The other way round it would find it free, which is no failure.
    std::thread::sleep(std::time::Duration::from_millis(50));
    drop(queue);
    next.join().unwrap().unwrap();
}

#[test]
fn it_is_as_durable_as_can_be() {
    let temporary = Temporary::new();
    for _ in 0..2 {
        let queue = temporary.open();
        let pragma = |name: &str| -> String {
            let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            match queue.connection.pragma_query_value(None, name, value).unwrap() {
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            }
        };
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(pragma("synchronous"), "Integer(2)", "FULL");
        assert_eq!(pragma("foreign_keys"), "Integer(1)");
    }
}

#[test]
fn another_who_writes_is_waited_for_and_not_for_ever() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let other = rusqlite::Connection::open(temporary.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let change = submit(&queue, [request("a")]);
    let error = queue.commit(std::slice::from_ref(&change)).unwrap_err();
    assert!(matches!(error, QueueError::Failed { .. }), "{error:?}");
    assert_eq!((queue.next_number(), numbers(&queue)), (1, vec![]));
    other.execute_batch("ROLLBACK").unwrap();
    queue.commit(&[change]).unwrap();
    assert_eq!(numbers(&queue), [1]);
}

#[test]
fn others_can_read_it_while_it_is_in_use() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let other =
        rusqlite::Connection::open_with_flags(temporary.path(), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap();
    let count = || -> i64 { other.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).unwrap() };
    // In the middle of reading, as a person who has stopped to think.
    other.execute_batch("BEGIN").unwrap();
    assert_eq!(count(), 0);
    let change = submit(&queue, [request("a")]);
    queue.commit(&[change]).unwrap();
    assert_eq!((count(), numbers(&queue)), (0, vec![1]));
    other.execute_batch("END").unwrap();
    assert_eq!(count(), 1);
}
