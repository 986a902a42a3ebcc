//! How fast it is. Nothing is asserted about time: other work on the machine would make that fail.

use crate::client::{PATIENCE, Worker, run, sh};
use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn measure_from_exit_to_event() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let (mut starts, mut exits) = (Vec::new(), Vec::new());
    for number in 0..50 {
        let id = run(&format!("a-{number}"));
        let witness = worker.root.with_file_name(format!("witness-{number}"));
        let begin = Instant::now();
        // The last thing that it does sets the witness's time.
        pool.start(&id, &sh(&format!("exec touch {}", witness.display()))).unwrap();
        starts.push(begin.elapsed());
        pool.exited(&id);
        let told = SystemTime::now();
        let ended = fs::metadata(&witness).unwrap().modified().unwrap();
        exits.push(told.duration_since(ended).unwrap_or_default());
        pool.forget(&id).unwrap();
    }
    let attach: Vec<Duration> = (0..10)
        .map(|_| {
            let begin = Instant::now();
            worker.attach(1);
            begin.elapsed()
        })
        .collect();
    println!("request to started: median {:?}", median(starts));
    println!("exit to event: median {:?}", median(exits));
    println!("attach to hello, daemon running: median {:?}", median(attach));
}

#[test]
fn measure_what_an_idle_daemon_uses() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("sleep 600")).unwrap();
    pool.wait_for("the start", |frame| matches!(frame, pool_protocol::ToPool::Started { .. }).then_some(()));
    // In clock ticks of 10 ms: user and system time, fields 14 and 15.
    let ticks = |pid: rustix::process::Pid| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let memory = |pid: rustix::process::Pid| {
        let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
        status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned()
    };
    let (daemon, keeper) = (pool.daemon_pid(), worker.keeper(&run("a")));
    let (before, begin) = ((ticks(daemon), ticks(keeper)), Instant::now());
    // Until the first heartbeat: ten seconds with a session and a job.
    pool.wait_for("a heartbeat", |frame| {
        assert!(begin.elapsed() < PATIENCE);
        matches!(frame, pool_protocol::ToPool::Heartbeat).then_some(())
    });
    let after = (ticks(daemon), ticks(keeper));
    println!("daemon: {} ticks in {:?}, {}", after.0 - before.0, begin.elapsed(), memory(daemon));
    println!("keeper: {} ticks in {:?}, {}", after.1 - before.1, begin.elapsed(), memory(keeper));
}
