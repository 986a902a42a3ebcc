//! Jobs when answers are lost, late or double, and never twice.

use super::{fixtures::*, harness::World};
use crate::{Effect, JobEnd, Notice, Phase, RunList, ShutdownReason, StartAnswer, StartRefusal};
use pool_protocol::RunStatus;

fn lost() -> StartAnswer {
    StartAnswer::Lost("connection reset".to_owned())
}

fn started() -> StartAnswer {
    StartAnswer::Started
}

#[test]
fn a_start_that_is_refused_has_not_used_its_attempt() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    w.start_answered("i-1", run("job-1"), StartAnswer::Refused("disk full".to_owned()));
    assert_eq!(w.end_of("job-1"), Some(JobEnd::NotStarted { reason: "disk full".to_owned() }));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.forget("job-1");
    w.try_start("i-1", run("job-1"), half()).unwrap();
}

#[test]
fn after_a_lost_start_answer_only_a_list_that_began_after_it_decides() {
    for knows in [false, true] {
        let mut w = World::new();
        w.idle_worker("i-1", SMALL);
        w.try_start("i-1", run("job-1"), half()).unwrap();
        let early = w.begin_probe("i-1");
        w.start_answered("i-1", run("job-1"), lost());
        w.probed("i-1", early, true, Ok(RunList::default()));
        assert!(w.is_preparing("job-1"), "that list may be older than the start");
        let runs = if knows { vec![running("job-1")] } else { Vec::new() };
        w.probe("i-1", runs);
        if knows {
            assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
        } else {
            assert!(matches!(w.end_of("job-1"), Some(JobEnd::NotStarted { .. })));
        }
    }
}

#[test]
fn a_lost_start_answer_asks_the_runner_at_once() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.forget_effects();
    w.try_start("i-1", run("job-1"), half()).unwrap();
    w.start_answered("i-1", run("job-1"), lost());
    w.advance(millis(0));
    assert_eq!(w.take_probes().len(), 1);
}

#[test]
fn a_start_without_an_answer_yet_is_not_judged_by_any_list() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    w.probe("i-1", Vec::new());
    assert!(w.is_preparing("job-1"));
    w.probe("i-1", vec![running("job-1")]);
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
}

#[test]
fn a_job_whose_start_was_lost_waits_until_its_worker_answers_or_is_gone() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL)];
    w.try_start("i-1", run("job-1"), half()).unwrap();
    w.start_answered("i-1", run("job-1"), lost());
    w.idle_worker("i-2", SMALL);
    for _ in 0..5 {
        w.probe_fails("i-1");
        w.list(&all);
        assert!(w.is_preparing("job-1"));
        assert_eq!(w.try_start("i-2", run("job-1"), half()), Err(StartRefusal::Known(job("job-1"))));
    }
    w.list(&[]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::WorkerGone));
}

#[test]
fn an_end_is_heard_once_however_often_it_is_said() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.run_ended("i-1", run("job-1"));
    let noticed = w.pool.job(&job("job-1"));
    w.advance(secs(1));
    w.run_ended("i-1", run("job-1"));
    w.probe("i-1", vec![ended("job-1")]);
    w.start_answered("i-1", run("job-1"), started());
    w.start_answered("i-1", run("job-1"), lost());
    assert_eq!(w.pool.job(&job("job-1")), noticed);
    w.forget("job-1");
    assert_eq!(w.take_forgets().len(), 1);
    // The forget was lost: the runner says it again in its next session.
    w.run_ended("i-1", run("job-1"));
    assert_eq!(w.pool.job(&job("job-1")), None);
    assert_eq!(w.take_forgets().len(), 1);
}

#[test]
fn an_end_that_comes_before_the_answer_to_the_start_is_an_end() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    w.run_ended("i-1", run("job-1"));
    w.start_answered("i-1", run("job-1"), started());
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Finished(exit(0))));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
}

#[test]
fn a_run_on_a_second_worker_is_a_stray_and_is_ended_there() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.idle_worker("i-2", SMALL);
    w.running_job("i-1", "job-1");
    w.forget_effects();
    w.probe("i-2", vec![running("job-1")]);
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"), "it keeps the worker that it was given");
    let killed = w.take(|effect| match effect {
        Effect::Kill { instance, run, .. } => Some((instance.to_string(), run.clone())),
        _ => None,
    });
    assert_eq!(killed, [("i-2".to_owned(), run("job-1"))]);
    assert!(w.take_notices().contains(&Notice::RunsTwice { run: run("job-1"), instance: id("i-2") }));
    assert!(w.try_start("i-2", run("job-2"), half()).is_err(), "not while it has a stray");
    // Its end there is not the job's end.
    w.run_ended("i-2", run("job-1"));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
    assert_eq!(w.take_forgets(), [(id("i-2"), run("job-1"))]);
    w.try_start("i-2", run("job-2"), half()).unwrap();
}

#[test]
fn a_job_is_not_started_while_a_stray_of_it_may_run() {
    let mut w = World::new();
    for i in ["i-1", "i-2", "i-3"] {
        w.idle_worker(i, SMALL);
    }
    w.running_job("i-1", "job-1");
    w.probe("i-2", vec![running("job-1")]);
    w.run_ended("i-1", run("job-1"));
    w.forget("job-1");
    let refused = w.try_start("i-3", attempt("job-1", 2), half());
    assert_eq!(refused, Err(StartRefusal::StillEnding(job("job-1"))));
    w.run_ended("i-2", run("job-1"));
    w.try_start("i-3", attempt("job-1", 2), half()).unwrap();
}

#[test]
fn a_job_that_was_thought_lost_and_is_found_again_is_adopted() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL)];
    w.running_job("i-1", "job-1");
    w.list(&[]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::WorkerGone));
    w.list(&all);
    w.probe("i-1", vec![running("job-1")]);
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
}

