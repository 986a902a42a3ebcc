//! Reading beside the owner.

use super::support::{Temporary, record, request, submit, update};
use crate::{
    job::JobState,
    queue::{JobFilter, JobReader as _, Queue as _, QueueError, QueueReader},
};
use std::time::{Duration, Instant};

#[tokio::test]
async fn what_was_committed_is_seen_at_once() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let reader = queue.reader();
    for number in 1..=50 {
        queue.commit(&[submit(&queue, [request("new")])]).unwrap();
        let job = reader.ask(move |jobs| jobs.job(number)).await.unwrap().unwrap();
        assert_eq!(job, queue.job(number).unwrap().unwrap());
        queue.commit(&[update(number, record(JobState::Running, None))]).unwrap();
        let state = reader.ask(move |jobs| Ok(jobs.job(number)?.map(|job| job.record.state))).await;
        assert_eq!(state.unwrap(), Some(JobState::Running));
    }
    let all = JobFilter { limit: 100, ..JobFilter::default() };
    let page = reader
        .ask({
            let all = all.clone();
            move |jobs| jobs.jobs(&all)
        })
        .await
        .unwrap();
    assert_eq!(page, queue.jobs(&all).unwrap());
    assert_eq!(reader.ask(|jobs| jobs.history(1)).await.unwrap(), queue.history(1).unwrap());
}

#[tokio::test]
async fn an_answer_is_of_one_moment_and_keeps_nobody_from_writing() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    queue.commit(&[submit(&queue, [request("old")])]).unwrap();
    let reader = queue.reader();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let asked = tokio::spawn(async move {
        let question = move |jobs: &dyn crate::queue::JobReader| {
            let before = jobs.job(1)?;
            begun.send(()).unwrap();
            told.recv().unwrap();
            Ok((before, jobs.job(1)?, jobs.job(2)?))
        };
        reader.ask(question).await.unwrap()
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let writes = Instant::now();
    queue.commit(&[update(1, record(JobState::Running, None)), submit(&queue, [request("new")])]).unwrap();
    assert!(writes.elapsed() < Duration::from_secs(1), "it has waited for the reader");
    go_on.send(()).unwrap();
    let (before, after, new) = asked.await.unwrap();
    assert_eq!(
        (before.unwrap().record.state, after.unwrap().record.state),
        (JobState::Queued, JobState::Queued)
    );
    assert_eq!(new, None);
}

#[tokio::test]
async fn more_questions_than_are_answered_at_once_are_all_answered() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    queue.commit(&[submit(&queue, (0..40).map(|_| request("job")))]).unwrap();
    let reader = queue.reader();
    let questions = (1..=40).map(|number| {
        let reader = reader.clone();
        tokio::spawn(async move { reader.ask(move |jobs| jobs.job(number)).await })
    });
    for question in questions.collect::<Vec<_>>() {
        assert!(question.await.unwrap().unwrap().is_some());
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_error_that_names_it() {
    let temporary = Temporary::new();
    let queue = temporary.open();
    let reader = queue.reader();
    std::fs::remove_file(temporary.path()).unwrap();
    let error = reader.ask(|jobs| jobs.job(1)).await.unwrap_err();
    assert!(error.to_string().contains("queue.sqlite"), "{error}");
}

/// How long the log beside the file is.
fn log_size(temporary: &Temporary) -> u64 {
    std::fs::metadata(temporary.path().with_extension("sqlite-wal")).map_or(0, |found| found.len())
}

#[tokio::test]
async fn readers_of_whom_there_is_always_one_do_not_let_the_log_grow() {
    const LARGE: u64 = 128 * 1024;
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    queue.commit(&[submit(&queue, (0..200).map(|_| request("job")))]).unwrap();
    let reader = QueueReader::new(temporary.path(), queue.tag().clone(), LARGE);
    let (mut before, mut largest) = (None::<(std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<_>)>, 0);
    for _ in 0..60 {
        // Each begins before the one before it ends, unless it has to wait for that.
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, told) = std::sync::mpsc::channel::<()>();
        let reader = reader.clone();
        let asked = tokio::spawn(async move {
            let question = move |jobs: &dyn crate::queue::JobReader| {
                let job = jobs.job(1)?;
                begun.send(()).unwrap();
                assert!(told.recv().is_err());
                Ok(job)
            };
            reader.ask(question).await
        });
        let mut has_begun = std::pin::pin!(has_begun);
        let waits = tokio::time::timeout(Duration::from_millis(20), &mut has_begun).await.is_err();
        if let Some((end, asked)) = before.replace((end, asked)) {
            drop(end);
            asked.await.unwrap().unwrap();
        }
        if waits {
            has_begun.await.unwrap();
        }
        let all: Vec<_> = (1..=200).map(|number| update(number, record(JobState::Running, None))).collect();
        queue.commit(&all).unwrap();
        largest = largest.max(log_size(&temporary));
    }
    drop(before);
    assert!(largest > LARGE && largest < 8 * LARGE, "{largest}");
}

#[tokio::test]
async fn a_log_that_somebody_else_reads_is_left_and_nobody_waits_for_that_again_and_again() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    let reader = QueueReader::new(temporary.path(), queue.tag().clone(), 1);
    let other = rusqlite::Connection::open(temporary.path()).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM jobs").unwrap();
    queue.commit(&[submit(&queue, [request("job")])]).unwrap();
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(reader.ask(|jobs| jobs.job(1)).await.unwrap().is_some());
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(log_size(&temporary) > 0);
}

#[tokio::test]
async fn with_its_owner_the_log_goes_and_nothing_is_answered_any_longer() {
    let temporary = Temporary::new();
    let mut queue = temporary.open();
    queue.commit(&[submit(&queue, [request("job")])]).unwrap();
    let reader = queue.reader();
    let (one, other) = tokio::join!(reader.ask(|jobs| jobs.job(1)), reader.ask(|jobs| jobs.job(1)));
    assert!(one.unwrap().is_some() && other.unwrap().is_some());
    assert!(log_size(&temporary) > 0);
    drop(queue);
    assert_eq!(log_size(&temporary), 0);
    let refused = reader.ask(|jobs| jobs.job(1)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Closed { .. }), "{refused}");
}
