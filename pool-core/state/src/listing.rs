//! What a list of the instances means.

use crate::{
    Effect, IdleBehavior, ListedInstance, Notice, Observation, OpId, PoolState, ShutdownReason, Time,
    calls::Call,
    events::{BootOutcome, CallKind},
    phase::State,
    rate::doubled,
    scope::Membership,
    settings::{LIST_AFTER_LOSS, LIST_SOON},
    tags::OurTags,
    timers::Timer,
    worker::{Began, Ended, JobEnd, PendingCreate, Run, TagSaves, Worker},
};
use pool_api::{HourlyPrice, InstanceId, Lifecycle, Placement, Resources};
use std::collections::{BTreeMap, BTreeSet};

/// What has stopped, been preempted or failed.
fn is_of_no_use(lifecycle: Lifecycle) -> bool {
    matches!(lifecycle, Lifecycle::Stopped | Lifecycle::Failed)
}

impl PoolState {
    pub(crate) fn on_listed(&mut self, op: OpId, instances: &[ListedInstance]) {
        let Some((Call::List, began)) = self.calls.finish(op) else { return };
        self.holdoffs.call_succeeded(CallKind::List);
        for instance in instances {
            // Almost always a list says nothing new of an instance: then its worker is looked up once.
            if !self.is_no_news(instance, began.at) && !self.update_worker(instance, began.at) {
                self.add_listed(instance, began);
            }
        }
        let left_alone =
            instances.iter().map(|instance| &instance.id).filter(|id| self.left_alone.contains(*id));
        self.left_alone = left_alone.cloned().collect();
        let absent = self.workers.values().filter(|worker| worker.listed != self.seq);
        let absent: Vec<InstanceId> = absent.map(|worker| worker.id.clone()).collect();
        let mut answers = false;
        for id in absent {
            answers |= self.on_absent(&id, began);
        }
        self.listed = Some(began.at);
        if !std::mem::replace(&mut self.loaded, true) {
            self.notify();
        }
        self.timers.set_no_later(Timer::Sync, self.now + self.settings().sync_interval);
        self.resolve_lost_creates(began);
        // Only a list can tell that a destroyed instance is gone, where a new one can be reached, or that one which
        // answers was absent by mistake.
        let awaited = |w: &Worker| matches!(w.state, State::Shutdown { .. }) || w.address.is_none();
        if answers || self.workers.values().any(awaited) {
            self.list_soon();
        } else {
            self.lists_in_a_row = 0;
        }
        self.halt_if_superseded();
    }

    /// After a failed list nobody has disappeared; the next comes at the usual time.
    pub(crate) fn schedule_list_after_failure(&mut self) {
        self.timers.set_no_later(Timer::Sync, self.now + self.settings().sync_interval);
    }

    /// Lists again soon, the later the longer what is awaited does not come: the end of a destroyed instance, or the
    /// address of a new one.
    pub(crate) fn list_soon(&mut self) {
        let pause = doubled(LIST_SOON, self.lists_in_a_row, self.settings().sync_interval);
        self.lists_in_a_row += 1;
        self.timers.set_no_later(Timer::Sync, self.now + pause);
    }

    /// A worker that was well has hung up: only a list can tell whether it is still there, and its jobs wait for that.
    pub(crate) fn list_after_loss(&mut self) {
        let at = match self.list_after_loss {
            Some(coming) if coming > self.now => return,
            Some(last) => (self.now + LIST_SOON).max(last + LIST_AFTER_LOSS),
            None => self.now + LIST_SOON,
        };
        self.list_after_loss = Some(at);
        self.timers.set_no_later(Timer::Sync, at);
    }

