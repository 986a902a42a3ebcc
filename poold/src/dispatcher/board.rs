//! Every job that is not final, in memory, and the rules by which jobs move on. No I/O and no clock.
//!
//! A pass of the dispatcher changes the board, commits the changes to the queue, and only then acts on them. When the
//! commit fails, [`Board::roll_back`] makes the board what it was.

use crate::{
    job::{Assigned, Finish, HistoryEntry, Job, JobRequest, JobState, Moment, Record},
    queue::{Change, NewJob},
};
use pool_core::{JobGroup, JobId, QueuedJob, Resources, WaitingJobs};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The rules' numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Attempts of a job that names none.
    pub(crate) max_attempts: u32,
    /// After so many losses to preemption a job avoids preemptible instances, and further ones count as attempts.
    pub(crate) max_preemptions: u32,
    /// How often in a row a job may be refused by its workers before it is given up.
    pub(crate) max_refusals: u32,
}

/// A job that is not final.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished {
    pub(crate) number: u64,
    pub(crate) id: JobId,
    pub(crate) submitted: Moment,
    pub(crate) record: Record,
    pub(crate) resources: Resources,
    pub(crate) group: Option<JobGroup>,
    /// As it was asked for.
    preemptible: bool,
    /// Whether it also fits a type that is not preemptible.
    fits_on_demand: bool,
    attempts: Option<u32>,
    rerun_if_unknown: bool,
    /// Not to be planned for now: it has just been refused.
    deferred: bool,
    /// By its workers, in a row, since this process started.
    refusals: u32,
    /// How often in a row it was deferred, since this process started.
    pub(crate) deferrals: u32,
}

impl Unfinished {
    /// Its present or last run.
    pub(crate) fn run(&self) -> u32 {
        self.record.runs
    }

    /// Given to a worker, and not known to have left it.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.record.state, JobState::Locked | JobState::Running)
    }

    /// Queued, and not to be started.
    pub(crate) fn is_stopped(&self) -> bool {
        self.record.state == JobState::Queued && self.record.priority == 0
    }

    /// As the planner sees it; none while it is not to be started.
    fn queued(&self, limits: &Limits) -> Option<QueuedJob> {
        let waits = self.record.state == JobState::Queued && !self.deferred && self.record.cancel.is_none();
        let spared = self.record.preemptions >= limits.max_preemptions && self.fits_on_demand;
        waits.then(|| QueuedJob {
            id: self.id.clone(),
            number: self.number,
            priority: self.record.priority,
            resources: self.resources,
            preemptible: self.preemptible && !spared,
            group: self.group.clone(),
        })
    }
}

/// Why a run is over without an end of its job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Setback {
    /// The pool did not take it, so no worker was asked.
    NotTaken { reason: String },
    /// The worker never started it.
    NotStarted { reason: String },
    /// The worker had it, and does not know it any longer.
    Denied,
    /// The worker is gone.
    WorkerGone,
    /// It ended, and nobody can tell how.
    EndUnknown,
}

impl Setback {
    /// It uses no attempt, and the job is not planned for again at once.
    pub(crate) fn is_before_the_start(&self) -> bool {
        matches!(self, Self::NotTaken { .. } | Self::NotStarted { .. })
    }
}

/// A job has come from one state into another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'a> {
    pub(crate) number: u64,
    pub(crate) was: JobState,
    pub(crate) at: Moment,
    /// As it is since then.
    pub(crate) record: &'a Record,
}

/// All jobs that are not final.
#[derive(Debug)]
pub(crate) struct Board {
    limits: Limits,
    jobs: BTreeMap<u64, Unfinished>,
    waiting: WaitingJobs,
    /// How many are queued with priority 0.
    stopped: usize,
    active: BTreeSet<u64>,
    /// Active, and to be ended.
    ending: BTreeSet<u64>,
    active_by_group: BTreeMap<JobGroup, u32>,
    next_number: u64,
    changes: Vec<Change>,
    /// Which changes brought a job into another state, and from which.
    moves: Vec<(usize, JobState)>,
    /// What changed in this pass, as it was before.
    undo: BTreeMap<u64, Option<Unfinished>>,
    undo_next_number: u64,
    /// Jobs that became final in this pass.
    finished: Vec<Unfinished>,
}

