//! Workers: when one is gone, what the cloud says of its life, and who is left alone.

use super::{fixtures::*, harness::World};
use crate::{
    Effect, ForeignInstance, IdleBehavior, Notice, Phase, Settings, ShutdownReason, Time, timers::Timer,
};
use pool_api::Lifecycle;
use std::time::Duration;

fn settling(seconds: u64) -> World {
    World::with(|setup| {
        setup.capabilities.list_settle_time = secs(seconds);
        setup.settings.timeout_idle = secs(100_000);
    })
}

#[test]
fn a_worker_is_gone_only_when_a_list_began_the_settle_time_after_its_last_sign() {
    let mut w = settling(30);
    w.idle_worker("i-1", SMALL);
    w.advance(millis(29_999));
    w.list(&[]);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.forget_effects();
    w.advance(millis(1));
    let lists = w.take_lists();
    assert_eq!(lists.len(), 1, "the list comes when it can tell");
    w.answer_list(lists[0], &[]);
    assert_eq!(w.phase("i-1"), None);
}

#[test]
fn each_answer_of_a_worker_is_a_sign() {
    let mut w = settling(30);
    w.idle_worker("i-1", SMALL);
    w.advance(secs(29));
    w.probe("i-1", Vec::new());
    w.advance(secs(29));
    w.list(&[]);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.advance(secs(1));
    w.list(&[]);
    assert_eq!(w.phase("i-1"), None);
}

#[test]
fn a_worker_whose_session_is_open_is_not_gone() {
    let mut w = settling(30);
    w.idle_worker("i-1", SMALL);
    w.session("i-1", true);
    for _ in 0..5 {
        w.advance(secs(100));
        w.list(&[]);
        assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    }
    w.session("i-1", false);
    w.advance(millis(29_999));
    w.list(&[]);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.advance(millis(1));
    w.list(&[]);
    assert_eq!(w.phase("i-1"), None);
}

#[test]
fn a_worker_that_vanishes_is_noticed_in_a_second_not_at_the_next_regular_list() {
    let mut w = World::new();
    let other = w.idle_worker("i-2", SMALL);
    w.idle_worker("i-1", SMALL);
    w.session("i-1", true);
    w.running_job("i-1", "job-1");
    w.forget_effects();
    w.session("i-1", false);
    w.advance(secs(1));
    let lists = w.take_lists();
    assert_eq!(lists.len(), 1);
    w.answer_list(lists[0], std::slice::from_ref(&other));
    assert_eq!(w.end_of("job-1"), Some(crate::JobEnd::WorkerGone));
}

#[test]
fn a_list_that_was_under_way_when_a_session_was_lost_is_followed_by_one_that_can_tell() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.session("i-1", true);
    w.advance(millis(10));
    let early = w.begin_list();
    w.advance(millis(10));
    w.session("i-1", false);
    w.answer_list(early, &[]);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle), "it was there after the list had begun");
    w.advance(secs(1));
    let lists = w.take_lists();
    w.answer_list(lists[0], &[]);
    assert_eq!(w.phase("i-1"), None);
}

#[test]
fn a_worker_that_hangs_up_again_and_again_does_not_make_the_pool_list_without_end() {
    let mut w = World::with(|setup| {
        setup.settings.sync_interval = secs(1000);
        setup.settings.timeout_idle = secs(1000);
    });
    let all = [w.idle_worker("i-1", SMALL)];
    w.forget_effects();
    let mut lists = 0;
    for _ in 0..1000 {
        w.session("i-1", true);
        w.session("i-1", false);
        w.advance(millis(100));
        for op in w.take_lists() {
            lists += 1;
            w.answer_list(op, &all);
        }
    }
    assert!((10..=21).contains(&lists), "{lists} lists in 100 s");
}

