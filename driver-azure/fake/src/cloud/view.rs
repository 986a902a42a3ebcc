//! The view of an instance: <https://learn.microsoft.com/en-us/azure/virtual-machines/states-billing>.

use super::machine::Machine;
use crate::clock::timestamp;
use serde_json::{Value, json};

impl Machine {
    /// As the API shows it, with the view of the instance.
    pub(super) fn expanded(&self) -> Value {
        let mut resource = self.resource.clone();
        if let Some(properties) = resource.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("instanceView".into(), self.instance_view());
        }
        resource
    }

    pub(super) fn instance_view(&self) -> Value {
        let mut view = json!({ "statuses": self.statuses(), "disks": self.disk_views() });
        if self.power == Some("running") {
            let properties = &self.resource["properties"];
            view["computerName"] = properties["osProfile"]["computerName"].clone();
            view["osName"] = "debian".into();
            view["osVersion"] = "12".into();
            view["vmAgent"] = json!({
                "vmAgentVersion": "2.9.1.1",
                "statuses": [{
                    "code": "ProvisioningState/succeeded",
                    "level": "Info",
                    "displayStatus": "Ready",
                    "message": "Guest Agent is running",
                    "time": timestamp(self.since.1),
                }],
                "extensionHandlers": [],
            });
        }
        view["hyperVGeneration"] = "V2".into();
        view
    }

    /// The state of the provisioning, and after it that of the power, if there is one.
    pub(super) fn statuses(&self) -> Value {
        let state = self.provisioning().to_lowercase();
        let time = timestamp(self.since.0);
        let first = match &self.failure {
            Some(failure) if state == "failed" => json!({
                "code": format!("ProvisioningState/failed/{}", failure.code),
                "level": "Error",
                "displayStatus": "Provisioning failed",
                "message": failure.message,
                "time": time,
            }),
            _ => json!({
                "code": format!("ProvisioningState/{state}"),
                "level": "Info",
                "displayStatus": match state.as_str() {
                    "succeeded" => "Provisioning succeeded".to_owned(),
                    "failed" => "Provisioning failed".to_owned(),
                    _ => self.provisioning().to_owned(),
                },
                "time": time,
            }),
        };
        let power = self.power.map(|power| {
            json!({
                "code": format!("PowerState/{power}"),
                "level": "Info",
                "displayStatus": format!("VM {power}"),
            })
        });
        std::iter::once(first).chain(power).collect()
    }

    fn disk_views(&self) -> Value {
        let storage = &self.resource["properties"]["storageProfile"];
        let data = storage["dataDisks"].as_array().into_iter().flatten();
        let names = std::iter::once(&storage["osDisk"]).chain(data).map(|disk| disk["name"].clone());
        let time = timestamp(self.since.0);
        let view = |name: Value| {
            json!({
                "name": name,
                "statuses": [{
                    "code": "ProvisioningState/succeeded",
                    "level": "Info",
                    "displayStatus": "Provisioning succeeded",
                    "time": time,
                }],
            })
        };
        names.map(view).collect()
    }
}