    /// An instance that is not among the workers.
    fn add_listed(&mut self, instance: &ListedInstance, began: Began) {
        let tags = match self.setup.tag_names.read(&instance.tags) {
            Ok(tags) => tags,
            Err(why) => {
                if self.left_alone.insert(instance.id.clone()) {
                    self.emit(Effect::Report(Notice::LeftAlone { instance: instance.id.clone(), why }));
                }
                return;
            }
        };
        // p22: it carries the secret of a create that has not returned.
        let op = self
            .creates
            .values()
            .find(|p| p.create.secret == tags.secret && p.instance.is_none())
            .map(|p| p.op);
        if let Some(op) = op
            && let Some(mut pending) = self.creates.remove(&op)
        {
            // From here on it counts as a worker, no longer as a create.
            self.counts.remove(&pending.member);
            pending.instance = Some(instance.id.clone());
            self.add_worker(instance, began, Some(&pending));
            self.creates.insert(op, pending);
        } else {
            self.add_worker(instance, began, None);
        }
    }

    /// A new worker: booting if a create of this process made it, else unknown.
    pub(crate) fn add_worker(
        &mut self,
        instance: &ListedInstance,
        began: Began,
        pending: Option<&PendingCreate>,
    ) {
        let tags = match pending {
            // What we asked for is the truth, whatever a provider returns of it.
            Some(pending) => OurTags {
                instance_type: pending.create.instance_type.name.clone(),
                secret: pending.create.secret.clone(),
                idle_behavior: IdleBehavior::Run,
                host_key: None,
            },
            None => match self.setup.tag_names.read(&instance.tags) {
                Ok(tags) => tags,
                Err(_) => return,
            },
        };
        let configured = self.types.get(&tags.instance_type).cloned();
        let idle_behavior = match (&configured, tags.idle_behavior) {
            // p37: no new job for a type that is not offered any longer.
            (None, IdleBehavior::Run) => IdleBehavior::Drain,
            (_, behavior) => behavior,
        };
        let member = Membership {
            provider_type: match &configured {
                Some((t, _)) if t.provider_type == instance.provider_type => t.provider_type.clone(),
                _ => instance.provider_type.clone(),
            },
            preemptible: configured.as_ref().is_some_and(|(t, _)| t.preemptible),
            group: configured.as_ref().map(|(_, group)| group.clone()),
            placement: self.known_placement(&instance.placement),
            price: configured.as_ref().map_or(HourlyPrice::ZERO, |(t, _)| t.price),
        };
        self.counts.add(&member);
        let settled = self.earlier_settled();
        let tags_unsure = pending.is_none() && began.at < settled;
        if tags_unsure {
            self.timers.set_no_later(Timer::Sync, settled.max(self.now));
        }
        let id = instance.id.clone();
        let worker = Worker {
            id: id.clone(),
            type_name: configured.as_ref().map_or(tags.instance_type, |(t, _)| t.name.clone()),
            instance_type: configured.map(|(t, _)| t),
            member,
            address: instance.address.clone(),
            lifecycle: instance.lifecycle,
            secret: tags.secret.clone(),
            host_key: tags.host_key,
            idle_behavior,
            tags_unsure,
            state: if pending.is_some() { State::Booting } else { State::Unknown },
            booted: false,
            boot_reported: false,
            reached: false,
            created_at: instance.created,
            create_began: pending.map(|p| p.began),
            appeared: self.now,
            busy: self.now,
            probed: None,
            changed: self.began(),
            evidence: began.at,
            listed: self.seq,
            session_open: false,
            broken: None,
            stale: BTreeMap::new(),
            strays: BTreeSet::new(),
            runs: BTreeMap::new(),
            runs_changed: crate::worker::Seq::default(),
            reserved: Resources::default(),
            last_job: None,
            unfetched: BTreeSet::new(),
            forgetting: BTreeSet::new(),
            probing: None,
            probe_queued: false,
            failed_probes: 0,
            destroying: None,
            taken_by: None,
            jobs_left: Some(self.settings().max_jobs_per_instance).filter(|limit| *limit > 0),
            expires: None,
            tags: TagSaves::default(),
            index: None,
        };
        self.workers.insert(id.clone(), worker);
        self.reindex(&id);
        self.set_lifetime(&id, instance.age);
        self.emit(Effect::Report(Notice::Appeared { instance: id.clone(), created_here: pending.is_some() }));
        self.emit(Effect::SetAddress { instance: id.clone(), address: instance.address.clone() });
        self.notify();
        let first = self.secrets.get(&tags.secret).filter(|first| **first != id);
        let made_here =
            first.and_then(|first| self.workers.get(first)).is_some_and(|w| w.create_began.is_some());
        let second = first.is_some();
        if !second {
            self.secrets.insert(tags.secret, id.clone());
        }
        if second && made_here && idle_behavior != IdleBehavior::Hold {
            // A second instance of one create, which no process has used.
            self.shutdown(&id, ShutdownReason::Duplicate);
            return;
        }
        if second && idle_behavior == IdleBehavior::Run {
            // Which of two that were found was used before is not known: both may have jobs.
            self.change_idle_behavior(&id, IdleBehavior::Drain);
        }
        self.check_tags(instance, began.at);
        self.timers.set(Timer::Probe(id.clone()), self.now);
        self.check_lifecycle(&id);
    }

