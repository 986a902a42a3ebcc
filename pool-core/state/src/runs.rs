//! Jobs on workers: given, found, ended, killed, forgotten.

use crate::{
    Effect, IdleBehavior, JobEnd, Notice, Observation, PoolState, RunList, ShutdownReason, StartAnswer, Time,
    events::BootOutcome,
    phase::{Input, Phase, State},
    timers::Timer,
    worker::{Began, Certainty, Ended, Judged, Kill, Run, Stale},
};
use pool_api::{InstanceId, InstanceTypeName, JobId, Resources, RunId};
use pool_protocol::{KillTimes, RunEnd, RunReport, RunStatus};
use std::{collections::BTreeSet, time::Duration};

/// A job to be started.
#[derive(Clone, PartialEq, Debug)]
pub struct JobStart {
    /// Which run.
    pub run: RunId,
    /// What it reserves. All zero: the whole worker.
    pub resources: Resources,
    /// How long it has waited in the queue, if it is to be measured.
    pub waited: Option<Duration>,
}

/// Why a job was not given to a worker. Nothing has changed then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartRefusal {
    /// The job has a worker already, or its end was not forgotten.
    #[error("job {0} is known to the pool already: forget it first")]
    Known(JobId),
    /// Another worker still runs an attempt that it should not, and was told to end it.
    #[error("an earlier run of job {0} has not ended yet on another instance")]
    StillEnding(JobId),
    /// No such worker.
    #[error("there is no instance {0}")]
    UnknownInstance(InstanceId),
    /// The worker takes no jobs now, or has too little room.
    #[error("instance {0} has no room for the job")]
    NoRoom(InstanceId),
    /// Another program has taken the instance set over.
    #[error("another program has taken the instance set over, with epoch {0}")]
    Superseded(u64),
    /// No worker of the type takes a job now.
    #[error("no idle instance of type {0}")]
    NoneIdle(InstanceTypeName),
}

impl PoolState {
    /// p14: gives a job to a worker, at once or not at all.
    ///
    /// # Errors
    /// [`StartRefusal`]; no attempt was used.
    pub fn start_job(&mut self, now: Time, id: &InstanceId, start: JobStart) -> Result<(), StartRefusal> {
        let now = self.enter(now);
        if let Some(highest) = self.superseded {
            return Err(StartRefusal::Superseded(highest));
        }
        let job = start.run.job.clone();
        if self.jobs.contains_key(&job) || self.ended.contains_key(&job) {
            return Err(StartRefusal::Known(job));
        }
        if self.stray_jobs.contains_key(&job) {
            return Err(StartRefusal::StillEnding(job));
        }
        let Some(worker) = self.workers.get_mut(id) else {
            return Err(StartRefusal::UnknownInstance(id.clone()));
        };
        if !worker.has_room_for(&start.resources) {
            return Err(StartRefusal::NoRoom(id.clone()));
        }
        let run = Run {
            id: start.run.clone(),
            resources: start.resources,
            certainty: Certainty::Starting,
            waited: start.waited.map(|waited| (waited, now)),
            kill: None,
        };
        self.put_run(id, run);
        self.emit(Effect::Start { instance: id.clone(), run: start.run });
        Ok(())
    }

    /// p14: gives a job to the most recently busy idle worker of a type.
    ///
    /// # Errors
    /// [`StartRefusal`]; no attempt was used.
    pub fn start_job_on_type(
        &mut self,
        now: Time,
        type_name: &InstanceTypeName,
        start: JobStart,
    ) -> Result<InstanceId, StartRefusal> {
        if let Some(highest) = self.superseded {
            return Err(StartRefusal::Superseded(highest));
        }
        let idle = self.index.get(&(type_name.clone(), Phase::Idle));
        let id = idle
            .and_then(|entries| {
                let fits = |id: &InstanceId| {
                    self.workers.get(id).is_some_and(|worker| worker.has_room_for(&start.resources))
                };
                entries.iter().rev().map(|(_, id)| id).find(|id| fits(id)).cloned()
            })
            .ok_or_else(|| StartRefusal::NoneIdle(type_name.clone()))?;
        self.start_job(now, &id, start).map(|()| id)
    }

