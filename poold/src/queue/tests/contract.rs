//! What every queue must do, whatever keeps it.

use super::support::{numbers, record, request, submit, submit_as, update};
use crate::{
    job::{JobRequest, JobState, Moment, Record},
    queue::{Change, JobFilter, Queue, QueueError},
};
use std::collections::BTreeMap;

pub(super) fn a_new_queue_is_empty_and_has_a_tag(queue: &mut dyn Queue) {
    assert_eq!((queue.next_number(), queue.cloud().unwrap()), (1, None));
    assert_eq!(numbers(queue), Vec::<u64>::new());
    assert_eq!(queue.job(1).unwrap(), None);
    assert_eq!(queue.request(1).unwrap(), None);
    assert_eq!(queue.history(1).unwrap(), []);
    assert_eq!(queue.jobs(&JobFilter { limit: 10, ..JobFilter::default() }).unwrap(), []);
    assert_eq!(queue.tag().as_str().len(), 5);
}

pub(super) fn what_was_submitted_is_there_as_it_was(queue: &mut dyn Queue) {
    let text = r#"{"command":["sh","-c","echo \u00e4 '\""],"name":"a \"b\" ☂","group":"night","labels":{"run":"7"},
        "environment":{"A":"1"},"directory":"/tmp","cpus":0.5,"memory":"1 GiB","preemptible":true,"priority":3,
        "time_limit":"1m 30s","attempts":2}"#;
    let full: JobRequest = serde_json::from_str(text).unwrap();
    let change = submit(queue, [full.clone(), request("b")]);
    queue.commit(&[change]).unwrap();
    assert_eq!(queue.next_number(), 3);
    let job = queue.job(1).unwrap().unwrap();
    assert_eq!((job.number, job.id, job.submitted), (1, queue.tag().job_id(1), Moment(1000)));
    assert_eq!((&*job.request, job.record), (&full, Record::new(3)));
    assert_eq!(queue.request(1).unwrap().as_deref(), Some(&full));
    assert_eq!(numbers(queue), [1, 2]);
}

pub(super) fn a_change_is_there_with_its_history(queue: &mut dyn Queue) {
    let change = submit(queue, [request("a"), request("b")]);
    queue.commit(&[change, update(1, record(JobState::Locked, None))]).unwrap();
    let quiet = Change::Update { number: 2, record: record(JobState::Locked, None).into(), history: None };
    queue.commit(&[update(1, record(JobState::Complete, Some(5))), quiet]).unwrap();
    assert_eq!(queue.job(1).unwrap().unwrap().record, record(JobState::Complete, Some(5)));
    let states = |queue: &dyn Queue, number| -> Vec<JobState> {
        queue.history(number).unwrap().iter().map(|entry| entry.state).collect()
    };
    assert_eq!(states(queue, 1), [JobState::Locked, JobState::Complete]);
    assert_eq!(states(queue, 2), []);
    assert_eq!(numbers(queue), [2]);
}

pub(super) fn jobs_are_counted_by_state(queue: &mut dyn Queue) {
    let change = submit(queue, (0..5).map(|_| request("a")));
    queue.commit(&[change]).unwrap();
    let changes = [
        update(1, record(JobState::Locked, None)),
        update(2, record(JobState::Complete, Some(1))),
        update(3, record(JobState::Complete, Some(1))),
        Change::Prune { number: 3 },
    ];
    queue.commit(&changes).unwrap();
    let mut counts = queue.counts().unwrap();
    counts.retain(|_, count| *count > 0);
    let expected = [(JobState::Queued, 2), (JobState::Locked, 1), (JobState::Complete, 1)];
    assert_eq!(counts, BTreeMap::from(expected));
}

pub(super) fn a_submission_is_known_by_its_id_until_its_last_job_is_pruned(queue: &mut dyn Queue) {
    let change = submit_as(queue, Some("first"), [request("a"), request("b")]);
    queue.commit(&[change]).unwrap();
    let change = submit_as(queue, Some("second"), [request("c")]);
    queue.commit(&[change]).unwrap();
    assert_eq!(queue.submission("first").unwrap(), Some((1, 2)));
    assert_eq!(queue.submission("second").unwrap(), Some((3, 1)));
    assert_eq!(queue.submission("third").unwrap(), None);
    let end = |number| update(number, record(JobState::Complete, Some(1)));
    queue.commit(&[end(1), end(2), end(3), Change::Prune { number: 2 }]).unwrap();
    assert_eq!(queue.submission("first").unwrap(), Some((1, 2)));
    queue.commit(&[Change::Prune { number: 1 }]).unwrap();
    assert_eq!(queue.submission("first").unwrap(), None);
    assert_eq!(queue.submission("second").unwrap(), Some((3, 1)));
}

pub(super) fn a_second_submission_of_one_id_is_refused_and_changes_nothing(queue: &mut dyn Queue) {
    let change = submit_as(queue, Some("id"), [request("a")]);
    queue.commit(&[change]).unwrap();
    let change = submit_as(queue, Some("id"), [request("b")]);
    assert!(matches!(queue.commit(&[change]), Err(QueueError::Failed { .. })));
    assert_eq!((queue.next_number(), numbers(queue)), (2, vec![1]));
}

