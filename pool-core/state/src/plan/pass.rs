//! One pass over the waiting jobs.

use super::{
    limits::Limits,
    options::PlanOptions,
    outlook::{Outlook, Plan, Served},
    queue::{Class, ClassId, Rank, WaitingJobs},
    reason::WaitReason,
    reserve::{Blocked, Kept},
    types::{Kind, Shape, candidates, kinds},
};
use crate::views::PoolView;
use pool_api::{InstanceId, InstanceTypeName, JobGroup, JobId, Resources};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

/// Decides which jobs start where, which instances are asked for and which make room..
///
/// `running_by_group` counts the jobs of each group that have a worker.
pub fn plan(
    waiting: &WaitingJobs,
    running_by_group: &BTreeMap<JobGroup, u32>,
    pool: &PoolView,
    options: &PlanOptions,
) -> Plan {
    let mut pass = Pass::new(waiting, running_by_group, pool, options);
    if pool.loaded {
        pass.serve_all();
        pass.make_room();
        pass.keep_idle();
    }
    pass.into_plan()
}

/// Where a job goes.
enum Spot {
    /// On a worker that takes jobs: which type, which place.
    Ready(usize, usize),
    /// On one that is coming.
    Coming(usize, usize),
}

/// A plan in the making.
pub(super) struct Pass<'a> {
    waiting: &'a WaitingJobs,
    pool: &'a PoolView,
    options: &'a PlanOptions,
    pub(super) kinds: Vec<Kind<'a>>,
    shapes: Vec<Shape>,
    pub(super) limits: Limits,
    /// Jobs of each group that have a worker, or will by this plan.
    by_group: BTreeMap<JobGroup, u32>,
    starts: Vec<(JobId, InstanceId)>,
    creates: Vec<InstanceTypeName>,
    pub(super) shutdowns: Vec<InstanceId>,
    served: Served,
    /// A job was served since it was last looked whether anything is left.
    served_any: bool,
    /// Sets of types of which the first job that cannot be served was dealt with.
    pub(super) dealt_with: BTreeSet<Vec<usize>>,
    /// Sets of types of which a worker is kept for the first job whose instance may come to nothing.
    pub(super) kept_meanwhile: BTreeSet<Vec<usize>>,
    pub(super) blocked: Vec<Blocked>,
    pub(super) kept: Vec<Kept>,
}

impl<'a> Pass<'a> {
    fn new(
        waiting: &'a WaitingJobs,
        running_by_group: &BTreeMap<JobGroup, u32>,
        pool: &'a PoolView,
        options: &'a PlanOptions,
    ) -> Self {
        Self {
            waiting,
            pool,
            options,
            kinds: if pool.loaded { kinds(pool) } else { Vec::new() },
            shapes: pool.types.iter().map(Shape::of).collect(),
            limits: Limits::new(pool),
            by_group: running_by_group.clone(),
            starts: Vec::new(),
            creates: Vec::new(),
            shutdowns: Vec::new(),
            served: Served::default(),
            served_any: true,
            dealt_with: BTreeSet::new(),
            kept_meanwhile: BTreeSet::new(),
            blocked: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Serves the jobs by rank. A class whose first job cannot be served is out: the later ones want the same.
    fn serve_all(&mut self) {
        let waiting = self.waiting;
        let mut untouched = waiting.heads().peekable();
        // Classes of which a job was served, with their next.
        let mut later: BinaryHeap<Reverse<(&Rank, ClassId)>> = BinaryHeap::new();
        let mut types = Vec::new();
        let smallest = waiting.smallest();
        loop {
            let (first, again) = (untouched.peek().copied(), later.peek().map(|Reverse(entry)| *entry));
            let Some((rank, id)) = first.into_iter().chain(again).min() else { break };
            // All jobs that are not to be started come last.
            if rank.priority == Reverse(0) {
                break;
            }
            if again == Some((rank, id)) {
                later.pop();
            } else {
                untouched.next();
            }
            let (first, again) = (untouched.peek().copied(), later.peek().map(|Reverse(entry)| *entry));
            let other = first.into_iter().chain(again).min().map(|(rank, _)| rank);
            let Some(class) = waiting.class(id) else { continue };
            match self.serve(id, class, rank, other, &mut types) {
                Some(next) => later.push(Reverse((next, id))),
                // What was not exhausted before is not now if nobody has taken anything since.
                None if std::mem::take(&mut self.served_any) && self.is_exhausted(smallest.as_ref()) => break,
                None => {}
            }
        }
    }

    /// Serves jobs of one class from `rank` on, until it is another's turn. Returns which is next; none if the class is
    /// out or has no more.
    fn serve<'w>(
        &mut self,
        id: ClassId,
        class: &'w Class,
        rank: &'w Rank,
        other: Option<&Rank>,
        types: &mut Vec<usize>,
    ) -> Option<&'w Rank> {
        let factor = self.options.price_factor;
        candidates(&self.shapes, &class.resources, class.preemptible, factor, types);
        let mut allowed = self.allowed_of(class.group.as_ref());
        let is_due = |rank: &&Rank| rank.priority != Reverse(0) && other.is_none_or(|other| *rank < other);
        let mut first = rank;
        loop {
            if allowed == 0 {
                return None;
            }
            let Some(spot) = self.spot(&class.resources, types) else {
                self.deal_with_blocked(&first.id, &class.resources, types);
                return None;
            };
            self.served_any = true;
            let mut jobs = class.ranks.range(first..).peekable();
            let mut taken = Vec::new();
            let more = || {
                let next = if allowed > 0 { jobs.next_if(is_due) } else { None };
                allowed -= u32::from(next.is_some());
                taken.extend(next);
                next.is_some()
            };
            self.fill(&spot, &class.resources, more);
            debug_assert!(!taken.is_empty(), "a spot that was found takes no job");
            self.note(&spot, id, class.group.as_ref(), &taken);
            if let Spot::Coming(at, place) = spot
                && place >= self.kinds[at].created
            {
                self.keep_meanwhile(&first.id, &class.resources, types);
            }
            first = jobs.next()?;
            if !is_due(&first) {
                return Some(first);
            }
        }
    }

