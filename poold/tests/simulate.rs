//! `poold simulate` as people call it: what it prints, and its exit codes.

#![cfg(feature = "loopback")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn poold(&self, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_poold"));
        command.arg("simulate").args(arguments).current_dir(self.dir.path());
        command.env_remove("POOLD_CONFIG").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("poold runs");
        // It may have refused its command line, and read nothing.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const JOBS: &str = "{\"command\":[\"./render\"],\"cpus\":1,\"takes\":\"10m\",\"copies\":64}\n";

#[test]
fn more_instances_are_faster_and_the_answer_says_so() {
    let desk = Desk::new();
    desk.file("jobs.jsonl", JOBS);
    let simulate = |most| {
        let variables =
            [("POOLD__POOL__MAX_INSTANCES", most), ("POOLD__POOL__MAX_CONCURRENT_INSTANCE_CREATE_OPS", "0")];
        let output = desk.poold(&["--jobs", "jobs.jsonl", "--json"], &variables, "");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (few, many) = (simulate("4"), simulate("16"));
    let makespan = |answer: &Value| answer["makespan_seconds"].as_f64().unwrap();
    assert!(makespan(&few) > 3.0 * makespan(&many), "{} and {}", makespan(&few), makespan(&many));
    assert_eq!(few["instances"]["most_at_once"], 4);
    assert_eq!(few["limited_by"][0]["reason"], "max_instances");
    assert_eq!(few["outcomes"]["exit code 0"], 64);
    assert!(few["over_time"]["rows"].as_array().unwrap().len() <= 20);
    for field in ["given", "cost", "types", "waited", "calls", "still_waiting"] {
        assert!(!few[field].is_null(), "{field}");
    }
}

#[test]
fn jobs_come_from_standard_input_and_the_same_is_printed_twice() {
    let desk = Desk::new();
    desk.file(
        "cloud.toml",
        "boot_time = '20s'\n[faults.create]\nerror_rate = 0.3\n[faults.boots]\nfailed_boot_rate = 0.1\n",
    );
    let arguments = ["--jobs", "-", "--cloud", "cloud.toml", "--seed", "5"];
    let (one, other) = (desk.poold(&arguments, &[], JOBS), desk.poold(&arguments, &[], JOBS));
    assert_eq!(one.status.code(), Some(0), "{}", text(&one.stderr));
    assert_eq!(text(&one.stdout), text(&other.stdout));
    for part in
        ["64 of standard input", "boots in 20s, with faults (cloud.toml), seed 5", "makespan:", "not a bill"]
    {
        assert!(text(&one.stdout).contains(part), "{part:?} is not in:\n{}", text(&one.stdout));
    }
}

#[test]
fn jobs_that_do_not_end_make_it_fail_and_say_why() {
    let desk = Desk::new();
    desk.file("cloud.toml", "[faults.quota]\ninstances = 0\n");
    let output = desk.poold(&["--jobs", "-", "--cloud", "cloud.toml", "--until", "30m"], &[], JOBS);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for part in ["NOT FINISHED: it was ended after 30m (--until)", "first: standard input:1", "quota"] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

#[test]
fn bad_input_is_told_and_nothing_is_simulated() {
    let desk = Desk::new();
    desk.file("jobs.jsonl", "{\"command\":[\"a\"],\"cpus\":100}\n{\"command\":[\"a\"],\"takes\":\"x\"}\n");
    desk.file("good.jsonl", JOBS);
    desk.file("poold.toml", "[pool]\ninstance_set = 'a'\nmax_instance = 3\n");
    desk.file("cloud.toml", "boot_tim = '3s'\n");
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--jobs", "jobs.jsonl"], &["jobs.jsonl:1: resources: ", "jobs.jsonl:2: takes: "]),
        (&["--jobs", "none.jsonl"], &["none.jsonl cannot be read"]),
        (&["--jobs", "good.jsonl", "--config", "poold.toml"], &["pool.max_instance"]),
        (&["--jobs", "good.jsonl", "--cloud", "cloud.toml"], &["cloud.toml", "boot_tim"]),
        (&["--jobs", "good.jsonl", "--until", "ever"], &["--until"]),
        (&["--jobs", "-"], &["standard input has no jobs"]),
        (&[], &["--jobs"]),
    ];
    for (arguments, parts) in cases {
        let output = desk.poold(arguments, &[], "");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(text(&output.stdout), "");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
    }
    let output = desk.poold(&["--jobs", "jobs.jsonl", "--json"], &[], "");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "invalid_input");
}

#[test]
fn help_says_the_exit_codes_and_that_no_account_is_needed() {
    let output = Desk::new().poold(&["--help"], &[], "");
    assert_eq!(output.status.code(), Some(0));
    for part in ["Exit codes: 0", "No cloud account, no credentials", "copies", "takes"] {
        assert!(text(&output.stdout).contains(part), "{part}");
    }
}
