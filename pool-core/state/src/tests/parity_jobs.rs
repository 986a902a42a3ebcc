//! p13 to p16, p40 and p41: jobs.

use super::{fixtures::*, harness::World};
use crate::{
    Effect, IdleBehavior, JobEnd, JobStart, JobStatus, Notice, Phase, ShutdownReason, StartAnswer,
    StartRefusal,
};
use pool_api::{InstanceSetId, Lifecycle, Resources};
use pool_protocol::KillTimes;

fn finished() -> Option<JobEnd> {
    Some(JobEnd::Finished(exit(0)))
}

#[test]
fn p13_running_shows_jobs_from_their_preparation_until_they_are_forgotten() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    let (run_1, instance) = (run("job-1"), id("i-1"));
    let shown = |w: &World| w.pool.running().remove(&job("job-1"));
    assert_eq!(shown(&w), Some(JobStatus::Preparing { run: run_1.clone(), instance: instance.clone() }));
    w.start_answered("i-1", run("job-1"), StartAnswer::Started);
    assert_eq!(shown(&w), Some(JobStatus::Running { run: run_1.clone(), instance: instance.clone() }));
    w.advance(secs(7));
    let noticed = w.now;
    w.run_ended("i-1", run("job-1"));
    w.advance(secs(7));
    let end = JobEnd::Finished(exit(0));
    assert_eq!(shown(&w), Some(JobStatus::Ended { run: run_1, instance, noticed, end }));
    assert!(w.forget("job-1"));
    assert_eq!(shown(&w), None);
}

#[test]
fn p13_jobs_of_a_worker_that_is_gone_appear_as_lost() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.try_start("i-1", run("job-2"), half()).unwrap();
    w.list(&[]);
    assert_eq!(w.phase("i-1"), None);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::WorkerGone));
    assert_eq!(w.end_of("job-2"), Some(JobEnd::WorkerGone));
    assert!(w.forget("job-1"));
    assert_eq!(w.pool.running().len(), 1);
}

#[test]
fn p14_a_job_starts_at_once_on_an_idle_worker() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    assert_eq!(w.take_starts(), [(id("i-1"), run("job-1"))]);
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
}

#[test]
fn p14_a_running_worker_takes_what_still_fits() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    let refusal = Err(StartRefusal::NoRoom(id("i-1")));
    assert_eq!(w.try_start("i-1", run("job-2"), full()), refusal);
    assert_eq!(
        w.try_start("i-1", run("whole"), Resources::default()),
        refusal,
        "it wants a worker to itself"
    );
    w.try_start("i-1", run("job-3"), half()).unwrap();
    assert_eq!(w.try_start("i-1", run("job-4"), half()), refusal, "no CPU is left");
    w.run_ended("i-1", run("job-1"));
    w.try_start("i-1", run("job-4"), half()).unwrap();
}

#[test]
fn p14_a_job_of_unknown_size_fills_its_worker() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("whole"), Resources::default()).unwrap();
    assert_eq!(w.try_start("i-1", run("job-1"), half()), Err(StartRefusal::NoRoom(id("i-1"))));
}

#[test]
fn p14_refused_by_workers_that_are_held_drained_stopping_not_ready_or_not_there() {
    let mut w = World::new();
    let mut all: Vec<_> = ["held", "drained", "stopping"].map(|i| w.idle_worker(i, SMALL)).into();
    w.set_behavior("held", IdleBehavior::Hold);
    w.running_job("drained", "job-1");
    w.set_behavior("drained", IdleBehavior::Drain);
    all[2].lifecycle = Lifecycle::Stopping;
    all.push(w.instance("unknown", SMALL));
    all.push(w.booting_worker("booting", SMALL));
    w.list(&all);
    w.forget_effects();
    for i in ["held", "drained", "stopping", "unknown", "booting"] {
        assert_eq!(w.try_start(i, run("job-9"), half()), Err(StartRefusal::NoRoom(id(i))));
    }
    let nobody = w.try_start("i-9", run("job-9"), half());
    assert_eq!(nobody, Err(StartRefusal::UnknownInstance(id("i-9"))));
    assert!(w.take_starts().is_empty());
    assert_eq!(w.pool.job(&job("job-9")), None);
}

