//! From start to forget.

use crate::client::{PROGRAM, Pool, Worker, hello, run, sh, times};
use pool_api::{ByteSize, Cpus, JobSpec, Resources};
use pool_protocol::{Outcome, OutputStream::Stdout, RequestError, RunStatus, ToPool, ToRunner};
use std::{fs, os::unix::fs::PermissionsExt as _};

#[test]
fn a_job_runs_and_its_exit_code_is_told() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let end = pool.run(&run("a"), &sh("exit 0"));
    assert_eq!(end.outcome, Outcome::Exited { code: 0 });
    assert!(end.outcome.is_success() && end.killed.is_none());
    assert!(end.started_ms.unwrap() <= end.ended_ms);
    assert_eq!(pool.run(&run("b"), &sh("exit 7")).outcome, Outcome::Exited { code: 7 });
    let end = pool.run(&run("c"), &sh("kill -SEGV $$"));
    assert_eq!(end.outcome, Outcome::Signaled { signal: "SEGV".into() });
}

#[test]
fn the_start_is_told_as_an_event() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    // Many, and short: some end before the daemon has looked whether they were started.
    for number in 0..50 {
        let id = run(&format!("a-{number}"));
        pool.start(&id, &sh("true")).unwrap();
        pool.wait_for("the start", |frame| {
            matches!(frame, ToPool::Started { run: started } if *started == id).then_some(())
        });
        pool.exited(&id);
    }
    // What was not started has no such event.
    pool.start(&run("b"), &JobSpec::new(["/no/such/program"])).unwrap();
    assert!(matches!(pool.next_frame(), Some(ToPool::Exited { run: ended, .. }) if ended == run("b")));
}

