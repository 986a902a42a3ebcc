//! Another program, with a higher epoch, takes workers over.

use super::{fixtures::*, harness::World};
use crate::{
    CreateRefusal, Effect, Event, IdleBehavior, InstanceRefusal, JobEnd, JobStart, JobStatus, Notice, Phase,
    StartAnswer, StartRefusal,
};
use pool_api::Lifecycle;

/// A world in which every worker that is ready has a session.
fn world() -> World {
    World::with(|setup| {
        setup.settings.timeout_idle = secs(60);
        setup.settings.max_instances = 3;
        setup.settings.max_lifetime = Some(secs(500));
    })
}

fn ready(w: &mut World, instance: &str) -> crate::ListedInstance {
    let listed = w.idle_worker(instance, SMALL);
    w.session(instance, true);
    listed
}

/// As it happens: the other program's session ends ours, and the next one is refused.
fn taken_over(w: &mut World, instance: &str) {
    w.session(instance, false);
    w.event(Event::Superseded { instance: id(instance), highest: 7 });
}

/// Whatever asks something of anybody but the cloud's list.
fn asks(effect: &Effect) -> bool {
    !matches!(effect, Effect::Notify | Effect::Observe(_) | Effect::Report(_) | Effect::List { .. })
}

#[test]
fn p54_a_worker_that_another_program_has_taken_over_is_left_alone() {
    let mut w = world();
    let taken = ready(&mut w, "i-1");
    let ours = ready(&mut w, "i-2");
    w.running_job("i-2", "job-2");
    w.accept_calls();
    w.forget_effects();
    taken_over(&mut w, "i-1");
    assert_eq!(w.take_notices(), [Notice::TakenOver { instance: id("i-1"), highest: 7 }]);
    assert!(w.was_woken());
    assert_eq!(w.pool.superseded(), None, "another worker is ours");
    for _ in 0..100 {
        w.list(&[taken.clone(), ours.clone()]);
        w.advance(secs(20));
    }
    let mut stopped = in_lifecycle(&taken, Lifecycle::Stopped);
    stopped.tags.set("pool-IdleBehavior", "other");
    w.list(&[stopped, ours]);
    let of_it = |effect: &Effect| asks(effect) && format!("{effect:?}").contains("i-1");
    let of_it: Vec<_> = w.effects.iter().filter(|effect| of_it(effect)).collect();
    assert!(of_it.is_empty(), "{of_it:?}");
    let view = w.view("i-1").unwrap();
    assert_eq!((view.phase, view.taken_by), (Some(Phase::Idle), Some(7)));
    assert_eq!(w.unallocated(SMALL), 0);
    assert_eq!(w.try_start("i-1", run("job-1"), half()), Err(StartRefusal::NoRoom(id("i-1"))));
    assert!(!w.pool.shutdown_instance(w.now, &id("i-1")));
    let refusal = w.pool.set_idle_behavior(w.now, &id("i-1"), IdleBehavior::Hold).unwrap_err();
    assert_eq!(refusal, InstanceRefusal::TakenOver { instance: id("i-1"), highest: 7 });
    w.create(SMALL);
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::MaxInstances(3)), "it counts");
}

#[test]
fn p54_jobs_on_a_worker_that_was_taken_over_are_neither_ended_nor_given_to_another_before_it_is_gone() {
    let mut w = world();
    let all = [ready(&mut w, "i-1"), ready(&mut w, "i-2")];
    w.running_job("i-1", "job-1");
    assert!(w.kill("job-1"));
    w.forget_effects();
    taken_over(&mut w, "i-1");
    w.advance(secs(1000));
    assert!(w.take_kills().is_empty());
    assert!(!w.kill("job-1"));
    assert!(matches!(w.pool.job(&job("job-1")), Some(JobStatus::Running { .. })));
    w.list(&all[1..]);
    assert_eq!(w.end_of("job-1"), Some(JobEnd::WorkerGone));
}

#[test]
fn p54_a_start_that_was_refused_for_the_epoch_has_not_happened() {
    let mut w = world();
    ready(&mut w, "i-1");
    ready(&mut w, "i-2");
    w.try_start("i-1", run("job-1"), half()).unwrap();
    taken_over(&mut w, "i-1");
    w.start_answered("i-1", run("job-1"), StartAnswer::Refused("stale epoch".into()));
    assert!(matches!(w.end_of("job-1"), Some(JobEnd::NotStarted { .. })));
    assert!(w.forget("job-1"));
    w.try_start("i-2", attempt("job-1", 2), half()).unwrap();
    w.advance(secs(1000));
    assert!(w.destroyed().iter().all(|id| id != "i-1"));
}

#[test]
fn p54_one_lying_worker_does_not_stop_the_pool_and_can_be_destroyed_by_name() {
    let mut w = world();
    let liar = ready(&mut w, "i-1");
    ready(&mut w, "i-2");
    taken_over(&mut w, "i-1");
    w.running_job("i-2", "job-2");
    w.create(SMALL);
    w.pool.kill_instance(w.now, &id("i-1"), "it lies").unwrap();
    taken_over(&mut w, "i-1");
    let destroys = w.take_destroys();
    assert_eq!(destroys.len(), 1);
    w.call_failed(destroys[0].0, other());
    w.advance(secs(10));
    assert_eq!(w.destroyed(), ["i-1"], "again, whatever it says");
    drop(liar);
}

