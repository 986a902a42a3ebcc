//! What the decisions are told, and what they ask for.

use crate::{ForeignInstance, IdleBehavior, ListedInstance, OpId, ProbeId, SecretHash, ShutdownReason, Time};
use pool_api::{
    BoxCloudError, Effect as CallEffect, ErrorKind, FailureScope, IdempotencyToken, InstanceId, InstanceType,
    Placement, RunId, Tags,
};
use pool_protocol::{KillTimes, RunEnd, RunReport};
use std::{fmt, sync::Arc, time::Duration};

/// The kinds of call to the cloud, each limited apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CallKind {
    /// Create an instance.
    Create,
    /// Destroy one.
    Destroy,
    /// List all.
    List,
    /// Save tags.
    SetTags,
}

impl CallKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Create, Self::Destroy, Self::List, Self::SetTags];
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Destroy => "destroy",
            Self::List => "list",
            Self::SetTags => "set_tags",
        })
    }
}

/// A failed call to the cloud, as the decisions see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What kind of failure.
    pub class: FailureClass,
    /// Whether the call may have taken effect nevertheless.
    pub effect: CallEffect,
    /// The provider's message, for people.
    pub message: String,
}

/// What kind of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureClass {
    /// For lack of quota.
    Quota(FailureScope),
    /// For lack of capacity.
    Capacity(FailureScope),
    /// For the rate of calls, with the provider's time to wait, if stated.
    RateLimit(Option<Duration>),
    /// None of these.
    Other(ErrorKind),
}

impl Failure {
    /// A failed call whose response was lost or never came.
    pub fn lost(message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::Other(ErrorKind::Transient),
            effect: CallEffect::Unknown,
            message: message.into(),
        }
    }
}

impl From<&BoxCloudError> for Failure {
    fn from(error: &BoxCloudError) -> Self {
        let class = if let Some(limit) = error.rate_limit() {
            FailureClass::RateLimit(limit.retry_after)
        } else if let Some(scope) = error.quota() {
            FailureClass::Quota(scope)
        } else if let Some(scope) = error.capacity() {
            FailureClass::Capacity(scope)
        } else {
            FailureClass::Other(error.kind())
        };
        Self { class, effect: error.effect(), message: error.to_string() }
    }
}

/// Something that happened outside.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A list came back, whole.
    Listed {
        /// Which call.
        op: OpId,
        /// All instances with our set's tag. Shared, so that who has listed them can let go of a large list where nobody
        /// waits for that.
        instances: Arc<[ListedInstance]>,
    },
    /// A create was carried out.
    Created {
        /// Which call.
        op: OpId,
        /// The new instance.
        instance: ListedInstance,
    },
    /// A destroy or a saving of tags was accepted.
    CallDone {
        /// Which call.
        op: OpId,
    },
    /// A call failed.
    CallFailed {
        /// Which call.
        op: OpId,
        /// How.
        failure: Failure,
    },
    /// A worker's host was verified on a new connection.
    HostVerified {
        /// Which worker.
        instance: InstanceId,
        /// The fingerprint of its key.
        fingerprint: String,
    },
    /// A session with a worker's runner began.
    SessionOpened {
        /// Which worker.
        instance: InstanceId,
    },
    /// It ended.
    SessionClosed {
        /// Which worker.
        instance: InstanceId,
        /// Why.
        reason: String,
    },
    /// A worker's runner refuses us: another program has attached to it with a higher epoch.
    Superseded {
        /// Which worker.
        instance: InstanceId,
        /// That program's epoch.
        highest: u64,
    },
    /// A probe came to its end.
    Probed {
        /// Which worker.
        instance: InstanceId,
        /// Which probe.
        probe: ProbeId,
        /// What it found.
        result: ProbeResult,
    },
    /// The runner has answered to a start, or will not.
    StartAnswered {
        /// Which worker.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// The answer.
        answer: StartAnswer,
    },
    /// The runner has forgotten a run.
    Forgotten {
        /// Which worker.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// The runner said that a run has ended.
    RunEnded {
        /// Which worker.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// How.
        end: Box<RunEnd>,
    },
    /// The runner said that the worker should get no more work.
    Broken {
        /// Which worker.
        instance: InstanceId,
        /// Why.
        reason: String,
    },
}

/// What a probe found.
#[derive(Clone, PartialEq, Debug)]
pub struct ProbeResult {
    /// Whether the boot probe command succeeded; `Ok` also when it was not asked for.
    pub boot: Result<(), String>,
    /// What the runner lists.
    pub runs: Result<RunList, String>,
}

/// What a runner lists.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RunList {
    /// The runs that it knows, of any instance set.
    pub runs: Vec<RunReport>,
    /// Why the worker says that it should get no more work.
    pub broken: Option<String>,
}

/// A runner's answer to a start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StartAnswer {
    /// The run is on its disk.
    Started,
    /// It will not start it, and has not.
    Refused(String),
    /// No answer: it may run.
    Lost(String),
}

