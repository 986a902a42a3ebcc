//! Machines.

use super::{NewDisk, NewInterface, NewOs, network, os, read, storage};
use crate::{
    Settings, Size,
    http::ApiError,
    names::{NAME_RULE, is_machine_name, location},
};
use serde_json::{Map, Value, json};

/// What a new machine is to be, with the defaults for what is not said.
#[derive(Clone)]
pub(crate) struct NewMachine {
    pub(crate) name: String,
    pub(crate) size: Size,
    pub(crate) zones: Vec<String>,
    pub(crate) tags: Option<Map<String, Value>>,
    pub(crate) os: NewOs,
    pub(crate) image: Value,
    pub(crate) controller: Option<String>,
    /// The system's first.
    pub(crate) disks: Vec<NewDisk>,
    pub(crate) interfaces: Vec<NewInterface>,
    /// Interfaces that are there: IDs, and whether they go with the machine.
    pub(crate) existing: Vec<(String, bool)>,
    pub(crate) is_spot: bool,
    /// Properties that are shown as they were given.
    pub(crate) as_given: Map<String, Value>,
    /// Members beside the properties that are shown as they were given.
    pub(crate) beside: Map<String, Value>,
}

/// Members of a machine, and those that only answers have and requests may repeat.
const MEMBERS: [&str; 13] = [
    "etag",
    "extendedLocation",
    "id",
    "identity",
    "location",
    "managedBy",
    "name",
    "plan",
    "properties",
    "resources",
    "tags",
    "type",
    "zones",
];

const AS_GIVEN: [&str; 10] = [
    "additionalCapabilities",
    "applicationProfile",
    "billingProfile",
    "diagnosticsProfile",
    "extensionsTimeBudget",
    "licenseType",
    "scheduledEventsPolicy",
    "scheduledEventsProfile",
    "securityProfile",
    // Where a machine is in its scale set and the like is not modelled, and so is nothing that could be
    // shown.
    "platformFaultDomain",
];

const PROPERTIES: [&str; 18] = [
    "availabilitySet",
    "capacityReservation",
    "evictionPolicy",
    "hardwareProfile",
    "host",
    "hostGroup",
    "instanceView",
    "networkProfile",
    "osProfile",
    "priority",
    "provisioningState",
    "proximityPlacementGroup",
    "storageProfile",
    "timeCreated",
    "userData",
    "virtualMachineScaleSet",
    "vmId",
    "resilientVMDeletionStatus",
];

/// That a body has only members that a machine has.
fn members(body: &Value) -> Result<&Value, ApiError> {
    if !body.is_object() {
        return Err(ApiError::content("The request body must be an object"));
    }
    read::only(body, "VirtualMachine", "", &MEMBERS)?;
    let properties = read::object(body, "properties", "")?.unwrap_or(&Value::Null);
    let known: Vec<&str> = AS_GIVEN.iter().chain(&PROPERTIES).copied().collect();
    read::only(properties, "VirtualMachineProperties", "properties", &known)?;
    Ok(properties)
}

/// Reads the body of a call that makes a machine.
pub(crate) fn new_machine(
    body: &Value,
    name: &str,
    version: &str,
    settings: &Settings,
) -> Result<NewMachine, ApiError> {
    let properties = members(body)?;
    if !is_machine_name(name) {
        let message =
            format!("The entity name '{name}' is invalid according to its validation rule: {NAME_RULE}.");
        return Err(ApiError::invalid("vmName", message));
    }
    is_here(body, settings)?;
    let tags = tags(body)?;
    let size =
        size(properties, settings)?.ok_or_else(|| ApiError::required("hardwareProfile.vmSize"))?.clone();
    let zones = zones(body, name, &size, settings)?;
    let storage = storage::storage(properties, settings)?;
    let os = os::os(properties, name)?;
    let network = network::network(properties, version)?;
    let (is_spot, spot) = spot(properties)?;
    let mut as_given = read::as_given(properties, &AS_GIVEN);
    as_given.extend(spot);
    Ok(NewMachine {
        name: name.to_owned(),
        size,
        zones,
        tags,
        os,
        image: storage.image,
        controller: storage.controller,
        disks: storage.disks,
        interfaces: network.inline,
        existing: network.existing,
        is_spot,
        as_given,
        beside: read::as_given(body, &["plan"]),
    })
}

