//! What cannot be right is refused with a reason, and nothing is touched.

use super::support::{Place, brisk};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::PathBuf,
    process::Command,
};

impl Place {
    /// What `poold serve` says that does not begin to serve.
    #[track_caller]
    fn serve_is_refused(&self) -> String {
        let config = self.config();
        self.fails(2, &["serve", "--config", config.to_str().unwrap()])
    }

    fn queue(&self) -> PathBuf {
        self.state().join("queue.sqlite")
    }
}

#[test]
fn a_state_directory_without_rights_is_refused_by_its_name() {
    let place = Place::new(&brisk());
    fs::create_dir(place.state()).unwrap();
    let root = rustix::process::geteuid().is_root();
    let mut serve = if root {
        // Rights do not bind root: nobody is asked to serve, in what is root's alone.
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(place.state(), Permissions::from_mode(0o700)).unwrap();
        let program = place.path().join("poold");
        fs::copy(env!("CARGO_BIN_EXE_poold"), &program).unwrap();
        let mut serve = Command::new(program);
        serve.uid(65534).gid(65534);
        serve
    } else {
        fs::set_permissions(place.state(), Permissions::from_mode(0o500)).unwrap();
        Command::new(env!("CARGO_BIN_EXE_poold"))
    };
    serve.args(["serve", "--config"]).arg(place.config()).arg("--state-dir").arg(place.state());
    let output = serve.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(place.state().to_str().unwrap()) && said.contains("--state-dir"), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    fs::set_permissions(place.state(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fs::read_dir(place.state()).unwrap().count(), 0);
}

#[test]
fn a_state_directory_that_is_a_file_or_another_programs_is_left_as_it_is() {
    let place = Place::new(&brisk());
    fs::write(place.state(), "not a directory").unwrap();
    let said = place.serve_is_refused();
    assert!(said.contains(place.state().to_str().unwrap()) && said.contains("Not a directory"), "{said}");
    let said = place.fails(3, &["jobs"]);
    assert!(said.contains(place.state().to_str().unwrap()), "{said}");
    assert_eq!(fs::read_to_string(place.state()).unwrap(), "not a directory");
    fs::remove_file(place.state()).unwrap();

    fs::create_dir(place.state()).unwrap();
    fs::write(place.state().join("thesis.tex"), "").unwrap();
    let said = place.serve_is_refused();
    assert!(said.contains("not empty") && said.contains("--state-dir"), "{said}");
    let config = place.config();
    let said = place.fails(2, &["destroy-all", "--yes", "--config", config.to_str().unwrap()]);
    assert!(said.contains("not empty"), "{said}");
    assert_eq!(fs::read_dir(place.state()).unwrap().count(), 1);
}

#[test]
fn a_state_directory_whose_making_was_cut_short_is_made_to_its_end() {
    let mut place = Place::new(&brisk());
    fs::create_dir(place.state()).unwrap();
    fs::write(place.state().join("poold-state"), "This dir").unwrap();
    place.serve();
    place.ends_with_nothing_left();
}

#[test]
fn a_damaged_or_newer_queue_is_kept_byte_for_byte() {
    let mut place = Place::serving(&brisk());
    place.says(&["submit", "--priority", "0", "--array", "500", "--", "true"]);
    assert_eq!(place.stop(), Some(0), "{}", place.log());
    let good = fs::read(place.queue()).unwrap();
    assert!(good.len() > 100_000, "there is something to damage");
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&999_i32.to_be_bytes());
    let mut hole = good.clone();
    hole[4096..good.len() / 2].fill(0xa5);
    let cases = [
        ("newer", newer, "999"),
        ("hole", hole, "damaged"),
        ("cut off", good[..good.len() / 2].to_vec(), "damaged"),
        ("empty", Vec::new(), "empty"),
        ("something else", b"#!/bin/sh\n".repeat(1000), "no SQLite file"),
    ];
    for (what, content, why) in cases {
        fs::write(place.queue(), &content).unwrap();
        let said = place.serve_is_refused();
        assert!(said.contains(why) && said.contains(place.queue().to_str().unwrap()), "{what}: {said}");
        assert!(fs::read(place.queue()).unwrap() == content, "{what}: it was changed");
        let log = fs::metadata(place.state().join("queue.sqlite-wal"));
        assert!(log.is_err() || log.unwrap().len() == 0, "{what}: there are changes beside it");
    }
    fs::write(place.queue(), good).unwrap();
    place.serve();
    assert_eq!(place.jobs().len(), 500, "what was put back is whole");
}

