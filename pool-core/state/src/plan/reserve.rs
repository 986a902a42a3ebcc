//! What is done for a job that cannot be served now, so that it is not overtaken for ever.

use super::{
    fit::shortage,
    limits::{Block, price_within_reach, relieves},
    pass::Pass,
    rooms::{Room, is_whole},
    types::Kind,
};
use crate::views::{TypeView, WorkerView};
use pool_api::{HourlyPrice, InstanceId, JobId, Resources};
use std::cmp::Reverse;

/// Most jobs for which a worker is kept at a time. Others have their turn when these have theirs.
const MOST_KEPT: usize = 8;

/// What a worker is kept for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// That the job runs on it.
    Run,
    /// That it goes, for the job's type is another.
    MakeRoom,
}

/// A worker that takes no jobs after this one.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Kept {
    pub(super) worker: InstanceId,
    /// The place of its type.
    pub(super) at: usize,
    pub(super) job: JobId,
    pub(super) purpose: Purpose,
    /// What is free on it, as if it were not kept.
    pub(super) room: Room,
}

/// A job that the end of another instance would help.
pub(super) struct Blocked {
    job: JobId,
    /// Its types.
    types: Vec<usize>,
    /// What stands against them that an end lifts.
    blocks: Vec<(usize, Block)>,
}

