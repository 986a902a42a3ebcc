//! Calls to the cloud: queued, let out at most so many a second, and none of a kind that is blocked.

use crate::{
    Effect, Failure, FailureClass, Notice, OpId, PoolState, Time,
    events::CallKind,
    rate::RateWindow,
    timers::Timer,
    worker::{Began, Worker},
};
use pool_api::InstanceId;
use std::collections::{BTreeMap, VecDeque};

/// A call, by what it needs when it is let out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    List,
    Create,
    Destroy(InstanceId),
    SetTags(InstanceId),
}

impl Call {
    pub(crate) fn kind(&self) -> CallKind {
        match self {
            Self::List => CallKind::List,
            Self::Create => CallKind::Create,
            Self::Destroy(_) => CallKind::Destroy,
            Self::SetTags(_) => CallKind::SetTags,
        }
    }
}

/// All calls that wait or are in flight.
#[derive(Debug)]
pub(crate) struct Calls {
    window: RateWindow,
    waiting: BTreeMap<CallKind, VecDeque<(OpId, Call)>>,
    in_flight: BTreeMap<OpId, (Call, Began)>,
    /// One list at a time.
    pub(crate) listing: bool,
}

impl Calls {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            window: RateWindow::new(per_second),
            waiting: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            listing: false,
        }
    }

    pub(crate) fn push(&mut self, op: OpId, call: Call) {
        self.waiting.entry(call.kind()).or_default().push_back((op, call));
    }

    /// Takes the call out that was in flight; none when nobody waits for this answer.
    pub(crate) fn finish(&mut self, op: OpId) -> Option<(Call, Began)> {
        let (call, began) = self.in_flight.remove(&op)?;
        if call == Call::List {
            self.listing = false;
        }
        Some((call, began))
    }
}

impl PoolState {
    /// Lets out what may go now.
    pub(crate) fn pump_calls(&mut self) {
        while self.superseded.is_none() {
            let now = self.now;
            let mut blocked_until: Option<Time> = None;
            let mut first: Option<(OpId, CallKind)> = None;
            for (kind, queue) in &self.calls.waiting {
                let Some((op, _)) = queue.front() else { continue };
                match self.holdoffs.call_blocked(*kind, now) {
                    Some(until) => blocked_until = Some(blocked_until.map_or(until, |b| b.min(until))),
                    None if first.is_none_or(|(earliest, _)| *op < earliest) => first = Some((*op, *kind)),
                    None => {}
                }
            }
            let Some((_, kind)) = first else {
                if let Some(until) = blocked_until {
                    self.timers.set_no_later(Timer::CloudCalls, until);
                }
                return;
            };
            // A call whose object is gone takes no place in the second.
            let Some((op, call)) = self.calls.waiting.get_mut(&kind).and_then(VecDeque::pop_front) else {
                return;
            };
            if !self.is_wanted(op, &call) {
                continue;
            }
            if let Err(free_at) = self.calls.window.take(now) {
                self.calls.waiting.entry(kind).or_default().push_front((op, call));
                self.timers.set_no_later(Timer::CloudCalls, free_at);
                return;
            }
            self.let_out(op, call);
        }
    }

    fn is_wanted(&self, op: OpId, call: &Call) -> bool {
        match call {
            Call::List => true,
            Call::Create => self.creates.contains_key(&op),
            // Not of an earlier life of an instance that was thought gone and came back.
            Call::Destroy(id) => {
                self.workers.get(id).is_some_and(|w| w.destroying == Some(op) && w.taken_by.is_none())
            }
            Call::SetTags(id) => {
                self.workers.get(id).is_some_and(|w| w.tags.in_flight == Some(op) && w.taken_by.is_none())
            }
        }
    }

