//! What a pass has come to, counted and traced once it is durable.

use super::{
    board::{Move, Unfinished},
    core::Dispatcher,
    metrics::outcome,
};
use crate::{
    job::{JobState, Moment},
    queue::Change,
    telemetry::{JobTrace, Left, requeued_at},
};
use std::collections::BTreeMap;

/// The changes of the pass are on disk, and the board holds them still.
impl Dispatcher {
    pub(super) fn count_what_is_durable(&self, now: Moment) {
        self.metrics.committed(now);
        for change in self.board.changes() {
            if let Change::Submit { jobs, .. } = change {
                self.metrics.submitted(jobs.len());
            }
        }
        for Move { number, record, .. } in self.board.moves() {
            if let Some(finish) = &record.finish {
                self.metrics.ended(record, finish);
            } else if record.state == JobState::Locked
                && let Some(job) = self.board.get(number)
            {
                self.metrics.given(job.submitted, record);
            }
        }
        for (_, cause) in &self.after.lost {
            self.metrics.lost(cause);
        }
    }

    pub(super) fn trace_what_is_durable(&self) {
        if !self.tracer.is_on() {
            return;
        }
        let finished: BTreeMap<u64, &Unfinished> =
            self.board.finished().iter().map(|job| (job.number, job)).collect();
        for moved in self.board.moves() {
            let job = self.board.get(moved.number).or_else(|| finished.get(&moved.number).copied());
            if let Some(job) = job
                && let Some(trace) = JobTrace::of(&self.tracer, job.id.as_str())
            {
                self.trace_move(moved, job, &trace);
            }
        }
    }

    fn trace_move(&self, moved: Move<'_>, job: &Unfinished, trace: &JobTrace<'_>) {
        let Move { number, was, at, record } = moved;
        let finished = record.finish.as_ref().map(outcome);
        match (was, record.state) {
            (JobState::Locked, JobState::Running) => {}
            (JobState::Queued, _) => {
                // Cancelled, it waited for one more run than it had.
                let run = record.runs + u32::from(finished.is_some());
                trace.waited(run, self.queued_at(job, run), at);
            }
            _ => {
                let lost = self.after.lost.iter().find(|(lost, _)| *lost == number).map(|(_, cause)| *cause);
                let outcome = lost.or(finished).unwrap_or("unknown");
                let end_seen = self.ends_seen.get(&number).copied();
                trace.ran(Left { record, outcome, at, end_seen });
            }
        }
        if let Some(outcome) = finished
            // Read, for the board has no names; a job that cannot be read is seen by its other spans.
            && let Ok(Some(request)) = self.queue.request(number)
        {
            trace.ended(&request, job.submitted, record, outcome, at);
        }
    }

    /// When a job was queued for the run with this number.
    fn queued_at(&self, job: &Unfinished, run: u32) -> Moment {
        if run == 1 {
            return job.submitted;
        }
        let history = self.queue.history(job.number).unwrap_or_default();
        requeued_at(&history).unwrap_or(job.submitted)
    }
}
