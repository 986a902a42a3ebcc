//! Instances.

use super::{disk::attached, fingerprint, link::link, quota::Charge, state::Number};
use crate::{Settings, body::NewInstance, clock::timestamp};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// An instance that there is.
pub(super) struct Instance {
    pub(super) number: Number,
    /// As the API shows it.
    pub(super) resource: Value,
    /// What it uses of the quotas while it runs.
    pub(super) uses: Vec<Charge>,
    /// What is charged now.
    pub(super) charged: Vec<Charge>,
    /// Guest attributes by namespace and key.
    pub(super) guest: BTreeMap<(String, String), String>,
    pub(super) is_creating: bool,
    pub(super) is_deleting: bool,
    pub(super) longest_run: Option<Duration>,
}

impl Instance {
    /// An instance whose insert is accepted:
    /// <https://cloud.google.com/compute/docs/instances/instance-life-cycle>.
    pub(super) fn new(
        new: NewInstance,
        number: Number,
        zone: &str,
        settings: &Settings,
        uses: Vec<Charge>,
    ) -> Self {
        let project = settings.project.as_str();
        let at = |path: String| link(project, &format!("zones/{zone}/{path}"));
        let disks: Vec<_> =
            new.disks.iter().enumerate().map(|(index, disk)| attached(disk, index, project, zone)).collect();
        let mut resource = new.as_given;
        let defaults = json!({
            "canIpForward": false,
            "deletionProtection": false,
            "startRestricted": false,
            "shieldedInstanceConfig": {
                "enableSecureBoot": false, "enableVtpm": true, "enableIntegrityMonitoring": true,
            },
            "shieldedInstanceIntegrityPolicy": { "updateAutoLearnPolicy": true },
        });
        for (field, value) in defaults.as_object().into_iter().flatten() {
            resource.entry(field.clone()).or_insert_with(|| value.clone());
        }
        let mut set = |field: &str, value: Value| resource.insert(field.to_owned(), value);
        set("kind", "compute#instance".into());
        set("id", number.id.to_string().into());
        set("creationTimestamp", timestamp(SystemTime::now()).into());
        set("name", new.name.as_str().into());
        set("zone", link(project, &format!("zones/{zone}")).into());
        set("selfLink", at(format!("instances/{}", new.name)).into());
        set("machineType", at(format!("machineTypes/{}", new.machine_type.name)).into());
        set("status", "PROVISIONING".into());
        set("disks", disks.into());
        set("networkInterfaces", new.interfaces.into());
        set("scheduling", new.scheduling.clone());
        if !new.service_accounts.is_empty() {
            set("serviceAccounts", new.service_accounts.into());
        }
        let seconds =
            new.scheduling["maxRunDuration"]["seconds"].as_str().and_then(|seconds| seconds.parse().ok());
        let mut instance = Instance {
            number,
            resource: Value::Object(resource),
            uses,
            charged: Vec::new(),
            guest: BTreeMap::new(),
            is_creating: true,
            is_deleting: false,
            longest_run: seconds.map(Duration::from_secs),
        };
        instance.set_labels(new.labels);
        instance.set_metadata(new.metadata);
        instance.set_tags(new.tags);
        instance
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.resource[field].as_str().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.text("name")
    }

    pub(super) fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.resource[field] = value.into();
    }

    pub(super) fn set_status(&mut self, status: &str) {
        self.set("status", status);
    }

    /// Whether it holds neither CPUs nor memory.
    pub(super) fn is_stopped(&self) -> bool {
        ["TERMINATED", "STOPPED", "SUSPENDED"].contains(&self.text("status"))
    }

    /// An empty map is not shown, and its fingerprint is.
    pub(super) fn set_labels(&mut self, labels: Map<String, Value>) {
        if let Some(resource) = self.resource.as_object_mut() {
            resource.remove("labels");
        }
        if !labels.is_empty() {
            self.set("labels", labels);
        }
        self.renew_fingerprints();
    }

    pub(super) fn set_metadata(&mut self, items: Vec<Value>) {
        let mut metadata = json!({ "kind": "compute#metadata" });
        if !items.is_empty() {
            metadata["items"] = items.into();
        }
        self.set("metadata", metadata);
        self.renew_fingerprints();
    }

    pub(super) fn set_tags(&mut self, items: Vec<Value>) {
        let tags = Map::from_iter((!items.is_empty()).then(|| ("items".to_owned(), items.into())));
        self.set("tags", tags);
        self.renew_fingerprints();
    }

    /// Makes the fingerprints those of the contents.
    pub(super) fn renew_fingerprints(&mut self) {
        let labels = fingerprint(&self.resource["labels"]);
        let metadata = fingerprint(&self.resource["metadata"]["items"]);
        let tags = fingerprint(&self.resource["tags"]["items"]);
        // Indexing for reading has put nothing there; indexing for writing would fail on what is no object.
        if !self.resource.is_object() {
            return;
        }
        self.set("labelFingerprint", labels.as_str());
        if self.resource["metadata"].is_object() {
            self.resource["metadata"]["fingerprint"] = metadata.as_str().into();
        }
        if self.resource["tags"].is_object() {
            self.resource["tags"]["fingerprint"] = tags.as_str().into();
        }
        let whole = fingerprint(&json!([labels, metadata, tags, self.number.id]));
        self.set("fingerprint", whole);
    }

    /// The addresses that it gets while it is staged: an internal one for each interface, and an external one
    /// for each access configuration.
    pub(super) fn give_addresses(&mut self) {
        let number = self.number.sequence;
        let octets = |first: u8, second: u8, number: u64| {
            let [.., b, c, d] = number.to_be_bytes();
            format!("{first}.{}.{c}.{d}", second.wrapping_add(b))
        };
        for (index, interface) in self.interfaces().iter_mut().enumerate() {
            let number = number + index as u64;
            if interface["networkIP"].is_null() {
                interface["networkIP"] = octets(10, 128, number).into();
            }
            if let Some(config) = interface.pointer_mut("/accessConfigs/0")
                && config["natIP"].is_null()
            {
                config["natIP"] = octets(34, 0, number).into();
            }
        }
    }

    /// What a stopped instance does not keep: its external addresses, which all are ephemeral here,
    /// <https://cloud.google.com/compute/docs/instances/stop-start-instance>.
    pub(super) fn take_addresses(&mut self) {
        for interface in self.interfaces() {
            if let Some(config) = interface.pointer_mut("/accessConfigs/0").and_then(Value::as_object_mut) {
                config.remove("natIP");
            }
        }
    }

    fn interfaces(&mut self) -> &mut [Value] {
        self.resource
            .get_mut("networkInterfaces")
            .and_then(Value::as_array_mut)
            .map_or(&mut [], Vec::as_mut_slice)
    }

    /// Whether its metadata let guest attributes be read.
    pub(super) fn has_guest_attributes(&self) -> bool {
        let items = self.resource["metadata"]["items"].as_array().into_iter().flatten();
        items
            .filter(|item| item["key"] == "enable-guest-attributes")
            .any(|item| item["value"].as_str().is_some_and(|value| value.eq_ignore_ascii_case("true")))
    }
}