impl Board {
    pub(crate) fn new(limits: Limits, next_number: u64) -> Self {
        Self {
            limits,
            jobs: BTreeMap::new(),
            waiting: WaitingJobs::default(),
            stopped: 0,
            active: BTreeSet::new(),
            ending: BTreeSet::new(),
            active_by_group: BTreeMap::new(),
            next_number,
            changes: Vec::new(),
            moves: Vec::new(),
            undo: BTreeMap::new(),
            undo_next_number: next_number,
            finished: Vec::new(),
        }
    }

    /// Takes in a job that the queue had at the start.
    pub(crate) fn load(&mut self, job: &Job, fits_on_demand: bool) {
        let entry = entry(
            job.number,
            job.id.clone(),
            job.submitted,
            &job.request,
            fits_on_demand,
            job.record.clone(),
        );
        self.put(job.number, Some(entry));
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Unfinished> {
        self.jobs.get(&number)
    }

    pub(crate) fn waiting(&self) -> &WaitingJobs {
        &self.waiting
    }

    /// How many are queued with priority 0: they wait on purpose.
    pub(crate) fn stopped(&self) -> usize {
        self.stopped
    }

    pub(crate) fn active_by_group(&self) -> &BTreeMap<JobGroup, u32> {
        &self.active_by_group
    }

    /// Jobs that have a worker.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Unfinished> {
        self.active.iter().filter_map(|number| self.jobs.get(number))
    }

    /// Jobs that have a worker and are to be ended.
    pub(crate) fn ending(&self) -> impl Iterator<Item = &Unfinished> {
        self.ending.iter().filter_map(|number| self.jobs.get(number))
    }

    /// Adds jobs, in this order. Returns their numbers.
    pub(crate) fn submit(
        &mut self,
        now: Moment,
        request_id: Option<String>,
        jobs: Vec<(Arc<JobRequest>, JobId, bool)>,
    ) -> std::ops::Range<u64> {
        let first = self.next_number;
        let mut new = Vec::with_capacity(jobs.len());
        for (request, id, fits_on_demand) in jobs {
            let number = self.next_number;
            self.next_number += 1;
            let record = Record::new(request.priority);
            self.change(number, Some(entry(number, id, now, &request, fits_on_demand, record)));
            new.push(NewJob { number, submitted: now, request });
        }
        self.changes.push(Change::Submit { request_id, jobs: new });
        first..self.next_number
    }

    /// What was asked for by a job that is new in this pass, and so not in the queue yet.
    pub(crate) fn new_request(&self, number: u64) -> Option<Arc<JobRequest>> {
        self.changes.iter().rev().find_map(|change| {
            let Change::Submit { jobs, .. } = change else { return None };
            let at = number.checked_sub(jobs.first()?.number)?;
            jobs.get(usize::try_from(at).ok()?).map(|job| job.request.clone())
        })
    }

    /// What was submitted in this pass under a request id: the numbers of its jobs.
    pub(crate) fn new_submission(&self, wanted: &str) -> Option<std::ops::Range<u64>> {
        self.changes.iter().find_map(|change| match change {
            Change::Submit { request_id: Some(id), jobs } if id == wanted => {
                let first = jobs.first()?.number;
                Some(first..first + jobs.len() as u64)
            }
            _ => None,
        })
    }

    /// The number of the next new job.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Gives a job to a worker.
    pub(crate) fn lock(&mut self, now: Moment, number: u64, worker: Assigned) {
        self.update(number, now, |job| {
            let job = &mut job.record;
            let detail =
                format!("given to {} ({}) as run {}", worker.instance, worker.instance_type, job.runs + 1);
            job.state = JobState::Locked;
            job.runs += 1;
            job.attempts += 1;
            job.worker = Some(worker);
            job.locked = Some(now);
            job.started = None;
            Some(detail)
        });
    }

    /// Its worker has confirmed it.
    pub(crate) fn started(&mut self, now: Moment, number: u64) {
        self.update(number, now, |job| {
            (job.refusals, job.deferrals) = (0, 0);
            job.record.state = JobState::Running;
            job.record.started = Some(now);
            Some("its worker has started it".to_owned())
        });
    }

    /// Keeps what is known of the last run.
    pub(crate) fn note(&mut self, now: Moment, number: u64, note: impl FnOnce(&mut Record)) {
        self.update(number, now, |job| {
            note(&mut job.record);
            None
        });
    }