impl Pass<'_> {
    /// The first of the jobs of one set of types that awaits an instance that may come to nothing, for want of capacity for
    /// example. If no worker were kept for it until the cloud has answered, what has drained so far would be taken by
    /// others at each vain attempt.
    pub(super) fn keep_meanwhile(&mut self, job: &JobId, wanted: &Resources, types: &[usize]) {
        if self.kept.len() >= MOST_KEPT || self.kept_meanwhile.contains(types) {
            return;
        }
        self.kept_meanwhile.insert(types.to_vec());
        if let Some((at, place)) = self.nearest_to_room(wanted, types) {
            self.keep(job, Purpose::Run, at, place);
        }
    }

    /// The first of the jobs of one set of types that cannot be served. For one that only waits for other creates to end
    /// no room is made: it is served before later ones then.
    pub(super) fn deal_with_blocked(&mut self, job: &JobId, wanted: &Resources, types: &[usize]) {
        if types.is_empty() || self.dealt_with.contains(types) {
            return;
        }
        let blocks = types.iter().filter_map(|at| Some((*at, self.limits.block(self.kinds[*at].view)?)));
        let mut blocks: Vec<(usize, Block)> = blocks.collect();
        if blocks.iter().any(|(_, block)| *block == Block::CreateSlots) {
            self.keep_meanwhile(job, wanted, types);
            return;
        }
        self.dealt_with.insert(types.to_vec());
        // An instance that is dearer than all that there is and may be will never be had: nothing is kept for it.
        let within_reach = price_within_reach(&self.limits, &self.kinds);
        let price = |at: usize| self.kinds[at].view.instance_type.price;
        blocks.retain(|(at, block)| {
            block.yields_to_ends() && (*block != Block::Price || price(*at) <= within_reach)
        });
        if blocks.iter().any(|(_, block)| *block == Block::Price) {
            self.limits.keep_price(job);
        }
        let blocked = Blocked { job: job.clone(), types: types.to_vec(), blocks };
        if self.kept.len() >= MOST_KEPT {
            // Others have their turn.
        } else if types.iter().any(|at| self.kinds[*at].ready.len() > 0) {
            if let Some((at, place)) = self.nearest_to_room(wanted, types) {
                self.keep(job, Purpose::Run, at, place);
            }
        } else if types.iter().all(|at| self.kinds[*at].coming.len() == 0)
            && let Some((at, place)) = self.nearest_to_idle(&blocked)
        {
            self.keep(job, Purpose::MakeRoom, at, place);
        }
        if !blocked.blocks.is_empty() {
            self.blocked.push(blocked);
        }
    }

    fn keep(&mut self, job: &JobId, purpose: Purpose, at: usize, place: usize) {
        let kind = &mut self.kinds[at];
        let (Some(worker), Some(room)) = (kind.workers.get(place), kind.ready.get(place)) else { return };
        self.kept.push(Kept { worker: worker.id.clone(), at, job: job.clone(), purpose, room: *room });
        kind.ready.close(place);
    }

    /// The worker of one of these types on which the job will fit soonest, as far as one can tell: the one of which the
    /// least is missing. A worker that is kept is never further from it in the next plan, and so is kept on.
    fn nearest_to_room(&self, wanted: &Resources, types: &[usize]) -> Option<(usize, usize)> {
        let workers = types.iter().flat_map(|at| open_workers(*at, &self.kinds[*at]));
        let distance = |at: usize, room: &Room| {
            let free = if room.filled { Resources::default() } else { room.free };
            let wanted = if is_whole(wanted) { &self.kinds[at].has } else { wanted };
            shortage(wanted, &free)
        };
        let nearest = workers.min_by_key(|worker| (distance(worker.at, worker.room), &worker.view.id));
        nearest.map(|worker| (worker.at, worker.place))
    }

    /// The worker of another type whose end would help, and that has the least to do; none if what is ending already will
    /// do.
    fn nearest_to_idle(&self, blocked: &Blocked) -> Option<(usize, usize)> {
        let used = |worker: &OpenWorker<'_>| match (worker.room.busy, worker.room.filled) {
            (false, _) => 0,
            (true, false) => 1 + shortage(&self.kinds[worker.at].has, &worker.room.free),
            (true, true) => u64::MAX,
        };
        let helping = self.others_that_help(blocked);
        let workers = helping.iter().flat_map(|at| open_workers(*at, &self.kinds[*at]));
        let workers = workers.filter(|worker| !worker.view.may_be_held);
        let nearest = workers.min_by_key(|worker| (used(worker), worker.view.last_busy, &worker.view.id));
        nearest.map(|worker| (worker.at, worker.place))
    }

    /// The types that the job cannot use, and of which the end of an instance would help it.
    fn others_that_help(&self, blocked: &Blocked) -> Vec<usize> {
        if self.help_is_coming(blocked) {
            return Vec::new();
        }
        let helps = |at: usize| {
            blocked
                .blocks
                .iter()
                .any(|(wanted, block)| relieves(block, self.kinds[*wanted].view, self.kinds[at].view))
        };
        (0..self.kinds.len()).filter(|at| !blocked.types.contains(at) && helps(*at)).collect()
    }

    /// Whether instances that are being destroyed will make room enough.
    fn help_is_coming(&self, blocked: &Blocked) -> bool {
        blocked.blocks.iter().any(|(wanted, block)| {
            let wanted = self.kinds[*wanted].view;
            let ending = self.kinds.iter().map(|kind| kind.view);
            let mut ending = ending.filter(|view| view.ending > 0 && relieves(block, wanted, view));
            if *block == Block::Price {
                let price = |view: &TypeView| {
                    let each = view.instance_type.price.as_micros();
                    HourlyPrice::from_micros(each.saturating_mul(view.ending as u64))
                };
                let left = self.limits.price_left.unwrap_or_default();
                wanted.instance_type.price <= left + ending.map(price).sum()
            } else {
                ending.next().is_some()
            }
        })
    }

    /// Shuts down one idle worker that nobody takes, if a job is blocked that its end would help.
    pub(super) fn make_room(&mut self) {
        let found = self.blocked.iter().find_map(|blocked| self.in_the_way(blocked));
        if let Some((at, place)) = found {
            self.kinds[at].ready.close(place);
            self.shutdowns.push(self.kinds[at].workers[place].id.clone());
        }
    }

    fn in_the_way(&self, blocked: &Blocked) -> Option<(usize, usize)> {
        let by_price = blocked.blocks.iter().find(|(_, block)| *block == Block::Price);
        let missing = by_price.map(|(at, _)| {
            let price = self.kinds[*at].view.instance_type.price.as_micros();
            price.saturating_sub(self.limits.price_left.unwrap_or_default().as_micros())
        });
        // By price: the cheapest that is enough, else the dearest.
        let by_price = |at: usize| {
            let price = self.kinds[at].view.instance_type.price.as_micros();
            missing.map(|missing| if price >= missing { (0, price) } else { (1, u64::MAX - price) })
        };
        // An idle worker that is kept is kept for this job: another's would be found before it comes to this one.
        let kept = self.kept.iter().find(|kept| kept.job == blocked.job);
        self.others_that_help(blocked)
            .into_iter()
            .filter(|at| self.kinds[*at].ready.has_idle() || kept.is_some_and(|kept| kept.at == *at))
            .flat_map(|at| all_workers(at, &self.kinds[at]))
            .filter(|worker| !worker.room.busy && !worker.view.may_be_held && !worker.view.has_output)
            .min_by_key(|worker| {
                (by_price(worker.at), worker.view.last_busy, Reverse(worker.room.closed), &worker.view.id)
            })
            .map(|worker| (worker.at, worker.place))
    }
}

/// A worker.
struct OpenWorker<'a> {
    at: usize,
    place: usize,
    view: &'a WorkerView,
    room: &'a Room,
}

fn all_workers<'a>(at: usize, kind: &'a Kind<'_>) -> impl Iterator<Item = OpenWorker<'a>> {
    kind.workers.iter().zip(kind.ready.iter()).enumerate().map(move |(place, (view, room))| OpenWorker {
        at,
        place,
        view,
        room,
    })
}

fn open_workers<'a>(at: usize, kind: &'a Kind<'_>) -> impl Iterator<Item = OpenWorker<'a>> {
    all_workers(at, kind).filter(|worker| !worker.room.closed && worker.room.jobs_left != Some(0))
}
