//! The end of workers: idle, drained, not needed, asked for.

use crate::{
    Effect, IdleBehavior, Notice, OpId, PoolState, ShutdownReason, Time,
    calls::Call,
    events::BootOutcome,
    phase::{Input, Phase, State},
    timers::Timer,
};
use pool_api::{InstanceId, InstanceTypeName};

/// Why nothing was done with a worker.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceRefusal {
    /// There is no worker of this id.
    #[error("there is no instance {0}")]
    Unknown(InstanceId),
    /// Another program has taken this worker over: it decides.
    #[error("another program has taken instance {instance} over, with epoch {highest}")]
    TakenOver {
        /// Which worker.
        instance: InstanceId,
        /// That program's epoch.
        highest: u64,
    },
    /// Another program has taken the instance set over.
    #[error("another program has taken the instance set over, with epoch {0}")]
    Superseded(u64),
}

impl PoolState {
    /// p10: says what becomes of a worker without a job. Takes effect at once, is saved to its tags after that:
    /// see [`is_saved`](Self::is_saved). A worker that has had all its jobs, or its time, drains where it was to run.
    ///
    /// # Errors
    /// [`InstanceRefusal`].
    pub fn set_idle_behavior(
        &mut self,
        now: Time,
        id: &InstanceId,
        to: IdleBehavior,
    ) -> Result<(), InstanceRefusal> {
        self.enter(now);
        if let Some(highest) = self.superseded {
            return Err(InstanceRefusal::Superseded(highest));
        }
        match self.workers.get(id).map(|worker| worker.taken_by) {
            None => return Err(InstanceRefusal::Unknown(id.clone())),
            Some(Some(highest)) => {
                return Err(InstanceRefusal::TakenOver { instance: id.clone(), highest });
            }
            Some(None) => {}
        }
        if let Some(worker) = self.workers.get_mut(id)
            && std::mem::take(&mut worker.tags_unsure)
        {
            // Whatever the cloud has, this wish is later.
            worker.tags.version += 1;
        }
        let to = self.allowed_behavior(self.now, id, to);
        self.change_idle_behavior(id, to);
        self.pump_calls();
        Ok(())
    }

    /// True once the cloud has the worker's present tags; none when it is gone.
    pub fn is_saved(&self, id: &InstanceId) -> Option<bool> {
        self.workers.get(id).map(|worker| worker.tags.saved == worker.tags.version)
    }

    pub(crate) fn change_idle_behavior(&mut self, id: &InstanceId, to: IdleBehavior) {
        let Some(worker) = self.workers.get_mut(id).filter(|w| w.taken_by.is_none()) else { return };
        let from = std::mem::replace(&mut worker.idle_behavior, to);
        worker.tags.version += u64::from(from != to);
        let unsaved = worker.tags.saved != worker.tags.version;
        self.reindex(id);
        if from != to {
            self.emit(Effect::Report(Notice::IdleBehavior { instance: id.clone(), to }));
            if (from == IdleBehavior::Hold) != (to == IdleBehavior::Hold) {
                self.emit(Effect::SetHeld { instance: id.clone(), held: to == IdleBehavior::Hold });
            }
            self.notify();
        }
        if unsaved {
            self.save_tags(id);
        }
        self.retire_if_due(id);
        self.shut_down_if_given_up(id);
    }

    /// p11: shuts down one worker of a type that nobody needs: a booting one before an idle one, the one that is
    /// idle longest first, never a held one. None if all are busy.
    pub fn shutdown_type(&mut self, now: Time, type_name: &InstanceTypeName) -> Option<InstanceId> {
        self.enter(now);
        if self.superseded.is_some() {
            return None;
        }
        let id = [Phase::Booting, Phase::Idle].into_iter().find_map(|phase| {
            let entries = self.index.get(&(type_name.clone(), phase))?;
            entries
                .iter()
                .map(|(_, id)| id)
                .find(|id| self.workers.get(*id).is_some_and(|w| w.is_unused() && !w.may_be_held()))
                .cloned()
        })?;
        self.shutdown(&id, ShutdownReason::NotNeeded);
        self.pump_calls();
        Some(id)
    }

