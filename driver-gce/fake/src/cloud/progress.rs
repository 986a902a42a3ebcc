//! What time brings.

use super::{
    Cloud,
    link::region_of,
    operation::{Effect, Failure},
};
use crate::clock::timestamp;
use std::time::SystemTime;

/// Something that happens some time after the call that has led to it.
#[derive(Debug)]
pub(crate) enum Event {
    /// An instance has its machine, and boots.
    Stage { zone: String, id: u64 },
    /// An operation ends.
    Finish { zone: String, operation: String },
    /// An instance has run for as long as it may.
    RunOut { zone: String, id: u64 },
}

impl Cloud {
    pub(crate) fn happen(&mut self, event: &Event) {
        match event {
            Event::Stage { zone, id } => self.stage(zone, *id),
            Event::Finish { zone, operation } => self.finish(zone, operation),
            Event::RunOut { zone, id } => self.run_out(zone, *id),
        }
    }

    fn stage(&mut self, zone: &str, id: u64) {
        let Some(instance) = self.zones.get_mut(zone).and_then(|zone| zone.by_id(id)) else { return };
        if instance.is_creating && !instance.is_deleting {
            instance.set_status("STAGING");
            instance.give_addresses();
        }
    }

    fn finish(&mut self, zone: &str, operation: &str) {
        let Some(here) = self.zones.get_mut(zone) else { return };
        let Some(found) = here.operations.get_mut(operation) else { return };
        let Some(effect) = found.effect.take() else { return };
        let id = found.resource["targetId"].as_str().and_then(|id| id.parse().ok()).unwrap_or(0);
        let failure = self.take_effect(zone, id, effect);
        if let Some(found) = self.zones.get_mut(zone).and_then(|zone| zone.operations.get_mut(operation)) {
            found.end(failure);
        }
    }

    fn take_effect(&mut self, zone: &str, id: u64, effect: Effect) -> Option<Failure> {
        match effect {
            Effect::Refuse(failure) => {
                self.vanish(zone, id);
                return Some(failure);
            }
            // Another delete may have been first.
            Effect::Delete => {
                self.vanish(zone, id);
                return None;
            }
            _ => {}
        }
        let path = self.path(zone, "instances", &id.to_string());
        let Some(instance) = self.zones.get_mut(zone).and_then(|zone| zone.by_id(id)) else {
            return Some(Failure::not_found(&path));
        };
        match effect {
            Effect::Insert => {
                instance.is_creating = false;
                if instance.is_deleting {
                    return None;
                }
                instance.give_addresses();
                instance.set_status("RUNNING");
                instance.set("cpuPlatform", "Intel Cascade Lake");
                instance.set("lastStartTimestamp", timestamp(SystemTime::now()));
                if let Some(time) = instance.longest_run {
                    self.later.push((time, Event::RunOut { zone: zone.to_owned(), id }));
                }
                None
            }
            Effect::Stop => {
                if !instance.is_deleting && !instance.is_stopped() {
                    instance.set_status("TERMINATED");
                    instance.set("lastStopTimestamp", timestamp(SystemTime::now()));
                    instance.take_addresses();
                    self.quotas.charge(region_of(zone), instance);
                }
                None
            }
            change => instance.change(change),
        }
    }

    /// <https://cloud.google.com/compute/docs/instances/limit-vm-runtime>.
    fn run_out(&mut self, zone: &str, id: u64) {
        let Some(instance) = self.zones.get_mut(zone).and_then(|zone| zone.by_id(id)) else { return };
        if !instance.is_deleting && !instance.is_stopped() {
            let name = instance.name().to_owned();
            self.terminate(&name, "compute.instances.terminationTimeReached");
        }
    }
}
