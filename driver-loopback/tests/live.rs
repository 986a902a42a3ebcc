//! The conformance suite with configurations of one's own: with real machines, as an operator runs it before a pool, and
//! with lists that lag.
//!
//! A program of its own: the suite reads every log line of its process, which would slow down other tests in it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "conformance/faults.rs"]
mod faults;
#[path = "conformance/harness.rs"]
mod harness;

use harness::LoopbackHarness;
use pool_conformance::{Outcome, Report};
use std::io::Write as _;

const TRIAL: &str = "live_an_instance_boots_is_verified_and_runs_a_command";

/// Runs the one trial with an operator's configuration.
fn live(config: &str) -> Report {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    pool_conformance::report(LoopbackHarness::new(), &["--live", "--config", path, "--exact", TRIAL]).unwrap()
}

fn outcome(report: &Report, name: &str) -> Outcome {
    report.trials.iter().find(|trial| trial.name == name).map(|trial| trial.outcome.clone()).unwrap()
}

#[test]
fn p55_one_instance_of_the_operators_configuration_is_created_checked_used_and_destroyed() {
    let report =
        live("user = 'operator'\nboot_time = '200ms'\nshutdown_time = '100ms'\nvouch_for_host_keys = true");
    assert_eq!(outcome(&report, TRIAL), Outcome::Passed);
    assert_eq!(outcome(&report, "nothing_of_this_run_is_left_in_the_cloud"), Outcome::Passed);
    let steps = &report.trials.iter().find(|trial| trial.name == TRIAL).unwrap().steps;
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "open",
            "create",
            "listed",
            "set tags",
            "new tag listed",
            "address listed",
            "booted, host verified, first command run",
            "second command run",
            "running listed",
            "destroy",
            "gone from the list",
        ]
    );
    let took =
        |name: &str| steps.iter().filter(|step| step.name == name).map(|step| step.seconds).sum::<f64>();
    assert!(took("address listed") + took("booted, host verified, first command run") > 0.15, "{steps:?}");
    assert!(took("destroy") + took("gone from the list") > 0.09, "{steps:?}");
}

#[test]
fn p55_a_host_that_is_another_is_found_out_and_nothing_is_left() {
    let report = live("[faults.boots]\nwrong_host_rate = 1.0");
    let Outcome::Failed(why) = outcome(&report, TRIAL) else { panic!("{report:?}") };
    assert!(why.contains("the host does not know the instance's secret"), "{why}");
    assert_eq!(outcome(&report, "nothing_of_this_run_is_left_in_the_cloud"), Outcome::Passed);
}

#[test]
fn every_trial_passes_when_lists_lag_as_the_configuration_says() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let config = "boot_time = '1h'\nplacements = ['a', 'b']\nlist_settle_time = '150ms'\n[faults]\nstale_list = '150ms'\n\
                  [quota_groups]\n'loop.small' = 'conformance'";
    file.write_all(config.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let report = pool_conformance::report(LoopbackHarness::new(), &["--config", path]).unwrap();
    let failed: Vec<_> =
        report.trials.iter().filter(|trial| matches!(trial.outcome, Outcome::Failed(_))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report.passed > 70, "{} have passed", report.passed);
}
