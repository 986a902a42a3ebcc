//! Why jobs wait, and for how long: asked of each pass' plan, which holds until the next.

use pool_core::{JobGroup, QueuedJob, Resources, WaitReason};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Reasons whose texts are kept at hand.
const REMEMBERED: usize = 64;

/// A reason, and all the time that jobs have waited for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cause {
    /// [`WaitReason::kind`].
    pub(super) kind: &'static str,
    /// Without the names of single workers and jobs.
    pub(super) text: String,
    pub(super) remedy: Option<String>,
    /// In milliseconds, of all jobs together.
    pub(super) waited: u128,
}

/// How many jobs wait for it at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Waiters {
    /// Its place among the causes.
    pub(super) cause: usize,
    pub(super) jobs: u64,
    /// The number of the first of them.
    pub(super) first: u64,
}

/// What jobs have in common that a plan treats alike: what the first of them cannot have, no later one can.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Class {
    amounts: [u64; 4],
    preemptible: bool,
    group: Option<JobGroup>,
    /// Priority 0.
    stopped: bool,
}

impl Class {
    fn of(job: &QueuedJob) -> Self {
        let Resources { cpus, memory, scratch, gpus } = job.resources;
        Self {
            amounts: [cpus.as_millis(), memory.0, scratch.0, u64::from(gpus)],
            preemptible: job.preemptible,
            group: job.group.clone(),
            stopped: job.priority == 0,
        }
    }
}

/// In the order in which they are served.
type Turn = (Reverse<u32>, u64);

/// The jobs that wait, and for what.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    classes: Vec<BTreeSet<Turn>>,
    places: BTreeMap<Class, usize>,
    /// Of each job: its class and turn.
    jobs: BTreeMap<u64, (usize, Turn)>,
    /// Those that no plan looks at for a moment, for they were refused by their worker.
    refused: BTreeSet<u64>,
    causes: Vec<Cause>,
    known: Vec<(WaitReason, usize)>,
    now: Vec<Waiters>,
    since: Duration,
}

impl Waiting {
    /// Counts what was true until now.
    pub(super) fn settle(&mut self, now: Duration) {
        let lasted = now.saturating_sub(self.since).as_millis();
        self.since = now;
        for waiters in &self.now {
            self.causes[waiters.cause].waited += u128::from(waiters.jobs) * lasted;
        }
    }

    /// A job waits, or waits in another way than before.
    pub(super) fn enter(&mut self, number: u64, queued: Option<&QueuedJob>) {
        self.leave(number);
        let Some(queued) = queued else {
            self.refused.insert(number);
            return;
        };
        let next = self.classes.len();
        let class = *self.places.entry(Class::of(queued)).or_insert(next);
        if class == next {
            self.classes.push(BTreeSet::new());
        }
        let turn = (Reverse(queued.priority), number);
        self.classes[class].insert(turn);
        self.jobs.insert(number, (class, turn));
    }

    /// A job does not wait any longer.
    pub(super) fn leave(&mut self, number: u64) {
        if let Some((class, turn)) = self.jobs.remove(&number) {
            self.classes[class].remove(&turn);
        }
        self.refused.remove(&number);
    }

    /// Jobs that were refused, and may be planned for by now.
    pub(super) fn refused(&self) -> Vec<u64> {
        self.refused.iter().copied().collect()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.jobs.len() + self.refused.len()
    }

    /// Asks the plan about the jobs that wait, from now on.
    ///
    /// Not about each: the jobs of a class that are served, whose worker comes, are the first of it; of the others only the
    /// first can have something kept for it, and all the rest have one reason.
    pub(super) fn look(&mut self, why: impl Fn(u64) -> Option<WaitReason>) {
        self.now.clear();
        for class in 0..self.classes.len() {
            let mut turns = std::mem::take(&mut self.classes[class]);
            self.look_at(&turns, &why);
            std::mem::swap(&mut self.classes[class], &mut turns);
        }
        let refused = self.refused.iter().next().copied();
        if let Some(first) = refused {
            let cause = self.cause_of(None);
            self.add(cause, self.refused.len() as u64, first);
        }
        #[cfg(test)]
        self.check(why);
    }

    /// Asking about each job gives the same.
    #[cfg(test)]
    fn check(&mut self, why: impl Fn(u64) -> Option<WaitReason>) {
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        let all: Vec<u64> = self.jobs.keys().chain(&self.refused).copied().collect();
        for number in all {
            *counts.entry(self.cause_of(why(number))).or_default() += 1;
        }
        let told: BTreeMap<usize, u64> =
            self.now.iter().map(|waiters| (waiters.cause, waiters.jobs)).collect();
        assert_eq!(told, counts, "{:?}", self.causes);
    }

    fn look_at(&mut self, turns: &BTreeSet<Turn>, why: &impl Fn(u64) -> Option<WaitReason>) {
        let mut left = turns.len() as u64;
        let mut turns = turns.iter().map(|(_, number)| *number);
        while let Some(number) = turns.next() {
            let reason = why(number);
            let served = matches!(reason, None | Some(WaitReason::Booting(_) | WaitReason::Creating(_)));
            let cause = self.cause_of(reason);
            self.add(cause, 1, number);
            left -= 1;
            if !served && let Some(next) = turns.next() {
                let cause = self.cause_of(why(next));
                return self.add(cause, left, next);
            }
        }
    }

    fn add(&mut self, cause: usize, jobs: u64, first: u64) {
        match self.now.iter_mut().find(|waiters| waiters.cause == cause) {
            Some(waiters) => {
                waiters.jobs += jobs;
                waiters.first = waiters.first.min(first);
            }
            None => self.now.push(Waiters { cause, jobs, first }),
        }
    }

    /// The place of a reason; of none, for a job that is looked at again in a moment.
    fn cause_of(&mut self, reason: Option<WaitReason>) -> usize {
        let Some(reason) = reason else {
            let text = "it could not be started on its worker: it is tried again soon";
            return self.place_of("refused", text, None);
        };
        if let Some((_, place)) = self.known.iter().find(|(known, _)| *known == reason) {
            return *place;
        }
        let place = self.place_of(reason.kind(), &general_text(&reason), reason.remedy());
        if self.known.len() == REMEMBERED {
            // The names of workers and jobs make ever new ones.
            self.known.clear();
        }
        self.known.push((reason, place));
        place
    }

    fn place_of(&mut self, kind: &'static str, text: &str, remedy: Option<String>) -> usize {
        let found = self.causes.iter().position(|cause| cause.kind == kind && cause.text == text);
        found.unwrap_or_else(|| {
            self.causes.push(Cause { kind, text: text.to_owned(), remedy, waited: 0 });
            self.causes.len() - 1
        })
    }

    pub(super) fn causes(&self) -> &[Cause] {
        &self.causes
    }

    pub(super) fn now(&self) -> &[Waiters] {
        &self.now
    }
}

/// The reason's text without the names of single workers and jobs.
fn general_text(reason: &WaitReason) -> String {
    match reason {
        WaitReason::Reserved { because, .. } => {
            format!("{because}; a worker takes no later jobs until this one fits on it")
        }
        WaitReason::MakingRoom { because, .. } => {
            format!("{because}; a worker of another type takes no later jobs and goes when it is idle")
        }
        WaitReason::KeptForAnother { .. } => {
            "it would fit on a worker that is kept for a job that comes before it".to_owned()
        }
        WaitReason::PriceKept { .. } => {
            "what the spend cap leaves is kept for a job that comes before it".to_owned()
        }
        other => other.to_string(),
    }
}
