//! The struct that holds all decisions, and how it is driven.

use crate::{
    Effect, Event, Observation, SecretHash, Settings, TagNames, Time,
    boots::Boots,
    calls::Calls,
    events::BootOutcome,
    holdoff::HoldOffs,
    job_log::JobLog,
    phase::{Input, Phase, State, next},
    rate::RateWindow,
    scope::ScopeCounts,
    timers::{Timer, Timers},
    worker::{Began, Ended, IndexKey, PendingCreate, Seq, Worker},
};
use pool_api::{
    Capabilities, InstanceId, InstanceSetId, InstanceType, InstanceTypeName, JobId, Placement, QuotaGroup,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Names a call to the cloud.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(pub(crate) u64);

/// Names a probe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProbeId(pub(crate) u64);

/// What never changes while a pool runs.
#[derive(Clone, Debug)]
pub struct PoolSetup {
    /// Whose instances.
    pub instance_set: InstanceSetId,
    /// The limits and intervals.
    pub settings: Settings,
    /// The names of the tags.
    pub tag_names: TagNames,
    /// The configured types, each with the quota group that the driver says.
    pub instance_types: Vec<(Arc<InstanceType>, QuotaGroup)>,
    /// The driver's placements, at least one, in the order of preference.
    pub placements: Vec<Placement>,
    /// What the driver can do.
    pub capabilities: Capabilities,
}

/// Every decision of a pool.
///
/// Drive it so: call an operation or [`handle`](Self::handle) or [`handle_timeout`](Self::handle_timeout), then
/// take effects from [`poll_effect`](Self::poll_effect) until there is none and carry them out, and call
/// `handle_timeout` again no later than [`poll_timeout`](Self::poll_timeout) says. The same calls with the same
/// times give the same effects.
#[derive(Debug)]
pub struct PoolState {
    pub(crate) setup: PoolSetup,
    pub(crate) types: BTreeMap<InstanceTypeName, (Arc<InstanceType>, QuotaGroup)>,
    /// When this process began.
    started: Time,
    pub(crate) now: Time,
    pub(crate) seq: Seq,
    pub(crate) last_op: u64,
    pub(crate) last_probe: u64,
    pub(crate) workers: BTreeMap<InstanceId, Worker>,
    /// Workers that count as unallocated, by type and phase, oldest first.
    pub(crate) index: BTreeMap<(InstanceTypeName, Phase), BTreeSet<(Time, InstanceId)>>,
    /// Which worker a secret belongs to: finds second instances of one create.
    pub(crate) secrets: BTreeMap<SecretHash, InstanceId>,
    pub(crate) creates: BTreeMap<OpId, PendingCreate>,
    pub(crate) counts: ScopeCounts,
    /// Which worker has a job (or may have it).
    pub(crate) jobs: BTreeMap<JobId, InstanceId>,
    pub(crate) ended: BTreeMap<JobId, Ended>,
    pub(crate) job_log: JobLog,
    /// Runs that go on where they should not, by job: on which worker, and which attempt.
    pub(crate) stray_jobs: BTreeMap<JobId, BTreeSet<(InstanceId, u32)>>,
    pub(crate) left_alone: BTreeSet<InstanceId>,
    /// Workers that another program has taken over.
    pub(crate) taken: BTreeSet<InstanceId>,
    pub(crate) holdoffs: HoldOffs,
    pub(crate) boots: Boots,
    pub(crate) create_throttle: Option<Time>,
    /// Per type, the position of the placement that is tried next.
    pub(crate) next_placement: BTreeMap<InstanceTypeName, usize>,
    pub(crate) calls: Calls,
    pub(crate) probe_window: RateWindow,
    pub(crate) probe_queue: VecDeque<InstanceId>,
    /// Set by the first complete list.
    pub(crate) loaded: bool,
    /// When the last complete list began.
    pub(crate) listed: Option<Time>,
    pub(crate) lists_in_a_row: u32,
    /// When the last list was, or will be, that is made because a session was lost.
    pub(crate) list_after_loss: Option<Time>,
    pub(crate) timers: Timers,
    pub(crate) rate_limit_logged: Option<Time>,
    /// The epoch of another program that has taken the instance set over.
    pub(crate) superseded: Option<u64>,
    /// Subscribers were woken in this step.
    notified: bool,
    effects: VecDeque<Effect>,
}

impl PoolState {
    /// A pool that knows nothing yet and asks for a first list.
    pub fn new(mut setup: PoolSetup, now: Time) -> Self {
        setup.settings = setup.settings.without_zero_pauses();
        let types = setup
            .instance_types
            .iter()
            .map(|(t, group)| (t.name.clone(), (t.clone(), group.clone())))
            .collect();
        let settings = &setup.settings;
        let mut state = Self {
            calls: Calls::new(settings.max_cloud_ops_per_second),
            probe_window: RateWindow::new(settings.max_probes_per_second),
            types,
            started: now,
            now,
            seq: Seq::default(),
            last_op: 0,
            last_probe: 0,
            workers: BTreeMap::new(),
            index: BTreeMap::new(),
            secrets: BTreeMap::new(),
            notified: false,
            creates: BTreeMap::new(),
            counts: ScopeCounts::default(),
            jobs: BTreeMap::new(),
            ended: BTreeMap::new(),
            job_log: JobLog::default(),
            stray_jobs: BTreeMap::new(),
            left_alone: BTreeSet::new(),
            taken: BTreeSet::new(),
            holdoffs: HoldOffs::default(),
            boots: Boots::default(),
            create_throttle: None,
            next_placement: BTreeMap::new(),
            probe_queue: VecDeque::new(),
            loaded: false,
            listed: None,
            lists_in_a_row: 0,
            list_after_loss: None,
            timers: Timers::default(),
            rate_limit_logged: None,
            superseded: None,
            effects: VecDeque::new(),
            setup,
        };
        state.ask_for_list();
        state
    }

    /// Takes in what happened outside.
    pub fn handle(&mut self, now: Time, event: Event) {
        self.enter(now);
        if self.superseded.is_some() {
            return;
        }
        match event {
            Event::Listed { op, instances } => self.on_listed(op, &instances),
            Event::Created { op, instance } => self.on_created(op, &instance),
            Event::CallDone { op } => self.on_call_done(op),
            Event::CallFailed { op, failure } => self.on_call_failed(op, &failure),
            Event::HostVerified { instance, fingerprint } => self.on_host_verified(&instance, fingerprint),
            Event::SessionOpened { instance } => self.on_session(&instance, true),
            Event::SessionClosed { instance, .. } => self.on_session(&instance, false),
            Event::Superseded { instance, highest } => self.on_superseded(&instance, highest),
            Event::Probed { instance, probe, result } => self.on_probed(&instance, probe, result),
            Event::StartAnswered { instance, run, answer } => {
                self.on_start_answered(&instance, &run, &answer);
            }
            Event::Forgotten { instance, run } => self.on_forgotten(&instance, &run),
            Event::RunEnded { instance, run, end } => self.on_run_ended(&instance, &run, end),
            Event::Broken { instance, reason } => self.on_broken(&instance, reason),
        }
        self.pump_calls();
    }

    /// Does what is due. Call it when [`poll_timeout`](Self::poll_timeout) says; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.enter(now);
        if self.superseded.is_some() {
            return;
        }
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Sync => self.ask_for_list(),
                Timer::CloudCalls => {}
                Timer::ProbeSlot => self.pump_probes(),
                Timer::Wake => self.end_hold_offs(),
                Timer::RetryCreate(op) => self.retry_create(op),
                Timer::Probe(id) => self.probe_due(id),
                Timer::Idle(id) => self.retire_if_due(&id),
                Timer::Lifetime(id) => self.drain_unless_held(&id),
                Timer::Destroy(id) => self.destroy_again(&id),
                Timer::SaveTags(id) => self.save_tags(&id),
                Timer::StaleRun(id) => self.check_stale(&id),
                Timer::Kill(job) => self.kill_due(&job),
            }
        }
        self.pump_calls();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next; none: not before something happens.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next().filter(|_| self.superseded.is_none())
    }

    /// The next thing to do outside.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// True once a first complete list has come.
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Begins a step: time never goes back, and each step has its number. Returns the time that holds.
    pub(crate) fn enter(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.seq.0 += 1;
        self.notified = false;
        self.now
    }

    pub(crate) fn began(&self) -> Began {
        Began { at: self.now, seq: self.seq }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.setup.settings
    }

    pub(crate) fn settle_time(&self) -> Duration {
        self.setup.capabilities.list_settle_time
    }

    /// A list that begins at this time or later shows all that earlier processes have done.
    pub(crate) fn earlier_settled(&self) -> Time {
        self.started + self.settle_time()
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Nothing that was asked for and not taken yet is to be done; what has happened is still told.
    pub(crate) fn drop_what_was_decided(&mut self) {
        self.effects.retain(|effect| {
            matches!(effect, Effect::Report(_) | Effect::Observe(_) | Effect::Notify | Effect::Close { .. })
        });
    }

    /// Wakes the subscribers, once for all that happens in a step.
    pub(crate) fn notify(&mut self) {
        if !std::mem::replace(&mut self.notified, true) {
            self.emit(Effect::Notify);
        }
    }

    pub(crate) fn next_op(&mut self) -> OpId {
        self.last_op += 1;
        OpId(self.last_op)
    }

    /// Puts a worker into the index where it belongs now. To be called after every change of one.
    pub(crate) fn reindex(&mut self, id: &InstanceId) {
        if let Some(worker) = self.workers.get_mut(id) {
            let key = worker.index_key();
            if key != worker.index {
                let old = std::mem::replace(&mut worker.index, key.clone());
                self.unindex(old);
                if let Some(new) = key {
                    let place = (new.instance_type.clone(), new.phase);
                    self.index.entry(place).or_default().insert((new.since, new.id));
                    if new.phase == Phase::Idle {
                        self.recheck_kept_idle(&new.instance_type);
                    }
                }
            }
        }
    }

    /// Takes a worker out of the index.
    pub(crate) fn unindex(&mut self, key: Option<IndexKey>) {
        if let Some(old) = key
            && let Some(entries) = self.index.get_mut(&(old.instance_type, old.phase))
        {
            entries.remove(&(old.since, old.id));
        }
    }

    /// Moves a worker on by the table. Returns whether that changed its phase.
    pub(crate) fn step(&mut self, id: &InstanceId, input: Input, to: State) -> bool {
        let began = self.began();
        let Some(worker) = self.workers.get_mut(id) else { return false };
        let Some(phase) = next(worker.state.phase(), input) else { return false };
        debug_assert_eq!(phase, to.phase(), "the table decides where {input:?} leads");
        worker.state = to;
        worker.changed = began;
        self.reindex(id);
        self.notify();
        true
    }

    /// Counts how a boot has ended, once a worker that this process created. `why` is asked when it has failed.
    pub(crate) fn boot_ended(&mut self, id: &InstanceId, outcome: BootOutcome, why: impl FnOnce() -> String) {
        if let Some(worker) = self.workers.get_mut(id)
            && worker.create_began.is_some()
            && !std::mem::replace(&mut worker.boot_reported, true)
        {
            let type_name = worker.type_name.clone();
            self.emit(Effect::Observe(Observation::Boot(outcome)));
            self.note_boot(&type_name, outcome, why);
        }
    }

    fn end_hold_offs(&mut self) {
        if self.create_throttle.is_some_and(|until| until <= self.now) {
            self.create_throttle = None;
        }
        self.expire_hold_offs();
        // Also when a rate limit ended, which leaves no entry behind.
        self.notify();
    }

    /// Drops hold-offs that have ended and sets the timer for the next.
    pub(crate) fn expire_hold_offs(&mut self) {
        let (ended, next) = self.holdoffs.expire(&self.counts, self.now);
        let (forgotten, boots) = self.boots.expire(self.now);
        if ended || forgotten {
            self.notify();
        }
        match next.into_iter().chain(self.create_throttle).chain(boots).min() {
            Some(at) => self.timers.set(Timer::Wake, at),
            None => self.timers.clear(&Timer::Wake),
        }
    }
}
