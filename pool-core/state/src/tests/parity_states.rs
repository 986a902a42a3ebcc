//! p21 to p31: the states of a worker.

use super::{fixtures::*, harness::World};
use crate::{IdleBehavior, Notice, Observation, Phase, RunList, ShutdownReason, events::BootOutcome};

#[test]
fn p21_an_instance_that_was_not_created_here_is_unknown() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
    assert!(w.take_notices().contains(&Notice::Appeared { instance: id("i-1"), created_here: false }));
}

#[test]
fn p22_a_create_that_returns_makes_a_booting_worker() {
    let mut w = World::new();
    let create = w.create(SMALL);
    let made = w.created(&create, "i-1");
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    assert!(w.take_notices().contains(&Notice::Appeared { instance: id("i-1"), created_here: true }));
    w.list(&[made]);
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    assert_eq!(w.pool.instances().len(), 1);
}

#[test]
fn p22_an_instance_with_the_secret_of_a_pending_create_is_booting() {
    let mut w = World::new();
    let (first, second) = (w.create(SMALL), w.create(SMALL));
    // Listed in another order than they were asked for: the secret tells which is whose.
    w.list(&[listed("i-2", SMALL, second.1.tags.clone())]);
    assert_eq!(w.phase("i-2"), Some(Phase::Booting));
    assert_eq!(w.pool.instances().len(), 2, "it and the other create");
    w.created(&second, "i-2");
    assert_eq!(w.phase("i-2"), Some(Phase::Booting));
    assert_eq!(w.pool.instances().len(), 2);
    w.created(&first, "i-1");
    assert_eq!(w.pool.instances().len(), 2);
    assert_eq!(w.pool.secret_hash(&id("i-1")), Some(first.1.secret.as_str()));
    assert_eq!(w.pool.secret_hash(&id("i-2")), Some(second.1.secret.as_str()));
}

#[test]
fn p22_a_worker_that_booted_before_its_create_returned_stays_as_it_is() {
    let mut w = World::new();
    let create = w.create(SMALL);
    w.list(&[listed("i-1", SMALL, create.1.tags.clone())]);
    w.probe("i-1", Vec::new());
    w.running_job("i-1", "job-1");
    w.created(&create, "i-1");
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
}

/// From where, with which runs found, to where.
#[test]
fn p23_both_probes_make_a_worker_idle_or_running() {
    for created_here in [false, true] {
        for jobs in [Vec::new(), vec![running("job-1")]] {
            let mut w = World::new();
            if created_here {
                w.booting_worker("i-1", SMALL);
            } else {
                let all = [w.instance("i-1", SMALL)];
                w.list(&all);
            }
            let expected = if jobs.is_empty() { Phase::Idle } else { Phase::Running };
            w.advance(secs(1));
            let before = w.phase("i-1");
            w.probe_fails("i-1");
            assert_eq!(w.phase("i-1"), before);
            let probe = w.begin_probe("i-1");
            w.probed("i-1", probe, true, Err("no runner yet".to_owned()));
            assert_eq!(w.phase("i-1"), before, "the run probe must succeed too");
            w.forget_effects();
            w.probe("i-1", jobs);
            assert_eq!(w.phase("i-1"), Some(expected));
            assert!(w.was_woken());
            assert!(w.take_notices().contains(&Notice::Ready { instance: id("i-1") }));
        }
    }
}

#[test]
fn p23_the_boot_probe_is_run_until_the_worker_has_booted() {
    let mut w = World::new();
    w.booting_worker("i-1", SMALL);
    w.advance(secs(1));
    assert!(w.take_probes().iter().all(|(_, _, boot)| *boot));
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.advance(secs(12));
    let probes = w.take_probes();
    assert!(!probes.is_empty() && probes.iter().all(|(_, _, boot)| !boot));
}

#[test]
fn p24_a_failed_probe_that_began_after_the_deadline_ends_a_boot() {
    for created_here in [false, true] {
        let mut w = World::new();
        if created_here {
            w.booting_worker("i-1", SMALL);
        } else {
            let all = [w.instance("i-1", SMALL)];
            w.list(&all);
        }
        w.probe_fails("i-1");
        w.advance(millis(599_999));
        let early = w.begin_probe("i-1");
        w.advance(secs(60));
        assert_ne!(w.phase("i-1"), Some(Phase::Shutdown), "the time alone is no proof");
        w.probed("i-1", early, false, Err("timed out".to_owned()));
        assert_ne!(w.phase("i-1"), Some(Phase::Shutdown), "it began before the deadline");
        w.probe_fails("i-1");
        assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::BootTimeout));
        assert_eq!(w.destroyed(), ["i-1"]);
        let failures = w.take_observations();
        let failed = failures.contains(&Observation::Boot(BootOutcome::Failure));
        assert_eq!(failed, created_here, "only what was created here counts as a boot");
    }
}

