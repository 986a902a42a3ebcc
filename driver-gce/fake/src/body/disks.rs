//! Disks of new instances.

use super::{read, url};
use crate::{Image, Settings, http::ApiError, names};
use serde_json::{Map, Value};

/// The disk types that there are: <https://cloud.google.com/compute/docs/disks>.
const TYPES: [&str; 8] = [
    "pd-standard",
    "pd-balanced",
    "pd-ssd",
    "pd-extreme",
    "hyperdisk-balanced",
    "hyperdisk-extreme",
    "hyperdisk-throughput",
    "hyperdisk-ml",
];

/// A disk that is made together with an instance.
#[derive(Clone, Debug)]
pub(crate) struct NewDisk {
    pub(crate) name: String,
    pub(crate) size_gb: u64,
    pub(crate) disk_type: String,
    /// The image's path from `projects` on.
    pub(crate) image: Option<String>,
    /// The size of the smallest disk that the image fits on.
    pub(crate) image_size_gb: Option<u64>,
    pub(crate) labels: Map<String, Value>,
    pub(crate) boot: bool,
    pub(crate) auto_delete: bool,
    pub(crate) device_name: String,
    pub(crate) mode: String,
}

/// What the disks are of: an instance that is being made.
pub(super) struct Of<'a> {
    pub(super) instance: &'a str,
    pub(super) machine_type: &'a str,
    pub(super) zone: &'a str,
    pub(super) settings: &'a Settings,
}

/// The disks that `body` asks for.
pub(super) fn disks(body: &Value, of: &Of<'_>) -> Result<Vec<NewDisk>, ApiError> {
    let list = read::list(body, "disks", "resource")?;
    if list.is_empty() {
        return Err(ApiError::invalid("resource.disks", "", "No disks are specified."));
    }
    let mut disks = Vec::new();
    for (index, given) in list.iter().enumerate() {
        let disk = disk(index, given, of)?;
        // "Invalid value for field 'resource.disks[1]': '{ … }'. Boot disk must be the first disk attached to
        // the instance."
        if disk.boot != (index == 0) {
            let why = "Boot disk must be the first disk attached to the instance.";
            return Err(ApiError::invalid(&format!("resource.disks[{index}]"), &given.to_string(), why));
        }
        disks.push(disk);
    }
    Ok(disks)
}

fn disk(index: usize, given: &Value, of: &Of<'_>) -> Result<NewDisk, ApiError> {
    let path = format!("resource.disks[{index}]");
    let boot = read::flag(given, "boot", &path)?.unwrap_or(false);
    let made_path = format!("{path}.initializeParams");
    let has_params = read::object(given, "initializeParams", &path)?.is_some();
    if let Some(source) = read::some_text(given, "source", &path)? {
        // "This property is mutually exclusive with the source property; you can only define one or the
        // other, but not both."
        if has_params {
            let why = "Only one of source and initializeParams may be specified.";
            return Err(ApiError::invalid(&made_path, "", why));
        }
        let name = url::parts(source).1.last().copied().unwrap_or_default().to_owned();
        return Err(ApiError::not_found(&format!(
            "projects/{}/zones/{}/disks/{name}",
            of.settings.project, of.zone
        )));
    }
    if boot && !has_params {
        // "one of initializeParams.sourceImage or initializeParams.sourceSnapshot or disks.source is
        // required"
        let why = "Boot disk must have a source specified.";
        return Err(ApiError::invalid(&path, &given.to_string(), why));
    }
    let params = &given["initializeParams"];
    let image = match read::some_text(params, "sourceImage", &made_path)? {
        Some(url) => Some(find_image(url, &format!("{made_path}.sourceImage"), of.settings)?),
        None if boot => {
            return Err(ApiError::invalid(
                &path,
                &given.to_string(),
                "Boot disk must have a source specified.",
            ));
        }
        None => None,
    };
    let size_gb = size(given, params, &path, &made_path, image)?;
    let disk_type = disk_type(params, &made_path, of)?;
    // "If not specified, the default is to use the name of the instance."
    let default_name =
        || if index == 0 { of.instance.to_owned() } else { format!("{}-{index}", of.instance) };
    let name = read::some_text(params, "diskName", &made_path)?.map_or_else(default_name, str::to_owned);
    if !names::is_name(&name) {
        let why = format!("Must be a match of regex '{}'", names::NAME_REGEX);
        return Err(ApiError::invalid(&format!("{made_path}.diskName"), &name, &why));
    }
    let device_name = read::some_text(given, "deviceName", &path)?;
    Ok(NewDisk {
        name,
        size_gb,
        disk_type,
        image: image.map(|image| format!("projects/{}/global/images/{}", image.project, image.name)),
        image_size_gb: image.map(|image| image.size_gb),
        labels: super::labels(params, &made_path)?,
        boot,
        auto_delete: read::flag(given, "autoDelete", &path)?.unwrap_or(false),
        device_name: device_name.map_or_else(|| format!("persistent-disk-{index}"), str::to_owned),
        mode: read::some_text(given, "mode", &path)?.unwrap_or("READ_WRITE").to_owned(),
    })
}