#[test]
fn programs_are_found_and_named_as_by_a_shell() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let bin = worker.root.with_file_name("bin");
    fs::create_dir(&bin).unwrap();
    // A shell runs it, for it does not say what else does.
    fs::write(bin.join("bare"), "echo bare $1\n").unwrap();
    fs::set_permissions(bin.join("bare"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("/usr/bin:/bin:{}", bin.display());
    for (command, says) in
        [(["bare", "x"], "bare x\n"), (["cat", "/proc/self/cmdline"], "cat\0/proc/self/cmdline\0")]
    {
        let mut spec = JobSpec::new(command);
        spec.environment.insert("PATH".to_owned(), path.clone());
        let id = run(command[0]);
        assert!(pool.run(&id, &spec).outcome.is_success());
        assert_eq!(pool.text(&id, Stdout), says);
    }
    // A directory that is not absolute is one of the job's.
    fs::write(bin.join("true"), "#!/bin/sh\necho mine\n").unwrap();
    fs::set_permissions(bin.join("true"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = JobSpec::new(["true"]);
    spec.directory = Some(bin.to_str().unwrap().to_owned());
    spec.environment.insert("PATH".to_owned(), ".:/usr/bin:/bin".to_owned());
    pool.run(&run("relative"), &spec);
    assert_eq!(pool.text(&run("relative"), Stdout), "mine\n");
}

#[test]
fn a_known_run_is_not_started_again() {
    let worker = Worker::new();
    let witness = worker.root.with_file_name("witness");
    let spec = sh(&format!("echo x >> {}; read wait < {}.fifo", witness.display(), witness.display()));
    let fifo = witness.with_file_name("witness.fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let mut pool = worker.attach(1);
    // While it is just being started, while it runs, and after it has ended.
    let start = |request| ToRunner::Start { request, run: run("a"), spec: Box::new(spec.clone()) };
    let (first, second) = (pool.ask(start), pool.ask(start));
    assert_eq!(pool.answer(first), ToPool::Done { request: first });
    assert_eq!(pool.answer(second), ToPool::Done { request: second });
    pool.start(&run("a"), &spec).unwrap();
    fs::write(&fifo, "go\n").unwrap();
    let end = pool.exited(&run("a"));
    assert!(end.outcome.is_success());
    pool.start(&run("a"), &spec).unwrap();
    assert_eq!(pool.exited(&run("a")), end);
    assert_eq!(fs::read_to_string(&witness).unwrap(), "x\n");
    // Another attempt is another run.
    let again = pool_api::RunId { attempt: 2, ..run("a") };
    pool.start(&again, &sh("exit 3")).unwrap();
    assert_eq!(pool.exited(&again).outcome, Outcome::Exited { code: 3 });
}

#[test]
fn what_cannot_be_started_is_an_end_that_says_why() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let end = pool.run(&run("a"), &JobSpec::new(["/no/such/program"]));
    let Outcome::NotStarted { reason } = &end.outcome else { panic!("{end:?}") };
    assert!(reason.contains("/no/such/program") && reason.contains("No such file"), "{reason}");
    assert_eq!((end.started_ms, end.peak_memory), (None, None));

    let mut spec = sh("true");
    spec.directory = Some("/no/such/directory".into());
    let end = pool.run(&run("b"), &spec);
    let Outcome::NotStarted { reason } = &end.outcome else { panic!("{end:?}") };
    assert!(reason.contains("/no/such/directory"), "{reason}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let mut bad_name = sh("true");
    bad_name.environment.insert("A=B".into(), "hunter2".into());
    let mut zero = sh("true");
    zero.environment.insert("A".into(), "hunter2\0".into());
    for spec in [JobSpec::new(Vec::<String>::new()), JobSpec::new([""]), sh("a\0b"), bad_name, zero] {
        let error = pool.start(&run("a"), &spec).unwrap_err();
        let RequestError::Invalid { detail } = &error else { panic!("{error:?}") };
        assert!(!detail.contains("hunter2"), "{detail}");
    }
    assert_eq!(pool.list().0, []);
}

#[test]
fn the_environment_is_what_was_promised() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let mut spec = sh("env; echo cwd=$(pwd); touch $TMPDIR/x && echo writable; umask; cat");
    spec.environment.insert("MINE".into(), "a b\nc".into());
    spec.environment.insert("HOME".into(), "/elsewhere".into());
    spec.environment.insert("POOL_JOB_ID".into(), "liar".into());
    let end = pool.run(&run("a"), &spec);
    assert!(end.outcome.is_success(), "{end:?}");
    let text = pool.text(&run("a"), Stdout);
    let dir = worker.run_dir(&run("a"));
    for line in [
        "MINE=a b\nc",
        "HOME=/elsewhere",
        "POOL_JOB_ID=a",
        "POOL_ATTEMPT=1",
        "POOL_INSTANCE_SET=test-set",
        &format!("TMPDIR={}", dir.join("tmp").display()),
        &format!("cwd={}", dir.join("work").display()),
        "writable",
        "0022",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} is missing in {text}");
    }
    assert!(text.contains("PATH=") && text.contains("LANG="), "{text}");
    // Nothing of the environment that the daemon was started in.
    assert!(!text.contains("CARGO"), "{text}");
}

#[test]
fn the_list_tells_what_each_run_reserves_and_how_it_stands() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let mut spec = sh("sleep 600");
    spec.resources = Resources {
        cpus: Cpus::from_millis(1500),
        memory: ByteSize::mib(100),
        scratch: ByteSize::gib(1),
        gpus: 2,
    };
    pool.start(&run("a"), &spec).unwrap();
    let end = pool.run(&run("b"), &sh("exit 5"));
    let (runs, broken) = pool.list();
    assert_eq!(broken, None);
    let [a, b] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!((&a.run, a.resources, a.instance_set.as_str()), (&run("a"), spec.resources, "test-set"));
    assert!(matches!(a.status, RunStatus::Running { started_ms } if started_ms > 0), "{a:?}");
    assert_eq!(b.status, RunStatus::Ended { end: Box::new(end) });
}

#[test]
fn what_is_forgotten_is_deleted() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.run(&run("a"), &sh("echo text; mkdir -p deep/er; touch deep/er/file"));
    pool.start(&run("b"), &sh("sleep 600")).unwrap();
    assert_eq!(pool.forget(&run("b")), Err(RequestError::StillRunning));
    pool.forget(&run("a")).unwrap();
    assert!(!worker.run_dir(&run("a")).exists());
    let runs: Vec<_> = pool.list().0.into_iter().map(|report| report.run).collect();
    assert_eq!(runs, [run("b")]);
    // What is not there can be forgotten.
    pool.forget(&run("a")).unwrap();
    drop(pool);
    let mut pool = worker.attach(2);
    let request = pool.ask(|request| ToRunner::List { request });
    // No end of the forgotten run comes before the list.
    assert!(matches!(pool.next_frame(), Some(ToPool::Runs { request: answered, .. }) if answered == request));
    crate::client::wait_until("its files are deleted", || {
        worker
            .run_files()
            .iter()
            .filter(|name| !name.starts_with(".keeper") && !name.starts_with(".spare"))
            .count()
            == 1
    });
}