#[test]
fn p24_a_worker_that_was_never_probed_is_not_destroyed() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    w.begin_probe("i-1");
    w.advance(secs(3600));
    assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
    assert!(w.destroyed().is_empty());
}

#[test]
fn p24_a_success_after_the_deadline_is_a_success() {
    let mut w = World::new();
    w.booting_worker("i-1", SMALL);
    w.begin_probe("i-1");
    let mut w = World::new();
    w.booting_worker("i-1", SMALL);
    w.probe_fails("i-1");
    w.advance(secs(700));
    w.probe("i-1", Vec::new());
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
}

#[test]
fn p25_no_successful_probe_within_timeout_probe_ends_a_worker() {
    for busy in [false, true] {
        let mut w = World::with(|setup| setup.settings.timeout_idle = secs(100_000));
        w.idle_worker("i-1", SMALL);
        if busy {
            w.running_job("i-1", "job-1");
        }
        w.probe_fails("i-1");
        w.advance(millis(599_999));
        w.probe_fails("i-1");
        assert_ne!(w.phase("i-1"), Some(Phase::Shutdown));
        w.advance(millis(1));
        w.probe_fails("i-1");
        assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::ProbeTimeout));
        assert_eq!(w.destroyed(), ["i-1"]);
    }
}

#[test]
fn p25_each_success_gives_the_whole_time_again() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.advance(secs(599));
    w.probe("i-1", vec![running("job-1")]);
    w.advance(secs(599));
    w.probe_fails("i-1");
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
}

#[test]
fn p26_idle_for_timeout_idle_is_the_end() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.advance(millis(59_999));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.advance(millis(1));
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Idle));
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn p26_a_job_starts_the_time_anew() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.advance(secs(30));
    w.running_job("i-1", "job-1");
    w.advance(secs(300));
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
    w.run_ended("i-1", run("job-1"));
    w.forget("job-1");
    w.advance(millis(59_999));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.advance(millis(1));
    assert_eq!(w.phase("i-1"), Some(Phase::Shutdown));
}

#[test]
fn p26_drain_ends_an_idle_or_booting_worker_but_an_unknown_one_only_when_it_is_known_to_be_idle() {
    let mut w = World::new();
    w.idle_worker("idle", SMALL);
    w.booting_worker("booting", SMALL);
    let all = ["booting", "idle", "unknown"].map(|i| w.instance(i, SMALL));
    w.list(&all);
    for i in ["booting", "idle", "unknown"] {
        w.set_behavior(i, IdleBehavior::Drain);
    }
    assert_eq!(w.destroyed(), ["booting", "idle"]);
    assert_eq!(w.phase("unknown"), Some(Phase::Unknown));
    w.probe("unknown", Vec::new());
    assert_eq!(w.view("unknown").unwrap().shutdown, Some(ShutdownReason::Drained));
    let aborted = |o: &&Observation| **o == Observation::Boot(BootOutcome::Aborted);
    assert_eq!(w.take_observations().iter().filter(aborted).count(), 1, "the booting one");
}

#[test]
fn p27_a_job_makes_a_worker_running_and_its_last_end_makes_it_idle() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
    w.running_job("i-1", "job-2");
    w.run_ended("i-1", run("job-1"));
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
    w.forget_effects();
    w.run_ended("i-1", run("job-2"));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    assert!(w.was_woken());
}

#[test]
fn p29_destroy_is_tried_again_while_the_instance_is_listed() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL)];
    w.pool.kill_instance(w.now, &id("i-1"), "test").unwrap();
    for _ in 0..3 {
        let destroys = w.take_destroys();
        assert_eq!(destroys.len(), 1);
        w.event(crate::Event::CallDone { op: destroys[0].0 });
        w.list(&all);
        w.advance(millis(9_999));
        assert!(w.take_destroys().is_empty());
        w.list(&all);
        w.advance(millis(1));
    }
    assert_eq!(w.take_destroys().len(), 1);
    w.list(&[]);
    w.advance(secs(100));
    assert!(w.take_destroys().is_empty());
}

#[test]
fn p29_a_destroy_that_failed_is_tried_again_and_none_is_doubled() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.pool.kill_instance(w.now, &id("i-1"), "test").unwrap();
    let (op, _) = w.take_destroys()[0].clone();
    w.advance(secs(30));
    assert!(w.take_destroys().is_empty(), "the first has not answered");
    w.call_failed(op, other());
    w.advance(secs(10));
    assert_eq!(w.take_destroys().len(), 1);
}

