//! Taking in what the pool says of jobs.

use super::{
    absent::{self, Absent},
    board::Setback,
    collect::{Collect, Collected},
    core::Dispatcher,
    metrics,
    tail::Tail,
};
use crate::job::{Finish, JobState, Moment, OutputKept};
use pool_core::{JobEnd, JobId, JobStatus, Outcome, OutputStream, RunEnd, RunId, Time};
use tokio::{task::JoinError, time::Instant};

/// First pause before a job is planned for again that was refused; doubles.
const FIRST_DEFERRAL: std::time::Duration = std::time::Duration::from_millis(250);
const LONGEST_DEFERRAL: std::time::Duration = std::time::Duration::from_secs(30);

impl Dispatcher {
    /// Compares what has changed in the pool with what the queue says. What is not done with is looked at again at each
    /// call, and everything after a commit that failed.
    pub(super) fn take_in_pool(&mut self, now: Moment) {
        self.followed.follow(&self.pool, &self.tag, self.board.active().map(|job| job.number));
        for (id, status) in self.followed.to_look_at() {
            if self.take_in(now, &id, &status) {
                self.followed.done_with(&id);
            }
        }
        self.strangers.retain(|run| self.followed.knows(&run.job));
        self.judge_absent(now);
        let ending =
            self.board.ending().map(|job| (job.id.clone(), job.record.cancel.clone().unwrap_or_default()));
        self.after.kill.extend(ending);
    }

    /// Whether nothing is left to do about it until it changes.
    fn take_in(&mut self, now: Moment, id: &JobId, status: &JobStatus) -> bool {
        let (JobStatus::Preparing { run, .. }
        | JobStatus::Running { run, .. }
        | JobStatus::Ended { run, .. }) = status;
        let number = self.tag.number(id);
        let job = number.and_then(|number| self.board.get(number));
        let ours = job.filter(|job| job.is_active() && job.run() == run.attempt).map(|job| job.number);
        let Some(number) = ours else {
            self.take_in_stranger(id, run, status, job.is_some());
            return false;
        };
        match status {
            JobStatus::Preparing { .. } => {}
            JobStatus::Running { .. } => {
                self.confirm(now, number);
                self.collect(number, false);
            }
            JobStatus::Ended { end, .. } => match end {
                JobEnd::Finished(end) => self.take_in_end(now, number, end),
                JobEnd::NotStarted { reason } => {
                    self.set_back(now, number, &Setback::NotStarted { reason: reason.clone() });
                    self.after.forget.push(id.clone());
                }
                JobEnd::Denied => {
                    self.set_back(now, number, &Setback::Denied);
                    self.after.forget.push(id.clone());
                }
                JobEnd::WorkerGone => {
                    self.set_back(now, number, &Setback::WorkerGone);
                    self.after.forget.push(id.clone());
                }
            },
        }
        // An end may have to wait for its output, and is to be forgotten.
        !matches!(status, JobStatus::Ended { .. })
    }

    /// A run that no job of the queue has: it is final, was queued again, or is of another queue.
    fn take_in_stranger(&mut self, id: &JobId, run: &RunId, status: &JobStatus, queued_again: bool) {
        match status {
            JobStatus::Ended { .. } => self.after.forget.push(id.clone()),
            JobStatus::Preparing { instance, .. } | JobStatus::Running { instance, .. } => {
                let reason = if queued_again { "it was queued again" } else { "it is not in the queue" };
                if self.strangers.insert(run.clone()) {
                    tracing::warn!(%run, %instance, reason, "ending a run that should not be");
                }
                self.after.kill.push((id.clone(), reason.to_owned()));
            }
        }
    }

    /// Its worker has it.
    fn confirm(&mut self, now: Moment, number: u64) {
        if self.board.get(number).is_some_and(|job| job.record.state == JobState::Locked) {
            self.board.started(now, number);
            if let Some(tail) = self.tails.get(&number) {
                tail.moved();
            }
        }
    }

    fn take_in_end(&mut self, now: Moment, number: u64, end: &RunEnd) {
        self.confirm(now, number);
        let Some(job) = self.board.get(number) else { return };
        let (run, id) = (job.run(), job.id.clone());
        let nothing = end.stdout.kept == 0 && end.stderr.kept == 0;
        let collected = if nothing {
            Some(Collected { number, run, stdout: 0, stderr: 0, complete: true })
        } else {
            self.collected.get(&number).copied().filter(|collected| collected.run == run)
        };
        // Its output first: only then is it final.
        let Some(collected) = collected else {
            self.ends_seen.entry(number).or_insert(now);
            return self.collect(number, true);
        };
        let cancel = job.record.cancel.clone();
        let took = end.started_ms.map(|started| end.ended_ms.saturating_sub(started));
        self.board.note(now, number, |record| {
            // By this machine's clock: those of workers may be anything.
            record.ended = Some(now);
            record.started = took.map(|took| Moment(now.0.saturating_sub(took)));
            record.output = if collected.complete { OutputKept::Complete } else { OutputKept::Incomplete };
            (record.stdout_size, record.stderr_size) = (collected.stdout, collected.stderr);
            (record.peak_memory, record.cpu_time_ms) = (end.peak_memory, end.cpu_time_ms);
        });
        match finish(end, cancel) {
            Some(finish) => self.board.finish(now, number, finish),
            None => {
                self.stop_collecting(number);
                self.after.lost.push((number, metrics::cause(&Setback::EndUnknown, false)));
                self.board.set_back(now, number, &Setback::EndUnknown);
            }
        }
        self.after.forget.push(id);
    }