/// The size that the body of a change names, which has only members that a machine has.
pub(crate) fn changed_size(body: &Value, settings: &Settings) -> Result<Option<Size>, ApiError> {
    Ok(size(members(body)?, settings)?.cloned())
}

fn is_here(body: &Value, settings: &Settings) -> Result<(), ApiError> {
    let Some(given) = read::text(body, "location", "")? else {
        let message = "The location property is required for this definition.";
        return Err(ApiError::new(400, "LocationRequired", message));
    };
    if location(given) == location(&settings.location) {
        return Ok(());
    }
    let message = format!(
        "The provided location '{given}' is not available for resource type \
         'Microsoft.Compute/virtualMachines'. List of available regions for the resource type is '{}'.",
        settings.location
    );
    Err(ApiError::new(400, "LocationNotAvailableForResourceType", message))
}

/// "A maximum of 50 tags can be provided for a resource. Each tag must have a key with a length no greater
/// than 512 characters and a value with a length no greater than 256 characters":
/// <https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/tag-resources>.
pub(crate) fn tags(body: &Value) -> Result<Option<Map<String, Value>>, ApiError> {
    let Some(tags) = read::object(body, "tags", "")?.and_then(Value::as_object) else { return Ok(None) };
    let invalid = |message: String| ApiError::new(400, "InvalidTagNameCharacters", message);
    if tags.len() > 50 {
        let message = format!("The number of tags '{}' exceeds the limit of 50.", tags.len());
        return Err(ApiError::new(400, "TooManyTags", message));
    }
    for (key, value) in tags {
        let Some(value) = value.as_str() else {
            return Err(ApiError::content(&format!(
                "Error converting value to type 'System.String'. Path 'tags.{key}'"
            )));
        };
        if key.is_empty() || key.chars().count() > 512 {
            let message = format!("Tag name '{key}' is empty or too large: its length must not exceed 512.");
            return Err(ApiError::new(400, "InvalidTagName", message));
        }
        if key.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            let message = "The tag names have reserved characters '<,>,%,&,\\,?,/' or control characters.";
            return Err(invalid(message.to_owned()));
        }
        if value.chars().count() > 256 {
            let message = format!(
                "Tag value too large. Following tag value '{value}' exceeds the maximum length. \
                                   Maximum allowed length for tag value is '256' characters."
            );
            return Err(ApiError::new(400, "TagValueTooLarge", message));
        }
    }
    let same = |a: &String, b: &String| a != b && a.eq_ignore_ascii_case(b);
    if let Some(key) = tags.keys().find(|key| tags.keys().any(|other| same(key, other))) {
        let message = format!("The tag name '{key}' is there twice: names of tags have no case.");
        return Err(ApiError::new(400, "DuplicateTagNames", message));
    }
    Ok(Some(tags.clone()))
}

fn size<'a>(properties: &Value, settings: &'a Settings) -> Result<Option<&'a Size>, ApiError> {
    const PATH: &str = "properties.hardwareProfile";
    let profile = read::object(properties, "hardwareProfile", "properties")?.unwrap_or(&Value::Null);
    read::only(profile, "HardwareProfile", PATH, &["vmSize", "vmSizeProperties"])?;
    let Some(name) = read::text(profile, "vmSize", PATH)? else { return Ok(None) };
    let found = settings.sizes.iter().find(|size| size.name.eq_ignore_ascii_case(name));
    found.map(Some).ok_or_else(|| {
        let names: Vec<&str> = settings.sizes.iter().map(|size| size.name.as_str()).collect();
        let message = format!(
            "The value {name} provided for the VM size is not valid. The valid sizes in the current region \
             are: {}. Find out more on the available VM sizes in each region at \
             https://aka.ms/azure-regions.",
            names.join(",")
        );
        ApiError::invalid("vmSize", message)
    })
}

