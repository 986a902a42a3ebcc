//! What the scheduler would do now: a pure function of a queue and a view of the pool.

use crate::views::{PoolView, TypeView, WorkerView};
use pool_api::{InstanceId, InstanceTypeName, JobId, Resources};
use std::{collections::BTreeMap, fmt};

/// A job that waits.
#[derive(Clone, PartialEq, Debug)]
pub struct QueuedJob {
    /// Which.
    pub id: JobId,
    /// More goes first. Jobs of one priority go in the order of the queue.
    pub priority: i64,
    /// What it reserves. All zero: a whole worker.
    pub resources: Resources,
    /// Whether it may run on preemptible instances.
    pub preemptible: bool,
}

/// How the scheduler chooses.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PlanOptions {
    /// A job takes a type that costs up to this many times as much as the cheapest that fits.
    pub price_factor: f64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { price_factor: 1.5 }
    }
}

/// What to do now.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Jobs to be started, each on which worker, in this order.
    pub starts: Vec<(JobId, InstanceId)>,
    /// Instances to be asked for, in this order.
    pub creates: Vec<InstanceTypeName>,
    /// Idle workers that stand in the way at quota.
    pub shutdowns: Vec<InstanceId>,
    /// Why each job that is not started waits.
    pub waiting: BTreeMap<JobId, WaitReason>,
}

/// Why a job waits, and what would let it run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WaitReason {
    /// The pool does not know yet which instances there are.
    NotLoaded,
    /// No configured type is large enough, or only preemptible ones are and the job does not allow them.
    NoTypeFits,
    /// An instance of this type is on its way.
    Booting(InstanceTypeName),
    /// An instance of this type is asked for now.
    Creating(InstanceTypeName),
    /// The provider has no capacity for this type, the dearest that would do.
    NoCapacity(InstanceTypeName),
    /// No more instances may be asked for: it waits for one to get free.
    AtQuota,
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded => f.write_str("the instances have not been listed yet"),
            Self::NoTypeFits => {
                f.write_str("no configured instance type is large enough: add one, or ask for less")
            }
            Self::Booting(name) => write!(f, "an instance of type {name} is booting"),
            Self::Creating(name) => write!(f, "an instance of type {name} is being created"),
            Self::NoCapacity(name) => {
                write!(f, "the provider has no capacity for type {name}: it is asked again soon")
            }
            Self::AtQuota => f.write_str("no more instances are allowed: it waits for a worker to get free"),
        }
    }
}

/// A worker that will be there: what jobs that wait for it would leave of it.
struct Coming {
    instance_type: InstanceTypeName,
    free: Resources,
    filled: bool,
}

/// Decides which jobs start where, and which instances are asked for.
///
/// Jobs go by priority, then by their place in the queue. Each takes the cheapest type that fits, or one up to
/// [`price_factor`](PlanOptions::price_factor) dearer if that has a worker: a busy one with room before an idle one, the
/// one with the least room first, then the most recently busy. If there is none, it waits for one that is coming,
/// else one is asked for.
pub fn plan(queue: &[QueuedJob], pool: &PoolView, options: &PlanOptions) -> Plan {
    let mut plan = Plan::default();
    if !pool.loaded {
        plan.waiting = queue.iter().map(|job| (job.id.clone(), WaitReason::NotLoaded)).collect();
        return plan;
    }
    let mut jobs: Vec<&QueuedJob> = queue.iter().collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.priority));
    let mut workers: Vec<WorkerView> = pool.workers.clone();
    let mut coming = coming_workers(pool);
    // What the first job could use that waits at quota.
    let mut blocked: Option<Vec<&TypeView>> = None;
    for job in jobs {
        let types = candidates(job, pool, options);
        let Some(dearest) = types.last() else {
            plan.waiting.insert(job.id.clone(), WaitReason::NoTypeFits);
            continue;
        };
        if let Some(worker) = best_worker(job, &types, &mut workers) {
            take(&mut worker.free, &mut worker.filled, &job.resources);
            worker.busy = true;
            plan.starts.push((job.id.clone(), worker.id.clone()));
            continue;
        }
        let awaited = coming.iter_mut().find(|c| {
            types.iter().any(|t| t.instance_type.name == c.instance_type)
                && fits(&job.resources, &c.free, c.filled, false)
        });
        if let Some(awaited) = awaited {
            take(&mut awaited.free, &mut awaited.filled, &job.resources);
            plan.waiting.insert(job.id.clone(), WaitReason::Booting(awaited.instance_type.clone()));
            continue;
        }
        let open = types.iter().find(|t| !t.at_capacity && !t.at_quota);
        let reason = match open {
            Some(chosen) => {
                let name = chosen.instance_type.name.clone();
                let mut new = Coming {
                    instance_type: name.clone(),
                    free: chosen.instance_type.resources(),
                    filled: false,
                };
                take(&mut new.free, &mut new.filled, &job.resources);
                coming.push(new);
                plan.creates.push(name.clone());
                WaitReason::Creating(name)
            }
            None if types.iter().all(|t| t.at_capacity) => {
                WaitReason::NoCapacity(dearest.instance_type.name.clone())
            }
            None => {
                blocked.get_or_insert(types);
                WaitReason::AtQuota
            }
        };
        plan.waiting.insert(job.id.clone(), reason);
    }
    // At the end, when it is known which idle workers no job of this plan takes.
    if let Some(types) = blocked {
        plan.shutdowns.extend(in_the_way(&types, &workers));
    }
    plan
}

