//! p35, p37 to p39 and p44: rules that are easy to get wrong.

use super::{fixtures::*, harness::World};
use crate::{
    Event, IdleBehavior, Notice, Observation, Phase, RunList, ShutdownReason, StartRefusal,
    events::BootOutcome,
};

#[test]
fn p35_a_list_that_began_before_a_worker_appeared_cannot_make_it_disappear() {
    let mut w = World::new();
    let create = w.create(SMALL);
    let list = w.begin_list();
    w.created(&create, "i-1");
    w.answer_list(list, &[]);
    assert_eq!(w.phase("i-1"), Some(Phase::Booting));
    w.list(&[]);
    assert_eq!(w.phase("i-1"), None, "a later one can");
}

#[test]
fn p35_a_list_that_began_before_a_workers_last_change_cannot_make_it_disappear() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    let list = w.begin_list();
    w.running_job("i-1", "job-1");
    w.answer_list(list, &[]);
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
}

#[test]
fn p35_a_failed_list_removes_nobody() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    let list = w.begin_list();
    w.call_failed(list, other());
    let list = w.begin_list();
    w.call_lost(list);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    // An answer that comes after the failure counts as none.
    w.answer_list(list, &[]);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.advance(secs(60));
    assert_eq!(w.take_lists().len(), 1, "the next list comes at its time");
}

#[test]
fn p37_unless_it_is_held() {
    let mut w = World::new();
    let all = [w.instance("i-1", "retired")].map(|i| tagged(i, "IdleBehavior", "hold"));
    w.list(&all);
    w.probe("i-1", Vec::new());
    w.advance(secs(3600));
    assert_eq!((w.phase("i-1"), w.behavior("i-1")), (Some(Phase::Idle), IdleBehavior::Hold));
}

#[test]
fn p38_idle_behavior_is_read_from_the_tag_at_first_and_a_bad_value_means_run() {
    let cases = [
        ("run", IdleBehavior::Run),
        ("hold", IdleBehavior::Hold),
        ("drain", IdleBehavior::Drain),
        ("HOLD", IdleBehavior::Run),
        ("", IdleBehavior::Run),
    ];
    for (value, expected) in cases {
        let mut w = World::new();
        let all = [w.instance("i-1", SMALL)].map(|i| tagged(i, "IdleBehavior", value));
        w.list(&all);
        assert_eq!(w.behavior("i-1"), expected, "{value:?}");
    }
}

#[test]
fn p38_after_that_the_pools_own_value_is_the_truth() {
    let mut w = World::new();
    let mut all = [w.instance("i-1", SMALL)];
    w.list(&all);
    all[0] = tagged(all[0].clone(), "IdleBehavior", "drain");
    w.list(&all);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Run);
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.list(&all);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Hold);
}

#[test]
fn p39_a_worker_that_says_it_is_broken_is_drained_and_its_jobs_finish() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.event(Event::Broken { instance: id("i-1"), reason: "bad disk".to_owned() });
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain);
    assert_eq!(w.view("i-1").unwrap().broken.as_deref(), Some("bad disk"));
    assert!(w.take_notices().iter().any(|n| matches!(n, Notice::Broken { .. })));
    assert_eq!(w.try_start("i-1", run("job-2"), half()), Err(StartRefusal::NoRoom(id("i-1"))));
    w.run_ended("i-1", run("job-1"));
    w.forget("job-1");
    assert_eq!(w.view("i-1").unwrap().shutdown, Some(ShutdownReason::Drained));
}

#[test]
fn p39_unless_it_is_held() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.event(Event::Broken { instance: id("i-1"), reason: "bad disk".to_owned() });
    assert_eq!(w.behavior("i-1"), IdleBehavior::Hold);
}

#[test]
fn p39_the_boot_of_a_worker_that_lists_itself_as_broken_counts_as_failed() {
    let mut w = World::new();
    w.booting_worker("i-1", SMALL);
    let probe = w.begin_probe("i-1");
    w.probed("i-1", probe, true, Ok(RunList { runs: Vec::new(), broken: Some("no GPU".to_owned()) }));
    let boots: Vec<_> =
        w.take_observations().into_iter().filter(|o| matches!(o, Observation::Boot(_))).collect();
    assert_eq!(boots, [Observation::Boot(BootOutcome::Failure)]);
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn p39_a_record_that_is_readable_again_does_not_count() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.probe("i-1", vec![stale("job-1")]);
    w.advance(secs(3));
    w.probe("i-1", vec![running("job-1")]);
    w.advance(secs(3));
    w.probe("i-1", vec![stale("job-1")]);
    w.advance(secs(3));
    w.probe("i-1", vec![stale("job-1")]);
    assert_eq!(w.view("i-1").unwrap().broken, None, "stale for 3 s, twice");
}

