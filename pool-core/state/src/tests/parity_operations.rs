//! p10 to p12, p17 and p18: what people and schedulers ask for.

use super::{fixtures::*, harness::World};
use crate::{IdleBehavior, InstanceRefusal, Notice, Phase, RunList, ShutdownReason};
use pool_api::Lifecycle;

#[test]
fn p10_an_idle_behavior_is_saved_to_the_tags_and_survives_a_restart() {
    let mut w = World::new();
    let before = w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Hold);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Hold, "it takes effect at once");
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(false));
    let (op, instance, tags) = w.take_saves().pop().unwrap();
    assert_eq!((instance, tags.get("pool-IdleBehavior")), (id("i-1"), Some("hold")));
    w.forget_effects();
    w.event(crate::Event::CallDone { op });
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(true));
    assert!(w.was_woken(), "whoever waits for it is woken");

    let mut restarted = World::new();
    let mut after = before;
    after.tags.extend(&tags);
    restarted.list(&[after]);
    assert_eq!(restarted.behavior("i-1"), IdleBehavior::Hold);
}

#[test]
fn p10_a_save_that_fails_is_tried_again() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Hold);
    let (op, ..) = w.take_saves().pop().unwrap();
    w.call_failed(op, other());
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(false));
    w.advance(secs(10));
    let (op, ..) = w.take_saves().pop().unwrap();
    w.event(crate::Event::CallDone { op });
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(true));
    w.advance(secs(50));
    assert!(w.take_saves().is_empty(), "saved once is enough");
}

#[test]
fn p10_a_change_during_a_save_is_saved_after_it() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Hold);
    let (op, ..) = w.take_saves().pop().unwrap();
    w.set_behavior("i-1", IdleBehavior::Run);
    assert!(w.take_saves().is_empty(), "one in flight");
    w.event(crate::Event::CallDone { op });
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(false), "that was the older value");
    let (op, _, tags) = w.take_saves().pop().unwrap();
    assert_eq!(tags.get("pool-IdleBehavior"), Some("run"));
    w.event(crate::Event::CallDone { op });
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(true));
}

#[test]
fn p10_drain_shuts_an_idle_worker_down_at_once() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Drain);
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Drained));
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn p10_an_unknown_id_is_an_error() {
    let mut w = World::new();
    let answer = w.pool.set_idle_behavior(w.now, &id("i-9"), IdleBehavior::Hold);
    assert_eq!(answer, Err(InstanceRefusal::Unknown(id("i-9"))));
    assert_eq!(w.pool.is_saved(&id("i-9")), None);
}

#[test]
fn p11_a_booting_worker_goes_before_an_idle_one_and_the_longest_idle_first() {
    let mut w = World::new();
    for i in ["i-3", "i-1", "i-2"] {
        w.idle_worker(i, SMALL);
        w.advance(secs(1));
    }
    w.booting_worker("i-4", SMALL);
    w.idle_worker("i-5", BIG);
    w.idle_worker("i-0", SMALL);
    w.set_behavior("i-0", IdleBehavior::Hold);
    // A job makes the first the most recently busy.
    w.running_job("i-3", "job-1");
    w.run_ended("i-3", run("job-1"));
    w.forget("job-1");
    let next = |w: &mut World| w.pool.shutdown_type(w.now, &name(SMALL)).map(|id| id.to_string());
    let mut order = Vec::new();
    while let Some(id) = next(&mut w) {
        order.push(id);
    }
    assert_eq!(order, ["i-4", "i-1", "i-2", "i-3"], "and never the held one");
    assert_eq!(w.destroyed(), order);
    assert_eq!(w.view("i-4").unwrap().shutdown, Some(ShutdownReason::NotNeeded));
}

#[test]
fn p11_false_when_all_are_busy_held_or_unknown() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.idle_worker("i-2", SMALL);
    w.set_behavior("i-2", IdleBehavior::Hold);
    let all = ["i-1", "i-2", "i-3"].map(|i| w.instance(i, SMALL));
    w.list(&all);
    assert_eq!(w.phase("i-3"), Some(Phase::Unknown));
    assert_eq!(w.pool.shutdown_type(w.now, &name(SMALL)), None);
    for i in ["i-1", "i-2", "i-9"] {
        assert!(!w.pool.shutdown_instance(w.now, &id(i)), "{i}");
    }
    assert!(w.destroyed().is_empty());
}

#[test]
fn p11_by_id_an_idle_or_booting_worker_is_shut_down_once() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.booting_worker("i-2", SMALL);
    for i in ["i-1", "i-2"] {
        assert!(w.pool.shutdown_instance(w.now, &id(i)));
        assert!(!w.pool.shutdown_instance(w.now, &id(i)), "it is on its way out");
    }
    assert_eq!(w.destroyed(), ["i-1", "i-2"]);
}

