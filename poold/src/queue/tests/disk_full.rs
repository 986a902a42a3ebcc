//! A full disk refuses, and nothing more.

use super::support::{Temporary, numbers, record, request, submit, update};
use crate::{
    job::{JobRequest, JobState},
    queue::{Change, JobReader as _, Queue, QueueError},
};

#[test]
fn a_full_disk_changes_nothing_and_with_room_again_all_goes_on() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let change = submit(&queue, [request("a")]);
    queue.commit(&[change]).unwrap();
    // As many pages as there are: the same error as of a full disk.
    queue.connection.pragma_update(None, "max_page_count", 1).unwrap();
    let (counts, large) = (queue.counts().unwrap(), JobRequest::new(["x".repeat(100_000)]));
    for _ in 0..3 {
        let change = submit(&queue, (0..10).map(|_| large.clone()));
        let error = queue.commit(&[update(1, record(JobState::Locked, None)), change]).unwrap_err();
        assert!(matches!(error, QueueError::DiskFull { .. }), "{error:?}");
        assert_eq!((queue.next_number(), numbers(&queue)), (2, vec![1]));
        assert_eq!(queue.counts().unwrap(), counts);
        assert_eq!(queue.job(1).unwrap().unwrap().record.state, JobState::Queued);
    }
    // What needs no room is still possible.
    queue
        .commit(&[Change::Update { number: 1, record: record(JobState::Locked, None).into(), history: None }])
        .unwrap();
    queue.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    let change = submit(&queue, (0..10).map(|_| large.clone()));
    queue.commit(&[change]).unwrap();
    drop(queue);
    assert_eq!(numbers(&temporary.open()), (1..=11).collect::<Vec<_>>());
}
