//! Asking workers how they are, and what the answers mean.

use crate::{
    Effect, Notice, Observation, PoolState, ProbeId, ProbeResult, ShutdownReason,
    events::BootOutcome,
    phase::{Input, Phase, State},
    rate::{doubled, with_jitter},
    timers::Timer,
    worker::{Certainty, Probing, Worker},
};
use pool_api::InstanceId;

impl PoolState {
    /// A worker's probe is due: it goes out when the second has a place for it.
    pub(crate) fn probe_due(&mut self, id: InstanceId) {
        if let Some(worker) = self.workers.get_mut(&id)
            && worker.taken_by.is_none()
            && worker.probing.is_none()
            && !worker.probe_queued
            && !matches!(worker.state, State::Shutdown { .. })
        {
            worker.probe_queued = true;
            self.probe_queue.push_back(id);
            self.pump_probes();
        }
    }

    /// Moves a worker's next probe forward to now.
    pub(crate) fn probe_soon(&mut self, id: &InstanceId) {
        let now = self.now;
        if let Some(worker) = self.workers.get(id)
            && worker.taken_by.is_none()
            && worker.probing.is_none()
            && !worker.probe_queued
            && !matches!(worker.state, State::Shutdown { .. })
        {
            self.timers.set_no_later(Timer::Probe(id.clone()), now);
        }
    }

