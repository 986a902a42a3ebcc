//! What outlives what.

use crate::client::{PROGRAM, Pool, Worker, hello, is_alive, run, sh, times, wait_until};
use pool_protocol::{Outcome, OutputStream::Stdout, RunStatus, ToPool, ToRunner};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, thread};

/// A job that prints a line, then waits until the test lets it go on.
fn waiting_job(worker: &Worker, then: &str) -> (pool_api::JobSpec, std::path::PathBuf) {
    let fifo = worker.root.with_file_name("go");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    (sh(&format!("echo before; read line < {}; echo after; {then}", fifo.display())), fifo)
}

#[test]
fn a_lost_connection_loses_nothing() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let (spec, go) = waiting_job(&worker, "exit 3");
    pool.start(&run("a"), &spec).unwrap();
    pool.cut();
    fs::write(&go, "\n").unwrap();
    wait_until("it has ended", || worker.has_ended(&run("a")));
    let mut pool = worker.attach(1);
    let end = pool.exited(&run("a"));
    assert_eq!(end.outcome, Outcome::Exited { code: 3 });
    // And again, until it is forgotten.
    drop(pool);
    let mut pool = worker.attach(2);
    assert_eq!(pool.exited(&run("a")), end);
    assert_eq!(pool.text(&run("a"), Stdout), "before\nafter\n");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let worker = Worker::new();
    fs::create_dir_all(worker.dir()).unwrap();
    // Every write to it fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", worker.dir().join("daemon.log")).unwrap();
    let mut pool = worker.attach(1);
    let daemon = pool.daemon_pid();
    let (spec, go) = waiting_job(&worker, "exit 3");
    pool.start(&run("a"), &spec).unwrap();
    // Told in the log by its keeper: an order that makes no sense.
    let mut orders = fs::File::options().write(true).open(worker.run_dir(&run("a")).join("control")).unwrap();
    orders.write_all(b"nonsense\n").unwrap();
    fs::write(&go, "\n").unwrap();
    assert_eq!(pool.exited(&run("a")).outcome, Outcome::Exited { code: 3 });
    // Told in the log by the daemon: a second hello.
    pool.send(&ToRunner::Hello(hello(1)));
    pool.wait_for_end();
    assert_eq!(worker.attach(1).daemon_pid(), daemon);
}

/// Kills the daemon with `signal` while a job runs: the job goes on, and the next daemon knows all of it.
fn daemon_ends(signal: Signal) {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let ended = pool.run(&run("ended"), &sh("exit 8"));
    let (spec, go) = waiting_job(&worker, "exit 3");
    pool.start(&run("a"), &spec).unwrap();
    pool.start(&run("b"), &sh("sleep 600")).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"before\n");
    let daemon = pool.daemon_pid();
    kill_process(daemon, signal).unwrap();
    pool.wait_for_end();
    wait_until("the daemon is gone", || !is_alive(daemon));

    let mut pool = worker.attach(1);
    assert_ne!(pool.daemon_pid(), daemon);
    assert_eq!(pool.exited(&run("ended")), ended);
    let runs = pool.list().0;
    for job in ["a", "b"] {
        let report = runs.iter().find(|report| report.run == run(job)).unwrap();
        assert!(matches!(report.status, RunStatus::Running { .. }), "{report:?}");
    }
    // Not started a second time.
    pool.start(&run("a"), &spec).unwrap();
    // Its output can be followed; its end is told; another can be killed.
    let (id, limit) = (run("a"), 100);
    let read =
        pool.ask(|request| ToRunner::Read { request, run: id, stream: Stdout, offset: 7, limit, wait: true });
    fs::write(&go, "\n").unwrap();
    let ToPool::Output { chunk, .. } = pool.answer(read) else { panic!("no output") };
    assert_eq!(chunk.data, b"after\n");
    assert_eq!(pool.exited(&run("a")).outcome, Outcome::Exited { code: 3 });
    pool.kill(&run("b"), "adopted and killed", times(1000, 60_000)).unwrap();
    let end = pool.exited(&run("b"));
    assert_eq!(end.killed.as_deref(), Some("adopted and killed"));
    assert_eq!(worker.job_processes(), []);
}

#[test]
fn p41_jobs_outlive_a_killed_daemon_and_are_adopted() {
    daemon_ends(Signal::KILL);
}

#[test]
fn jobs_outlive_a_daemon_that_is_told_to_end() {
    daemon_ends(Signal::TERM);
}

