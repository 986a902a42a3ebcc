//! Types whose boots fail again and again.

use super::{fixtures::*, harness::World};
use crate::{CreateRefusal, Event};
use std::time::Duration;

fn fails(w: &mut World, instance: &str) {
    w.event(Event::Broken { instance: id(instance), reason: "no disk".to_owned() });
}

/// How long the next one is put off, and how many boots have failed.
fn put_off(w: &mut World) -> Option<(Duration, u32)> {
    match w.try_create(SMALL) {
        Err(CreateRefusal::BootsFail { wait, failures, .. }) => Some((wait, failures)),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn boots_that_fail_one_after_the_other_are_tried_again_later_and_later() {
    let mut w = World::new();
    for (at, pause) in (0..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        let instance = format!("i-{at}");
        w.booting_worker(&instance, SMALL);
        fails(&mut w, &instance);
        assert_eq!(put_off(&mut w), Some((secs(pause), at + 1)));
        let failing = w.pool.failing_boots(w.now);
        let [of] = failing.as_slice() else { panic!("{failing:?}") };
        assert_eq!((of.failures, of.reason.as_str()), (at + 1, "no disk"));
        assert_eq!(of.until, Some(w.now + secs(pause)));
        w.create(GPU);
        w.forget_effects();
        w.advance(secs(pause));
        assert!(w.was_woken(), "who waits for it is told");
    }
}

#[test]
fn boots_that_fail_together_make_one_pause() {
    let mut w = World::new();
    for instance in ["i-1", "i-2", "i-3"] {
        w.booting_worker(instance, SMALL);
    }
    for instance in ["i-1", "i-2", "i-3"] {
        fails(&mut w, instance);
    }
    assert_eq!(put_off(&mut w), Some((secs(1), 3)));
}

#[test]
fn a_boot_that_succeeds_ends_it_and_one_that_was_not_wanted_says_nothing() {
    let mut w = World::new();
    for instance in ["i-1", "i-2", "i-3"] {
        w.booting_worker(instance, SMALL);
    }
    fails(&mut w, "i-1");
    assert!(w.pool.shutdown_type(w.now, &name(SMALL)).is_some());
    assert_eq!(put_off(&mut w).map(|(_, failures)| failures), Some(1));
    w.forget_effects();
    w.probe("i-3", Vec::new());
    assert!(w.was_woken() && w.pool.failing_boots(w.now).is_empty());
    assert_eq!(put_off(&mut w), None);
}

#[test]
fn a_new_worker_that_disappears_has_failed_to_boot() {
    let mut w = World::new();
    w.booting_worker("i-1", SMALL);
    w.list(&[]);
    assert_eq!(put_off(&mut w), Some((secs(1), 1)));
}

#[test]
fn failures_of_a_type_that_nobody_wants_any_more_are_forgotten_an_hour_after_the_last() {
    let mut w = World::new();
    w.booting_worker("i-1", SMALL);
    fails(&mut w, "i-1");
    w.advance(secs(600));
    w.booting_worker("i-2", SMALL);
    fails(&mut w, "i-2");
    w.advance(secs(3599));
    assert_eq!(w.pool.failing_boots(w.now).len(), 1);
    w.forget_effects();
    w.advance(secs(1));
    assert!(w.was_woken() && w.pool.failing_boots(w.now).is_empty());
    w.booting_worker("i-3", SMALL);
    fails(&mut w, "i-3");
    assert_eq!(put_off(&mut w), Some((secs(1), 1)), "from the beginning");
}