    /// It has come to its end.
    pub(crate) fn finish(&mut self, now: Moment, number: u64, finish: Finish) {
        let detail = match &finish {
            Finish::Exited { code } => format!("exit code {code}"),
            Finish::Signaled { signal } => format!("ended by signal {signal}"),
            Finish::NotStarted { reason } => format!("it could not be started: {reason}"),
            Finish::Cancelled { reason } => reason.clone(),
        };
        self.update(number, now, |job| {
            let job = &mut job.record;
            job.state = finish.state();
            job.ended = job.ended.or(Some(now));
            job.finish = Some(finish);
            Some(detail)
        });
        if let Some(job) = self.jobs.get(&number).cloned() {
            self.put(number, None);
            self.finished.push(job);
        }
    }

    /// Its run is over without an end: back into the queue, or given up.
    pub(crate) fn set_back(&mut self, now: Moment, number: u64, setback: &Setback) {
        let Some(job) = self.jobs.get(&number) else { return };
        let preemptible = job.record.worker.as_ref().is_some_and(|worker| worker.preemptible);
        let counts_as_preempted = *setback == Setback::WorkerGone
            && preemptible
            && job.record.preemptions < self.limits.max_preemptions;
        let before_the_start = setback.is_before_the_start();
        let allowed = job.attempts.unwrap_or(self.limits.max_attempts);
        // What the pool does not take may have to wait for long: for the end of a run that no worker should have.
        let refusals = match setback {
            Setback::NotTaken { .. } => job.refusals,
            Setback::NotStarted { .. } => job.refusals + 1,
            Setback::Denied | Setback::WorkerGone | Setback::EndUnknown => 0,
        };
        let deferrals = if before_the_start { job.deferrals.saturating_add(1) } else { 0 };
        let why = match setback {
            Setback::NotTaken { reason } => format!("it was not given to its worker: {reason}"),
            Setback::NotStarted { reason } => format!("its worker did not start it: {reason}"),
            Setback::Denied => "its worker does not know it any longer".to_owned(),
            Setback::WorkerGone if counts_as_preempted => "its preemptible worker is gone".to_owned(),
            Setback::WorkerGone => "its worker is gone".to_owned(),
            Setback::EndUnknown => "it ended while nobody watched: how is not known".to_owned(),
        };
        let given_up = if let Some(reason) = &job.record.cancel {
            Some(reason.clone())
        } else if *setback == Setback::EndUnknown && !job.rerun_if_unknown {
            Some(why.clone())
        } else if matches!(setback, Setback::NotStarted { .. }) && refusals >= self.limits.max_refusals {
            Some(format!("given up after {refusals} refusals in a row: {why}"))
        } else if !before_the_start && !counts_as_preempted && job.record.attempts >= allowed {
            Some(format!("given up after {} of {allowed} attempts: {why}", job.record.attempts))
        } else {
            None
        };
        self.update(number, now, |job| {
            (job.refusals, job.deferrals) = (refusals, deferrals);
            job.deferred = before_the_start;
            let job = &mut job.record;
            if before_the_start || counts_as_preempted {
                job.attempts = job.attempts.saturating_sub(1);
            }
            job.preemptions += u32::from(counts_as_preempted);
            if given_up.is_some() {
                return None;
            }
            job.state = JobState::Queued;
            job.ended = None;
            Some(format!("queued again: {why}"))
        });
        if let Some(reason) = given_up {
            self.finish(now, number, Finish::Cancelled { reason });
        }
    }

    /// A refused job may be planned for again. Not a part of the pass: a commit that fails does not take it back.
    pub(crate) fn end_deferral(&mut self, number: u64) {
        if let Some(mut job) = self.jobs.get(&number).cloned() {
            job.deferred = false;
            self.put(number, Some(job));
        }
        if let Some(Some(before)) = self.undo.get_mut(&number) {
            before.deferred = false;
        }
    }

    /// Ends a job: at once if it waits, else when its worker has ended it. False if it is not there.
    pub(crate) fn cancel(&mut self, now: Moment, number: u64, reason: &str) -> bool {
        let Some(job) = self.jobs.get(&number) else { return false };
        if job.is_active() {
            if job.record.cancel.is_none() {
                self.update(number, now, |job| {
                    job.record.cancel = Some(reason.to_owned());
                    Some(format!("to be ended: {reason}"))
                });
            }
        } else {
            self.finish(now, number, Finish::Cancelled { reason: reason.to_owned() });
        }
        true
    }

