//! `storageProfile`.

use super::read;
use crate::{
    Settings,
    http::ApiError,
    names::{NAME_RULE, is_part_name},
};
use serde_json::{Map, Value, json};

/// A disk that is made with its machine.
#[derive(Clone, Debug)]
pub(crate) struct NewDisk {
    /// Without a name, the cloud makes one.
    pub(crate) name: Option<String>,
    /// The place of a data disk; `None` is the disk with the system.
    pub(crate) lun: Option<u64>,
    pub(crate) size_gb: u64,
    pub(crate) storage: String,
    pub(crate) create_option: &'static str,
    /// What becomes of it when the machine is deleted.
    pub(crate) is_deleted: bool,
    /// On the host's own disk: it does not outlive the machine's place there.
    pub(crate) is_ephemeral: bool,
    /// Members of `osDisk` or `dataDisks` that are shown as they were given.
    pub(crate) as_given: Map<String, Value>,
}

/// The image, as answers show it, and the disks, the system's first.
pub(super) struct NewStorage {
    pub(super) image: Value,
    pub(super) disks: Vec<NewDisk>,
    pub(super) controller: Option<String>,
}

const PATH: &str = "properties.storageProfile";

pub(super) fn storage(properties: &Value, settings: &Settings) -> Result<NewStorage, ApiError> {
    let profile = read::object(properties, "storageProfile", "properties")?
        .ok_or_else(|| ApiError::required("storageProfile"))?;
    let members = ["dataDisks", "diskControllerType", "imageReference", "osDisk"];
    read::only(profile, "StorageProfile", PATH, &members)?;
    let image =
        read::object(profile, "imageReference", PATH)?.ok_or_else(|| ApiError::required("imageReference"))?;
    let (image, smallest) = image_reference(image, settings)?;
    let none = json!({ "createOption": "FromImage" });
    let system = read::object(profile, "osDisk", PATH)?.unwrap_or(&none);
    let mut disks = vec![disk(system, None, Some(smallest))?];
    for data in read::list(profile, "dataDisks", PATH)? {
        let lun = read::number(data, "lun", &format!("{PATH}.dataDisks"))?
            .ok_or_else(|| ApiError::required("dataDisk.lun"))?;
        if disks.iter().any(|disk| disk.lun == Some(lun)) {
            let message = format!("A disk at LUN {lun} already exists.");
            return Err(ApiError::invalid("dataDisk.lun", message));
        }
        disks.push(disk(data, Some(lun), None)?);
    }
    let controller = read::text(profile, "diskControllerType", PATH)?.map(str::to_owned);
    Ok(NewStorage { image, disks, controller })
}

