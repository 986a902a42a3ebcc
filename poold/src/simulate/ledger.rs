//! What happens, counted: taken from the world's events and from what becomes durable in the queue.

use super::{
    series::{Counts, Series},
    types::TypeTally,
    waiting::Waiting,
};
use crate::{
    dispatcher::PassReport,
    job::{Finish, JobState, QueueTag, Record},
    queue::Change,
    simulation::place_of,
};
use driver_loopback::sim::SimEvent;
use pool_core::{InstanceId, InstanceType, InstanceTypeName, JobId, Lifecycle, RunId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Where a job is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It will be submitted.
    ToCome,
    Queued {
        since: Duration,
    },
    /// Given to a worker, which has not started it.
    Given {
        since: Duration,
    },
    /// Started, and not over as far as the queue knows.
    Started,
    Over {
        at: Duration,
        finish: Finish,
    },
}

/// What has become of a job.
#[derive(Clone, Debug)]
pub(super) struct JobLife {
    pub(super) stage: Stage,
    pub(super) priority: u32,
    /// In the queue or given to a worker, and not started.
    pub(super) waited: Duration,
    pub(super) runs: u32,
}

#[derive(Clone, Debug)]
struct InstanceLife {
    /// The place of its type.
    of: usize,
    /// The jobs that run on it.
    jobs: BTreeSet<JobId>,
}

/// Everything that is counted. Times are counted from the moment at which the program is ready.
#[derive(Debug)]
pub(super) struct Ledger {
    /// In the world's time; none: it has not begun.
    began: Option<Duration>,
    tag: Option<QueueTag>,
    pub(super) jobs: Vec<JobLife>,
    /// The place of each job, by its number in the queue.
    places: BTreeMap<u64, usize>,
    instances: BTreeMap<InstanceId, InstanceLife>,
    pub(super) types: Vec<TypeTally>,
    pub(super) waiting: Waiting,
    pub(super) counts: Counts,
    pub(super) series: Series,
    pub(super) most_instances: u64,
    /// In milliseconds: given to a worker, and not started yet.
    pub(super) starting: u128,
    pub(super) first_submission: Option<Duration>,
    pub(super) last_end: Option<Duration>,
    pub(super) over: usize,
    pub(super) passes: u64,
    min_idle: BTreeMap<InstanceTypeName, u32>,
}

impl Ledger {
    pub(super) fn new(
        jobs: usize,
        types: &[InstanceType],
        min_idle: BTreeMap<InstanceTypeName, u32>,
    ) -> Self {
        let job = JobLife { stage: Stage::ToCome, priority: 1, waited: Duration::ZERO, runs: 0 };
        Self {
            began: None,
            tag: None,
            jobs: vec![job; jobs],
            places: BTreeMap::new(),
            instances: BTreeMap::new(),
            types: types.iter().map(TypeTally::new).collect(),
            waiting: Waiting::default(),
            counts: Counts::default(),
            series: Series::default(),
            most_instances: 0,
            starting: 0,
            first_submission: None,
            last_end: None,
            over: 0,
            passes: 0,
            min_idle,
        }
    }

    /// Time is counted from now on.
    pub(super) fn begin(&mut self, now: Duration) {
        self.began = Some(now);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.began.is_some()
    }

