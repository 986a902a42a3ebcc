//! New instances: when one may be asked for, where, and what its failure means.

use crate::{
    CreateInstance, Effect, Failure, FailureClass, ListedInstance, Notice, OpId, PoolState, SecretHash, Time,
    calls::Call,
    events::CallKind,
    scope::Membership,
    settings::{CREATE_ATTEMPTS, CREATE_RETRY, CREATE_THROTTLE},
    timers::Timer,
    worker::{Asking, Began, PendingCreate},
};
use pool_api::{
    Effect as CallEffect, HourlyPrice, Idempotency, IdempotencyToken, InstanceTypeName, Placement,
};
use std::time::Duration;

/// What each new instance gets that is drawn by chance, by the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreshInstance {
    /// The hash of its secret.
    pub secret: SecretHash,
    /// The token of its create.
    pub token: IdempotencyToken,
}

/// Why no instance is asked for now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateRefusal {
    /// No such type.
    #[error("instance type {0} is not configured")]
    UnknownType(InstanceTypeName),
    /// The pool does not know yet which instances there are.
    #[error("the instances have not been listed yet")]
    NotLoaded,
    /// The runner program that a worker needs cannot be loaded.
    #[error("the runner program cannot be loaded: {0}")]
    RunnerUnavailable(String),
    /// No placement has capacity for the type.
    #[error("no capacity for instance type {0}")]
    AtCapacity(InstanceTypeName),
    /// The last boots of the type have all failed.
    #[error(
        "the last {failures} boots of instance type {instance_type} have failed: it is tried again in {:.1} s",
        .wait.as_secs_f64()
    )]
    BootsFail {
        /// The type.
        instance_type: InstanceTypeName,
        /// How many.
        failures: u32,
        /// Until when none is asked for.
        wait: Duration,
    },
    /// The provider's quota is used up.
    #[error("the provider's quota is used up")]
    AtQuota,
    /// As many instances as are allowed.
    #[error("max_instances ({0}) is reached")]
    MaxInstances(u32),
    /// One more would cost more an hour than is allowed.
    #[error(
        "max_price_per_hour is {cap}, {used} of it is in use, and instance type {instance_type} costs {price}"
    )]
    SpendCap {
        /// What is allowed.
        cap: HourlyPrice,
        /// What the instances and the creates in flight cost.
        used: HourlyPrice,
        /// The type that was asked for.
        instance_type: InstanceTypeName,
        /// What one of it costs.
        price: HourlyPrice,
    },
    /// Another program has taken the instance set over.
    #[error("another program has taken the instance set over, with epoch {0}")]
    Superseded(u64),
    /// The provider limits the rate of creates.
    #[error("creates are throttled for {:.1} s", .0.as_secs_f64())]
    Throttled(Duration),
    /// As many creates in flight as are allowed.
    #[error("max_concurrent_instance_create_ops ({0}) is reached")]
    TooManyCreates(u32),
}

impl PoolState {
    /// p04: asks for an instance, in the next placement that is not held off.
    ///
    /// # Errors
    /// [`CreateRefusal`] when it is not to be asked for now. Nothing has changed then, except that meeting the
    /// limit of concurrent creates throttles further ones.
    pub fn create(
        &mut self,
        now: Time,
        type_name: &InstanceTypeName,
        fresh: FreshInstance,
    ) -> Result<OpId, CreateRefusal> {
        let now = self.enter(now);
        if let Some(highest) = self.superseded {
            return Err(CreateRefusal::Superseded(highest));
        }
        let Some((instance_type, group)) = self.types.get(type_name).cloned() else {
            return Err(CreateRefusal::UnknownType(type_name.clone()));
        };
        if !self.loaded {
            return Err(CreateRefusal::NotLoaded);
        }
        if self.at_capacity(now, type_name) {
            return Err(CreateRefusal::AtCapacity(type_name.clone()));
        }
        if let Some(refusal) = self.boots_refuse(type_name, now) {
            return Err(refusal);
        }
        let limit = self.settings().max_instances;
        if limit > 0 && self.instances_and_creates() >= limit as usize {
            return Err(CreateRefusal::MaxInstances(limit));
        }
        if let (Some(cap), Some(left)) = (self.settings().max_price_per_hour, self.price_left())
            && instance_type.price > left
        {
            let (used, price) = (self.price_in_use(), instance_type.price);
            return Err(CreateRefusal::SpendCap { cap, used, instance_type: type_name.clone(), price });
        }
        let Some((index, placement)) = self.pick_placement(type_name) else {
            return Err(CreateRefusal::AtQuota);
        };
        if let Some(until) = self.create_blocked_until() {
            return Err(CreateRefusal::Throttled(until.since(now)));
        }
        let limit = self.settings().max_concurrent_instance_create_ops;
        if limit > 0 && self.creates.len() >= limit as usize {
            self.create_throttle = Some(now + CREATE_THROTTLE);
            self.timers.set_no_later(Timer::Wake, now + CREATE_THROTTLE);
            return Err(CreateRefusal::TooManyCreates(limit));
        }
        self.next_placement.insert(type_name.clone(), index);

        let op = self.next_op();
        let tags = self.setup.tag_names.for_create(&self.setup.instance_set, type_name, &fresh.secret);
        let member = Membership::of(&instance_type, group, placement.clone());
        self.counts.add(&member);
        let create =
            CreateInstance { instance_type, placement, tags, token: fresh.token, secret: fresh.secret };
        let pending = PendingCreate {
            op,
            create,
            member,
            began: now,
            attempts: 0,
            instance: None,
            asking: Asking::TheCloud,
            lost: None,
        };
        self.creates.insert(op, pending);
        self.calls.push(op, Call::Create);
        self.pump_calls();
        Ok(op)
    }