#[test]
fn a_session_that_is_lost_where_probes_fail_already_tells_nothing_new() {
    let mut w = World::with(|setup| setup.settings.sync_interval = secs(1000));
    w.idle_worker("i-1", SMALL);
    w.probe_fails("i-1");
    w.forget_effects();
    w.session("i-1", false);
    w.advance(secs(5));
    assert!(w.take_lists().is_empty());
}

#[test]
fn an_instance_that_stopped_or_failed_is_destroyed_at_once_even_with_jobs() {
    for lifecycle in [Lifecycle::Stopped, Lifecycle::Failed] {
        let mut w = World::new();
        let all = [w.idle_worker("i-1", SMALL), w.booting_worker("i-2", SMALL), w.instance("i-3", SMALL)];
        w.running_job("i-1", "job-1");
        w.list(&all.map(|i| in_lifecycle(&i, lifecycle)));
        for i in ["i-1", "i-2", "i-3"] {
            assert_eq!(w.view(i).unwrap().shutdown, Some(ShutdownReason::Lifecycle(lifecycle)));
        }
        assert_eq!(w.destroyed(), ["i-1", "i-2", "i-3"]);
        assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"), "not lost before its worker is gone");
    }
}

#[test]
fn an_instance_that_is_stopping_gets_no_jobs_and_is_not_gone() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL), w.idle_worker("i-2", SMALL)];
    w.running_job("i-1", "job-1");
    w.list(&all.map(|i| in_lifecycle(&i, Lifecycle::Stopping)));
    assert_eq!((w.phase("i-1"), w.phase("i-2")), (Some(Phase::Running), Some(Phase::Idle)));
    assert!(w.try_start("i-1", run("job-2"), half()).is_err());
    assert!(w.try_start("i-2", run("job-2"), half()).is_err());
    assert_eq!(w.unallocated(SMALL), 0);
    assert!(w.pool.pool_view(w.now).workers.is_empty());
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
    assert!(w.destroyed().is_empty());
    w.run_ended("i-1", run("job-1"));
    assert_eq!(w.end_of("job-1"), Some(crate::JobEnd::Finished(exit(0))));
}

#[test]
fn an_instance_with_the_sets_tag_but_not_ours_is_reported_once_and_left_alone() {
    let mut w = World::new();
    let mut missing = w.instance("i-1", SMALL);
    missing.tags = [("pool-InstanceSetID", "set-1"), ("pool-InstanceType", SMALL)].into_iter().collect();
    missing.lifecycle = Lifecycle::Stopped;
    let malformed = tagged(w.instance("i-2", SMALL), "InstanceSecret", "hunter2");
    let bad_type = tagged(w.instance("i-3", SMALL), "InstanceType", "a b");
    let all = [missing, malformed, bad_type];
    w.list(&all);
    let left_alone = |i: &str, why| Notice::LeftAlone { instance: id(i), why };
    assert_eq!(
        w.take_notices(),
        [
            left_alone("i-1", ForeignInstance::Missing("pool-InstanceSecret".to_owned())),
            left_alone("i-2", ForeignInstance::Malformed("pool-InstanceSecret".to_owned())),
            left_alone("i-3", ForeignInstance::Malformed("pool-InstanceType".to_owned())),
        ]
    );
    w.forget_effects();
    w.list(&all);
    w.advance(secs(3600));
    assert!(w.take_notices().is_empty());
    let touches = |effect: &Effect| {
        matches!(effect, Effect::Destroy { .. } | Effect::SetTags { .. } | Effect::Probe { .. })
    };
    assert!(!w.effects.iter().any(touches));
    assert!(w.pool.instances().is_empty());
    let view = w.pool.pool_view(w.now);
    assert_eq!(view.left_alone, [id("i-1"), id("i-2"), id("i-3")]);
    assert!(w.pool.kill_instance(w.now, &id("i-1"), "not ours").is_err());
}

