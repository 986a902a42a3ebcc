//! The jobs that wait, in order, and by what they ask for.

use pool_api::{ByteSize, Cpus, JobGroup, JobId, Resources};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// A job that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuedJob {
    /// Which.
    pub id: JobId,
    /// Its place in the queue: smaller is earlier.
    pub number: u64,
    /// More goes first; jobs of one priority go by their number. Zero: it is not to be started.
    pub priority: u32,
    /// What it reserves. All zero: a whole worker.
    pub resources: Resources,
    /// Whether it may run on preemptible instances.
    pub preemptible: bool,
    /// What it belongs to, if its jobs are counted together.
    pub group: Option<JobGroup>,
}

impl QueuedJob {
    pub(super) fn rank(&self) -> Rank {
        Rank { priority: Reverse(self.priority), number: self.number, id: self.id.clone() }
    }

    fn class_key(&self) -> ClassKey {
        let Resources { cpus, memory: ByteSize(memory), scratch: ByteSize(scratch), gpus } = self.resources;
        let amounts = [cpus.as_millis(), memory, scratch, u64::from(gpus)];
        ClassKey { amounts, preemptible: self.preemptible, group: self.group.clone() }
    }
}

/// Who goes first: the smaller.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank {
    pub(super) priority: Reverse<u32>,
    number: u64,
    /// Last, so that the order is the same each time whatever the numbers are.
    pub(super) id: JobId,
}

/// What jobs of one class have in common: all that the plan looks at, but their rank.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct ClassKey {
    amounts: [u64; 4],
    preemptible: bool,
    group: Option<JobGroup>,
}

/// Names a class for as long as it has jobs; never used again for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ClassId {
    number: u64,
    /// Where it is.
    place: usize,
}

/// Jobs that differ in nothing but their rank: what one of them cannot have, no later one can.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) resources: Resources,
    pub(super) preemptible: bool,
    pub(super) group: Option<JobGroup>,
    pub(super) ranks: BTreeSet<Rank>,
}

/// The jobs that wait, indexed so that a plan need not look at each.
///
/// Keep one and tell it of each change: that costs O(log n), as everything here does that says nothing else.
#[derive(Clone, Debug, Default)]
pub struct WaitingJobs {
    jobs: BTreeMap<JobId, (QueuedJob, ClassId)>,
    order: BTreeSet<Rank>,
    /// By place. Places are used again.
    classes: Vec<Option<Class>>,
    free_places: Vec<usize>,
    class_ids: BTreeMap<ClassKey, ClassId>,
    /// The first job of each class.
    heads: BTreeSet<(Rank, ClassId)>,
    /// How many classes ask for each amount, by kind of resource. Classes that want a whole worker are not in it.
    amounts: [BTreeMap<u64, usize>; 4],
    next_class: u64,
}

impl WaitingJobs {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a job. Returns the one of the same id that it takes the place of, if there is one.
    pub fn insert(&mut self, job: QueuedJob) -> Option<QueuedJob> {
        let old = self.remove(&job.id);
        let rank = job.rank();
        let key = job.class_key();
        let id = match self.class_ids.get(&key) {
            Some(id) => *id,
            None => {
                let place = self.free_places.pop().unwrap_or(self.classes.len());
                if place == self.classes.len() {
                    self.classes.push(None);
                }
                let id = ClassId { number: self.next_class, place };
                self.next_class += 1;
                self.count_amounts(&key);
                self.class_ids.insert(key, id);
                id
            }
        };
        let class = self.classes[id.place].get_or_insert_with(|| Class {
            resources: job.resources,
            preemptible: job.preemptible,
            group: job.group.clone(),
            ranks: BTreeSet::new(),
        });
        let head = class.ranks.first();
        if head.is_none_or(|head| rank < *head) {
            if let Some(head) = head {
                self.heads.remove(&(head.clone(), id));
            }
            self.heads.insert((rank.clone(), id));
        }
        class.ranks.insert(rank.clone());
        self.order.insert(rank);
        self.jobs.insert(job.id.clone(), (job, id));
        old
    }

    /// Takes a job out. Returns it, if it was there.
    pub fn remove(&mut self, id: &JobId) -> Option<QueuedJob> {
        let (job, class_id) = self.jobs.remove(id)?;
        let rank = job.rank();
        self.order.remove(&rank);
        if let Some(class) = &mut self.classes[class_id.place] {
            class.ranks.remove(&rank);
            let entry = (rank, class_id);
            if self.heads.remove(&entry)
                && let Some(next) = class.ranks.first()
            {
                self.heads.insert((next.clone(), class_id));
            }
            if class.ranks.is_empty() {
                self.classes[class_id.place] = None;
                self.free_places.push(class_id.place);
                let key = job.class_key();
                self.class_ids.remove(&key);
                self.discount_amounts(&key);
            }
        }
        Some(job)
    }

    /// A job, if it waits.
    pub fn get(&self, id: &JobId) -> Option<&QueuedJob> {
        self.jobs.get(id).map(|(job, _)| job)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// All of them, first to last.
    pub fn iter(&self) -> impl Iterator<Item = &QueuedJob> {
        self.order.iter().filter_map(|rank| self.get(&rank.id))
    }

    /// How many go before this job, counted up to `most`; none if it does not wait. Costs a step for each that is counted.
    pub fn ahead_of(&self, id: &JobId, most: usize) -> Option<usize> {
        let rank = self.get(id)?.rank();
        Some(self.order.range(..rank).take(most).count())
    }

    /// The first job of each class, first to last.
    pub(super) fn heads(&self) -> impl Iterator<Item = (&Rank, ClassId)> {
        self.heads.iter().map(|(rank, class)| (rank, *class))
    }

    pub(super) fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.get(id.place)?.as_ref()
    }

    pub(super) fn class_of(&self, job: &JobId) -> Option<(ClassId, &Class)> {
        let (_, id) = self.jobs.get(job)?;
        Some((*id, self.class(*id)?))
    }

    /// Of each resource the least that any job asks for that shares a worker; none if there is no such job.
    pub(super) fn smallest(&self) -> Option<Resources> {
        let [cpus, memory, scratch, gpus] =
            self.amounts.each_ref().map(|counts| counts.keys().next().copied());
        Some(Resources {
            cpus: Cpus::from_millis(cpus?),
            memory: ByteSize(memory?),
            scratch: ByteSize(scratch?),
            gpus: u32::try_from(gpus?).unwrap_or(u32::MAX),
        })
    }

    fn count_amounts(&mut self, key: &ClassKey) {
        if key.amounts != [0; 4] {
            for (counts, amount) in self.amounts.iter_mut().zip(key.amounts) {
                *counts.entry(amount).or_default() += 1;
            }
        }
    }

    fn discount_amounts(&mut self, key: &ClassKey) {
        if key.amounts != [0; 4] {
            for (counts, amount) in self.amounts.iter_mut().zip(key.amounts) {
                if let Some(count) = counts.get_mut(&amount) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&amount);
                    }
                }
            }
        }
    }
}

impl FromIterator<QueuedJob> for WaitingJobs {
    fn from_iter<I: IntoIterator<Item = QueuedJob>>(jobs: I) -> Self {
        let mut all = Self::new();
        all.extend(jobs);
        all
    }
}

impl Extend<QueuedJob> for WaitingJobs {
    fn extend<I: IntoIterator<Item = QueuedJob>>(&mut self, jobs: I) {
        for job in jobs {
            self.insert(job);
        }
    }
}
