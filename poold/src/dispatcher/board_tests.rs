//! What the rules of the board promise.

use super::board::{Board, Limits, Setback, Unfinished};
use crate::{
    job::{Assigned, Finish, JobRequest, JobState, Moment, QueueTag},
    queue::Change,
};
use proptest::prelude::*;
use std::sync::Arc;

const LIMITS: Limits = Limits { max_attempts: 3, max_preemptions: 2, max_refusals: 4 };
const NOW: Moment = Moment(1_000_000);

fn tag() -> QueueTag {
    QueueTag::parse("aaaaa").unwrap()
}

fn request() -> JobRequest {
    let mut request = JobRequest::new(["true"]);
    request.group = Some("night".parse().unwrap());
    request
}

fn submit(board: &mut Board, request: JobRequest) -> u64 {
    let id = tag().job_id(board.next_number());
    board.submit(NOW, None, vec![(Arc::new(request), id, true)]).start
}

fn worker(preemptible: bool) -> Assigned {
    Assigned { instance: "i-1".try_into().unwrap(), instance_type: "small".parse().unwrap(), preemptible }
}

fn board_with(request: JobRequest) -> (Board, u64) {
    let mut board = Board::new(LIMITS, 1);
    let number = submit(&mut board, request);
    board.committed();
    (board, number)
}

/// Gives it to a worker that starts it, then something happens. The state and the reason, if it is final.
fn run_and(board: &mut Board, number: u64, preemptible: bool, setback: &Setback) -> Option<String> {
    board.lock(NOW, number, worker(preemptible));
    if !setback.is_before_the_start() {
        board.started(NOW, number);
    }
    board.set_back(NOW, number, setback);
    board.end_deferral(number);
    let finished = board.committed();
    finished.first().map(|job| match &job.record.finish {
        Some(Finish::Cancelled { reason }) => reason.clone(),
        other => format!("{other:?}"),
    })
}