    pub(crate) fn pump_probes(&mut self) {
        while let Some(id) = self.probe_queue.front().cloned() {
            // Not of an earlier life of an instance that was thought gone and came back.
            let wanted = self.workers.get(&id).is_some_and(|w| {
                w.probe_queued
                    && w.probing.is_none()
                    && w.taken_by.is_none()
                    && !matches!(w.state, State::Shutdown { .. })
            });
            if wanted && let Err(free_at) = self.probe_window.take(self.now) {
                self.timers.set_no_later(Timer::ProbeSlot, free_at);
                return;
            }
            self.probe_queue.pop_front();
            let began = self.began();
            self.last_probe += 1;
            let probe = ProbeId(self.last_probe);
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.probe_queued = false;
                if wanted {
                    worker.probing = Some(Probing { id: probe, began });
                    let boot = matches!(worker.state, State::Unknown | State::Booting);
                    self.emit(Effect::Probe { instance: id, probe, boot });
                }
            }
        }
    }

    pub(crate) fn on_probed(&mut self, id: &InstanceId, probe: ProbeId, result: ProbeResult) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(id) else { return };
        let Some(Probing { began, .. }) = worker.probing.take_if(|p| p.id == probe) else { return };
        if worker.taken_by.is_some() {
            return;
        }
        if result.runs.is_ok() {
            worker.evidence = now;
        }
        let first_contact =
            (result.boot.is_ok() || result.runs.is_ok()) && !std::mem::replace(&mut worker.reached, true);
        let asked_for = worker.create_began;
        if first_contact && let Some(asked) = asked_for {
            self.emit(Effect::Observe(Observation::TimeToSsh(now.since(asked))));
        }
        let took = now.since(began.at);
        self.emit(Effect::Observe(Observation::RunProbe { success: result.runs.is_ok(), took }));

        let failure = match (&result.boot, &result.runs) {
            (Ok(()), Ok(_)) => None,
            (Err(reason), _) | (_, Err(reason)) => Some(reason.clone()),
        };
        let listed = result.runs.is_ok();
        let applied = result.runs.is_ok_and(|list| self.apply_run_list(id, list, began));
        match failure {
            None => self.probe_succeeded(id, began.at, applied),
            Some(reason) => self.probe_failed(id, began.at, listed, reason),
        }
        self.schedule_probe(id);
        self.halt_if_superseded();
    }

    /// `applied`: what the runner listed was taken in.
    fn probe_succeeded(&mut self, id: &InstanceId, began: crate::Time, applied: bool) {
        let now = self.now;
        let soon = now + self.settings().first_probe_backoff;
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.failed_probes = 0;
        worker.probed = Some(began);
        let boots = matches!(worker.state, State::Unknown | State::Booting);
        let asks = boots || worker.runs.values().any(|run| run.certainty == Certainty::Lost);
        if !applied && asks {
            // It changed while it was asked: ready is only a worker whose runs are known.
            self.timers.set_no_later(Timer::Probe(id.clone()), soon);
        }
        if !applied || !boots {
            return;
        }
        worker.booted = true;
        worker.busy = now;
        let (input, to) = if worker.runs.is_empty() {
            (Input::ReadyIdle, State::Idle { since: now })
        } else {
            (Input::ReadyRunning, State::Running)
        };
        let asked_for = worker.create_began;
        self.step(id, input, to);
        self.boot_ended(id, BootOutcome::Success, String::new);
        if let Some(asked) = asked_for {
            self.emit(Effect::Observe(Observation::TimeToReady(now.since(asked))));
        }
        self.emit(Effect::Report(Notice::Ready { instance: id.clone() }));
        self.retire_if_due(id);
    }

    /// `listed`: the runs could be listed nevertheless.
    fn probe_failed(&mut self, id: &InstanceId, began: crate::Time, listed: bool, reason: String) {
        let settings = self.settings();
        let (timeout_booting, timeout_probe) = (settings.timeout_booting, settings.timeout_probe);
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.failed_probes = worker.failed_probes.saturating_add(1);
        let found_jobs = listed && !worker.runs.is_empty();
        let (since, timeout, why) = match worker.state {
            // p24: jobs that were found are as good as a success.
            State::Unknown | State::Booting => {
                if found_jobs {
                    worker.probed = Some(began);
                }
                (worker.probed.unwrap_or(worker.appeared), timeout_booting, ShutdownReason::BootTimeout)
            }
            State::Idle { .. } | State::Running => {
                (worker.probed.unwrap_or(worker.appeared), timeout_probe, ShutdownReason::ProbeTimeout)
            }
            State::Shutdown { .. } => return,
        };
        let held = worker.may_be_held();
        self.emit(Effect::Report(Notice::ProbeFailed { instance: id.clone(), reason }));
        // p33: only a probe that began after the deadline may end a worker.
        if began >= since + timeout && !held {
            self.shutdown(id, why);
        }
    }

    fn schedule_probe(&mut self, id: &InstanceId) {
        let interval = self.settings().probe_interval;
        let first = self.settings().first_probe_backoff;
        let (now, count) = (self.now, self.last_probe);
        let Some(worker) = self.workers.get(id) else { return };
        if worker.state.phase() == Phase::Shutdown || worker.taken_by.is_some() {
            return;
        }
        let pause = match worker.failed_probes {
            0 => with_jitter(interval, (id.as_str(), count)),
            failures => with_jitter(doubled(first, failures - 1, interval), (id.as_str(), count)),
        };
        self.timers.set_no_later(Timer::Probe(id.clone()), now + pause);
    }

    pub(crate) fn on_session(&mut self, id: &InstanceId, open: bool) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(id) else { return };
        // One that refused us before, and was asked something once more by what was on its way, stays left alone.
        worker.session_open = open && worker.taken_by.is_none();
        worker.evidence = now;
        if open {
            return;
        }
        // A lost session is made anew at once where the worker is thought to be well.
        if worker.failed_probes == 0 {
            self.probe_soon(id);
            self.list_after_loss();
        }
        if matches!(self.workers.get(id).map(|w| &w.state), Some(State::Shutdown { .. })) {
            self.lists_in_a_row = 0;
            self.list_soon();
        }
        self.halt_if_superseded();
    }

    /// Pins the key that was verified: from now on another is another host.
    pub(crate) fn on_host_verified(&mut self, id: &InstanceId, fingerprint: String) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        if worker.host_key.as_ref() != Some(&fingerprint) {
            worker.host_key = Some(fingerprint);
            worker.tags.version += 1;
            self.save_tags(id);
        }
    }

    /// The fingerprint that a worker's host key must have; none while none was verified.
    pub fn pinned_host_key(&self, id: &InstanceId) -> Option<&str> {
        self.workers.get(id)?.host_key.as_deref()
    }

    /// The hash of the secret that a worker was created with.
    pub fn secret_hash(&self, id: &InstanceId) -> Option<&str> {
        self.workers.get(id).map(|worker| worker.secret.as_str())
    }

    /// Whether a worker is held.
    pub fn is_held(&self, id: &InstanceId) -> bool {
        self.workers.get(id).is_some_and(Worker::is_held)
    }
}