pub(super) fn a_commit_that_fails_half_way_has_changed_nothing(queue: &mut dyn Queue) {
    let change = submit(queue, [request("a")]);
    queue.commit(&[change]).unwrap();
    let counts = queue.counts().unwrap();
    let all_but_the_last =
        || vec![submit(queue, [request("b")]), update(1, record(JobState::Complete, Some(1)))];
    let impossible = [
        update(99, record(JobState::Locked, None)),
        // Its number is taken by then.
        submit(queue, [request("c")]),
        Change::Prune { number: 2 },
    ];
    let attempts: Vec<Vec<Change>> =
        impossible.into_iter().map(|last| all_but_the_last().into_iter().chain([last]).collect()).collect();
    for changes in attempts {
        let error = queue.commit(&changes).unwrap_err();
        assert!(matches!(error, QueueError::Failed { .. }), "{error:?}");
        assert_eq!((queue.next_number(), numbers(queue)), (2, vec![1]));
        assert_eq!(queue.counts().unwrap(), counts);
        assert_eq!(queue.history(1).unwrap(), []);
    }
    let change = submit(queue, [request("b")]);
    queue.commit(&[change]).unwrap();
    assert_eq!(numbers(queue), [1, 2]);
}

pub(super) fn numbers_of_pruned_jobs_are_not_given_again(queue: &mut dyn Queue) {
    let change = submit(queue, [request("a"), request("b")]);
    queue.commit(&[change]).unwrap();
    let end = |number| update(number, record(JobState::Cancelled, Some(1)));
    queue.commit(&[end(1), end(2), Change::Prune { number: 2 }, Change::Prune { number: 1 }]).unwrap();
    assert_eq!((queue.next_number(), queue.job(2).unwrap()), (3, None));
    assert_eq!((queue.history(2).unwrap(), queue.request(2).unwrap()), (vec![], None));
    // Pruned already.
    queue.commit(&[Change::Prune { number: 2 }]).unwrap();
}

pub(super) fn the_oldest_are_pruned_by_age_and_by_number(queue: &mut dyn Queue) {
    let change = submit(queue, (0..6).map(|_| request("a")));
    queue.commit(&[change]).unwrap();
    // They end in another order than they were submitted. Job 6 does not.
    let ends = [(1, 50), (2, 40), (3, 30), (4, 20), (5, 10)];
    let changes: Vec<_> =
        ends.map(|(number, at)| update(number, record(JobState::Complete, Some(at)))).into_iter().collect();
    queue.commit(&changes).unwrap();
    let later = Moment(u64::MAX);
    let prunable = |before, keep, limit| queue.prunable(Moment(before), later, keep, limit).unwrap();
    assert_eq!(prunable(0, 5, 9), Vec::<u64>::new());
    assert_eq!(prunable(30, 5, 9), [5, 4]);
    assert_eq!(prunable(0, 2, 9), [5, 4, 3]);
    assert_eq!(prunable(30, 2, 9), [5, 4, 3]);
    assert_eq!(prunable(100, 0, 9), [5, 4, 3, 2, 1]);
    assert_eq!(prunable(100, 0, 2), [5, 4]);
    assert_eq!(queue.prunable(Moment(100), Moment(30), 0, 9).unwrap(), [5, 4]);
}

pub(super) fn a_final_job_without_an_end_can_be_pruned_too(queue: &mut dyn Queue) {
    let change = submit(queue, [request("a")]);
    queue.commit(&[change, update(1, record(JobState::Cancelled, None))]).unwrap();
    assert_eq!(queue.prunable(Moment(1001), Moment(1001), 9, 9).unwrap(), [1]);
    assert_eq!(queue.prunable(Moment(1000), Moment(1001), 9, 9).unwrap(), Vec::<u64>::new());
}

