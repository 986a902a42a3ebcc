//! The init command as a startup script that runs once.
//!
//! The guest agent runs the startup script at every boot, as root
//! (<https://cloud.google.com/compute/docs/instances/startup-scripts>). The init command is to run once in the life of an
//! instance: so the script begins with a mark on the disk, and ends where it finds it. The mark carries the instance's
//! name: an image that is made of a worker has the mark of that worker alone.

/// What comes before the init command. `name` holds letters, digits and `-` alone.
pub(crate) fn first_lines(name: &str) -> String {
    let mark = format!("/var/lib/pool-driver-gce.{name}");
    format!("#!/bin/sh\n[ -e {mark} ] && exit 0\n: >{mark} || exit 1\n")
}

/// The whole script.
pub(crate) fn startup_script(name: &str, init_command: &str) -> String {
    first_lines(name) + init_command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn it_runs_once() {
        let dir = tempfile::tempdir().unwrap();
        let count = dir.path().join("count");
        let script = startup_script("pool-1", &format!("echo ran >>{}\n", count.display()));
        // Root's directory is no place for a test.
        let script = script.replace("/var/lib", &dir.path().display().to_string());
        for _ in 0..3 {
            assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "ran\n");
    }

    #[test]
    fn it_does_not_run_where_that_cannot_be_remembered() {
        let script = startup_script("pool-1", "echo ran\n").replace("/var/lib", "/nowhere");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
    }
}
