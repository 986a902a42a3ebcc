//! Another program, with a higher epoch, has taken workers over.
//!
//! A worker that refuses our epoch is left alone from then on: nothing is asked of it, and it is not destroyed, for it
//! is another program's to decide about. It still counts towards the limits. Only who runs the program can have it
//! destroyed, by name.
//!
//! The pool as a whole halts for good when no worker accepts our epoch any longer and all have been heard. Not before:
//! a worker is a machine that runs other people's jobs, and the word of one must not stop the work on all others. Nor is
//! there harm in waiting: a program that takes the set over attaches to every worker, so each that is not left alone
//! yet is one that the other program has not taken.

use crate::{Effect, Notice, PoolState, ShutdownReason, phase::State, timers::Timer, worker::Worker};
use pool_api::InstanceId;

impl PoolState {
    /// The epoch of the program that has taken the instance set over; none while this one has it. A pool that was
    /// superseded does nothing any more.
    pub fn superseded(&self) -> Option<u64> {
        self.superseded
    }

    /// Whether nothing may be asked of a worker, as another program has taken it over.
    pub(crate) fn is_left_to_another(&self, id: &InstanceId) -> bool {
        self.workers.get(id).is_some_and(|worker| worker.taken_by.is_some())
    }

    /// A worker's runner says that another program, with this epoch, has attached to it.
    pub(crate) fn on_superseded(&mut self, id: &InstanceId, highest: u64) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        // Somebody who can tell whether it lies wants it gone: it cannot save itself so.
        if matches!(worker.state, State::Shutdown { reason: ShutdownReason::Requested(_), .. }) {
            return;
        }
        let before = worker.taken_by;
        worker.taken_by = before.max(Some(highest));
        worker.session_open = false;
        // Calls that wait for their turn are not made any more, nor are their answers waited for.
        worker.destroying = None;
        worker.tags.in_flight = None;
        self.taken.insert(id.clone());
        if before.is_none() {
            self.emit(Effect::Report(Notice::TakenOver { instance: id.clone(), highest }));
            self.reindex(id);
            self.notify();
        }
        for timer in
            [Timer::Probe, Timer::Idle, Timer::Lifetime, Timer::Destroy, Timer::SaveTags, Timer::StaleRun]
        {
            self.timers.clear(&timer(id.clone()));
        }
        self.halt_if_superseded();
    }

    /// After a worker was heard, or lost: halts when none accepts our epoch and at least one knows a higher.
    pub(crate) fn halt_if_superseded(&mut self) {
        let heard = |worker: &Worker| {
            worker.taken_by.is_some()
                || worker.failed_probes > 0
                || matches!(worker.state, State::Shutdown { .. })
        };
        // Almost always none is, and then nobody is to be looked at.
        let taken = self.taken.iter().filter_map(|id| self.workers.get(id)?.taken_by);
        let Some(highest) = taken.max() else { return };
        if self.workers.values().any(|worker| worker.session_open || !heard(worker)) {
            return;
        }
        self.superseded = Some(highest);
        self.drop_what_was_decided();
        self.emit(Effect::Report(Notice::Superseded { highest }));
        self.notify();
    }
}
