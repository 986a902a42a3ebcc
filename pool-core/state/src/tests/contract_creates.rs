//! Lost responses, limits of calls and instances.

use super::{fixtures::*, harness::World};
use crate::{
    CreateRefusal, Effect, FailureClass, IdleBehavior, Notice, Phase, ShutdownReason, events::CallKind,
    settings::CREATE_ATTEMPTS,
};
use pool_api::{Idempotency, Lifecycle, Placement, PlacementReach, Reach};
use std::{collections::VecDeque, time::Duration};

fn settling(idempotency: Idempotency, settle: u64) -> World {
    World::with(|setup| {
        setup.capabilities.idempotency = idempotency;
        setup.capabilities.list_settle_time = secs(settle);
        setup.settings.max_concurrent_instance_create_ops = 1;
    })
}

#[test]
fn a_lost_create_is_asked_for_again_with_the_same_token() {
    for idempotency in [Idempotency::Token, Idempotency::UniqueName] {
        let mut w = settling(idempotency, 30);
        let first = w.create(SMALL);
        w.call_lost(first.0);
        assert!(matches!(w.try_create(SMALL), Err(CreateRefusal::TooManyCreates(1))), "it may exist");
        w.advance(secs(2));
        let again = w.take_creates();
        assert_eq!(again, std::slice::from_ref(&first), "the same call, token, secret and placement");
        w.created(&again[0], "i-1");
        assert_eq!(w.phase("i-1"), Some(Phase::Booting));
        w.create(SMALL);
    }
}

#[test]
fn a_create_that_is_lost_again_and_again_is_judged_by_the_list_alone() {
    let mut w = settling(Idempotency::Token, 30);
    let create = w.create(SMALL);
    w.call_lost(create.0);
    for _ in 1..CREATE_ATTEMPTS {
        w.advance(secs(2));
        assert_eq!(w.take_creates().len(), 1);
        w.list(&[]);
        w.call_lost(create.0);
    }
    w.list(&[]);
    w.advance(millis(29_999));
    w.list(&[]);
    assert_eq!(w.pool.instances().len(), 1, "it could still appear");
    w.advance(millis(1));
    w.list(&[]);
    assert!(w.pool.instances().is_empty());
    assert!(w.take_creates().is_empty());
    w.create(SMALL);
}

#[test]
fn without_idempotency_a_lost_create_waits_for_a_list_past_the_settle_time() {
    let mut w = settling(Idempotency::None, 30);
    let create = w.create(SMALL);
    w.call_lost(create.0);
    w.list(&[]);
    assert!(w.try_create(SMALL).is_err());
    w.forget_effects();
    w.advance(secs(30));
    assert!(w.take_creates().is_empty(), "never asked again by itself");
    let lists = w.take_lists();
    assert_eq!(lists.len(), 1, "the list comes as soon as it can tell");
    w.answer_list(lists[0], &[]);
    assert!(w.pool.instances().is_empty());
    assert!(w.was_woken());
    w.create(SMALL);
}

#[test]
fn without_idempotency_a_lost_create_that_is_listed_is_done() {
    let mut w = settling(Idempotency::None, 30);
    let create = w.create(SMALL);
    w.call_lost(create.0);
    w.list(&[listed("i-1", SMALL, create.1.tags)]);
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    w.create(SMALL);
}

#[test]
fn a_list_that_began_before_a_create_was_lost_does_not_tell() {
    let mut w = settling(Idempotency::None, 0);
    let create = w.create(SMALL);
    let list = w.begin_list();
    w.call_lost(create.0);
    w.answer_list(list, &[]);
    assert_eq!(w.pool.instances().len(), 1);
    w.advance(Duration::ZERO);
    let list = w.take_lists();
    w.answer_list(list[0], &[]);
    assert!(w.pool.instances().is_empty());
}

#[test]
fn a_refusal_after_a_lost_attempt_is_believed_once_the_list_agrees() {
    let mut w = settling(Idempotency::Token, 30);
    let create = w.create(SMALL);
    w.call_lost(create.0);
    w.advance(secs(2));
    w.take_creates();
    w.call_failed(create.0, capacity(Reach::InstanceType, PlacementReach::Every));
    assert!(w.pool.at_capacity(w.now, &name(SMALL)), "what it said of others holds");
    w.advance(secs(100));
    assert!(w.take_creates().is_empty());
    w.list(&[]);
    assert!(w.pool.instances().is_empty());
    w.create(SMALL);
}

