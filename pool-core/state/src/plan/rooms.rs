//! What is free on many workers, so that one with room is found without looking at each.

use pool_api::Resources;

/// A row of places, each with an amount or none, and over it a tree of what is the most of each resource among them: so
/// the first place that has enough is found by a walk down.
#[derive(Clone, Debug, Default)]
struct Row {
    /// Node 1 is the root, the children of node n are 2n and 2n+1, the last `width` nodes are the places.
    nodes: Vec<Option<Resources>>,
    width: usize,
}

/// All that either has: an upper bound of both.
fn most(a: Option<Resources>, b: Option<Resources>) -> Option<Resources> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    Some(Resources {
        cpus: a.cpus.max(b.cpus),
        memory: a.memory.max(b.memory),
        scratch: a.scratch.max(b.scratch),
        gpus: a.gpus.max(b.gpus),
    })
}

impl Row {
    fn new(places: &[Option<Resources>]) -> Self {
        let width = places.len().next_power_of_two();
        let mut nodes = vec![None; 2 * width];
        nodes[width..width + places.len()].copy_from_slice(places);
        let mut row = Self { nodes, width };
        for node in (1..width).rev() {
            row.update(node);
        }
        row
    }

    fn update(&mut self, node: usize) {
        self.nodes[node] = most(self.nodes[2 * node], self.nodes[2 * node + 1]);
    }

    fn set(&mut self, place: usize, amount: Option<Resources>) {
        if place >= self.width {
            let mut places = self.nodes[self.width..].to_vec();
            places.resize(place + 1, None);
            *self = Self::new(&places);
        }
        let mut node = self.width + place;
        if std::mem::replace(&mut self.nodes[node], amount) == amount {
            return;
        }
        while node > 1 {
            node /= 2;
            let before = self.nodes[node];
            self.update(node);
            if self.nodes[node] == before {
                break;
            }
        }
    }

    /// The most of each resource in any place; none if no place has an amount.
    fn most(&self) -> Option<Resources> {
        self.nodes.get(1).copied().flatten()
    }

    fn first_with(&self, wanted: &Resources) -> Option<usize> {
        let enough = |node: usize| self.nodes[node].as_ref().is_some_and(|most| wanted.fits_in(most));
        // The most of each resource may be in different places: a walk may end in vain and go on to the right.
        let mut node = 1;
        if self.width == 0 || !enough(node) {
            return None;
        }
        loop {
            if node >= self.width {
                return Some(node - self.width);
            }
            node *= 2;
            while !enough(node) {
                // Up from every right child, then to the sibling.
                while node % 2 == 1 {
                    node /= 2;
                    if node <= 1 {
                        return None;
                    }
                }
                node += 1;
            }
        }
    }
}

/// What is free on one worker.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Room {
    pub(super) free: Resources,
    /// It has jobs.
    pub(super) busy: bool,
    /// A job of unknown size has it to itself.
    pub(super) filled: bool,
    /// It takes no further jobs in this plan.
    pub(super) closed: bool,
    /// How many more jobs it may get in its life; none: no limit.
    pub(super) jobs_left: Option<u32>,
}

impl Room {
    pub(super) fn untouched(has: Resources, jobs_left: Option<u32>) -> Self {
        Self { free: has, busy: false, filled: false, closed: false, jobs_left }
    }

    /// Whether it takes any further jobs.
    fn is_open(&self) -> bool {
        !self.closed && !self.filled && self.jobs_left != Some(0)
    }

    /// What is free, if it takes further jobs and has some (`busy`) or none.
    fn open(&self, busy: bool) -> Option<Resources> {
        (self.busy == busy && self.is_open()).then_some(self.free)
    }

    /// Whether a job fits here now.
    pub(super) fn takes(&self, wanted: &Resources) -> bool {
        self.is_open() && !(self.busy && is_whole(wanted)) && wanted.fits_in(&self.free)
    }
}

/// A job that says nothing of its size has a worker to itself.
pub(super) fn is_whole(wanted: &Resources) -> bool {
    *wanted == Resources::default()
}

/// The workers of one type.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms {
    rooms: Vec<Room>,
    /// What is free on those that have jobs and take more.
    shared: Row,
    /// What is free on those that have none.
    idle: Row,
}

impl Rooms {
    /// In the order in which they are to be used.
    pub(super) fn new(rooms: Vec<Room>) -> Self {
        let row = |busy| Row::new(&rooms.iter().map(|room| room.open(busy)).collect::<Vec<_>>());
        Self { shared: row(true), idle: row(false), rooms }
    }

