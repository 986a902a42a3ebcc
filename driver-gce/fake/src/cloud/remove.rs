//! Deletes and stops.

use super::{
    Cloud,
    link::region_of,
    operation::{Effect, Starts},
};
use crate::http::ApiError;
use serde_json::Value;

impl Cloud {
    /// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/delete>. An instance that is being
    /// deleted may be deleted again, and its second operation ends like the first one: clients that have
    /// deleted one over and over have been refused for their rate only,
    /// <https://github.com/cloudpilot-ai/karpenter-provider-gcp/pull/243>.
    pub(super) fn delete(&mut self, zone: &str, instance: &str) -> Result<Value, ApiError> {
        let found = self.instance(zone, instance)?;
        if found.resource["deletionProtection"] == true {
            let why = "Resource cannot be deleted if it's protected against deletion";
            return Err(ApiError::invalid_usage(why));
        }
        let (name, id) = (found.name().to_owned(), found.number.id);
        if let Some(instance) = self.zone_mut(zone)?.by_id(id) {
            instance.is_deleting = true;
            instance.set_status("STOPPING");
        }
        self.start(Starts {
            kind: "delete",
            zone,
            instance: &name,
            id,
            effect: Effect::Delete,
            warnings: Vec::new(),
        })
    }

    /// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/stop>.
    pub(super) fn stop(&mut self, zone: &str, instance: &str) -> Result<Value, ApiError> {
        let (name, id) = self.ready(zone, instance)?;
        self.stop_now(zone, &name, id, "stop")
    }

    fn stop_now(&mut self, zone: &str, name: &str, id: u64, kind: &str) -> Result<Value, ApiError> {
        if let Some(instance) = self.zone_mut(zone)?.by_id(id)
            && !instance.is_stopped()
        {
            instance.set_status("STOPPING");
        }
        self.start(Starts { kind, zone, instance: name, id, effect: Effect::Stop, warnings: Vec::new() })
    }

    /// The name and ID of an instance that no other operation holds.
    pub(super) fn ready(&self, zone: &str, instance: &str) -> Result<(String, u64), ApiError> {
        let found = self.instance(zone, instance)?;
        if found.is_creating || found.is_deleting {
            return Err(ApiError::not_ready(&self.path(zone, "instances", found.name())));
        }
        Ok((found.name().to_owned(), found.number.id))
    }

    /// Takes an instance's machine away: it stops, or goes, as its scheduling says. The operation is the
    /// system's: <https://cloud.google.com/compute/docs/instances/create-use-spot#detect_preempted_spot_vms>.
    pub(crate) fn terminate(&mut self, name: &str, kind: &str) -> bool {
        let mut all =
            self.zones.iter().filter_map(|(zone, here)| Some((zone.clone(), here.instances.get(name)?)));
        let Some((zone, instance)) = all.next() else { return false };
        let id = instance.number.id;
        let done = if instance.resource["scheduling"]["instanceTerminationAction"] == "DELETE" {
            if let Some(instance) = self.zones.get_mut(&zone).and_then(|zone| zone.by_id(id)) {
                instance.is_deleting = true;
                instance.set_status("STOPPING");
            }
            self.start(Starts {
                kind,
                zone: &zone,
                instance: name,
                id,
                effect: Effect::Delete,
                warnings: Vec::new(),
            })
        } else {
            self.stop_now(&zone, name, id, kind)
        };
        if let Ok(operation) = &done
            && let Some(name) = operation["name"].as_str()
            && let Some(operation) = self.zones.get_mut(&zone).and_then(|zone| zone.operations.get_mut(name))
        {
            operation.resource["user"] = "system@google.com".into();
        }
        done.is_ok()
    }

    /// The instance is gone, and with it the disks that it takes with it.
    pub(super) fn vanish(&mut self, zone: &str, id: u64) -> bool {
        let Some(here) = self.zones.get_mut(zone) else { return false };
        let Some(name) = here.names.remove(&id) else { return false };
        let Some(mut instance) = here.instances.remove(&name) else { return false };
        for attached in instance.resource["disks"].as_array().into_iter().flatten() {
            let Some(disk) = attached["source"].as_str().and_then(|url| url.rsplit('/').next()) else {
                continue;
            };
            if attached["autoDelete"] == true {
                here.disks.remove(disk);
            } else if let Some(disk) = here.disks.get_mut(disk) {
                disk.detach();
            }
        }
        self.quotas.release(region_of(zone), &mut instance);
        true
    }
}
