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
        if instance.text("status") == "PROVISIONING" {
            instance.set_status("STAGING");
            instance.give_addresses();
        }
    }

    fn finish(&mut self, zone: &str, operation: &str) {
        let Some(here) = self.zones.get_mut(zone) else { return };
        let Some(found) = here.operations.get_mut(operation) else { return };
        let Some(effect) = found.effect.take() else { return };
        let target = |field: &str| found.resource[field].as_str().unwrap_or_default();
        let id = target("targetId").parse().unwrap_or(0);
        let name = target("targetLink").rsplit('/').next().unwrap_or_default().to_owned();
        let failure = self.take_effect(zone, &name, id, effect);
        if let Some(found) = self.zones.get_mut(zone).and_then(|zone| zone.operations.get_mut(operation)) {
            found.end(failure);
        }
    }

    fn take_effect(&mut self, zone: &str, name: &str, id: u64, effect: Effect) -> Option<Failure> {
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
        let path = self.path(zone, "instances", name);
        let Some(instance) = self.zones.get_mut(zone).and_then(|zone| zone.by_id(id)) else {
            return Some(Failure::not_found(&path));
        };
        match effect {
            Effect::Insert => {
                instance.is_creating = false;
                // It may have been stopped, or deleted, before it ran.
                if !["PROVISIONING", "STAGING"].contains(&instance.text("status")) {
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

#[cfg(test)]
mod tests {
    use super::{Cloud, Event};
    use crate::{
        Settings,
        http::{Call, Query},
    };
    use serde_json::{Value, json};
    use std::time::Duration;

    const ZONE: &str = "europe-west1-b";

    /// Inserts a worker with this scheduling.
    fn insert(cloud: &mut Cloud, scheduling: &Value) {
        let body = json!({
            "name": "worker",
            "machineType": format!("zones/{ZONE}/machineTypes/e2-small"),
            "disks": [{
                "boot": true,
                "initializeParams": { "sourceImage": "projects/debian-cloud/global/images/family/debian-12" },
            }],
            "networkInterfaces": [{}],
            "scheduling": scheduling,
        });
        let call = Call::InsertInstance { zone: ZONE.into() };
        cloud.answer(&call, &Query::default(), &body).unwrap();
    }

    /// Lets happen what is to happen within a minute.
    fn pass_time(cloud: &mut Cloud) -> Vec<(Duration, Event)> {
        let mut left = Vec::new();
        let mut soon = cloud.take_later();
        while !soon.is_empty() {
            for (delay, event) in soon {
                if delay > Duration::from_secs(60) {
                    left.push((delay, event));
                } else {
                    cloud.happen(&event);
                }
            }
            soon = cloud.take_later();
        }
        left
    }

    fn status(cloud: &Cloud) -> Option<String> {
        Some(cloud.instance_anywhere("worker")?["status"].as_str()?.to_owned())
    }

    #[test]
    fn an_instance_is_provisioned_and_staged_and_runs() {
        let mut cloud = Cloud::new(Settings::default());
        insert(&mut cloud, &json!({}));
        let later = cloud.take_later();
        assert_eq!(status(&cloud).unwrap(), "PROVISIONING");
        cloud.happen(&later[0].1);
        assert_eq!(status(&cloud).unwrap(), "STAGING");
        let address = "/networkInterfaces/0/networkIP";
        assert!(cloud.instance_anywhere("worker").unwrap().pointer(address).is_some());
        cloud.happen(&later[1].1);
        assert_eq!(status(&cloud).unwrap(), "RUNNING");
    }

    #[test]
    fn an_instance_ends_when_it_has_run_for_as_long_as_it_may() {
        for (action, end) in [("STOP", Some("TERMINATED")), ("DELETE", None)] {
            let mut cloud = Cloud::new(Settings::default());
            let limit = json!({ "seconds": "3600" });
            insert(&mut cloud, &json!({ "maxRunDuration": limit, "instanceTerminationAction": action }));
            let left = pass_time(&mut cloud);
            assert_eq!(left.len(), 1);
            assert_eq!(left[0].0, Duration::from_secs(3600));
            assert_eq!(status(&cloud).unwrap(), "RUNNING");
            cloud.happen(&left[0].1);
            pass_time(&mut cloud);
            assert_eq!(status(&cloud).as_deref(), end);
        }
    }

    #[test]
    fn an_instance_that_is_preempted_before_it_runs_does_not_run() {
        let mut cloud = Cloud::new(Settings::default());
        insert(&mut cloud, &json!({ "provisioningModel": "SPOT" }));
        assert!(cloud.terminate("worker", "compute.instances.preempted"));
        let later = cloud.take_later();
        for (_, event) in &later {
            cloud.happen(event);
            assert_ne!(status(&cloud).unwrap(), "RUNNING");
        }
        assert_eq!(status(&cloud).unwrap(), "TERMINATED");
    }
}
