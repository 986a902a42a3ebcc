//! From the pool's request to Compute Engine's.

use crate::{
    GceConfig, GceError,
    config::{region_of, whole_gib},
    limits,
    startup_script::startup_script,
    tags,
};
use google_cloud_compute_v1::model::{
    AccessConfig, AttachedDisk, AttachedDiskInitializeParams, Instance, Metadata, NetworkInterface,
    Scheduling, ServiceAccount, Tags as NetworkTags, access_config, attached_disk,
    metadata::Items,
    scheduling::{InstanceTerminationAction, OnHostMaintenance, ProvisioningModel},
};
use pool_api::{CreateRequest, IdempotencyToken};
use std::collections::BTreeMap;

/// By which the scratch disk is found on the machine: `/dev/disk/by-id/google-scratch`
/// (<https://cloud.google.com/compute/docs/disks/disk-symlinks>).
pub(crate) const SCRATCH_DEVICE: &str = "scratch";

/// The instance's name, made from the token: a second create with it is refused for as long as the instance is there.
pub(crate) fn name(token: &IdempotencyToken) -> String {
    format!("pool-{token}")
}

/// The body of the call.
///
/// # Errors
/// [`GceError::BadRequest`], with the field: all that can be checked before any call.
pub(crate) fn instance(
    config: &GceConfig,
    set_labels: &BTreeMap<String, String>,
    request: &CreateRequest,
) -> Result<Instance, GceError> {
    if !config.zones.contains(&request.placement) {
        let problem = format!("{} is none of the configured zones", request.placement);
        return Err(GceError::bad_request("placement", problem));
    }
    let zone = request.placement.as_str();
    let name = name(&request.token);
    let machine_type = request.instance_type.provider_type.as_str();
    if !limits::is_name(machine_type) {
        let problem = format!("{machine_type:?} is not the name of a machine type, such as e2-standard-4");
        return Err(GceError::bad_request("provider_type", problem));
    }
    let mut labels = config.labels.clone();
    labels.extend(set_labels.clone());

    let mut disks = vec![boot_disk(config, request, zone, &labels)?];
    disks.extend(scratch_disk(config, request, zone, &labels)?);
    let mut instance = Instance::new()
        .set_name(&name)
        .set_machine_type(format!("zones/{zone}/machineTypes/{machine_type}"))
        .set_labels(labels)
        .set_metadata(metadata(config, request, &name)?)
        .set_disks(disks)
        .set_network_interfaces([network_interface(config, zone)])
        .set_scheduling(scheduling(request));
    if !config.network_tags.is_empty() {
        instance = instance.set_tags(NetworkTags::new().set_items(config.network_tags.clone()));
    }
    if let Some(account) = &config.service_account {
        let account = ServiceAccount::new().set_email(account).set_scopes(config.scopes.clone());
        instance = instance.set_service_accounts([account]);
    }
    Ok(instance)
}

fn boot_disk(
    config: &GceConfig,
    request: &CreateRequest,
    zone: &str,
    labels: &BTreeMap<String, String>,
) -> Result<AttachedDisk, GceError> {
    let Some(image) = &request.image else {
        let problem = "Compute Engine has no default image: configure one, such as projects/debian-cloud/global/images/family/debian-12";
        return Err(GceError::bad_request("image", problem));
    };
    let mut disk = new_disk(&config.boot_disk_type, zone, labels)
        .set_source_image(image_path(&config.project, image.as_str()));
    if let Some(size) = config.boot_disk_size {
        disk = disk.set_disk_size_gb(gib(whole_gib(size)));
    }
    Ok(attached(disk).set_boot(true))
}

/// None where none is to be added.
fn scratch_disk(
    config: &GceConfig,
    request: &CreateRequest,
    zone: &str,
    labels: &BTreeMap<String, String>,
) -> Result<Option<AttachedDisk>, GceError> {
    let wanted = request.instance_type.added_scratch;
    let disk_type = &config.scratch_disk_type;
    let Some(sizes) = limits::disk_gib(disk_type).filter(|_| wanted.0 > 0) else { return Ok(None) };
    let size = whole_gib(wanted).max(*sizes.start());
    if !sizes.contains(&size) {
        let problem = format!("{size} GiB are more than the {} GiB of a disk of {disk_type}", sizes.end());
        return Err(GceError::bad_request("added_scratch", problem));
    }
    let disk = new_disk(disk_type, zone, labels).set_disk_size_gb(gib(size));
    Ok(Some(attached(disk).set_device_name(SCRATCH_DEVICE)))
}

fn new_disk(disk_type: &str, zone: &str, labels: &BTreeMap<String, String>) -> AttachedDiskInitializeParams {
    AttachedDiskInitializeParams::new()
        .set_disk_type(format!("zones/{zone}/diskTypes/{disk_type}"))
        .set_labels(labels.clone())
}

