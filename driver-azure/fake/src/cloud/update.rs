//! Changes of machines.

use super::{
    Cloud, Preconditions,
    machine::Machine,
    operation::{Effect, Told},
    quota::Quotas,
    state::{Key, not_found},
};
use crate::{
    body::{changed_size, read, tags},
    http::{Answer, ApiError, Area, Kind, Name},
    names::location,
};
use serde_json::Value;

impl Cloud {
    /// <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/update>.
    pub(super) fn patch_machine(
        &mut self,
        name: &Name,
        body: &Value,
        version: &str,
        preconditions: Preconditions<'_>,
    ) -> Result<Answer, ApiError> {
        preconditions.check(Some(self.machine_at(name)?.etag()))?;
        let key = Key::new(&name.group, &name.name);
        if !self.machines.contains_key(&key) {
            return Err(not_found(Kind::Machine, name));
        }
        self.update_machine(&key, body, version, false)
    }

    /// Changes a machine. A `PUT` takes away the tags that it does not name; what else it does not name
    /// stays, as with a `PATCH`.
    pub(super) fn update_machine(
        &mut self,
        key: &Key,
        body: &Value,
        version: &str,
        is_put: bool,
    ) -> Result<Answer, ApiError> {
        let size = changed_size(body, &self.settings)?;
        let tags = tags(body)?;
        let Some(machine) = self.machines.get(key) else { return Err(ApiError::no_route()) };
        if machine.is_deleting {
            return Err(ApiError::marked_for_deletion("Update VM", machine.name()));
        }
        self.is_same_location(machine, body, is_put)?;
        check_unchanged(machine, body)?;
        if let Some(size) = &size
            && size.cores > machine.cores
        {
            let more = size.cores - machine.cores;
            self.quotas.check(&size.family, machine.is_spot, more, &self.settings.location)?;
        }
        // One that has failed and never ran is tried again.
        let again = is_put && machine.power.is_none() && machine.provisioning() == "Failed";
        let failure = if again { self.next_create_failure(false).map(|(_, failure)| failure) } else { None };
        let Some(machine) = self.machines.get_mut(key) else { return Err(ApiError::no_route()) };
        let serial = machine.serial;
        if let Some(size) = size {
            self.quotas.release(&machine.quotas, machine.cores);
            machine.quotas = Quotas::names(&size.family, machine.is_spot);
            machine.cores = size.cores;
            self.quotas.charge(&machine.quotas, machine.cores);
            machine.resource["properties"]["hardwareProfile"]["vmSize"] = size.name.into();
        }
        if let Some(resource) = machine.resource.as_object_mut() {
            match tags {
                Some(tags) => drop(resource.insert("tags".into(), tags.into())),
                None if is_put => drop(resource.remove("tags")),
                None => {}
            }
        }
        set_properties(machine, &body["properties"]);
        set_delete_options(machine, &body["properties"]);
        machine.changed();
        let operation = if again {
            machine.failure = None;
            machine.set_provisioning("Creating");
            self.start_create(key, serial, failure)
        } else {
            // A machine on its way stays on its way, and one that has failed and never ran stays one.
            let has_run = machine.power.is_some() && machine.provisioning() == "Failed";
            if has_run || machine.provisioning() == "Succeeded" {
                machine.set_provisioning("Updating");
            }
            let effect = Effect::Update { key: key.clone(), serial };
            self.start(Area::Machines, effect, Some((Kind::Machine, key.clone())))
        };
        let resource = self.machines.get(key).map(|machine| machine.resource.clone()).unwrap_or_default();
        Ok(self.watched(Answer::ok(resource), Area::Machines, &operation, Told::Status, version))
    }

    /// The location is required only where a whole machine is given.
    fn is_same_location(&self, machine: &Machine, body: &Value, is_put: bool) -> Result<(), ApiError> {
        let Some(given) = read::text(body, "location", "")? else {
            let message = "The location property is required for this definition.";
            return if is_put { Err(ApiError::new(400, "LocationRequired", message)) } else { Ok(()) };
        };
        if location(given) == location(&self.settings.location) {
            return Ok(());
        }
        let (name, here) = (machine.name(), &self.settings.location);
        let group = self.group(&machine.key.group)?;
        let message = format!(
            "The resource '{name}' already exists in location '{here}' in resource group '{group}'. A \
             resource with the same name cannot be created in location '{given}'. Please select a new \
             resource name."
        );
        Err(ApiError::new(409, "InvalidResourceLocation", message))
    }
}

/// What cannot be changed, where it is, and how errors name it.
const FIXED: [(&str, &str); 12] = [
    ("/zones", "zones"),
    ("/properties/osProfile/computerName", "osProfile.computerName"),
    ("/properties/osProfile/adminUsername", "osProfile.adminUsername"),
    (
        "/properties/osProfile/linuxConfiguration/disablePasswordAuthentication",
        "linuxConfiguration.disablePasswordAuthentication",
    ),
    ("/properties/osProfile/linuxConfiguration/provisionVMAgent", "linuxConfiguration.provisionVMAgent"),
    ("/properties/osProfile/linuxConfiguration/ssh/publicKeys", "linuxConfiguration.ssh.publicKeys"),
    ("/properties/storageProfile/osDisk/createOption", "osDisk.createOption"),
    ("/properties/storageProfile/osDisk/name", "osDisk.name"),
    ("/properties/storageProfile/osDisk/diskSizeGB", "osDisk.diskSizeGB"),
    (
        "/properties/storageProfile/osDisk/managedDisk/storageAccountType",
        "osDisk.managedDisk.storageAccountType",
    ),
    ("/properties/priority", "priority"),
    ("/properties/evictionPolicy", "evictionPolicy"),
];

