//! p03 and p04: what counts as unallocated, and what is asked of the cloud.

use super::{fixtures::*, harness::World};
use crate::{CreateRefusal, IdleBehavior, Phase, RunList};
use pool_api::{Lifecycle, PlacementReach, Reach};

#[test]
fn p03_creating_booting_idle_and_unknown_workers_count_per_type() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.booting_worker("i-2", SMALL);
    let known = [w.instance("i-3", SMALL), w.instance("i-4", BIG)];
    let others = ["i-1", "i-2"].map(|i| listed(i, SMALL, pool_api::Tags::new()));
    w.list(&[known.to_vec(), others.to_vec()].concat());
    w.create(SMALL);
    assert_eq!(w.phase("i-3"), Some(Phase::Unknown));
    // One idle, one booting, one unknown: but that one appeared before the create began, so both count.
    assert_eq!(w.unallocated(SMALL), 4);
    assert_eq!(w.unallocated(BIG), 1);
    assert_eq!(w.unallocated(GPU), 0);
}

#[test]
fn p03_shutdown_running_held_and_drained_workers_and_those_with_a_job_do_not_count() {
    let mut w = World::new();
    for i in ["i-1", "i-2", "i-3", "i-4", "i-5"] {
        w.idle_worker(i, SMALL);
    }
    assert_eq!(w.unallocated(SMALL), 5);
    w.pool.kill_instance(w.now, &id("i-1"), "test").unwrap();
    assert_eq!(w.unallocated(SMALL), 4, "shutdown");
    w.running_job("i-2", "job-1");
    assert_eq!(w.unallocated(SMALL), 3, "running");
    w.set_behavior("i-3", IdleBehavior::Hold);
    assert_eq!(w.unallocated(SMALL), 2, "held");
    w.set_behavior("i-4", IdleBehavior::Drain);
    assert_eq!(w.unallocated(SMALL), 1, "drained");
    // An unknown worker on which a job was found, while its boot probe fails.
    let mut all: Vec<_> = ["i-1", "i-2", "i-3", "i-4", "i-5"].map(|i| w.instance(i, SMALL)).into();
    all.push(w.instance("i-6", SMALL));
    w.list(&all);
    assert_eq!(w.unallocated(SMALL), 2);
    let probe = w.begin_probe("i-6");
    w.probed("i-6", probe, false, Ok(RunList { runs: vec![running("job-2")], broken: None }));
    assert_eq!(w.phase("i-6"), Some(Phase::Unknown));
    assert_eq!(w.unallocated(SMALL), 1, "unknown with a job");
    w.run_ended("i-2", run("job-1"));
    assert_eq!(w.unallocated(SMALL), 2, "its last job has ended");
    w.set_behavior("i-3", IdleBehavior::Run);
    assert_eq!(w.unallocated(SMALL), 3, "held no longer");
}

#[test]
fn p03_unknown_workers_that_appeared_since_the_oldest_create_began_count_once() {
    let mut w = World::new();
    let before = w.instance("i-0", SMALL);
    w.list(std::slice::from_ref(&before));
    w.advance(secs(1));
    w.create(SMALL);
    w.create(SMALL);
    assert_eq!(w.unallocated(SMALL), 3);
    w.advance(secs(1));
    // Their tags are stale: they may be those that are being created, or not.
    let mut all = vec![before, w.instance("i-1", SMALL)];
    w.list(&all);
    assert_eq!(w.unallocated(SMALL), 3, "the new one may be a create's");
    all.push(w.instance("i-2", SMALL));
    w.list(&all);
    assert_eq!(w.unallocated(SMALL), 3, "these two may be both creates'");
    all.push(w.instance("i-3", SMALL));
    w.list(&all);
    assert_eq!(w.unallocated(SMALL), 4, "the third cannot: two creates are in flight");
    all.push(w.instance("i-4", BIG));
    w.list(&all);
    assert_eq!(w.unallocated(SMALL), 4, "another type has nothing to do with it");
    assert_eq!(w.unallocated(BIG), 1);
}

#[test]
fn p03_an_instance_with_the_secret_of_a_create_counts_once() {
    let mut w = World::new();
    let create = w.create(SMALL);
    assert_eq!(w.unallocated(SMALL), 1);
    w.list(&[listed("i-1", SMALL, create.1.tags.clone())]);
    assert_eq!(w.unallocated(SMALL), 1);
    w.created(&create, "i-1");
    assert_eq!(w.unallocated(SMALL), 1);
}

#[test]
fn p04_a_create_carries_the_tags_that_the_pool_needs_under_its_prefix() {
    let mut w = World::new();
    let (_, create) = w.create(SMALL);
    let tags: Vec<(&str, &str)> = create.tags.iter().collect();
    assert_eq!(
        tags,
        [
            ("pool-IdleBehavior", "run"),
            ("pool-InstanceSecret", create.secret.as_str()),
            ("pool-InstanceSetID", "set-1"),
            ("pool-InstanceType", SMALL),
        ]
    );
    let (_, second) = w.create(SMALL);
    assert_ne!(second.secret, create.secret, "each has a fresh secret");
    assert_ne!(second.token, create.token);
}

