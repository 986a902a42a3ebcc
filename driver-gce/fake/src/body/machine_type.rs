//! Machine types.

use super::{read, url};
use crate::{MachineType, Settings, http::ApiError};
use serde_json::Value;

const FIELD: &str = "resource.machineType";

/// The machine type of a new instance in `zone`: "Full or partial URL of the machine type resource to use for
/// this instance, in the format: zones/zone/machineTypes/machine-type",
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances>.
pub(super) fn machine_type(body: &Value, zone: &str, settings: &Settings) -> Result<MachineType, ApiError> {
    let url = read::some_text(body, "machineType", "resource")?.ok_or_else(|| ApiError::required(FIELD))?;
    let (project, parts) = url::parts(url);
    let ["zones", of_zone, "machineTypes", name] = parts.as_slice() else {
        return Err(ApiError::malformed_url(FIELD, url));
    };
    if project.is_some_and(|project| project != settings.project) {
        return Err(ApiError::invalid(
            FIELD,
            url,
            "Cross project referencing is not allowed for this resource.",
        ));
    }
    if !settings.zones.iter().any(|known| known == of_zone) {
        return Err(ApiError::invalid(FIELD, url, &format!("Zone '{of_zone}' does not exist.")));
    }
    if *of_zone != zone {
        let why = format!("Machine type must be in the instance's zone '{zone}'.");
        return Err(ApiError::invalid(FIELD, url, &why));
    }
    // "Invalid value for field 'resource.machineType': 'zones/europe-west8-a/machineTypes/f1-micro'. Machine
    // type with name 'f1-micro' does not exist in zone 'europe-west8-a'.":
    // https://github.com/gruntwork-io/terratest/issues/1132
    let unknown = || {
        let why = format!("Machine type with name '{name}' does not exist in zone '{zone}'.");
        ApiError::invalid(FIELD, url, &why)
    };
    let known = settings.machine_types.iter().find(|known| known.name == *name).cloned();
    known.or_else(|| custom(name)).ok_or_else(unknown)
}

/// `custom-4-5120`, `n2-custom-4-8192`: "CPUS is 1 or an even number up to 32 […] Memory must be a multiple
/// of 256 MB".
fn custom(name: &str) -> Option<MachineType> {
    let (series, size) =
        name.strip_prefix("custom-").map(|size| ("n1", size)).or_else(|| name.split_once("-custom-"))?;
    let (vcpus, memory_mb) = size.strip_suffix("-ext").unwrap_or(size).split_once('-')?;
    let (vcpus, memory_mb): (u32, u64) = (vcpus.parse().ok()?, memory_mb.parse().ok()?);
    let has_custom = ["n1", "n2", "n2d", "n4", "e2"].contains(&series);
    let is_size = (vcpus == 1 || vcpus.is_multiple_of(2))
        && vcpus > 0
        && memory_mb > 0
        && memory_mb.is_multiple_of(256);
    (has_custom && is_size).then(|| MachineType { name: name.into(), vcpus, memory_mb })
}

#[cfg(test)]
mod tests {
    use super::custom;

    #[test]
    fn custom_types() {
        assert_eq!(custom("custom-4-5120").unwrap().vcpus, 4);
        assert_eq!(custom("n2-custom-4-8192").unwrap().memory_mb, 8192);
        for bad in ["custom-3-5120", "custom-4-5121", "custom-4", "c3-custom-4-8192", "n2-standard-2"] {
            assert!(custom(bad).is_none(), "{bad}");
        }
    }
}