    /// p15: begins to end a job. False if it has ended already or is not known, or another program has taken its
    /// worker over.
    pub fn kill_job(&mut self, now: Time, job: &JobId, reason: &str) -> bool {
        let now = self.enter(now);
        let settings = self.settings();
        let (signal, term) = (settings.timeout_signal, settings.timeout_term);
        if self.superseded.is_some() || self.jobs.get(job).is_some_and(|id| self.is_left_to_another(id)) {
            return false;
        }
        let Some(run) = self.run_mut(job) else { return false };
        if run.kill.is_none() {
            // The runner sends KILL at `timeout_term`; a worker where even that fails is given up.
            let deadline = now + term + signal.saturating_mul(2);
            run.kill = Some(Kill { reason: reason.to_owned(), deadline, given_up: false });
            self.send_kill(job);
            self.timers.set(Timer::Kill(job.clone()), (now + signal).min(deadline));
        }
        true
    }

    /// p16: clears the end of a job. False, and no effect, before it has ended, or in a pool that was superseded.
    pub fn forget_job(&mut self, now: Time, job: &JobId) -> bool {
        self.enter(now);
        if self.superseded.is_some() || !self.ended.contains_key(job) {
            return false;
        }
        self.clear_end(job);
        self.notify();
        self.pump_calls();
        true
    }

    /// Drops an end, and what the runner keeps of it: it has nothing of a run that never started or was lost.
    fn clear_end(&mut self, job: &JobId) {
        let Some(ended) = self.ended.remove(job) else { return };
        self.job_changed(job);
        if matches!(ended.end, JobEnd::Finished(_)) {
            self.forget_run(&ended.instance, ended.run);
        }
    }

    fn forget_run(&mut self, id: &InstanceId, run: RunId) {
        let seq = self.seq;
        if let Some(worker) = self.workers.get_mut(id) {
            worker.runs_changed = seq;
            worker.unfetched.remove(&run);
            worker.forgetting.insert(run.clone());
            self.send_forget(id, run);
            self.retire_if_due(id);
        }
    }

    pub(crate) fn on_forgotten(&mut self, id: &InstanceId, run: &RunId) {
        let seq = self.seq;
        if let Some(worker) = self.workers.get_mut(id)
            && worker.forgetting.remove(run)
        {
            // A list that began before may still have it.
            worker.runs_changed = seq;
        }
    }

    /// This very run, if the worker has it.
    fn run_on(&self, id: &InstanceId, run: &RunId) -> Option<&Run> {
        self.workers.get(id)?.runs.get(&run.job).filter(|known| known.id == *run)
    }

    fn run_mut(&mut self, job: &JobId) -> Option<&mut Run> {
        let id = self.jobs.get(job)?;
        self.workers.get_mut(id)?.runs.get_mut(job)
    }

    /// Puts a run on a worker.
    fn put_run(&mut self, id: &InstanceId, run: Run) {
        let seq = self.seq;
        let Some(worker) = self.workers.get_mut(id) else { return };
        let job = run.id.job.clone();
        worker.last_job = Some(job.clone());
        worker.forgetting.remove(&run.id);
        worker.runs.insert(job.clone(), run);
        worker.update_reserved();
        worker.runs_changed = seq;
        worker.changed.seq = seq;
        self.jobs.insert(job.clone(), id.clone());
        self.job_changed(&job);
        self.timers.clear(&Timer::Idle(id.clone()));
        self.reindex(id);
        self.step(id, Input::JobStarted, State::Running);
        self.count_job(id);
        self.notify();
    }

    /// Takes a run off its worker, which may become idle by that.
    fn take_run(&mut self, id: &InstanceId, job: &JobId) -> Option<Run> {
        let (seq, now) = (self.seq, self.now);
        let worker = self.workers.get_mut(id)?;
        let run = worker.runs.remove(job)?;
        worker.update_reserved();
        worker.runs_changed = seq;
        worker.busy = now;
        let last = worker.runs.is_empty();
        self.jobs.remove(job);
        self.job_changed(job);
        self.timers.clear(&Timer::Kill(job.clone()));
        self.reindex(id);
        if last {
            self.step(id, Input::LastJobEnded, State::Idle { since: now });
        }
        self.notify();
        Some(run)
    }

    fn end_run(&mut self, id: &InstanceId, job: &JobId, end: JobEnd) {
        let Some(run) = self.take_run(id, job) else { return };
        self.record_end(id, run.id, end);
        self.retire_if_due(id);
        self.shut_down_if_given_up(id);
    }

