//! p05 to p09: refusals for quota, capacity and rate, handled apart.

use super::{fixtures::*, harness::World};
use crate::{CreateRefusal, FailureClass, Notice, events::CallKind};
use pool_api::{FailureScope, Placement, PlacementReach, Reach};

fn small() -> pool_api::InstanceTypeName {
    name(SMALL)
}

#[test]
fn p05_without_other_instances_a_quota_error_ends_after_its_time() {
    let mut w = World::new();
    let create = w.create(SMALL);
    w.call_failed(create.0, quota(Reach::All));
    assert!(w.pool.at_quota(w.now));
    w.forget_effects();
    w.advance(millis(59_999));
    assert!(w.pool.at_quota(w.now));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::AtQuota));
    w.forget_effects();
    w.advance(millis(1));
    assert!(!w.pool.at_quota(w.now));
    assert!(w.was_woken());
    w.create(SMALL);
}

#[test]
fn p05_with_other_instances_it_ends_when_fewer_remain() {
    let mut w = World::new();
    let all: Vec<_> = ["i-1", "i-2"].map(|i| w.idle_worker(i, SMALL)).into();
    w.create(BIG);
    let create = w.create(SMALL);
    // Two workers and one other create: until fewer than three are there.
    w.call_failed(create.0, quota(Reach::All));
    w.advance(secs(50));
    w.list(&all);
    assert!(w.pool.at_quota(w.now));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::AtQuota));
    w.forget_effects();
    w.list(&all[..1]);
    assert!(!w.pool.at_quota(w.now));
    assert!(w.was_woken());
    w.create(SMALL);
}

#[test]
fn p05_it_does_not_end_by_time_while_as_many_remain() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL)];
    w.set_behavior("i-1", crate::IdleBehavior::Hold);
    let create = w.create(SMALL);
    w.call_failed(create.0, quota(Reach::All));
    for _ in 0..10 {
        w.advance(secs(60));
        w.list(&all);
        assert!(w.pool.at_quota(w.now));
    }
}

#[test]
fn p05_the_smallest_number_seen_is_kept() {
    let mut w = World::new();
    let all: Vec<_> = ["i-1", "i-2", "i-3"].map(|i| w.idle_worker(i, SMALL)).into();
    let (first, second) = (w.create(SMALL), w.create(SMALL));
    // The others of the first: three workers and the second. Of the second: three workers.
    w.call_failed(first.0, quota(Reach::All));
    w.call_failed(second.0, quota(Reach::All));
    w.list(&all);
    assert!(w.pool.at_quota(w.now), "three are not fewer than three");
    w.list(&all[..2]);
    assert!(!w.pool.at_quota(w.now));
}

#[test]
fn p05_a_larger_number_does_not_take_the_place_of_a_smaller_one() {
    let mut w = World::new();
    let mut all = vec![w.idle_worker("i-1", SMALL), w.idle_worker("i-2", SMALL)];
    let (slow, fast) = (w.create(SMALL), w.create(SMALL));
    w.call_failed(fast.0, quota(Reach::All)); // Three others: two workers and the slow create.
    all.push(w.instance("i-3", BIG));
    all.push(w.instance("i-4", BIG));
    w.list(&all);
    w.call_failed(slow.0, quota(Reach::All)); // Four others by now.
    w.list(&all[..3]);
    assert!(w.pool.at_quota(w.now), "three are not fewer than three");
    w.list(&all[..2]);
    assert!(!w.pool.at_quota(w.now));
}

#[test]
fn p05_an_instance_that_is_listed_before_its_create_fails_counts_once() {
    let mut w = World::new();
    let create = w.create(SMALL);
    let half_made = listed("i-1", SMALL, create.1.tags.clone());
    w.list(std::slice::from_ref(&half_made));
    w.call_failed(create.0, quota(Reach::All));
    // No others: it ends by time, although the failed one is still listed.
    w.list(std::slice::from_ref(&half_made));
    assert!(w.pool.at_quota(w.now));
    w.advance(secs(60));
    assert!(!w.pool.at_quota(w.now));
}

