//! The plan on what the pool shows of itself.

use super::{fixtures::*, harness::World, plan::queued};
use crate::{Plan, PlanOptions, TypeView, WaitReason, WaitingJobs, plan};
use pool_api::{PlacementReach, Reach};
use std::collections::BTreeMap;

fn view_of(w: &World, type_name: &str) -> TypeView {
    let types = w.pool.pool_view(w.now).types;
    types.into_iter().find(|view| view.instance_type.name.as_str() == type_name).unwrap()
}

fn planned(w: &World, cpus: u32) -> (Plan, Option<WaitReason>) {
    let waiting: WaitingJobs = [queued("a", cpus)].into_iter().collect();
    let plan = plan(&waiting, &BTreeMap::new(), &w.pool.pool_view(w.now), &PlanOptions::default());
    let why = plan.why(&waiting, &job("a"));
    (plan, why)
}

#[test]
fn the_view_tells_what_the_limits_leave_and_what_is_coming_and_going() {
    let mut w = World::with(|setup| {
        setup.settings.max_instances = 4;
        setup.settings.max_concurrent_instance_create_ops = 2;
    });
    let began = w.now;
    assert_eq!(w.pool.pool_view(w.now).listed, Some(began));
    w.idle_worker("i-1", SMALL);
    w.idle_worker("i-2", SMALL);
    w.create(SMALL);
    assert!(w.pool.shutdown_instance(w.now, &id("i-1")));
    w.advance(secs(1));
    let view = w.pool.pool_view(w.now);
    assert_eq!((view.instances_left, view.creates_left, view.listed), (Some(1), Some(1), Some(began)));
    let small = view_of(&w, SMALL);
    assert_eq!((small.unallocated, small.creating, small.ending, small.instances), (2, 1, 1, 3));
    w.set_behavior("i-2", crate::IdleBehavior::Hold);
    assert_eq!(view_of(&w, SMALL).instances, 2, "what is held does not get free");
    let op = w.begin_list();
    let later = w.now;
    w.advance(secs(1));
    w.answer_list(op, &[]);
    assert_eq!(w.pool.pool_view(w.now).listed, Some(later), "when it began, not when it ended");
}

#[test]
fn the_view_tells_what_the_quota_covers_that_is_used_up() {
    for (reach, big) in [(Reach::InstanceType, None), (Reach::QuotaGroup, Some(Reach::QuotaGroup))] {
        let mut w = World::new();
        let create = w.create(SMALL);
        w.call_failed(create.0, quota(reach));
        assert_eq!(view_of(&w, SMALL).quota_scope, Some(reach));
        assert_eq!(view_of(&w, SMALL_DISK).quota_scope, Some(reach), "of the same provider type");
        assert_eq!(view_of(&w, BIG).quota_scope, big);
        assert_eq!(view_of(&w, GPU).quota_scope, None);
    }
    let mut w = World::new();
    let create = w.create(SMALL);
    w.call_failed(create.0, quota(Reach::All));
    assert_eq!(view_of(&w, GPU).quota_scope, Some(Reach::All));
}

#[test]
fn p51_at_quota_an_idle_worker_makes_room_one_at_a_time_until_the_job_runs() {
    let mut w = World::with(|setup| setup.settings.max_instances = 2);
    w.idle_worker("i-1", SMALL);
    let second = w.idle_worker("i-2", SMALL);
    let (plan, why) = planned(&w, 8);
    assert!(matches!(why, Some(WaitReason::MakingRoom { .. })), "{why:?}");
    assert_eq!(plan.shutdowns, [id("i-1")]);
    assert!(w.pool.shutdown_instance(w.now, &id("i-1")));
    w.forget_effects();

    let (plan, why) = planned(&w, 8);
    assert!(plan.shutdowns.is_empty() && plan.creates.is_empty(), "one is going");
    assert_eq!(why, Some(WaitReason::MaxInstances));
    w.advance(secs(2));
    w.list(&[second]);
    let (plan, why) = planned(&w, 8);
    assert_eq!((plan.creates, why), (vec![name(BIG)], Some(WaitReason::Creating(name(BIG)))));
    let large = w.idle_worker("i-3", BIG);
    assert_eq!(planned(&w, 8).0.starts, [(job("a"), large.id)]);
}

#[test]
fn without_capacity_in_one_placement_of_one_the_type_is_held_off() {
    let mut w = World::new();
    let create = w.create(BIG);
    w.call_failed(create.0, capacity(Reach::InstanceType, PlacementReach::Every));
    assert_eq!(planned(&w, 8).1, Some(WaitReason::NoCapacity(name(BIG))));
}

#[test]
fn while_the_rate_of_creates_is_limited_none_is_planned() {
    let mut w = World::new();
    let create = w.create(SMALL);
    w.call_failed(create.0, crate::FailureClass::RateLimit(Some(secs(5))));
    let (plan, why) = planned(&w, 8);
    assert_eq!((plan.creates, why), (Vec::new(), Some(WaitReason::CreateSlots(name(BIG)))));
    w.forget_effects();
    w.advance(secs(5));
    assert!(w.was_woken());
    assert_eq!(planned(&w, 8).0.creates, [name(BIG)]);
}
