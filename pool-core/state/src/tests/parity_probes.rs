//! p32 to p34 and p36: what probes tell.

use super::{fixtures::*, harness::World};
use crate::{JobEnd, Phase, RunList, StartAnswer};
use std::collections::BTreeMap;

fn found(runs: Vec<pool_protocol::RunReport>) -> Result<RunList, String> {
    Ok(RunList { runs, broken: None })
}

#[test]
fn p32_jobs_are_adopted_while_the_boot_probe_fails_and_the_worker_stays_unknown() {
    let mut w = World::new();
    let all = [w.instance("i-1", SMALL)];
    w.list(&all);
    let probe = w.begin_probe("i-1");
    w.probed("i-1", probe, false, found(vec![running("job-1")]));
    assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
    assert_eq!(w.view("i-1").unwrap().running_jobs, [job("job-1")]);
    assert!(w.kill("job-1"));
    w.run_ended("i-1", run("job-1"));
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Finished(exit(0))));
    assert_eq!(w.phase("i-1"), Some(Phase::Unknown));
    w.probe("i-1", vec![ended("job-1")]);
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
}

#[test]
fn p33_a_probe_is_judged_by_when_it_began() {
    let mut w = World::with(|setup| setup.settings.timeout_idle = secs(100_000));
    w.idle_worker("i-1", SMALL);
    let ready = w.now;
    // A success that began early and came late counts from its beginning.
    w.advance(secs(1));
    let probe = w.begin_probe("i-1");
    w.advance(secs(500));
    w.probed("i-1", probe, true, found(Vec::new()));
    let deadline = ready + secs(601);
    // A failure that began before the deadline and came after it does not count.
    let rest = deadline.since(w.now);
    w.advance(rest - millis(1));
    let probe = w.begin_probe("i-1");
    w.advance(secs(60));
    w.probed("i-1", probe, true, Err("timed out".to_owned()));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
    w.probe_fails("i-1");
    assert_eq!(w.phase("i-1"), Some(Phase::Shutdown));
}

#[test]
fn p34_a_probe_that_began_before_a_start_does_not_take_the_job_away() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    let probe = w.begin_probe("i-1");
    w.running_job("i-1", "job-1");
    w.probed("i-1", probe, true, found(Vec::new()));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
}

#[test]
fn p34_a_probe_that_began_before_an_end_does_not_bring_the_job_back() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    let probe = w.begin_probe("i-1");
    w.run_ended("i-1", run("job-1"));
    w.probed("i-1", probe, true, found(vec![running("job-1")]));
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Finished(exit(0))));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
}

#[test]
fn p34_a_later_probe_has_its_say() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.probe("i-1", Vec::new());
    assert_eq!(w.end_of("job-1"), Some(JobEnd::Denied));
    assert_eq!(w.phase("i-1"), Some(Phase::Idle));
}

#[test]
fn p36_a_worker_that_is_being_probed_is_not_probed_again() {
    let mut w = World::with(|setup| setup.settings.timeout_idle = secs(100_000));
    let mut instance = w.idle_worker("i-1", SMALL);
    w.advance(secs(12));
    assert_eq!(w.take_probes().len(), 1);
    // Time, a lost session, a new address: all would like one.
    w.advance(secs(100));
    w.session("i-1", true);
    w.session("i-1", false);
    instance.address = Some("10.9.9.9".to_owned());
    w.list(&[instance]);
    w.advance(secs(100));
    assert!(w.take_probes().is_empty());
}

#[test]
fn p36_probes_are_spread_over_time_and_never_more_than_allowed_in_a_second() {
    let mut w = World::with(|setup| {
        setup.settings.max_probes_per_second = 10;
        setup.settings.timeout_idle = secs(100_000);
    });
    let all: Vec<_> = (0..50).map(|n| w.instance(&format!("i-{n:02}"), SMALL)).collect();
    w.list(&all);
    let mut began = Vec::new();
    let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for _ in 0..600 {
        w.advance(millis(100));
        w.effects.retain(|effect| matches!(effect, crate::Effect::Probe { .. }));
        for (instance, probe, _) in w.take_probes() {
            began.push(w.now);
            let at = u64::try_from(w.now.since_start().as_millis()).unwrap();
            times.entry(instance.to_string()).or_default().push(at);
            w.probed(instance.as_str(), probe, true, found(Vec::new()));
        }
    }
    // The harness looks ten times a second: a window of 900 ms of it lies within any second.
    for window in began.windows(11) {
        assert!(window[10].since(window[0]) >= millis(900), "eleven in a second");
    }
    assert_eq!(times.len(), 50, "all get their turn");
    for (instance, at) in &times {
        for pair in at.windows(2) {
            let pause = pair[1] - pair[0];
            assert!((9_900..=13_000).contains(&pause), "{instance} after {pause} ms");
        }
    }
    let pauses: std::collections::BTreeSet<u64> =
        times.values().flat_map(|at| at.windows(2).map(|p| p[1] - p[0]).collect::<Vec<_>>()).collect();
    assert!(pauses.len() > 3, "with jitter: {pauses:?}");
}

#[test]
fn p36_a_booting_worker_is_probed_early_with_back_off() {
    let mut w = World::new();
    w.booting_worker("i-1", SMALL);
    let mut pauses = Vec::new();
    let mut last = w.now;
    for _ in 0..9 {
        while w.effects.iter().all(|e| !matches!(e, crate::Effect::Probe { .. })) {
            w.advance(millis(10));
        }
        pauses.push(w.now.since(last).as_secs_f64());
        last = w.now;
        w.probe_fails("i-1");
        w.forget_effects();
    }
    for (pause, expected) in pauses.iter().zip([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]) {
        assert!((expected..=expected * 1.1 + 0.02).contains(pause), "{pauses:?}");
    }
}

/// The runner made its list, then started the job and said so, and only then did the list arrive.
#[test]
fn p34_a_probe_that_began_before_a_start_was_confirmed_does_not_take_the_job_away() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.try_start("i-1", run("job-1"), half()).unwrap();
    let probe = w.begin_probe("i-1");
    w.start_answered("i-1", run("job-1"), StartAnswer::Started);
    w.probed("i-1", probe, true, found(Vec::new()));
    assert_eq!(w.runs_on("job-1").as_deref(), Some("i-1"));
}

#[test]
fn p34_a_probe_that_began_before_an_end_was_forgotten_does_not_bring_the_end_back() {
    let mut w = World::new();
    w.idle_worker("i-1", SMALL);
    w.running_job("i-1", "job-1");
    w.run_ended("i-1", run("job-1"));
    let probe = w.begin_probe("i-1");
    w.forget("job-1");
    w.event(crate::Event::Forgotten { instance: id("i-1"), run: run("job-1") });
    w.probed("i-1", probe, true, found(vec![ended("job-1")]));
    assert_eq!(w.pool.job(&job("job-1")), None);
}
