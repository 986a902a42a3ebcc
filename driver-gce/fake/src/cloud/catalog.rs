//! Zones and machine types, which nothing changes.

use super::{Cloud, disk::region_link, list::filter};
use crate::{
    MachineType,
    filter::Kind,
    http::{ApiError, Query},
};
use serde_json::{Value, json};

/// Long before anything else.
const CREATED: &str = "1969-12-31T16:00:00.000-08:00";

impl Cloud {
    /// <https://cloud.google.com/compute/docs/reference/rest/v1/zones/get>.
    pub(super) fn zone_resource(&self, zone: &str) -> Result<Value, ApiError> {
        let project = &self.settings.project;
        let index = self.settings.zones.iter().position(|known| known == zone);
        let index = index.ok_or_else(|| ApiError::not_found(&format!("projects/{project}/zones/{zone}")))?;
        Ok(json!({
            "kind": "compute#zone",
            "id": (2000 + index).to_string(),
            "creationTimestamp": CREATED,
            "name": zone,
            "description": zone,
            "status": if self.unreachable.contains(zone) { "DOWN" } else { "UP" },
            "region": region_link(project, zone),
            "selfLink": self.link(&format!("zones/{zone}")),
            "availableCpuPlatforms": ["Intel Cascade Lake", "Intel Skylake"],
            "supportsPzs": true,
        }))
    }

    /// <https://cloud.google.com/compute/docs/reference/rest/v1/zones/list>.
    pub(super) fn list_zones(&self, query: &Query) -> Result<Value, ApiError> {
        let names = self.zones.keys().map(String::as_str);
        let all: Result<Vec<_>, _> = names.map(|zone| self.zone_resource(zone)).collect();
        self.small_list("compute#zoneList", "zones", query, Kind::Zone, all?)
    }

    /// <https://cloud.google.com/compute/docs/reference/rest/v1/machineTypes/get>.
    pub(super) fn machine_type(&self, zone: &str, name: &str) -> Result<Value, ApiError> {
        let mut types = self.settings.machine_types.iter().enumerate();
        let found = types.find(|(_, known)| known.name == name);
        let (index, known) =
            found.ok_or_else(|| ApiError::not_found(&self.path(zone, "machineTypes", name)))?;
        Ok(self.machine_type_resource(zone, index, known))
    }

    /// <https://cloud.google.com/compute/docs/reference/rest/v1/machineTypes/list>.
    pub(super) fn list_machine_types(&self, zone: &str, query: &Query) -> Result<Value, ApiError> {
        let types = self.settings.machine_types.iter().enumerate();
        let all = types.map(|(index, known)| self.machine_type_resource(zone, index, known)).collect();
        self.small_list(
            "compute#machineTypeList",
            &format!("zones/{zone}/machineTypes"),
            query,
            Kind::MachineType,
            all,
        )
    }

    fn machine_type_resource(&self, zone: &str, index: usize, of: &MachineType) -> Value {
        let MachineType { name, vcpus, memory_mb } = of;
        let is_shared =
            ["e2-micro", "e2-small", "e2-medium", "f1-micro", "g1-small"].contains(&name.as_str());
        json!({
            "kind": "compute#machineType",
            "id": (801_000 + index).to_string(),
            "creationTimestamp": CREATED,
            "name": name,
            "description": format!("{vcpus} vCPUs {} GB RAM", *memory_mb as f64 / 1024.0),
            "guestCpus": vcpus,
            "memoryMb": memory_mb,
            "imageSpaceGb": 0,
            "maximumPersistentDisks": 128,
            "maximumPersistentDisksSizeGb": "263168",
            // "The name of the zone where the machine type resides, such as us-central1-a", and no URL.
            "zone": zone,
            "selfLink": self.link(&format!("zones/{zone}/machineTypes/{name}")),
            "isSharedCpu": is_shared,
            "architecture": "X86_64",
        })
    }

    /// A list of resources that are made for it.
    fn small_list(
        &self,
        kind: &str,
        path: &str,
        query: &Query,
        of: Kind,
        mut all: Vec<Value>,
    ) -> Result<Value, ApiError> {
        let asked = super::page::Asked::new(query, path)?;
        let filter = filter(query, of)?;
        let name = |resource: &Value| resource["name"].as_str().unwrap_or_default().to_owned();
        all.retain(|resource| filter.matches(resource));
        all.sort_by_key(name);
        if let Some(after) = &asked.after {
            all.retain(|resource| name(resource) > after.name);
        }
        let has_more = all.len() > asked.count;
        all.truncate(asked.count);
        let next = all.last().filter(|_| has_more).map(|last| asked.next("", &name(last), 0));
        Ok(self.list_of(kind, path, all, next))
    }
}
