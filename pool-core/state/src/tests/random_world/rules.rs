//! What must never be.

use super::{CALLS_PER_SECOND, MAX_JOBS, MAX_PRICE, MIN_IDLE, RandomWorld};
use crate::{Effect, ShutdownReason, phase::State, tests::fixtures::*};
use pool_api::{HourlyPrice, InstanceId, JobId, Lifecycle, RunId};
use std::collections::BTreeMap;

impl RandomWorld {
    pub(super) fn invariant_calls_per_second(&mut self) {
        self.calls.push_back(self.now);
        while self.calls.front().is_some_and(|t| *t + secs(1) <= self.now) {
            self.calls.pop_front();
        }
        assert!(self.calls.len() <= CALLS_PER_SECOND as usize, "invariant_caps: {:?}", self.calls);
    }

    pub(super) fn invariant_started_once(&self, instance: &InstanceId, run: &RunId) {
        for (id, machine) in &self.machines {
            let twice = machine.runs.iter().any(|(other, end)| other.job == run.job && end.is_none());
            assert!(!twice, "invariant_one_place: {run} is started on {instance} and runs on {id}");
        }
    }

    pub(super) fn invariant_superseded_pools_do_nothing(&self, effect: &Effect) {
        let told =
            matches!(effect, Effect::Notify | Effect::Observe(_) | Effect::Report(_) | Effect::Close { .. });
        assert!(told || self.pool.superseded().is_none(), "invariant_superseded: {effect:?}");
        let (Effect::Destroy { instance, .. }
        | Effect::SetTags { instance, .. }
        | Effect::Probe { instance, .. }
        | Effect::Start { instance, .. }
        | Effect::Kill { instance, .. }
        | Effect::Forget { instance, .. }
        | Effect::SetHeld { instance, .. }) = effect
        else {
            return;
        };
        assert!(!self.pool.is_left_to_another(instance), "invariant_superseded: {effect:?}");
    }

    pub(super) fn invariant_spend_cap(&self) {
        // Chance can tell the pool that a create was refused which was not: its instance is an adopted excess.
        let adopted = self.pool.workers.values().filter(|w| w.create_began.is_none());
        let adopted: HourlyPrice = adopted.filter_map(|w| w.instance_type.as_ref()).map(|t| t.price).sum();
        let price = self.pool.price_in_use().as_micros() - adopted.as_micros();
        assert!(price <= MAX_PRICE.as_micros(), "invariant_caps: {price} micros an hour");
    }

    pub(super) fn invariant_a_life_is_bounded(&mut self, instance: &InstanceId) {
        let given = self.given.entry(instance.clone()).or_default();
        *given += 1;
        assert!(*given <= MAX_JOBS, "invariant_bounded_life: {instance} was given {given} jobs");
        let expires = self.pool.workers[instance].expires.unwrap();
        assert!(self.now < expires, "invariant_bounded_life: {instance} was given a job when it was too old");
    }

    pub(super) fn invariant_min_idle_stay(&self, instance: &InstanceId, reason: &ShutdownReason) {
        let now = self.now;
        // Others may have ended in the same moment, for other reasons.
        let stays_or_just_went = |state: &State| match state {
            State::Idle { .. } => true,
            State::Shutdown { requested, .. } => *requested == now,
            _ => false,
        };
        let idle = self
            .pool
            .workers
            .values()
            .filter(|w| w.type_name == name(SMALL) && w.id != *instance && stays_or_just_went(&w.state));
        let went = &self.pool.workers[instance];
        // One that takes no jobs any more, as it is stopping, is of no use as an idle one.
        let bound = went.type_name == name(SMALL)
            && *reason == ShutdownReason::Idle
            && went.broken.is_none()
            && went.strays.is_empty()
            && went.lifecycle == Lifecycle::Running;
        assert!(!bound || idle.count() >= MIN_IDLE, "invariant_min_idle: {instance}");
    }

    pub(super) fn invariant_held_means_held(&self, instance: &InstanceId, reason: &ShutdownReason) {
        let asked = matches!(
            reason,
            ShutdownReason::Requested(_) | ShutdownReason::Lifecycle(_) | ShutdownReason::Duplicate
        );
        assert!(asked || !self.pool.is_held(instance), "invariant_held: {instance} is shut down: {reason}");
    }

    /// Who follows the changes knows all jobs.
    pub(super) fn invariant_changes_are_complete(&mut self) {
        let changes = self.pool.job_changes(self.cursor);
        self.cursor = changes.next;
        if changes.all {
            self.followed.clear();
        }
        for (job, status) in changes.jobs {
            match status {
                Some(status) => drop(self.followed.insert(job, status)),
                None => drop(self.followed.remove(&job)),
            }
        }
        assert_eq!(self.followed, self.pool.running(), "invariant_changes: a change of a job was not told");
    }

    pub(super) fn invariant_indexes_hold(&self) {
        let taken = self.pool.workers.values().filter(|worker| worker.taken_by.is_some());
        assert!(taken.map(|worker| &worker.id).eq(&self.pool.taken), "invariant_indexes: workers of others");
        let mut indexed = 0;
        for worker in self.pool.workers.values() {
            let key = worker.index_key();
            assert_eq!(worker.index, key, "invariant_indexes: {}", worker.id);
            if let Some(key) = key {
                indexed += 1;
                let entries = &self.pool.index[&(key.instance_type, key.phase)];
                assert!(
                    entries.contains(&(key.since, key.id)),
                    "invariant_indexes: {} is missing",
                    worker.id
                );
            }
            let running = matches!(worker.state, State::Running);
            assert!(!running || !worker.runs.is_empty(), "invariant_phases: running without a job");
            assert!(
                !matches!(worker.state, State::Idle { .. }) || worker.runs.is_empty(),
                "invariant_phases: idle with a job"
            );
        }
        let entries: usize = self.pool.index.values().map(std::collections::BTreeSet::len).sum();
        assert_eq!(entries, indexed, "invariant_indexes: an entry too many");
        let all = crate::scope::Scope { subject: crate::scope::Subject::All, placement: None };
        let creates = self.pool.creates.values().filter(|create| create.instance.is_none());
        let creates: Vec<HourlyPrice> = creates.map(|create| create.create.instance_type.price).collect();
        let workers = self.pool.workers.values();
        let count = workers.len() + creates.len();
        let price = workers.filter_map(|w| w.instance_type.as_ref()).map(|t| t.price).chain(creates).sum();
        assert_eq!(self.pool.counts.of(&all), count, "invariant_counts");
        assert_eq!(self.pool.instances_and_creates(), count, "invariant_counts");
        assert_eq!(self.pool.price_in_use(), price, "invariant_counts");
    }

    pub(super) fn invariant_a_job_has_one_place(&self) {
        let mut places: BTreeMap<&JobId, &InstanceId> = BTreeMap::new();
        for worker in self.pool.workers.values() {
            for job in worker.runs.keys() {
                assert!(places.insert(job, &worker.id).is_none(), "invariant_one_place: {job}");
            }
        }
        let known: BTreeMap<&JobId, &InstanceId> = self.pool.jobs.iter().collect();
        assert_eq!(places, known, "invariant_one_place: the map of jobs");
        assert!(
            self.pool.ended.keys().all(|job| !self.pool.jobs.contains_key(job)),
            "invariant_one_place: ended and on"
        );
    }
}