#[test]
fn an_instance_that_was_left_alone_is_taken_up_when_its_tags_are_there() {
    let mut w = World::new();
    let whole = w.instance("i-1", SMALL);
    let mut bare = whole.clone();
    bare.tags = pool_api::Tags::new();
    w.list(&[bare]);
    assert_eq!(w.phase("i-1"), None);
    w.list(&[whole]);
    assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
}

#[test]
fn a_verified_host_key_is_pinned_in_the_tags_and_survives_a_restart() {
    let mut w = World::new();
    let mut instance = w.idle_worker("i-1", SMALL);
    assert_eq!(w.pool.pinned_host_key(&id("i-1")), None);
    w.event(crate::Event::HostVerified { instance: id("i-1"), fingerprint: "SHA256:abc".to_owned() });
    assert_eq!(w.pool.pinned_host_key(&id("i-1")), Some("SHA256:abc"));
    let (_, _, tags) = w.take_saves().pop().unwrap();
    assert_eq!(tags.get("pool-InstanceHostKey"), Some("SHA256:abc"));
    w.event(crate::Event::HostVerified { instance: id("i-1"), fingerprint: "SHA256:abc".to_owned() });
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(false));
    instance.tags.extend(&tags);
    let mut restarted = World::new();
    restarted.list(&[instance]);
    assert_eq!(restarted.pool.pinned_host_key(&id("i-1")), Some("SHA256:abc"));
}

#[test]
fn the_runner_is_told_when_a_hold_begins_and_ends() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    let told = |w: &mut World| {
        w.take(|effect| match effect {
            Effect::SetHeld { held, .. } => Some(*held),
            _ => None,
        })
    };
    w.set_behavior("i-1", IdleBehavior::Hold);
    assert!(w.pool.is_held(&id("i-1")));
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.set_behavior("i-1", IdleBehavior::Run);
    assert_eq!(told(&mut w), [true, false]);
    assert!(!w.pool.is_held(&id("i-1")));
}

#[test]
fn an_address_that_changes_is_passed_on_and_one_that_is_missing_is_not_forgotten() {
    let mut w = World::new();
    let mut instance = w.idle_worker("i-1", SMALL);
    w.forget_effects();
    let told = |w: &mut World| {
        w.take(|effect| match effect {
            Effect::SetAddress { address, .. } => Some(address.clone()),
            _ => None,
        })
    };
    instance.address = None;
    w.list(std::slice::from_ref(&instance));
    assert!(told(&mut w).is_empty());
    instance.address = Some("10.2.2.2".to_owned());
    w.list(&[instance]);
    assert_eq!(told(&mut w), [Some("10.2.2.2".to_owned())]);
}

/// Intervals of zero are no way to make the pool spin.
#[test]
fn intervals_of_zero_do_not_make_it_spin() {
    let zero = Duration::ZERO;
    let mut w = World::with(|setup| {
        setup.settings = Settings {
            sync_interval: zero,
            probe_interval: zero,
            timeout_idle: secs(1000),
            timeout_shutdown: zero,
            timeout_signal: zero,
            timeout_term: secs(1),
            timeout_stale_run_lock: zero,
            first_probe_backoff: zero,
            rate_limit_log_interval: zero,
            ..setup.settings.clone()
        };
    });
    for i in ["i-1", "i-2"] {
        w.idle_worker(i, SMALL);
    }
    w.running_job("i-1", "job-1");
    w.kill("job-1");
    w.probe("i-1", vec![running("job-1"), stale("job-2")]);
    w.pool.kill_instance(w.now, &id("i-2"), "test").unwrap();
    for _ in 0..100 {
        w.pool.handle_timeout(w.now);
        if w.pool.poll_timeout().is_none_or(|at| at > w.now) {
            return;
        }
    }
    panic!("still due: {:?}", w.pool.poll_timeout());
}