/// Something to be done outside.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// List all instances with our set's tag. Answered by [`Event::Listed`] or [`Event::CallFailed`].
    List {
        /// Which call.
        op: OpId,
    },
    /// Create an instance. Answered by [`Event::Created`] or [`Event::CallFailed`].
    Create {
        /// Which call.
        op: OpId,
        /// What to create.
        create: Box<CreateInstance>,
    },
    /// Destroy an instance. Answered by [`Event::CallDone`] or [`Event::CallFailed`].
    Destroy {
        /// Which call.
        op: OpId,
        /// Which instance.
        instance: InstanceId,
    },
    /// Save tags. Answered by [`Event::CallDone`] or [`Event::CallFailed`].
    SetTags {
        /// Which call.
        op: OpId,
        /// Which instance.
        instance: InstanceId,
        /// Which tags.
        tags: Tags,
    },
    /// A worker can be reached here from now on (or nowhere).
    SetAddress {
        /// Which worker.
        instance: InstanceId,
        /// Its address.
        address: Option<String>,
    },
    /// Connect if need be, run the boot probe if asked, list the runs. Answered by [`Event::Probed`].
    Probe {
        /// Which worker.
        instance: InstanceId,
        /// Which probe.
        probe: ProbeId,
        /// Whether to run the boot probe command.
        boot: bool,
    },
    /// Start a run. Answered by [`Event::StartAnswered`].
    Start {
        /// Which worker.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// End a run.
    Kill {
        /// Which worker.
        instance: InstanceId,
        /// Which run.
        run: RunId,
        /// Why.
        reason: String,
        /// How patiently.
        times: KillTimes,
    },
    /// Let the runner forget a run. Answered by [`Event::Forgotten`] when it has.
    Forget {
        /// Which worker.
        instance: InstanceId,
        /// Which run.
        run: RunId,
    },
    /// Tell the runner whether its worker is held.
    SetHeld {
        /// Which worker.
        instance: InstanceId,
        /// Held or not.
        held: bool,
    },
    /// The worker is gone: close what is open to it.
    Close {
        /// Which worker.
        instance: InstanceId,
    },
    /// Wake the subscribers.
    Notify,
    /// Count or measure something.
    Observe(Observation),
    /// Tell people.
    Report(Notice),
}

/// A create as the decisions ask for it.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateInstance {
    /// Of which type.
    pub instance_type: Arc<InstanceType>,
    /// Where.
    pub placement: Placement,
    /// With which tags.
    pub tags: Tags,
    /// The same token, the same instance.
    pub token: IdempotencyToken,
    /// The hash of the secret that the shell keeps for it.
    pub secret: SecretHash,
}

/// Something to be counted or measured.
#[derive(Clone, PartialEq, Debug)]
pub enum Observation {
    /// A boot came to its end.
    Boot(BootOutcome),
    /// An instance disappeared, in this category.
    Disappeared(crate::Category),
    /// From the create to the first connection.
    TimeToSsh(Duration),
    /// From the create to readiness for a job.
    TimeToReady(Duration),
    /// From the request to shut down to the disappearance.
    TimeToDisappear(Duration),
    /// From the job's place in the queue to its start.
    TimeToStart(Duration),
    /// How long a probe took, and whether the runs could be listed.
    RunProbe {
        /// Whether they could.
        success: bool,
        /// How long.
        took: Duration,
    },
}

/// How a boot came to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BootOutcome {
    /// It never got ready in time, or said that it is broken.
    Failure,
    /// It got ready.
    Success,
    /// It was shut down before.
    Aborted,
    /// It was gone before.
    Disappeared,
}

impl BootOutcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [Self::Failure, Self::Success, Self::Aborted, Self::Disappeared];
}

impl fmt::Display for BootOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Failure => "failure",
            Self::Success => "success",
            Self::Aborted => "aborted",
            Self::Disappeared => "disappeared",
        })
    }
}

/// Something that people may want to know.
#[derive(Clone, PartialEq, Debug)]
pub enum Notice {
    /// A worker was shut down.
    Shutdown {
        /// Which.
        instance: InstanceId,
        /// Why.
        reason: ShutdownReason,
    },
    /// A new worker.
    Appeared {
        /// Which.
        instance: InstanceId,
        /// Whether this process created it.
        created_here: bool,
    },
    /// A worker is ready for jobs.
    Ready {
        /// Which.
        instance: InstanceId,
    },
    /// A worker is gone.
    Gone {
        /// Which.
        instance: InstanceId,
    },
    /// An instance carries our set's tag, but not what we write: it is left alone.
    LeftAlone {
        /// Which.
        instance: InstanceId,
        /// Why.
        why: ForeignInstance,
    },
    /// A call failed.
    CallFailed {
        /// Which kind.
        kind: CallKind,
        /// How.
        failure: Failure,
    },
    /// Calls are held back for their rate. Said at most every so often.
    RateLimited {
        /// Which kind.
        kind: CallKind,
        /// Until when.
        until: Time,
        /// The provider's message.
        message: String,
    },
    /// A probe failed.
    ProbeFailed {
        /// Which worker.
        instance: InstanceId,
        /// Why.
        reason: String,
    },
    /// A worker says that it is broken.
    Broken {
        /// Which.
        instance: InstanceId,
        /// Why.
        reason: String,
    },
    /// A job did not end in time: its worker is drained.
    GaveUp {
        /// Which run.
        run: RunId,
        /// On which worker.
        instance: InstanceId,
    },
    /// A worker runs a job that another worker has.
    RunsTwice {
        /// Which run.
        run: RunId,
        /// The worker that should not.
        instance: InstanceId,
    },
    /// Another program has taken a worker over: nothing is asked of it any more, and it is not destroyed.
    TakenOver {
        /// Which worker.
        instance: InstanceId,
        /// That program's epoch.
        highest: u64,
    },
    /// Another program has taken the instance set over: the pool does nothing any more.
    Superseded {
        /// That program's epoch.
        highest: u64,
    },
    /// The idle behavior has changed.
    IdleBehavior {
        /// Of which worker.
        instance: InstanceId,
        /// To what.
        to: IdleBehavior,
    },
}