#[test]
fn p30_a_worker_that_is_not_listed_is_gone() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.booting_worker("i-2", SMALL);
    w.forget_effects();
    w.list(&[]);
    assert!(w.pool.instances().is_empty());
    assert!(w.was_woken());
    let gone = w.take_notices();
    for i in ["i-1", "i-2"] {
        assert!(gone.contains(&Notice::Gone { instance: id(i) }));
    }
    let closed = w.take(|effect| match effect {
        crate::Effect::Close { instance } => Some(instance.to_string()),
        _ => None,
    });
    assert_eq!(closed, ["i-1", "i-2"]);
    let boots: Vec<_> =
        w.take_observations().into_iter().filter(|o| matches!(o, Observation::Boot(_))).collect();
    assert_eq!(boots, [Observation::Boot(BootOutcome::Disappeared)], "only the one that never booted");
    assert_eq!(w.unallocated(SMALL), 0);
}

/// Every way in which the pool could shut a worker down by itself.
#[test]
fn p31_a_held_worker_is_never_shut_down_by_the_pool() {
    let held = |booted: bool| {
        let mut w = World::new();
        let instance = if booted { w.idle_worker("i-1", SMALL) } else { w.booting_worker("i-1", SMALL) };
        w.set_behavior("i-1", IdleBehavior::Hold);
        (w, instance)
    };
    // Idle for long, and a scheduler that wants it gone.
    let (mut w, _) = held(true);
    w.advance(secs(10_000));
    assert_eq!(w.pool.shutdown_type(w.now, &name(SMALL)), None);
    assert!(!w.pool.shutdown_instance(w.now, &id("i-1")));
    // Not answering.
    w.probe_fails("i-1");
    w.advance(secs(10_000));
    w.probe_fails("i-1");
    // Broken.
    w.event(crate::Event::Broken { instance: id("i-1"), reason: "disk".to_owned() });
    assert_eq!((w.phase("i-1"), w.behavior("i-1")), (Some(Phase::Idle), IdleBehavior::Hold));
    assert!(w.destroyed().is_empty());
    // Not booting, and a scheduler that wants it gone.
    let (mut w, _) = held(false);
    w.probe_fails("i-1");
    w.advance(secs(10_000));
    w.probe_fails("i-1");
    assert_eq!(w.pool.shutdown_type(w.now, &name(SMALL)), None);
    assert!(!w.pool.shutdown_instance(w.now, &id("i-1")));
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    assert!(w.destroyed().is_empty());
    // Its jobs have ended.
    let (mut w, instance) = held(true);
    w.set_behavior("i-1", IdleBehavior::Run);
    w.running_job("i-1", "job-1");
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.run_ended("i-1", run("job-1"));
    w.forget("job-1");
    w.advance(secs(10_000));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    // Its type is no longer configured, after a restart.
    let mut instance = tagged(instance, "IdleBehavior", "hold");
    instance = tagged(instance, "InstanceType", "retired");
    w.pool.kill_instance(w.now, &id("i-1"), "make place").unwrap();
    w.list(&[]);
    w.forget_effects();
    instance.id = id("i-2");
    w.list(&[instance]);
    w.probe("i-2", Vec::new());
    w.advance(secs(10_000));
    assert_eq!((w.phase("i-2"), w.behavior("i-2")), (Some(Phase::Idle), IdleBehavior::Hold));
    assert!(w.destroyed().is_empty());
}

#[test]
fn p31_a_worker_that_is_held_no_longer_is_shut_down_in_its_time() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.advance(secs(50));
    w.set_behavior("i-1", IdleBehavior::Run);
    w.advance(secs(10));
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Idle));
}

#[test]
fn p24_a_run_probe_that_finds_jobs_counts_as_success() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    for _ in 0..30 {
        w.advance(secs(60));
        let probe = w.begin_probe("i-1");
        w.probed("i-1", probe, false, Ok(RunList { runs: vec![running("job-1")], broken: None }));
        assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
    }
    // No longer found: from the last success on, the time runs.
    let failing = |w: &mut World| {
        let probe = w.begin_probe("i-1");
        w.probed("i-1", probe, false, Err("no route to host".to_owned()));
    };
    failing(&mut w);
    w.advance(millis(599_999));
    failing(&mut w);
    assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
    w.advance(millis(1));
    failing(&mut w);
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::BootTimeout));
}
