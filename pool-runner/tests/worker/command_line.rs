//! What a person or a script sees.

use crate::client::{PROGRAM, Worker};
use sha2::{Digest as _, Sha256};
use std::{fs, process::Command};

fn output(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_hash_is_that_of_the_program() {
    let expected = hex::encode(Sha256::digest(fs::read(PROGRAM).unwrap()));
    for args in [&["hash"][..], &["runner", "hash"]] {
        assert_eq!(output(args), (Some(0), format!("{expected}\n"), String::new()));
    }
    let worker = Worker::new();
    assert_eq!(worker.attach(1).daemon.as_ref().unwrap().program_hash, expected);
}

#[test]
fn the_version_is_printed() {
    assert_eq!(
        output(&["--version"]),
        (Some(0), format!("pool-runner {}\n", env!("CARGO_PKG_VERSION")), String::new())
    );
}

#[test]
fn what_is_not_understood_is_an_error_that_says_what_is() {
    for args in [&[][..], &["dance"], &["attach"], &["attach", "--root"], &["attach", "--roof", "x"]] {
        let (code, out, err) = output(args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains("usage: pool-runner"), "{err}");
    }
}

#[test]
fn a_root_that_cannot_be_made_is_named() {
    let (code, _, err) = output(&["attach", "--root", "/proc/no/such/place"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("/proc/no/such"), "{err}");
}

#[test]
fn settings_that_are_damaged_are_named_at_once() {
    let worker = Worker::new();
    fs::create_dir_all(worker.dir()).unwrap();
    fs::write(worker.dir().join("settings.json"), "{").unwrap();
    let (code, _, err) = output(&["attach", "--root", worker.root.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.contains("settings.json is damaged"), "{err}");
}

#[test]
fn a_long_root_is_no_problem_for_the_socket() {
    let mut worker = Worker::new();
    worker.root = worker.root.join("x".repeat(120)).join("y".repeat(120));
    assert_eq!(worker.attach(1).list().0, []);
}
