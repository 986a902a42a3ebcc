//! New machines.

use super::{
    Cloud, Preconditions,
    machine::{Machine, Owned, Parts},
    operation::{Effect, Failure, Told},
    state::{Key, not_found},
};
use crate::{
    FailAt,
    body::{NewInterface, NewMachine, new_machine},
    http::{Answer, ApiError, Area, Kind, Name},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Cloud {
    /// Makes a machine, or changes the one that there is.
    pub(super) fn put_machine(
        &mut self,
        name: &Name,
        body: &Value,
        version: &str,
        preconditions: Preconditions<'_>,
    ) -> Result<Answer, ApiError> {
        let key = Key::new(&name.group, &name.name);
        preconditions.check(self.machines.get(&key).map(Machine::etag))?;
        if self.machines.contains_key(&key) {
            return self.update_machine(&key, body, version, true);
        }
        let new = new_machine(body, &name.name, version, &self.settings)?;
        let (family, cores) = (&new.size.family, new.size.cores);
        self.quotas.check(family, new.is_spot, cores, &self.settings.location)?;
        if let Some((status, failure)) = self.next_create_failure(true) {
            return Err(ApiError::new(status, &failure.code, failure.message));
        }
        self.check_parts(&new, name)?;
        let failure = self.next_create_failure(false).map(|(_, failure)| failure);
        Ok(self.make(&new, name, &key, failure, version))
    }

    /// The failure that the next machine has, in the call or in its operation.
    pub(super) fn next_create_failure(&mut self, in_call: bool) -> Option<(u16, Failure)> {
        let next = self.create_failure.as_mut().filter(|next| next.times > 0)?;
        let status = match (next.at, in_call) {
            (FailAt::Call(status), true) => status,
            (FailAt::Operation, false) => 200,
            _ => return None,
        };
        next.times = next.times.saturating_sub(1);
        Some((status, Failure { code: next.code.clone(), message: next.message.clone() }))
    }

    /// Whether the machine's parts can be made, and those that are there can be used.
    fn check_parts(&self, new: &NewMachine, name: &Name) -> Result<(), ApiError> {
        let group = name.group.as_str();
        let machine = self.id(group, Kind::Machine, &name.name);
        let mut names = BTreeSet::new();
        for disk in new.disks.iter().filter_map(|disk| disk.name.as_deref()) {
            if self.disks.contains_key(&Key::new(group, disk)) || !names.insert(disk.to_lowercase()) {
                let (id, group) = (self.id(group, Kind::Disk, disk), self.group(group)?);
                let message = format!(
                    "Disk {disk} already exists in resource group {}. Only CreateOption.Attach is supported.",
                    group.to_uppercase()
                );
                return Err(ApiError::new(409, "ConflictingUserInput", message).target(&id));
            }
        }
        let mut wanted: BTreeMap<usize, usize> = BTreeMap::new();
        for interface in &new.interfaces {
            let id = self.id(group, Kind::Interface, &interface.name);
            if self.interfaces.contains_key(&Key::new(group, &interface.name)) {
                return Err(self.taken_interface(&id, &machine));
            }
            for ip in &interface.ips {
                let subnet = self.addresses.find(&ip.subnet, &self.settings.subscription);
                let subnet = subnet.ok_or_else(|| ApiError::reference(&ip.subnet, &id))?;
                *wanted.entry(subnet).or_default() += 1;
            }
        }
        for (subnet, count) in wanted {
            self.addresses.has(subnet, count)?;
        }
        for (id, _) in &new.existing {
            let found = Key::of_id(id, Kind::Interface).and_then(|key| self.interfaces.get(&key));
            let found = found.ok_or_else(|| ApiError::reference(id, &machine))?;
            if found.resource["properties"]["virtualMachine"]["id"].is_string() {
                return Err(self.taken_interface(id, &machine));
            }
        }
        Ok(())
    }

    /// Nothing says what becomes of a machine whose interface has the name of one that is there; an interface
    /// that another machine has cannot be used.
    fn taken_interface(&self, id: &str, machine: &str) -> ApiError {
        let found = Key::of_id(id, Kind::Interface).and_then(|key| self.interfaces.get(&key));
        let by = found.and_then(|found| found.resource["properties"]["virtualMachine"]["id"].as_str());
        let message = format!(
            "Network interface {id} cannot be used for {machine}: it is there already{}.",
            by.map_or_else(String::new, |by| format!(", and used by {by}"))
        );
        ApiError::new(400, "NicInUse", message)
    }

    fn make(
        &mut self,
        new: &NewMachine,
        name: &Name,
        key: &Key,
        failure: Option<Failure>,
        version: &str,
    ) -> Answer {
        let group = self.group(&name.group).unwrap_or(&name.group).to_owned();
        let id = self.id(&group, Kind::Machine, &name.name);
        let disks = new.disks.iter().map(|disk| self.make_disk(new, disk, &group, &id)).collect();
        let mut interfaces: Vec<(Owned, Value)> =
            new.interfaces.iter().map(|interface| self.make_interface(interface, &group, &id)).collect();
        for (index, (interface, is_deleted)) in new.existing.iter().enumerate() {
            interfaces.extend(self.take_interface(interface, *is_deleted, index == 0, &id));
        }
        let serial = self.number();
        let vm_id = super::id::uuid(self.number());
        let parts = Parts { disks, interfaces };
        let machine = Machine::new(new, key.clone(), serial, &id, &vm_id, parts, &self.settings);
        self.quotas.charge(&machine.quotas, machine.cores);
        let body = machine.resource.clone();
        self.machines.insert(key.clone(), machine);
        let operation = self.start_create(key, serial, failure);
        self.watched(Answer::new(201, body), Area::Machines, &operation, Told::Status, version)
    }

    /// Starts the operation that gives a machine its place on a host, or fails to.
    pub(super) fn start_create(&mut self, key: &Key, serial: u64, failure: Option<Failure>) -> String {
        let effect = Effect::Create { key: key.clone(), serial, failure };
        self.start_latest(key, effect)
    }

    /// Starts an operation that overtakes those before it.
    pub(super) fn start_latest(&mut self, key: &Key, effect: Effect) -> String {
        let operation = self.start(Area::Machines, effect, Some((Kind::Machine, key.clone())));
        if let Some(machine) = self.machines.get_mut(key) {
            machine.latest = Some(operation.clone());
        }
        operation
    }

    /// An interface, and how the machine shows it.
    fn make_interface(&mut self, new: &NewInterface, group: &str, machine: &str) -> (Owned, Value) {
        let key = Key::new(group, &new.name);
        let id = self.id(group, Kind::Interface, &new.name);
        let part = self.interface(new, group, Some(machine));
        self.interfaces.insert(key.clone(), part);
        let shown = json!({
            "id": id,
            "properties": { "primary": new.is_primary, "deleteOption": delete_option(new.is_deleted) },
        });
        (Owned { key, is_deleted: new.is_deleted, is_ephemeral: false }, shown)
    }

    /// An interface that was there before the machine.
    fn take_interface(
        &mut self,
        id: &str,
        is_deleted: bool,
        is_first: bool,
        machine: &str,
    ) -> Option<(Owned, Value)> {
        let key = Key::of_id(id, Kind::Interface)?;
        let found = self.interfaces.get_mut(&key)?;
        found.resource["properties"]["virtualMachine"] = json!({ "id": machine });
        found.resource["properties"]["primary"] = is_first.into();
        let shown = json!({
            "id": found.resource["id"],
            "properties": { "primary": is_first, "deleteOption": delete_option(is_deleted) },
        });
        Some((Owned { key, is_deleted, is_ephemeral: false }, shown))
    }

    /// A part, and for an interface with `$expand` its public addresses.
    pub(super) fn get_part(
        &self,
        kind: Kind,
        name: &Name,
        query: &crate::http::Query,
    ) -> Result<Answer, ApiError> {
        let found = self.parts(kind).get(&Key::new(&name.group, &name.name));
        let mut resource = found.ok_or_else(|| not_found(kind, name))?.resource.clone();
        if kind == Kind::Interface && query.is("$expand", "ipConfigurations/publicIPAddress") {
            self.expand_addresses(&mut resource);
        }
        Ok(Answer::ok(resource))
    }
}

pub(super) fn delete_option(is_deleted: bool) -> &'static str {
    if is_deleted { "Delete" } else { "Detach" }
}
