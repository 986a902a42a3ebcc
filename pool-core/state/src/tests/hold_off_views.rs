//! What others may see of hold-offs.

use super::{fixtures::*, harness::World};
use crate::{CallKind, Covered, CoveredTypes, FailureClass, HeldOff, HoldOffEnd, HoldOffView, Phase};
use pool_api::{FailureScope, HourlyPrice, Placement, PlacementReach, Reach};

fn seen(w: &World) -> Vec<HoldOffView> {
    w.pool.hold_offs(w.now)
}

#[test]
fn a_quota_says_what_it_covers_and_until_how_many() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", GPU), w.idle_worker("i-2", SMALL)];
    let create = w.create(GPU);
    w.call_failed(create.0, quota(Reach::QuotaGroup));
    let subject = CoveredTypes::QuotaGroup("gpu".try_into().unwrap());
    let covered = Covered { subject, placement: None, types: vec![name(GPU)] };
    let expected = HoldOffView { what: HeldOff::Quota(covered), end: HoldOffEnd::FewerThan(1) };
    assert_eq!(seen(&w), [expected]);
    w.list(&all[1..]);
    assert_eq!(seen(&w), []);
}

#[test]
fn capacity_of_a_type_in_one_placement_covers_all_configured_types_of_that_kind() {
    let mut w = World::with(|setup| setup.placements = vec![Placement::new("a"), Placement::new("b")]);
    let create = w.create(SMALL);
    let (began, scope) = (w.now, FailureScope::new(Reach::InstanceType, PlacementReach::This));
    w.call_failed(create.0, FailureClass::Capacity(scope));
    let ttl = crate::Settings::default().capacity_error_ttl;
    let subject = CoveredTypes::ProviderType { name: "p.small".try_into().unwrap(), preemptible: false };
    let mut types = vec![name(SMALL), name(SMALL_DISK)];
    types.sort();
    let covered = Covered { subject, placement: Some(Placement::new("a")), types };
    let expected = HoldOffView { what: HeldOff::Capacity(covered), end: HoldOffEnd::At(began + ttl) };
    assert_eq!(seen(&w), [expected]);
    w.advance(ttl);
    assert_eq!(seen(&w), []);
}

#[test]
fn calls_that_are_held_back_for_their_rate_are_named_by_kind() {
    let mut w = World::new();
    let create = w.create(SMALL);
    let began = w.now;
    w.call_failed(create.0, FailureClass::RateLimit(Some(secs(7))));
    let expected =
        HoldOffView { what: HeldOff::Calls(CallKind::Create), end: HoldOffEnd::At(began + secs(7)) };
    assert_eq!(seen(&w), [expected]);
    w.advance(secs(7));
    assert_eq!(seen(&w), []);
}

#[test]
fn instances_are_counted_by_type_and_phase_with_their_price() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.booting_worker("i-2", SMALL);
    w.create(GPU);
    let (counts, price) = w.pool.instance_counts();
    let expected = [
        ((name(GPU), None), 1),
        ((name(SMALL), Some(Phase::Booting)), 1),
        ((name(SMALL), Some(Phase::Idle)), 1),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(price, HourlyPrice::from_micros(1_100_000));
}
