//! What jobs write.

use crate::client::{Worker, is_alive, run, sh, wait_until};
use pool_api::ByteSize;
use pool_protocol::{
    MAX_READ, Outcome,
    OutputStream::{Stderr, Stdout},
    RequestError, RunStatus, ToPool, ToRunner,
};
use std::{fs, path::PathBuf, process::Command};

#[test]
fn the_two_streams_are_kept_apart() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let end = pool.run(&run("a"), &sh("echo out; echo err >&2; echo out again"));
    assert_eq!(pool.text(&run("a"), Stdout), "out\nout again\n");
    assert_eq!(pool.text(&run("a"), Stderr), "err\n");
    assert_eq!((end.stdout.kept, end.stderr.kept, end.stdout.cut), (14, 4, 0));
}

#[test]
fn output_can_be_followed_while_other_requests_are_answered() {
    let worker = Worker::new();
    let fifo = worker.root.with_file_name("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let mut pool = worker.attach(1);
    // Each line of the FIFO comes out as one line of output.
    pool.start(&run("a"), &sh(&format!("exec cat {}", fifo.display()))).unwrap();
    let mut input = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut offset = 0;
    for line in ["one\n", "two\n"] {
        let (run_id, limit) = (run("a"), 100);
        let read = pool.ask(|request| ToRunner::Read {
            request,
            run: run_id,
            stream: Stdout,
            offset,
            limit,
            wait: true,
        });
        // The session goes on although the read waits.
        pool.list();
        std::io::Write::write_all(&mut input, line.as_bytes()).unwrap();
        let ToPool::Output { chunk, .. } = pool.answer(read) else { panic!("no output") };
        assert_eq!(
            (String::from_utf8(chunk.data).unwrap().as_str(), chunk.offset, chunk.last),
            (line, offset, false)
        );
        offset += line.len() as u64;
    }
    // The end of the run is an answer too.
    let (run_id, limit) = (run("a"), 100);
    let read = pool.ask(|request| ToRunner::Read {
        request,
        run: run_id,
        stream: Stderr,
        offset: 0,
        limit,
        wait: true,
    });
    pool.list();
    drop(input);
    let ToPool::Output { chunk, .. } = pool.answer(read) else { panic!("no output") };
    assert!(chunk.last && chunk.data.is_empty());
    assert!(pool.read(&run("a"), Stdout, offset, true).last);
}

#[test]
fn reads_are_bounded_and_may_begin_anywhere() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    pool.run(&run("a"), &sh("head -c 1000000 /dev/zero | tr '\\0' x"));
    let chunk = pool.read(&run("a"), Stdout, 0, false);
    assert_eq!((chunk.data.len() as u64, chunk.last), (MAX_READ, false));
    let chunk = pool.read(&run("a"), Stdout, 999_990, false);
    assert_eq!((chunk.data.len(), chunk.last), (10, true));
    for far in [1_000_000, 5_000_000, 1 << 40] {
        let chunk = pool.read(&run("a"), Stdout, far, true);
        assert_eq!((chunk.data.len(), chunk.last), (0, true));
    }
    assert_eq!(pool.read_all(&run("a"), Stdout).len(), 1_000_000);

    let read =
        |request| ToRunner::Read { request, run: run("b"), stream: Stdout, offset: 0, limit: 1, wait: true };
    assert_eq!(pool.request(read), Err(RequestError::UnknownRun));
    let read = |request| ToRunner::Read {
        request,
        run: run("a"),
        stream: Stdout,
        offset: u64::MAX,
        limit: 1,
        wait: true,
    };
    assert!(matches!(pool.request(read), Err(RequestError::Invalid { .. })));
}

#[test]
fn output_over_the_limit_is_cut_with_a_note_and_the_job_goes_on() {
    let worker = Worker::new();
    let mut pool = worker.attach(1);
    let mut spec = sh("head -c 50000000 /dev/zero | tr '\\0' x; printf abc >&2; exit 4");
    spec.output_limit = ByteSize(100_000);
    let end = pool.run(&run("a"), &spec);
    assert_eq!(end.outcome, Outcome::Exited { code: 4 });
    let text = pool.text(&run("a"), Stdout);
    let (output, note) = text.split_at(100_000);
    assert!(output.bytes().all(|byte| byte == b'x'));
    assert_eq!(note, "\n[pool: 49900000 bytes cut]\n");
    assert_eq!((end.stdout.kept, end.stdout.cut), (text.len() as u64, 49_900_000));
    assert_eq!((end.stderr.kept, end.stderr.cut), (3, 0));
}

/// A small disk of its own.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// None where this user may not mount.
    fn mount() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not tested: only root can mount a small disk");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(mount.success());
        Some(Self { dir })
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Leaves not a byte.
    fn fill(&self) -> PathBuf {
        let filler = self.dir.path().join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        let full = std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}

#[test]
fn a_full_disk_ends_the_run_that_fills_it_and_harms_no_other() {
    let Some(disk) = SmallDisk::mount() else { return };
    let worker = Worker::at(disk.root());
    let mut pool = worker.attach(1);
    pool.start(&run("quiet"), &sh("sleep 600")).unwrap();
    let end = pool.run(&run("loud"), &sh("head -c 50000000 /dev/zero & cat /dev/zero"));
    let Outcome::OutputFailed { reason } = &end.outcome else { panic!("{end:?}") };
    assert!(reason.contains("No space left"), "{reason}");
    assert!(end.stdout.kept > 100_000 && end.stdout.cut > 0, "{end:?}");
    let quiet = pool.list().0.into_iter().find(|report| report.run == run("quiet")).unwrap();
    assert!(matches!(quiet.status, RunStatus::Running { .. }), "{quiet:?}");

    // The disk is still full. The other run can be ended, and its end recorded: its space was set aside.
    let filler = disk.fill();
    pool.kill(&run("quiet"), "enough", crate::client::times(100, 10_000)).unwrap();
    assert_eq!(pool.exited(&run("quiet")).outcome, Outcome::Signaled { signal: "TERM".into() });
    // What cannot be recorded is not started.
    let error = pool.start(&run("next"), &sh("touch /tmp/never; sleep 600")).unwrap_err();
    assert!(
        matches!(&error, RequestError::NotRecorded { detail } if detail.contains("No space")),
        "{error:?}"
    );
    assert!(pool.list().0.iter().all(|report| report.run != run("next")));
    wait_until("no job is left", || worker.job_processes().is_empty());
    // A newer pool can take over all the same.
    let daemon = pool.daemon_pid();
    let mut pool = worker.attach(2);
    assert_eq!(pool.daemon_pid(), daemon);
    assert!(is_alive(daemon));
    pool.forget(&run("loud")).unwrap();
    fs::remove_file(filler).unwrap();
    wait_until("there is space again", || {
        let (next, spec) = (run("next"), sh("exit 3"));
        let request = pool.ask(|request| ToRunner::Start { request, run: next, spec: Box::new(spec) });
        matches!(pool.answer(request), ToPool::Done { .. })
    });
    assert_eq!(pool.exited(&run("next")).outcome, Outcome::Exited { code: 3 });
    drop(pool);
    drop(worker);
}