/// It goes with its instance.
fn attached(disk: AttachedDiskInitializeParams) -> AttachedDisk {
    AttachedDisk::new()
        .set_type(attached_disk::Type::Persistent)
        .set_auto_delete(true)
        .set_initialize_params(disk)
}

/// No disk has more GiB than fit.
fn gib(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A path or URL as it is; `family/F` and the name of an image are the project's own.
/// <https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert>, `sourceImage`.
fn image_path(project: &str, image: &str) -> String {
    match image.strip_prefix("family/") {
        Some(family) => format!("projects/{project}/global/images/family/{family}"),
        None if image.contains('/') => image.to_owned(),
        None => format!("projects/{project}/global/images/{image}"),
    }
}

fn network_interface(config: &GceConfig, zone: &str) -> NetworkInterface {
    let mut interface = NetworkInterface::new();
    if let Some(network) = &config.network {
        let path = if network.contains('/') { network.clone() } else { format!("global/networks/{network}") };
        interface = interface.set_network(path);
    } else if config.subnetwork.is_none() {
        interface = interface.set_network("global/networks/default");
    }
    if let Some(subnetwork) = &config.subnetwork {
        let path = match region_of(zone) {
            Some(region) if !subnetwork.contains('/') => format!("regions/{region}/subnetworks/{subnetwork}"),
            _ => subnetwork.clone(),
        };
        interface = interface.set_subnetwork(path);
    }
    if config.external_address {
        let access = AccessConfig::new().set_type(access_config::Type::OneToOneNat).set_name("External NAT");
        interface = interface.set_access_configs([access]);
    }
    interface
}

/// Spot instances are deleted when they are preempted, so that nothing of them is paid for:
/// <https://cloud.google.com/compute/docs/instances/create-use-spot>. They cannot be restarted or moved.
fn scheduling(request: &CreateRequest) -> Scheduling {
    if request.instance_type.preemptible {
        return Scheduling::new()
            .set_provisioning_model(ProvisioningModel::Spot)
            .set_instance_termination_action(InstanceTerminationAction::Delete)
            .set_automatic_restart(false)
            .set_on_host_maintenance(OnHostMaintenance::Terminate);
    }
    let standard = Scheduling::new().set_provisioning_model(ProvisioningModel::Standard);
    if request.instance_type.gpus > 0 {
        // Machines with GPUs cannot be moved: https://cloud.google.com/compute/docs/gpus/gpu-host-maintenance
        return standard.set_on_host_maintenance(OnHostMaintenance::Terminate);
    }
    standard
}

fn metadata(config: &GceConfig, request: &CreateRequest, name: &str) -> Result<Metadata, GceError> {
    limits::TAGS
        .check(&request.tags)
        .map_err(|bad| GceError::bad_request(format!("tags.{}", bad.name), bad.problem))?;
    let script = startup_script(name, request.init_command.expose());
    if script.len() > limits::METADATA_VALUE {
        let problem = format!(
            "with its first lines it has {} bytes, and Compute Engine takes {}: put the most of it into the image",
            script.len(),
            limits::METADATA_VALUE
        );
        return Err(GceError::bad_request("init_command", problem));
    }
    let key = request.public_key.0.trim();
    if key.split_whitespace().count() < 2 || key.chars().any(char::is_control) {
        return Err(GceError::bad_request("public_key", "is not in OpenSSH's form, in one line"));
    }
    let item = |key: &str, value: String| Items::new().set_key(key).set_value(value);
    let mut items = vec![
        tags::to_item(&request.tags),
        item("startup-script", script),
        // https://cloud.google.com/compute/docs/connect/add-ssh-keys#add_ssh_keys_to_instance_metadata
        item("ssh-keys", format!("{}:{key}", config.admin_user)),
        // With OS Login, keys in the metadata are not looked at: https://cloud.google.com/compute/docs/oslogin/set-up-oslogin
        item("enable-oslogin", "FALSE".to_owned()),
        // The keys of the whole project, whose users would become root on each worker:
        // https://cloud.google.com/compute/docs/connect/restrict-ssh-keys#block-keys
        item("block-project-ssh-keys", "TRUE".to_owned()),
    ];
    if config.host_keys {
        items.push(item("enable-guest-attributes", "TRUE".to_owned()));
    }
    Ok(Metadata::new().set_items(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_name_a_family_or_a_path() {
        let cases = [
            ("worker-7", "projects/p/global/images/worker-7"),
            ("family/worker", "projects/p/global/images/family/worker"),
            (
                "projects/debian-cloud/global/images/family/debian-12",
                "projects/debian-cloud/global/images/family/debian-12",
            ),
            ("global/images/worker-7", "global/images/worker-7"),
        ];
        for (image, expected) in cases {
            assert_eq!(image_path("p", image), expected);
        }
    }

    #[test]
    fn a_name_is_what_compute_engine_takes() {
        let name = name(&IdempotencyToken::from_bits(u128::MAX));
        assert!(limits::is_name(&name), "{name}");
    }
}
