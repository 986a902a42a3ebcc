//! What others may see of the pool.

use crate::{
    IdleBehavior, JobEnd, Phase, PoolState, ShutdownReason, Time, phase::State, scope::Membership,
    worker::Worker,
};
use pool_api::{
    ByteSize, Cpus, HourlyPrice, InstanceId, InstanceType, InstanceTypeName, JobId, Lifecycle, Placement,
    ProviderType, QuotaGroup, Reach, Resources, RunId,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How a worker counts in the metrics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Category {
    /// It has jobs.
    InUse,
    /// It is held.
    Hold,
    /// It is booting.
    Booting,
    /// It is unknown.
    Unknown,
    /// It has no jobs.
    Idle,
    /// It is being destroyed.
    Shutdown,
}

impl Category {
    /// All categories.
    pub const ALL: [Self; 6] =
        [Self::InUse, Self::Hold, Self::Booting, Self::Unknown, Self::Idle, Self::Shutdown];
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InUse => "inuse",
            Self::Hold => "hold",
            Self::Booting => "booting",
            Self::Unknown => "unknown",
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
        })
    }
}

/// A job that the pool has, or has had and not forgotten.
#[derive(Clone, PartialEq, Debug)]
pub enum JobStatus {
    /// It was given to a worker, which has not confirmed it.
    Preparing {
        /// Which run.
        run: RunId,
        /// Which worker.
        instance: InstanceId,
    },
    /// It runs.
    Running {
        /// Which run.
        run: RunId,
        /// Which worker.
        instance: InstanceId,
    },
    /// It has ended, or is lost.
    Ended {
        /// Which run.
        run: RunId,
        /// Which worker had it.
        instance: InstanceId,
        /// When that was noticed.
        noticed: Time,
        /// How.
        end: JobEnd,
    },
}

/// One worker, or one create in flight.
#[derive(Clone, PartialEq, Debug)]
pub struct InstanceView {
    /// The provider's identifier; none for a create in flight.
    pub id: Option<InstanceId>,
    /// The configured type.
    pub instance_type: InstanceTypeName,
    /// The provider's type.
    pub provider_type: ProviderType,
    /// Where it is.
    pub placement: Placement,
    /// Where it can be reached.
    pub address: Option<String>,
    /// What it costs, as configured; none for a type that is no longer configured.
    pub price: Option<HourlyPrice>,
    /// Which state it is in; none for a create in flight.
    pub phase: Option<Phase>,
    /// What the provider says of its existence; none for a create in flight.
    pub lifecycle: Option<Lifecycle>,
    /// What becomes of it when it has no job.
    pub idle_behavior: IdleBehavior,
    /// The job that was last given to it or found on it.
    pub last_job: Option<JobId>,
    /// The jobs on it.
    pub running_jobs: Vec<JobId>,
    /// When it was last busy.
    pub last_busy: Time,
    /// When it appeared, or its create was asked for.
    pub since: Time,
    /// When the cloud says that it was created.
    pub created: Option<SystemTime>,
    /// Why it is being destroyed.
    pub shutdown: Option<ShutdownReason>,
    /// Why it says that it should get no more work.
    pub broken: Option<String>,
    /// The epoch of another program that has taken it over, as its runner says: it is left alone.
    pub taken_by: Option<u64>,
    /// What its jobs have reserved.
    pub reserved: Resources,
}

/// How many instances there are of a type and phase; creates in flight have no phase.
pub type InstanceCounts = BTreeMap<(InstanceTypeName, Option<Phase>), usize>;

