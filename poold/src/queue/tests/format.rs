//! Files of older formats are brought up to date.

use super::support::{Temporary, numbers, request, submit};
use crate::{
    job::QueueTag,
    queue::{
        JobReader as _, Queue, SqliteQueue, file,
        schema::{APPLICATION_ID, MIGRATIONS},
    },
};
use rusqlite::Connection;

/// A file as the release that had this format left it, with a job.
fn of_format(temporary: &Temporary, format: usize) {
    let file = Connection::open(temporary.path()).unwrap();
    for step in &MIGRATIONS[..format] {
        file.execute_batch(step).unwrap();
    }
    file.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    file.pragma_update(None, "user_version", i64::try_from(format).unwrap()).unwrap();
    // Of format 1. A later step that changes these tables needs a text of its own here.
    file.execute_batch(
        r#"INSERT INTO meta VALUES ('tag', 'aaaaa'), ('next_number', 2);
        INSERT INTO jobs (number, state, submitted, record) VALUES (1, 'queued', 5, '{"state":"queued","priority":1}');
        INSERT INTO requests VALUES (1, '{"command":["true"]}');"#,
    )
    .unwrap();
}

#[test]
fn files_of_all_formats_are_opened() {
    for format in 1..=MIGRATIONS.len() {
        let temporary = Temporary::new();
        of_format(&temporary, format);
        for _ in 0..2 {
            let mut queue = temporary.open();
            assert_eq!(queue.tag(), &QueueTag::parse("aaaaa").unwrap());
            assert_eq!(*queue.job(1).unwrap().unwrap().request.command, ["true".to_owned()]);
            let change = submit(&queue, [request("a")]);
            queue.commit(&[change]).unwrap();
        }
        assert_eq!(numbers(&temporary.open()), [1, 2, 3]);
    }
}

/// With steps that there are not yet.
#[test]
fn a_later_step_is_done_once_and_an_older_release_then_refuses_the_file() {
    let temporary = Temporary::new();
    of_format(&temporary, 1);
    let later: Vec<&str> =
        MIGRATIONS.iter().copied().chain(["ALTER TABLE jobs ADD COLUMN more TEXT"]).collect();
    for _ in 0..2 {
        let opened = file::open_with(&temporary.path(), &later, &QueueTag::random()).unwrap();
        let more: Option<String> = opened.query_row("SELECT more FROM jobs", [], |row| row.get(0)).unwrap();
        assert_eq!(more, None);
    }
    let error = SqliteQueue::open(&temporary.path()).unwrap_err().to_string();
    assert!(error.contains("format 2, this one knows up to 1"), "{error}");
}

#[test]
fn a_step_that_fails_leaves_the_file_at_its_format() {
    let temporary = Temporary::new();
    of_format(&temporary, 1);
    let steps = ["ALTER TABLE jobs ADD COLUMN more TEXT", "NO SUCH STATEMENT"];
    let later: Vec<&str> = MIGRATIONS.iter().copied().chain(steps).collect();
    file::open_with(&temporary.path(), &later, &QueueTag::random()).unwrap_err();
    let queue = temporary.open();
    assert_eq!(numbers(&queue), [1]);
    assert!(queue.connection.prepare("SELECT more FROM jobs").is_err(), "half of the steps were done");
}