#[test]
fn a_second_instance_of_one_create_is_destroyed() {
    let mut w = World::new();
    let create = w.create(SMALL);
    let first = w.created(&create, "i-1");
    let second = listed("i-2", SMALL, create.1.tags.clone());
    w.list(&[first, second]);
    assert_eq!(w.view("i-2").unwrap().shutdown, Some(ShutdownReason::Duplicate));
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    assert_eq!(w.destroyed(), ["i-2"]);
}

#[test]
fn a_create_that_returns_another_instance_than_was_listed_for_it_has_made_two() {
    let mut w = World::new();
    let create = w.create(SMALL);
    w.list(&[listed("i-1", SMALL, create.1.tags.clone())]);
    w.created(&create, "i-2");
    assert_eq!(w.destroyed(), ["i-2"]);
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
}

#[test]
fn what_a_failed_create_left_behind_is_destroyed_when_it_is_listed() {
    let mut w = World::new();
    let create = w.create(SMALL);
    let remains = in_lifecycle(&listed("i-1", SMALL, create.1.tags.clone()), Lifecycle::Failed);
    w.list(std::slice::from_ref(&remains));
    assert_eq!(w.destroyed(), ["i-1"]);
    w.call_failed(create.0, capacity(Reach::InstanceType, PlacementReach::Every));
    assert!(w.pool.at_capacity(w.now, &name(SMALL)));
    w.list(&[]);
    assert!(w.pool.instances().is_empty());
}

#[test]
fn late_answers_and_those_of_nobody_change_nothing() {
    let mut w = World::new();
    let create = w.create(SMALL);
    w.created(&create, "i-1");
    w.created(&create, "i-2");
    assert_eq!(w.phase("i-2"), None, "the list would tell");
    w.call_failed(create.0, other());
    w.call_lost(create.0);
    w.event(crate::Event::CallDone { op: create.0 });
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    assert_eq!(w.pool.instances().len(), 1);
}

#[test]
fn cloud_calls_of_all_kinds_together_keep_to_their_limit_in_any_second() {
    let mut w = World::with(|setup| setup.settings.max_cloud_ops_per_second = 5);
    let mut recent: VecDeque<crate::Time> = VecDeque::new();
    let mut total = 0;
    for n in 0..20 {
        w.try_create(SMALL).unwrap();
        if n < 10 {
            let all: Vec<_> = (0..3).map(|m| w.instance(&format!("i-{m}"), "retired")).collect();
            if let Some(op) = w.take_lists().pop() {
                w.answer_list(op, &all);
            }
        }
    }
    for _ in 0..2000 {
        w.advance(millis(5));
        for effect in std::mem::take(&mut w.effects) {
            if let Effect::Create { .. }
            | Effect::Destroy { .. }
            | Effect::List { .. }
            | Effect::SetTags { .. } = effect
            {
                total += 1;
                recent.push_back(w.now);
            }
        }
        while recent.front().is_some_and(|t| w.now.since(*t) >= millis(995)) {
            recent.pop_front();
        }
        assert!(recent.len() <= 5);
    }
    assert!(total >= 20, "all went out: {total}");
}

#[test]
fn a_limit_of_instances_counts_creates_in_flight_also_when_they_are_lost() {
    let mut w = World::with(|setup| setup.settings.max_instances = 2);
    let create = w.create(SMALL);
    w.call_lost(create.0);
    w.create(SMALL);
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::MaxInstances(2)));
}

#[test]
fn a_failed_call_is_reported() {
    let mut w = World::new();
    let create = w.create(SMALL);
    w.call_failed(create.0, other());
    let said = w.take_notices();
    assert!(said.iter().any(|n| matches!(n, Notice::CallFailed { kind: CallKind::Create, .. })), "{said:?}");
}