    /// Whether a list shows a worker as it was known to be: then only that is noted.
    fn is_no_news(&mut self, instance: &ListedInstance, began: Time) -> bool {
        let (seq, settled) = (self.seq, self.earlier_settled());
        let Some(worker) = self.workers.get_mut(&instance.id) else { return false };
        let is_no_news = worker.lifecycle == instance.lifecycle
            && !is_of_no_use(worker.lifecycle)
            && (instance.address.is_none() || worker.address == instance.address)
            && !(worker.tags_unsure && began >= settled)
            && self.setup.tag_names.are_ours(worker, &instance.tags);
        if is_no_news {
            worker.is_listed(instance, began, seq);
        }
        is_no_news
    }

    /// What a list or a create says anew of a worker; false: there is none of this id.
    pub(crate) fn update_worker(&mut self, instance: &ListedInstance, began: Time) -> bool {
        let (seq, settled) = (self.seq, self.earlier_settled());
        let Some(worker) = self.workers.get_mut(&instance.id) else { return false };
        worker.is_listed(instance, began, seq);
        let moved = instance.address.is_some() && worker.address != instance.address;
        if moved {
            worker.address.clone_from(&instance.address);
        }
        let changed = worker.lifecycle != instance.lifecycle;
        worker.lifecycle = instance.lifecycle;
        let id = &instance.id;
        if worker.tags_unsure && began >= settled {
            self.tags_are_sure(instance);
        }
        if moved {
            self.emit(Effect::SetAddress { instance: id.clone(), address: instance.address.clone() });
            self.probe_soon(id);
        }
        if changed {
            self.reindex(id);
            self.notify();
        }
        self.check_tags(instance, began);
        self.check_lifecycle(id);
        true
    }

    /// The same text as in the configuration, so that not each worker has its own.
    fn known_placement(&self, listed: &Placement) -> Placement {
        self.setup.placements.iter().find(|known| *known == listed).unwrap_or(listed).clone()
    }

    /// What an earlier process has saved last is known now. Its wish to hold a worker is kept, whatever was made of the
    /// worker meanwhile, and so is its wish to drain it.
    fn tags_are_sure(&mut self, instance: &ListedInstance) {
        let id = &instance.id;
        let listed =
            self.setup.tag_names.read(&instance.tags).map(|tags| tags.idle_behavior).unwrap_or_default();
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.tags_unsure = false;
        let to = match (worker.idle_behavior, listed) {
            (IdleBehavior::Hold, _) | (_, IdleBehavior::Hold) => IdleBehavior::Hold,
            (IdleBehavior::Drain, _) | (_, IdleBehavior::Drain) => IdleBehavior::Drain,
            (IdleBehavior::Run, IdleBehavior::Run) => IdleBehavior::Run,
        };
        // Does what was put off, also when nothing changes.
        self.change_idle_behavior(id, to);
    }

