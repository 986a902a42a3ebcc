//! What is said, one type a frame.

use pool_api::{InstanceSetId, JobSpec, Resources, RunId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number that the pool gives a request, and that its answer carries.
pub type RequestId = u64;

/// From the pool to the runner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ToRunner {
    /// Must come first, and once.
    Hello(HelloToRunner),
    /// Start a run. Answered by [`ToPool::Done`] once the run is on disk and its process has been started (or its
    /// start has failed for good: then [`ToPool::Exited`] says so), or by [`ToPool::Failed`].
    Start {
        /// The request's number.
        request: RequestId,
        /// Which run.
        run: RunId,
        /// What to run.
        spec: Box<JobSpec>,
    },
    /// End a run: TERM to its process group now and again, KILL at last. Answered by [`ToPool::Done`] when this
    /// has begun (not when it has ended); asking again changes nothing.
    Kill {
        /// The request's number.
        request: RequestId,
        /// Which run.
        run: RunId,
        /// Why, for the record.
        reason: String,
        /// How patiently.
        times: KillTimes,
    },
    /// Say all that is known. Answered by [`ToPool::Runs`].
    List {
        /// The request's number.
        request: RequestId,
    },
    /// Delete an ended run and its output. Answered by [`ToPool::Done`], also when there is no such run;
    /// [`RequestError::StillRunning`] when it has not ended.
    Forget {
        /// The request's number.
        request: RequestId,
        /// Which run.
        run: RunId,
    },
    /// Read output. Answered by [`ToPool::Output`].
    Read {
        /// The request's number.
        request: RequestId,
        /// Which run.
        run: RunId,
        /// Which of its streams.
        stream: OutputStream,
        /// From which byte.
        offset: u64,
        /// Most bytes; never more than [`MAX_READ`](crate::MAX_READ) come.
        limit: u64,
        /// Wait until there is something after `offset` or the run has ended.
        wait: bool,
    },
    /// Keep this on disk: a held worker does not end itself when it is orphaned. Answered by [`ToPool::Done`].
    Hold {
        /// The request's number.
        request: RequestId,
        /// Held or no longer.
        held: bool,
    },
    /// End the daemon if it has no run that goes on, so that a newer one can take its place. Ended runs stay on
    /// disk. Answered by [`ToPool::Done`] or [`RequestError::StillRunning`].
    Exit {
        /// The request's number.
        request: RequestId,
    },
}

/// The pool's introduction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HelloToRunner {
    /// The newest protocol that the pool speaks.
    pub version: u32,
    /// The oldest protocol that the pool speaks.
    pub oldest_version: u32,
    /// Whose worker this is.
    pub instance_set: InstanceSetId,
    /// Raised each time that a program takes the instance set over. The runner keeps the highest.
    pub epoch: u64,
    /// With no session for this long, no run going on and not held, the worker ends itself. Milliseconds.
    pub orphan_timeout_ms: u64,
    /// Whether the worker is held.
    pub held: bool,
    /// The command that ends the machine when it is orphaned; none: only the runner and its jobs end.
    pub power_off: Option<String>,
}

/// How patiently a run is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KillTimes {
    /// TERM is sent this often. Milliseconds.
    pub signal_every_ms: u64,
    /// KILL is sent after this long. Milliseconds.
    pub kill_after_ms: u64,
}

/// From the runner to the pool.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ToPool {
    /// The runner accepts the session.
    Hello(HelloToPool),
    /// The runner does not; nothing follows.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// A request was carried out.
    Done {
        /// Which.
        request: RequestId,
    },
    /// A request was not carried out.
    Failed {
        /// Which.
        request: RequestId,
        /// Why.
        error: RequestError,
    },
    /// The answer to [`ToRunner::List`].
    Runs {
        /// Which request.
        request: RequestId,
        /// Every run that the runner knows.
        runs: Vec<RunReport>,
        /// Why the worker should get no more work, if it says so itself.
        broken: Option<String>,
    },
    /// The answer to [`ToRunner::Read`].
    Output {
        /// Which request.
        request: RequestId,
        /// What was there.
        chunk: OutputChunk,
    },
    /// Event: a run's process was started.
    Started {
        /// Which run.
        run: RunId,
    },
    /// Event: a run has ended. Comes again in every session until the run is forgotten.
    Exited {
        /// Which run.
        run: RunId,
        /// How.
        end: Box<RunEnd>,
    },
    /// Event: the worker says that it should get no more work.
    Broken {
        /// Why.
        reason: String,
    },
    /// Event: nothing else to say.
    Heartbeat,
}

impl ToPool {
    /// The request that this answers; none for events and introductions.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Done { request }
            | Self::Failed { request, .. }
            | Self::Runs { request, .. }
            | Self::Output { request, .. } => Some(*request),
            Self::Hello(_)
            | Self::Refused { .. }
            | Self::Started { .. }
            | Self::Exited { .. }
            | Self::Broken { .. }
            | Self::Heartbeat => None,
        }
    }
}

