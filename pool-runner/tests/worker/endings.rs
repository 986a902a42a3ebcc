//! How runs are ended, and that they leave nothing behind.

use crate::client::{Worker, is_alive, run, sh, times, wait_until};
use pool_protocol::{Outcome, OutputStream::Stdout, RequestError};
use rustix::process::Pid;
use std::{fs, time::Duration};

fn signaled(name: &str) -> Outcome {
    Outcome::Signaled { signal: name.into() }
}

#[test]
fn a_kill_is_term_to_the_whole_group() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("sleep 600 & sleep 600 & echo ready; wait")).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    assert_eq!(worker.job_processes().len(), 3);
    pool.kill(&run("a"), "priority 0", times(5000, 60_000)).unwrap();
    // Again changes nothing, not even the reason.
    pool.kill(&run("a"), "another reason", times(1, 1)).unwrap();
    let end = pool.exited(&run("a"));
    assert_eq!((end.outcome, end.killed.as_deref()), (signaled("TERM"), Some("priority 0")));
    assert_eq!(worker.job_processes(), []);
    // It has ended: nothing to do.
    pool.kill(&run("a"), "x", times(1, 1)).unwrap();
    assert_eq!(pool.kill(&run("b"), "x", times(1, 1)), Err(RequestError::UnknownRun));
}

#[test]
fn what_ignores_term_is_killed() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let script = "trap 'echo term' TERM; echo ready; while :; do sleep 0.02; done";
    pool.start(&run("a"), &sh(script)).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    pool.kill(&run("a"), "too long", times(50, 500)).unwrap();
    let end = pool.exited(&run("a"));
    assert_eq!((end.outcome, end.killed.as_deref()), (signaled("KILL"), Some("too long")));
    let terms = pool.text(&run("a"), Stdout).matches("term\n").count();
    // Ten would be sent; a busy machine may deliver less.
    assert!((2..=10).contains(&terms), "{terms}");
}

#[test]
fn a_job_that_obeys_may_end_in_its_own_way() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let script = "trap 'echo saved; exit 9' TERM; echo ready; while :; do sleep 0.02; done";
    pool.start(&run("a"), &sh(script)).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    pool.kill(&run("a"), "enough", times(10_000, 60_000)).unwrap();
    let end = pool.exited(&run("a"));
    assert_eq!((end.outcome, end.killed.as_deref()), (Outcome::Exited { code: 9 }, Some("enough")));
    assert_eq!(pool.text(&run("a"), Stdout), "ready\nsaved\n");
}

#[test]
fn a_time_limit_ends_a_job() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let mut spec = sh("sleep 600");
    spec.time_limit = Some(Duration::from_millis(300));
    let end = pool.run(&run("a"), &spec);
    assert_eq!(end.outcome, signaled("TERM"));
    assert_eq!(end.killed.as_deref(), Some("time limit of 300ms reached"));
    assert!(end.ended_ms - end.started_ms.unwrap() >= 290, "{end:?}");
    spec.time_limit = Some(Duration::MAX);
    spec.command = vec!["true".into()];
    assert!(pool.run(&run("b"), &spec).outcome.is_success());
}

#[test]
fn nothing_that_a_job_leaves_behind_survives_its_end() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    // In its group; in a session of its own; a daemon, twice forked, that ignores what can be ignored; and one
    // that has forgotten the environment that it came from.
    let script = "sleep 600 & echo $!; \
        setsid sleep 601 & \
        (setsid sh -c 'trap \"\" TERM HUP INT; sleep 602; sleep 603' >/dev/null 2>&1 &); \
        env -i setsid sleep 604 & echo $!; \
        sleep 0.2; exit 5";
    let end = pool.run(&run("a"), &sh(script));
    // Its end is told after they are gone.
    assert_eq!(worker.job_processes(), []);
    assert_eq!((end.outcome, end.killed), (Outcome::Exited { code: 5 }, None));
    let text = pool.text(&run("a"), Stdout);
    let left: Vec<Pid> = text.lines().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect();
    assert_eq!(left.len(), 2);
    assert!(!left.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn a_killed_job_leaves_nothing_behind_either() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let script = "setsid sh -c 'trap \"\" TERM; echo ready; sleep 600; sleep 600' & wait";
    pool.start(&run("a"), &sh(script)).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    pool.kill(&run("a"), "enough", times(1000, 10_000)).unwrap();
    assert_eq!(pool.exited(&run("a")).outcome, signaled("TERM"));
    assert_eq!(worker.job_processes(), []);
}

#[test]
fn a_filter_behind_a_job_may_finish_its_output() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    // The filter is not waited for by the job, as with bash's `exec > >(filter)`.
    let fifo = worker.root.with_file_name("fifo");
    let script = format!(
        "mkfifo {0}; (while read l; do echo \"<$l>\"; done < {0}) & exec > {0}; echo one; echo two",
        fifo.display()
    );
    pool.run(&run("a"), &sh(&script));
    assert_eq!(pool.text(&run("a"), Stdout), "<one>\n<two>\n");
}

#[test]
fn orphans_are_reaped_while_the_job_goes_on() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("(sh -c 'exit 0' &); echo ready; sleep 600")).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    let keeper = worker.keeper(&run("a")).as_raw_nonzero();
    wait_until("the orphan is reaped", || {
        fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children"))
            .unwrap()
            .split_whitespace()
            .count()
            == 1
    });
}
