//! What is counted and measured.

use super::{fixtures::*, harness::World};
use crate::{
    Category, Event, FailureClass, HoldOffCounts, IdleBehavior, JobStart, Observation, StartAnswer,
    events::BootOutcome,
};
use pool_api::{ByteSize, Cpus, HourlyPrice, PlacementReach, Reach};
use std::collections::BTreeMap;

fn boots(w: &mut World) -> Vec<BootOutcome> {
    let pick = |o| match o {
        Observation::Boot(outcome) => Some(outcome),
        _ => None,
    };
    w.take_observations().into_iter().filter_map(pick).collect()
}

#[test]
fn each_boot_of_a_worker_that_was_created_here_has_one_outcome() {
    let outcome = |end: &dyn Fn(&mut World)| {
        let mut w = World::new();
        w.booting_worker("i-1", SMALL);
        end(&mut w);
        let before = boots(&mut w);
        let _ = w.pool.kill_instance(w.now, &id("i-1"), "test");
        w.list(&[]);
        assert!(boots(&mut w).is_empty(), "once");
        before
    };
    assert_eq!(outcome(&|w| w.probe("i-1", Vec::new())), [BootOutcome::Success]);
    assert_eq!(outcome(&|w| w.list(&[])), [BootOutcome::Disappeared]);
    assert_eq!(outcome(&|w| w.set_behavior("i-1", IdleBehavior::Drain)), [BootOutcome::Aborted]);
    let shut_down = |w: &mut World| assert!(w.pool.shutdown_type(w.now, &name(SMALL)).is_some());
    assert_eq!(outcome(&shut_down), [BootOutcome::Aborted]);
    let broken = |w: &mut World| w.event(Event::Broken { instance: id("i-1"), reason: String::new() });
    assert_eq!(outcome(&broken), [BootOutcome::Failure]);
    let late = |w: &mut World| {
        w.advance(secs(600));
        w.probe_fails("i-1");
        w.probe_fails("i-1");
    };
    assert_eq!(outcome(&late), [BootOutcome::Failure]);
}

#[test]
fn an_unknown_worker_has_no_boot_outcome() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    w.probe("i-1", Vec::new());
    w.list(&[]);
    assert!(boots(&mut w).is_empty());
}

#[test]
fn times_are_measured_from_what_was_asked_for() {
    let mut w = World::new();
    let create = w.create(SMALL);
    w.advance(secs(20));
    w.created(&create, "i-1");
    w.advance(secs(10));
    w.probe_fails("i-1");
    let probe = w.begin_probe("i-1");
    w.advance(secs(2));
    w.probed("i-1", probe, true, Err("no runner".to_owned()));
    w.advance(secs(8));
    w.probe("i-1", Vec::new());
    let seen = w.take_observations();
    assert!(seen.contains(&Observation::TimeToSsh(secs(32))), "{seen:?}");
    assert!(seen.contains(&Observation::TimeToReady(secs(40))), "{seen:?}");
    assert!(seen.contains(&Observation::RunProbe { success: false, took: secs(2) }), "{seen:?}");
    let once = |o: &&Observation| matches!(o, Observation::TimeToSsh(_));
    assert_eq!(seen.iter().filter(once).count(), 1);

    let start = JobStart { run: run("job-1"), resources: half(), waited: Some(secs(100)) };
    w.pool.start_job(w.now, &id("i-1"), start).unwrap();
    w.advance(secs(3));
    w.start_answered("i-1", run("job-1"), StartAnswer::Started);
    assert!(w.take_observations().contains(&Observation::TimeToStart(secs(103))));
    w.probe("i-1", vec![running("job-1")]);
    let again = w.take_observations();
    assert!(!again.iter().any(|o| matches!(o, Observation::TimeToStart(_))), "once");

    w.pool.kill_instance(w.now, &id("i-1"), "test").unwrap();
    w.advance(secs(7));
    w.list(&[]);
    let gone = w.take_observations();
    assert!(gone.contains(&Observation::TimeToDisappear(secs(7))), "{gone:?}");
    assert!(gone.contains(&Observation::Disappeared(Category::Shutdown)), "{gone:?}");
}