/// "The size must be at least 10 GB. If you specify a sourceImage, which is required for boot disks, the
/// default size is the size of the sourceImage. If you do not specify a sourceImage, the default disk size is
/// 500 GB."
fn size(
    given: &Value,
    params: &Value,
    path: &str,
    made_path: &str,
    image: Option<&Image>,
) -> Result<u64, ApiError> {
    let size = match read::number(params, "diskSizeGb", made_path)? {
        Some(size) => Some(size),
        None => read::number(given, "diskSizeGb", path)?,
    };
    let Some(size) = size else { return Ok(image.map_or(500, |image| image.size_gb)) };
    let field = format!("{made_path}.diskSizeGb");
    if let Some(image) = image.filter(|image| size < image.size_gb) {
        let why = format!("Requested disk size cannot be smaller than the image size ({} GB)", image.size_gb);
        return Err(ApiError::invalid(&field, &size.to_string(), &why));
    }
    if !(10..=65_536).contains(&size) {
        return Err(ApiError::invalid(
            &field,
            &size.to_string(),
            "Disk size must be between 10 GB and 65536 GB.",
        ));
    }
    Ok(size)
}

/// The image that a URL names, or the newest one of the family that it names: `projects/p/global/images/i`,
/// `projects/p/global/images/family/f`, and the same without the project for one's own.
fn find_image<'a>(url: &str, field: &str, settings: &'a Settings) -> Result<&'a Image, ApiError> {
    let (project, parts) = url::parts(url);
    let project = project.unwrap_or(&settings.project);
    let mut of_project = settings.images.iter().filter(|image| image.project == project);
    let found = match parts.as_slice() {
        ["global", "images", "family", family] => {
            of_project.rfind(|image| image.family.as_deref() == Some(family))
        }
        ["global", "images", name] => of_project.find(|image| image.name == *name),
        _ => return Err(ApiError::malformed_url(field, url)),
    };
    // "404 […] The resource 'projects/debian-cloud/global/images/family/debian-10' was not found", as an
    // answer to the insert: https://github.com/googleapis/google-cloud-java/pull/11032
    found.ok_or_else(|| ApiError::not_found(&format!("projects/{project}/{}", parts.join("/"))))
}

/// "When creating a single instance, you must provide either the full or partial URL of the disk type."
fn disk_type(params: &Value, made_path: &str, of: &Of<'_>) -> Result<String, ApiError> {
    let series = of.machine_type.split('-').next().unwrap_or_default();
    let field = format!("{made_path}.diskType");
    let Some(url) = read::some_text(params, "diskType", made_path)? else {
        return Ok(default_type(series).to_owned());
    };
    let (project, parts) = url::parts(url);
    let ["zones", zone, "diskTypes", name] = parts.as_slice() else {
        return Err(ApiError::malformed_url(&field, url));
    };
    if project.is_some_and(|project| project != of.settings.project) || *zone != of.zone {
        let why = "The disk type must be of the instance's project and zone.";
        return Err(ApiError::invalid(&field, url, why));
    }
    if !TYPES.contains(name) {
        let resource = format!("projects/{}/zones/{zone}/diskTypes/{name}", of.settings.project);
        return Err(ApiError::not_found(&resource));
    }
    if !takes(series, name) {
        return Err(ApiError::invalid_usage(&format!(
            "[{name}] features are not compatible for creating instance"
        )));
    }
    Ok((*name).to_owned())
}

/// "For first- and second-generation machine series like N1, N2, T2, and M1, the default disk type is
/// Standard Persistent Disk (pd-standard). For C3, C3D, and M3 the default is Balanced Persistent Disk
/// (pd-balanced). For other […] series […] Hyperdisk Balanced (hyperdisk-balanced)."
fn default_type(series: &str) -> &'static str {
    match generation(series) {
        Generation::First => "pd-standard",
        Generation::Third => "pd-balanced",
        Generation::Fourth => "hyperdisk-balanced",
    }
}

/// <https://cloud.google.com/compute/docs/disks#pd_machine_series_support>: series of the third generation
/// take no standard disks, and later ones no persistent disks at all.
fn takes(series: &str, disk_type: &str) -> bool {
    match generation(series) {
        Generation::First => true,
        Generation::Third => disk_type != "pd-standard",
        Generation::Fourth => disk_type.starts_with("hyperdisk-"),
    }
}

enum Generation {
    First,
    Third,
    Fourth,
}

fn generation(series: &str) -> Generation {
    match series {
        "custom" | "f1" | "g1" | "e2" | "n1" | "n2" | "n2d" | "c2" | "c2d" | "t2a" | "t2d" | "m1" | "m2"
        | "a2" | "g2" => Generation::First,
        "c3" | "c3d" | "m3" => Generation::Third,
        _ => Generation::Fourth,
    }
}