#[test]
fn a_destroy_that_waited_does_not_meet_an_instance_that_came_back() {
    let mut w = World::new();
    let instance = w.idle_worker("i-1", SMALL);
    w.pool.kill_instance(w.now, &id("i-1"), "test").unwrap();
    let (op, _) = w.take_destroys().pop().unwrap();
    w.call_failed(op, FailureClass::RateLimit(Some(secs(60))));
    w.advance(secs(10));
    w.list(&[]);
    assert_eq!(w.phase("i-1"), None);
    w.list(&[instance]);
    w.advance(secs(60));
    assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
    assert!(w.destroyed().is_empty());
}

#[test]
fn two_creates_that_fail_in_one_placement_do_not_skip_the_next() {
    let places = ["a", "b", "c"].map(Placement::new);
    let mut w = World::with(|setup| setup.placements = places.to_vec());
    let (first, second) = (w.create(SMALL), w.create(SMALL));
    w.call_failed(first.0, other());
    w.call_failed(second.0, other());
    assert_eq!(w.create(SMALL).1.placement, places[1]);
}

#[test]
fn refusals_at_one_moment_lengthen_the_back_off_once() {
    let mut w = World::new();
    let creates: Vec<_> = (0..5).map(|_| w.create(SMALL).0).collect();
    for op in creates {
        w.call_failed(op, FailureClass::RateLimit(None));
    }
    assert_eq!(w.try_create(SMALL), Err(CreateRefusal::Throttled(secs(1))));
}

/// The first attempt may have made the instance; that the second was refused does not say that it did not.
#[test]
fn a_refusal_after_a_lost_attempt_does_not_unmake_what_the_lost_one_may_have_made() {
    for class in [
        FailureClass::RateLimit(Some(secs(1))),
        quota(Reach::All),
        capacity(Reach::InstanceType, PlacementReach::Every),
        other(),
    ] {
        let mut w = World::with(|setup| {
            setup.settings.max_instances = 1;
            setup.capabilities.list_settle_time = secs(30);
        });
        let create = w.create(SMALL);
        w.call_lost(create.0);
        w.advance(secs(2));
        assert_eq!(w.take_creates().len(), 1);
        w.call_failed(create.0, class);
        assert!(w.try_create(SMALL).is_err(), "{class:?}: it may be there");
        assert_eq!(w.pool.instances().len(), 1);
        w.list(&[listed("i-1", SMALL, create.1.tags)]);
        assert_eq!(w.phase("i-1"), Some(Phase::Booting), "{class:?}");
        assert_eq!(w.pool.instances().len(), 1);
    }
}

#[test]
fn an_instance_that_was_listed_before_its_create_was_lost_is_no_longer_in_flight() {
    let mut w = settling(Idempotency::Token, 30);
    let create = w.create(SMALL);
    w.list(&[listed("i-1", SMALL, create.1.tags)]);
    w.call_lost(create.0);
    w.create(SMALL);
    w.advance(secs(5));
    assert!(w.take_creates().is_empty(), "nothing is asked for again");
}

#[test]
fn a_second_instance_that_is_held_stays() {
    let mut w = World::new();
    let first = w.instance("i-1", SMALL);
    let mut second = tagged(first.clone(), "IdleBehavior", "hold");
    second.id = id("i-2");
    w.list(&[first, second]);
    w.probe("i-2", Vec::new());
    w.advance(secs(1000));
    assert_eq!((w.phase("i-2"), w.behavior("i-2")), (Some(Phase::Idle), IdleBehavior::Hold));
}

/// After a restart nobody knows which of the two has jobs.
#[test]
fn a_second_instance_that_was_found_is_drained_and_not_destroyed_with_its_jobs() {
    let mut w = World::new();
    let first = w.instance("i-1", SMALL);
    let mut second = first.clone();
    second.id = id("i-2");
    w.list(&[first, second]);
    assert!(w.destroyed().is_empty());
    w.probe("i-1", Vec::new());
    w.probe("i-2", vec![running("job-1")]);
    assert_eq!(w.behavior("i-2"), IdleBehavior::Drain);
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-2"));
    w.run_ended("i-2", run("job-1"));
    w.forget("job-1");
    assert_eq!(w.destroyed(), ["i-2"]);
}