    /// p44: the last save may be lost, or somebody else may have changed them: our own values are saved again. Not because
    /// of a list that need not show them yet: with a save for each such list, some providers would never show any.
    fn check_tags(&mut self, instance: &ListedInstance, began: Time) {
        let to_be_saved = self.workers.get(&instance.id).is_some_and(|worker| {
            !matches!(worker.state, State::Shutdown { .. })
                && worker.tags.in_flight.is_none()
                && began >= worker.tags.shown_from
                && !self.setup.tag_names.are_ours(worker, &instance.tags)
        });
        if to_be_saved {
            self.save_tags(&instance.id);
        }
    }

    /// What has stopped, been preempted or failed is of no use and often still paid for.
    fn check_lifecycle(&mut self, id: &InstanceId) {
        let Some(worker) = self.workers.get(id) else { return };
        if is_of_no_use(worker.lifecycle) {
            let reason = ShutdownReason::Lifecycle(worker.lifecycle);
            self.shutdown(id, reason);
        }
    }

    /// A worker is not in a complete list. Returns whether it answers nevertheless.
    fn on_absent(&mut self, id: &InstanceId, list: Began) -> bool {
        let settle = self.settle_time();
        let Some(worker) = self.workers.get(id) else { return false };
        if worker.session_open {
            // It still answers, so it is not gone, whatever the list says. Ask it, and the cloud, again.
            self.probe_soon(id);
            return true;
        }
        if list.seq <= worker.changed.seq {
            return false;
        }
        let settled = worker.evidence + settle;
        if list.at < settled {
            self.timers.set_no_later(Timer::Sync, settled.max(self.now));
        } else {
            self.gone(id);
        }
        false
    }

    /// p30: a worker has disappeared.
    fn gone(&mut self, id: &InstanceId) {
        let category = self.workers.get(id).map(Self::category);
        let Some(mut worker) = self.workers.remove(id) else { return };
        self.unindex(worker.index.take());
        self.taken.remove(id);
        self.counts.remove(&worker.member);
        if self.secrets.get(&worker.secret) == Some(id) {
            self.secrets.remove(&worker.secret);
        }
        for timer in
            [Timer::Probe, Timer::Idle, Timer::Lifetime, Timer::Destroy, Timer::SaveTags, Timer::StaleRun]
        {
            self.timers.clear(&timer(id.clone()));
        }
        for (job, run) in std::mem::take(&mut worker.runs) {
            self.lose(&job, run, id);
        }
        for run in std::mem::take(&mut worker.strays) {
            self.stray_gone(id, &run);
        }
        if worker.create_began.is_some() && !worker.boot_reported {
            self.emit(Effect::Observe(Observation::Boot(BootOutcome::Disappeared)));
            let why = || "it was gone before it was ready".to_owned();
            self.note_boot(&worker.type_name, BootOutcome::Disappeared, why);
        }
        if let Some(category) = category {
            self.emit(Effect::Observe(Observation::Disappeared(category)));
        }
        if let State::Shutdown { requested, .. } = worker.state {
            self.emit(Effect::Observe(Observation::TimeToDisappear(self.now.since(requested))));
        }
        self.emit(Effect::Report(Notice::Gone { instance: id.clone() }));
        self.emit(Effect::Close { instance: id.clone() });
        self.expire_hold_offs();
        self.notify();
    }

    fn lose(&mut self, job: &pool_api::JobId, run: Run, id: &InstanceId) {
        self.timers.clear(&Timer::Kill(job.clone()));
        self.jobs.remove(job);
        let ended = Ended { run: run.id, instance: id.clone(), noticed: self.now, end: JobEnd::WorkerGone };
        self.ended.insert(job.clone(), ended);
        self.job_changed(job);
    }
}
