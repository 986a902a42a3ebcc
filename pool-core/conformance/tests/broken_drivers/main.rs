//! The suite is tried on drivers that are broken in one way each: the right trial must find out. A driver that is not
//! broken passes everything.
//!
//! This program runs itself as the conformance program of such a driver, with [`BROKEN`] set.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod account;
mod driver;
mod harness;
mod mutation;

use harness::MemoryHarness;
use libtest_mimic::{Arguments, Failed, Trial};
use mutation::Mutation;
use std::{collections::BTreeSet, process::Command, process::ExitCode};

/// The variable that says how the driver is broken.
const BROKEN: &str = "POOL_CONFORMANCE_TEST_BROKEN";

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(BROKEN) {
        return pool_conformance::main(MemoryHarness {
            account: Default::default(),
            mutation: Mutation::named(&name),
        });
    }
    let mut trials = vec![
        Trial::test("a_driver_that_keeps_the_contract_passes_every_trial", all_pass),
        Trial::test("lists_may_lag_for_as_long_as_the_capabilities_say", lag_passes),
        Trial::test("what_is_missing_is_said_and_is_no_success", missing),
        Trial::test("a_wrong_command_line_is_told_apart", wrong_command_line),
        Trial::test("a_filter_runs_what_it_names_and_the_last_checks", filtered),
        Trial::test("junit_is_written", junit),
    ];
    trials.extend(Mutation::ALL.iter().map(|(mutation, found_by)| {
        Trial::test(format!("is_found: {mutation:?}"), move || is_found(*mutation, found_by))
    }));
    let mut arguments = Arguments::from_args();
    // They wait most of the time.
    arguments.test_threads.get_or_insert(6);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The exit code, standard output and standard error of a run.
fn run(mutation: Mutation, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(arguments).env(BROKEN, format!("{mutation:?}")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn report(mutation: Mutation, arguments: &[&str]) -> (i32, serde_json::Value) {
    let (code, stdout, stderr) = run(mutation, &[&["--json"], arguments].concat());
    let report = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    (code, report)
}

fn named(report: &serde_json::Value, outcome: &str) -> BTreeSet<String> {
    let trials = report["trials"].as_array().unwrap().iter();
    trials
        .filter(|trial| trial["outcome"] == outcome)
        .map(|trial| trial["name"].as_str().unwrap().to_owned())
        .collect()
}

fn all_pass() -> Result<(), Failed> {
    passes(Mutation::None)
}

fn lag_passes() -> Result<(), Failed> {
    passes(Mutation::LagsAsItSays)
}

fn passes(mutation: Mutation) -> Result<(), Failed> {
    let (code, report) = report(mutation, &[]);
    assert_eq!(named(&report, "failed"), BTreeSet::new(), "{report:#}");
    assert_eq!(named(&report, "excluded"), BTreeSet::new(), "{report:#}");
    assert!(named(&report, "passed").len() > 100);
    assert_eq!(code, 0);
    Ok(())
}

fn is_found(mutation: Mutation, found_by: &[&str]) -> Result<(), Failed> {
    let arguments = match mutation {
        // Every trial waits in vain for the end of what it has made.
        Mutation::DestroysNothing => vec!["--exact", found_by[0]],
        // A trial destroys what others have made: which of them fails then is chance, unless each runs alone.
        Mutation::IgnoresTheFilter | Mutation::SweepsOthers => vec!["--test-threads", "1"],
        _ => Vec::new(),
    };
    let (code, report) = report(mutation, &arguments);
    let failed = named(&report, "failed");
    for trial in found_by {
        if !failed.contains(*trial) {
            return Err(format!("{trial} has passed; failed: {failed:?}").into());
        }
    }
    assert_eq!(code, 1);
    Ok(())
}

fn missing() -> Result<(), Failed> {
    let (code, stdout, stderr) = run(Mutation::None, &["--live"]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains("no account to be had"), "{stderr}");
    Ok(())
}

fn wrong_command_line() -> Result<(), Failed> {
    let (code, _, stderr) = run(Mutation::None, &["--lively"]);
    assert_eq!(code, 2, "{stderr}");
    Ok(())
}

fn filtered() -> Result<(), Failed> {
    let (code, report) = report(Mutation::None, &["--exact", "destroy_twice_is_success"]);
    let expected = [
        "destroy_twice_is_success",
        "every_request_is_as_the_provider_describes_it",
        "no_secret_is_in_a_log_line_or_an_error",
        "nothing_of_this_run_is_left_in_the_cloud",
    ];
    assert_eq!(named(&report, "passed"), expected.map(str::to_owned).into());
    assert_eq!(code, 0);
    Ok(())
}

fn junit() -> Result<(), Failed> {
    let file = tempfile::NamedTempFile::new()?;
    let path = file.path().to_str().unwrap();
    run(Mutation::DestroyOfNothingFails, &["--junit", path, "destroy_twice"]);
    let xml = std::fs::read_to_string(path)?;
    assert!(
        xml.contains(r#"<testcase name="destroy_twice_is_success" classname="conformance.memory""#),
        "{xml}"
    );
    assert!(xml.contains("<failure message="), "{xml}");
    Ok(())
}
