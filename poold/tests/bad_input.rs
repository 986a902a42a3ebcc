//! Whatever is wrong with what it is given: an error that names the field or file and says what to do, exit code 2,
//! and nothing started.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn poold(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_poold"))
        .args(arguments)
        .env_remove("POOLD_STATE_DIR")
        .env_remove("POOLD_LOG")
        .output()
        .expect("poold runs")
}

fn default_config() -> String {
    let output = poold(&["demo", "--print-config"]);
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

struct Bad {
    dir: tempfile::TempDir,
}

impl Bad {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Runs the demo with a configuration, and checks that it is refused with a text that holds all of `expected`.
    #[track_caller]
    fn refused(&self, config: &str, expected: &[&str]) {
        let file = self.dir.path().join("demo.toml");
        fs::write(&file, config).unwrap();
        self.refused_with(&["--config", file.to_str().unwrap()], expected);
    }

    #[track_caller]
    fn refused_with(&self, arguments: &[&str], expected: &[&str]) {
        let state = self.state();
        let mut all = vec!["demo", "--state-dir", state.to_str().unwrap()];
        all.extend(arguments);
        let output = poold(&all);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for part in expected {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
        assert_eq!(output.stdout, b"", "nothing but the error is printed");
        assert_nothing_started(&state);
    }
}

#[track_caller]
fn assert_nothing_started(state: &Path) {
    let instances = state.join("loopback");
    if let Ok(entries) = fs::read_dir(&instances) {
        let made: Vec<_> = entries
            .flatten()
            .map(|e| e.file_name())
            .filter(|n| n.to_string_lossy().starts_with("i-"))
            .collect();
        assert_eq!(made, Vec::<std::ffi::OsString>::new(), "instances were made");
    }
    assert!(!state.join("inputs").exists(), "inputs were made");
}

#[test]
fn each_mistake_in_the_configuration_is_named() {
    let good = default_config();
    let second = good.find("[[pool.instance_types]]\nname = \"small\"").unwrap();
    let twice = {
        let end = second + good[second + 1..].find("[[pool").unwrap() + 1;
        format!("{}{}{}", &good[..end], &good[second..end], &good[end..])
    };
    let cases: [(String, &[&str]); 13] = [
        (
            good.replace("max_instances = 6", "max_instance = 6"),
            &["demo.toml", "max_instance", "unknown field"],
        ),
        (good.replace("max_instances = 6", "max_instances = \"six\""), &["max_instances", "six"]),
        (good.replace("timeout_idle = \"3s\"", "timeout_idle = \"3 parsecs\""), &["timeout_idle"]),
        (
            good.replace("sync_interval = \"5s\"", "sync_interval = \"0s\""),
            &["pool.sync_interval", "more than 0"],
        ),
        (twice, &["pool.instance_types[2].name", "small"]),
        (good.replace("price = 0.0104", "price = -0.0104"), &["price", "-0.0104"]),
        (good.replace("memory = \"2 GiB\"", "memory = \"2 elephants\""), &["memory"]),
        (good.replace("name = \"loopback\"", "name = \"ec3\""), &["driver.name", "ec3", "loopback"]),
        (good.replace("boot_time = \"500ms\"", "boot_tim = \"500ms\""), &["driver.options", "boot_tim"]),
        (good.replace("boot_time = \"500ms\"", "boot_time = \"soon\""), &["driver.options", "boot_time"]),
        (good.replace("files = 12", "files = 0"), &["demo.files", "from 1 to 1000"]),
        (good.replace("[demo]", "[demo"), &["demo.toml"]),
        (
            good.replace("[driver]", "[ssh]\nkey_file = \"/no/such/key\"\n\n[driver]"),
            &["ssh.key_file", "/no/such/key"],
        ),
    ];
    let bad = Bad::new();
    for (config, expected) in cases {
        assert_ne!(config, good, "the case changes something: {expected:?}");
        bad.refused(&config, expected);
    }
}

#[test]
fn several_mistakes_are_all_said() {
    let good = default_config();
    let config = good
        .replace("sync_interval = \"5s\"", "sync_interval = \"0s\"")
        .replace("probe_interval = \"1s\"", "probe_interval = \"0s\"");
    Bad::new().refused(&config, &["pool.sync_interval", "pool.probe_interval"]);
}

#[test]
fn a_key_that_is_none_and_one_that_cannot_be_read_are_told_apart() {
    let good = default_config();
    let bad = Bad::new();
    let key = bad.dir.path().join("key");
    fs::write(&key, "not a key").unwrap();
    let section = format!("[ssh]\nkey_file = {key:?}\n\n[driver]");
    bad.refused(&good.replace("[driver]", &section), &["ssh.key_file", "is not a private key", "ssh-keygen"]);
    fs::remove_file(&key).unwrap();
    bad.refused(&good.replace("[driver]", &section), &["ssh.key_file", "cannot read"]);
}

#[test]
fn a_missing_runner_program_is_named() {
    let config = default_config().replace("[driver]", "[runner]\nprogram = \"/no/such/runner\"\n\n[driver]");
    Bad::new().refused(&config, &["runner.program", "/no/such/runner"]);
}

#[test]
fn a_missing_configuration_file_is_named() {
    Bad::new().refused_with(&["--config", "/no/such/demo.toml"], &["/no/such/demo.toml", "No such file"]);
}

#[test]
fn a_state_directory_that_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let output = poold(&["demo", "--state-dir", dir.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(dir.path().to_str().unwrap()) && said.contains("--state-dir"), "{said}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was added");
}

#[test]
fn bad_command_lines_end_with_2_and_help_with_0() {
    for arguments in [&["demo", "--jsn"][..], &["demoo"], &[], &["demo", "--log", "a=b=c"]] {
        assert_eq!(poold(arguments).status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["demo", "--help"], &["--version"]] {
        assert_eq!(poold(arguments).status.code(), Some(0), "{arguments:?}");
    }
}
