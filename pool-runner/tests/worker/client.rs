//! A worker's directory, and a pool that talks to its runner.

use pool_api::{InstanceSetId, JobId, JobSpec, RunId};
use pool_protocol::{
    FrameBuffer, HelloToPool, HelloToRunner, KillTimes, OutputChunk, OutputStream, RequestError, RequestId,
    RunEnd, RunReport, ToPool, ToRunner, encode,
};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use std::{
    collections::VecDeque,
    fs,
    io::{Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pool-runner");

/// Nothing here takes long. Whoever waits this long waits for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A worker. When it is dropped, all of its processes are killed.
pub(crate) struct Worker {
    pub(crate) root: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Worker {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { root: dir.path().join("root"), _dir: Some(dir) }
    }

    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root, _dir: None }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.join("runner")
    }

    pub(crate) fn run_dir(&self, run: &RunId) -> PathBuf {
        self.dir().join("runs").join(run.to_string())
    }

    /// The names in the directory of all runs.
    pub(crate) fn run_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir().join("runs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// A connection that has not said hello.
    pub(crate) fn connect(&self) -> Pool {
        Pool::connect(Path::new(PROGRAM), &self.root)
    }

    /// A session.
    pub(crate) fn attach(&self, epoch: u64) -> Pool {
        self.attach_with(&hello(epoch))
    }

    pub(crate) fn attach_with(&self, hello: &HelloToRunner) -> Pool {
        let mut pool = self.connect();
        pool.greet(hello);
        pool
    }

    /// The line of this kind in a run's journal; none if it is not there.
    fn journal(&self, run: &RunId, kind: &str) -> Option<serde_json::Value> {
        let text = fs::read_to_string(self.run_dir(run).join("journal")).unwrap();
        let (whole, _reserved) = text.rsplit_once('\n').unwrap();
        let mut lines = whole.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.find_map(|line| line.get(kind).cloned())
    }

    pub(crate) fn keeper(&self, run: &RunId) -> Pid {
        let keeper = self.journal(run, "kept").unwrap();
        Pid::from_raw(i32::try_from(keeper["pid"].as_i64().unwrap()).unwrap()).unwrap()
    }

    /// Whether a run's end is on record.
    pub(crate) fn has_ended(&self, run: &RunId) -> bool {
        self.journal(run, "ended").is_some()
    }

    /// Processes that jobs of this worker have started and that live.
    pub(crate) fn job_processes(&self) -> Vec<Pid> {
        let mark = [b"POOL_RUN_DIRECTORY=", self.dir().as_os_str().as_bytes()].concat();
        processes(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&mark))
        })
    }

    /// Processes of the runner itself for this worker.
    pub(crate) fn runner_processes(&self) -> Vec<Pid> {
        self.runner_processes_with("--root")
    }

    pub(crate) fn daemons(&self) -> Vec<Pid> {
        self.runner_processes_with("daemon")
    }

    fn runner_processes_with(&self, word: &str) -> Vec<Pid> {
        let root = self.root.as_os_str().as_bytes().to_vec();
        processes(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let arguments: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
            arguments.contains(&word.as_bytes()) && arguments.contains(&&root[..])
        })
    }
}

fn processes(matches: impl Fn(i32) -> bool) -> Vec<Pid> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| *pid > 1 && matches(*pid))
        .filter_map(Pid::from_raw)
        .collect()
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A daemon may just be starting a keeper, and that a job.
        wait_until("the worker's processes are gone", || {
            let all: Vec<Pid> = self.runner_processes().into_iter().chain(self.job_processes()).collect();
            for pid in &all {
                let _ = kill_process(*pid, Signal::KILL);
            }
            all.is_empty()
        });
    }
}

/// For what nothing tells of: looks until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub(crate) fn run(job: &str) -> RunId {
    RunId::new(JobId::new(job).unwrap(), 1)
}

pub(crate) fn sh(script: &str) -> JobSpec {
    JobSpec::new(["sh", "-c", script])
}

pub(crate) fn hello(epoch: u64) -> HelloToRunner {
    HelloToRunner {
        version: 1,
        oldest_version: 1,
        instance_set: InstanceSetId::new("test-set").unwrap(),
        epoch,
        orphan_timeout_ms: 600_000,
        held: false,
        power_off: None,
    }
}

/// The other side of a session.
pub(crate) struct Pool {
    attach: Child,
    input: Option<ChildStdin>,
    frames: Receiver<ToPool>,
    /// Frames that came while another was waited for.
    passed: VecDeque<ToPool>,
    next: RequestId,
    pub(crate) daemon: Option<HelloToPool>,
}

impl Pool {
    pub(crate) fn connect(program: &Path, root: &Path) -> Self {
        Self::connect_by(Command::new(program).args(["runner", "attach", "--root"]).arg(root))
    }

