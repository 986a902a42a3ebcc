//! What the operator allows: idle workers that stay, jobs and time of a worker's life, what an hour may cost.

use super::{fixtures::*, harness::World};
use crate::{
    CreateRefusal, IdleBehavior, JobEnd, ListedInstance, Phase, PoolState, ShutdownReason, StartAnswer,
    StartRefusal,
};
use pool_api::{HourlyPrice, Reach};

fn keeping(min_idle: u32) -> World {
    World::with(|setup| {
        setup.settings.min_idle = [(name(SMALL), min_idle)].into();
        setup.settings.timeout_idle = secs(60);
    })
}

fn giving(jobs: u32) -> World {
    World::with(|setup| {
        setup.settings.max_jobs_per_instance = jobs;
        setup.settings.timeout_idle = secs(100_000);
    })
}

fn living(seconds: u64) -> World {
    World::with(|setup| {
        setup.settings.max_lifetime = Some(secs(seconds));
        setup.settings.timeout_idle = secs(100_000);
        setup.settings.timeout_probe = secs(100_000);
    })
}

fn capped(cap: u64) -> World {
    World::with(|setup| setup.settings.max_price_per_hour = Some(HourlyPrice::from_micros(cap)))
}

/// A job from its start to where its end is forgotten.
fn whole_job(w: &mut World, instance: &str, text: &str) {
    w.running_job(instance, text);
    w.run_ended(instance, run(text));
    w.forget(text);
}

/// What an earlier process left, seen by the next one, which has heard nothing else.
fn next_process(w: &World, instance: &ListedInstance) -> World {
    let mut next = World::with(|setup| *setup = w.pool.setup.clone());
    next.list(std::slice::from_ref(instance));
    next
}

#[test]
fn no_more_idle_workers_go_than_leave_min_idle_and_the_one_that_is_idle_longest_goes_first() {
    let mut w = keeping(1);
    let all = [w.idle_worker("i-1", SMALL), w.idle_worker("i-2", SMALL), w.idle_worker("i-3", BIG)];
    w.running_job("i-2", "job-1");
    w.advance(secs(1));
    w.run_ended("i-2", run("job-1"));
    w.forget("job-1");
    w.advance(secs(1000));
    assert_eq!(w.phase("i-1"), Some(Phase::Shutdown));
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Idle));
    assert_eq!(w.phase("i-2"), Some(Phase::Idle), "the last one stays");
    assert_eq!(w.phase("i-3"), Some(Phase::Shutdown), "of a type of which none is to stay");
    drop(all);
}

#[test]
fn an_idle_worker_that_was_kept_goes_as_soon_as_another_takes_its_place() {
    let mut w = keeping(1);
    w.idle_worker("i-1", SMALL);
    w.advance(secs(1000));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.booting_worker("i-2", SMALL);
    w.advance(secs(1));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle), "a ready one does not go for one that may never be");
    w.probe("i-2", Vec::new());
    w.advance(secs(0));
    assert_eq!((w.phase("i-1"), w.phase("i-2")), (Some(Phase::Shutdown), Some(Phase::Idle)));
}

#[test]
fn min_idle_keeps_none_that_is_drained_or_that_the_scheduler_does_not_need() {
    let mut w = keeping(2);
    w.idle_worker("i-1", SMALL);
    w.idle_worker("i-2", SMALL);
    w.set_behavior("i-1", IdleBehavior::Drain);
    assert!(w.pool.shutdown_instance(w.now, &id("i-2")));
    assert_eq!((w.phase("i-1"), w.phase("i-2")), (Some(Phase::Shutdown), Some(Phase::Shutdown)));
    let view = w.pool.pool_view(w.now);
    let min_idle = |text| view.types.iter().find(|t| t.instance_type.name == name(text)).unwrap().min_idle;
    assert_eq!((min_idle(SMALL), min_idle(BIG)), (2, 0));
}

#[test]
fn an_instance_is_drained_when_it_is_given_its_last_job_and_gets_no_other() {
    let mut w = giving(2);
    w.idle_worker("i-1", BIG);
    whole_job(&mut w, "i-1", "job-1");
    assert_eq!(w.behavior("i-1"), IdleBehavior::Run);
    w.running_job("i-1", "job-2");
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain);
    assert_eq!(w.take_saves().pop().unwrap().2.get("pool-IdleBehavior"), Some("drain"));
    assert_eq!(w.try_start("i-1", run("job-3"), half()), Err(StartRefusal::NoRoom(id("i-1"))));
    w.set_behavior("i-1", IdleBehavior::Run);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain, "nobody can give it a longer life");
    assert!(w.try_start("i-1", run("job-3"), half()).is_err());
    w.run_ended("i-1", run("job-2"));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle), "its output is still to be fetched");
    w.forget("job-2");
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Drained));
}

