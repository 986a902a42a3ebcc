//! Caps, which are never exceeded, and bounds on what is done at all.

use super::checker::Checker;
use driver_loopback::{Operation, sim::SimEvent};
use pool_core::{HourlyPrice, InstanceId};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
/// Passes of the scheduler in one moment of simulated time that no honest work needs.
const PASSES_A_MOMENT: u64 = 2000;
/// Passes of the scheduler in any second. Each event of a run may bring a few, and each worker has few events.
const PASSES_A_SECOND: u64 = 6000;

/// Events of the world in any minute, for each instance that there may be. An honest run has a few.
const EVENTS_A_MINUTE: u64 = 1000;
/// Smaller pools are taken to be so large.
const SMALL_POOL: usize = 30;

/// What one life of one program has done.
#[derive(Debug, Default)]
struct Life {
    calls: VecDeque<Duration>,
    /// Creates that may still be answered, and when each was asked for.
    creates: BTreeMap<u64, Duration>,
    /// Those of them whose token has not made an instance, with that.
    without_instance: BTreeMap<u64, String>,
    /// Machines that a first list must have shown, or that this life has made.
    counted: BTreeSet<InstanceId>,
    /// Of every create that it has asked for.
    tokens: BTreeSet<String>,
    /// Lists that have not arrived, and when each was asked for.
    lists: BTreeMap<u64, Duration>,
    /// The first list has arrived at the provider.
    listed: bool,
    passes_at: (Duration, u64),
    passes_in: (u64, u64),
}

/// Of each program, its present life.
#[derive(Debug, Default)]
pub(super) struct Caps {
    lives: BTreeMap<u32, Life>,
    passes: u64,
    /// Which minute, and how many events it has had.
    events_in: (u64, u64),
}

impl Checker {
    pub(super) fn caps_begin(&mut self, program: u32) {
        self.caps.lives.insert(program, Life::default());
    }

    /// Passes of all schedulers so far.
    pub(crate) fn passes(&self) -> u64 {
        self.caps.passes
    }

    /// A scheduler has made a pass.
    pub(crate) fn pass(&mut self, now: Duration, program: u32) {
        self.now = now;
        self.caps.passes += 1;
        let Some(life) = self.caps.lives.get_mut(&program) else { return };
        if life.passes_at.0 != now {
            life.passes_at = (now, 0);
        }
        if life.passes_in.0 != now.as_secs() {
            life.passes_in = (now.as_secs(), 0);
        }
        life.passes_at.1 += 1;
        life.passes_in.1 += 1;
        let (moment, second) = (life.passes_at.1, life.passes_in.1);
        if moment > PASSES_A_MOMENT || second > PASSES_A_SECOND {
            let what =
                format!("the scheduler has made {moment} passes in this moment, {second} in this second");
            self.broken("invariant_no_tight_loop", what);
        }
    }

    pub(super) fn see_caps(&mut self, event: &SimEvent) {
        let minute = self.now.as_secs() / 60;
        if self.caps.events_in.0 != minute {
            self.caps.events_in = (minute, 0);
        }
        self.caps.events_in.1 += 1;
        let (events, instances) = (self.caps.events_in.1, self.limits.max_instances.max(SMALL_POOL) as u64);
        if events > EVENTS_A_MINUTE * instances {
            self.broken("invariant_no_tight_loop", format!("{events} events in minute {minute}"));
        }
        match event {
            SimEvent::Called { program, call, operation, what } => {
                // A create whose instance is there is asked for again because the answer was lost.
                let made = token_of(what).is_some_and(|token| self.machines.was_made(token));
                self.called(*program, *call, *operation, token_of(what), made);
            }
            SimEvent::Answered { call, program, .. } => {
                if let Some(life) = self.caps.lives.get_mut(program) {
                    life.creates.remove(call);
                    life.without_instance.remove(call);
                }
            }
            SimEvent::Arrived { call, program, operation: Operation::Create, .. } => {
                if let Some(life) = self.caps.lives.get_mut(program) {
                    life.without_instance.remove(call);
                }
            }
            SimEvent::Arrived { call, program, operation: Operation::List, done, .. } => {
                let life = self.caps.lives.get_mut(program);
                let asked = life.and_then(|life| life.lists.remove(call));
                if let Some(asked) = asked.filter(|_| *done) {
                    self.listed(*program, asked);
                }
            }
            SimEvent::Created { instance, program, token, .. } => {
                if let Some(life) = self.caps.lives.get_mut(program) {
                    // Also those that have asked again meanwhile.
                    life.without_instance.retain(|_, of| of != token);
                    // Not what an earlier life has asked for and nobody has heard of since.
                    if life.tokens.contains(token) {
                        life.counted.insert(instance.clone());
                    }
                }
                self.check_price(*program, instance);
            }
            SimEvent::Gone { instance } => {
                for life in self.caps.lives.values_mut() {
                    life.counted.remove(instance);
                }
            }
            _ => {}
        }
    }