#[test]
fn a_job_goes_from_queued_over_locked_and_running_to_complete() {
    let (mut board, number) = board_with(request());
    assert_eq!((board.waiting().len(), board.active().count()), (1, 0));
    board.lock(NOW, number, worker(false));
    assert_eq!((board.waiting().len(), board.active().count()), (0, 1));
    assert_eq!(board.active_by_group().values().sum::<u32>(), 1);
    board.started(NOW, number);
    board.finish(NOW, number, Finish::Exited { code: 3 });
    let states: Vec<JobState> = board
        .changes()
        .iter()
        .filter_map(|change| match change {
            Change::Update { history, .. } => history.as_ref().map(|entry| entry.state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [JobState::Locked, JobState::Running, JobState::Complete]);
    let finished = board.committed();
    assert_eq!(finished[0].record.attempts, 1);
    assert_eq!((board.len(), board.active_by_group().len()), (0, 0));
}

#[test]
fn p52_attempts_are_bounded_and_a_refusal_uses_none() {
    let (mut board, number) = board_with(request());
    let refused = Setback::NotStarted { reason: "busy".into() };
    assert_eq!(run_and(&mut board, number, false, &refused), None);
    assert_eq!(board.get(number).unwrap().record.attempts, 0);
    assert_eq!(run_and(&mut board, number, false, &Setback::WorkerGone), None);
    assert_eq!(run_and(&mut board, number, false, &Setback::Denied), None);
    let end = run_and(&mut board, number, false, &Setback::WorkerGone).unwrap();
    assert!(end.contains("3 of 3 attempts") && end.contains("its worker is gone"), "{end}");
}

#[test]
fn a_job_that_every_worker_refuses_is_given_up() {
    let (mut board, number) = board_with(request());
    let refused = Setback::NotStarted { reason: "disk full".into() };
    for _ in 1..LIMITS.max_refusals {
        assert_eq!(run_and(&mut board, number, false, &refused), None);
    }
    let end = run_and(&mut board, number, false, &refused).unwrap();
    assert!(end.contains("disk full"), "{end}");
}

#[test]
fn a_job_that_the_pool_does_not_take_is_not_given_up() {
    let (mut board, number) = board_with(request());
    let not_taken = Setback::NotTaken { reason: "an earlier run has not ended yet".into() };
    for _ in 0..2 * LIMITS.max_refusals {
        assert_eq!(run_and(&mut board, number, false, &not_taken), None);
    }
    let job = board.get(number).unwrap();
    assert_eq!((job.record.attempts, job.deferrals), (0, 2 * LIMITS.max_refusals));
}

#[test]
fn losing_a_preempted_worker_uses_no_attempt_until_it_has_happened_too_often() {
    let mut willing = request();
    willing.preemptible = true;
    willing.attempts = Some(1);
    let (mut board, number) = board_with(willing);
    for _ in 0..LIMITS.max_preemptions {
        assert!(board.waiting().iter().next().unwrap().preemptible);
        assert_eq!(run_and(&mut board, number, true, &Setback::WorkerGone), None);
        assert_eq!(board.get(number).unwrap().record.attempts, 0);
    }
    assert!(!board.waiting().iter().next().unwrap().preemptible, "from now on where it is not taken away");
    let end = run_and(&mut board, number, true, &Setback::WorkerGone).unwrap();
    assert!(end.contains("1 of 1 attempts"), "{end}");
}

#[test]
fn an_unknown_end_is_not_run_again_unless_the_job_allows_it() {
    let (mut board, number) = board_with(request());
    assert!(run_and(&mut board, number, false, &Setback::EndUnknown).is_some());
    let mut repeatable = request();
    repeatable.rerun_if_unknown = true;
    let (mut board, number) = board_with(repeatable);
    assert_eq!(run_and(&mut board, number, false, &Setback::EndUnknown), None);
}

#[test]
fn a_job_that_is_to_be_ended_is_not_queued_again() {
    let (mut board, number) = board_with(request());
    board.lock(NOW, number, worker(false));
    assert!(board.cancel(NOW, number, "enough"));
    assert_eq!(board.ending().count(), 1, "its worker must end it first");
    board.set_back(NOW, number, &Setback::WorkerGone);
    let finished = board.committed();
    assert_eq!(finished[0].record.finish, Some(Finish::Cancelled { reason: "enough".into() }));
    assert!(!board.cancel(NOW, number, "again"));
}

#[test]
fn a_deferral_that_ends_in_a_pass_that_fails_has_ended_all_the_same() {
    let (mut board, number) = board_with(request());
    board.lock(NOW, number, worker(false));
    board.set_back(NOW, number, &Setback::NotStarted { reason: "busy".into() });
    board.committed();
    assert_eq!(board.waiting().len(), 0);
    board.set_priority(NOW, number, 5);
    board.end_deferral(number);
    board.roll_back();
    assert_eq!(board.get(number).unwrap().record.priority, request().priority);
    assert_eq!(board.waiting().len(), 1, "nothing would end it once more");
}

#[test]
fn a_job_that_is_queued_again_after_an_end_that_nobody_knows_has_not_ended() {
    let mut repeatable = request();
    repeatable.rerun_if_unknown = true;
    let (mut board, number) = board_with(repeatable);
    board.lock(NOW, number, worker(false));
    board.note(NOW, number, |record| record.ended = Some(NOW));
    board.set_back(NOW, number, &Setback::EndUnknown);
    assert_eq!(board.get(number).unwrap().record.ended, None);
}

#[test]
fn p51_priority_0_stops_a_job_and_keeps_a_waiting_one_in_the_queue() {
    let (mut board, number) = board_with(request());
    board.set_priority(NOW, number, 0);
    assert_eq!(board.get(number).unwrap().record.state, JobState::Queued);
    assert_eq!(board.stopped(), 1);
    board.set_priority(NOW, number, 5);
    assert_eq!(board.stopped(), 0);
    board.lock(NOW, number, worker(false));
    board.set_priority(NOW, number, 0);
    assert_eq!(board.ending().count(), 1);
}

#[test]
fn a_submission_of_this_very_pass_is_found_by_its_request_id() {
    let mut board = Board::new(LIMITS, 7);
    let jobs =
        || vec![(Arc::new(request()), tag().job_id(7), true), (Arc::new(request()), tag().job_id(8), true)];
    board.submit(NOW, Some("a".into()), jobs());
    assert_eq!((board.new_submission("a"), board.new_submission("b")), (Some(7..9), None));
    assert!(board.new_request(8).is_some() && board.new_request(9).is_none());
    board.roll_back();
    assert_eq!((board.new_submission("a"), board.next_number()), (None, 7));
}

#[derive(Clone, Debug)]
enum Step {
    Submit,
    Lock(u64),
    Start(u64),
    SetBack(u64, bool),
    Cancel(u64),
    Finish(u64),
    Priority(u64, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 1..12_u64;
    prop_oneof![
        3 => Just(Step::Submit),
        3 => number.clone().prop_map(Step::Lock),
        2 => number.clone().prop_map(Step::Start),
        1 => (number.clone(), any::<bool>()).prop_map(|(number, refused)| Step::SetBack(number, refused)),
        1 => number.clone().prop_map(Step::Cancel),
        1 => number.clone().prop_map(Step::Finish),
        1 => (number, 0..3_u32).prop_map(|(number, priority)| Step::Priority(number, priority)),
    ]
}

fn take(board: &mut Board, step: &Step) {
    let queued =
        |board: &Board, number| board.get(number).is_some_and(|job| job.record.state == JobState::Queued);
    match *step {
        Step::Submit => drop(submit(board, request())),
        Step::Lock(number) if queued(board, number) => board.lock(NOW, number, worker(number % 2 == 0)),
        Step::Start(number) => {
            if board.get(number).is_some_and(|job| job.record.state == JobState::Locked) {
                board.started(NOW, number);
            }
        }
        Step::SetBack(number, refused) => {
            let setback =
                if refused { Setback::NotStarted { reason: String::new() } } else { Setback::WorkerGone };
            if board.get(number).is_some_and(Unfinished::is_active) {
                board.set_back(NOW, number, &setback);
            }
        }
        Step::Cancel(number) => drop(board.cancel(NOW, number, "enough")),
        Step::Finish(number) => {
            if board.get(number).is_some_and(Unfinished::is_active) {
                board.finish(NOW, number, Finish::Exited { code: 0 });
            }
        }
        Step::Priority(number, priority) => drop(board.set_priority(NOW, number, priority)),
        Step::Lock(_) => {}
    }
}

/// All that can be seen of a board.
fn seen(board: &Board) -> String {
    let waiting: Vec<String> = board.waiting().iter().map(|job| format!("{job:?}")).collect();
    let jobs: Vec<String> =
        (1..20).filter_map(|number| board.get(number)).map(|job| format!("{job:?}")).collect();
    let active: Vec<u64> = board.active().map(|job| job.number).collect();
    let ending: Vec<u64> = board.ending().map(|job| job.number).collect();
    format!(
        "{waiting:?} {jobs:?} {active:?} {ending:?} {:?} {} {}",
        board.active_by_group(),
        board.stopped(),
        board.next_number()
    )
}

fn invariant_indexes_are_true(board: &Board) {
    for number in 1..20 {
        let Some(job) = board.get(number) else { continue };
        assert!(!job.record.state.is_final(), "final jobs are gone");
        let waits = board.waiting().get(&job.id).is_some();
        assert!(!(waits && job.is_active()));
        assert_eq!(board.active().any(|active| active.number == number), job.is_active());
    }
    let stopped = (1..20).filter_map(|number| board.get(number)).filter(|job| job.is_stopped()).count();
    assert_eq!(board.stopped(), stopped);
    let active = board.active().count();
    assert_eq!(board.active_by_group().values().sum::<u32>() as usize, active);
}

proptest! {
    #[test]
    fn a_failed_commit_leaves_the_board_as_it_was(
        before in prop::collection::vec(step(), 0..40),
        after in prop::collection::vec(step(), 0..40),
    ) {
        let mut board = Board::new(LIMITS, 1);
        for step in &before {
            take(&mut board, step);
            board.committed();
            invariant_indexes_are_true(&board);
        }
        let was = seen(&board);
        for step in &after {
            take(&mut board, step);
        }
        invariant_indexes_are_true(&board);
        board.roll_back();
        prop_assert_eq!(seen(&board), was);
        prop_assert!(board.changes().is_empty());
    }
}