    /// How much of the counted time has passed.
    pub(super) fn time(&self, now: Duration) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.saturating_sub(began))
    }

    /// Which job has this number in the queue: its place in the list.
    pub(super) fn place(&self, number: u64) -> Option<usize> {
        self.places.get(&number).copied()
    }

    /// Something has happened in the world.
    pub(super) fn see(&mut self, now: Duration, event: &SimEvent) {
        let now = self.time(now);
        match event {
            SimEvent::Created { instance, instance_type, .. } => self.created(now, instance, instance_type),
            SimEvent::Gone { instance } => {
                self.emptied(now, instance);
                let Some(life) = self.instances.remove(instance) else { return };
                self.types[life.of].instances -= 1;
                self.counts.instances -= 1;
                self.counts.price -= self.types[life.of].price.as_micros();
            }
            SimEvent::Lifecycle { instance, lifecycle: Lifecycle::Stopped } => self.emptied(now, instance),
            SimEvent::RunStarted { instance, run, .. } => self.started(now, instance, run),
            SimEvent::RunEnded { instance, run, .. } => self.ended(now, instance, &run.job),
            _ => return,
        }
        self.series.note(now, self.counts);
    }

    fn created(&mut self, now: Duration, instance: &InstanceId, name: &InstanceTypeName) {
        let Some(of) = self.types.iter().position(|of| of.name == *name) else { return };
        self.instances.insert(instance.clone(), InstanceLife { of, jobs: BTreeSet::new() });
        let tally = &mut self.types[of];
        tally.settle(now);
        tally.created += 1;
        tally.instances += 1;
        tally.most = tally.most.max(tally.instances);
        self.counts.instances += 1;
        self.counts.price += tally.price.as_micros();
        self.most_instances = self.most_instances.max(self.counts.instances);
    }

    fn started(&mut self, now: Duration, instance: &InstanceId, run: &RunId) {
        if let Some(life) = self.instances.get_mut(instance) {
            let tally = &mut self.types[life.of];
            tally.settle(now);
            tally.runs += 1;
            if life.jobs.is_empty() {
                tally.busy += 1;
                self.counts.busy += 1;
            }
            if life.jobs.insert(run.job.clone()) {
                self.counts.running += 1;
            }
        }
        let number = self.tag.as_ref().and_then(|tag| tag.number(&run.job));
        let Some(place) = number.and_then(|number| self.place(number)) else { return };
        self.jobs[place].runs += 1;
        if matches!(self.jobs[place].stage, Stage::Queued { .. } | Stage::Given { .. }) {
            self.moves(now, place, Stage::Started);
        }
    }

    fn ended(&mut self, now: Duration, instance: &InstanceId, job: &JobId) {
        let Some(life) = self.instances.get_mut(instance) else { return };
        let tally = &mut self.types[life.of];
        tally.settle(now);
        if life.jobs.remove(job) {
            self.counts.running -= 1;
            if life.jobs.is_empty() {
                tally.busy -= 1;
                self.counts.busy -= 1;
            }
        }
    }

    /// Whatever ran on it has ended.
    fn emptied(&mut self, now: Duration, instance: &InstanceId) {
        let Some(life) = self.instances.get_mut(instance) else { return };
        let tally = &mut self.types[life.of];
        tally.settle(now);
        if !life.jobs.is_empty() {
            self.counts.running -= life.jobs.len() as u64;
            tally.busy -= 1;
            self.counts.busy -= 1;
            life.jobs.clear();
        }
    }

    /// The scheduler has made a pass.
    pub(super) fn pass(&mut self, now: Duration, report: &PassReport<'_>) {
        let now = self.time(now);
        self.passes += 1;
        if self.tag.is_none() {
            self.tag = Some(report.tag.clone());
        }
        self.waiting.settle(now);
        for change in report.changes {
            match change {
                Change::Submit { jobs, .. } => {
                    for job in jobs {
                        let Some(place) = place_of(&job.request.command) else { continue };
                        self.places.insert(job.number, place);
                        self.first_submission.get_or_insert(now);
                        self.jobs[place].priority = job.request.priority;
                        self.moves(now, place, Stage::Queued { since: now });
                        self.enter(job.number, report);
                    }
                }
                Change::Update { number, record, .. } => self.updated(now, *number, record, report),
                Change::Prune { .. } => {}
            }
        }
        for number in self.waiting.refused() {
            self.enter(number, report);
        }
        self.waiting.look(|number| report.plan.why(report.waiting, &report.tag.job_id(number)));
        self.series.note(now, self.counts);
    }

    fn enter(&mut self, number: u64, report: &PassReport<'_>) {
        self.waiting.enter(number, report.waiting.get(&report.tag.job_id(number)));
    }

    fn updated(&mut self, now: Duration, number: u64, record: &Record, report: &PassReport<'_>) {
        let Some(place) = self.place(number) else { return };
        self.jobs[place].priority = record.priority;
        if record.state == JobState::Queued {
            self.enter(number, report);
        } else {
            self.waiting.leave(number);
        }
        let next = match (record.state, &self.jobs[place].stage) {
            (JobState::Queued, Stage::Queued { .. }) | (JobState::Locked, Stage::Given { .. }) => return,
            (JobState::Queued, _) => Stage::Queued { since: now },
            // The world says when it is started.
            (JobState::Locked, _) => Stage::Given { since: now },
            (JobState::Running, _) => return,
            (JobState::Complete | JobState::Cancelled, _) => {
                let Some(finish) = record.finish.clone() else { return };
                Stage::Over { at: now, finish }
            }
        };
        self.moves(now, place, next);
    }

    /// A job goes on to another stage.
    fn moves(&mut self, now: Duration, place: usize, next: Stage) {
        let job = &mut self.jobs[place];
        match job.stage {
            Stage::Queued { since } => {
                job.waited += now.saturating_sub(since);
                self.counts.waiting -= 1;
            }
            Stage::Given { since } => {
                let waited = now.saturating_sub(since);
                job.waited += waited;
                self.starting += waited.as_millis();
                self.counts.waiting -= 1;
            }
            Stage::ToCome | Stage::Started | Stage::Over { .. } => {}
        }
        match next {
            Stage::Queued { .. } | Stage::Given { .. } => self.counts.waiting += 1,
            Stage::Over { .. } => {
                self.over += 1;
                self.last_end = Some(now);
            }
            Stage::ToCome | Stage::Started => {}
        }
        job.stage = next;
    }

    /// It is over, at this counted time.
    pub(super) fn close(&mut self, now: Duration) {
        self.waiting.settle(now);
        for of in &mut self.types {
            of.settle(now);
        }
        for job in &mut self.jobs {
            match job.stage {
                Stage::Queued { since } => job.waited += now.saturating_sub(since),
                Stage::Given { since } => {
                    job.waited += now.saturating_sub(since);
                    self.starting += now.saturating_sub(since).as_millis();
                }
                _ => {}
            }
        }
        self.series.note(now, self.counts);
    }

    /// Nothing will happen any more: no job can run, and of the instances only those are left that are kept idle.
    pub(super) fn is_done(&self) -> bool {
        let kept = |of: &TypeTally| self.min_idle.get(&of.name).map_or(0, |count| u64::from(*count));
        if self.types.iter().any(|of| of.instances > kept(of)) {
            return false;
        }
        // Jobs of priority 0 are not started.
        let can_run = |job: &JobLife| match job.stage {
            Stage::Over { .. } => false,
            Stage::Queued { .. } => job.priority > 0,
            Stage::ToCome | Stage::Given { .. } | Stage::Started => true,
        };
        let left = self.jobs.len() - self.over;
        left == 0 || (left == self.waiting.len() && !self.jobs.iter().any(can_run))
    }
}