/// That nothing is given that is another than it was when the machine was made.
fn check_unchanged(machine: &Machine, body: &Value) -> Result<(), ApiError> {
    let given = |at: &str| body.pointer(at).filter(|value| !value.is_null());
    let changed = |at: &str| {
        let was = machine.resource.pointer(at);
        given(at).is_some_and(|now| !same(now, was.unwrap_or(&Value::Null)))
    };
    if let Some((_, name)) = FIXED.iter().find(|(at, _)| changed(at)) {
        return Err(ApiError::change_not_allowed(name));
    }
    // As in https://github.com/Azure/azure-sdk-for-node/issues/2297: what is not shown is not forgotten.
    for (at, name, was) in [
        ("/properties/osProfile/customData", "customData", &machine.custom_data),
        ("/properties/osProfile/adminPassword", "adminPassword", &machine.password),
    ] {
        if given(at).is_some_and(|now| now.as_str() != was.as_deref()) {
            return Err(ApiError::change_not_allowed(name));
        }
    }
    for part in ["id", "publisher", "offer", "sku", "version"] {
        if changed(&format!("/properties/storageProfile/imageReference/{part}")) {
            return Err(ApiError::change_not_allowed("imageReference"));
        }
    }
    // The parts of a machine that is there are not exchanged here.
    let list = |at: &str| body.pointer(at).and_then(Value::as_array);
    let shown = &machine.resource["properties"];
    if let Some(given) = list("/properties/storageProfile/dataDisks") {
        let luns = |disks: &[Value]| disks.iter().map(|disk| disk["lun"].as_u64()).collect::<Vec<_>>();
        let was = shown["storageProfile"]["dataDisks"].as_array().map_or(&[][..], Vec::as_slice);
        if luns(given) != luns(was) {
            return Err(ApiError::change_not_allowed("dataDisks"));
        }
    }
    let last = |id: &Value| id.as_str().and_then(|id| id.rsplit('/').next()).map(str::to_lowercase);
    let was = shown["networkProfile"]["networkInterfaces"].as_array().into_iter().flatten();
    let was: Vec<_> = was.map(|one| last(&one["id"])).collect();
    let by_name = list("/properties/networkProfile/networkInterfaceConfigurations")
        .map(|given| given.iter().map(|one| last(&one["name"])).collect::<Vec<_>>());
    let by_id = list("/properties/networkProfile/networkInterfaces")
        .map(|given| given.iter().map(|one| last(&one["id"])).collect::<Vec<_>>());
    let differs =
        |given: Option<Vec<Option<String>>>| given.is_some_and(|given| !given.is_empty() && given != was);
    if differs(by_name) || differs(by_id) {
        return Err(ApiError::change_not_allowed("networkProfile.networkInterfaces"));
    }
    Ok(())
}

/// Names have no case.
fn same(now: &Value, was: &Value) -> bool {
    match (now.as_str(), was.as_str()) {
        (Some(now), Some(was)) => now.eq_ignore_ascii_case(was),
        // A list of none is as good as none.
        _ => now == was || (was.is_null() && now.as_array().is_some_and(Vec::is_empty)),
    }
}

/// Properties that are shown as they were given last.
fn set_properties(machine: &mut Machine, given: &Value) {
    let names = [
        "additionalCapabilities",
        "applicationProfile",
        "billingProfile",
        "diagnosticsProfile",
        "extensionsTimeBudget",
        "licenseType",
        "scheduledEventsPolicy",
        "scheduledEventsProfile",
        "securityProfile",
    ];
    for (name, value) in read::as_given(given, &names) {
        machine.set_property(&name, value);
    }
}

/// What becomes of the parts when the machine is deleted can be changed at any time:
/// <https://learn.microsoft.com/en-us/azure/virtual-machines/delete>.
fn set_delete_options(machine: &mut Machine, given: &Value) {
    let option =
        |value: &Value| value["deleteOption"].as_str().map(|option| option.eq_ignore_ascii_case("Delete"));
    let storage = &given["storageProfile"];
    let none = Vec::new();
    let data = storage["dataDisks"].as_array().unwrap_or(&none);
    // The system's disk is the first, and the others are in the order in which they are given.
    let disks: Vec<Option<bool>> = std::iter::once(&storage["osDisk"]).chain(data).map(option).collect();
    let interfaces = given["networkProfile"]["networkInterfaces"].as_array().unwrap_or(&none);
    let interfaces: Vec<Option<bool>> = interfaces.iter().map(|one| option(&one["properties"])).collect();
    for (index, is_deleted) in disks.into_iter().enumerate().filter_map(|(index, one)| Some((index, one?))) {
        let at = match index.checked_sub(1) {
            None => "/properties/storageProfile/osDisk".to_owned(),
            Some(index) => format!("/properties/storageProfile/dataDisks/{index}"),
        };
        if let (Some(owned), Some(shown)) = (machine.disks.get_mut(index), machine.resource.pointer_mut(&at))
        {
            owned.is_deleted = is_deleted;
            shown["deleteOption"] = super::create::delete_option(is_deleted).into();
        }
    }
    for (index, is_deleted) in
        interfaces.into_iter().enumerate().filter_map(|(index, one)| Some((index, one?)))
    {
        let at = format!("/properties/networkProfile/networkInterfaces/{index}/properties");
        if let (Some(owned), Some(shown)) =
            (machine.interfaces.get_mut(index), machine.resource.pointer_mut(&at))
        {
            owned.is_deleted = is_deleted;
            shown["deleteOption"] = super::create::delete_option(is_deleted).into();
        }
    }
}
