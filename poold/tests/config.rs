//! `poold config`: what is printed can be used, and of what cannot be used all that is wrong is said, with exit code 2
//! and nothing started.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    process::{Command, Output},
};

fn poold(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poold"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("POOLD_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().expect("poold runs")
}

fn default() -> String {
    let output = poold(&["config", "default"], &[]);
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// The default with these texts replaced.
fn with(replaced: &[(&str, &str)]) -> String {
    let mut text = default();
    for (old, new) in replaced {
        assert!(text.contains(old), "{old:?}");
        text = text.replacen(old, new, 1);
    }
    text
}

struct Checked {
    code: Option<i32>,
    out: String,
    said: String,
    problems: Vec<(String, String)>,
}

impl Checked {
    #[track_caller]
    fn has(&self, field: &str, parts: &[&str]) {
        let found = self.problems.iter().find(|(at, _)| at == field);
        let (_, problem) =
            found.unwrap_or_else(|| panic!("nothing is said of {field}: {:#?}", self.problems));
        for part in parts {
            assert!(problem.contains(part), "{part:?} is not in {problem:?}");
        }
        assert!(self.said.contains(field), "{field} is not in:\n{}", self.said);
    }
}

/// Checks a text, for people and as JSON.
#[track_caller]
fn check(text: &str, variables: &[(&str, &str)]) -> Checked {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("poold.toml");
    fs::write(&file, text).unwrap();
    // What is made on the way, if anything, is made here.
    let scratch = dir.path().join("tmp");
    fs::create_dir(&scratch).unwrap();
    let file = file.to_str().unwrap();
    let variables: Vec<_> =
        variables.iter().copied().chain([("TMPDIR", scratch.to_str().unwrap())]).collect();
    let output = poold(&["config", "check", "--config", file], &variables);
    let json = poold(&["config", "check", "--json"], &[&variables[..], &[("POOLD_CONFIG", file)]].concat());
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "something was left");
    assert_eq!(json.status.code(), output.status.code());
    let parsed: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(parsed["fine"], output.status.success());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let problems =
        parsed["problems"].as_array().unwrap().iter().map(|p| (text(&p["field"]), text(&p["problem"])));
    Checked {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
        problems: problems.collect(),
    }
}

#[test]
fn what_is_printed_is_fine_and_so_is_none() {
    let checked = check(&default(), &[]);
    assert_eq!((checked.code, checked.said.as_str()), (Some(0), ""));
    for part in
        ["configuration is fine", "loopback", "instance set local", "at most 8", "small, medium, large"]
    {
        assert!(checked.out.contains(part), "{part:?} is not in {}", checked.out);
    }
    let built_in = poold(&["config", "check"], &[("POOLD__POOL__MAX_INSTANCES", "5")]);
    assert_eq!(built_in.status.code(), Some(0));
    assert!(String::from_utf8(built_in.stdout).unwrap().contains("at most 5"));
}

