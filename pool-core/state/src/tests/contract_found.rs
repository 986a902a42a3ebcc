//! Workers that a process finds: what their tags say may be older than what the process before it has saved last.

use super::{fixtures::*, harness::World};
use crate::{IdleBehavior, ListedInstance, Phase};

/// A process that has just begun, under a provider whose lists may be 30 s behind.
fn begins() -> World {
    World::not_loaded(|setup| {
        setup.capabilities.list_settle_time = secs(30);
        setup.settings.timeout_idle = secs(5);
    })
}

fn with_behavior(instance: &ListedInstance, behavior: &str) -> ListedInstance {
    let mut instance = instance.clone();
    instance.tags.set("pool-IdleBehavior", behavior);
    instance
}

/// A worker that was listed and found idle.
fn found(w: &mut World, behavior: &str) -> ListedInstance {
    let instance = w.instance("i-1", SMALL);
    let instance = with_behavior(&instance, behavior);
    w.list(std::slice::from_ref(&instance));
    w.probe("i-1", Vec::new());
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    instance
}

/// The list that the pool asks for once all that was done before it began must be shown.
fn list_when_settled(w: &mut World, instance: ListedInstance) {
    w.advance(secs(30));
    let lists = w.take_lists();
    assert_eq!(lists.len(), 1, "it comes by itself when it can tell");
    w.answer_list(lists[0], &[instance]);
}

#[test]
fn a_hold_that_no_list_shows_yet_survives_a_restart() {
    let mut w = begins();
    let instance = found(&mut w, "run");
    w.advance(secs(29));
    assert!(!w.pool.shutdown_instance(w.now, &id("i-1")), "it may be held");
    assert!(w.pool.shutdown_type(w.now, &name(SMALL)).is_none(), "it may be held");
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    assert!(w.take_saves().is_empty(), "what the cloud has is not written over");
    w.take_lists().into_iter().for_each(|op| w.answer_list(op, std::slice::from_ref(&instance)));
    list_when_settled(&mut w, with_behavior(&instance, "hold"));
    assert_eq!(w.behavior("i-1"), IdleBehavior::Hold);
    w.advance(secs(1000));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    assert!(w.destroyed().is_empty());
}

#[test]
fn without_one_the_worker_goes_as_soon_as_that_is_known() {
    let mut w = begins();
    let instance = found(&mut w, "run");
    list_when_settled(&mut w, instance);
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn a_worker_that_does_not_answer_is_given_up_only_when_it_is_known_not_to_be_held() {
    for (behavior, goes) in [("run", true), ("hold", false)] {
        let mut w = World::not_loaded(|setup| {
            setup.capabilities.list_settle_time = secs(30);
            setup.settings.timeout_booting = secs(10);
        });
        let instance = w.instance("i-1", SMALL);
        w.list(std::slice::from_ref(&instance));
        w.advance(secs(20));
        w.probe_fails("i-1");
        assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
        w.advance(secs(10));
        w.list(&[with_behavior(&instance, behavior)]);
        w.probe_fails("i-1");
        assert_eq!(w.destroyed().len(), usize::from(goes), "{behavior}");
    }
}

#[test]
fn a_drain_that_no_list_shows_yet_survives_a_restart_too() {
    let mut w = begins();
    let instance = found(&mut w, "run");
    w.running_job("i-1", "job-1");
    list_when_settled(&mut w, with_behavior(&instance, "drain"));
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain);
    w.run_ended("i-1", run("job-1"));
    assert!(w.destroyed().is_empty(), "its output is not fetched");
    w.forget("job-1");
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn what_is_asked_for_meanwhile_is_later_than_whatever_was_saved() {
    let mut w = begins();
    found(&mut w, "hold");
    w.forget_effects();
    w.set_behavior("i-1", IdleBehavior::Run);
    let (_, _, tags) = w.take_saves().pop().unwrap();
    assert_eq!(tags.get("pool-IdleBehavior"), Some("run"));
    w.advance(secs(5));
    assert_eq!(w.destroyed(), ["i-1"]);
    // The same as what was listed is saved, too: the cloud may have another.
    let mut w = begins();
    found(&mut w, "run");
    w.forget_effects();
    w.set_behavior("i-1", IdleBehavior::Run);
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(false));
    assert_eq!(w.take_saves().len(), 1);
}

#[test]
fn what_was_verified_meanwhile_is_saved_once_the_tags_are_known() {
    let mut w = begins();
    let instance = found(&mut w, "run");
    w.running_job("i-1", "job-1");
    w.event(crate::Event::HostVerified { instance: id("i-1"), fingerprint: "SHA256:abc".to_owned() });
    assert!(w.take_saves().is_empty());
    list_when_settled(&mut w, instance);
    let saves = w.take_saves();
    assert_eq!(saves.len(), 1);
    assert_eq!(saves[0].2.get("pool-InstanceHostKey"), Some("SHA256:abc"));
}

#[test]
fn a_worker_that_this_process_has_made_is_known() {
    let mut w = begins();
    w.list(&[]);
    w.idle_worker("i-1", SMALL);
    w.advance(secs(5));
    assert_eq!(w.destroyed(), ["i-1"]);
}