    pub(super) fn get(&self, place: usize) -> Option<&Room> {
        self.rooms.get(place)
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter()
    }

    /// Adds one at the end. Returns its place.
    pub(super) fn push(&mut self, room: Room) -> usize {
        self.rooms.push(room);
        let place = self.rooms.len() - 1;
        self.update(place);
        place
    }

    /// The first that has jobs and room for this one.
    pub(super) fn first_shared(&self, wanted: &Resources) -> Option<usize> {
        if is_whole(wanted) { None } else { self.shared.first_with(wanted) }
    }

    /// The first without jobs that this one fits on.
    pub(super) fn first_idle(&self, wanted: &Resources) -> Option<usize> {
        self.idle.first_with(wanted)
    }

    /// Puts as many jobs as `more` says onto one worker, while they fit. Returns how many.
    pub(super) fn fill(&mut self, place: usize, wanted: &Resources, mut more: impl FnMut() -> bool) -> usize {
        let mut count = 0;
        if let Some(room) = self.rooms.get_mut(place) {
            while room.takes(wanted) && more() {
                room.free = room.free.saturating_sub(wanted);
                room.busy = true;
                room.filled |= is_whole(wanted);
                room.jobs_left = room.jobs_left.map(|left| left.saturating_sub(1));
                count += 1;
            }
        }
        self.update(place);
        count
    }

    /// It takes no further jobs.
    pub(super) fn close(&mut self, place: usize) {
        if let Some(room) = self.rooms.get_mut(place) {
            room.closed = true;
        }
        self.update(place);
    }

    /// Whether any takes jobs and has none.
    pub(super) fn has_idle(&self) -> bool {
        self.idle.most().is_some()
    }

    /// Whether any might take one more job: one that shares a worker and asks for at least `smallest` (none: there is no
    /// such job), or any job on a worker that has none.
    pub(super) fn may_take(&self, smallest: Option<&Resources>) -> bool {
        let most = |row: &Row| row.nodes.get(1).copied().flatten();
        let sharing =
            smallest.zip(most(&self.shared)).is_some_and(|(smallest, most)| smallest.fits_in(&most));
        sharing || most(&self.idle).is_some()
    }

    fn update(&mut self, place: usize) {
        if let Some(room) = self.rooms.get(place) {
            self.shared.set(place, room.open(true));
            self.idle.set(place, room.open(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_api::Cpus;
    use proptest::prelude::*;

    fn amount(cpus: u32, gpus: u32) -> Resources {
        Resources { cpus: Cpus::whole(cpus), gpus, ..Resources::default() }
    }

    fn amounts() -> impl Strategy<Value = Option<Resources>> {
        prop::option::weighted(0.8, (0..8_u32, 0..8_u32).prop_map(|(cpus, gpus)| amount(cpus, gpus)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_first_place_with_enough_is_found_whatever_was_changed(
            first in prop::collection::vec(amounts(), 0..40),
            changes in prop::collection::vec((0..70_usize, amounts()), 0..40),
            wanted in (0..8_u32, 0..8_u32),
        ) {
            let wanted = amount(wanted.0, wanted.1);
            let mut row = Row::new(&first);
            let mut plain = first;
            for (place, to) in changes {
                plain.resize(plain.len().max(place + 1), None);
                plain[place] = to;
                row.set(place, to);
                let enough = |there: &Option<Resources>| there.is_some_and(|there| wanted.fits_in(&there));
                prop_assert_eq!(row.first_with(&wanted), plain.iter().position(enough));
                prop_assert_eq!(row.most(), plain.iter().copied().fold(None, most));
            }
        }
    }

    #[test]
    fn a_worker_is_filled_until_it_has_no_room_or_there_are_no_more_jobs() {
        let mut rooms = Rooms::new(vec![Room::untouched(amount(4, 0), None)]);
        assert_eq!(rooms.fill(0, &amount(1, 0), || true), 4);
        assert_eq!((rooms.first_shared(&amount(1, 0)), rooms.first_idle(&amount(1, 0))), (None, None));
        let place = rooms.push(Room::untouched(amount(4, 0), Some(3)));
        let mut jobs = 2;
        let more = || {
            jobs -= 1;
            jobs >= 0
        };
        assert_eq!(rooms.fill(place, &amount(1, 0), more), 2);
        assert_eq!(rooms.first_shared(&amount(1, 0)), Some(place));
        assert_eq!(rooms.fill(place, &amount(1, 0), || true), 1, "its last");
        assert_eq!(rooms.first_shared(&amount(1, 0)), None);
    }
}