#[test]
fn each_mistake_is_named() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("max_instances = 8", "max_instance = 8", "pool.max_instance", &["unknown field", "max_instances"]),
        ("max_instances = 8", "max_instances = \"eight\"", "pool.max_instances", &["eight"]),
        ("timeout_idle = \"1m\"", "timeout_idle = \"3 parsecs\"", "pool.timeout_idle", &["parsecs"]),
        ("sync_interval = \"10s\"", "sync_interval = \"0s\"", "pool.sync_interval", &["more than 0"]),
        ("name = \"medium\"", "name = \"small\"", "pool.instance_types[1].name", &["small"]),
        ("price = 0.02", "price = -0.02", "pool.instance_types[1].price", &["-0.02"]),
        ("memory = \"4 GiB\"", "memory = \"4 elephants\"", "pool.instance_types[1].memory", &["elephants"]),
        ("name = \"loopback\"", "name = \"ec3\"", "driver.name", &["ec3", "loopback"]),
        ("boot_time = \"0s\"", "boot_tim = \"0s\"", "driver.options.boot_tim", &["unknown"]),
        ("boot_time = \"0s\"", "boot_time = \"soon\"", "driver.options.boot_time", &["soon"]),
        ("[ssh]", "[ssh]\nkey_file = \"/no/such/key\"", "ssh.key_file", &["/no/such/key", "No such file"]),
        ("[runner]", "[runner]\nprogram = \"/no/such/runner\"", "runner.program", &["/no/such/runner"]),
        ("#price_factor = 1.5", "price_factor = 0.9", "scheduler.price_factor", &["at least 1"]),
        ("#keep_finished = \"30days\"", "keep_finished = 30", "queue.keep_finished", &["30"]),
        ("[queue]", "[queues]", "queues", &["unknown section"]),
    ];
    for (old, new, field, parts) in cases {
        let checked = check(&with(&[(old, new)]), &[]);
        assert_eq!(checked.code, Some(2), "{new}");
        assert_eq!(checked.problems.len(), 1, "{new}: {:#?}", checked.problems);
        assert!(checked.said.contains("poold.toml"), "{}", checked.said);
        assert_eq!(checked.out, "", "nothing but the error is printed");
        checked.has(field, parts);
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let text = with(&[
        ("max_instances = 8", "max_instance = 8"),
        ("timeout_idle = \"1m\"", "timeout_idle = \"3 parsecs\""),
        ("price = 0.02", "price = -0.02"),
        ("boot_time = \"0s\"", "boot_tim = \"0s\"\nuser = \"a b\"\nseed = \"x\""),
        ("[ssh]", "[ssh]\nkey_file = \"/no/such/key\""),
        ("[runner]", "[runner]\nprogram = \"/no/such/runner\""),
        ("#max_attempts = 3", "max_attempts = 0"),
        ("#max_jobs = 1000000", "max_jobs = 0\nmax_job = 1"),
    ]);
    let checked = check(&text, &[("POOLD__POOL__PROBE_INTERVAL", "often"), ("POOLD__QUEUE__COLOUR", "red")]);
    assert_eq!(checked.code, Some(2));
    for field in [
        "pool.max_instance",
        "pool.timeout_idle",
        "pool.probe_interval (POOLD__POOL__PROBE_INTERVAL)",
        "pool.instance_types[1].price",
        "driver.options.boot_tim",
        "driver.options.user",
        "driver.options.seed",
        "ssh.key_file",
        "runner.program",
        "scheduler.max_attempts",
        "queue.max_job",
        "queue.colour (POOLD__QUEUE__COLOUR)",
    ] {
        checked.has(field, &[]);
    }
}

#[test]
fn policies_of_types_that_are_not_there_are_named() {
    let text = with(&[
        ("# min_idle = { small = 1 }", "min_idle = { tiny = 1 }"),
        ("# max_price_per_hour = 0.25", "max_price_per_hour = 0.001"),
    ]);
    let checked = check(&text, &[]);
    assert_eq!((checked.code, checked.problems.len()), (Some(2), 2));
    checked.has("pool.min_idle.tiny", &["instance_types"]);
    checked.has("pool.max_price_per_hour", &["cheapest"]);
}

#[test]
fn the_demo_is_not_changed_by_variables_that_are_for_serve() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("demo.toml");
    let printed = poold(&["demo", "--print-config"], &[]);
    let text = String::from_utf8(printed.stdout).unwrap();
    fs::write(&file, text.replace("files = 12", "files = 0")).unwrap();
    let state = dir.path().join("state");
    let arguments = ["demo", "--config", file.to_str().unwrap(), "--state-dir", state.to_str().unwrap()];
    let output = poold(&arguments, &[("POOLD__DRIVER__NAME", "ec3")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("demo.files") && !said.contains("ec3"), "{said}");
    assert!(!state.exists());
}

#[test]
fn what_is_no_toml_or_not_there_is_named() {
    let checked = check("[pool\n", &[]);
    assert_eq!((checked.code, checked.problems.len()), (Some(2), 1));
    assert!(checked.said.contains("poold.toml"), "{}", checked.said);
    let missing = poold(&["config", "check", "--config", "/no/such/poold.toml"], &[]);
    assert_eq!(missing.status.code(), Some(2));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(said.contains("/no/such/poold.toml") && said.contains("No such file"), "{said}");
}