    /// How many more jobs of this group may be served.
    fn allowed_of(&self, group: Option<&JobGroup>) -> u32 {
        let limit = group.and_then(|group| Some((group, self.options.group_limits.get(group)?)));
        limit.map_or(u32::MAX, |(group, limit)| {
            limit.saturating_sub(self.by_group.get(group).copied().unwrap_or(0))
        })
    }

    /// The best place for a job: a worker that has jobs before one that has none, that before one that is coming, that
    /// before one that is asked for now; each time the cheapest type first.
    fn spot(&mut self, wanted: &Resources, types: &[usize]) -> Option<Spot> {
        let kinds = &self.kinds;
        let ready = |find: fn(&Kind<'_>, &Resources) -> Option<usize>| {
            types.iter().find_map(|at| Some((*at, find(kinds.get(*at)?, wanted)?)))
        };
        let found = ready(|kind, wanted| kind.ready.first_shared(wanted))
            .or_else(|| ready(|kind, wanted| kind.ready.first_idle(wanted)));
        if let Some((at, place)) = found {
            return Some(Spot::Ready(at, place));
        }
        let found = ready(|kind, wanted| kind.coming.first_shared(wanted))
            .or_else(|| ready(|kind, wanted| kind.coming.first_idle(wanted)));
        if let Some((at, place)) = found {
            return Some(Spot::Coming(at, place));
        }
        let at = types.iter().copied().find(|at| self.limits.block(self.kinds[*at].view).is_none())?;
        Some(Spot::Coming(at, self.create(at)))
    }

    /// Asks for an instance. Returns its place among those that are coming.
    pub(super) fn create(&mut self, at: usize) -> usize {
        let kind = &mut self.kinds[at];
        self.limits.count(kind.view);
        self.creates.push(kind.name().clone());
        kind.add_coming()
    }

    fn fill(&mut self, spot: &Spot, wanted: &Resources, more: impl FnMut() -> bool) {
        match *spot {
            Spot::Ready(at, place) => self.kinds[at].ready.fill(place, wanted, more),
            Spot::Coming(at, place) => self.kinds[at].coming.fill(place, wanted, more),
        };
    }

    fn note(&mut self, spot: &Spot, class: ClassId, group: Option<&JobGroup>, taken: &[&Rank]) {
        if let Some(group) = group {
            let count = self.by_group.entry(group.clone()).or_default();
            *count = count.saturating_add(u32::try_from(taken.len()).unwrap_or(u32::MAX));
        }
        let awaits = match *spot {
            Spot::Ready(at, place) => {
                let worker = &self.kinds[at].workers[place].id;
                self.starts.extend(taken.iter().map(|rank| (rank.id.clone(), worker.clone())));
                None
            }
            Spot::Coming(at, place) if place < self.kinds[at].booting => {
                Some(WaitReason::Booting(self.kinds[at].name().clone()))
            }
            Spot::Coming(at, _) => Some(WaitReason::Creating(self.kinds[at].name().clone())),
        };
        if let Some(last) = taken.last() {
            self.served.note(class, last, awaits);
        }
    }

    /// Whether no job can be served any more, whatever it asks for.
    fn is_exhausted(&self, smallest: Option<&Resources>) -> bool {
        self.kinds.iter().all(|kind| {
            !kind.ready.may_take(smallest)
                && !kind.coming.may_take(smallest)
                && self.limits.block(kind.view).is_some()
        })
    }

    /// Asks for as many instances of each type as are to be there without a job, after all jobs have theirs.
    fn keep_idle(&mut self) {
        for at in 0..self.kinds.len() {
            let kind = &self.kinds[at];
            let view = kind.view;
            for _ in kind.without_jobs()..view.min_idle as usize {
                if self.limits.block(view).is_some() {
                    break;
                }
                self.create(at);
            }
        }
    }

    fn into_plan(self) -> Plan {
        let outlook = Outlook {
            loaded: self.pool.loaded,
            types: self.pool.types.clone(),
            limits: self.limits,
            options: self.options.clone(),
            by_group: self.by_group,
            served: self.served,
            kept: self.kept,
        };
        Plan { starts: self.starts, creates: self.creates, shutdowns: self.shutdowns, outlook }
    }
}
