//! What time brings.

use super::{
    Cloud,
    operation::{Effect, Failure},
    state::Key,
};
use crate::http::Kind;
use serde_json::Value;

/// Something that happens some time after the call that has led to it.
#[derive(Debug)]
pub(crate) enum Event {
    /// An operation ends.
    Finish { operation: String },
}

impl Cloud {
    pub(crate) fn happen(&mut self, event: &Event) {
        let Event::Finish { operation } = event;
        let effect = self.operations.get_mut(operation).and_then(|operation| operation.effect.take());
        let Some(effect) = effect else { return };
        let failure = self.take_effect(operation, effect);
        self.under_way -= 1;
        if let Some(found) = self.operations.get_mut(operation) {
            found.end(failure);
        }
    }

    /// Whether an operation still decides what becomes of the machine that it was started for.
    fn is_latest(&self, operation: &str, key: &Key, serial: u64) -> bool {
        self.machines
            .get(key)
            .is_some_and(|machine| machine.serial == serial && machine.latest.as_deref() == Some(operation))
    }

    fn take_effect(&mut self, operation: &str, effect: Effect) -> Option<Failure> {
        match effect {
            Effect::Nothing => None,
            Effect::DeletePart { kind, key, serial } => {
                if self.parts(kind).get(&key).is_some_and(|part| part.serial == serial) {
                    self.vanish_part(kind, &key);
                }
                None
            }
            // Another deletion of the same machine may have been first.
            Effect::Delete { key, serial } => {
                if self.machines.get(&key).is_some_and(|machine| machine.serial == serial) {
                    self.vanish(&key);
                }
                None
            }
            Effect::Update { key, serial } => {
                if let Some(machine) = self.machines.get_mut(&key)
                    && machine.serial == serial
                    && machine.provisioning() == "Updating"
                {
                    machine.set_provisioning("Succeeded");
                }
                None
            }
            Effect::Create { key, serial, failure } => {
                if !self.is_latest(operation, &key, serial) {
                    return Some(Failure::preempted());
                }
                self.created(&key, failure.clone());
                failure
            }
            Effect::Power { key, serial, state } => {
                if !self.is_latest(operation, &key, serial) {
                    return Some(Failure::preempted());
                }
                if let Some(machine) = self.machines.get_mut(&key) {
                    machine.set_power(state);
                    machine.set_provisioning("Succeeded");
                    machine.failure = None;
                }
                self.mark_disks(&key, if state == "deallocated" { "Reserved" } else { "Attached" });
                None
            }
        }
    }

    /// The machine runs, or is left as one that has failed.
    fn created(&mut self, key: &Key, failure: Option<Failure>) {
        let Some(machine) = self.machines.get_mut(key) else { return };
        if failure.is_some() {
            machine.set_provisioning("Failed");
        } else {
            machine.set_power("running");
            machine.set_provisioning("Succeeded");
        }
        machine.failure = failure;
    }

    /// <https://learn.microsoft.com/en-us/rest/api/compute/disks/get#diskstate>: "Reserved" is attached to a
    /// deallocated machine.
    fn mark_disks(&mut self, key: &Key, state: &str) {
        let disks = self.machines.get(key).map(|machine| machine.disks.clone()).unwrap_or_default();
        for disk in disks {
            let part = self.parts_mut(Kind::Disk).get_mut(&disk.key);
            let properties =
                part.and_then(|part| part.resource.get_mut("properties").and_then(Value::as_object_mut));
            if let Some(properties) = properties {
                properties.insert("diskState".into(), state.into());
            }
        }
    }
}
