//! Reading beside the owner.

use super::support::{Temporary, record, request, submit, update};
use crate::{
    job::JobState,
    queue::{JobFilter, JobReader as _, Queue as _},
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
    drop(queue);
    std::fs::remove_file(temporary.path()).unwrap();
    let error = reader.ask(|jobs| jobs.job(1)).await.unwrap_err();
    assert!(error.to_string().contains("queue.sqlite"), "{error}");
}