pub(super) fn pages_show_what_was_asked_for_newest_first(queue: &mut dyn Queue) {
    let of = |name: &str, group: Option<&str>, labels: &[(&str, &str)]| JobRequest {
        group: group.map(|group| group.parse().unwrap()),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..request(name)
    };
    let requests = [
        of("a", Some("g"), &[("run", "1")]),
        of("b", Some("g"), &[("run", "1"), ("who", "me")]),
        of("a", Some("h"), &[("run", "2")]),
        of("a", None, &[]),
        of("a", Some("g"), &[]),
    ];
    let change = submit(queue, requests);
    queue
        .commit(&[
            change,
            update(1, record(JobState::Complete, Some(1))),
            update(4, record(JobState::Running, None)),
        ])
        .unwrap();

    let all = || JobFilter { limit: 9, ..JobFilter::default() };
    let labels = |labels: &[(&str, &str)]| JobFilter { labels: of("", None, labels).labels, ..all() };
    let name = |name: &str| Some(name.to_owned());
    let group = |name: &str| Some(name.parse().unwrap());
    let cases = [
        (all(), vec![5, 4, 3, 2, 1]),
        (JobFilter { limit: 2, ..all() }, vec![5, 4]),
        (JobFilter { limit: 2, before: Some(4), ..all() }, vec![3, 2]),
        (JobFilter { limit: 0, ..all() }, vec![]),
        (JobFilter { states: vec![JobState::Running, JobState::Complete], ..all() }, vec![4, 1]),
        (JobFilter { states: vec![JobState::Running, JobState::Running], ..all() }, vec![4]),
        (JobFilter { group: group("g"), ..all() }, vec![5, 2, 1]),
        (JobFilter { group: group("g"), states: vec![JobState::Queued], ..all() }, vec![5, 2]),
        (JobFilter { group: group("nosuch"), ..all() }, vec![]),
        (JobFilter { name: name("a"), ..all() }, vec![5, 4, 3, 1]),
        (JobFilter { name: name("a"), group: group("g"), before: Some(5), ..all() }, vec![1]),
        (labels(&[("run", "1")]), vec![2, 1]),
        (labels(&[("run", "1"), ("who", "me")]), vec![2]),
        (labels(&[("run", "12")]), vec![]),
        (JobFilter { limit: 1, ..labels(&[("run", "1")]) }, vec![2]),
    ];
    for (filter, expected) in cases {
        let found: Vec<u64> = queue.jobs(&filter).unwrap().iter().map(|job| job.number).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

pub(super) fn labels_are_compared_whole_however_they_look(queue: &mut dyn Queue) {
    let labelled = |label: &str, value: &str| JobRequest {
        labels: [(label.to_owned(), value.to_owned()), ("z".to_owned(), "z".to_owned())].into(),
        ..request("a")
    };
    // The last: what looks like another label where one ends and the next begins.
    let pairs = [("a\"b", "c\\"), ("'", "%_"), ("a", "\":\"b"), ("ä", "☂"), ("a", ":")];
    let change = submit(queue, pairs.map(|(label, value)| labelled(label, value)));
    queue.commit(&[change]).unwrap();
    let find = |label: &str, value: &str| -> Vec<u64> {
        let labels = [(label.to_owned(), value.to_owned())].into();
        let filter = JobFilter { labels, limit: 9, ..JobFilter::default() };
        queue.jobs(&filter).unwrap().iter().map(|job| job.number).collect()
    };
    for (number, (label, value)) in (1..).zip(pairs) {
        assert_eq!(find(label, value), [number], "{label} {value}");
    }
    assert_eq!(find(":", ","), Vec::<u64>::new());
    assert_eq!(find("z", "z"), [5, 4, 3, 2, 1]);
}

pub(super) fn it_is_bound_to_a_cloud_and_to_another(queue: &mut dyn Queue) {
    queue.bind_to_cloud("loopback/local").unwrap();
    assert_eq!(queue.cloud().unwrap().as_deref(), Some("loopback/local"));
    queue.bind_to_cloud("loopback/other").unwrap();
    assert_eq!(queue.cloud().unwrap().as_deref(), Some("loopback/other"));
}

pub(super) fn a_history_keeps_its_newest_lines(queue: &mut dyn Queue) {
    let change = submit(queue, [request("a")]);
    queue.commit(&[change]).unwrap();
    for at in 1..=250 {
        let mut change = update(1, record(JobState::Queued, None));
        if let Change::Update { history: Some(entry), .. } = &mut change {
            entry.at = Moment(at);
        }
        queue.commit(&[change]).unwrap();
    }
    let times: Vec<u64> = queue.history(1).unwrap().iter().map(|entry| entry.at.0).collect();
    assert_eq!(times, (51..=250).collect::<Vec<_>>());
}

/// One test for each of the above. `$open` makes a value that holds a new queue, `$queue` finds it there.
macro_rules! contract_tests {
    ($open:expr, $queue:expr; $($name:ident)*) => {
        $(#[test]
        fn $name() {
            let mut held = $open;
            crate::queue::tests::contract::$name($queue(&mut held));
        })*
    };
    ($open:expr, $queue:expr) => {
        contract_tests! { $open, $queue;
            a_new_queue_is_empty_and_has_a_tag
            what_was_submitted_is_there_as_it_was
            a_change_is_there_with_its_history
            jobs_are_counted_by_state
            a_submission_is_known_by_its_id_until_its_last_job_is_pruned
            a_second_submission_of_one_id_is_refused_and_changes_nothing
            a_commit_that_fails_half_way_has_changed_nothing
            numbers_of_pruned_jobs_are_not_given_again
            the_oldest_are_pruned_by_age_and_by_number
            a_final_job_without_an_end_can_be_pruned_too
            pages_show_what_was_asked_for_newest_first
            labels_are_compared_whole_however_they_look
            it_is_bound_to_a_cloud_and_to_another
            a_history_keeps_its_newest_lines
        }
    };
}
pub(super) use contract_tests;