#[test]
fn unfetched_output_blocks_the_end_of_a_worker_but_not_its_use() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.run_ended("i-1", run("job-1"));
    w.advance(secs(1000));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    assert_eq!(w.pool.shutdown_type(w.now, &name(SMALL)), None);
    assert!(!w.pool.shutdown_instance(w.now, &id("i-1")));
    assert_eq!(w.unallocated(SMALL), 1);
    w.running_job("i-1", "job-2");
    w.run_ended("i-1", run("job-2"));
    w.forget("job-1");
    w.advance(secs(1000));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.forget("job-2");
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Idle));
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn a_drained_worker_waits_for_its_output_too() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.set_behavior("i-1", crate::IdleBehavior::Drain);
    w.run_ended("i-1", run("job-1"));
    assert!(w.destroyed().is_empty());
    w.forget("job-1");
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn a_worker_whose_stray_has_ended_or_never_ends_is_shut_down_in_its_time() {
    for ends in [false, true] {
        let mut w = World::new();
        w.idle_worker("i-1", SMALL);
        w.idle_worker("i-2", SMALL);
        w.running_job("i-1", "job-1");
        w.probe("i-2", vec![running("job-1")]);
        w.advance(secs(61));
        if ends {
            w.run_ended("i-2", run("job-1"));
            w.advance(secs(61));
        }
        assert_eq!(w.view("i-2").unwrap().shutdown, Some(ShutdownReason::Idle), "ends: {ends}");
    }
}

/// A run that was refused is started again under the same name, while the runner was told to forget it.
#[test]
fn the_end_of_a_run_that_was_started_again_after_a_forget_is_heard() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    w.start_answered("i-1", run("job-1"), StartAnswer::Refused("busy".to_owned()));
    w.forget("job-1");
    assert!(w.take_forgets().is_empty(), "there is nothing that the runner could forget");
    w.running_job("i-1", "job-1");
    w.run_ended("i-1", run("job-1"));
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Finished(exit(0))));
}

#[test]
fn an_answer_that_contradicts_a_running_job_is_not_believed() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.start_answered("i-1", run("job-1"), StartAnswer::Refused("late".to_owned()));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
}

#[test]
fn a_later_attempt_that_is_found_after_the_end_of_an_earlier_one_is_the_right_one() {
    let mut w = World::new();
    let all = ["i-1", "i-2"].map(|i| w.instance(i, SMALL));
    w.list(&all);
    w.probe("i-1", vec![ended("job-1")]);
    let later = report(attempt("job-1", 2), RunStatus::Running { started_ms: 1 });
    w.probe("i-2", vec![later]);
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-2"));
    assert!(w.take_kills().is_empty());
    assert_eq!(w.take_forgets(), [(id("i-1"), run("job-1"))]);
    // And so is its end.
    let mut w = World::new();
    let all = ["i-1", "i-2"].map(|i| w.instance(i, SMALL));
    w.list(&all);
    w.probe("i-1", vec![ended("job-1")]);
    w.probe("i-2", vec![report(attempt("job-1", 2), RunStatus::Ended { end: exit(3) })]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Finished(exit(3))));
    assert_eq!(w.take_forgets(), [(id("i-1"), run("job-1"))]);
    // An earlier one that is found later is not.
    let mut w = World::new();
    let all = ["i-1", "i-2"].map(|i| w.instance(i, SMALL));
    w.list(&all);
    w.probe("i-2", vec![report(attempt("job-1", 2), RunStatus::Ended { end: exit(3) })]);
    w.probe("i-1", vec![ended("job-1")]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Finished(exit(3))));
    assert_eq!(w.take_forgets(), [(id("i-1"), run("job-1"))]);
}

#[test]
fn a_job_that_has_finished_is_not_brought_back_by_another_worker() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.idle_worker("i-2", SMALL);
    w.running_job("i-1", "job-1");
    w.run_ended("i-1", run("job-1"));
    w.probe("i-2", vec![running("job-1")]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Finished(exit(0))));
    assert_eq!(w.take_kills(), [run("job-1")]);
    w.probe("i-2", vec![ended("job-1")]);
    assert_eq!(w.take_forgets(), [(id("i-2"), run("job-1"))]);
}

#[test]
fn a_worker_gets_no_job_before_a_list_of_its_runs_was_taken_in() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    // An end is announced while the first list is on its way: that list counts for nothing.
    let probe = w.begin_probe("i-1");
    w.run_ended("i-1", run("job-1"));
    w.forget("job-1");
    w.probed("i-1", probe, true, Ok(RunList { runs: vec![ended("job-1"), running("job-2")], broken: None }));
    assert_ne!(w.phase("i-1"), Some(Phase::Idle), "who knows what it runs");
    w.advance(secs(1));
    w.probe("i-1", vec![running("job-2")]);
    assert_eq!(w.runs_on("job-2").as_deref(), Some("i-1"));
}

#[test]
fn a_job_whose_record_is_stale_is_not_given_to_another() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.idle_worker("i-2", SMALL);
    w.probe("i-1", vec![stale("job-1")]);
    assert_eq!(w.try_start("i-2", run("job-1"), half()), Err(StartRefusal::Known(job("job-1"))));
    // It stays so after its worker is broken, until that is gone.
    w.advance(secs(6));
    w.probe("i-1", vec![stale("job-1")]);
    assert!(w.try_start("i-2", run("job-1"), half()).is_err());
    assert_eq!(w.destroyed(), ["i-1"], "nothing on a broken worker but what cannot be read");
    let other = w.instance("i-2", SMALL);
    w.list(&[other]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::WorkerGone));
}
