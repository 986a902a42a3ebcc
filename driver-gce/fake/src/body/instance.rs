//! New instances.

use super::{
    NewDisk, disks, labels, machine_type, metadata, network, read, scheduling, service_account, tags,
};
use crate::{MachineType, Settings, http::ApiError, names};
use serde_json::{Map, Value};

/// What an insert asks for, with the defaults for what it does not say.
#[derive(Clone)]
pub(crate) struct NewInstance {
    pub(crate) name: String,
    pub(crate) machine_type: MachineType,
    pub(crate) disks: Vec<NewDisk>,
    pub(crate) interfaces: Vec<Value>,
    pub(crate) labels: Map<String, Value>,
    pub(crate) metadata: Vec<Value>,
    pub(crate) tags: Vec<Value>,
    pub(crate) scheduling: Value,
    pub(crate) service_accounts: Vec<Value>,
    /// Fields that are shown as they were given.
    pub(crate) as_given: Map<String, Value>,
}

/// Fields that say something, and that nothing here goes by.
const AS_GIVEN: [&str; 13] = [
    "advancedMachineFeatures",
    "canIpForward",
    "confidentialInstanceConfig",
    "deletionProtection",
    "description",
    "displayDevice",
    "guestAccelerators",
    "hostname",
    "keyRevocationActionType",
    "minCpuPlatform",
    "reservationAffinity",
    "resourcePolicies",
    "shieldedInstanceConfig",
];

/// Fields that are read, or that only answers have and requests may repeat.
const OTHERS: [&str; 35] = [
    "cpuPlatform",
    "creationTimestamp",
    "disks",
    "fingerprint",
    "id",
    "instanceEncryptionKey",
    "kind",
    "labelFingerprint",
    "labels",
    "lastStartTimestamp",
    "lastStopTimestamp",
    "lastSuspendedTimestamp",
    "localSsdEncryptionMode",
    "machineType",
    "metadata",
    "name",
    "networkInterfaces",
    "networkPerformanceConfig",
    "params",
    "privateIpv6GoogleAccess",
    "resourceStatus",
    "satisfiesPzi",
    "satisfiesPzs",
    "scheduling",
    "selfLink",
    "serviceAccounts",
    "shieldedInstanceIntegrityPolicy",
    "sourceMachineImage",
    "sourceMachineImageEncryptionKey",
    "startRestricted",
    "status",
    "statusMessage",
    "tags",
    "workloadIdentityConfig",
    "zone",
];

/// Reads the body of an insert into `zone`.
pub(crate) fn new_instance(
    body: &Value,
    zone: &str,
    region: &str,
    settings: &Settings,
) -> Result<NewInstance, ApiError> {
    let fields = body.as_object().ok_or_else(|| ApiError::payload("Root element must be a message."))?;
    let is_field = |name: &str| AS_GIVEN.contains(&name) || OTHERS.contains(&name);
    if let Some(name) = fields.keys().find(|name| !is_field(name)) {
        return Err(ApiError::payload(&format!("Unknown name \"{name}\": Cannot find field.")));
    }
    let name =
        read::some_text(body, "name", "resource")?.ok_or_else(|| ApiError::required("resource.name"))?;
    if !names::is_name(name) {
        let why = format!("Must be a match of regex '{}'", names::NAME_REGEX);
        return Err(ApiError::invalid("resource.name", name, &why));
    }
    let machine_type = machine_type::machine_type(body, zone, settings)?;
    let of = disks::Of { instance: name, machine_type: &machine_type.name, zone, settings };
    let given = |field: &str| fields.get(field).filter(|value| !value.is_null());
    let as_given = AS_GIVEN.iter().filter_map(|field| Some(((*field).to_owned(), given(field)?.clone())));
    Ok(NewInstance {
        name: name.to_owned(),
        disks: disks::disks(body, &of)?,
        interfaces: network::interfaces(body, region, settings)?,
        labels: labels(body, "resource")?,
        metadata: metadata(&body["metadata"], "resource.metadata")?,
        tags: tags(&body["tags"], "resource.tags")?,
        scheduling: scheduling::scheduling(body)?,
        service_accounts: service_account::service_accounts(body, settings)?,
        as_given: as_given.collect(),
        machine_type,
    })
}
