//! What is asked again and again must not be asked all the time.

use super::checker::Checker;
use driver_loopback::{Operation, sim::SimEvent};
use pool_core::{InstanceId, Notice};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
/// Lists in any minute, where the configuration does not ask for more: what is awaited is looked for twice a second at
/// most.
const LISTS_A_MINUTE: u32 = 120;
/// Probes of one worker that fail, in any minute: there are a few at once at first, and then fewer.
const FAILED_PROBES_A_MINUTE: u32 = 60;
/// So many times what the configured interval comes to is no loop yet.
const SPARE: u32 = 4;

/// Moments within the last minute.
#[derive(Debug, Default)]
struct Recent(VecDeque<Duration>);

impl Recent {
    /// One more. Returns how many there are.
    fn count(&mut self, now: Duration) -> usize {
        self.0.push_back(now);
        while self.0.front().is_some_and(|at| *at + MINUTE <= now) {
            self.0.pop_front();
        }
        self.0.len()
    }
}

/// Of each program, what it has asked for lately.
#[derive(Debug, Default)]
pub(super) struct Polls {
    lists: BTreeMap<u32, Recent>,
    failed_probes: BTreeMap<(u32, InstanceId), Recent>,
}

fn allowed(at_least: u32, interval: Duration) -> usize {
    let regular = MINUTE.as_nanos() / interval.as_nanos().max(1);
    usize::try_from(regular).unwrap_or(usize::MAX).saturating_mul(SPARE as usize).max(at_least as usize)
}

impl Checker {
    pub(super) fn polls_begin(&mut self, program: u32) {
        self.polls.lists.remove(&program);
        self.polls.failed_probes.retain(|(of, _), _| *of != program);
    }

    pub(super) fn see_polls(&mut self, event: &SimEvent) {
        if let SimEvent::Called { program, operation: Operation::List, .. } = event {
            let count = self.polls.lists.entry(*program).or_default().count(self.now);
            if count > allowed(LISTS_A_MINUTE, self.limits.sync_interval) {
                self.broken("invariant_no_tight_loop", format!("{count} lists in a minute"));
            }
        }
    }

    pub(super) fn see_probes(&mut self, program: u32, notice: &Notice) {
        match notice {
            Notice::ProbeFailed { instance, .. } => {
                let of = (program, instance.clone());
                let count = self.polls.failed_probes.entry(of).or_default().count(self.now);
                if count > allowed(FAILED_PROBES_A_MINUTE, self.limits.probe_interval) {
                    let what = format!("{count} probes of {instance} have failed in a minute");
                    self.broken("invariant_no_tight_loop", what);
                }
            }
            Notice::Gone { instance } => {
                self.polls.failed_probes.remove(&(program, instance.clone()));
            }
            _ => {}
        }
    }
}