#[test]
fn answers_to_calls_about_an_earlier_life_of_a_worker_change_nothing() {
    let mut w = World::new();
    let mut instance = w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Hold);
    let (old_save, ..) = w.take_saves().pop().unwrap();
    w.list(&[]);
    instance = tagged(instance, "IdleBehavior", "run");
    w.list(&[instance]);
    w.set_behavior("i-1", IdleBehavior::Hold);
    assert_eq!(w.take_saves().len(), 1);
    w.event(crate::Event::CallDone { op: old_save });
    assert_eq!(w.pool.is_saved(&id("i-1")), Some(false), "the answer is to another save");
    w.call_failed(old_save, other());
    w.set_behavior("i-1", IdleBehavior::Run);
    assert!(w.take_saves().is_empty(), "one save in flight");
}

#[test]
fn a_worker_that_was_gone_and_came_back_is_probed_once_at_a_time() {
    let mut w = World::with(|setup| setup.settings.max_probes_per_second = 1);
    let all = ["i-1", "i-2"].map(|i| w.instance(i, SMALL));
    w.list(&all);
    w.advance(millis(10));
    assert_eq!(w.take_probes().len(), 1, "the second waits for its turn");
    w.list(&all[..1]);
    w.list(&all);
    w.advance(secs(8));
    let second = w.take_probes().into_iter().filter(|(instance, ..)| *instance == id("i-2")).count();
    assert_eq!(second, 1);
}

#[test]
fn an_unknown_worker_is_not_shut_down_as_not_needed_for_it_may_have_jobs() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    assert!(!w.pool.shutdown_instance(w.now, &id("i-1")));
    assert!(w.destroyed().is_empty());
}

/// Lists that miss a worker which answers come more seldom while that lasts.
#[test]
fn absent_workers_that_answer_do_not_make_the_pool_list_without_end() {
    let mut w = settling(0);
    for i in ["i-1", "i-2", "i-3"] {
        w.idle_worker(i, SMALL);
        w.session(i, true);
    }
    let mut lists = 0;
    for _ in 0..6000 {
        w.advance(millis(100));
        for op in w.take_lists() {
            lists += 1;
            w.answer_list(op, &[]);
        }
        w.forget_effects();
    }
    assert!((10..=25).contains(&lists), "{lists} lists in ten minutes");
}

#[test]
fn the_longest_intervals_do_not_overflow() {
    let longest = Duration::MAX;
    let mut w = World::with(|setup| {
        setup.capabilities.list_settle_time = longest;
        setup.settings = Settings {
            sync_interval: longest,
            probe_interval: longest,
            timeout_idle: longest,
            timeout_booting: longest,
            timeout_probe: longest,
            timeout_shutdown: longest,
            timeout_term: longest,
            timeout_signal: longest,
            timeout_stale_run_lock: longest,
            quota_error_ttl: longest,
            capacity_error_ttl: longest,
            rate_limit_log_interval: longest,
            first_probe_backoff: longest,
            ..setup.settings.clone()
        };
    });
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.kill("job-1");
    w.probe_fails("i-1");
    w.probe("i-1", vec![stale("job-2")]);
    for class in [quota(pool_api::Reach::All), crate::FailureClass::RateLimit(Some(longest))] {
        if let Ok(op) = w.try_create(SMALL) {
            w.call_failed(op, class);
        }
    }
    w.list(&[]);
    w.pool.kill_instance(w.now, &id("i-1"), "test").unwrap();
    w.advance(secs(1_000_000));
}

#[test]
fn time_that_goes_back_is_taken_as_no_time_at_all() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.advance(secs(30));
    let before = w.now;
    w.pool.handle_timeout(before);
    w.now = Time::from_start(secs(1));
    w.create(BIG);
    w.running_job("i-1", "job-1");
    w.kill("job-1");
    let timer = w.pool.timers.next().unwrap();
    assert!(timer >= before, "{timer:?} is before {before:?}");
    w.pool.timers.set(Timer::Sync, before);
    w.now = before;
    w.advance(secs(5));
    assert_eq!(w.take_lists().len(), 1);
}