    /// Another priority; 0 stops a job that has a worker. False if it is not there.
    pub(crate) fn set_priority(&mut self, now: Moment, number: u64, priority: u32) -> bool {
        let Some(job) = self.jobs.get(&number) else { return false };
        let stop = priority == 0 && job.is_active();
        if job.record.priority != priority {
            self.update(number, now, |job| {
                let detail = format!("priority {priority}, was {}", job.record.priority);
                job.record.priority = priority;
                Some(detail)
            });
        }
        if stop {
            self.cancel(now, number, "its priority was set to 0");
        }
        true
    }

    /// What is to be committed.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What of that brings a job into another state, in order.
    pub(crate) fn moves(&self) -> impl Iterator<Item = Move<'_>> {
        self.moves.iter().filter_map(|(at, was)| match self.changes.get(*at)? {
            Change::Update { number, record, history: Some(entry) } => {
                Some(Move { number: *number, was: *was, at: entry.at, record })
            }
            // A change of the state is always worth a line.
            Change::Update { .. } | Change::Submit { .. } | Change::Prune { .. } => None,
        })
    }

    /// Jobs that become final by this pass.
    pub(crate) fn finished(&self) -> &[Unfinished] {
        &self.finished
    }

    /// The changes are durable. Returns the jobs that have become final by them.
    pub(crate) fn committed(&mut self) -> Vec<Unfinished> {
        self.changes.clear();
        self.moves.clear();
        self.undo.clear();
        self.undo_next_number = self.next_number;
        std::mem::take(&mut self.finished)
    }

    /// The changes could not be made durable: all is as it was before them.
    pub(crate) fn roll_back(&mut self) {
        self.changes.clear();
        self.moves.clear();
        self.finished.clear();
        self.next_number = self.undo_next_number;
        for (number, before) in std::mem::take(&mut self.undo) {
            self.put(number, before);
        }
    }

    /// Changes a job. `change` returns the line for the history, if it is worth one.
    fn update(&mut self, number: u64, now: Moment, change: impl FnOnce(&mut Unfinished) -> Option<String>) {
        let Some(mut job) = self.jobs.get(&number).cloned() else { return };
        let was = job.record.state;
        let history =
            change(&mut job).map(|detail| HistoryEntry { at: now, state: job.record.state, detail });
        if job.record.state != was {
            self.moves.push((self.changes.len(), was));
        }
        self.changes.push(Change::Update { number, record: Box::new(job.record.clone()), history });
        self.change(number, Some(job));
    }

    fn change(&mut self, number: u64, to: Option<Unfinished>) {
        let before = self.jobs.get(&number).cloned();
        self.undo.entry(number).or_insert(before);
        self.put(number, to);
    }

    /// The one place where jobs enter, change and leave: keeps the indexes true.
    fn put(&mut self, number: u64, to: Option<Unfinished>) {
        if let Some(old) = self.jobs.remove(&number) {
            self.waiting.remove(&old.id);
            self.stopped -= usize::from(old.is_stopped());
            self.ending.remove(&number);
            if self.active.remove(&number)
                && let Some(group) = &old.group
                && let Some(count) = self.active_by_group.get_mut(group)
            {
                *count -= 1;
                if *count == 0 {
                    self.active_by_group.remove(group);
                }
            }
        }
        let Some(job) = to else { return };
        self.stopped += usize::from(job.is_stopped());
        if let Some(queued) = job.queued(&self.limits) {
            self.waiting.insert(queued);
        }
        if job.is_active() {
            self.active.insert(number);
            if job.record.cancel.is_some() {
                self.ending.insert(number);
            }
            if let Some(group) = &job.group {
                *self.active_by_group.entry(group.clone()).or_default() += 1;
            }
        }
        self.jobs.insert(number, job);
    }
}

fn entry(
    number: u64,
    id: JobId,
    submitted: Moment,
    request: &JobRequest,
    fits_on_demand: bool,
    record: Record,
) -> Unfinished {
    Unfinished {
        number,
        id,
        submitted,
        record,
        resources: request.resources(),
        group: request.group.clone(),
        preemptible: request.preemptible,
        fits_on_demand,
        attempts: request.attempts,
        rerun_if_unknown: request.rerun_if_unknown,
        deferred: false,
        refusals: 0,
        deferrals: 0,
    }
}