/// The types that the job may use, cheapest first.
fn candidates<'a>(job: &QueuedJob, pool: &'a PoolView, options: &PlanOptions) -> Vec<&'a TypeView> {
    let mut fitting = pool.types.iter().filter(|t| {
        job.resources.fits_in(&t.instance_type.resources())
            && (job.preemptible || !t.instance_type.preemptible)
    });
    let Some(cheapest) = fitting.next() else { return Vec::new() };
    let limit = cheapest.instance_type.price.as_f64() * options.price_factor.max(1.0);
    let mut types = vec![cheapest];
    types.extend(fitting.take_while(|t| t.instance_type.price.as_f64() <= limit));
    types
}

fn fits(wanted: &Resources, free: &Resources, filled: bool, busy: bool) -> bool {
    let whole = *wanted == Resources::default();
    let barred = filled || (whole && busy);
    !barred && wanted.fits_in(free)
}

fn take(free: &mut Resources, filled: &mut bool, wanted: &Resources) {
    *free = free.saturating_sub(wanted);
    *filled |= *wanted == Resources::default();
}

fn best_worker<'a>(
    job: &QueuedJob,
    types: &[&TypeView],
    workers: &'a mut [WorkerView],
) -> Option<&'a mut WorkerView> {
    let rank = |worker: &WorkerView| {
        let dearness = types.iter().position(|t| t.instance_type.name == worker.instance_type)?;
        let room = (worker.free.gpus, worker.free.cpus, worker.free.memory);
        fits(&job.resources, &worker.free, worker.filled, worker.busy).then_some((
            !worker.busy,
            dearness,
            room,
            std::cmp::Reverse(worker.last_busy),
        ))
    };
    workers
        .iter_mut()
        .filter_map(|worker| Some((rank(worker)?, worker)))
        .min_by(|a, b| a.0.cmp(&b.0))
        .map(|(_, w)| w)
}

/// Workers that are booting, unknown or being created: unallocated, and not among those that take jobs.
fn coming_workers(pool: &PoolView) -> Vec<Coming> {
    let mut coming = Vec::new();
    for view in &pool.types {
        let name = &view.instance_type.name;
        let idle = pool.workers.iter().filter(|w| w.instance_type == *name && !w.busy).count();
        for _ in idle..view.unallocated {
            coming.push(Coming {
                instance_type: name.clone(),
                free: view.instance_type.resources(),
                filled: false,
            });
        }
    }
    coming
}

/// At quota an idle worker of another type is in the way of a job that none of them fits.
fn in_the_way(types: &[&TypeView], workers: &[WorkerView]) -> Option<InstanceId> {
    let other = |worker: &&WorkerView| !types.iter().any(|t| t.instance_type.name == worker.instance_type);
    workers.iter().filter(other).find(|worker| !worker.busy).map(|worker| worker.id.clone())
}