/// What the metrics show of a moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Gauges {
    /// Jobs that run or are being prepared.
    pub jobs_running: usize,
    /// Instances by category and type.
    pub instances: BTreeMap<(Category, InstanceTypeName), usize>,
    /// Price of an hour, by category.
    pub price: BTreeMap<Category, HourlyPrice>,
    /// CPUs by category.
    pub vcpus: BTreeMap<Category, Cpus>,
    /// Memory by category.
    pub memory: BTreeMap<Category, ByteSize>,
    /// How long ago the last successful probe of each worker began, longest first. Without the workers that nobody expects
    /// an answer of yet, or any longer: those that boot, that were found and never answered, that another program has taken over.
    pub probe_ages: Vec<Duration>,
    /// In what interval each worker is probed, with as many as there are.
    pub probe_interval: Duration,
    /// Creates that the cloud has not answered.
    pub creates_in_flight: usize,
    /// Hold-offs that are in force.
    pub hold_offs: HoldOffCounts,
    /// How long ago the last complete list began; the time since the start if there was none.
    pub list_age: Duration,
}

/// How many hold-offs of each kind are in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HoldOffCounts {
    /// Scopes whose quota counts as used up.
    pub quota: usize,
    /// Scopes for which the provider had no capacity.
    pub capacity: usize,
    /// Kinds of call that wait because the provider limits their rate.
    pub rate_limit: usize,
}

/// What the scheduler sees.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PoolView {
    /// Whether a first complete list has come.
    pub loaded: bool,
    /// The configured types, cheapest first.
    pub types: Vec<TypeView>,
    /// Workers that take jobs now or will.
    pub workers: Vec<WorkerView>,
    /// No more instances of any type may be asked for.
    pub at_quota: bool,
    /// How many more instances `max_instances` allows; none: no limit.
    pub instances_left: Option<u32>,
    /// How many more creates may be asked for now: as many as may be in flight beside those that are, zero while the rate
    /// of calls forbids it; none: no limit.
    pub creates_left: Option<u32>,
    /// What the spend cap leaves; none: no cap.
    pub price_left: Option<HourlyPrice>,
    /// Most jobs that an instance is given in its life; 0: no limit.
    pub max_jobs_per_instance: u32,
    /// When the last complete list began; none before the first.
    pub listed: Option<Time>,
    /// Instances with our set's tag that are [left alone](crate::Notice::LeftAlone): what an earlier process has started
    /// there may go on.
    pub left_alone: Vec<InstanceId>,
}

/// A type, as the scheduler sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct TypeView {
    /// The type.
    pub instance_type: Arc<InstanceType>,
    /// Instances that have no job, or will have none when they are ready: creates in flight included.
    pub unallocated: usize,
    /// How many of these are creates that the cloud has not answered: they may come to nothing.
    pub creating: usize,
    /// No placement has capacity for it.
    pub at_capacity: bool,
    /// None is asked for now, because its last boots have all failed.
    pub boots_fail: bool,
    /// A quota that covers it is used up.
    pub at_quota: bool,
    /// Types that share the provider's quota with it.
    pub quota_group: QuotaGroup,
    /// What the provider's quota that is used up covers; none: none is.
    pub quota_scope: Option<Reach>,
    /// How many instances without a job are to be there.
    pub min_idle: u32,
    /// Instances that are being destroyed: they count towards the limits until they are gone.
    pub ending: usize,
    /// All instances that are not held, whatever their state, and creates in flight: what can get free some time.
    pub instances: usize,
}

/// A worker, as the scheduler sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkerView {
    /// Which.
    pub id: InstanceId,
    /// Its type.
    pub instance_type: InstanceTypeName,
    /// Whether it has jobs.
    pub busy: bool,
    /// Whether a job of unknown size has it to itself.
    pub filled: bool,
    /// When it was last busy.
    pub last_busy: Time,
    /// What is free.
    pub free: Resources,
    /// All that jobs may use of it.
    pub has: Resources,
    /// How many more jobs it may be given; none: no limit.
    pub jobs_left: Option<u32>,
    /// It is not to be shut down: whether it is held is not known yet.
    pub may_be_held: bool,
    /// It is not to be shut down yet: what jobs have printed is still on it alone.
    pub has_output: bool,
}

