//! Machines that go.

use super::{
    Cloud,
    machine::Owned,
    operation::{Effect, Told},
    state::Key,
};
use crate::http::{Answer, Area, Kind, Name};

impl Cloud {
    /// Deletes a machine, and what is to go with it. One that is not there is as good as deleted:
    /// <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/delete>.
    pub(super) fn delete_machine(&mut self, name: &Name, version: &str) -> Answer {
        let key = Key::new(&name.group, &name.name);
        if !self.machines.contains_key(&key) {
            return Answer::empty(204);
        }
        let operation = self.start_delete(&key);
        self.watched(Answer::empty(202), Area::Machines, &operation, Told::Both, version)
    }

    /// Marks a machine for deletion. A deletion that is under way goes on.
    pub(super) fn start_delete(&mut self, key: &Key) -> String {
        let serial = self.machines.get_mut(key).map_or(0, |machine| {
            if !machine.is_deleting {
                machine.is_deleting = true;
                machine.set_provisioning("Deleting");
            }
            machine.serial
        });
        let effect = Effect::Delete { key: key.clone(), serial };
        let operation = self.start(Area::Machines, effect, None);
        if let Some(machine) = self.machines.get_mut(key) {
            machine.latest = Some(operation.clone());
        }
        operation
    }

    /// The machine is gone, and with it the parts that it takes with it.
    pub(super) fn vanish(&mut self, key: &Key) {
        let Some(machine) = self.machines.remove(key) else { return };
        self.quotas.release(&machine.quotas, machine.cores);
        let mut part = |kind, owned: &Owned| {
            if owned.is_deleted { self.vanish_part(kind, &owned.key) } else { self.detach(kind, &owned.key) }
        };
        machine.interfaces.iter().for_each(|owned| part(Kind::Interface, owned));
        machine.disks.iter().for_each(|owned| part(Kind::Disk, owned));
    }
}
