//! Who may talk to a runner, and how.

use crate::client::{Worker, hello, run, sh, wait_until};
use pool_api::InstanceSetId;
use pool_protocol::{MAX_FRAME, Refusal, RequestError, ToPool, ToRunner};
use std::{fs, io::Write as _, process::Stdio};

fn refused(worker: &Worker, hello: &pool_protocol::HelloToRunner) -> Refusal {
    let mut pool = worker.connect();
    pool.send(&ToRunner::Hello(hello.clone()));
    let Some(ToPool::Refused { refusal }) = pool.next_frame() else { panic!("not refused") };
    assert_eq!(pool.next_frame(), None, "something follows a refusal");
    refusal
}

#[test]
fn a_higher_epoch_closes_all_lower_ones_for_good() {
    let worker = Worker::new();
    let mut old = worker.attach(3);
    let mut new = worker.attach(5);
    old.wait_for_end();
    assert_eq!(refused(&worker, &hello(4)), Refusal::StaleEpoch { highest: 5 });
    assert_eq!(new.list().0, []);
    // Also for the next daemon.
    rustix::process::kill_process(new.daemon_pid(), rustix::process::Signal::KILL).unwrap();
    new.wait_for_end();
    assert_eq!(refused(&worker, &hello(4)), Refusal::StaleEpoch { highest: 5 });
    worker.attach(5);
}

#[test]
fn late_frames_of_a_lower_epoch_do_nothing() {
    let worker = Worker::new();
    let mut old = worker.attach(1);
    let mut new = worker.attach(2);
    for number in 0..20 {
        let run = run(&format!("late-{number}"));
        old.ask(|request| ToRunner::Start { request, run, spec: Box::new(sh("true")) });
    }
    old.wait_for_end();
    assert_eq!(new.list().0, []);
}

#[test]
fn a_newer_session_of_the_same_epoch_replaces_the_older() {
    let worker = Worker::new();
    let mut first = worker.attach(1);
    let mut second = worker.attach(1);
    first.wait_for_end();
    second.list();
}

#[test]
fn who_is_not_this_workers_pool_is_refused() {
    let worker = Worker::new();
    worker.attach(1);
    let mut other = hello(9);
    other.instance_set = InstanceSetId::new("other-set").unwrap();
    let instance_set = hello(1).instance_set;
    assert_eq!(refused(&worker, &other), Refusal::OtherInstanceSet { instance_set });
    // Its epoch was not taken.
    worker.attach(2);

    let mut newer = hello(9);
    (newer.version, newer.oldest_version) = (99, 98);
    assert_eq!(refused(&worker, &newer), Refusal::Version { newest: 1, oldest: 1 });
    let mut older = hello(9);
    (older.version, older.oldest_version) = (0, 0);
    assert_eq!(refused(&worker, &older), Refusal::Version { newest: 1, oldest: 1 });
    // One that also speaks an older version is welcome.
    let mut both = hello(9);
    both.version = 99;
    assert_eq!(worker.attach_with(&both).daemon.as_ref().unwrap().version, 1);
}

#[test]
fn a_session_must_begin_with_a_hello() {
    let worker = Worker::new();
    for line in ["{\"t\":\"list\",\"request\":1}\n", "GET / HTTP/1.1\n", "{}\n", "\u{0}\n"] {
        let mut pool = worker.connect();
        pool.send_bytes(line.as_bytes());
        assert_eq!(pool.next_frame(), Some(ToPool::Refused { refusal: Refusal::NoHello }), "{line}");
        pool.wait_for_end();
    }
}

#[test]
fn a_bad_frame_ends_its_session_and_nothing_else() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("sleep 600")).unwrap();
    let daemon = pool.daemon_pid();
    let too_long = vec![b'x'; 2 * MAX_FRAME];
    for bad in [&b"{\"t\":\"dance\"}\n"[..], b"\xff\xfe\n", &too_long, b"{\"t\":\"start\",\"request\":-1}\n"]
    {
        let mut pool = worker.attach(1);
        pool.send_bytes(bad);
        pool.wait_for_end();
    }
    // A second hello is one too.
    let mut pool = worker.attach(1);
    pool.send(&ToRunner::Hello(hello(1)));
    pool.wait_for_end();
    let mut pool = worker.attach(1);
    assert_eq!(pool.daemon_pid(), daemon);
    assert_eq!(pool.list().0.len(), 1);
}

#[test]
fn requests_that_come_all_at_once_are_all_answered() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.run(&run("a"), &sh("head -c 300000 /dev/zero"));
    // More answers than fit into the daemon's buffers before somebody reads them.
    let requests: Vec<_> = (0..60)
        .map(|_| {
            let stream = pool_protocol::OutputStream::Stdout;
            pool.ask(|request| ToRunner::Read {
                request,
                run: run("a"),
                stream,
                offset: 0,
                limit: 1 << 20,
                wait: true,
            })
        })
        .collect();
    for request in requests {
        let ToPool::Output { chunk, .. } = pool.answer(request) else { panic!("no output") };
        assert_eq!(chunk.data.len() as u64, pool_protocol::MAX_READ);
    }
}

#[test]
fn what_is_sent_before_the_end_of_input_is_answered() {
    let worker = Worker::new();
    worker.attach(1);
    let mut attach = std::process::Command::new(crate::client::PROGRAM)
        .args(["attach", "--root"])
        .arg(&worker.root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = attach.stdin.take().unwrap();
    input.write_all(&pool_protocol::encode(&ToRunner::Hello(hello(1))).unwrap()).unwrap();
    input.write_all(&pool_protocol::encode(&ToRunner::List { request: 4 }).unwrap()).unwrap();
    drop(input);
    let output = attach.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() == 2 && text.contains("\"request\":4"), "{text}");
}

#[test]
fn p39_a_broken_worker_says_so_once_for_each_change() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    assert_eq!(pool.list().1, None);
    let tell = |text: &str| fs::write(worker.root.join("broken"), text).unwrap();
    let broken = |pool: &mut crate::client::Pool| {
        pool.wait_for("broken", |frame| match frame {
            ToPool::Broken { reason } => Some(reason.clone()),
            _ => None,
        })
    };
    tell("disk errors\nmore\n");
    assert_eq!(broken(&mut pool), "disk errors");
    assert_eq!(pool.list().1.as_deref(), Some("disk errors"));
    tell("no network\n");
    assert_eq!(broken(&mut pool), "no network");
    // Whoever attaches later is told as well.
    let mut later = worker.attach(2);
    assert_eq!(broken(&mut later), "no network");
    fs::remove_file(worker.root.join("broken")).unwrap();
    assert_eq!(later.list().1, None);
}

#[test]
fn silence_is_broken_by_heartbeats() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    assert_eq!(pool.next_frame(), Some(ToPool::Heartbeat));
}

#[test]
fn a_daemon_without_runs_can_be_ended() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.start(&run("a"), &sh("sleep 600")).unwrap();
    assert_eq!(pool.request(|request| ToRunner::Exit { request }), Err(RequestError::StillRunning));
    pool.kill(&run("a"), "enough", crate::client::times(1000, 60_000)).unwrap();
    let end = pool.exited(&run("a"));
    pool.request(|request| ToRunner::Exit { request }).unwrap();
    pool.wait_for_end();
    wait_until("nothing of the runner is left", || worker.runner_processes().is_empty());
    // What it knew is on disk.
    assert_eq!(worker.attach(1).exited(&run("a")), end);
}
