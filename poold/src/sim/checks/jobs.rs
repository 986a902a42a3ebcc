//! What must never become of jobs.

use super::checker::Checker;
use crate::job::{Finish, JobState, Record};
use driver_loopback::sim::SimEvent;
use pool_core::{InstanceId, JobId, Lifecycle, RunId};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of all jobs and their runs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// What the queue holds, durably.
    pub(super) records: BTreeMap<JobId, Record>,
    /// Whose processes run, and where.
    alive: BTreeMap<JobId, BTreeMap<RunId, InstanceId>>,
    started: BTreeSet<RunId>,
    /// Whose queue a job is in.
    owners: BTreeMap<JobId, u32>,
    /// Which program an instance last opened a session with.
    sessions: BTreeMap<InstanceId, u32>,
    /// How runs have ended, in the machine's words.
    ended: BTreeMap<RunId, String>,
    /// How many runs began.
    pub(super) runs: u64,
    /// How many jobs had more than one.
    pub(super) again: BTreeSet<JobId>,
}

impl Checker {
    /// Jobs that are in the queue, and those of them that are not final.
    pub(crate) fn unfinished<'a>(&self, jobs: impl IntoIterator<Item = &'a JobId>) -> usize {
        let is_final = |job: &JobId| self.jobs.records.get(job).is_some_and(|record| record.state.is_final());
        jobs.into_iter().filter(|job| !is_final(job)).count()
    }

    /// What the queue holds of a job, durably.
    pub(crate) fn record(&self, job: &JobId) -> Option<&Record> {
        self.jobs.records.get(job)
    }

    /// How many runs there were, and how many jobs had more than one.
    pub(crate) fn runs(&self) -> (u64, usize) {
        (self.jobs.runs, self.jobs.again.len())
    }

    pub(super) fn see_jobs(&mut self, event: &SimEvent) {
        match event {
            SimEvent::RunStarted { instance, run, .. } => self.run_started(instance, run),
            SimEvent::RunEnded { run, outcome, .. } => {
                self.jobs.ended.insert(run.clone(), outcome.clone());
                self.run_over(run);
            }
            SimEvent::SessionOpened { instance, program, .. } => {
                self.jobs.sessions.insert(instance.clone(), *program);
            }
            SimEvent::RunForgotten { instance, run, known: true } => self.run_forgotten(instance, run),
            SimEvent::Gone { instance } | SimEvent::Lifecycle { instance, lifecycle: Lifecycle::Stopped } => {
                let over: Vec<RunId> = self
                    .jobs
                    .alive
                    .values()
                    .flatten()
                    .filter(|(_, place)| *place == instance)
                    .map(|(run, _)| run.clone())
                    .collect();
                for run in over {
                    self.run_over(&run);
                }
            }
            _ => {}
        }
    }

    fn run_over(&mut self, run: &RunId) {
        if let Some(places) = self.jobs.alive.get_mut(&run.job) {
            places.remove(run);
            if places.is_empty() {
                self.jobs.alive.remove(&run.job);
            }
        }
    }

    fn run_started(&mut self, instance: &InstanceId, run: &RunId) {
        self.jobs.runs += 1;
        if run.attempt > 1 {
            self.jobs.again.insert(run.job.clone());
        }
        let elsewhere = self.jobs.alive.get(&run.job).and_then(|places| places.iter().next());
        if let Some((other, place)) = elsewhere {
            let what = format!("{run} begins on {instance} while {other} runs on {place}");
            self.broken("invariant_one_place", what);
        }
        if !self.jobs.started.insert(run.clone()) {
            self.broken("invariant_one_place", format!("{run} begins a second time, on {instance}"));
        }
        match self.jobs.records.get(&run.job) {
            None => {
                self.broken(
                    "invariant_durable",
                    format!("{run} begins, and the queue does not have its job"),
                );
            }
            Some(record) if record.state.is_final() => {
                let state = record.state;
                self.broken("invariant_final_once", format!("{run} begins, and its job is {state}"));
            }
            Some(record) => {
                let worker = record.worker.as_ref().map(|worker| &worker.instance);
                // A start that was lost on its way may arrive when its job was given to another worker: it must not.
                if record.runs != run.attempt || worker != Some(instance) {
                    let what = format!(
                        "{run} begins on {instance}, and the queue says run {} of {} on {worker:?}",
                        record.runs, record.state
                    );
                    self.broken("invariant_durable", what);
                }
            }
        }
        self.jobs.alive.entry(run.job.clone()).or_default().insert(run.clone(), instance.clone());
    }

    /// Only what nobody needs any longer may be forgotten. (A second program with the same instances forgets the first's
    /// runs, of which it knows nothing.)
    fn run_forgotten(&mut self, instance: &InstanceId, run: &RunId) {
        if self.jobs.owners.get(&run.job) != self.jobs.sessions.get(instance) {
            return;
        }
        let needed = self.jobs.records.get(&run.job).filter(|record| {
            record.runs == run.attempt && matches!(record.state, JobState::Locked | JobState::Running)
        });
        if let Some(record) = needed {
            let state = record.state;
            self.broken(
                "invariant_durable",
                format!("{run} is forgotten, and its job is {state} in the queue"),
            );
        }
    }

    pub(super) fn see_record(&mut self, program: u32, job: &JobId, record: &Record) {
        self.jobs.owners.insert(job.clone(), program);
        if let Some(before) = self.jobs.records.get(job)
            && before.state.is_final()
            && (before.state, &before.finish) != (record.state, &record.finish)
        {
            let (before, after) = (before.state, record.state);
            self.broken("invariant_final_once", format!("{job} was {before}, and becomes {after}"));
        }
        if let Some(finish) = &record.finish {
            self.check_finish(job, record.runs, finish);
        }
        self.jobs.records.insert(job.clone(), record.clone());
    }

    /// What a job is said to have come to is what its last run has come to.
    fn check_finish(&mut self, job: &JobId, run: u32, finish: &Finish) {
        let said = match finish {
            Finish::Exited { code } => format!("exit code {code}"),
            Finish::Signaled { signal } => format!("signal {signal}"),
            Finish::NotStarted { reason } => format!("could not be started: {reason}"),
            Finish::Cancelled { .. } => return,
        };
        let truth = self.jobs.ended.get(&RunId::new(job.clone(), run));
        if truth != Some(&said) {
            let truth = truth.cloned();
            self.broken(
                "invariant_honest_end",
                format!("{job} is said to have ended with {said}: {truth:?}"),
            );
        }
    }
}