#[test]
fn p39_the_pool_asks_again_in_time_and_does_not_wait_for_the_next_probe() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.forget_effects();
    w.probe("i-1", vec![stale("job-1")]);
    w.advance(secs(5));
    assert_eq!(w.take_probes().len(), 1);
}

#[test]
fn p44_tags_that_differ_are_saved_again_at_each_list() {
    let mut w = World::new();
    let mut all = [w.idle_worker("i-1", SMALL)];
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.accept_calls();
    for _ in 0..2 {
        // The list still shows what was before.
        w.list(&all);
        let saves = w.take_saves();
        assert_eq!(saves.len(), 1);
        assert_eq!(saves[0].2.get("pool-IdleBehavior"), Some("hold"));
        assert_eq!(saves[0].2.get("pool-InstanceType"), Some(SMALL));
        w.event(Event::CallDone { op: saves[0].0 });
    }
    all[0] = tagged(all[0].clone(), "IdleBehavior", "hold");
    w.list(&all);
    assert!(w.take_saves().is_empty(), "now they agree");
    all[0] = tagged(all[0].clone(), "InstanceType", BIG);
    w.list(&all);
    let saves = w.take_saves();
    assert_eq!(saves[0].2.get("pool-InstanceType"), Some(SMALL));
}

/// Else each list would bring a save, and there are providers that show no tags before they have rested for a while.
#[test]
fn p44_a_list_that_need_not_show_what_was_saved_yet_brings_no_save() {
    let mut w = World::with(|setup| setup.capabilities.list_settle_time = secs(30));
    let all = [w.idle_worker("i-1", SMALL)];
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.accept_calls();
    w.advance(millis(29_999));
    w.list(&all);
    assert!(w.take_saves().is_empty());
    w.advance(millis(1));
    w.list(&all);
    assert_eq!(w.take_saves().len(), 1, "the save is lost");
}

#[test]
fn p44_one_save_is_in_flight_per_instance() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL), w.idle_worker("i-2", SMALL)];
    w.set_behavior("i-1", IdleBehavior::Hold);
    w.set_behavior("i-2", IdleBehavior::Hold);
    assert_eq!(w.take_saves().len(), 2);
    for _ in 0..5 {
        w.list(&all);
        w.advance(secs(20));
    }
    assert!(w.take_saves().is_empty(), "each has one in flight");
}

#[test]
fn p37_an_instance_of_a_type_no_longer_configured_is_kept_drained_and_its_jobs_finish() {
    let mut w = World::new();
    let all = [w.instance("i-1", "retired")];
    w.list(&all);
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain);
    assert_eq!(w.view("i-1").unwrap().instance_type, name("retired"));
    assert_eq!(w.unallocated("retired"), 0);
    w.probe("i-1", vec![running("job-1")]);
    assert_eq!(w.phase("i-1"), Some(Phase::Running));
    assert_eq!(w.try_start("i-1", run("job-2"), half()), Err(StartRefusal::NoRoom(id("i-1"))));
    w.advance(secs(500));
    assert!(w.destroyed().is_empty());
    w.run_ended("i-1", run("job-1"));
    assert!(w.destroyed().is_empty(), "the output was not fetched");
    w.forget("job-1");
    assert_eq!(w.destroyed(), ["i-1"]);
}

#[test]
fn p39_a_worker_that_lists_a_job_and_itself_as_broken_keeps_the_job() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    let probe = w.begin_probe("i-1");
    let list = RunList { runs: vec![running("job-1")], broken: Some("bad disk".to_owned()) };
    w.probed("i-1", probe, true, Ok(list));
    assert_eq!((w.phase("i-1"), w.behavior("i-1")), (Some(Phase::Running), IdleBehavior::Drain));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
}

#[test]
fn p39_a_run_record_that_is_still_stale_after_its_time_counts_as_broken() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.probe("i-1", vec![stale("job-1")]);
    w.advance(millis(4_999));
    w.probe("i-1", vec![stale("job-1")]);
    assert_eq!(w.view("i-1").unwrap().broken, None);
    w.advance(millis(1));
    w.probe("i-1", vec![stale("job-1")]);
    w.advance(secs(1));
    let broken = w.view("i-1").unwrap().broken.unwrap();
    assert!(broken.contains("job-1"), "{broken}");
    assert_eq!(w.behavior("i-1"), IdleBehavior::Drain);
}

#[test]
fn p44_after_a_failed_save_a_list_and_the_timer_make_one_save_together() {
    let mut w = World::new();
    let all = [w.idle_worker("i-1", SMALL)];
    w.set_behavior("i-1", IdleBehavior::Hold);
    let (op, ..) = w.take_saves().pop().unwrap();
    w.call_failed(op, other());
    w.list(&all);
    let (op, ..) = w.take_saves().pop().unwrap();
    w.advance(secs(11));
    w.event(Event::CallDone { op });
    assert!(w.take_saves().is_empty());
}