/// At most one zone, that the location has, and the size too.
fn zones(body: &Value, name: &str, size: &Size, settings: &Settings) -> Result<Vec<String>, ApiError> {
    let given = read::list(body, "zones", "")?;
    let texts: Option<Vec<&str>> = given.iter().map(Value::as_str).collect();
    let zones = texts
        .ok_or_else(|| ApiError::content("Error converting value to type 'System.String'. Path 'zones'"))?;
    if zones.len() > 1 {
        let message =
            format!("The resource 'Microsoft.Compute/virtualMachines/{name}' has more than one zone.");
        return Err(ApiError::new(400, "InvalidZones", message));
    }
    let Some(&zone) = zones.first() else { return Ok(Vec::new()) };
    let location = &settings.location;
    if !settings.zones.iter().any(|known| known == zone) {
        let message = format!(
            "The zone(s) '{zone}' for resource 'Microsoft.Compute/virtualMachines/{name}' is not supported. \
             The supported zones for location '{location}' are '{}'",
            settings.zones.join(",")
        );
        return Err(ApiError::new(400, "InvalidAvailabilityZone", message));
    }
    if !size.zones.iter().any(|known| known == zone) {
        let subscription = &settings.subscription;
        // As in https://github.com/microsoft/vscode-azurevirtualmachines/issues/94.
        let message = format!(
            "The requested size for resource '{name}' is currently not available in location '{location}' \
             zones '{zone}' for subscription '{subscription}'. Please try another size or deploy to a \
             different location or zones. See https://aka.ms/azureskunotavailable for details."
        );
        return Err(ApiError::new(409, "SkuNotAvailable", message));
    }
    Ok(vec![zone.to_owned()])
}

/// Whether it is a Spot machine, and what is shown of that:
/// <https://learn.microsoft.com/en-us/azure/virtual-machines/spot-vms>.
fn spot(properties: &Value) -> Result<(bool, Map<String, Value>), ApiError> {
    let priority = read::one_of(properties, "priority", "properties", &["Regular", "Low", "Spot"])?;
    let policy = read::one_of(properties, "evictionPolicy", "properties", &["Deallocate", "Delete"])?;
    let billing = read::object(properties, "billingProfile", "properties")?;
    let is_spot = matches!(priority, Some("Spot" | "Low"));
    let mut shown = Map::new();
    if let Some(priority) = priority {
        shown.insert("priority".into(), priority.into());
    }
    if !is_spot {
        if policy.is_some() {
            let message = "Eviction policy can be set only on Azure Spot Virtual Machines.";
            return Err(ApiError::invalid("evictionPolicy", message));
        }
        if billing.is_some_and(|billing| billing["maxPrice"].as_f64().is_some_and(|price| price > 0.0)) {
            let message = "Max price can be set only on Azure Spot Virtual Machines.";
            return Err(ApiError::invalid("billingProfile", message));
        }
        return Ok((false, shown));
    }
    shown.insert("evictionPolicy".into(), policy.unwrap_or("Deallocate").into());
    if let Some(billing) = billing {
        let price = billing["maxPrice"].as_f64();
        // "-1 indicates default price to be up-to on-demand."
        if price.is_none_or(|price| price <= 0.0 && (price + 1.0).abs() > f64::EPSILON) {
            let message = "The max price must be -1 or a value greater than 0.";
            return Err(ApiError::invalid("billingProfile.maxPrice", message));
        }
        shown.insert("billingProfile".into(), json!({ "maxPrice": price }));
    }
    Ok((true, shown))
}