#[test]
fn another_instance_set_or_driver_is_refused_while_jobs_run_and_else_taken() {
    let mut place = Place::serving(&brisk());
    let runs = place.submit(&["--cpus", "8"], &["sleep", "600"]);
    let waits = place.submit(&["--priority", "0"], &["true"]);
    place.until_state(&runs, "running");
    place.kill();
    let other = brisk().replace("\"test\"", "\"other\"");
    place.configure(&other);
    let said = place.serve_is_refused();
    assert!(
        said.contains("loopback/test") && said.contains("loopback/other") && said.contains("1 job"),
        "{said}"
    );

    // The same jobs, as if another driver had them.
    place.configure(&brisk());
    let bind = |cloud: &str| {
        let queue = Connection::open(place.queue()).unwrap();
        assert_eq!(queue.execute("UPDATE meta SET value = ?1 WHERE key = 'cloud'", [cloud]).unwrap(), 1);
    };
    bind("ec2/test");
    let said = place.serve_is_refused();
    assert!(said.contains("ec2/test") && said.contains("loopback/test"), "{said}");
    bind("loopback/test");

    place.serve();
    place.until_state(&runs, "running");
    place.says(&["kill", &runs]);
    place.until_state(&runs, "cancelled");
    place.until_no_instance_is_left();
    assert_eq!(place.stop(), Some(0), "{}", place.log());
    place.configure(&other);
    // The driver's own directory is of one instance set.
    let said = place.serve_is_refused();
    assert!(said.contains("holds the instances of the instance set test"), "{said}");
    fs::rename(place.state().join("loopback"), place.path().join("loopback-of-test")).unwrap();
    place.serve();
    place.says(&["priority", "5", &waits]);
    place.until_state(&waits, "complete");
    place.ends_with_nothing_left();
}

#[test]
fn jobs_that_cannot_be_are_refused_one_by_one() {
    let place = Place::serving(&brisk());
    let refused = |options: &[&str], expected: &[&str]| {
        let said = place.fails(2, &[&["submit"], options, &["--", "true"]].concat());
        for expected in expected {
            assert!(said.contains(expected), "{options:?}: {expected:?} is not in {said}");
        }
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{options:?}: {said:?}");
    };
    // The nearest type, and what is missing.
    refused(&["--cpus", "9"], &["resources", "large", "9", "8"]);
    refused(&["--memory", "9GiB"], &["resources", "large", "9.0 GiB wanted, 8.0 GiB there"]);
    refused(&["--gpus", "1"], &["resources", "GPU"]);
    refused(&["--scratch", "1TB"], &["resources", "scratch"]);
    refused(&["--name", "a\u{1b}[2Jb"], &["name", "control characters"]);
    refused(&["--label", "a=\u{7}"], &["labels", "control characters"]);
    refused(&["--array", "1000000"], &["--array", "100000"]);
    refused(&["--array", "0"], &["--array"]);
    refused(&["--array", "-1"], &["--array"]);
    refused(&["--attempts", "0"], &["attempts", "1 to 100"]);
    refused(&["--priority", "1000001"], &["priority"]);
    refused(&["--cpus", "-1"], &["--cpus"]);
    refused(&["--cpus", "NaN"], &["--cpus"]);
    refused(&["--cpus", "inf"], &["--cpus"]);
    refused(&["--memory", "99999999999999999999GiB"], &["resources", "memory"]);
    refused(&["--output-limit", "2GiB"], &["output_limit", "1.0 GiB", "queue.max_output_limit"]);
    refused(&["--time-limit", "0s"], &["time_limit"]);
    refused(&["--directory", "here"], &["directory", "absolute"]);
    refused(&["--env", "=b"], &["environment"]);
    refused(&["--group", "a b"], &["--group"]);

    // A megabyte is more than the system lets a command line have in one argument: from a file.
    let file = place.path().join("jobs.jsonl");
    let large = serde_json::json!({"command": ["echo", "x".repeat(1 << 20)]});
    fs::write(&file, format!("{{\"command\":[\"true\"]}}\n{large}\n")).unwrap();
    let said = place.fails(2, &["submit", "--file", file.to_str().unwrap()]);
    assert!(said.contains("jobs.jsonl:2: command[1]") && said.contains("as a file"), "{said}");
    assert!(said.len() < 2000, "the megabyte is not said back");
    assert_eq!(place.jobs(), Vec::<Value>::new(), "nothing was submitted by all this");
}

