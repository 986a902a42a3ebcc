//! Why a job waits, in words, and what would let it run.

use super::fit::NoFit;
use pool_api::{InstanceId, InstanceTypeName, JobGroup, JobId, QuotaGroup};
use std::fmt;

/// What a provider's quota covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QuotaScope {
    /// Instances of this type, and of others of the same provider type.
    Type(InstanceTypeName),
    /// Instances of types of this group.
    Group(QuotaGroup),
    /// All instances.
    All,
}

impl fmt::Display for QuotaScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(name) => write!(f, "instances of type {name}"),
            Self::Group(group) => write!(f, "instances of quota group {group}"),
            Self::All => f.write_str("all instances"),
        }
    }
}

/// Why a job waits.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WaitReason {
    /// The pool does not know yet which instances there are.
    NotLoaded,
    /// Its priority is 0.
    Stopped,
    /// No configured type is right for it.
    NoTypeFits(NoFit),
    /// As many jobs of its group as are allowed run, or come before it.
    GroupLimit {
        /// The group.
        group: JobGroup,
        /// How many of it may run at once.
        limit: u32,
    },
    /// An instance of this type is on its way, and has room for it.
    Booting(InstanceTypeName),
    /// An instance of this type is asked for now, for it.
    Creating(InstanceTypeName),
    /// An instance of this type is asked for as soon as there are fewer creates in flight, or the rate of calls allows it.
    CreateSlots(InstanceTypeName),
    /// The provider has no capacity for this type, the dearest that would do, nor for the others.
    NoCapacity(InstanceTypeName),
    /// The last boots of this type have all failed: the next instance is asked for after a pause.
    BootsFail(InstanceTypeName),
    /// The provider's quota is used up.
    Quota {
        /// Of what.
        scope: QuotaScope,
    },
    /// As many instances as are allowed.
    MaxInstances,
    /// The spend cap leaves too little for an instance of this type.
    PriceCap(InstanceTypeName),
    /// What the spend cap leaves is kept for a job that comes before it.
    PriceKept {
        /// The other job.
        job: JobId,
    },
    /// It fits on no worker yet: this one takes no later jobs until it does.
    Reserved {
        /// The worker.
        worker: InstanceId,
        /// Why no instance is asked for.
        because: Box<WaitReason>,
    },
    /// There is no worker of its types, and no more are allowed. This one, of another type, takes no later jobs and goes
    /// when it is idle, to make room.
    MakingRoom {
        /// The worker.
        worker: InstanceId,
        /// Why no instance is asked for.
        because: Box<WaitReason>,
    },
    /// It would fit on this worker, which is kept for a job that comes before it.
    KeptForAnother {
        /// The worker.
        worker: InstanceId,
        /// The other job.
        job: JobId,
    },
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded => f.write_str("the instances have not been listed yet"),
            Self::Stopped => f.write_str("its priority is 0: it is not to be started"),
            Self::NoTypeFits(no_fit) => no_fit.fmt(f),
            Self::GroupLimit { group, limit } => {
                write!(f, "{limit} jobs of group {group} run or come before it: more are not allowed at once")
            }
            Self::Booting(name) => write!(f, "it waits for an instance of type {name} that is booting"),
            Self::Creating(name) => write!(f, "an instance of type {name} is being asked for"),
            Self::CreateSlots(name) => {
                write!(
                    f,
                    "an instance of type {name} is asked for when creates in flight and their rate allow it"
                )
            }
            Self::NoCapacity(name) => {
                write!(f, "the provider has no capacity for type {name}: it is asked again soon")
            }
            Self::BootsFail(name) => {
                write!(f, "the last boots of type {name} have failed: another is tried after a pause")
            }
            Self::Quota { scope } => {
                write!(f, "the provider's quota of {scope} is used up: it waits for a worker to get free")
            }
            Self::MaxInstances => {
                f.write_str("there are as many instances as are allowed: it waits for a worker to get free")
            }
            Self::PriceCap(name) => {
                write!(f, "the spend cap leaves too little for an instance of type {name}")
            }
            Self::PriceKept { job } => {
                write!(f, "what the spend cap leaves is kept for job {job}, which comes before it")
            }
            Self::Reserved { worker, because } => {
                write!(f, "{because}; worker {worker} takes no later jobs until this one fits on it")
            }
            Self::MakingRoom { worker, because } => {
                write!(
                    f,
                    "{because}; worker {worker}, of another type, takes no later jobs and goes when it is idle"
                )
            }
            Self::KeptForAnother { worker, job } => {
                write!(
                    f,
                    "it would fit on worker {worker}, which is kept for job {job}, which comes before it"
                )
            }
        }
    }
}

impl WaitReason {
    /// The reason as one word, for machines: it does not change from version to version.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotLoaded => "not_loaded",
            Self::Stopped => "stopped",
            Self::NoTypeFits(_) => "no_type_fits",
            Self::GroupLimit { .. } => "group_limit",
            Self::Booting(_) => "booting",
            Self::Creating(_) => "creating",
            Self::CreateSlots(_) => "create_slots",
            Self::NoCapacity(_) => "no_capacity",
            Self::BootsFail(_) => "boots_fail",
            Self::Quota { .. } => "quota",
            Self::MaxInstances => "max_instances",
            Self::PriceCap(_) => "price_cap",
            Self::PriceKept { .. } => "price_kept",
            Self::Reserved { .. } => "reserved",
            Self::MakingRoom { .. } => "making_room",
            Self::KeptForAnother { .. } => "kept_for_another",
        }
    }

    /// What a user or an operator could do; none where time does it.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NotLoaded | Self::Booting(_) | Self::Creating(_) => return None,
            Self::Stopped => "give it a priority of 1 or more".to_owned(),
            Self::NoTypeFits(no_fit) => no_fit.remedy(),
            Self::GroupLimit { group, .. } => {
                format!("raise the limit of group {group}, or wait for its jobs")
            }
            Self::CreateSlots(_) => "raise max_concurrent_instance_create_ops if this is too slow".to_owned(),
            Self::NoCapacity(_) => {
                "offer more instance types or placements, or raise the price factor".to_owned()
            }
            Self::BootsFail(_) => {
                "see in poold's log why they do not get ready: the image, the init command, the network"
                    .to_owned()
            }
            Self::Quota { scope } => {
                format!("ask the provider for a higher quota of {scope}, or give the job a higher priority")
            }
            Self::MaxInstances => "raise max_instances, or give the job a higher priority".to_owned(),
            Self::Reserved { because, .. } | Self::MakingRoom { because, .. } => return because.remedy(),
            Self::PriceCap(_) | Self::PriceKept { .. } => {
                "raise the spend cap, or wait for running jobs".to_owned()
            }
            Self::KeptForAnother { .. } => {
                "give it a higher priority than that job, or allow more instances".to_owned()
            }
        })
    }
}
