//! When not to ask the cloud: quota, capacity and the rate of calls, each by its own rules.

use crate::{
    HoldOffCounts, HoldOffEnd, Time,
    events::CallKind,
    rate::Backoff,
    scope::{Membership, Scope, ScopeCounts},
};
use pool_api::Reach;
use std::{collections::BTreeMap, time::Duration};

/// Until when the quota of a scope counts as used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quota {
    /// Until then: there was no instance whose end could make room.
    Until(Time),
    /// Until fewer than this many instances remain.
    UntilFewerThan(usize),
}

/// All hold-offs.
#[derive(Debug, Default)]
pub(crate) struct HoldOffs {
    quota: BTreeMap<Scope, Quota>,
    capacity: BTreeMap<Scope, Time>,
    calls: BTreeMap<CallKind, (Time, Backoff)>,
}

impl HoldOffs {
    /// A create was refused for lack of quota while the scope had `others` other instances.
    /// Returns when that ends, if by time.
    pub(crate) fn quota_error(
        &mut self,
        scope: Scope,
        others: usize,
        now: Time,
        ttl: Duration,
    ) -> Option<Time> {
        if others < 1 {
            self.quota.insert(scope, Quota::Until(now + ttl));
            return Some(now + ttl);
        }
        let fewest = match self.quota.get(&scope) {
            Some(Quota::UntilFewerThan(before)) => others.min(*before),
            _ => others,
        };
        self.quota.insert(scope, Quota::UntilFewerThan(fewest));
        None
    }

    pub(crate) fn capacity_error(&mut self, scope: Scope, until: Time) {
        self.capacity.insert(scope, until);
    }

    /// A call was refused for the rate. Returns until when no call of its kind is made.
    pub(crate) fn rate_limited(&mut self, kind: CallKind, now: Time, stated: Option<Duration>) -> Time {
        let (until, backoff) = self.calls.entry(kind).or_default();
        let pause = match stated {
            Some(pause) => pause,
            // A call that was made before the last refusal came says nothing new.
            None if *until > now => Duration::ZERO,
            None => backoff.next(),
        };
        *until = (*until).max(now + pause);
        *until
    }

    pub(crate) fn call_succeeded(&mut self, kind: CallKind) {
        if let Some((_, backoff)) = self.calls.get_mut(&kind) {
            backoff.reset();
        }
    }

    /// Until when calls of this kind are not made; none if they are.
    pub(crate) fn call_blocked(&self, kind: CallKind, now: Time) -> Option<Time> {
        self.calls.get(&kind).map(|(until, _)| *until).filter(|until| *until > now)
    }

    fn quota_used_up(&self, scope: &Scope, counts: &ScopeCounts, now: Time) -> bool {
        match self.quota.get(scope) {
            Some(Quota::Until(until)) => now < *until,
            Some(Quota::UntilFewerThan(n)) => counts.of(scope) >= *n,
            None => false,
        }
    }

    /// The scopes whose quota is used up, and when that ends.
    pub(crate) fn quotas(
        &self,
        counts: &ScopeCounts,
        now: Time,
    ) -> impl Iterator<Item = (&Scope, HoldOffEnd)> {
        self.quota.iter().filter(move |(scope, _)| self.quota_used_up(scope, counts, now)).map(
            |(scope, quota)| {
                let end = match quota {
                    Quota::Until(until) => HoldOffEnd::At(*until),
                    Quota::UntilFewerThan(n) => HoldOffEnd::FewerThan(*n),
                };
                (scope, end)
            },
        )
    }

    /// The scopes without capacity, and until when.
    pub(crate) fn capacities(&self, now: Time) -> impl Iterator<Item = (&Scope, Time)> {
        self.capacity.iter().map(|(scope, until)| (scope, *until)).filter(move |(_, until)| *until > now)
    }

    /// True when the quota of everything in every placement is used up.
    pub(crate) fn quota_of_all(&self, counts: &ScopeCounts, now: Time) -> bool {
        self.quota_used_up(&Scope { subject: crate::scope::Subject::All, placement: None }, counts, now)
    }

    /// True when a quota that covers such an instance is used up.
    pub(crate) fn quota_covers(&self, member: &Membership, counts: &ScopeCounts, now: Time) -> bool {
        member.scopes().any(|scope| self.quota_used_up(&scope, counts, now))
    }

    /// What the widest quota covers that covers such an instance and is used up; none if none is.
    pub(crate) fn quota_reach(&self, member: &Membership, counts: &ScopeCounts, now: Time) -> Option<Reach> {
        let used_up = member.scopes().filter(|scope| self.quota_used_up(scope, counts, now));
        used_up.map(|scope| scope.reach()).max()
    }

    /// Until when such an instance is held off for capacity; none if it is not.
    pub(crate) fn capacity_covers(&self, member: &Membership, now: Time) -> Option<Time> {
        member
            .scopes()
            .filter_map(|scope| self.capacity.get(&scope).copied())
            .filter(|until| *until > now)
            .max()
    }

    /// How many there are, of each kind.
    pub(crate) fn in_force(&self, counts: &ScopeCounts, now: Time) -> HoldOffCounts {
        HoldOffCounts {
            quota: self.quota.keys().filter(|scope| self.quota_used_up(scope, counts, now)).count(),
            capacity: self.capacity.values().filter(|until| **until > now).count(),
            rate_limit: self.calls.values().filter(|(until, _)| *until > now).count(),
        }
    }

    /// Forgets what has ended. Returns whether anything has, and when the next will, by time.
    pub(crate) fn expire(&mut self, counts: &ScopeCounts, now: Time) -> (bool, Option<Time>) {
        let before = self.quota.len() + self.capacity.len();
        self.quota.retain(|scope, quota| match quota {
            Quota::Until(until) => now < *until,
            Quota::UntilFewerThan(n) => counts.of(scope) >= *n,
        });
        self.capacity.retain(|_, until| now < *until);
        let ended = self.quota.len() + self.capacity.len() < before;
        let by_quota = self.quota.values().filter_map(|quota| match quota {
            Quota::Until(until) => Some(*until),
            Quota::UntilFewerThan(_) => None,
        });
        let calls = self.calls.values().map(|(until, _)| *until).filter(|until| *until > now);
        (ended, by_quota.chain(self.capacity.values().copied()).chain(calls).min())
    }
}