impl PoolState {
    /// p03: per type, the workers that have no job, or will have none when they are ready. Types without any
    /// are not listed.
    pub fn unallocated(&self) -> BTreeMap<InstanceTypeName, usize> {
        let mut counts = BTreeMap::new();
        for ((name, _), entries) in &self.index {
            if !entries.is_empty() {
                *counts.entry(name.clone()).or_default() += entries.len();
            }
        }
        let mut creating: BTreeMap<&InstanceTypeName, (usize, Time)> = BTreeMap::new();
        for create in self.creates.values().filter(|create| create.instance.is_none()) {
            let (count, oldest) =
                creating.entry(&create.create.instance_type.name).or_insert((0, create.began));
            *count += 1;
            *oldest = (*oldest).min(create.began);
        }
        for (name, (count, oldest)) in creating {
            // An unknown worker that appeared since may be one that is being created.
            let unknown = self.index.get(&(name.clone(), Phase::Unknown));
            let recent =
                unknown.map_or(0, |entries| entries.iter().rev().take_while(|(t, _)| *t > oldest).count());
            *counts.entry(name.clone()).or_default() += count - recent.min(count);
        }
        counts
    }

    /// p12: workers by phase; none until the first complete list.
    pub fn count_workers(&self) -> Option<BTreeMap<Phase, usize>> {
        self.loaded.then(|| {
            let mut counts: BTreeMap<Phase, usize> = Phase::ALL.into_iter().map(|phase| (phase, 0)).collect();
            for worker in self.workers.values() {
                *counts.entry(worker.state.phase()).or_default() += 1;
            }
            counts
        })
    }

    /// p13: jobs that are being prepared, that run, and that have ended and are not forgotten.
    pub fn running(&self) -> BTreeMap<JobId, JobStatus> {
        let live = self.jobs.keys().filter_map(|job| Some((job.clone(), self.job(job)?)));
        let ended = self.ended.keys().filter_map(|job| Some((job.clone(), self.job(job)?)));
        live.chain(ended).collect()
    }

    /// One job of [`running`](Self::running).
    pub fn job(&self, job: &JobId) -> Option<JobStatus> {
        if let Some(id) = self.jobs.get(job) {
            let run = self.workers.get(id)?.runs.get(job)?;
            let (run_id, instance) = (run.id.clone(), id.clone());
            return Some(match run.certainty {
                crate::worker::Certainty::Running => JobStatus::Running { run: run_id, instance },
                _ => JobStatus::Preparing { run: run_id, instance },
            });
        }
        self.ended.get(job).map(|ended| JobStatus::Ended {
            run: ended.run.clone(),
            instance: ended.instance.clone(),
            noticed: ended.noticed,
            end: ended.end.clone(),
        })
    }

    /// Instances by type and phase, creates in flight without one, and what all of them cost an hour.
    pub fn instance_counts(&self) -> (InstanceCounts, HourlyPrice) {
        let mut counts: BTreeMap<(&InstanceTypeName, Option<Phase>), usize> = BTreeMap::new();
        for create in self.creates.values().filter(|create| create.instance.is_none()) {
            *counts.entry((&create.create.instance_type.name, None)).or_default() += 1;
        }
        for worker in self.workers.values() {
            *counts.entry((&worker.type_name, Some(worker.state.phase()))).or_default() += 1;
        }
        let counts = counts.into_iter().map(|((name, phase), count)| ((name.clone(), phase), count));
        (counts.collect(), self.price_in_use())
    }

    /// The configured name of a worker's type.
    pub fn instance_type(&self, id: &InstanceId) -> Option<InstanceTypeName> {
        self.workers.get(id).map(|worker| worker.type_name.clone())
    }

