//! What a plan says, of each job too.

use super::{
    fit::fits,
    limits::{Block, Limits},
    options::PlanOptions,
    queue::{Class, ClassId, Rank, WaitingJobs},
    reason::{QuotaScope, WaitReason},
    reserve::{Kept, Purpose},
    types::{Shape, candidates},
};
use crate::views::TypeView;
use pool_api::{InstanceId, InstanceTypeName, JobGroup, JobId, Reach};
use std::collections::BTreeMap;

/// What to do now.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Jobs to be started, each on which worker, in this order.
    pub starts: Vec<(JobId, InstanceId)>,
    /// Instances to be asked for, in this order.
    pub creates: Vec<InstanceTypeName>,
    /// Idle workers that stand in the way of a job.
    pub shutdowns: Vec<InstanceId>,
    pub(super) outlook: Outlook,
}

/// What the plan leaves: from it the reason of any job is told when it is asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Outlook {
    pub(super) loaded: bool,
    pub(super) types: Vec<TypeView>,
    pub(super) limits: Limits,
    pub(super) options: PlanOptions,
    /// Jobs of each group that have a worker, or will by the plan.
    pub(super) by_group: BTreeMap<JobGroup, u32>,
    pub(super) served: Served,
    pub(super) kept: Vec<Kept>,
}

/// The jobs that are started, or have a place on a worker that is coming. Those of a class are served in their order: it
/// is enough to know up to which.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Served(BTreeMap<ClassId, Vec<(Rank, Option<WaitReason>)>>);

impl Served {
    /// All jobs of the class that were not served before, up to `last`, are started (none) or await something.
    pub(super) fn note(&mut self, class: ClassId, last: &Rank, awaits: Option<WaitReason>) {
        let all = self.0.entry(class).or_default();
        match all.last_mut() {
            Some((end, same)) if *same == awaits => *end = last.clone(),
            _ => all.push((last.clone(), awaits)),
        }
    }

    /// What a job that is served awaits (none: it is started). None if it is not served.
    fn get(&self, class: ClassId, rank: &Rank) -> Option<&Option<WaitReason>> {
        let all = self.0.get(&class)?;
        all.get(all.partition_point(|(last, _)| last < rank)).map(|(_, awaits)| awaits)
    }
}

impl Plan {
    /// Why a job waits. `waiting` is what the plan was made from, or what it has become since.
    ///
    /// None for a job that does not wait, that this plan starts, or that came after the plan was made and that nothing
    /// stands against.
    pub fn why(&self, waiting: &WaitingJobs, job: &JobId) -> Option<WaitReason> {
        let queued = waiting.get(job)?;
        let (id, class) = waiting.class_of(job)?;
        if queued.priority == 0 {
            return Some(WaitReason::Stopped);
        }
        let outlook = &self.outlook;
        if !outlook.loaded {
            return Some(WaitReason::NotLoaded);
        }
        match outlook.served.get(id, &queued.rank()) {
            Some(awaits) => awaits.clone(),
            None => outlook.why_not_served(job, class),
        }
    }
}

impl Outlook {
    fn why_not_served(&self, job: &JobId, class: &Class) -> Option<WaitReason> {
        let mut types = Vec::new();
        let factor = self.options.price_factor;
        let shapes: Vec<Shape> = self.types.iter().map(Shape::of).collect();
        candidates(&shapes, &class.resources, class.preemptible, factor, &mut types);
        if types.is_empty() {
            let all = self.types.iter().map(|view| &*view.instance_type);
            return fits(all, &class.resources, class.preemptible).err().map(WaitReason::NoTypeFits);
        }
        if let Some(group) = &class.group
            && let Some(limit) = self.options.group_limits.get(group)
            && self.by_group.get(group).copied().unwrap_or(0) >= *limit
        {
            return Some(WaitReason::GroupLimit { group: group.clone(), limit: *limit });
        }
        let views: Vec<&TypeView> = types.iter().filter_map(|at| self.types.get(*at)).collect();
        let blocked = why_blocked(&self.limits, &views);
        if let Some(kept) = self.kept.iter().find(|kept| kept.job == *job) {
            let (worker, because) = (kept.worker.clone(), Box::new(blocked?));
            return Some(match kept.purpose {
                Purpose::Run => WaitReason::Reserved { worker, because },
                Purpose::MakeRoom => WaitReason::MakingRoom { worker, because },
            });
        }
        let would_fit = |kept: &&Kept| types.contains(&kept.at) && kept.room.takes(&class.resources);
        match self.kept.iter().find(would_fit) {
            Some(kept) => {
                Some(WaitReason::KeptForAnother { worker: kept.worker.clone(), job: kept.job.clone() })
            }
            None => blocked,
        }
    }
}

/// Why no instance of any of these types is asked for. None if one may be.
fn why_blocked(limits: &Limits, types: &[&TypeView]) -> Option<WaitReason> {
    let blocks = types.iter().map(|view| Some((*view, limits.block(view)?)));
    let blocks: Vec<(&TypeView, Block)> = blocks.collect::<Option<_>>()?;
    // What is over soonest; then what is up to the operator; capacity only if it is all that is short.
    let soonest = blocks.iter().find(|(_, block)| *block == Block::CreateSlots);
    let other = || blocks.iter().find(|(_, block)| *block != Block::Capacity);
    let (view, block) = soonest.or_else(other).or_else(|| blocks.last())?;
    let name = view.instance_type.name.clone();
    Some(match block {
        Block::Capacity => WaitReason::NoCapacity(name),
        Block::Boots => WaitReason::BootsFail(name),
        Block::Quota(Reach::All) => WaitReason::Quota { scope: QuotaScope::All },
        Block::Quota(Reach::QuotaGroup) => {
            WaitReason::Quota { scope: QuotaScope::Group(view.quota_group.clone()) }
        }
        Block::Quota(Reach::InstanceType) => WaitReason::Quota { scope: QuotaScope::Type(name) },
        Block::MaxInstances => WaitReason::MaxInstances,
        Block::Price => WaitReason::PriceCap(name),
        Block::PriceKept(job) => WaitReason::PriceKept { job: job.clone() },
        Block::CreateSlots => WaitReason::CreateSlots(name),
    })
}