#[test]
fn a_worker_that_disappears_unasked_counts_in_the_category_that_it_had() {
    let mut w = World::new();
    w.idle_worker("busy", SMALL);
    w.running_job("busy", "job-1");
    w.idle_worker("held", SMALL);
    w.set_behavior("held", IdleBehavior::Hold);
    w.idle_worker("idle", SMALL);
    w.booting_worker("new", SMALL);
    let mut all = ["busy", "held", "idle", "new"].map(|i| listed(i, SMALL, pool_api::Tags::new())).to_vec();
    all.push(w.instance("unknown", SMALL));
    w.list(&all);
    w.forget_effects();
    w.list(&[]);
    let pick = |o| match o {
        Observation::Disappeared(category) => Some(category),
        _ => None,
    };
    let gone: Vec<Category> = w.take_observations().into_iter().filter_map(pick).collect();
    assert_eq!(gone, [Category::InUse, Category::Hold, Category::Idle, Category::Booting, Category::Unknown]);
}

#[test]
fn gauges_show_the_moment() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.try_start("i-1", run("job-2"), half()).unwrap();
    w.idle_worker("i-2", SMALL);
    w.idle_worker("i-3", BIG);
    w.set_behavior("i-3", IdleBehavior::Hold);
    w.idle_worker("i-4", SMALL);
    w.pool.kill_instance(w.now, &id("i-4"), "test").unwrap();
    w.advance(secs(3));
    w.probe("i-2", Vec::new());
    w.advance(secs(5));
    let gauges = w.pool.gauges(w.now);
    assert_eq!(gauges.jobs_running, 2);
    let count = |category, type_name: &str, n: usize| ((category, name(type_name)), n);
    let expected = BTreeMap::from([
        count(Category::InUse, SMALL, 1),
        count(Category::Idle, SMALL, 1),
        count(Category::Hold, BIG, 1),
        count(Category::Shutdown, SMALL, 1),
    ]);
    assert_eq!(gauges.instances, expected);
    assert_eq!(gauges.price[&Category::Hold], HourlyPrice::from_micros(400_000));
    assert_eq!(gauges.vcpus[&Category::InUse], Cpus::whole(2));
    assert_eq!(gauges.memory[&Category::Hold], ByteSize::gib(16));
    assert_eq!(gauges.probe_ages, [secs(8), secs(8), secs(5)], "longest first, none of the shut down");
    assert_eq!((gauges.creates_in_flight, gauges.hold_offs), (0, HoldOffCounts::default()));
    assert!(gauges.list_age >= secs(8), "{:?}", gauges.list_age);
    w.list(&[]);
    assert!(w.pool.gauges(w.now).list_age < gauges.list_age);
}

#[test]
fn only_workers_that_should_answer_have_an_age_and_more_workers_are_probed_less_often() {
    let mut w = World::with(|setup| setup.settings.max_probes_per_second = 1);
    w.idle_worker("taken", SMALL);
    w.advance(secs(1));
    w.idle_worker("i-1", SMALL);
    w.booting_worker("booting", SMALL);
    let mut all = ["i-1", "taken", "booting"].map(|i| listed(i, SMALL, pool_api::Tags::new())).to_vec();
    all.push(w.instance("found", SMALL));
    w.list(&all);
    w.event(Event::Superseded { instance: id("taken"), highest: 7 });
    w.advance(secs(3));
    assert_eq!(w.pool.gauges(w.now).probe_ages, [secs(3)], "of i-1 alone");
    assert_eq!(w.pool.gauges(w.now).probe_interval, secs(10));
    for n in 0..20 {
        w.booting_worker(&format!("more-{n}"), SMALL);
    }
    assert_eq!(w.pool.gauges(w.now).probe_interval, secs(23), "one a second, and not the one that is taken");
}

#[test]
fn gauges_count_the_hold_offs_that_are_in_force() {
    let mut w = World::new();
    let held = |w: &World| {
        let HoldOffCounts { quota, capacity, rate_limit } = w.pool.gauges(w.now).hold_offs;
        [quota, capacity, rate_limit]
    };
    let create = w.create(SMALL);
    assert_eq!(w.pool.gauges(w.now).creates_in_flight, 1);
    w.call_failed(create.0, quota(Reach::InstanceType));
    assert_eq!((w.pool.gauges(w.now).creates_in_flight, held(&w)), (0, [1, 0, 0]));
    let create = w.create(BIG);
    w.call_failed(create.0, capacity(Reach::InstanceType, PlacementReach::Every));
    assert_eq!(held(&w), [1, 1, 0]);
    let op = w.begin_list();
    w.call_failed(op, FailureClass::RateLimit(Some(secs(30))));
    assert_eq!(held(&w), [1, 1, 1]);
    w.advance(secs(60));
    assert_eq!(held(&w), [0, 0, 0]);
}
