//! Types whose boots fail again and again: each next instance is asked for later.

use crate::{CreateRefusal, PoolState, Time, events::BootOutcome, rate::Backoff, timers::Timer};
use pool_api::InstanceTypeName;
use std::{collections::BTreeMap, time::Duration};

/// Failures say nothing of a type that nobody has asked for so long since.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);

/// A type of which no boot has succeeded since one has failed, an hour ago at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailingBoots {
    /// The configured type.
    pub instance_type: InstanceTypeName,
    /// How many boots have failed in a row.
    pub failures: u32,
    /// Why the last one has.
    pub reason: String,
    /// When the next instance may be asked for; none: now.
    pub until: Option<Time>,
}

#[derive(Debug)]
struct Failing {
    failures: u32,
    reason: String,
    last: Time,
    until: Time,
    backoff: Backoff,
}

/// All such types.
#[derive(Debug, Default)]
pub(crate) struct Boots(BTreeMap<InstanceTypeName, Failing>);

impl Boots {
    /// Returns until when none of the type is asked for.
    fn failed(&mut self, type_name: &InstanceTypeName, reason: String, now: Time) -> Time {
        let failing = self.0.entry(type_name.clone()).or_insert_with(|| Failing {
            failures: 0,
            reason: String::new(),
            last: now,
            until: Time::ZERO,
            backoff: Backoff::default(),
        });
        failing.failures = failing.failures.saturating_add(1);
        failing.reason = reason;
        failing.last = now;
        // Of many that boot together each failure says the same: the first of them makes the pause.
        if failing.until <= now {
            failing.until = now + failing.backoff.next();
        }
        failing.until
    }

    fn succeeded(&mut self, type_name: &InstanceTypeName) -> bool {
        self.0.remove(type_name).is_some()
    }

    /// Until when no instance of this type is asked for; none when one may be.
    pub(crate) fn held_off(&self, type_name: &InstanceTypeName, now: Time) -> Option<Time> {
        self.0.get(type_name).map(|failing| failing.until).filter(|until| *until > now)
    }

    /// Forgets what is long ago. Returns whether anything was, and when the next of a type may be asked for, or is
    /// forgotten.
    pub(crate) fn expire(&mut self, now: Time) -> (bool, Option<Time>) {
        let before = self.0.len();
        self.0.retain(|_, failing| failing.last + FORGOTTEN_AFTER > now);
        let ends = self.0.values().flat_map(|failing| [failing.until, failing.last + FORGOTTEN_AFTER]);
        (self.0.len() < before, ends.filter(|end| *end > now).min())
    }
}

impl PoolState {
    /// Types whose last boots have all failed, by name.
    pub fn failing_boots(&self, now: Time) -> Vec<FailingBoots> {
        let view = |(instance_type, failing): (&InstanceTypeName, &Failing)| FailingBoots {
            instance_type: instance_type.clone(),
            failures: failing.failures,
            reason: failing.reason.clone(),
            until: Some(failing.until).filter(|until| *until > now),
        };
        self.boots.0.iter().map(view).collect()
    }

    /// Why no instance of a type is asked for, if its boots fail.
    pub(crate) fn boots_refuse(&self, type_name: &InstanceTypeName, now: Time) -> Option<CreateRefusal> {
        let failing = self.boots.0.get(type_name).filter(|failing| failing.until > now)?;
        let (instance_type, failures) = (type_name.clone(), failing.failures);
        Some(CreateRefusal::BootsFail { instance_type, failures, wait: failing.until.since(now) })
    }

    /// What the outcome of a boot says of those to come. `why` is asked when it has failed.
    pub(crate) fn note_boot(
        &mut self,
        type_name: &InstanceTypeName,
        outcome: BootOutcome,
        why: impl FnOnce() -> String,
    ) {
        match outcome {
            BootOutcome::Success => {
                if self.boots.succeeded(type_name) {
                    self.notify();
                }
            }
            // Providers that cannot start a machine after all often just let it disappear.
            BootOutcome::Failure | BootOutcome::Disappeared => {
                let until = self.boots.failed(type_name, why(), self.now);
                self.timers.set_no_later(Timer::Wake, until);
            }
            // Somebody did not want it: that says nothing.
            BootOutcome::Aborted => {}
        }
    }
}
