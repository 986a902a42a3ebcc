//! Machines.

use super::{operation::Failure, state::Key};
use crate::{Settings, body::NewMachine, clock::timestamp};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A machine that there is.
pub(super) struct Machine {
    pub(super) key: Key,
    /// Which of those that have been in its place it is.
    pub(super) serial: u64,
    /// As the API shows it, without the view of the instance.
    pub(super) resource: Value,
    /// What no answer shows.
    pub(super) custom_data: Option<String>,
    pub(super) password: Option<String>,
    /// Such as `running`; `None` while it has no place on a host and never had one.
    pub(super) power: Option<&'static str>,
    /// Since when the state of its provisioning, and that of its power, are as they are.
    pub(super) since: (SystemTime, SystemTime),
    pub(super) failure: Option<Failure>,
    pub(super) is_deleting: bool,
    /// The operation that decides what becomes of it: those before it have been overtaken.
    pub(super) latest: Option<String>,
    pub(super) is_spot: bool,
    pub(super) cores: u32,
    /// The quotas that it is charged to.
    pub(super) quotas: Vec<String>,
    pub(super) disks: Vec<Owned>,
    pub(super) interfaces: Vec<Owned>,
    /// How often it has changed.
    pub(super) revision: u64,
}

/// A part of a machine.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) key: Key,
    /// Whether it goes with the machine.
    pub(super) is_deleted: bool,
    /// Whether it is on the host's own disk.
    pub(super) is_ephemeral: bool,
}

/// The names of a new machine's parts, made by the cloud where they were not given.
pub(super) struct Parts {
    pub(super) disks: Vec<(Owned, Value)>,
    pub(super) interfaces: Vec<(Owned, Value)>,
}

impl Machine {
    pub(super) fn new(
        new: &NewMachine,
        key: Key,
        serial: u64,
        id: &str,
        vm_id: &str,
        parts: Parts,
        settings: &Settings,
    ) -> Self {
        let now = SystemTime::now();
        let mut storage = json!({ "imageReference": new.image });
        let mut disks = parts.disks.iter().map(|(_, shown)| shown.clone());
        storage["osDisk"] = disks.next().unwrap_or_default();
        storage["dataDisks"] = disks.collect();
        if let Some(controller) = &new.controller {
            storage["diskControllerType"] = controller.as_str().into();
        }
        let interfaces: Vec<&Value> = parts.interfaces.iter().map(|(_, shown)| shown).collect();
        let mut properties = json!({
            "hardwareProfile": { "vmSize": new.size.name },
            "provisioningState": "Creating",
            "vmId": vm_id,
            "storageProfile": storage,
            "osProfile": new.os.shown,
            "networkProfile": { "networkInterfaces": interfaces },
            "timeCreated": timestamp(now),
        });
        for (name, value) in &new.as_given {
            properties[name.as_str()] = value.clone();
        }
        let mut resource = json!({
            "name": new.name,
            "id": id,
            "type": "Microsoft.Compute/virtualMachines",
            "location": settings.location,
            "properties": properties,
            "etag": "\"1\"",
        });
        for (name, value) in &new.beside {
            resource[name.as_str()] = value.clone();
        }
        if let Some(tags) = &new.tags {
            resource["tags"] = tags.clone().into();
        }
        if !new.zones.is_empty() {
            resource["zones"] = new.zones.clone().into();
        }
        Machine {
            key,
            serial,
            resource,
            custom_data: new.os.custom_data.clone(),
            password: new.os.password.clone(),
            power: None,
            since: (now, now),
            failure: None,
            is_deleting: false,
            latest: None,
            is_spot: new.is_spot,
            cores: new.size.cores,
            quotas: super::quota::Quotas::names(&new.size.family, new.is_spot),
            disks: parts.disks.into_iter().map(|(owned, _)| owned).collect(),
            interfaces: parts.interfaces.into_iter().map(|(owned, _)| owned).collect(),
            revision: 1,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.resource["name"].as_str().unwrap_or_default()
    }

    pub(super) fn provisioning(&self) -> &str {
        self.resource["properties"]["provisioningState"].as_str().unwrap_or_default()
    }

    /// A change that a test has made may have left no object to write to.
    fn properties(&mut self) -> Option<&mut serde_json::Map<String, Value>> {
        self.resource.get_mut("properties").and_then(Value::as_object_mut)
    }

    pub(super) fn set_property(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(properties) = self.properties() {
            properties.insert(name.to_owned(), value.into());
        }
    }

    pub(super) fn set_provisioning(&mut self, state: &str) {
        self.set_property("provisioningState", state);
        self.since.0 = SystemTime::now();
        self.changed();
    }

    pub(super) fn set_power(&mut self, state: &'static str) {
        self.power = Some(state);
        self.since.1 = SystemTime::now();
    }

    /// Every change has an `etag` of its own.
    pub(super) fn changed(&mut self) {
        self.revision += 1;
        if let Some(resource) = self.resource.as_object_mut() {
            resource.insert("etag".into(), format!("\"{}\"", self.revision).into());
        }
    }

    pub(super) fn etag(&self) -> &str {
        self.resource["etag"].as_str().unwrap_or_default()
    }

    pub(super) fn has_ephemeral_disk(&self) -> bool {
        self.disks.iter().any(|disk| disk.is_ephemeral)
    }
}
