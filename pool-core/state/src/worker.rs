//! One worker and what is known of it.

use crate::{
    IdleBehavior, OpId, ProbeId, SecretHash, Time,
    phase::{Phase, State},
    scope::Membership,
};
use pool_api::{
    InstanceId, InstanceType, InstanceTypeName, JobId, Lifecycle, Placement, ProviderType, Resources, RunId,
    Tags,
};
use pool_protocol::RunEnd;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// An instance as a list or a create described it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedInstance {
    /// The provider's identifier.
    pub id: InstanceId,
    /// The provider's type.
    pub provider_type: ProviderType,
    /// Where it is.
    pub placement: Placement,
    /// Where it can be reached.
    pub address: Option<String>,
    /// Its tags, perhaps stale.
    pub tags: Tags,
    /// What the provider says of its existence.
    pub lifecycle: Lifecycle,
    /// When it was created, by the cloud's clock.
    pub created: Option<SystemTime>,
    /// How old it is, by the cloud's clock and ours: zero when it seems to come from the future, none when the cloud does
    /// not tell. Believed once, when the instance is first seen.
    pub age: Option<Duration>,
}

/// A position in the order of all that the pool has been told: tells what came before what, also within
/// one moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Seq(pub(crate) u64);

/// When something began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Began {
    pub(crate) at: Time,
    pub(crate) seq: Seq,
}

/// A run that a worker has, or may have.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) resources: Resources,
    pub(crate) certainty: Certainty,
    /// How long the job had waited when its start was asked for, and when that was.
    pub(crate) waited: Option<(Duration, Time)>,
    pub(crate) kill: Option<Kill>,
}

/// How sure it is that a run goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Certainty {
    /// Its start was asked for.
    Starting,
    /// Its start was asked for, and no answer came: only the runner's list can tell.
    Lost,
    /// The runner has said so.
    Running,
}

/// An end that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kill {
    pub(crate) reason: String,
    /// When the worker is given up.
    pub(crate) deadline: Time,
    pub(crate) given_up: bool,
}

/// A run whose record cannot be read: it may run or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stale {
    /// When a list first showed it so.
    pub(crate) since: Time,
    /// A list has shown it so for too long.
    pub(crate) given_up: bool,
}

/// A run that has ended and is not forgotten.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ended {
    pub(crate) run: RunId,
    pub(crate) instance: InstanceId,
    pub(crate) noticed: Time,
    pub(crate) end: JobEnd,
}

/// What a run that is met is to the end that is known of its job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judged {
    /// The very run whose end the runner has told.
    Same,
    /// An earlier attempt, or the same one elsewhere: it has no say any longer.
    Older,
    /// A later attempt, or the very run that was thought not to be there.
    Newer,
}

impl Ended {
    /// What a run on a worker is to this end.
    pub(crate) fn judge(&self, id: &InstanceId, run: &RunId) -> Judged {
        match (run.attempt.cmp(&self.run.attempt), &self.end) {
            (std::cmp::Ordering::Greater, _) => Judged::Newer,
            (std::cmp::Ordering::Less, _) => Judged::Older,
            (std::cmp::Ordering::Equal, _) if *id != self.instance => Judged::Older,
            (std::cmp::Ordering::Equal, JobEnd::Finished(_)) => Judged::Same,
            (std::cmp::Ordering::Equal, _) => Judged::Newer,
        }
    }
}

/// How a job's run came to its end, as far as the pool knows.
#[derive(Clone, PartialEq, Debug)]
pub enum JobEnd {
    /// The runner has told.
    Finished(Box<RunEnd>),
    /// It never started. The attempt was not used.
    NotStarted {
        /// Why.
        reason: String,
    },
    /// The runner that had it does not know it any longer.
    Denied,
    /// Its worker is gone.
    WorkerGone,
}

/// A probe in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Probing {
    pub(crate) id: ProbeId,
    pub(crate) began: Began,
}

/// Tags on their way to the cloud.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct TagSaves {
    /// The call in flight.
    pub(crate) in_flight: Option<OpId>,
    /// What differs from what the cloud is known to have, and is not in flight.
    pub(crate) wanted: bool,
    /// Counts each change of our own values.
    pub(crate) version: u64,
    /// The version that the call in flight carries.
    pub(crate) sending: u64,
    /// The newest version that was saved.
    pub(crate) saved: u64,
    /// A list that began before need not show what was saved last.
    pub(crate) shown_from: Time,
}