#[test]
fn what_a_run_used_is_told() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    // 64 MiB held by a grandchild, and some work.
    let script = "sh -c 'head -c 67108864 /dev/zero | tail -c 67108864 | wc -c'; i=0; \
                  while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let end = pool.run(&run("a"), &sh(script));
    assert!(end.peak_memory.unwrap() > 64 << 20, "{end:?}");
    assert!(end.cpu_time_ms.unwrap() > 10, "{end:?}");
    let small = pool.run(&run("b"), &sh("true"));
    assert!(small.peak_memory.unwrap() > 0 && small.peak_memory.unwrap() < 32 << 20, "{small:?}");
}

#[test]
fn nobody_else_can_read_the_runners_files() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.run(&run("a"), &sh("echo out; echo err >&2"));
    let mode = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = worker.run_dir(&run("a"));
    for path in [&worker.root, &worker.dir(), &worker.dir().join("runs"), &dir] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    for name in ["journal", "stdout", "stderr", "control"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&worker.dir().join("socket")), 0o600);
}

#[test]
fn jobs_run_as_the_user_that_is_configured() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can run jobs as another user");
        return;
    }
    let worker = Worker::new();
    fs::set_permissions(worker.root.parent().unwrap(), fs::Permissions::from_mode(0o711)).unwrap();
    fs::create_dir(&worker.root).unwrap();
    fs::write(worker.root.join("runner-user"), "12345:23456\n").unwrap();
    let mut pool = worker.attach(1);
    let script = "id -u; id -g; id -G; pwd; touch here $TMPDIR/there; ls .. ; cat ../journal; \
                  cat ../../../settings.json; echo x > ../../../socket";
    pool.run(&run("a"), &sh(script));
    let work = worker.run_dir(&run("a")).join("work");
    let expected = format!("12345\n23456\n23456\n{}\n", work.display());
    assert_eq!(pool.text(&run("a"), Stdout), expected);
    assert!(work.join("here").exists());
    // It can be ended by the runner all the same.
    pool.start(&run("b"), &sh("sleep 600")).unwrap();
    pool.kill(&run("b"), "enough", times(1000, 60_000)).unwrap();
    assert_eq!(pool.exited(&run("b")).outcome, Outcome::Signaled { signal: "TERM".into() });

    fs::write(worker.root.join("runner-user"), "no-such-user\n").unwrap();
    let end = pool.run(&run("c"), &sh("true"));
    let Outcome::NotStarted { reason } = &end.outcome else { panic!("{end:?}") };
    assert!(reason.contains("runner-user") && reason.contains("no-such-user"), "{reason}");
}

/// A session with a daemon that was started with this limit of open files, and the answers to the starts of 60 jobs.
fn start_many(worker: &Worker, ulimit: &str) -> (Pool, Vec<String>, Vec<RequestError>) {
    let mut pool = Pool::connect_by(
        std::process::Command::new("sh")
            .args(["-c", &format!("ulimit {ulimit}; exec \"$0\" attach --root \"$1\""), PROGRAM])
            .arg(&worker.root),
    );
    pool.greet(&hello(1));
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    for name in (0..60).map(|number| format!("a-{number}")) {
        match pool.start(&run(&name), &sh("ulimit -Sn; sleep 600")) {
            Ok(()) => started.push(name),
            Err(error) => refused.push(error),
        }
    }
    (pool, started, refused)
}

#[test]
fn runs_for_which_no_files_can_be_opened_are_refused_and_the_others_go_on() {
    let worker = Worker::new();
    let (mut pool, started, refused) = start_many(&worker, "-n 60");
    assert!(started.len() >= 10, "{started:?}");
    let RequestError::NotRecorded { detail } = &refused[0] else { panic!("{refused:?}") };
    assert!(detail.contains("ulimit -n"), "{detail}");
    // Connections and the files of runs have enough left.
    let others: Vec<Pool> = (0..8).map(|_| worker.connect()).collect();
    for name in &started {
        pool.kill(&run(name), "enough", times(1000, 60_000)).unwrap();
        assert_eq!(pool.exited(&run(name)).killed.as_deref(), Some("enough"));
    }
    drop(others);
    // There is room again.
    assert!(pool.run(&run("b"), &sh("exit 0")).outcome.is_success());
}

#[test]
fn the_daemon_opens_as_many_files_as_it_may_and_a_job_as_many_as_usual() {
    let worker = Worker::new();
    let (mut pool, started, refused) = start_many(&worker, "-Sn 60");
    assert_eq!((started.len(), refused), (60, Vec::new()));
    assert_eq!(pool.read(&run("a-59"), Stdout, 0, true).data, b"60\n");
}