    /// A list has shown what was there so long before it was asked for that it must be shown: its pages are read one after
    /// the other.
    fn listed(&mut self, program: u32, asked: Duration) {
        let before = asked.checked_sub(self.limits.settle_time);
        let Some(life) = self.caps.lives.get_mut(&program) else { return };
        if !life.listed {
            life.listed = true;
            let shown = self.machines.there.iter().filter(|(_, machine)| Some(machine.created) < before);
            life.counted.extend(shown.map(|(id, _)| id.clone()));
        }
    }

    /// `token`: of a create. `made`: its instance is there.
    fn called(&mut self, program: u32, call: u64, operation: Operation, token: Option<&str>, made: bool) {
        let now = self.now;
        let limits = &self.limits;
        let Some(life) = self.caps.lives.get_mut(&program) else { return };
        life.calls.push_back(now);
        while life.calls.front().is_some_and(|at| *at + SECOND <= now) {
            life.calls.pop_front();
        }
        let (calls, most) = (life.calls.len(), limits.calls_per_second);
        let mut creates_early = false;
        if operation == Operation::List && !life.listed {
            life.lists.insert(call, now);
        }
        if operation == Operation::Create {
            // The program has given up on those that are older.
            let given_up = now.saturating_sub(limits.call_timeout);
            life.creates.retain(|_, asked| *asked > given_up);
            life.creates.insert(call, now);
            if let Some(token) = token {
                life.tokens.insert(token.to_owned());
                if !made {
                    life.without_instance.insert(call, token.to_owned());
                }
            }
            let (creates, without) = (&life.creates, &mut life.without_instance);
            without.retain(|call, _| creates.contains_key(call));
            creates_early = !life.listed;
        }
        let (creates, coming, instances) =
            (life.creates.len(), life.without_instance.len(), life.counted.len());
        let (max_creates, max_instances) = (limits.max_creates, limits.max_instances);
        if most > 0 && calls > most {
            self.broken("invariant_caps", format!("{calls} calls in a second, of {most}"));
        }
        if creates_early {
            self.broken("invariant_caps", "an instance is created before the first list");
        }
        if max_creates > 0 && creates > max_creates {
            self.broken("invariant_caps", format!("{creates} creates at once, of {max_creates}"));
        }
        if operation == Operation::Create && max_instances > 0 && instances + coming > max_instances {
            let what = format!("{instances} instances and {coming} creates, of {max_instances}");
            self.broken("invariant_caps", what);
        }
    }

    fn check_price(&mut self, program: u32, instance: &InstanceId) {
        let (Some(cap), Some(life)) = (self.limits.max_price, self.caps.lives.get(&program)) else { return };
        if !life.counted.contains(instance) {
            return;
        }
        let priced = life.counted.iter().filter_map(|id| self.machines.there.get(id));
        let ours = priced.filter(|machine| machine.program == program);
        let price: HourlyPrice =
            ours.filter_map(|machine| self.limits.prices.get(&machine.instance_type)).copied().sum();
        if price > cap {
            self.broken("invariant_caps", format!("instances cost {price} an hour, of {cap}"));
        }
    }
}

/// The token that what a create says of itself ends with.
fn token_of(what: &str) -> Option<&str> {
    what.rsplit_once("token ").map(|(_, token)| token)
}