    pub(crate) fn connect_by(command: &mut Command) -> Self {
        let mut attach = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = attach.stdout.take().unwrap();
        let (sender, frames) = mpsc::channel();
        thread::spawn(move || {
            let (mut buffer, mut bytes) = (FrameBuffer::new(), vec![0; 64 * 1024]);
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                buffer.push(&bytes[..length]);
                while let Some(frame) = buffer.next_frame().unwrap() {
                    if sender.send(frame).is_err() {
                        return;
                    }
                }
            }
        });
        let input = attach.stdin.take();
        Self { attach, input, frames, passed: VecDeque::new(), next: 1, daemon: None }
    }

    pub(crate) fn greet(&mut self, hello: &HelloToRunner) {
        self.send(&ToRunner::Hello(hello.clone()));
        match self.next_frame() {
            Some(ToPool::Hello(hello)) => self.daemon = Some(hello),
            other => panic!("no hello but {other:?}"),
        }
    }

    pub(crate) fn daemon_pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.daemon.as_ref().unwrap().pid).unwrap()).unwrap()
    }

    pub(crate) fn send<T: Serialize>(&mut self, frame: &T) {
        self.send_bytes(&encode(frame).unwrap());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        // It may just have ended; then the answer is what is missed.
        let _ = self.input.as_mut().unwrap().write_all(bytes);
    }

    /// The next frame as it comes; none when the session has ended.
    pub(crate) fn next_frame(&mut self) -> Option<ToPool> {
        if let Some(frame) = self.passed.pop_front() {
            return Some(frame);
        }
        match self.frames.recv_timeout(PATIENCE) {
            Ok(frame) => Some(frame),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no frame in time"),
        }
    }

    /// The first frame, of those passed over and those to come, that is wanted.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut want: impl FnMut(&ToPool) -> Option<T>) -> T {
        if let Some(index) = self.passed.iter().position(|frame| want(frame).is_some()) {
            return want(&self.passed.remove(index).unwrap()).unwrap();
        }
        let mut passed = VecDeque::new();
        std::mem::swap(&mut passed, &mut self.passed);
        let deadline = Instant::now() + PATIENCE;
        let found = loop {
            // Heartbeats go on for ever.
            assert!(Instant::now() < deadline, "not in time: {what}; {passed:?} came");
            let Some(frame) = self.next_frame() else {
                panic!("the session has ended while waiting for {what}");
            };
            match want(&frame) {
                Some(found) => break found,
                None => passed.push_back(frame),
            }
        };
        self.passed = passed;
        found
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn ask(&mut self, make: impl FnOnce(RequestId) -> ToRunner) -> RequestId {
        let request = self.next;
        self.next += 1;
        self.send(&make(request));
        request
    }

    pub(crate) fn answer(&mut self, request: RequestId) -> ToPool {
        self.wait_for(&format!("the answer to request {request}"), |frame| {
            (frame.request() == Some(request)).then(|| frame.clone())
        })
    }

    pub(crate) fn request(&mut self, make: impl FnOnce(RequestId) -> ToRunner) -> Result<(), RequestError> {
        let request = self.ask(make);
        match self.answer(request) {
            ToPool::Done { .. } => Ok(()),
            ToPool::Failed { error, .. } => Err(error),
            other => panic!("neither done nor failed: {other:?}"),
        }
    }

    pub(crate) fn start(&mut self, run: &RunId, spec: &JobSpec) -> Result<(), RequestError> {
        self.request(|request| ToRunner::Start { request, run: run.clone(), spec: Box::new(spec.clone()) })
    }

    pub(crate) fn kill(&mut self, run: &RunId, reason: &str, times: KillTimes) -> Result<(), RequestError> {
        self.request(|request| ToRunner::Kill { request, run: run.clone(), reason: reason.into(), times })
    }

    pub(crate) fn forget(&mut self, run: &RunId) -> Result<(), RequestError> {
        self.request(|request| ToRunner::Forget { request, run: run.clone() })
    }

    pub(crate) fn list(&mut self) -> (Vec<RunReport>, Option<String>) {
        let request = self.ask(|request| ToRunner::List { request });
        match self.answer(request) {
            ToPool::Runs { runs, broken, .. } => (runs, broken),
            other => panic!("no list: {other:?}"),
        }
    }

    pub(crate) fn exited(&mut self, run: &RunId) -> RunEnd {
        self.wait_for(&format!("the end of {run}"), |frame| match frame {
            ToPool::Exited { run: ended, end } if ended == run => Some((**end).clone()),
            _ => None,
        })
    }

    /// Starts a run and waits for its end.
    pub(crate) fn run(&mut self, run: &RunId, spec: &JobSpec) -> RunEnd {
        self.start(run, spec).unwrap();
        self.exited(run)
    }

    pub(crate) fn read(&mut self, run: &RunId, stream: OutputStream, offset: u64, wait: bool) -> OutputChunk {
        let (run, limit) = (run.clone(), u64::MAX);
        let request = self.ask(|request| ToRunner::Read { request, run, stream, offset, limit, wait });
        match self.answer(request) {
            ToPool::Output { chunk, .. } => chunk,
            other => panic!("no output: {other:?}"),
        }
    }

    /// All of a stream, read as it comes until the run has ended.
    pub(crate) fn read_all(&mut self, run: &RunId, stream: OutputStream) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let chunk = self.read(run, stream, all.len() as u64, true);
            all.extend_from_slice(&chunk.data);
            if chunk.last {
                return all;
            }
        }
    }

    /// All of a stream as text.
    pub(crate) fn text(&mut self, run: &RunId, stream: OutputStream) -> String {
        String::from_utf8(self.read_all(run, stream)).unwrap()
    }

    /// Waits until the other side has ended the session.
    pub(crate) fn wait_for_end(&mut self) {
        while self.next_frame().is_some() {}
    }

    /// Cuts the connection as a lost network does: attach dies without a word.
    pub(crate) fn cut(mut self) {
        self.attach.kill().unwrap();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.attach.kill();
        let _ = self.attach.wait();
    }
}

/// How patiently a test kills.
pub(crate) fn times(signal_every_ms: u64, kill_after_ms: u64) -> KillTimes {
    KillTimes { signal_every_ms, kill_after_ms }
}