#[test]
fn bad_lines_are_named_and_nothing_is_submitted() {
    let place = Place::serving(&brisk());
    let file = place.path().join("jobs.jsonl");
    let submit = |lines: &[&str], expected: &[&str]| {
        fs::write(&file, lines.join("\n")).unwrap();
        let said = place.fails(2, &["submit", "--file", file.to_str().unwrap()]);
        for expected in expected {
            assert!(said.contains(expected), "{expected:?} is not in {said}");
        }
    };
    let good = r#"{"command":["true"]}"#;
    submit(
        &[good, "{", "", good, "[]", r#"{"command":"true"}"#, r#"{"command":["a"],"cpu":1}"#, "\u{1b}[2J"],
        &[":2:", ":5:", ":6:", "command", ":7:", "cpu", ":8:"],
    );
    submit(&[good, r#"{"command":["a"]} {"command":["b"]}"#], &[":2:", "trailing"]);
    // What only the server knows.
    submit(&[good, "", r#"{"command":["a"],"cpus":99}"#], &["jobs.jsonl:3:", "resources", "large"]);
    submit(&[good, r#"{"command":["a"],"priority":-1}"#], &[":2:", "priority"]);
    submit(&[good, r#"{"command":["a"],"priority":18446744073709551616}"#], &[":2:", "priority"]);
    submit(&[good, r#"{"command":["a"],"time_limit":"soon"}"#], &[":2:", "time_limit"]);
    submit(&[good, r#"{"command":["a"],"name":"\u001b[2J"}"#], &[":2:", "name", "control characters"]);
    submit(&["", " "], &["no jobs"]);
    fs::write(&file, [0xff, 0xfe, b'\n']).unwrap();
    let said = place.fails(2, &["submit", "--file", file.to_str().unwrap()]);
    assert!(said.contains(":1:"), "{said}");
    let deep = "[".repeat(100_000);
    submit(&[&format!("{{\"command\":{deep}")], &[":1:"]);
    let said = place.fails(2, &["submit", "--file", "/no/such/file"]);
    assert!(said.contains("/no/such/file"), "{said}");
    let said = place.fails(2, &["submit", "--file", place.path().to_str().unwrap()]);
    assert!(said.contains(place.path().to_str().unwrap()), "{said}");
    assert_eq!(place.jobs(), Vec::<Value>::new());
}

#[test]
fn jobs_that_are_not_there_are_not_found() {
    let place = Place::serving(&brisk());
    let id = place.submit(&["--priority", "0"], &["true"]);
    let (tag, _) = id.rsplit_once('-').unwrap();
    let strange = [
        "0".to_owned(),
        "2".to_owned(),
        u64::MAX.to_string(),
        i64::MAX.to_string(),
        // One more than any number can be.
        "18446744073709551616".to_owned(),
        "zzzzz-1".to_owned(),
        format!("{tag}-0"),
        format!("{tag}-01"),
        format!("{tag}-18446744073709551615"),
        format!("{tag}-"),
    ];
    for key in &strange {
        for command in
            [&["job"][..], &["explain"], &["logs"], &["logs", "-f"], &["wait"], &["kill"], &["priority", "7"]]
        {
            let said = place.fails(1, &[command, &[key]].concat());
            assert!(said.contains("there is no job"), "{command:?} {key}: {said}");
        }
    }
    for key in ["-1", "", "a b", "\u{1b}[2J", "../status", "ü"] {
        let said = place.fails(2, &["job", key]);
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    let said = place.fails(2, &["jobs", "--state", "sleeping"]);
    assert!(
        said.contains("sleeping") && said.contains("queued, locked, running, complete, cancelled"),
        "{said}"
    );
    for arguments in [&["jobs", "--limit", "0"][..], &["jobs", "--limit", "-1"], &["jobs", "--label", "x"]] {
        place.fails(2, arguments);
    }
    let said = place.fails(1, &["logs", "--run", "1", &id]);
    assert!(said.contains("no run 1"), "{said}");
    assert_eq!(place.job(&id)["state"], "queued");
    for action in ["hold", "drain", "run", "kill-instance"] {
        let said = place.fails(1, &[action, "i-000000000000"]);
        assert!(said.contains("there is no instance i-000000000000"), "{said}");
        let said = place.fails(2, &[action, "\u{1b}[2J"]);
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}
