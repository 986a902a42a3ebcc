//! Keepers, which keep one run after the other.

use crate::client::{Pool, Worker, is_alive, run, sh, times, wait_until};
use pool_protocol::{Outcome, OutputStream::Stdout, ToPool};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, io::Write as _};

/// Runs it, and waits until its keeper is there for the next or has ended.
fn run_through(worker: &Worker, pool: &mut Pool, name: &str, script: &str) -> (pool_protocol::RunEnd, Pid) {
    let end = pool.run(&run(name), &sh(script));
    let keeper = worker.keeper(&run(name));
    // Only then it says that it waits, and the daemon has heard of it before it takes a later request.
    wait_until("the keeper waits or has ended", || {
        let pid = keeper.as_raw_nonzero();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // It sleeps without a job: only for the next one.
        !is_alive(keeper) || stat.contains(") S ")
    });
    pool.list();
    (end, keeper)
}

#[test]
fn a_keeper_keeps_the_next_run_and_ends_when_there_is_none() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let (_, first) = run_through(&worker, &mut pool, "a", "exit 0");
    let (end, second) = run_through(&worker, &mut pool, "b", "exit 7");
    assert_eq!(end.outcome, Outcome::Exited { code: 7 });
    assert_eq!(first, second);
    // Two at once have one each.
    pool.start(&run("c"), &sh("sleep 600")).unwrap();
    pool.start(&run("d"), &sh("sleep 600")).unwrap();
    assert_ne!(worker.keeper(&run("c")), worker.keeper(&run("d")));
    for name in ["c", "d"] {
        pool.kill(&run(name), "enough", times(1000, 60_000)).unwrap();
        pool.exited(&run(name));
    }
    let daemon = pool.daemon_pid().as_raw_nonzero();
    wait_until("the daemon has no child", || {
        fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap().is_empty()
    });
    let left = worker.run_files().into_iter().filter(|name| name.starts_with(".keeper"));
    assert_eq!(left.count(), 0);
}

#[test]
fn what_one_run_has_used_is_not_told_of_the_next() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let busy = "n=0; while [ $n -lt 200000 ]; do n=$((n+1)); done";
    let (first, keeper) = run_through(&worker, &mut pool, "busy", busy);
    let (second, same) = run_through(&worker, &mut pool, "idle", "true");
    assert_eq!(keeper, same);
    assert!(first.cpu_time_ms > Some(20) && second.cpu_time_ms < first.cpu_time_ms, "{first:?} {second:?}");

    // The system keeps the largest memory of all: after a large job there is a new keeper.
    let (large, keeper) =
        run_through(&worker, &mut pool, "large", "head -c 40000000 /dev/zero | tail -c 39000000 | wc -c");
    assert!(large.peak_memory > Some(30 << 20), "{large:?}");
    let (small, other) = run_through(&worker, &mut pool, "small", "true");
    assert!(small.peak_memory < Some(16 << 20), "{small:?}");
    assert_ne!(keeper, other);
}

#[test]
fn an_order_for_a_run_that_has_ended_does_nothing_to_the_next() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let (_, first) = run_through(&worker, &mut pool, "a", "exit 0");
    // As a daemon writes it just when the run ends.
    let mut control =
        fs::File::options().write(true).open(worker.run_dir(&run("a")).join("control")).unwrap();
    let kill = r#"{"order":"kill","run":{"job":"a","attempt":1},"reason":"late","times":{"signal_every_ms":1,"kill_after_ms":1}}"#;
    control.write_all(format!("{kill}\n").as_bytes()).unwrap();
    pool.start(&run("b"), &sh("read line; sleep 0.2; exit 3")).unwrap();
    assert_eq!(worker.keeper(&run("b")), first);
    let end = pool.exited(&run("b"));
    assert_eq!((end.outcome, end.killed), (Outcome::Exited { code: 3 }, None));
    // The control: one for that run itself is carried out.
    pool.start(&run("c"), &sh("sleep 600")).unwrap();
    control.write_all(format!("{}\n", kill.replace("\"a\"", "\"c\"")).as_bytes()).unwrap();
    assert_eq!(pool.exited(&run("c")).killed.as_deref(), Some("late"));
}

#[test]
fn a_job_has_no_file_of_its_keeper_open() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let (_, first) = run_through(&worker, &mut pool, "a", "echo out; echo err >&2");
    let list = "n=0; while [ $n -lt 50 ]; do readlink /proc/$$/fd/$n; n=$((n+1)); done";
    let (_, second) = run_through(&worker, &mut pool, "b", list);
    assert_eq!(first, second);
    let open = pool.text(&run("b"), Stdout);
    let [input, output, errors] = open.lines().collect::<Vec<_>>()[..] else { panic!("{open}") };
    assert_eq!(input, "/dev/null");
    assert!(output.starts_with("pipe:") && errors.starts_with("pipe:"), "{open}");
}

#[test]
fn a_waiting_keeper_that_is_killed_is_replaced() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    for name in ["a", "b", "c"] {
        let (end, keeper) = run_through(&worker, &mut pool, name, "exit 4");
        assert_eq!(end.outcome, Outcome::Exited { code: 4 });
        kill_process(keeper, Signal::KILL).unwrap();
        wait_until("it is gone", || !is_alive(keeper));
    }
}

#[test]
fn a_keeper_without_a_run_ends_with_its_daemon_and_one_with_a_run_after_it() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("echo ready; sleep 600")).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    let (_, waiting) = run_through(&worker, &mut pool, "b", "exit 0");
    let keeping = worker.keeper(&run("a"));
    kill_process(pool.daemon_pid(), Signal::KILL).unwrap();
    pool.wait_for_end();
    wait_until("the one without a run has ended", || !is_alive(waiting));
    assert!(is_alive(keeping));

    let mut pool = worker.attach(1);
    pool.kill(&run("a"), "enough", times(1000, 60_000)).unwrap();
    assert_eq!(pool.exited(&run("a")).killed.as_deref(), Some("enough"));
    wait_until("the other has ended as well", || !is_alive(keeping));
    pool.start(&run("c"), &sh("exit 0")).unwrap();
    pool.wait_for("the start", |frame| {
        matches!(frame, ToPool::Started { run: started } if *started == run("c")).then_some(())
    });
}