/// Which index a worker is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct IndexKey {
    pub(crate) instance_type: InstanceTypeName,
    pub(crate) phase: Phase,
    /// Idle: since when it is. Otherwise: when it appeared.
    pub(crate) since: Time,
    pub(crate) id: InstanceId,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: InstanceId,
    pub(crate) type_name: InstanceTypeName,
    /// None: a type that is no longer configured.
    pub(crate) instance_type: Option<Arc<InstanceType>>,
    pub(crate) member: Membership,
    pub(crate) address: Option<String>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) secret: SecretHash,
    pub(crate) host_key: Option<String>,
    pub(crate) idle_behavior: IdleBehavior,
    /// What was listed of its tags may be older than what an earlier process has saved last.
    pub(crate) tags_unsure: bool,
    pub(crate) state: State,
    pub(crate) booted: bool,
    pub(crate) boot_reported: bool,
    pub(crate) reached: bool,
    pub(crate) created_at: Option<SystemTime>,
    /// When this process asked for it; none if an earlier one did.
    pub(crate) create_began: Option<Time>,
    pub(crate) appeared: Time,
    /// When a job last ended, or it got ready.
    pub(crate) busy: Time,
    /// When a successful probe last began.
    pub(crate) probed: Option<Time>,
    /// Its last change, and the last sign that it exists.
    pub(crate) changed: Began,
    pub(crate) evidence: Time,
    /// When a list, or a create, last showed it.
    pub(crate) listed: Seq,
    pub(crate) session_open: bool,
    pub(crate) broken: Option<String>,
    /// Runs whose records cannot be read.
    pub(crate) stale: BTreeMap<RunId, Stale>,
    /// Runs that are another worker's by right: killed, not counted.
    pub(crate) strays: BTreeSet<RunId>,
    pub(crate) runs: BTreeMap<JobId, Run>,
    /// When the list of runs last changed.
    pub(crate) runs_changed: Seq,
    pub(crate) reserved: Resources,
    pub(crate) last_job: Option<JobId>,
    /// Runs that have ended here and are not forgotten: their output may not have been fetched.
    pub(crate) unfetched: BTreeSet<RunId>,
    /// Runs that the runner was told to forget and has not said it has.
    pub(crate) forgetting: BTreeSet<RunId>,
    pub(crate) probing: Option<Probing>,
    pub(crate) probe_queued: bool,
    pub(crate) failed_probes: u32,
    pub(crate) destroying: Option<OpId>,
    /// The epoch of another program that has taken it over, as its runner says.
    pub(crate) taken_by: Option<u64>,
    /// How many more jobs it may be given; none: no limit.
    pub(crate) jobs_left: Option<u32>,
    /// When it is to be drained for its age.
    pub(crate) expires: Option<Time>,
    pub(crate) tags: TagSaves,
    pub(crate) index: Option<IndexKey>,
}

impl Worker {
    /// A list or a create, which began then, shows that it is there.
    pub(crate) fn is_listed(&mut self, instance: &ListedInstance, began: Time, seq: Seq) {
        self.listed = seq;
        self.evidence = self.evidence.max(began);
        self.created_at = self.created_at.or(instance.created);
    }

    /// What is free for more jobs; none when it takes none.
    pub(crate) fn free(&self) -> Option<Resources> {
        let takes_jobs = matches!(self.state, State::Idle { .. } | State::Running)
            && self.idle_behavior == IdleBehavior::Run
            && self.broken.is_none()
            && self.jobs_left != Some(0)
            && self.taken_by.is_none()
            && self.strays.is_empty()
            && matches!(self.lifecycle, Lifecycle::Running | Lifecycle::Pending);
        let has = self.instance_type.as_ref().filter(|_| takes_jobs)?.resources();
        Some(has.saturating_sub(&self.reserved))
    }

    pub(crate) fn has_room_for(&self, resources: &Resources) -> bool {
        // A job that says nothing of its size has the worker to itself, and so has one of unknown size
        // that was found.
        let fills = |r: &Resources| *r == Resources::default();
        let shared = self.runs.values().all(|run| !fills(&run.resources)) && !fills(resources);
        (self.runs.is_empty() || shared) && self.free().is_some_and(|free| resources.fits_in(&free))
    }

    pub(crate) fn update_reserved(&mut self) {
        self.reserved =
            self.runs.values().fold(Resources::default(), |sum, run| sum.saturating_add(&run.resources));
    }

    /// True when nothing is on it that must not be lost. Strays may be: they are to end.
    pub(crate) fn is_unused(&self) -> bool {
        self.runs.is_empty() && self.unfetched.is_empty()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.idle_behavior == IdleBehavior::Hold
    }

    /// Not to be destroyed by the pool on its own.
    pub(crate) fn may_be_held(&self) -> bool {
        self.is_held() || self.tags_unsure
    }

    /// Where in the indexes it belongs: workers that count as unallocated, and nowhere else.
    pub(crate) fn index_key(&self) -> Option<IndexKey> {
        let (phase, since) = match self.state {
            State::Unknown => (Phase::Unknown, self.appeared),
            State::Booting => (Phase::Booting, self.appeared),
            State::Idle { since } => (Phase::Idle, since),
            State::Running | State::Shutdown { .. } => return None,
        };
        let counts = self.idle_behavior == IdleBehavior::Run
            && self.runs.is_empty()
            && self.strays.is_empty()
            && self.broken.is_none()
            && self.jobs_left != Some(0)
            && self.taken_by.is_none()
            && self.instance_type.is_some()
            && matches!(self.lifecycle, Lifecycle::Running | Lifecycle::Pending);
        counts.then(|| IndexKey { instance_type: self.type_name.clone(), phase, since, id: self.id.clone() })
    }
}

/// A create whose end is not known yet.
#[derive(Debug)]
pub(crate) struct PendingCreate {
    pub(crate) op: OpId,
    pub(crate) create: crate::CreateInstance,
    pub(crate) member: Membership,
    /// When it was asked for.
    pub(crate) began: Time,
    pub(crate) attempts: u32,
    /// Set when the instance was listed before the create returned.
    pub(crate) instance: Option<InstanceId>,
    /// From whom its end is to be learnt.
    pub(crate) asking: Asking,
    /// The last attempt whose response was lost: its instance may exist.
    pub(crate) lost: Option<Began>,
}

/// From whom the end of a create is to be learnt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    /// A call waits for its turn, or is in flight.
    TheCloud,
    /// The next attempt, with the same token.
    Again,
    /// Only a list that began late enough.
    TheList,
}