    fn record_end(&mut self, id: &InstanceId, run: RunId, end: JobEnd) {
        let seq = self.seq;
        // Only a runner that has the run has output to be fetched.
        if matches!(end, JobEnd::Finished(_))
            && let Some(worker) = self.workers.get_mut(id)
        {
            worker.unfetched.insert(run.clone());
            worker.runs_changed = seq;
        }
        let job = run.job.clone();
        let ended = Ended { run, instance: id.clone(), noticed: self.now, end };
        self.ended.insert(job.clone(), ended);
        self.job_changed(&job);
        self.notify();
    }

    pub(crate) fn on_start_answered(&mut self, id: &InstanceId, run: &RunId, answer: &StartAnswer) {
        let (now, seq) = (self.now, self.seq);
        let Some(worker) = self.workers.get_mut(id) else { return };
        let Some(known) = worker.runs.get_mut(&run.job).filter(|known| known.id == *run) else { return };
        match answer {
            StartAnswer::Started => self.is_running(id, &run.job),
            // Its list, or the session, has said otherwise since.
            StartAnswer::Refused(_) if known.certainty == Certainty::Running => {}
            StartAnswer::Refused(reason) => {
                let end = JobEnd::NotStarted { reason: reason.clone() };
                self.end_run(id, &run.job, end);
            }
            StartAnswer::Lost(_) => {
                if known.certainty == Certainty::Starting {
                    known.certainty = Certainty::Lost;
                    // Only a list that begins from here on can tell that the run is not there.
                    worker.runs_changed = seq;
                    self.timers.set_no_later(Timer::Probe(id.clone()), now);
                }
            }
        }
    }

    /// A run is known to go on.
    fn is_running(&mut self, id: &InstanceId, job: &JobId) {
        let (now, seq) = (self.now, self.seq);
        let Some(worker) = self.workers.get_mut(id) else { return };
        let Some(run) = worker.runs.get_mut(job) else { return };
        if std::mem::replace(&mut run.certainty, Certainty::Running) == Certainty::Running {
            return;
        }
        // The runner may have made a list that is still on its way before it started the run.
        worker.runs_changed = seq;
        if let Some((waited, asked)) = run.waited.take() {
            self.emit(Effect::Observe(Observation::TimeToStart(waited.saturating_add(now.since(asked)))));
        }
        self.job_changed(job);
        self.notify();
    }

