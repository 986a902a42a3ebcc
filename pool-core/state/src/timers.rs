//! What is due when: each key at most once.

use crate::{OpId, Time};
use pool_api::{InstanceId, JobId};
use std::collections::{BTreeMap, BTreeSet};

/// What a timer is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// List the instances.
    Sync,
    /// Cloud calls wait for a place in the second.
    CloudCalls,
    /// Probes wait for a place in the second.
    ProbeSlot,
    /// A hold-off, quota or throttle ends: wake the schedulers.
    Wake,
    /// A create with a lost response is asked for again.
    RetryCreate(OpId),
    /// A worker's next probe.
    Probe(InstanceId),
    /// A worker is as old as one may get.
    Lifetime(InstanceId),
    /// A worker has been idle for long enough.
    Idle(InstanceId),
    /// A destroyed instance should be gone by now.
    Destroy(InstanceId),
    /// A tag could not be saved: again.
    SaveTags(InstanceId),
    /// A run record is still stale.
    StaleRun(InstanceId),
    /// A job that is to end has not.
    Kill(JobId),
}

/// All timers, by time and by key.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Time, Timer)>,
    by_key: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Sets a timer, in place of an earlier or later one of the same key.
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.clear(&timer);
        self.by_key.insert(timer.clone(), at);
        self.by_time.insert((at, timer));
    }

    /// Sets a timer unless it is set for an earlier time.
    pub(crate) fn set_no_later(&mut self, timer: Timer, at: Time) {
        if self.by_key.get(&timer).is_none_or(|&set| at < set) {
            self.set(timer, at);
        }
    }

    pub(crate) fn clear(&mut self, timer: &Timer) {
        if let Some(at) = self.by_key.remove(timer) {
            self.by_time.remove(&(at, timer.clone()));
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_key.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_key_has_one_time() {
        let at = |s| Time::from_start(Duration::from_secs(s));
        let mut timers = Timers::default();
        timers.set(Timer::Sync, at(5));
        timers.set(Timer::Sync, at(7));
        timers.set_no_later(Timer::Sync, at(9));
        timers.set_no_later(Timer::Wake, at(8));
        assert_eq!(timers.next(), Some(at(7)));
        assert_eq!(timers.pop_due(at(6)), None);
        assert_eq!(timers.pop_due(at(9)), Some(Timer::Sync));
        assert_eq!(timers.pop_due(at(9)), Some(Timer::Wake));
        assert_eq!(timers.next(), None);
    }
}
