//! Starting and stopping: <https://learn.microsoft.com/en-us/azure/virtual-machines/states-billing>.

use super::{
    Cloud,
    operation::{Effect, Told},
    state::{Key, not_found},
};
use crate::http::{Answer, ApiError, Area, Kind, Name, Power};

impl Cloud {
    pub(super) fn power(&mut self, power: Power, name: &Name, version: &str) -> Result<Answer, ApiError> {
        let key = Key::new(&name.group, &name.name);
        let machine = self.machines.get_mut(&key).ok_or_else(|| not_found(Kind::Machine, name))?;
        if machine.is_deleting {
            return Err(ApiError::marked_for_deletion(operation_name(power), machine.name()));
        }
        if power == Power::Deallocate && machine.has_ephemeral_disk() {
            // https://learn.microsoft.com/en-us/azure/virtual-machines/ephemeral-os-disks
            let message = "Operation 'deallocate' is not supported for VMs or VM Scale Set instances using \
                           an ephemeral OS disk.";
            return Err(ApiError::not_allowed(message));
        }
        let serial = machine.serial;
        let (on_the_way, state) = match power {
            Power::Start | Power::Restart => ("starting", "running"),
            Power::Deallocate => ("deallocating", "deallocated"),
            Power::Off => ("stopping", "stopped"),
        };
        machine.set_provisioning("Updating");
        machine.set_power(on_the_way);
        let operation = self.start_latest(&key, Effect::Power { key: key.clone(), serial, state });
        // What a start or stop leads to has no body.
        if let Some(operation) = self.operations.get_mut(&operation) {
            operation.forget_result();
        }
        Ok(self.watched(Answer::empty(202), Area::Machines, &operation, Told::Both, version))
    }

    /// <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/simulate-eviction>.
    pub(super) fn simulate_eviction(&mut self, name: &Name) -> Result<Answer, ApiError> {
        let key = Key::new(&name.group, &name.name);
        let machine = self.machines.get(&key).ok_or_else(|| not_found(Kind::Machine, name))?;
        if !machine.is_spot {
            let message = "Operation 'simulateEviction' is allowed on Azure Spot Virtual Machines only.";
            return Err(ApiError::not_allowed(message));
        }
        self.evict_at(&key);
        Ok(Answer::empty(204))
    }

    /// Takes a Spot machine's place on its host away: it is deallocated, or deleted, as its policy says.
    pub(super) fn evict_at(&mut self, key: &Key) -> bool {
        let Some(machine) = self.machines.get_mut(key).filter(|machine| machine.is_spot) else {
            return false;
        };
        if machine.is_deleting {
            return true;
        }
        let serial = machine.serial;
        if machine.resource["properties"]["evictionPolicy"] == "Delete" {
            self.start_delete(key);
        } else {
            machine.set_power("deallocating");
            self.start_latest(key, Effect::Power { key: key.clone(), serial, state: "deallocated" });
        }
        true
    }
}

fn operation_name(power: Power) -> &'static str {
    match power {
        Power::Start => "start",
        Power::Deallocate => "deallocate",
        Power::Off => "powerOff",
        Power::Restart => "restart",
    }
}