#[test]
fn p05_a_quota_of_a_group_counts_and_stops_only_that_group() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL), w.idle_worker("i-2", BIG), w.idle_worker("i-3", GPU)];
    let create = w.create(GPU);
    w.call_failed(create.0, quota(Reach::QuotaGroup));
    assert!(!w.pool.at_quota(w.now), "others are not concerned");
    assert!(w.pool.at_quota_for(w.now, &name(GPU)));
    assert_eq!(w.try_create(GPU), Err(CreateRefusal::AtQuota));
    w.create(SMALL);
    w.create(BIG);
    w.list(&all[1..]);
    assert!(w.pool.at_quota_for(w.now, &name(GPU)), "one of the group remains");
    w.list(&[all[1].clone()]);
    assert!(!w.pool.at_quota_for(w.now, &name(GPU)));
}

#[test]
fn p05_a_quota_of_one_placement_leaves_the_others() {
    let mut w = World::with(|setup| setup.placements = vec![Placement::new("a"), Placement::new("b")]);
    let create = w.create(SMALL);
    w.call_failed(create.0, FailureClass::Quota(FailureScope::new(Reach::All, PlacementReach::This)));
    assert!(!w.pool.at_quota(w.now));
    assert!(!w.pool.at_quota_for(w.now, &small()));
    assert_eq!(w.create(SMALL).1.placement, Placement::new("b"));
    assert_eq!(w.create(GPU).1.placement, Placement::new("b"), "the quota was of all types there");
}

/// Who is held off by a refusal of `small` for lack of capacity, by its reach.
#[test]
fn p06_a_capacity_error_holds_off_its_scope_for_its_time() {
    let all = [SMALL, SMALL_DISK, SMALL_SPOT, BIG, GPU];
    let cases: [(Reach, &[&str]); 3] = [
        (Reach::InstanceType, &[SMALL, SMALL_DISK]),
        (Reach::QuotaGroup, &[SMALL, SMALL_DISK, SMALL_SPOT, BIG]),
        (Reach::All, &all),
    ];
    for (reach, held_off) in cases {
        let mut w = World::new();
        let create = w.create(SMALL);
        w.call_failed(create.0, capacity(reach, PlacementReach::Every));
        let held = |w: &World| -> Vec<&str> {
            all.into_iter().filter(|t| w.pool.at_capacity(w.now, &name(t))).collect()
        };
        assert_eq!(held(&w), held_off, "{reach:?}");
        w.advance(millis(59_999));
        assert_eq!(held(&w), held_off, "{reach:?}");
        w.forget_effects();
        w.advance(millis(1));
        assert!(held(&w).is_empty(), "{reach:?}");
        assert!(w.was_woken(), "{reach:?}");
    }
}

#[test]
fn p06_spot_and_on_demand_are_apart() {
    let mut w = World::new();
    let create = w.create(SMALL_SPOT);
    w.call_failed(create.0, capacity(Reach::InstanceType, PlacementReach::Every));
    assert!(w.pool.at_capacity(w.now, &name(SMALL_SPOT)));
    assert!(!w.pool.at_capacity(w.now, &small()));
}

#[test]
fn p07_no_create_is_made_until_the_stated_time() {
    let mut w = World::new();
    let (first, _) = w.create(SMALL);
    w.call_failed(first, FailureClass::RateLimit(Some(secs(30))));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::Throttled(secs(30))));
    w.advance(millis(29_999));
    assert_eq!(w.try_create(BIG), Err(CreateRefusal::Throttled(millis(1))));
    assert!(w.take_creates().is_empty());
    w.forget_effects();
    w.advance(millis(1));
    assert!(w.was_woken());
    w.create(SMALL);
}

#[test]
fn p07_a_create_that_waits_for_its_turn_waits_for_the_rate_too() {
    let mut w = World::with(|setup| setup.settings.max_cloud_ops_per_second = 2);
    w.advance(secs(2));
    let first = w.create(SMALL);
    w.create(SMALL);
    w.try_create(SMALL).unwrap();
    w.call_failed(first.0, FailureClass::RateLimit(Some(secs(10))));
    w.advance(millis(9_999));
    assert!(w.take_creates().is_empty());
    w.advance(millis(1));
    assert_eq!(w.take_creates().len(), 1);
}

#[test]
fn p07_without_a_stated_time_the_pool_backs_off_from_1_s_to_1_min_until_a_success() {
    let mut w = World::new();
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        let (op, _) = w.create(SMALL);
        w.call_failed(op, FailureClass::RateLimit(None));
        assert_eq!(w.try_create(SMALL), Err(CreateRefusal::Throttled(secs(pause))));
        w.advance(secs(pause));
    }
    let create = w.create(SMALL);
    w.created(&create, "i-1");
    let (op, _) = w.create(SMALL);
    w.call_failed(op, FailureClass::RateLimit(None));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::Throttled(secs(1))));
}