#[test]
fn a_held_instance_that_has_had_its_jobs_stays_and_drains_when_it_is_let_go() {
    let mut w = giving(1);
    let listed = w.instance("i-1", SMALL);
    w.list(std::slice::from_ref(&listed));
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.probe("i-1", vec![ended("job-1")]);
    assert!(w.forget("job-1"));
    assert_eq!((w.behavior("i-1"), w.phase("i-1")), (IdleBehavior::Hold, Some(Phase::Idle)));
    w.accept_calls();
    assert!(w.take_forgets().is_empty(), "the tag does not say yet that it is spent");
    w.set_behavior("i-1", IdleBehavior::Run);
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Drained));
}

#[test]
fn a_start_counts_also_when_it_was_refused() {
    let mut w = giving(1);
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    w.start_answered("i-1", run("job-1"), StartAnswer::Refused("no".into()));
    assert!(matches!(w.end_of("job-1"), Some(JobEnd::NotStarted { .. })));
    assert_eq!(w.phase("i-1"), Some(Phase::Shutdown));
}

#[test]
fn a_crash_at_any_moment_gives_no_instance_of_one_job_a_second_one() {
    // Whether the tag or the runner's record tells it: there is always one of the two.
    let mut w = giving(1);
    let mut listed = w.idle_worker("i-1", SMALL);
    w.accept_calls();
    w.running_job("i-1", "job-1");

    let mut next = next_process(&w, &listed);
    next.probe("i-1", vec![running("job-1")]);
    assert_eq!(next.behavior("i-1"), IdleBehavior::Drain, "the run that goes on tells");

    w.run_ended("i-1", run("job-1"));
    w.forget("job-1");
    assert!(w.take_forgets().is_empty(), "the runner keeps the run while the tag is not saved");
    let mut next = next_process(&w, &listed);
    next.probe("i-1", vec![ended("job-1")]);
    assert_eq!(next.behavior("i-1"), IdleBehavior::Drain, "the run that has ended tells");
    assert!(next.try_start("i-1", run("job-2"), half()).is_err());

    let (op, _, tags) = w.take_saves().pop().unwrap();
    listed.tags.extend(&tags);
    w.event(crate::Event::CallDone { op });
    let mut next = next_process(&w, &listed);
    next.probe("i-1", Vec::new());
    assert_eq!(next.view("i-1").unwrap().shutdown, Some(ShutdownReason::Drained), "the tag tells");
}

#[test]
fn the_runner_forgets_the_last_job_once_the_tag_is_saved() {
    let mut w = giving(1);
    w.idle_worker("i-1", BIG);
    w.accept_calls();
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.set_behavior("i-1", IdleBehavior::Run);
    w.accept_calls();
    w.accept_calls();
    w.running_job("i-1", "job-1");
    w.accept_calls();
    w.run_ended("i-1", run("job-1"));
    w.forget("job-1");
    assert_eq!(w.take_forgets(), [(id("i-1"), run("job-1"))]);
}

#[test]
fn without_a_limit_a_worker_is_given_any_number_of_jobs() {
    let mut w = giving(0);
    w.idle_worker("i-1", SMALL);
    for n in 0..100 {
        whole_job(&mut w, "i-1", &format!("job-{n}"));
    }
    assert_eq!((w.behavior("i-1"), w.phase("i-1")), (IdleBehavior::Run, Some(Phase::Idle)));
}

#[test]
fn an_instance_that_is_too_old_is_drained_and_its_job_ends_first() {
    let mut w = living(1000);
    let idle = w.idle_worker("i-1", SMALL);
    let busy = w.idle_worker("i-2", SMALL);
    w.running_job("i-2", "job-1");
    w.advance(millis(999_999));
    assert_eq!((w.behavior("i-1"), w.behavior("i-2")), (IdleBehavior::Run, IdleBehavior::Run));
    w.advance(millis(1));
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Drained));
    assert_eq!((w.behavior("i-2"), w.phase("i-2")), (IdleBehavior::Drain, Some(Phase::Running)));
    w.set_behavior("i-2", IdleBehavior::Run);
    assert_eq!(w.behavior("i-2"), IdleBehavior::Drain);
    w.run_ended("i-2", run("job-1"));
    w.forget("job-1");
    assert_eq!(w.phase("i-2"), Some(Phase::Shutdown));
    drop((idle, busy));
}

#[test]
fn a_held_instance_that_is_too_old_is_drained_only_when_it_is_no_longer_held() {
    let mut w = living(1000);
    w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.advance(secs(5000));
    assert_eq!((w.behavior("i-1"), w.phase("i-1")), (IdleBehavior::Hold, Some(Phase::Idle)));
    w.set_behavior("i-1", IdleBehavior::Run);
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Drained));
}