    pub(crate) fn on_run_ended(&mut self, id: &InstanceId, run: &RunId, end: Box<RunEnd>) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.evidence = now;
        let forgetting = worker.forgetting.contains(run);
        if self.stray_ended(id, run) || forgetting {
            if let Some(worker) = self.workers.get_mut(id) {
                worker.forgetting.insert(run.clone());
            }
            self.send_forget(id, run.clone());
            self.reindex(id);
            return;
        }
        let Some(worker) = self.workers.get_mut(id) else { return };
        match self.jobs.get(&run.job) {
            Some(owner) if owner == id => {
                let same = worker.runs.get(&run.job).is_some_and(|known| known.id == *run);
                if same {
                    self.is_running(id, &run.job);
                    self.end_run(id, &run.job, JobEnd::Finished(end));
                } else {
                    // An earlier attempt, long since judged: nothing is to be learnt from it.
                    self.forget_run(id, run.clone());
                }
            }
            // A worker's word does not count for what was given to another.
            Some(_) => self.forget_run(id, run.clone()),
            None => match self.ended.get(&run.job).map(|known| known.judge(id, run)) {
                Some(Judged::Same) => {}
                Some(Judged::Older) => self.forget_run(id, run.clone()),
                // p41: an earlier process started it; or it was thought lost and was not.
                Some(Judged::Newer) | None => {
                    worker.last_job = Some(run.job.clone());
                    worker.busy = now;
                    self.clear_end(&run.job);
                    self.record_end(id, run.clone(), JobEnd::Finished(end));
                    self.count_job(id);
                }
            },
        }
    }

    /// p34, p40, p41: takes over what a runner lists, unless the worker has changed since the list began.
    /// Returns whether it did.
    pub(crate) fn apply_run_list(&mut self, id: &InstanceId, list: RunList, began: Began) -> bool {
        let applied = self.workers.get(id).is_some_and(|worker| began.seq >= worker.runs_changed);
        if applied {
            self.apply_runs(id, list.runs, began);
        }
        // After the runs: they are not to be lost because their worker is drained.
        if let Some(reason) = list.broken {
            self.on_broken(id, reason);
        }
        applied
    }

    fn apply_runs(&mut self, id: &InstanceId, runs: Vec<RunReport>, began: Began) {
        let ours: Vec<RunReport> =
            runs.into_iter().filter(|report| report.instance_set == self.setup.instance_set).collect();
        let listed: BTreeSet<RunId> = ours.iter().map(|report| report.run.clone()).collect();
        let mut stale = BTreeSet::new();
        for report in ours {
            match report.status {
                RunStatus::Running { .. } => self.found_running(id, report.run, report.resources),
                RunStatus::Ended { end } => self.on_run_ended(id, &report.run, end),
                RunStatus::Stale => {
                    // It may run: then no other worker may have it, and this one must not be thought idle.
                    if self.run_on(id, &report.run).is_none() {
                        self.found_running(id, report.run.clone(), report.resources);
                    }
                    stale.insert(report.run);
                }
            }
        }
        self.note_stale(id, stale, began);
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.forgetting.retain(|run| listed.contains(run));
        let strays_ended: Vec<RunId> =
            worker.strays.iter().filter(|run| !listed.contains(*run)).cloned().collect();
        let missing: Vec<(JobId, Certainty)> = worker
            .runs
            .iter()
            .filter(|(_, run)| !listed.contains(&run.id))
            .map(|(job, run)| (job.clone(), run.certainty))
            .collect();
        for run in strays_ended {
            self.stray_ended(id, &run);
        }
        for (job, certainty) in missing {
            match certainty {
                // The start may still be on its way.
                Certainty::Starting => {}
                Certainty::Lost => {
                    let reason = "the start was lost, and the runner does not know the run".to_owned();
                    self.end_run(id, &job, JobEnd::NotStarted { reason });
                }
                Certainty::Running => self.end_run(id, &job, JobEnd::Denied),
            }
        }
        self.reindex(id);
    }

    fn found_running(&mut self, id: &InstanceId, run: RunId, resources: Resources) {
        if self.run_on(id, &run).is_some() {
            self.is_running(id, &run.job);
        } else if self.jobs.contains_key(&run.job) {
            self.kill_stray(id, run);
        } else {
            match self.ended.get(&run.job).map(|known| known.judge(id, &run)) {
                // The list is older than the end, or the runner will say so once more.
                Some(Judged::Same) => return,
                Some(Judged::Older) => return self.kill_stray(id, run),
                Some(Judged::Newer) | None => {}
            }
            // p41: an earlier process started it; or it was thought lost and was not.
            self.clear_end(&run.job);
            let adopted = Run { id: run, resources, certainty: Certainty::Running, waited: None, kill: None };
            self.put_run(id, adopted);
        }
    }

    /// A run that another worker, or another attempt, has by right: it is ended at once.
    fn kill_stray(&mut self, id: &InstanceId, run: RunId) {
        let times = KillTimes { signal_every_ms: 1000, kill_after_ms: 0 };
        let Some(worker) = self.workers.get_mut(id) else { return };
        if worker.strays.insert(run.clone()) {
            self.stray_jobs.entry(run.job.clone()).or_default().insert((id.clone(), run.attempt));
            self.emit(Effect::Report(Notice::RunsTwice { run: run.clone(), instance: id.clone() }));
        }
        let reason = "the job was given to another worker or attempt".to_owned();
        self.emit(Effect::Kill { instance: id.clone(), run, reason, times });
        self.reindex(id);
    }

    /// A stray has ended, or its worker is gone. False if it was none.
    fn stray_ended(&mut self, id: &InstanceId, run: &RunId) -> bool {
        let was_one = self.workers.get_mut(id).is_some_and(|worker| worker.strays.remove(run));
        if was_one {
            self.stray_gone(id, run);
            self.reindex(id);
            self.notify();
        }
        was_one
    }

    /// Takes a stray out of the index.
    pub(crate) fn stray_gone(&mut self, id: &InstanceId, run: &RunId) {
        if let Some(strays) = self.stray_jobs.get_mut(&run.job) {
            strays.remove(&(id.clone(), run.attempt));
            if strays.is_empty() {
                self.stray_jobs.remove(&run.job);
            }
        }
    }

    /// p39: a run whose record a second list, begun `timeout_stale_run_lock` after the first came, still shows as
    /// stale.
    fn note_stale(&mut self, id: &InstanceId, stale: BTreeSet<RunId>, list: Began) {
        let now = self.now;
        let timeout = self.settings().timeout_stale_run_lock;
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.stale.retain(|run, _| stale.contains(run));
        for run in stale {
            worker.stale.entry(run).or_insert(Stale { since: now, given_up: false });
        }
        let mut overdue = None;
        for (run, stale) in &mut worker.stale {
            if list.at >= stale.since + timeout {
                stale.given_up = true;
                overdue = Some(run.clone());
            }
        }
        if let Some(run) = overdue {
            self.on_broken(id, format!("the record of run {run} cannot be read"));
            self.shut_down_if_given_up(id);
        } else if let Some(first) = worker.stale.values().map(|stale| stale.since).min() {
            self.timers.set(Timer::StaleRun(id.clone()), first + timeout);
        }
    }

    /// A list is wanted that can tell whether what was stale still is.
    pub(crate) fn check_stale(&mut self, id: &InstanceId) {
        if self.workers.get(id).is_some_and(|worker| !worker.stale.is_empty()) {
            self.probe_soon(id);
        }
    }

    /// p39: a worker that says it is broken gets no more work.
    pub(crate) fn on_broken(&mut self, id: &InstanceId, reason: String) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        if worker.broken.is_some() {
            return;
        }
        worker.broken = Some(reason.clone());
        let drains = worker.idle_behavior == IdleBehavior::Run;
        self.reindex(id);
        self.boot_ended(id, BootOutcome::Failure, || reason.clone());
        self.emit(Effect::Report(Notice::Broken { instance: id.clone(), reason }));
        if drains {
            self.change_idle_behavior(id, IdleBehavior::Drain);
        }
        self.notify();
    }

    fn send_kill(&mut self, job: &JobId) {
        let times = KillTimes {
            signal_every_ms: millis(self.settings().timeout_signal),
            kill_after_ms: millis(self.settings().timeout_term),
        };
        let Some(id) = self.jobs.get(job).cloned() else { return };
        let Some(run) = self.run_mut(job) else { return };
        if let Some(kill) = &run.kill {
            let effect =
                Effect::Kill { instance: id, run: run.id.clone(), reason: kill.reason.clone(), times };
            self.emit(effect);
        }
    }

    /// A job that is to end has not: it is asked again (the first time may have been lost), until its worker is
    /// given up.
    pub(crate) fn kill_due(&mut self, job: &JobId) {
        let now = self.now;
        let every = self.settings().timeout_signal;
        let Some(id) = self.jobs.get(job).cloned() else { return };
        if self.is_left_to_another(&id) {
            return;
        }
        let Some(Run { id: run, kill: Some(kill), .. }) = self.run_mut(job) else { return };
        if now < kill.deadline {
            let next = (now + every).min(kill.deadline);
            self.send_kill(job);
            self.timers.set(Timer::Kill(job.clone()), next);
            return;
        }
        let first = !std::mem::replace(&mut kill.given_up, true);
        let run = run.clone();
        if first {
            self.emit(Effect::Report(Notice::GaveUp { run, instance: id.clone() }));
        }
        match self.workers.get(&id).map(|w| w.idle_behavior) {
            Some(IdleBehavior::Run) => self.change_idle_behavior(&id, IdleBehavior::Drain),
            // Not while it is held: it is drained when that ends.
            Some(IdleBehavior::Hold) => {
                self.send_kill(job);
                self.timers.set(Timer::Kill(job.clone()), now + every);
            }
            Some(IdleBehavior::Drain) | None => {}
        }
        self.shut_down_if_given_up(&id);
    }

    /// p28: draining, and every job that remains is given up.
    pub(crate) fn shut_down_if_given_up(&mut self, id: &InstanceId) {
        let Some(worker) = self.workers.get(id) else { return };
        let given_up = |run: &Run| {
            run.kill.as_ref().is_some_and(|kill| kill.given_up)
                || worker.stale.get(&run.id).is_some_and(|stale| stale.given_up)
        };
        if worker.idle_behavior == IdleBehavior::Drain
            && !worker.tags_unsure
            && !worker.runs.is_empty()
            && worker.runs.values().all(given_up)
        {
            self.shutdown(id, ShutdownReason::JobsGivenUp);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