    /// p08: true when no placement is left for the type.
    pub fn at_capacity(&self, now: Time, type_name: &InstanceTypeName) -> bool {
        let Some((instance_type, group)) = self.types.get(type_name) else { return true };
        self.setup.placements.iter().all(|placement| {
            let member = Membership::of(instance_type, group.clone(), placement.clone());
            self.holdoffs.capacity_covers(&member, now).is_some()
        })
    }

    /// p09: true when the provider's quota of all instances, or `max_instances`, is reached.
    pub fn at_quota(&self, now: Time) -> bool {
        let limit = self.settings().max_instances as usize;
        (limit > 0 && self.instances_and_creates() >= limit) || self.holdoffs.quota_of_all(&self.counts, now)
    }

    /// True when a quota that covers the type in every placement is used up, or [`at_quota`](Self::at_quota).
    pub fn at_quota_for(&self, now: Time, type_name: &InstanceTypeName) -> bool {
        let Some((instance_type, group)) = self.types.get(type_name) else { return true };
        self.at_quota(now)
            || self.setup.placements.iter().all(|placement| {
                let member = Membership::of(instance_type, group.clone(), placement.clone());
                self.holdoffs.quota_covers(&member, &self.counts, now)
            })
    }

    /// Until when no create is made for the rate of calls; none when one may be.
    pub(crate) fn create_blocked_until(&self) -> Option<Time> {
        let throttle = self.create_throttle.filter(|until| *until > self.now);
        self.holdoffs.call_blocked(CallKind::Create, self.now).max(throttle)
    }

    /// Workers, and creates whose instance is not among them.
    pub(crate) fn instances_and_creates(&self) -> usize {
        self.counts.all()
    }

    /// The next placement, from the type's present one on, that nothing holds off.
    fn pick_placement(&self, type_name: &InstanceTypeName) -> Option<(usize, Placement)> {
        let (instance_type, group) = self.types.get(type_name)?;
        let count = self.setup.placements.len();
        let from = self.next_placement.get(type_name).copied().unwrap_or(0);
        (0..count).map(|step| (from + step) % count.max(1)).find_map(|index| {
            let placement = &self.setup.placements[index];
            let member = Membership::of(instance_type, group.clone(), placement.clone());
            let open = self.holdoffs.capacity_covers(&member, self.now).is_none()
                && !self.holdoffs.quota_covers(&member, &self.counts, self.now);
            open.then(|| (index, placement.clone()))
        })
    }

    pub(crate) fn on_created(&mut self, op: OpId, instance: &ListedInstance) {
        let Some((Call::Create, _)) = self.calls.finish(op) else { return };
        self.holdoffs.call_succeeded(CallKind::Create);
        let Some(pending) = self.creates.remove(&op) else { return };
        if pending.instance.is_none() {
            self.counts.remove(&pending.member);
        }
        let began = self.began();
        if self.update_worker(instance, began.at) {
            // It was listed before.
        } else if pending.instance.as_ref() == Some(&instance.id) {
            // It was listed, and by a later list it is gone: both began after this call, whose answer is old news.
            self.create_slot_freed();
            return;
        } else {
            self.add_worker(instance, began, Some(&pending));
        }
        if let Some(worker) = self.workers.get_mut(&instance.id) {
            worker.changed = began;
            worker.evidence = began.at;
        }
        if instance.address.is_none() {
            self.lists_in_a_row = 0;
            self.list_soon();
        }
        self.create_slot_freed();
    }

