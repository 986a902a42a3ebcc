//! Disks: <https://learn.microsoft.com/en-us/rest/api/compute/disks>.

use super::{
    Cloud,
    create::delete_option,
    id::uuid,
    machine::Owned,
    operation::{Effect, Told},
    state::{Key, Part},
};
use crate::{
    body::{NewDisk, NewMachine, read, tags},
    clock::timestamp,
    http::{Answer, ApiError, Area, Kind, Name},
    names::{NAME_RULE, is_part_name},
};
use serde_json::{Map, Value, json};
use std::time::SystemTime;

/// What a disk is made of.
pub(super) struct DiskForm<'a> {
    pub(super) name: &'a str,
    pub(super) group: &'a str,
    pub(super) tags: Option<Map<String, Value>>,
    pub(super) zones: &'a [String],
    pub(super) storage: &'a str,
    pub(super) size_gb: u64,
    pub(super) creation: Value,
    pub(super) is_system: bool,
    pub(super) machine: Option<&'a str>,
    pub(super) created: SystemTime,
}

impl Cloud {
    pub(super) fn disk(&mut self, form: DiskForm<'_>) -> Part {
        let serial = self.number();
        let tier = if form.storage.starts_with("Premium") { "Premium" } else { "Standard" };
        let mut resource = json!({
            "name": form.name,
            "id": self.id(form.group, Kind::Disk, form.name),
            "type": "Microsoft.Compute/disks",
            "location": self.settings.location,
            "sku": { "name": form.storage, "tier": tier },
            "properties": {
                "creationData": form.creation,
                "diskSizeGB": form.size_gb,
                "diskIOPSReadWrite": 500,
                "diskMBpsReadWrite": 100,
                "encryption": { "type": "EncryptionAtRestWithPlatformKey" },
                "networkAccessPolicy": "AllowAll",
                "publicNetworkAccess": "Enabled",
                "timeCreated": timestamp(form.created),
                "provisioningState": "Succeeded",
                "diskState": "Unattached",
                "diskSizeBytes": form.size_gb * 1024 * 1024 * 1024,
                "uniqueId": uuid(serial),
            },
        });
        if let Some(machine) = form.machine {
            resource["managedBy"] = machine.into();
            resource["properties"]["diskState"] = "Attached".into();
        }
        if form.is_system {
            resource["properties"]["osType"] = "Linux".into();
            resource["properties"]["hyperVGeneration"] = "V2".into();
        }
        if let Some(tags) = form.tags {
            resource["tags"] = tags.into();
        }
        if !form.zones.is_empty() {
            resource["zones"] = form.zones.to_vec().into();
        }
        Part::new(resource, serial)
    }

    /// A disk of a new machine, and how the machine shows it. It has the machine's tags, and keeps them when
    /// the machine's change: <https://github.com/hashicorp/terraform-provider-azurerm/issues/8162>.
    pub(super) fn make_disk(
        &mut self,
        new: &NewMachine,
        disk: &NewDisk,
        group: &str,
        machine: &str,
    ) -> (Owned, Value) {
        let unique = uuid(self.number()).replace('-', "");
        let name = disk.name.clone().unwrap_or_else(|| match disk.lun {
            None => format!("{}_OsDisk_1_{unique}", new.name),
            Some(lun) => format!("{}_disk{}_{unique}", new.name, lun + 2),
        });
        let creation = match disk.lun {
            None => {
                json!({ "createOption": "FromImage", "imageReference": { "id": self.image_id(&new.image) } })
            }
            Some(_) => json!({ "createOption": "Empty" }),
        };
        let part = self.disk(DiskForm {
            name: &name,
            group,
            tags: new.tags.clone(),
            zones: &new.zones,
            storage: &disk.storage,
            size_gb: disk.size_gb,
            creation,
            is_system: disk.lun.is_none(),
            machine: Some(machine),
            created: SystemTime::now(),
        });
        let mut shown = json!({
            "name": name,
            "createOption": disk.create_option,
            "managedDisk": { "storageAccountType": disk.storage, "id": part.resource["id"] },
            "deleteOption": delete_option(disk.is_deleted),
            "diskSizeGB": disk.size_gb,
        });
        match disk.lun {
            None => shown["osType"] = "Linux".into(),
            Some(lun) => {
                shown["lun"] = lun.into();
                shown["toBeDetached"] = false.into();
            }
        }
        for (name, value) in &disk.as_given {
            shown[name.as_str()] = value.clone();
        }
        let key = Key::new(group, &name);
        self.disks.insert(key.clone(), part);
        (Owned { key, is_deleted: disk.is_deleted, is_ephemeral: disk.is_ephemeral }, shown)
    }

