//! What must never become of machines.

use super::checker::Checker;
use driver_loopback::{Operation, sim::SimEvent};
use pool_core::{InstanceId, InstanceTypeName, Lifecycle, Notice, Tags};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// One that exists.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) created: Duration,
    pub(super) program: u32,
    pub(super) instance_type: InstanceTypeName,
    pub(super) tags: Tags,
    pub(super) lifecycle: Lifecycle,
}

/// All that exist.
#[derive(Debug, Default)]
pub(super) struct Machines {
    pub(super) there: BTreeMap<InstanceId, Machine>,
    /// People want it held, and have asked for nothing else since.
    to_hold: BTreeSet<InstanceId>,
    /// Of those, what they were told is held.
    held: BTreeSet<InstanceId>,
    /// The highest epoch that has opened a session with it.
    epochs: BTreeMap<InstanceId, u64>,
    /// Tokens of creates that have made a machine.
    tokens: BTreeMap<String, InstanceId>,
    /// Of all instances that ever were.
    secrets: BTreeSet<String>,
}

/// How many hexadecimal digits a secret has.
const SECRET_DIGITS: usize = 40;

impl Machines {
    /// Whether the instance that a token has made is there.
    pub(super) fn was_made(&self, token: &str) -> bool {
        self.tokens.get(token).is_some_and(|instance| self.there.contains_key(instance))
    }
}

impl Checker {
    /// People have asked for the end of an instance, or that it is held no longer.
    pub(crate) fn let_go(&mut self, instance: &InstanceId) {
        self.machines.to_hold.remove(instance);
        self.machines.held.remove(instance);
    }

    /// People hold an instance. `saved`: they were told that it is held.
    pub(crate) fn hold(&mut self, now: Duration, instance: &InstanceId, saved: bool) {
        self.now = now;
        if !saved {
            self.machines.to_hold.insert(instance.clone());
        } else if self.machines.to_hold.contains(instance) {
            self.machines.held.insert(instance.clone());
        }
        let tag = self.limits.idle_tag.clone();
        let held = self.machines.there.get(instance).map(|machine| machine.tags.get(&tag) == Some("hold"));
        if saved && held == Some(false) {
            self.broken(
                "invariant_held",
                format!("{instance} was said to be held, and the cloud's tag does not say so"),
            );
        }
    }

    /// Whether an instance's secret was told in a text.
    pub(crate) fn check_secrets(&mut self, text: &str) {
        let digits = |c: char| !c.is_ascii_hexdigit();
        let told = text.split(digits).find(|word| {
            let ends = word.len().checked_sub(SECRET_DIGITS);
            ends.is_some_and(|ends| {
                (0..=ends).any(|at| self.machines.secrets.contains(&word[at..at + SECRET_DIGITS]))
            })
        });
        if told.is_some() {
            self.broken("invariant_no_secret", "an instance's secret was told");
        }
    }

    /// How many machines there are.
    pub(crate) fn machines_left(&self) -> usize {
        self.machines.there.len()
    }

    pub(super) fn see_machines(&mut self, event: &SimEvent) {
        match event {
            SimEvent::Created { instance, instance_type, token, program, tags, secret, .. } => {
                self.machines.secrets.insert(secret.clone());
                if let Some(first) = self.machines.tokens.insert(token.clone(), instance.clone()) {
                    self.broken(
                        "invariant_one_create",
                        format!("{instance} was made with the token of {first}"),
                    );
                }
                let machine = Machine {
                    created: self.now,
                    program: *program,
                    instance_type: instance_type.clone(),
                    tags: tags.clone(),
                    lifecycle: Lifecycle::Pending,
                };
                self.machines.there.insert(instance.clone(), machine);
            }
            SimEvent::TagsSet { instance, tags, program, .. } => {
                // A program that was started by mistake takes over what it has not heard is held.
                let tag = tags.get(&self.limits.idle_tag);
                if *program != 0 && tag.is_some_and(|tag| tag != "hold") {
                    self.machines.held.remove(instance);
                }
                if let Some(machine) = self.machines.there.get_mut(instance) {
                    machine.tags.extend(tags);
                }
            }
            SimEvent::Lifecycle { instance, lifecycle } => {
                if let Some(machine) = self.machines.there.get_mut(instance) {
                    machine.lifecycle = *lifecycle;
                }
            }
            SimEvent::Gone { instance } => {
                self.machines.there.remove(instance);
            }
            // Not when it arrives: a call of an earlier life may come after people have asked for something else. And not
            // by a program that was started by mistake: it has not heard of what people ask of the other.
            SimEvent::Called { program: 0, operation: Operation::Destroy, what, .. } => {
                let held = self.machines.held.iter().find(|id| id.as_str() == what).cloned();
                let there = held.and_then(|id| Some((self.machines.there.get(&id)?, id)));
                if let Some((machine, id)) = there
                    && matches!(machine.lifecycle, Lifecycle::Pending | Lifecycle::Running)
                {
                    let tag = machine.tags.get(&self.limits.idle_tag);
                    let what = format!("{id} is held, and is to be destroyed; its tag says {tag:?}");
                    self.broken("invariant_held", what);
                }
            }
            SimEvent::SessionOpened { instance, program, epoch } => {
                let highest = self.machines.epochs.entry(instance.clone()).or_default();
                let before = std::mem::replace(highest, (*highest).max(*epoch));
                if *epoch < before {
                    let what = format!(
                        "{instance} takes program {program}, epoch {epoch}, after one of epoch {before}"
                    );
                    self.broken("invariant_one_master", what);
                }
            }
            SimEvent::Commanded { instance, genuine, verified, what, .. } if *what != "secret" => {
                if !genuine {
                    self.broken(
                        "invariant_verified_first",
                        format!("{what:?} was run on {instance}, which is another host"),
                    );
                } else if !verified {
                    self.broken(
                        "invariant_verified_first",
                        format!("{what:?} was run on {instance} before it was verified"),
                    );
                }
            }
            _ => {}
        }
    }

    pub(super) fn see_notice(&mut self, program: u32, notice: &Notice) {
        if let Notice::Gone { instance } = notice
            && let Some(machine) = self.machines.there.get(instance)
        {
            // The driver promises that a list shows it from then on.
            let shown_from = machine.created + self.limits.settle_time;
            let (since, lifecycle) = (self.now.saturating_sub(shown_from), machine.lifecycle);
            if self.now > shown_from {
                self.broken(
                    "invariant_whole_lists",
                    format!(
                        "program {program} says that {instance} is gone; it is {lifecycle}, and lists have shown it for \
                         {since:?}"
                    ),
                );
            }
        }
    }
}