#[test]
fn p04_a_create_is_pending_at_once() {
    let mut w = World::new();
    w.try_create(SMALL).unwrap();
    let views = w.pool.instances();
    assert_eq!((views.len(), views[0].id.clone(), views[0].phase), (1, None, None));
    assert_eq!(w.unallocated(SMALL), 1);
}

#[test]
fn p04_nothing_is_created_before_the_first_complete_list_nor_of_an_unknown_type() {
    let mut w = World::not_loaded(|_| {});
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::NotLoaded));
    let op = w.begin_list();
    w.call_failed(op, other());
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::NotLoaded), "a failed list tells nothing");
    w.list(&[]);
    assert!(w.try_create(SMALL).is_ok());
    assert_eq!(w.try_create("nonesuch"), Err(CreateRefusal::UnknownType(name("nonesuch"))));
}

/// Every reason to refuse at once; then they end one by one, the first in the order first.
#[test]
fn p04_refusals_come_in_the_promised_order() {
    let mut w = World::with(|setup| {
        setup.settings.max_concurrent_instance_create_ops = 5;
        setup.settings.capacity_error_ttl = secs(20);
        setup.settings.quota_error_ttl = secs(40);
    });
    let creates: Vec<_> = (0..5).map(|_| w.create(SMALL)).collect();
    w.created(&creates[0], "i-1");
    w.pool.kill_instance(w.now, &id("i-1"), "only the creates shall remain").unwrap();
    w.list(&[]);
    w.call_failed(creates[1].0, capacity(Reach::InstanceType, PlacementReach::Every));
    w.call_failed(creates[2].0, crate::FailureClass::RateLimit(Some(secs(60))));
    w.call_failed(creates[3].0, other());
    w.call_failed(creates[4].0, quota(Reach::All));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::AtCapacity(name(SMALL))));
    w.advance(secs(20));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::AtQuota));
    w.advance(secs(20));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::Throttled(secs(20))));
    w.advance(secs(20));
    for _ in 0..5 {
        w.try_create(SMALL).unwrap();
    }
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::TooManyCreates(5)));
}

#[test]
fn p04_meeting_the_limit_of_concurrent_creates_throttles_creates_for_5_s() {
    let mut w = World::with(|setup| setup.settings.max_concurrent_instance_create_ops = 1);
    w.create(SMALL);
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::TooManyCreates(1)));
    w.advance(secs(1));
    assert_eq!(w.try_create(BIG), Err(CreateRefusal::Throttled(secs(4))));
    w.forget_effects();
    w.advance(millis(3999));
    assert!(!w.was_woken());
    w.advance(millis(1));
    assert!(w.was_woken(), "subscribers are woken at the end");
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::TooManyCreates(1)));
}

#[test]
fn p04_a_create_that_ends_frees_its_place_at_once() {
    let mut w = World::with(|setup| setup.settings.max_concurrent_instance_create_ops = 1);
    let create = w.create(SMALL);
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::TooManyCreates(1)));
    w.forget_effects();
    w.created(&create, "i-1");
    assert!(w.was_woken());
    let create = w.create(SMALL);
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::TooManyCreates(1)));
    w.call_failed(create.0, other());
    w.create(SMALL);
}

#[test]
fn p04_a_create_goes_to_the_next_placement_that_is_not_held_off() {
    let places = ["a", "b", "c"].map(pool_api::Placement::new);
    let mut w = World::with(|setup| setup.placements = places.to_vec());
    let first = w.create(SMALL);
    assert_eq!(first.1.placement, places[0]);
    assert_eq!(w.create(SMALL).1.placement, places[0], "it stays where creates succeed");
    w.call_failed(first.0, capacity(Reach::InstanceType, PlacementReach::This));
    assert!(!w.pool.at_capacity(w.now, &name(SMALL)), "two placements are left");
    let second = w.create(SMALL);
    assert_eq!(second.1.placement, places[1]);
    w.call_failed(second.0, other());
    let third = w.create(SMALL);
    assert_eq!(third.1.placement, places[2], "also after other failures");
    assert_eq!(w.create(BIG).1.placement, places[0], "another type has its own turn");
    w.call_failed(third.0, other());
    assert_eq!(w.create(SMALL).1.placement, places[1], "the first is still held off");
}

#[test]
fn p04_a_new_worker_that_is_not_running_yet_is_booting() {
    let mut w = World::new();
    let create = w.create(SMALL);
    let made = listed("i-1", SMALL, create.1.tags.clone());
    w.event(crate::Event::Created { op: create.0, instance: in_lifecycle(&made, Lifecycle::Pending) });
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    assert_eq!(w.unallocated(SMALL), 1);
}