    /// p17: every worker and every create in flight, by id; creates first.
    pub fn instances(&self) -> Vec<InstanceView> {
        let creates = self.creates.values().filter(|create| create.instance.is_none()).map(|pending| {
            let create = &pending.create;
            InstanceView {
                id: None,
                instance_type: create.instance_type.name.clone(),
                provider_type: create.instance_type.provider_type.clone(),
                placement: create.placement.clone(),
                address: None,
                price: Some(create.instance_type.price),
                phase: None,
                lifecycle: None,
                idle_behavior: IdleBehavior::Run,
                last_job: None,
                running_jobs: Vec::new(),
                last_busy: pending.began,
                since: pending.began,
                created: None,
                shutdown: None,
                broken: None,
                taken_by: None,
                reserved: Resources::default(),
            }
        });
        creates.chain(self.workers.values().map(Self::view)).collect()
    }

    fn view(worker: &Worker) -> InstanceView {
        InstanceView {
            id: Some(worker.id.clone()),
            instance_type: worker.type_name.clone(),
            provider_type: worker.member.provider_type.clone(),
            placement: worker.member.placement.clone(),
            address: worker.address.clone(),
            price: worker.instance_type.as_ref().map(|t| t.price),
            phase: Some(worker.state.phase()),
            lifecycle: Some(worker.lifecycle),
            idle_behavior: worker.idle_behavior,
            last_job: worker.last_job.clone(),
            running_jobs: worker.runs.keys().cloned().collect(),
            last_busy: worker.busy,
            since: worker.create_began.unwrap_or(worker.appeared),
            created: worker.created_at,
            shutdown: match &worker.state {
                State::Shutdown { reason, .. } => Some(reason.clone()),
                State::Unknown | State::Booting | State::Idle { .. } | State::Running => None,
            },
            broken: worker.broken.clone(),
            taken_by: worker.taken_by,
            reserved: worker.reserved,
        }
    }

    pub(crate) fn category(worker: &Worker) -> Category {
        match worker.state {
            State::Shutdown { .. } => Category::Shutdown,
            _ if !worker.runs.is_empty() => Category::InUse,
            _ if worker.is_held() => Category::Hold,
            State::Booting => Category::Booting,
            State::Unknown => Category::Unknown,
            State::Idle { .. } | State::Running => Category::Idle,
        }
    }

    /// What the metrics show at this moment.
    pub fn gauges(&self, now: Time) -> Gauges {
        let mut gauges = Gauges {
            jobs_running: self.jobs.len(),
            creates_in_flight: self.creates.values().filter(|create| create.instance.is_none()).count(),
            hold_offs: self.holdoffs.in_force(&self.counts, now),
            list_age: now.since(self.listed.unwrap_or(Time::ZERO)),
            ..Gauges::default()
        };
        for worker in self.workers.values() {
            let category = Self::category(worker);
            *gauges.instances.entry((category, worker.type_name.clone())).or_default() += 1;
            if let Some(instance_type) = &worker.instance_type {
                let price = gauges.price.entry(category).or_default();
                *price = *price + instance_type.price;
                let vcpus = gauges.vcpus.entry(category).or_default();
                *vcpus = *vcpus + instance_type.vcpus;
                gauges.memory.entry(category).or_default().0 += instance_type.memory.0;
            }
            gauges.probe_ages.extend(Self::answered(worker).map(|probed| now.since(probed)));
        }
        gauges.probe_ages.sort_unstable_by(|a, b| b.cmp(a));
        gauges.probe_interval = self.probe_interval();
        gauges
    }

    /// When the last probe began that was answered; none where no answer is expected.
    fn answered(worker: &Worker) -> Option<Time> {
        match worker.state {
            _ if worker.taken_by.is_some() => None,
            State::Booting | State::Shutdown { .. } => None,
            State::Unknown => worker.probed,
            State::Idle { .. } | State::Running => Some(worker.probed.unwrap_or(worker.appeared)),
        }
    }

    /// The configured one, or a longer one where the workers are more than may be probed in it.
    fn probe_interval(&self) -> Duration {
        let settings = self.settings();
        let is_probed = |w: &&Worker| w.taken_by.is_none() && !matches!(w.state, State::Shutdown { .. });
        let workers = self.workers.values().filter(is_probed).count() as u64;
        let round = Duration::from_secs(workers).checked_div(settings.max_probes_per_second);
        settings.probe_interval.max(round.unwrap_or_default())
    }