    pub(crate) fn on_create_failed(&mut self, op: OpId, failure: &Failure) {
        let now = self.now;
        let began = self.began();
        let settle = self.settle_time();
        let retries = self.setup.capabilities.idempotency != Idempotency::None;
        let Some(pending) = self.creates.get_mut(&op) else { return };
        // A lost response is no refusal: the instance may exist. Nor does a refusal of a later attempt say that an
        // earlier, lost one has made none. Only the same token or a list can tell.
        let lost = failure.effect == CallEffect::Unknown;
        if lost {
            pending.lost = Some(began);
        } else {
            self.note_refusal(op, failure);
        }
        let Some(pending) = self.creates.get_mut(&op) else { return };
        match pending.lost {
            Some(_) if pending.instance.is_some() => self.create_ended(op),
            None => self.create_ended(op),
            Some(_) if lost && retries && pending.attempts < CREATE_ATTEMPTS => {
                pending.asking = Asking::Again;
                self.timers.set(Timer::RetryCreate(op), now + CREATE_RETRY);
            }
            Some(lost) => {
                pending.asking = Asking::TheList;
                self.timers.set_no_later(Timer::Sync, (lost.at + settle).max(now));
            }
        }
    }

    /// What the refusal of a create says of those to come.
    fn note_refusal(&mut self, op: OpId, failure: &Failure) {
        let now = self.now;
        let Some(pending) = self.creates.get(&op) else { return };
        let placements = &self.setup.placements;
        if let Some(failed) = placements.iter().position(|p| *p == pending.create.placement) {
            let next = (failed + 1) % placements.len();
            self.next_placement.insert(pending.create.instance_type.name.clone(), next);
        }
        match failure.class {
            FailureClass::Quota(scope) => {
                let scope = pending.member.failed(scope);
                // Counted once, also when it was listed before: this create itself is not one of the others.
                let others = self.counts.of(&scope).saturating_sub(1);
                let ttl = self.setup.settings.quota_error_ttl;
                self.holdoffs.quota_error(scope, others, now, ttl);
            }
            FailureClass::Capacity(scope) => {
                let until = now + self.setup.settings.capacity_error_ttl;
                self.holdoffs.capacity_error(pending.member.failed(scope), until);
            }
            FailureClass::RateLimit(_) | FailureClass::Other(_) => {}
        }
        self.expire_hold_offs();
        self.notify();
    }

    /// Nothing more is to come of a create.
    fn create_ended(&mut self, op: OpId) {
        if let Some(pending) = self.creates.remove(&op) {
            self.timers.clear(&Timer::RetryCreate(op));
            if pending.instance.is_none() {
                self.counts.remove(&pending.member);
            }
            self.create_slot_freed();
        }
    }

    /// Asks again with the same token.
    pub(crate) fn retry_create(&mut self, op: OpId) {
        let Some(pending) = self.creates.get_mut(&op) else { return };
        if pending.asking == Asking::Again && pending.instance.is_none() {
            pending.asking = Asking::TheCloud;
            self.calls.push(op, Call::Create);
        }
    }

    /// After a complete list: a lost create whose instance is listed is done; one whose instance would be
    /// listed by now, and is not, never happened.
    pub(crate) fn resolve_lost_creates(&mut self, list: Began) {
        let settle = self.settle_time();
        let mut wait_until = None;
        let mut resolved = Vec::new();
        for pending in self.creates.values() {
            let Some(lost) = pending.lost.filter(|_| pending.asking != Asking::TheCloud) else { continue };
            if pending.instance.is_some() {
                resolved.push((pending.op, true));
            } else if pending.asking == Asking::TheList {
                if list.seq > lost.seq && list.at >= lost.at + settle {
                    resolved.push((pending.op, false));
                } else {
                    wait_until = wait_until.max(Some(lost.at + settle));
                }
            }
        }
        for (op, listed) in resolved {
            self.create_ended(op);
            if !listed {
                let failure = Failure::lost("no response, and the instance was never listed");
                self.emit(Effect::Report(Notice::CallFailed { kind: CallKind::Create, failure }));
            }
        }
        if let Some(at) = wait_until {
            self.timers.set_no_later(Timer::Sync, at.max(self.now));
        }
    }

    /// A place for a create is free again: wakes who waits for it at once, rather than at the throttle's end.
    fn create_slot_freed(&mut self) {
        self.create_throttle = None;
        self.expire_hold_offs();
        self.notify();
    }
}