#[test]
fn p14_a_job_that_is_known_is_not_started_again() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.idle_worker("i-2", SMALL);
    w.running_job("i-1", "job-1");
    let known = Err(StartRefusal::Known(job("job-1")));
    assert_eq!(w.try_start("i-2", attempt("job-1", 2), half()), known);
    w.run_ended("i-1", run("job-1"));
    assert_eq!(w.try_start("i-2", attempt("job-1", 2), half()), known, "its end was not forgotten");
    w.forget("job-1");
    w.try_start("i-2", attempt("job-1", 2), half()).unwrap();
}

#[test]
fn p14_by_type_the_most_recently_busy_idle_worker_is_taken() {
    let mut w = World::new();
    for i in ["i-1", "i-2", "i-3"] {
        w.idle_worker(i, SMALL);
        w.advance(secs(1));
    }
    w.running_job("i-2", "job-1");
    w.advance(secs(1));
    w.run_ended("i-2", run("job-1"));
    w.idle_worker("i-4", BIG);
    let mut start = |text: &str, resources| {
        let start = JobStart { run: run(text), resources, waited: None };
        w.pool.start_job_on_type(w.now, &name(SMALL), start)
    };
    assert_eq!(start("a", half()), Ok(id("i-2")));
    assert_eq!(start("b", half()), Ok(id("i-3")));
    let too_large = Resources { gpus: 1, ..half() };
    assert_eq!(start("c", too_large), Err(StartRefusal::NoneIdle(name(SMALL))));
    assert_eq!(start("c", full()), Ok(id("i-1")));
    assert_eq!(start("d", half()), Err(StartRefusal::NoneIdle(name(SMALL))), "idle ones only");
}

#[test]
fn p15_a_kill_answers_at_once_and_is_repeated_until_the_job_ends() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    assert!(w.kill("job-1"));
    let kills = w.take(|effect| match effect {
        Effect::Kill { instance, run, reason, times } => {
            Some((instance.clone(), run.clone(), reason.clone(), *times))
        }
        _ => None,
    });
    let times = KillTimes { signal_every_ms: 5_000, kill_after_ms: 120_000 };
    assert_eq!(kills, [(id("i-1"), run("job-1"), "cancelled".to_owned(), times)]);
    assert!(w.kill("job-1"), "asking again is no mistake");
    for _ in 0..3 {
        w.advance(millis(4_999));
        assert!(w.take_kills().is_empty());
        w.advance(millis(1));
        assert_eq!(w.take_kills(), [run("job-1")]);
    }
    w.run_ended("i-1", run("job-1"));
    w.advance(secs(300));
    assert!(w.take_kills().is_empty());
    assert_eq!(w.behavior("i-1"), IdleBehavior::Run);
}

#[test]
fn p15_false_when_the_job_has_ended_or_is_not_known() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    assert!(!w.kill("job-1"));
    w.running_job("i-1", "job-1");
    w.run_ended("i-1", run("job-1"));
    assert!(!w.kill("job-1"));
    assert!(w.take_kills().is_empty());
}

/// Keeps a worker answering while its job does not end.
fn let_pass_with_probes(w: &mut World, seconds: u64, jobs: &[&str]) {
    for _ in 0..seconds / 5 {
        w.advance(secs(5));
        w.probe("i-1", jobs.iter().map(|text| running(text)).collect());
    }
}

#[test]
fn p15_a_worker_whose_job_cannot_be_killed_is_drained_after_timeout_term() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.running_job("i-1", "job-2");
    w.kill("job-1");
    let_pass_with_probes(&mut w, 120, &["job-1", "job-2"]);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Run, "the runner's own KILL comes now");
    w.forget_effects();
    let_pass_with_probes(&mut w, 15, &["job-1", "job-2"]);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain);
    assert!(w.take_notices().contains(&Notice::GaveUp { run: run("job-1"), instance: id("i-1") }));
    assert_eq!(w.phase("i-1"), Some(Phase::Running), "the other job is left to finish");
}