#[test]
fn an_end_without_a_daemon_is_known_to_the_next_one() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let (spec, go) = waiting_job(&worker, "exit 3");
    pool.start(&run("a"), &spec).unwrap();
    kill_process(pool.daemon_pid(), Signal::KILL).unwrap();
    pool.wait_for_end();
    fs::write(&go, "\n").unwrap();
    wait_until("it has ended", || worker.has_ended(&run("a")));
    assert_eq!(worker.attach(1).exited(&run("a")).outcome, Outcome::Exited { code: 3 });
}

#[test]
fn when_its_keeper_is_killed_a_run_is_ended_and_its_outcome_is_unknown() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("setsid sleep 601 & setsid -f sleep 602; echo ready; sleep 600; exit 0"))
        .unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    wait_until("all run", || worker.job_processes().len() >= 4);
    kill_process(worker.keeper(&run("a")), Signal::KILL).unwrap();
    let end = pool.exited(&run("a"));
    assert_eq!(worker.job_processes(), []);
    assert_eq!(end.outcome, Outcome::Unknown);
    assert_eq!((end.peak_memory, end.stdout.kept), (None, 6));
    assert!(end.started_ms.is_some());
    assert_eq!(pool.text(&run("a"), Stdout), "ready\n");
    pool.forget(&run("a")).unwrap();
}

#[test]
fn when_its_keeper_is_killed_a_job_without_an_environment_is_found_too() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    for number in 0..10 {
        let run = run(&format!("a-{number}"));
        // Nothing of it carries the run's mark.
        pool.start(&run, &sh("exec env -i sh -c 'echo $$; exec sleep 600'")).unwrap();
        let said = pool.read(&run, Stdout, 0, true).data;
        let job: i32 = String::from_utf8(said).unwrap().trim().parse().unwrap();
        kill_process(worker.keeper(&run), Signal::KILL).unwrap();
        assert_eq!(pool.exited(&run).outcome, Outcome::Unknown);
        assert!(!is_alive(Pid::from_raw(job).unwrap()), "of {run}");
    }
}

#[test]
fn when_daemon_and_keeper_are_killed_the_next_daemon_ends_the_run() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("setsid sleep 601 & echo ready; sleep 600")).unwrap();
    assert_eq!(pool.read(&run("a"), Stdout, 0, true).data, b"ready\n");
    kill_process(pool.daemon_pid(), Signal::KILL).unwrap();
    kill_process(worker.keeper(&run("a")), Signal::KILL).unwrap();
    pool.wait_for_end();
    assert!(!worker.job_processes().is_empty());
    let mut pool = worker.attach(1);
    assert_eq!(pool.exited(&run("a")).outcome, Outcome::Unknown);
    assert_eq!(worker.job_processes(), []);
}

#[test]
fn a_record_that_cannot_be_read_is_stale_and_can_be_forgotten() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.run(&run("a"), &sh("true"));
    kill_process(pool.daemon_pid(), Signal::KILL).unwrap();
    pool.wait_for_end();
    fs::write(worker.run_dir(&run("a")).join("journal"), "{\n").unwrap();
    // What a crash leaves before anything is acknowledged is not a run: no record, or the beginning of one.
    for name in ["b", "c"] {
        fs::create_dir(worker.run_dir(&run(name))).unwrap();
    }
    fs::write(worker.run_dir(&run("c")).join("journal"), "{\"accepted\":").unwrap();
    let mut pool = worker.attach(1);
    let runs = pool.list().0;
    let [report] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!((&report.run, &report.status), (&run("a"), &RunStatus::Stale));
    pool.start(&run("a"), &sh("true")).unwrap_err();
    pool.forget(&run("a")).unwrap();
    assert_eq!(pool.list().0, []);
}