#[test]
fn p07_lists_are_throttled_apart_from_creates() {
    let mut w = World::new();
    let op = w.begin_list();
    w.call_failed(op, FailureClass::RateLimit(Some(secs(100))));
    let (create, _) = w.create(SMALL);
    w.advance(secs(99));
    assert!(w.take_lists().is_empty());
    w.advance(secs(1));
    let list = w.take_lists();
    assert_eq!(list.len(), 1);
    w.call_failed(create, FailureClass::RateLimit(Some(secs(1000))));
    w.answer_list(list[0], &[]);
    w.advance(secs(60));
    assert_eq!(w.take_lists().len(), 1, "a throttle of creates does not stop lists");
}

#[test]
fn p07_there_is_at_most_one_log_line_in_10_s() {
    let mut w = World::new();
    let lines = |w: &mut World| {
        let said = w.take_notices().into_iter();
        said.filter(|n| matches!(n, Notice::RateLimited { kind: CallKind::Create, .. })).count()
    };
    let creates: Vec<_> = (0..3).map(|_| w.create(SMALL).0).collect();
    w.call_failed(creates[0], FailureClass::RateLimit(Some(secs(1))));
    assert_eq!(lines(&mut w), 1);
    w.call_failed(creates[1], FailureClass::RateLimit(Some(secs(1))));
    w.advance(millis(9_999));
    w.call_failed(creates[2], FailureClass::RateLimit(Some(secs(1))));
    assert_eq!(lines(&mut w), 0);
    w.advance(secs(2));
    let (op, _) = w.create(SMALL);
    w.call_failed(op, FailureClass::RateLimit(Some(secs(1))));
    assert_eq!(lines(&mut w), 1);
}

#[test]
fn p08_at_capacity_is_true_while_any_scope_that_covers_the_type_is_held_off() {
    let mut w = World::new();
    let (first, second) = (w.create(SMALL), w.create(SMALL));
    w.call_failed(first.0, capacity(Reach::InstanceType, PlacementReach::Every));
    w.advance(secs(30));
    w.call_failed(second.0, capacity(Reach::QuotaGroup, PlacementReach::Every));
    w.advance(secs(30));
    assert!(w.pool.at_capacity(w.now, &small()), "the type's hold-off ended, the group's did not");
    assert!(w.pool.at_capacity(w.now, &name(BIG)));
    w.advance(secs(30));
    assert!(!w.pool.at_capacity(w.now, &small()));
}

#[test]
fn p08_at_capacity_is_true_only_when_no_placement_is_left() {
    let mut w = World::with(|setup| setup.placements = vec![Placement::new("a"), Placement::new("b")]);
    for left in [true, false] {
        let create = w.create(SMALL);
        w.call_failed(create.0, capacity(Reach::InstanceType, PlacementReach::This));
        assert_eq!(w.pool.at_capacity(w.now, &small()), !left);
    }
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::AtCapacity(small())));
    assert!(!w.pool.at_capacity(w.now, &name(BIG)));
}

#[test]
fn p09_at_quota_is_true_at_max_instances_with_creates_in_flight_counted() {
    let mut w = World::with(|setup| setup.settings.max_instances = 3);
    let all = [w.idle_worker("i-1", SMALL)];
    let create = w.create(SMALL);
    assert!(!w.pool.at_quota(w.now));
    w.create(BIG);
    assert!(w.pool.at_quota(w.now));
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::MaxInstances(3)));
    // Listed before its create returns: still three.
    w.list(&[all[0].clone(), listed("i-2", SMALL, create.1.tags.clone())]);
    assert!(w.pool.at_quota(w.now));
    w.call_failed(create.0, other());
    assert!(w.pool.at_quota(w.now), "what the failed create left behind is there");
    w.list(&all);
    assert!(!w.pool.at_quota(w.now));
}

#[test]
fn p09_without_a_limit_there_is_none() {
    let mut w = World::new();
    for _ in 0..200 {
        w.try_create(SMALL).unwrap();
    }
    assert!(!w.pool.at_quota(w.now));
}