fn disk(given: &Value, lun: Option<u64>, image_size: Option<u64>) -> Result<NewDisk, ApiError> {
    let (path, of_type) = match lun {
        None => (format!("{PATH}.osDisk"), "OSDisk"),
        Some(_) => (format!("{PATH}.dataDisks"), "DataDisk"),
    };
    let members = [
        "caching",
        "createOption",
        "deleteOption",
        "diffDiskSettings",
        "diskSizeGB",
        "encryptionSettings",
        "image",
        "lun",
        "managedDisk",
        "name",
        "osType",
        "sourceResource",
        "toBeDetached",
        "vhd",
        "writeAcceleratorEnabled",
    ];
    read::only(given, of_type, &path, &members)?;
    let target = |name: &str| format!("{}.{name}", if lun.is_none() { "osDisk" } else { "dataDisk" });
    // What attaches or copies disks is not modelled: it is refused, so that nobody takes it for granted.
    let options: &[&'static str] = if lun.is_none() { &["FromImage"] } else { &["Empty"] };
    let create_option = read::one_of(given, "createOption", &path, options)?
        .ok_or_else(|| ApiError::required(&target("createOption")))?;
    let name = read::text(given, "name", &path)?;
    if let Some(name) = name.filter(|name| !is_part_name(name)) {
        let message =
            format!("The entity name '{name}' is invalid according to its validation rule: {NAME_RULE}.");
        return Err(ApiError::invalid(&target("name"), message));
    }
    let size = read::number(given, "diskSizeGB", &path)?;
    let size_gb = match (size, image_size) {
        (Some(size), Some(image)) if size < image => {
            let message = format!(
                "The specified disk size {size} GB is smaller than the size of the corresponding disk in the \
                 VM image: {image} GB. This is not allowed. Please choose equal or greater size or do not \
                 specify an explicit size."
            );
            return Err(ApiError::new(400, "ResizeDiskError", message).target(&target("diskSizeGB")));
        }
        (Some(size), _) | (None, Some(size)) => size,
        (None, None) => return Err(ApiError::required(&target("diskSizeGB"))),
    };
    if !(1..=32767).contains(&size_gb) {
        let message =
            format!("The value '{size_gb}' of parameter '{}' is out of range.", target("diskSizeGB"));
        return Err(ApiError::invalid(&target("diskSizeGB"), message));
    }
    let managed = read::object(given, "managedDisk", &path)?.unwrap_or(&Value::Null);
    let managed_path = format!("{path}.managedDisk");
    let members = ["diskEncryptionSet", "id", "securityProfile", "storageAccountType"];
    read::only(managed, "ManagedDiskParameters", &managed_path, &members)?;
    let storage =
        read::one_of(managed, "storageAccountType", &managed_path, &STORAGE)?.unwrap_or("Premium_LRS");
    let is_ephemeral = read::object(given, "diffDiskSettings", &path)?.is_some();
    let option = read::one_of(given, "deleteOption", &path, &["Delete", "Detach"])?;
    let mut as_given = read::as_given(given, &["caching", "diffDiskSettings", "writeAcceleratorEnabled"]);
    as_given.entry("caching").or_insert_with(|| if lun.is_none() { "ReadWrite" } else { "None" }.into());
    Ok(NewDisk {
        name: name.map(str::to_owned),
        lun,
        size_gb,
        storage: storage.to_owned(),
        create_option,
        // By default nothing but the machine goes:
        // https://learn.microsoft.com/en-us/azure/virtual-machines/delete.
        is_deleted: option.map_or(is_ephemeral, |option| option == "Delete"),
        is_ephemeral,
        as_given,
    })
}

/// <https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/create-or-update#storageaccounttypes>.
const STORAGE: [&str; 7] = [
    "Premium_LRS",
    "PremiumV2_LRS",
    "Premium_ZRS",
    "StandardSSD_LRS",
    "StandardSSD_ZRS",
    "Standard_LRS",
    "UltraSSD_LRS",
];

/// An image that there is, as answers show it, and the smallest disk that it fits on.
fn image_reference(given: &Value, settings: &Settings) -> Result<(Value, u64), ApiError> {
    const PATH: &str = "properties.storageProfile.imageReference";
    let members = [
        "communityGalleryImageId",
        "exactVersion",
        "id",
        "offer",
        "publisher",
        "sharedGalleryImageId",
        "sku",
        "version",
    ];
    read::only(given, "ImageReference", PATH, &members)?;
    if let Some(id) = read::text(given, "id", PATH)? {
        if !settings.image_ids.iter().any(|known| known.eq_ignore_ascii_case(id)) {
            return Err(no_image(id, &settings.location));
        }
        return Ok((json!({ "id": id }), 30));
    }
    let part = |name: &str| {
        read::text(given, name, PATH)?.ok_or_else(|| ApiError::required(&format!("imageReference.{name}")))
    };
    let (publisher, offer, sku, version) =
        (part("publisher")?, part("offer")?, part("sku")?, part("version")?);
    let same = |known: &str, given: &str| known.eq_ignore_ascii_case(given);
    let found = settings.images.iter().find(|image| {
        same(&image.publisher, publisher) && same(&image.offer, offer) && same(&image.sku, sku)
    });
    let exact = found.and_then(|image| {
        if same("latest", version) {
            image.versions.last()
        } else {
            image.versions.iter().find(|known| same(known, version))
        }
    });
    let (Some(image), Some(exact)) = (found, exact) else {
        // As in https://github.com/hashicorp/packer/issues/10600.
        let message = format!(
            "The platform image '{publisher}:{offer}:{sku}:{version}' is not available. Verify that all \
             fields in the storage profile are correct. For more details about storage profile information, \
             please refer to https://aka.ms/storageprofile"
        );
        return Err(ApiError::new(404, "PlatformImageNotFound", message).target("imageReference"));
    };
    let shown = json!({
        "publisher": publisher,
        "offer": offer,
        "sku": sku,
        "version": version,
        "exactVersion": exact,
    });
    Ok((shown, image.size_gb))
}

fn no_image(id: &str, location: &str) -> ApiError {
    if id.to_ascii_lowercase().contains("/galleries/") {
        let message = format!(
            "The gallery image {id} is not available in {location} region. Please contact image owner to \
             replicate to this region, or change your requested region."
        );
        return ApiError::new(404, "GalleryImageNotFound", message).target("imageReference");
    }
    let message = format!("The Image '{id}' cannot be found in '{location}' region.");
    ApiError::new(404, "NotFound", message).target("imageReference.id")
}
