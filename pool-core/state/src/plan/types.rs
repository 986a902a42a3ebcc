//! The instance types with their workers, as a plan changes them.

use super::rooms::{Room, Rooms};
use crate::views::{PoolView, TypeView, WorkerView};
use pool_api::{InstanceTypeName, Resources};
use std::{cmp::Reverse, collections::BTreeMap};

/// One type.
pub(super) struct Kind<'a> {
    pub(super) view: &'a TypeView,
    pub(super) has: Resources,
    /// Workers that take jobs, in the order in which they are used: those that have jobs first, the one with the least
    /// room first; then those that have none, the most recently busy first.
    pub(super) workers: Vec<&'a WorkerView>,
    /// What is free on each of them.
    pub(super) ready: Rooms,
    /// What is free on those that are booting or being created, then on those that this plan creates.
    pub(super) coming: Rooms,
    /// How many of these were coming before this plan.
    pub(super) booting: usize,
    /// How many of these, the first, there are: the cloud has not answered the creates of the others.
    pub(super) created: usize,
    /// How many jobs one may get in its life; none: no limit.
    jobs_each: Option<u32>,
}

/// All types, cheapest first.
pub(super) fn kinds(pool: &PoolView) -> Vec<Kind<'_>> {
    let places: BTreeMap<&InstanceTypeName, usize> =
        pool.types.iter().enumerate().map(|(place, view)| (&view.instance_type.name, place)).collect();
    let mut workers: Vec<Vec<&WorkerView>> = vec![Vec::new(); pool.types.len()];
    for worker in &pool.workers {
        if let Some(place) = places.get(&worker.instance_type) {
            workers[*place].push(worker);
        }
    }
    let jobs_each = Some(pool.max_jobs_per_instance).filter(|limit| *limit > 0);
    pool.types.iter().zip(workers).map(|(view, workers)| Kind::new(view, workers, jobs_each)).collect()
}

impl<'a> Kind<'a> {
    fn new(view: &'a TypeView, mut workers: Vec<&'a WorkerView>, jobs_each: Option<u32>) -> Self {
        workers.sort_by(|a, b| order(a).cmp(&order(b)));
        let has = view.instance_type.resources();
        let rooms = workers.iter().map(|worker| Room {
            free: worker.free,
            busy: worker.busy,
            filled: worker.filled,
            closed: false,
            jobs_left: worker.jobs_left,
        });
        let ready = Rooms::new(rooms.collect());
        // Creates in flight, and workers that are booting or unknown: unallocated, and not among those that take jobs.
        let idle = workers.iter().filter(|worker| !worker.busy).count();
        let booting = view.unallocated.saturating_sub(idle);
        let coming = Rooms::new(vec![Room::untouched(has, jobs_each); booting]);
        let created = booting.saturating_sub(view.creating);
        Self { view, has, workers, ready, coming, booting, created, jobs_each }
    }

    /// How many have no job, nor will have by this plan, and stay.
    pub(super) fn without_jobs(&self) -> usize {
        let free = |room: &&Room| !room.busy && !room.closed;
        self.ready.iter().chain(self.coming.iter()).filter(free).count()
    }

    /// One that is asked for. Returns its place among those that are coming.
    pub(super) fn add_coming(&mut self) -> usize {
        self.coming.push(Room::untouched(self.has, self.jobs_each))
    }

    pub(super) fn name(&self) -> &InstanceTypeName {
        &self.view.instance_type.name
    }
}

fn order<'a>(worker: &'a WorkerView) -> impl Ord + use<'a> {
    let free = &worker.free;
    let room = worker.busy.then_some((free.gpus, free.cpus, free.memory, free.scratch));
    (!worker.busy, room, Reverse(worker.last_busy), &worker.id)
}

/// What decides whether a job may use a type, and at which price.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shape {
    has: Resources,
    price: f64,
    preemptible: bool,
}

impl Shape {
    pub(super) fn of(view: &TypeView) -> Self {
        let instance_type = &view.instance_type;
        Self {
            has: instance_type.resources(),
            price: instance_type.price.as_f64(),
            preemptible: instance_type.preemptible,
        }
    }
}

/// The types that a job may use, cheapest first: those that are large enough, of which it allows that they are
/// preemptible, and up to `price_factor` times as dear as the cheapest of them. Their places are put into `found`.
pub(super) fn candidates(
    types: &[Shape],
    resources: &Resources,
    preemptible: bool,
    price_factor: f64,
    found: &mut Vec<usize>,
) {
    found.clear();
    let mut limit = f64::INFINITY;
    for (place, shape) in types.iter().enumerate() {
        if shape.price > limit {
            break;
        }
        if (preemptible || !shape.preemptible) && resources.fits_in(&shape.has) {
            if found.is_empty() {
                limit = shape.price * price_factor.max(1.0);
            }
            found.push(place);
        }
    }
}
