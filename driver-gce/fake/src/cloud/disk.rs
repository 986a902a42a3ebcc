//! Disks.

use super::{
    link::{link, region_of},
    state::Number,
};
use crate::{body::NewDisk, clock::timestamp};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A disk that there is.
pub(super) struct Disk {
    pub(super) resource: Value,
}

impl Disk {
    pub(super) fn new(disk: &NewDisk, number: Number, project: &str, zone: &str, instance: &str) -> Self {
        let NewDisk { name, size_gb, disk_type, image, labels, .. } = disk;
        let at = |path: String| link(project, &format!("zones/{zone}/{path}"));
        let mut resource = json!({
            "kind": "compute#disk",
            "id": number.id.to_string(),
            "creationTimestamp": timestamp(SystemTime::now()),
            "name": name,
            "sizeGb": size_gb.to_string(),
            "zone": link(project, &format!("zones/{zone}")),
            "status": "READY",
            "selfLink": at(format!("disks/{name}")),
            "type": at(format!("diskTypes/{disk_type}")),
            "users": [at(format!("instances/{instance}"))],
            "physicalBlockSizeBytes": "4096",
            "labelFingerprint": super::fingerprint(&Value::Object(labels.clone())),
        });
        if let Some(image) = image {
            resource["sourceImage"] = format!("https://www.googleapis.com/compute/v1/{image}").into();
        }
        if !labels.is_empty() {
            resource["labels"] = labels.clone().into();
        }
        Disk { resource }
    }

    /// The disk's instance is gone, and the disk is not.
    pub(super) fn detach(&mut self) {
        if let Some(resource) = self.resource.as_object_mut() {
            resource.remove("users");
            resource.insert("lastDetachTimestamp".into(), timestamp(SystemTime::now()).into());
        }
    }
}

/// The warning that the insert of a disk larger than its image has:
/// <https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations>,
/// `DISK_SIZE_LARGER_THAN_IMAGE_SIZE`.
pub(super) fn size_warning(disk: &NewDisk) -> Option<Value> {
    let (size, image) = (disk.size_gb, disk.image_size_gb.filter(|image| disk.size_gb > *image)?);
    let message = format!(
        "Disk size: '{size} GB' is larger than image size: '{image} GB'. You might need to resize the root \
         repartition manually if the operating system does not support automatic resizing. See \
         https://cloud.google.com/compute/docs/disks/add-persistent-disk#resize_pd for details."
    );
    let data = json!([
        { "key": "disk_size_gb", "value": size.to_string() },
        { "key": "image_size_gb", "value": image.to_string() },
    ]);
    Some(json!({ "code": "DISK_SIZE_LARGER_THAN_IMAGE_SIZE", "message": message, "data": data }))
}

/// A disk as its instance shows it: `AttachedDisk`.
pub(super) fn attached(disk: &NewDisk, index: usize, project: &str, zone: &str) -> Value {
    json!({
        "kind": "compute#attachedDisk",
        "type": "PERSISTENT",
        "mode": disk.mode,
        "source": link(project, &format!("zones/{zone}/disks/{}", disk.name)),
        "deviceName": disk.device_name,
        "index": index,
        "boot": disk.boot,
        "autoDelete": disk.auto_delete,
        "interface": if disk.disk_type.starts_with("hyperdisk-") { "NVME" } else { "SCSI" },
        "diskSizeGb": disk.size_gb.to_string(),
        "architecture": "X86_64",
    })
}

/// Where an instance is, for the disks that it is made with.
pub(super) fn region_link(project: &str, zone: &str) -> String {
    link(project, &format!("regions/{}", region_of(zone)))
}
