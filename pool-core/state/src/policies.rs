//! What the operator allows: idle workers that stay, jobs and time of a worker's life, what an hour may cost.

use crate::{
    Effect, IdleBehavior, PoolState, Time,
    phase::{Phase, State},
    timers::Timer,
};
use pool_api::{HourlyPrice, InstanceId, InstanceTypeName, RunId};
use std::time::Duration;

impl PoolState {
    /// What all instances that are not gone cost an hour, also those that are being destroyed, and all creates in
    /// flight. An instance of a type that is no longer configured counts as free: what it costs is not known.
    pub fn price_in_use(&self) -> HourlyPrice {
        self.counts.price()
    }

    /// What `max_price_per_hour` leaves; none: there is no cap.
    pub(crate) fn price_left(&self) -> Option<HourlyPrice> {
        let cap = self.settings().max_price_per_hour?;
        Some(HourlyPrice::from_micros(cap.as_micros().saturating_sub(self.price_in_use().as_micros())))
    }

    /// Whether a worker may stay idle for longer than `timeout_idle`: no more than `min_idle` of its type are idle.
    ///
    /// Only those that are idle now are counted: a ready worker does not go for one that is still booting and may
    /// never get ready.
    pub(crate) fn is_kept_idle(&self, id: &InstanceId) -> bool {
        let Some(key) = self.workers.get(id).and_then(|worker| worker.index.as_ref()) else { return false };
        key.phase == Phase::Idle && self.idle_of(&key.instance_type) <= self.min_idle(&key.instance_type)
    }

    /// After another worker became idle: those that were kept beyond their time may not be needed any longer.
    pub(crate) fn recheck_kept_idle(&mut self, type_name: &InstanceTypeName) {
        let min_idle = self.min_idle(type_name);
        if min_idle == 0 || self.idle_of(type_name) <= min_idle {
            return;
        }
        let (now, timeout) = (self.now, self.settings().timeout_idle);
        let Some(idle) = self.index.get(&(type_name.clone(), Phase::Idle)) else { return };
        let overdue: Vec<InstanceId> =
            idle.iter().take_while(|(since, _)| *since + timeout <= now).map(|(_, id)| id.clone()).collect();
        for id in overdue {
            self.timers.set_no_later(Timer::Idle(id), now);
        }
    }

    fn idle_of(&self, type_name: &InstanceTypeName) -> usize {
        self.index.get(&(type_name.clone(), Phase::Idle)).map_or(0, std::collections::BTreeSet::len)
    }

    fn min_idle(&self, type_name: &InstanceTypeName) -> usize {
        self.settings().min_idle.get(type_name).copied().unwrap_or(0) as usize
    }

    /// A job was given to a worker, or one was found on it that had been given to it by an earlier process. With its
    /// last job it is drained: the tag tells those that come after this process.
    pub(crate) fn count_job(&mut self, id: &InstanceId) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let Some(left) = worker.jobs_left.as_mut() else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.reindex(id);
            self.drain_unless_held(id);
        }
    }

    /// Lets the runner forget a run whose end is known.
    ///
    /// Not yet where the run is what shows that the worker has had its last job: the runner keeps the record until
    /// the cloud has the tag that says so. So a crash at any moment leaves one of the two.
    pub(crate) fn send_forget(&mut self, id: &InstanceId, run: RunId) {
        let Some(worker) = self.workers.get(id).filter(|worker| worker.taken_by.is_none()) else { return };
        let drain_is_saved =
            worker.idle_behavior == IdleBehavior::Drain && worker.tags.saved == worker.tags.version;
        if worker.jobs_left != Some(0) || drain_is_saved {
            self.emit(Effect::Forget { instance: id.clone(), run });
        }
    }

    /// When a new worker has reached `max_lifetime`. Its age is by the pool's own clock where this process has
    /// created it, else what the shell has told when it was first listed: a wall clock that jumps later has no say.
    pub(crate) fn set_lifetime(&mut self, id: &InstanceId, age: Option<Duration>) {
        let Some(lifetime) = self.settings().max_lifetime else { return };
        let now = self.now;
        let Some(worker) = self.workers.get_mut(id) else { return };
        let expires = match worker.create_began {
            Some(began) => began + lifetime,
            None => now + lifetime.saturating_sub(age.unwrap_or_default()),
        };
        worker.expires = Some(expires);
        self.timers.set(Timer::Lifetime(id.clone()), expires);
    }

    /// A worker is as old as one may get: it is drained, or when it is held, as soon as that ends.
    pub(crate) fn drain_unless_held(&mut self, id: &InstanceId) {
        let ends = self.workers.get(id).is_some_and(|worker| {
            worker.idle_behavior == IdleBehavior::Run && !matches!(worker.state, State::Shutdown { .. })
        });
        if ends {
            self.change_idle_behavior(id, IdleBehavior::Drain);
        }
    }

    /// What an operator's wish comes to: a worker that has had its jobs or its time runs no longer, it drains.
    pub(crate) fn allowed_behavior(&self, now: Time, id: &InstanceId, to: IdleBehavior) -> IdleBehavior {
        let spent = self.workers.get(id).is_some_and(|worker| {
            worker.jobs_left == Some(0) || worker.expires.is_some_and(|expires| expires <= now)
        });
        if spent && to == IdleBehavior::Run { IdleBehavior::Drain } else { to }
    }
}