    /// Sees to it that a run's output is being fetched.
    fn collect(&mut self, number: u64, over: bool) {
        let Some(job) = self.board.get(number) else { return };
        let run = job.run();
        let tail = self.tails.entry(number).or_insert_with(Tail::new);
        if over {
            tail.is_over(run);
        }
        if self.collectors.get(&number).is_some_and(|(collected, _)| *collected == run) {
            return;
        }
        let tail = tail.clone();
        let collect = Collect {
            pool: self.pool.clone(),
            outputs: self.outputs.clone(),
            number,
            id: job.id.clone(),
            run,
            tail,
            over,
            fetched: self.metrics.output.clone(),
        };
        let handle = self.collecting.spawn(collect.run());
        if let Some((_, earlier)) = self.collectors.insert(number, (run, handle)) {
            earlier.abort();
        }
    }

    /// A run's output is not fetched any longer: the job's next run must not be taken for it.
    pub(super) fn stop_collecting(&mut self, number: u64) {
        if let Some((_, collector)) = self.collectors.remove(&number) {
            collector.abort();
        }
        self.collected.remove(&number);
        self.ends_seen.remove(&number);
    }

    pub(super) fn take_in_collected(&mut self, collected: Result<Collected, JoinError>) {
        match collected {
            Ok(collected) => {
                // Its job may have come to its end while it was under way.
                let job = self.board.get(collected.number);
                if job.is_some_and(|job| job.is_active() && job.run() == collected.run) {
                    self.collected.insert(collected.number, collected);
                }
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Jobs that have a worker by the queue, and none by the pool. They were given to it by an earlier process, or the
    /// pool has just refused them.
    fn judge_absent(&mut self, now: Moment) {
        let (board, refused) = (&self.board, &self.refused);
        let absent = self.followed.absent(|number, followed| {
            let job = board.get(number).filter(|job| job.is_active() && !followed.knows(&job.id))?;
            Some(Absent::new(job, refused.get(&number)))
        });
        let settled = Time::ZERO + self.settings.list_settle_time;
        for (number, setback) in absent::judge(&self.pool, absent, settled) {
            self.set_back(now, number, &setback);
        }
    }

    fn set_back(&mut self, now: Moment, number: u64, setback: &Setback) {
        let Some(job) = self.board.get(number) else { return };
        let (run, deferrals) = (job.run(), job.deferrals);
        let preemptible = job.record.worker.as_ref().is_some_and(|worker| worker.preemptible);
        self.after.lost.push((number, metrics::cause(setback, preemptible)));
        self.stop_collecting(number);
        if !setback.is_before_the_start() {
            let stdout = self.outputs.size(number, run, OutputStream::Stdout);
            let stderr = self.outputs.size(number, run, OutputStream::Stderr);
            self.board.note(now, number, |record| {
                record.output = OutputKept::Incomplete;
                (record.stdout_size, record.stderr_size) = (stdout, stderr);
            });
        }
        self.board.set_back(now, number, setback);
        if setback.is_before_the_start() {
            let pause = FIRST_DEFERRAL.saturating_mul(1 << deferrals.min(10)).min(LONGEST_DEFERRAL);
            self.deferred.insert((Instant::now() + pause, number), ());
        }
        if let Some(tail) = self.tails.get(&number) {
            tail.moved();
        }
    }

    /// Jobs that were refused a while ago are planned for again.
    pub(super) fn end_deferrals(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.deferred.first_entry()
            && entry.key().0 <= now
        {
            let ((_, number), ()) = entry.remove_entry();
            self.board.end_deferral(number);
        }
    }
}

/// What a run's end makes of its job; none when nobody can tell.
fn finish(end: &RunEnd, cancel: Option<String>) -> Option<Finish> {
    if let Some(reason) = &end.killed {
        return Some(Finish::Cancelled { reason: reason.clone() });
    }
    Some(match &end.outcome {
        Outcome::Exited { code } => Finish::Exited { code: *code },
        Outcome::Signaled { signal } => match cancel {
            // The one who was killing it was killed before it could say so.
            Some(reason) => Finish::Cancelled { reason },
            None => Finish::Signaled { signal: signal.clone() },
        },
        Outcome::NotStarted { reason } => Finish::NotStarted { reason: reason.clone() },
        Outcome::OutputFailed { reason } => {
            Finish::Cancelled { reason: format!("its output could not be written on the worker: {reason}") }
        }
        Outcome::Unknown => return cancel.map(|reason| Finish::Cancelled { reason }),
    })
}