    /// The ID of an image as a disk names it.
    fn image_id(&self, image: &Value) -> Value {
        if image["id"].is_string() {
            return image["id"].clone();
        }
        let part = |name: &str| image[name].as_str().unwrap_or_default();
        format!(
            "/Subscriptions/{}/Providers/Microsoft.Compute/Locations/{}/Publishers/{}/ArtifactTypes/VMImage/Offers/{}/Skus/{}/Versions/{}",
            self.settings.subscription,
            self.settings.location,
            part("publisher"),
            part("offer"),
            part("sku"),
            part("exactVersion"),
        )
        .into()
    }

    /// Makes an empty disk, or changes the tags and the size of one.
    pub(super) fn put_disk(&mut self, name: &Name, body: &Value, version: &str) -> Result<Answer, ApiError> {
        const PATH: &str = "properties";
        if !is_part_name(&name.name) {
            let message = format!(
                "The entity name '{}' is invalid according to its validation rule: {NAME_RULE}.",
                name.name
            );
            return Err(ApiError::invalid("disk.name", message));
        }
        if read::text(body, "location", "")?.is_none() {
            let message = "The location property is required for this definition.";
            return Err(ApiError::new(400, "LocationRequired", message));
        }
        let properties = read::object(body, "properties", "")?.unwrap_or(&Value::Null);
        let creation = read::object(properties, "creationData", PATH)?
            .ok_or_else(|| ApiError::required("disk.creationData"))?;
        let option = read::one_of(creation, "createOption", "creationData", &["Empty"])?
            .ok_or_else(|| ApiError::required("disk.creationData.createOption"))?;
        let size_gb = read::number(properties, "diskSizeGB", PATH)?
            .ok_or_else(|| ApiError::required("disk.diskSizeGB"))?;
        let sku = read::object(body, "sku", "")?.unwrap_or(&Value::Null);
        let storage = read::text(sku, "name", "sku")?.unwrap_or("Standard_LRS");
        let tags = tags(body)?;
        let zones: Vec<String> = read::list(body, "zones", "")?
            .iter()
            .filter_map(|zone| zone.as_str().map(str::to_owned))
            .collect();
        let key = Key::new(&name.group, &name.name);
        if let Some(found) = self.disks.get_mut(&key) {
            found.resource["properties"]["diskSizeGB"] = size_gb.into();
            if let Some(tags) = tags {
                found.resource["tags"] = tags.into();
            }
        } else {
            let part = self.disk(DiskForm {
                name: &name.name,
                group: &name.group,
                tags,
                zones: &zones,
                storage,
                size_gb,
                creation: json!({ "createOption": option }),
                is_system: false,
                machine: None,
                created: SystemTime::now(),
            });
            self.disks.insert(key.clone(), part);
        }
        let operation = self.start(Area::Disks, Effect::Nothing, Some((Kind::Disk, key.clone())));
        // It is done at once; the answer is that of a disk on its way, which has no ID yet.
        let mut shown = json!({ "name": name.name, "location": self.settings.location });
        if let Some(found) = self.disks.get(&key) {
            shown["properties"] = json!({
                "creationData": found.resource["properties"]["creationData"],
                "diskSizeGB": size_gb,
                "provisioningState": "Updating",
            });
            if let Some(tags) = found.resource.get("tags") {
                shown["tags"] = tags.clone();
            }
        }
        Ok(self.watched(Answer::new(202, shown), Area::Disks, &operation, Told::Both, version))
    }
}