#[test]
fn p16_forget_has_no_effect_before_the_end_and_clears_the_end() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    assert!(!w.forget("job-1"));
    w.try_start("i-1", run("job-1"), half()).unwrap();
    assert!(!w.forget("job-1"));
    w.start_answered("i-1", run("job-1"), StartAnswer::Started);
    assert!(!w.forget("job-1"));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
    assert!(w.take_forgets().is_empty());
    w.run_ended("i-1", run("job-1"));
    assert!(w.forget("job-1"));
    assert_eq!(w.take_forgets(), [(id("i-1"), run("job-1"))]);
    assert!(!w.forget("job-1"), "once");
}

#[test]
fn p28_a_draining_worker_is_shut_down_when_every_remaining_job_is_given_up() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.running_job("i-1", "job-2");
    w.kill("job-1");
    w.set_behavior("i-1", IdleBehavior::Drain);
    let_pass_with_probes(&mut w, 200, &["job-1", "job-2"]);
    assert_eq!(w.phase("i-1"), Some(Phase::Running), "one job goes on");
    w.kill("job-2");
    let_pass_with_probes(&mut w, 120, &["job-1", "job-2"]);
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
    w.advance(secs(10));
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::JobsGivenUp));
    assert_eq!(w.destroyed(), ["i-1"]);
    w.list(&[]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::WorkerGone));
}

#[test]
fn p40_jobs_of_another_instance_set_are_ignored() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    let mut foreign = running("job-1");
    foreign.instance_set = InstanceSetId::new("set-2").unwrap();
    let mut foreign_end = ended("job-2");
    foreign_end.instance_set = InstanceSetId::new("set-2").unwrap();
    w.probe("i-1", vec![foreign, foreign_end]);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    assert!(w.pool.running().is_empty());
    assert!(w.take_kills().is_empty() && w.take_forgets().is_empty());
}

#[test]
fn p41_a_job_of_an_earlier_process_is_adopted_with_what_it_reserved() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    w.probe("i-1", vec![running("job-1")]);
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
    assert_eq!(w.view("i-1").unwrap().reserved, half());
    w.try_start("i-1", run("job-2"), half()).unwrap();
    assert_eq!(w.try_start("i-1", run("job-3"), half()), Err(StartRefusal::NoRoom(id("i-1"))));
}

#[test]
fn p41_its_exit_is_noticed_and_its_kill_is_possible() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    w.probe("i-1", vec![running("job-1"), running("job-2")]);
    assert!(w.kill("job-1"));
    assert_eq!(w.take_kills(), [run("job-1")]);
    w.run_ended("i-1", run("job-1"));
    assert_eq!(w.end_of("job-1"), finished());
    w.probe("i-1", vec![ended("job-1"), ended("job-2")]);
    assert_eq!(w.end_of("job-2"), finished(), "also when only a list tells it");
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
}

#[test]
fn p41_a_job_that_ended_while_no_process_watched_is_shown_until_it_is_forgotten() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    w.probe("i-1", vec![ended("job-1")]);
    assert_eq!(w.end_of("job-1"), finished());
    assert!(w.forget("job-1"));
    assert_eq!(w.take_forgets(), [(id("i-1"), run("job-1"))]);
}

#[test]
fn p28_a_job_that_ends_at_last_leaves_only_the_others_to_be_given_up() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.running_job("i-1", "job-2");
    w.kill("job-1");
    let_pass_with_probes(&mut w, 200, &["job-1", "job-2"]);
    w.run_ended("i-1", run("job-2"));
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::JobsGivenUp));
}

#[test]
fn p15_a_held_worker_is_not_drained_and_is_once_it_is_held_no_longer() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.kill("job-1");
    w.set_behavior("i-1", IdleBehavior::Hold);
    let_pass_with_probes(&mut w, 600, &["job-1"]);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Hold);
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
    assert!(w.destroyed().is_empty());
    let given_up = |n: &Notice| matches!(n, Notice::GaveUp { .. });
    assert_eq!(w.take_notices().iter().filter(|n| given_up(n)).count(), 1);
    w.set_behavior("i-1", IdleBehavior::Run);
    w.advance(secs(5));
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::JobsGivenUp));
}
