//! Inserts: <https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert>.

use super::{
    Cloud,
    disk::{Disk, size_warning},
    instance::Instance,
    link::region_of,
    operation::{Effect, Failure, Starts},
};
use crate::{OverQuota, body::new_instance, http::ApiError};
use serde_json::Value;

impl Cloud {
    /// Accepts an insert. The instance is there from now on: if there is no room for it, or no quota, it goes
    /// when its operation ends.
    pub(super) fn insert(&mut self, zone: &str, body: &Value) -> Result<Value, ApiError> {
        let region = region_of(zone);
        let new = new_instance(body, zone, region, &self.settings)?;
        let name = new.name.clone();
        let here = self.zone(zone)?;
        if here.instances.contains_key(&name) {
            return Err(ApiError::already_exists(&self.path(zone, "instances", &name)));
        }
        // The documentation of `diskName` says that the disk that is there would be attached. What is
        // observed is a refusal.
        if let Some(disk) = new.disks.iter().find(|disk| here.disks.contains_key(&disk.name)) {
            return Err(ApiError::already_exists(&self.path(zone, "disks", &disk.name)));
        }
        let is_spot = new.scheduling["preemptible"] == true;
        let addresses =
            new.interfaces.iter().filter(|interface| !interface["accessConfigs"].is_null()).count();
        let uses = self.quotas.uses(region, &new.machine_type, is_spot, addresses);
        let over = self.quotas.over(region, &uses);
        if let Some(over) = over.as_ref().filter(|_| self.settings.over_quota == OverQuota::RefusesCall) {
            return Err(over.refusal());
        }
        let effect = match over {
            Some(over) => Effect::Refuse(over.failure()),
            None if self.is_full(zone, &new.machine_type.name) => {
                let (form, project) = (self.settings.out_of_stock, &self.settings.project);
                Effect::Refuse(Failure::out_of_stock(form, project, zone, &new.machine_type.name))
            }
            None => Effect::Insert,
        };
        let warnings: Vec<_> = new.disks.iter().filter_map(size_warning).collect();
        let number = self.number();
        for disk in &new.disks {
            let number = self.number();
            let made = Disk::new(disk, number, &self.settings.project, zone, &name);
            self.zone_mut(zone)?.disks.insert(disk.name.clone(), made);
        }
        let mut instance = Instance::new(new, number, zone, &self.settings, uses);
        // What is going to fail takes nothing from the others.
        if matches!(effect, Effect::Insert) {
            self.quotas.charge(region, &mut instance);
        }
        let here = self.zone_mut(zone)?;
        here.names.insert(number.id, name.clone());
        here.instances.insert(name.clone(), instance);
        self.start(Starts { kind: "insert", zone, instance: &name, id: number.id, effect, warnings })
    }
}