    fn let_out(&mut self, op: OpId, call: Call) {
        let effect = match &call {
            Call::List => Effect::List { op },
            Call::Create => {
                let Some(pending) = self.creates.get_mut(&op) else { return };
                pending.attempts += 1;
                Effect::Create { op, create: Box::new(pending.create.clone()) }
            }
            Call::Destroy(id) => Effect::Destroy { op, instance: id.clone() },
            Call::SetTags(id) => {
                let Some(worker) = self.workers.get_mut(id) else { return };
                worker.tags.sending = worker.tags.version;
                let tags = self.setup.tag_names.ours(worker).collect();
                Effect::SetTags { op, instance: id.clone(), tags }
            }
        };
        self.calls.in_flight.insert(op, (call, self.began()));
        self.emit(effect);
    }

    /// A list is wanted now.
    pub(crate) fn ask_for_list(&mut self) {
        if !self.calls.listing {
            self.calls.listing = true;
            let op = self.next_op();
            self.calls.push(op, Call::List);
        }
        self.pump_calls();
    }

    /// Saves a worker's tags, after the save that is in flight.
    pub(crate) fn save_tags(&mut self, id: &InstanceId) {
        let op = self.next_op();
        // What an earlier process has saved is not written over before it is known.
        let sure = |worker: &&mut Worker| worker.taken_by.is_none() && !worker.tags_unsure;
        let Some(worker) = self.workers.get_mut(id).filter(sure) else { return };
        if worker.tags.in_flight.is_some() {
            worker.tags.wanted = true;
            return;
        }
        worker.tags.in_flight = Some(op);
        worker.tags.wanted = false;
        self.timers.clear(&Timer::SaveTags(id.clone()));
        self.calls.push(op, Call::SetTags(id.clone()));
        self.pump_calls();
    }

    pub(crate) fn on_call_done(&mut self, op: OpId) {
        let Some((call, _)) = self.calls.finish(op) else { return };
        self.holdoffs.call_succeeded(call.kind());
        match call {
            Call::Destroy(id) => self.on_destroyed(&id, op),
            Call::SetTags(id) => {
                let shown_from = self.now + self.settle_time();
                if let Some(worker) = self.workers.get_mut(&id)
                    && worker.tags.in_flight == Some(op)
                {
                    worker.tags.in_flight = None;
                    worker.tags.saved = worker.tags.sending;
                    worker.tags.shown_from = shown_from;
                    if worker.tags.wanted {
                        self.save_tags(&id);
                    }
                    // Whoever holds a worker waits for this.
                    self.notify();
                }
            }
            Call::List | Call::Create => {}
        }
    }

    pub(crate) fn on_call_failed(&mut self, op: OpId, failure: &Failure) {
        let Some((call, _)) = self.calls.finish(op) else { return };
        let kind = call.kind();
        if let FailureClass::RateLimit(stated) = failure.class {
            self.on_rate_limited(kind, stated, failure);
        } else {
            self.emit(Effect::Report(Notice::CallFailed { kind, failure: failure.clone() }));
        }
        match call {
            Call::List => self.schedule_list_after_failure(),
            Call::Create => self.on_create_failed(op, failure),
            // Destroyed again when `timeout_shutdown` has passed.
            Call::Destroy(id) => {
                if let Some(worker) = self.workers.get_mut(&id)
                    && worker.destroying == Some(op)
                {
                    worker.destroying = None;
                }
            }
            Call::SetTags(id) => {
                let again = self.now + self.settings().timeout_shutdown;
                if let Some(worker) = self.workers.get_mut(&id)
                    && worker.tags.in_flight == Some(op)
                {
                    worker.tags.in_flight = None;
                    self.timers.set(Timer::SaveTags(id), again);
                }
            }
        }
    }

    fn on_rate_limited(&mut self, kind: CallKind, stated: Option<std::time::Duration>, failure: &Failure) {
        let until = self.holdoffs.rate_limited(kind, self.now, stated);
        self.timers.set_no_later(Timer::Wake, until);
        let interval = self.settings().rate_limit_log_interval;
        if self.rate_limit_logged.is_none_or(|last| self.now.since(last) >= interval) {
            self.rate_limit_logged = Some(self.now);
            self.emit(Effect::Report(Notice::RateLimited { kind, until, message: failure.message.clone() }));
        }
    }
}
