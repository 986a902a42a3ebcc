//! Two programs on one instance set, which should never be.

use super::support::{CONFIG, Place};
use std::{fs, os::unix::fs::symlink};

/// Else a service manager would start each again, and they would take the instances from each other for ever.
#[test]
fn a_superseded_serve_ends_with_a_code_of_its_own() {
    let mut first = Place::serving(CONFIG);
    let id = first.submit(&[], &["sleep", "600"]);
    first.until_state(&id, "running");
    // The same cloud and key, and no lock in common: as from another machine.
    let mut second = Place::new(CONFIG);
    fs::create_dir(second.state()).unwrap();
    for name in ["poold-state", "ssh_key"] {
        fs::copy(first.state().join(name), second.state().join(name)).unwrap();
    }
    symlink(first.state().join("loopback"), second.state().join("loopback")).unwrap();
    // The loopback driver's own lock would tell them of each other.
    fs::remove_file(first.state().join("loopback").join("lock")).unwrap();
    second.serve();
    let (code, log) = first.ended();
    assert_eq!(code, Some(4), "{log}");
    assert!(log.contains("another program has taken the instances over"), "{log}");
    // The job is not of its queue.
    second.until_no_instance_is_left();
    assert_eq!(second.stop(), Some(0), "{}", second.log());
}