#[test]
fn the_age_of_an_adopted_instance_is_believed_once_and_one_created_here_is_timed_here() {
    let mut w = living(1000);
    let mut adopted = w.instance("i-1", SMALL);
    adopted.age = Some(secs(400));
    let create = w.create(SMALL);
    let mut made = listed("i-2", SMALL, create.1.tags.clone());
    // The wall clock is a day ahead of the cloud's: no matter for what was created here.
    made.age = Some(secs(86_400));
    w.event(crate::Event::Created { op: create.0, instance: made.clone() });
    w.list(&[adopted.clone(), made.clone()]);
    w.probe("i-1", Vec::new());
    w.probe("i-2", Vec::new());
    for age in [Some(secs(86_400)), None, Some(secs(0))] {
        adopted.age = age;
        w.list(&[adopted.clone(), made.clone()]);
        w.advance(secs(199));
        assert_eq!((w.behavior("i-1"), w.behavior("i-2")), (IdleBehavior::Run, IdleBehavior::Run));
    }
    w.advance(secs(3));
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain);
    assert_eq!(w.behavior("i-2"), IdleBehavior::Run);
    w.advance(secs(399));
    assert_eq!(w.behavior("i-2"), IdleBehavior::Run);
    w.advance(secs(1));
    assert_eq!(w.behavior("i-2"), IdleBehavior::Drain);
}

#[test]
fn an_adopted_instance_that_is_too_old_already_or_of_unknown_age() {
    let mut w = living(1000);
    let mut old = w.instance("i-1", SMALL);
    old.age = Some(secs(5000));
    let unknown = w.instance("i-2", SMALL);
    w.list(&[old, unknown]);
    w.advance(secs(0));
    assert_eq!((w.behavior("i-1"), w.behavior("i-2")), (IdleBehavior::Drain, IdleBehavior::Run));
    w.advance(secs(999));
    assert_eq!(w.behavior("i-2"), IdleBehavior::Run, "counted from when it was first seen");
    w.advance(secs(1));
    assert_eq!(w.behavior("i-2"), IdleBehavior::Drain);
}

#[test]
fn a_create_that_would_cost_too_much_is_refused_with_the_cap_and_what_is_in_use() {
    let mut w = capped(500_000);
    w.create(SMALL);
    let refusal = w.try_create(GPU).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "max_price_per_hour is 0.5, 0.1 of it is in use, and instance type gpu costs 0.9"
    );
    w.create(BIG);
    assert!(matches!(w.try_create(SMALL_SPOT), Err(CreateRefusal::SpendCap { .. })), "exactly full");
    assert_eq!(w.pool.pool_view(w.now).price_left, Some(HourlyPrice::ZERO));
}

#[test]
fn instances_on_their_way_out_count_towards_the_spend_cap_until_they_are_gone() {
    let mut w = capped(400_000);
    let big = w.idle_worker("i-1", BIG);
    assert!(w.pool.shutdown_instance(w.now, &id("i-1")));
    w.list(&[big]);
    assert!(matches!(w.try_create(SMALL), Err(CreateRefusal::SpendCap { .. })));
    w.forget_effects();
    w.list(&[]);
    assert!(w.was_woken());
    w.create(SMALL);
}

#[test]
fn a_refused_create_gives_its_price_back() {
    let mut w = capped(100_000);
    let create = w.create(SMALL);
    assert!(w.try_create(SMALL_SPOT).is_err());
    w.call_failed(create.0, quota(Reach::QuotaGroup));
    assert_eq!(w.pool.pool_view(w.now).price_left, Some(HourlyPrice::from_micros(100_000)));
}

#[test]
fn an_answer_that_comes_after_its_instance_is_gone_brings_it_not_back() {
    let mut w = capped(900_000);
    let create = w.create(GPU);
    w.list(&[listed("i-1", GPU, create.1.tags.clone())]);
    assert_eq!(w.pool.instances().len(), 1);
    w.forget_effects();
    w.list(&[]);
    assert!(w.pool.instances().is_empty());
    // Its place is free again: another is asked for after the pause that a failed boot makes, and only then the first
    // create is answered.
    w.advance(secs(1));
    w.create(GPU);
    w.created(&create, "i-1");
    assert_eq!(w.pool.price_in_use(), HourlyPrice::from_micros(900_000));
    assert!(w.pool.instances().iter().all(|instance| instance.id.is_none()));
}

#[test]
fn an_adopted_excess_is_not_destroyed_and_nothing_more_is_created() {
    let mut w = capped(500_000);
    let found = [w.instance("i-1", GPU), w.instance("i-2", GPU)];
    w.list(&found);
    w.probe("i-1", Vec::new());
    w.advance(secs(1));
    assert!(w.destroyed().is_empty());
    assert_eq!(w.pool.price_in_use(), HourlyPrice::from_micros(1_800_000));
    assert!(matches!(w.try_create(SMALL_SPOT), Err(CreateRefusal::SpendCap { .. })));
    assert_eq!(w.pool.pool_view(w.now).price_left, Some(HourlyPrice::ZERO));
}

#[test]
fn without_a_cap_there_is_none() {
    let w = World::new();
    let view = w.pool.pool_view(w.now);
    assert_eq!(view.price_left, None);
    assert!(PoolState::new(setup(), w.now).pool_view(w.now).types.iter().all(|t| t.min_idle == 0));
}