    /// What the scheduler sees at this moment.
    pub fn pool_view(&self, now: Time) -> PoolView {
        let settings = self.settings();
        let unallocated = self.unallocated();
        let mut ending: BTreeMap<&InstanceTypeName, usize> = BTreeMap::new();
        for worker in self.workers.values().filter(|worker| matches!(worker.state, State::Shutdown { .. })) {
            *ending.entry(&worker.type_name).or_default() += 1;
        }
        let mut instances: BTreeMap<&InstanceTypeName, usize> = BTreeMap::new();
        for worker in self.workers.values().filter(|worker| !worker.is_held()) {
            *instances.entry(&worker.type_name).or_default() += 1;
        }
        let mut creating: BTreeMap<&InstanceTypeName, usize> = BTreeMap::new();
        for create in self.creates.values().filter(|create| create.instance.is_none()) {
            let name = &create.create.instance_type.name;
            *creating.entry(name).or_default() += 1;
            *instances.entry(name).or_default() += 1;
        }
        let mut types: Vec<TypeView> = self
            .types
            .values()
            .map(|(instance_type, group)| TypeView {
                instance_type: instance_type.clone(),
                unallocated: unallocated.get(&instance_type.name).copied().unwrap_or(0),
                creating: creating.get(&instance_type.name).copied().unwrap_or(0),
                at_capacity: self.at_capacity(now, &instance_type.name),
                boots_fail: self.boots.held_off(&instance_type.name, now).is_some(),
                at_quota: self.at_quota_for(now, &instance_type.name),
                quota_group: group.clone(),
                quota_scope: self.quota_scope(now, instance_type, group),
                min_idle: settings.min_idle.get(&instance_type.name).copied().unwrap_or(0),
                ending: ending.get(&instance_type.name).copied().unwrap_or(0),
                instances: instances.get(&instance_type.name).copied().unwrap_or(0),
            })
            .collect();
        types.sort_by(|a, b| {
            let key = |t: &TypeView| (t.instance_type.price, t.instance_type.name.clone());
            key(a).cmp(&key(b))
        });
        let workers = self
            .workers
            .values()
            .filter_map(|worker| {
                Some(WorkerView {
                    id: worker.id.clone(),
                    instance_type: worker.type_name.clone(),
                    busy: !worker.runs.is_empty(),
                    filled: worker.runs.values().any(|run| run.resources == Resources::default()),
                    last_busy: worker.busy,
                    free: worker.free()?,
                    has: worker.instance_type.as_ref()?.resources(),
                    jobs_left: worker.jobs_left,
                    may_be_held: worker.may_be_held(),
                    has_output: !worker.unfetched.is_empty(),
                })
            })
            .collect();
        let left = |limit: u32, count: usize| {
            (limit > 0).then(|| limit.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX)))
        };
        PoolView {
            loaded: self.loaded,
            types,
            workers,
            at_quota: self.at_quota(now),
            instances_left: left(settings.max_instances, self.instances_and_creates()),
            creates_left: match self.create_blocked_until() {
                Some(_) => Some(0),
                None => left(settings.max_concurrent_instance_create_ops, self.creates.len()),
            },
            price_left: self.price_left(),
            max_jobs_per_instance: settings.max_jobs_per_instance,
            listed: self.listed,
            left_alone: self.left_alone.iter().cloned().collect(),
        }
    }

    /// What a quota hold-off covers that covers the type in every placement: of several the narrowest, for that one is
    /// the easiest to lift.
    fn quota_scope(&self, now: Time, instance_type: &InstanceType, group: &QuotaGroup) -> Option<Reach> {
        let reaches = self.setup.placements.iter().map(|placement| {
            let member = Membership::of(instance_type, group.clone(), placement.clone());
            self.holdoffs.quota_reach(&member, &self.counts, now)
        });
        reaches.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}