#[test]
fn p54_a_pool_that_no_worker_accepts_any_longer_does_nothing_any_more() {
    let mut w = world();
    let all = [ready(&mut w, "i-1"), ready(&mut w, "i-2")];
    w.running_job("i-1", "job-1");
    let create = w.create(SMALL);
    w.call_lost(create.0);
    taken_over(&mut w, "i-1");
    assert_eq!(w.pool.superseded(), None);
    w.forget_effects();
    taken_over(&mut w, "i-2");
    assert_eq!(w.pool.superseded(), Some(7));
    assert!(w.take_notices().contains(&Notice::Superseded { highest: 7 }));
    assert!(w.was_woken());

    w.effects.clear();
    assert_eq!(w.pool.poll_timeout(), None);
    w.pool.handle_timeout(w.now + secs(100_000));
    w.now = w.now + secs(100_000);
    w.event(Event::Created { op: create.0, instance: listed("i-3", SMALL, create.1.tags) });
    w.run_ended("i-1", run("job-1"));
    w.session("i-1", true);
    w.event(Event::Broken { instance: id("i-2"), reason: "no".into() });
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::Superseded(7)));
    assert_eq!(w.try_start("i-1", run("job-2"), half()), Err(StartRefusal::Superseded(7)));
    let start = JobStart { run: run("job-2"), resources: half(), waited: None };
    assert_eq!(w.pool.start_job_on_type(w.now, &name(SMALL), start), Err(StartRefusal::Superseded(7)));
    let refused = Err(InstanceRefusal::Superseded(7));
    assert_eq!(w.pool.set_idle_behavior(w.now, &id("i-1"), IdleBehavior::Drain), refused);
    assert_eq!(w.pool.kill_instance(w.now, &id("i-1"), "no"), refused);
    assert_eq!(w.pool.shutdown_type(w.now, &name(SMALL)), None);
    assert!(!w.pool.shutdown_instance(w.now, &id("i-1")));
    assert!(!w.kill("job-1") && !w.forget("job-1"));
    w.collect();
    assert_eq!(w.effects, []);
    assert_eq!(w.pool.instances().len(), 3, "what it knew last can still be seen");
    drop(all);
}

#[test]
fn p54_what_was_asked_for_and_not_taken_yet_is_not_done_any_more() {
    let mut w = world();
    ready(&mut w, "i-1");
    w.forget_effects();
    w.pool.handle(w.now, Event::SessionClosed { instance: id("i-1"), reason: "lost".into() });
    w.pool.handle_timeout(w.now);
    w.pool.handle(w.now, Event::Superseded { instance: id("i-1"), highest: 7 });
    assert_eq!(w.pool.superseded(), Some(7));
    w.collect();
    assert!(!w.effects.iter().any(|effect| asks(effect) || matches!(effect, Effect::List { .. })));
}

#[test]
fn p54_calls_that_wait_for_their_turn_are_not_made_any_more() {
    let mut w = World::with(|setup| setup.settings.max_cloud_ops_per_second = 2);
    w.advance(secs(2));
    ready(&mut w, "i-1");
    w.booting_worker("i-2", SMALL);
    w.probe_fails("i-2");
    w.pool.kill_instance(w.now, &id("i-1"), "no longer wanted").unwrap();
    w.session("i-1", false);
    assert!(w.destroyed().is_empty(), "the second is full");
    w.now = w.now + secs(2);
    w.event(Event::Superseded { instance: id("i-2"), highest: 7 });
    assert_eq!(w.pool.superseded(), Some(7));
    assert!(w.destroyed().is_empty());
}

#[test]
fn p54_a_pool_waits_until_all_workers_were_heard_before_it_believes_one() {
    let mut w = world();
    let all = [w.instance("i-1", SMALL), w.instance("i-2", SMALL)];
    w.list(&all);
    w.event(Event::Superseded { instance: id("i-1"), highest: 7 });
    assert_eq!(w.pool.superseded(), None, "nobody has asked the other");
    w.session("i-2", true);
    w.probe("i-2", Vec::new());
    assert_eq!(w.pool.superseded(), None, "it accepts us");
    w.session("i-2", false);
    assert_eq!(w.pool.superseded(), None, "a connection was lost");
    w.probe_fails("i-2");
    assert_eq!(w.pool.superseded(), Some(7), "nobody accepts us");
}

#[test]
fn p54_a_worker_that_refused_and_accepts_once_more_stays_left_alone() {
    let mut w = world();
    ready(&mut w, "i-1");
    ready(&mut w, "i-2");
    let probe = w.begin_probe("i-1");
    taken_over(&mut w, "i-1");
    w.session("i-1", true);
    w.probed("i-1", probe, true, Ok(crate::RunList { runs: vec![running("job-1")], broken: None }));
    assert!(w.pool.running().is_empty());
    assert!(w.try_start("i-1", run("job-2"), half()).is_err());
    taken_over(&mut w, "i-2");
    assert_eq!(w.pool.superseded(), Some(7));
}

#[test]
fn p54_the_word_of_a_worker_goes_with_it() {
    let mut w = world();
    ready(&mut w, "i-1");
    let ours = ready(&mut w, "i-2");
    taken_over(&mut w, "i-1");
    w.list(std::slice::from_ref(&ours));
    w.session("i-2", false);
    w.probe_fails("i-2");
    assert_eq!(w.pool.superseded(), None);
}