#[test]
fn many_that_attach_at_once_find_one_daemon() {
    let worker = Worker::new();
    let pids: Vec<Pid> = thread::scope(|scope| {
        let attach = || {
            let mut pool = worker.connect();
            // The same epoch: each replaces the one before, but each gets its hello.
            pool.greet(&hello(1));
            pool.daemon_pid()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(attach)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    wait_until("attaches are gone", || worker.runner_processes() == [pids[0]]);
}

#[test]
fn p42_a_daemon_of_another_program_is_replaced_when_it_has_no_jobs() {
    let worker = Worker::new();
    // The same program with other bytes: what is appended to an ELF file is never loaded.
    let newer = worker.root.with_file_name("newer-runner");
    let mut bytes = fs::read(PROGRAM).unwrap();
    bytes.push(0);
    fs::write(&newer, bytes).unwrap();
    fs::set_permissions(&newer, fs::Permissions::from_mode(0o755)).unwrap();

    let mut pool = worker.attach(1);
    let old = pool.daemon.clone().unwrap();
    let end = pool.run(&run("ended"), &sh("exit 6"));
    pool.start(&run("a"), &sh("sleep 600")).unwrap();
    // A job runs: the daemon stays.
    let mut pool = Pool::connect(&newer, &worker.root);
    pool.greet(&hello(2));
    assert_eq!(pool.daemon.as_ref(), Some(&old));
    pool.kill(&run("a"), "enough", times(1000, 60_000)).unwrap();
    pool.exited(&run("a"));
    drop(pool);

    let mut pool = Pool::connect(&newer, &worker.root);
    pool.greet(&hello(2));
    let new = pool.daemon.clone().unwrap();
    assert_ne!((new.pid, &new.program_hash), (old.pid, &old.program_hash));
    let said = std::process::Command::new(&newer).arg("hash").output().unwrap().stdout;
    assert_eq!(String::from_utf8(said).unwrap().trim(), new.program_hash);
    // Ended runs stay.
    assert_eq!(pool.exited(&run("ended")), end);
    assert!(pool.run(&run("b"), &sh("true")).outcome.is_success());
}

#[test]
fn nothing_that_the_starter_has_open_stays_open() {
    let worker = Worker::new();
    let open = worker.root.with_file_name("left open");
    let mut pool = Pool::connect_by(
        std::process::Command::new("sh")
            .args(["-c", "exec \"$0\" attach --root \"$1\" 9>\"$2\"", PROGRAM])
            .args([&worker.root, &open]),
    );
    pool.greet(&hello(1));
    pool.start(&run("a"), &sh("sleep 600")).unwrap();
    let holds = |pid: Pid| {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).unwrap();
        descriptors.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).any(|target| target == open)
    };
    let daemons = worker.daemons();
    assert_eq!(daemons, [pool.daemon_pid()]);
    assert!(!daemons.into_iter().chain(worker.job_processes()).chain([worker.keeper(&run("a"))]).any(holds));
    // The control: attach itself, which shares them with its starter.
    assert!(worker.runner_processes().into_iter().any(holds));
}

#[test]
fn a_job_that_deletes_its_own_record_is_seen_to_the_end() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    for (name, script) in
        [("a", "rm ../journal; exit 3"), ("b", "rm -r ../*; exit 3"), ("c", "rm -r \"${PWD%/*}\"; exit 3")]
    {
        let end = pool.run(&run(name), &sh(script));
        assert_eq!(end.outcome, Outcome::Exited { code: 3 }, "{name}");
        // To the next daemon as well.
        kill_process(pool.daemon_pid(), Signal::KILL).unwrap();
        pool.wait_for_end();
        pool = worker.attach(1);
        assert_eq!(pool.exited(&run(name)), end);
        pool.forget(&run(name)).unwrap();
    }
}

#[test]
fn when_a_keeper_is_killed_whose_job_has_deleted_the_record_the_run_is_stale_and_can_be_forgotten() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    for (name, delete) in [("a", "rm ../journal"), ("b", "rm -r \"${PWD%/*}\"")] {
        let keeper = worker.root.with_file_name(name);
        // The keeper, while there is a record of it.
        let script = format!("echo $PPID > {}; {delete}; setsid sleep 600 & sleep 600", keeper.display());
        // Perhaps it does so before the daemon has seen that it was started: then this is not answered.
        pool.ask(|request| ToRunner::Start { request, run: run(name), spec: Box::new(sh(&script)) });
        wait_until("the keeper has it", || fs::read_to_string(&keeper).is_ok_and(|pid| pid.ends_with('\n')));
        wait_until("the record is gone", || !worker.run_dir(&run(name)).join("journal").exists());
        let keeper = fs::read_to_string(keeper).unwrap().trim().parse().unwrap();
        kill_process(Pid::from_raw(keeper).unwrap(), Signal::KILL).unwrap();
        wait_until("it can be forgotten", || pool.forget(&run(name)).is_ok());
        assert_eq!(worker.job_processes(), []);
        assert_eq!(pool.list().0, []);
    }
}