/// The runner's introduction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HelloToPool {
    /// The protocol that is spoken from here on.
    pub version: u32,
    /// The release of the runner, for people.
    pub release: String,
    /// SHA-256 of the program that the daemon runs, as hexadecimal digits: an older one is replaced.
    pub program_hash: String,
    /// The daemon's process.
    pub pid: u32,
}

/// Why a runner does not accept a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Refusal {
    /// A program with a higher epoch has taken the instance set over.
    StaleEpoch {
        /// The highest epoch seen.
        highest: u64,
    },
    /// The worker belongs to another instance set.
    OtherInstanceSet {
        /// Which.
        instance_set: InstanceSetId,
    },
    /// No protocol that both speak.
    Version {
        /// The newest protocol of the runner.
        newest: u32,
        /// The oldest protocol of the runner.
        oldest: u32,
    },
    /// What came first was no hello.
    NoHello,
}

/// Why a request was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum RequestError {
    /// The runner does not know the run.
    UnknownRun,
    /// The run has not ended.
    StillRunning,
    /// The run could not be recorded; nothing was started.
    NotRecorded {
        /// What went wrong.
        detail: String,
    },
    /// The request makes no sense.
    Invalid {
        /// What is wrong.
        detail: String,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRun => f.write_str("the runner does not know the run"),
            Self::StillRunning => f.write_str("the run has not ended"),
            Self::NotRecorded { detail } => write!(f, "the run could not be recorded: {detail}"),
            Self::Invalid { detail } => write!(f, "the request makes no sense: {detail}"),
        }
    }
}

/// One run, as the runner knows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// Whose. Runs of other instance sets are none of the pool's business.
    pub instance_set: InstanceSetId,
    /// Which.
    pub run: RunId,
    /// What it reserved, so that a pool that finds it reserves the same.
    pub resources: Resources,
    /// How it stands.
    pub status: RunStatus,
}

/// How a run stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RunStatus {
    /// Its process runs.
    Running {
        /// Since when. Milliseconds since the Unix epoch.
        started_ms: u64,
    },
    /// It has ended.
    Ended {
        /// How.
        end: Box<RunEnd>,
    },
    /// Its record is locked or cannot be read: neither known to run nor known to have ended. A worker whose
    /// runs stay so counts as broken.
    Stale,
}

/// How a run has ended, and what it used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunEnd {
    /// How.
    pub outcome: Outcome,
    /// Why the pool (or a time limit) ended it, if so.
    pub killed: Option<String>,
    /// When its process was started; none if it never was. Milliseconds since the Unix epoch.
    pub started_ms: Option<u64>,
    /// When its end was noticed. Milliseconds since the Unix epoch.
    pub ended_ms: u64,
    /// Largest resident memory of one of its processes, in bytes; none if not known.
    pub peak_memory: Option<u64>,
    /// User and system time of its processes, in milliseconds; none if not known.
    pub cpu_time_ms: Option<u64>,
    /// Its standard output.
    pub stdout: StreamSize,
    /// Its standard error.
    pub stderr: StreamSize,
}

/// How a run has ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// The process ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended the process.
    Signaled {
        /// Its name without `SIG`, or its number.
        signal: String,
    },
    /// The process could not be started (no such program or directory, no memory).
    NotStarted {
        /// What went wrong.
        reason: String,
    },
    /// Its output could not be written (disk full): it was ended for that.
    OutputFailed {
        /// What went wrong.
        reason: String,
    },
    /// It has ended, but nobody watched: the runner had been killed. The exit code is not known, and not guessed.
    Unknown,
}

impl Outcome {
    /// True for exit code 0 alone.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exit code {code}"),
            Self::Signaled { signal } => write!(f, "signal {signal}"),
            Self::NotStarted { reason } => write!(f, "could not be started: {reason}"),
            Self::OutputFailed { reason } => write!(f, "output could not be written: {reason}"),
            Self::Unknown => f.write_str("ended while nobody watched"),
        }
    }
}

/// One of a run's two streams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl fmt::Display for OutputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// How much came out of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StreamSize {
    /// Bytes on the runner's disk, a note of what was cut included.
    pub kept: u64,
    /// Bytes that were over the limit and are lost.
    pub cut: u64,
}

/// A piece of output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChunk {
    /// From which byte.
    pub offset: u64,
    /// The bytes; none when there are no more for now.
    #[serde(with = "base64_bytes")]
    pub data: Vec<u8>,
    /// True when the run has ended and nothing follows these bytes.
    pub last: bool,
}

impl fmt::Debug for OutputChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputChunk({} bytes at {}, last: {})", self.data.len(), self.offset, self.last)
    }
}

mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}
