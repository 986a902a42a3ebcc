//! Workers that no pool cares for.

use crate::client::{Worker, hello, is_alive, run, sh, wait_until};
use pool_protocol::{Outcome, ToRunner};
use std::{fs, thread, time::Duration};

const TIMEOUT_MS: u64 = 300;

#[test]
fn without_power_off_only_the_daemon_ends_and_ended_runs_stay() {
    let worker = Worker::new();
    let mut pool =
        worker.attach_with(&pool_protocol::HelloToRunner { orphan_timeout_ms: TIMEOUT_MS, ..hello(1) });
    let end = pool.run(&run("a"), &sh("exit 4"));
    let daemon = pool.daemon_pid();
    drop(pool);
    wait_until("the daemon has ended", || !is_alive(daemon));
    assert_eq!(worker.attach(1).exited(&run("a")), end);
}

#[test]
fn with_power_off_that_command_runs() {
    let worker = Worker::new();
    let witness = worker.root.with_file_name("powered off");
    let power_off = Some(format!("touch '{}'", witness.display()));
    let hello = pool_protocol::HelloToRunner { orphan_timeout_ms: TIMEOUT_MS, power_off, ..hello(1) };
    let pool = worker.attach_with(&hello);
    // As long as a pool is attached, nothing happens. This is no wait for something that will be: it is given
    // the chance to go wrong.
    thread::sleep(Duration::from_millis(2 * TIMEOUT_MS));
    assert!(!witness.exists());
    drop(pool);
    wait_until("it was powered off", || witness.exists());
}

#[test]
fn a_run_that_goes_on_keeps_the_worker() {
    let worker = Worker::new();
    let witness = worker.root.with_file_name("witness");
    let power_off = Some(format!("touch '{}'", witness.display()));
    let fifo = worker.root.with_file_name("go");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let hello = pool_protocol::HelloToRunner { orphan_timeout_ms: TIMEOUT_MS, power_off, ..hello(1) };
    let mut pool = worker.attach_with(&hello);
    pool.start(&run("a"), &sh(&format!("read line < {}", fifo.display()))).unwrap();
    drop(pool);
    thread::sleep(Duration::from_millis(2 * TIMEOUT_MS));
    assert!(!witness.exists());
    fs::write(&fifo, "\n").unwrap();
    wait_until("it was powered off", || witness.exists());
    assert!(matches!(worker.attach(1).exited(&run("a")).outcome, Outcome::Exited { code: 0 }));
}

#[test]
fn a_held_worker_stays_also_with_another_daemon() {
    let worker = Worker::new();
    let witness = worker.root.with_file_name("witness");
    let power_off = Some(format!("touch '{}'", witness.display()));
    let hello = pool_protocol::HelloToRunner { orphan_timeout_ms: TIMEOUT_MS, power_off, ..hello(1) };
    let mut pool = worker.attach_with(&hello);
    pool.request(|request| ToRunner::Hold { request, held: true }).unwrap();
    let daemon = pool.daemon_pid();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
    pool.wait_for_end();
    // Starts a daemon that no pool greets.
    let ungreeted = worker.connect();
    wait_until("a daemon runs", || worker.daemons().iter().any(|pid| *pid != daemon && is_alive(*pid)));
    drop(ungreeted);
    thread::sleep(Duration::from_millis(2 * TIMEOUT_MS));
    assert!(!witness.exists());
    // The control: no longer held, it is powered off.
    let mut pool = worker.attach_with(&pool_protocol::HelloToRunner { held: true, ..hello });
    pool.request(|request| ToRunner::Hold { request, held: false }).unwrap();
    drop(pool);
    wait_until("it was powered off", || witness.exists());
}