#[test]
fn p12_there_is_no_count_of_workers_until_the_first_list_was_loaded() {
    let mut w = World::not_loaded(|_| {});
    assert_eq!(w.pool.count_workers(), None);
    let op = w.begin_list();
    w.call_failed(op, other());
    assert_eq!(w.pool.count_workers(), None);
    w.forget_effects();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    assert_eq!(w.count(Phase::Unknown), 1);
    assert_eq!(w.count(Phase::Idle), 0);
    assert!(w.was_woken());
    w.idle_worker("i-2", SMALL);
    w.booting_worker("i-3", SMALL);
    w.idle_worker("i-4", SMALL);
    w.running_job("i-4", "job-1");
    w.pool.kill_instance(w.now, &id("i-2"), "test").unwrap();
    let counts: Vec<usize> = Phase::ALL.into_iter().map(|phase| w.count(phase)).collect();
    assert_eq!(counts, [1, 1, 0, 1, 1]);
}

#[test]
fn p17_one_view_per_worker_and_per_create_sorted_by_id() {
    let mut w = World::new();
    w.idle_worker("i-2", SMALL);
    w.advance(secs(5));
    w.running_job("i-2", "job-1");
    w.running_job("i-2", "job-2");
    let mut other = w.instance("i-1", BIG);
    other.lifecycle = Lifecycle::Stopping;
    other.address = Some("10.1.1.1".to_owned());
    let first = w.instance("i-2", SMALL);
    w.list(&[first, other]);
    w.create(GPU);
    let views = w.pool.instances();
    let ids: Vec<_> = views.iter().map(|view| view.id.as_ref().map(ToString::to_string)).collect();
    assert_eq!(ids, [None, Some("i-1".to_owned()), Some("i-2".to_owned())]);

    let busy = &views[2];
    assert_eq!(busy.phase, Some(Phase::Running));
    assert_eq!(busy.instance_type, name(SMALL));
    assert_eq!(busy.provider_type.as_str(), "p.small");
    assert_eq!(busy.price.map(pool_api::HourlyPrice::as_micros), Some(100_000));
    assert_eq!(busy.running_jobs, [job("job-1"), job("job-2")]);
    assert_eq!(busy.last_job, Some(job("job-2")));
    assert_eq!(busy.idle_behavior, IdleBehavior::Run);
    assert_eq!(busy.reserved, full_of_two_halves());
    let unknown = &views[1];
    assert_eq!(unknown.address.as_deref(), Some("10.1.1.1"));
    assert_eq!((unknown.phase, unknown.lifecycle), (Some(Phase::Unknown), Some(Lifecycle::Stopping)));
    assert_eq!((views[0].instance_type.clone(), views[0].phase), (name(GPU), None));

    w.advance(secs(5));
    w.run_ended("i-2", run("job-1"));
    w.run_ended("i-2", run("job-2"));
    let idle = w.view("i-2").unwrap();
    assert_eq!((idle.last_busy, idle.running_jobs.len()), (w.now, 0));
    assert_eq!(idle.last_job, Some(job("job-2")));
}

fn full_of_two_halves() -> pool_api::Resources {
    half().saturating_add(&half())
}

#[test]
fn p18_kill_instance_destroys_at_once_whatever_it_does() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.idle_worker("i-2", SMALL);
    w.set_behavior("i-2", IdleBehavior::Hold);
    for i in ["i-1", "i-2"] {
        w.pool.kill_instance(w.now, &id(i), "broken disk").unwrap();
        let reason = ShutdownReason::Requested("broken disk".to_owned());
        assert_eq!(w.view(i).unwrap().shutdown, Some(reason.clone()));
        assert!(w.take_notices().contains(&Notice::Shutdown { instance: id(i), reason }));
        assert_eq!(w.destroyed(), [i]);
    }
    assert_eq!(
        w.pool.kill_instance(w.now, &id("i-9"), "").unwrap_err().to_string(),
        "there is no instance i-9"
    );
}

#[test]
fn p18_a_killed_worker_takes_no_more_part() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    let probe = w.begin_probe("i-1");
    w.pool.kill_instance(w.now, &id("i-1"), "test").unwrap();
    assert!(w.try_start("i-1", run("job-1"), half()).is_err());
    w.probed("i-1", probe, true, Ok(RunList::default()));
    assert_eq!(w.phase("i-1"), Some(Phase::Shutdown));
}