    /// p11: shuts a worker down unless it is held or busy, or unknown and so perhaps busy. False if it is, or is not
    /// there, or is on its way out.
    pub fn shutdown_instance(&mut self, now: Time, id: &InstanceId) -> bool {
        self.enter(now);
        let Some(worker) = self.workers.get(id) else { return false };
        if self.superseded.is_some()
            || worker.taken_by.is_some()
            || worker.may_be_held()
            || !worker.is_unused()
            || matches!(worker.state, State::Unknown | State::Shutdown { .. })
        {
            return false;
        }
        self.shutdown(id, ShutdownReason::NotNeeded);
        self.pump_calls();
        true
    }

    /// p18: destroys a worker at once, whatever it does, and whoever its runner says has taken it over.
    ///
    /// # Errors
    /// [`InstanceRefusal`].
    pub fn kill_instance(&mut self, now: Time, id: &InstanceId, reason: &str) -> Result<(), InstanceRefusal> {
        self.enter(now);
        if let Some(highest) = self.superseded {
            return Err(InstanceRefusal::Superseded(highest));
        }
        // Somebody who can tell whether it lies wants it gone.
        if let Some(worker) = self.workers.get_mut(id) {
            worker.taken_by = None;
            self.taken.remove(id);
        }
        match self.workers.get(id).map(|worker| &worker.state) {
            None => return Err(InstanceRefusal::Unknown(id.clone())),
            Some(State::Shutdown { .. }) => self.destroy_again(id),
            Some(_) => self.shutdown(id, ShutdownReason::Requested(reason.to_owned())),
        }
        self.pump_calls();
        Ok(())
    }

    /// p26: a worker that has nothing to do, and nothing on it that must not be lost, is shut down when its time
    /// has come; its timer is set when it has not.
    pub(crate) fn retire_if_due(&mut self, id: &InstanceId) {
        let (now, timeout) = (self.now, self.settings().timeout_idle);
        let Some(worker) = self.workers.get(id) else { return };
        // Unfetched output blocks the end of a worker, not its use; its timer is set again when it is forgotten.
        if worker.may_be_held() || !worker.is_unused() {
            return;
        }
        let drain = worker.idle_behavior == IdleBehavior::Drain;
        match worker.state {
            State::Idle { .. } | State::Booting if drain => self.shutdown(id, ShutdownReason::Drained),
            // Looked at again when another of its type becomes idle.
            State::Idle { since } if now >= since + timeout && self.is_kept_idle(id) => {}
            State::Idle { since } if now >= since + timeout => self.shutdown(id, ShutdownReason::Idle),
            State::Idle { since } => self.timers.set(Timer::Idle(id.clone()), since + timeout),
            State::Unknown | State::Booting | State::Running | State::Shutdown { .. } => {}
        }
    }

    /// Destroys a worker; from here on only its disappearance is waited for.
    pub(crate) fn shutdown(&mut self, id: &InstanceId, reason: ShutdownReason) {
        let to = State::Shutdown { reason: reason.clone(), requested: self.now };
        let outcome = match reason {
            ShutdownReason::BootTimeout | ShutdownReason::Lifecycle(_) => BootOutcome::Failure,
            _ => BootOutcome::Aborted,
        };
        if self.is_left_to_another(id) || !self.step(id, Input::ShutDown, to) {
            return;
        }
        self.boot_ended(id, outcome, || reason.to_string());
        self.timers.clear(&Timer::Idle(id.clone()));
        self.timers.clear(&Timer::Lifetime(id.clone()));
        self.timers.clear(&Timer::Probe(id.clone()));
        self.emit(Effect::Report(Notice::Shutdown { instance: id.clone(), reason }));
        self.destroy_again(id);
    }

    /// p29: asks the cloud to destroy a worker, and again when it is still there after `timeout_shutdown`.
    pub(crate) fn destroy_again(&mut self, id: &InstanceId) {
        let again = self.now + self.settings().timeout_shutdown;
        let op = self.next_op();
        let Some(worker) = self.workers.get_mut(id).filter(|w| w.taken_by.is_none()) else { return };
        self.timers.set(Timer::Destroy(id.clone()), again);
        if worker.destroying.is_none() {
            worker.destroying = Some(op);
            self.calls.push(op, Call::Destroy(id.clone()));
        }
    }

    pub(crate) fn on_destroyed(&mut self, id: &InstanceId, op: OpId) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        if worker.destroying == Some(op) {
            worker.destroying = None;
        }
        self.lists_in_a_row = 0;
        self.list_soon();
    }
}
