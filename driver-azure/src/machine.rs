//! From the pool's request to Azure's.

use crate::{
    AzureConfig, AzureError, SpotPriceLimit, config::whole_gib, limits, list::SET_TAG, names, set::Shared,
    tags,
};
use azure_mgmt_compute::models::{
    BillingProfile, CreateOption, DataDisk, DeleteOption, EvictionPolicy, HardwareProfile, ImageReference,
    LinuxConfiguration, ManagedDiskParameters, NetworkProfile, OsDisk, OsProfile, Priority, Resource,
    SshConfiguration, SshPublicKey, StorageAccountType, StorageProfile, SubResource, VirtualMachine,
    VirtualMachineNetworkInterfaceConfiguration, VirtualMachineNetworkInterfaceConfigurationProperties,
    VirtualMachineNetworkInterfaceIpConfiguration, VirtualMachineNetworkInterfaceIpConfigurationProperties,
    VirtualMachineProperties, hardware_profile::VmSize, network_profile::NetworkApiVersion,
    virtual_machine_network_interface_configuration_properties as interface_properties,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pool_api::{CreateRequest, ImageId};

/// With what the custom data begins, for cloud-init to take it for a script that it runs once in the life of a machine:
/// <https://learn.microsoft.com/azure/virtual-machines/custom-data>.
const FIRST_LINE: &str = "#!/bin/sh\n";

/// The machine, with its interface and its disks declared in it: one resource is made, and one destroyed.
///
/// # Errors
/// [`AzureError::BadRequest`], with the field: all that can be checked before any call.
pub(crate) fn machine(
    shared: &Shared,
    name: &str,
    request: &CreateRequest,
) -> Result<VirtualMachine, AzureError> {
    let config = &shared.config;
    if !shared.placements().contains(&request.placement) {
        let problem = format!("{} is none of the configured zones", request.placement);
        return Err(AzureError::bad_request("placement", problem));
    }
    let mut all = config.tags.clone();
    all.extend(&request.tags);
    shared
        .tag_limits()
        .check(&request.tags)
        .map_err(|bad| AzureError::bad_request(format!("tags.{}", bad.name), bad.problem))?;
    let mut tags = tags::encode(&all);
    tags.insert(SET_TAG.to_owned(), shared.set.as_str().to_owned());

    let mut resource = Resource::new(config.location.clone());
    resource.tags = Some(serde_json::to_value(tags).unwrap_or_default());
    let mut machine = VirtualMachine::new(resource);
    if !request.placement.as_str().is_empty() {
        machine.zones = vec![request.placement.as_str().to_owned()];
    }
    let mut properties = VirtualMachineProperties {
        hardware_profile: Some(HardwareProfile {
            vm_size: Some(size(request.instance_type.provider_type.as_str())),
            ..HardwareProfile::default()
        }),
        storage_profile: Some(storage(config, name, request)?),
        os_profile: Some(os_profile(config, name, request)?),
        network_profile: Some(network(config, name)),
        ..VirtualMachineProperties::default()
    };
    if request.instance_type.preemptible {
        properties.priority = Some(Priority::Spot);
        properties.eviction_policy = Some(EvictionPolicy::Delete);
        properties.billing_profile = Some(BillingProfile { max_price: Some(spot_price(config, request)) });
    }
    machine.properties = Some(properties);
    Ok(machine)
}

/// Azure has more sizes than the SDK knows by name.
fn size(name: &str) -> VmSize {
    serde_json::from_value(name.into()).unwrap_or_else(|_| VmSize::UnknownValue(name.to_owned()))
}

/// In US dollars an hour; -1 for whatever it costs on demand:
/// <https://learn.microsoft.com/azure/virtual-machines/spot-vms#pricing>.
fn spot_price(config: &AzureConfig, request: &CreateRequest) -> f64 {
    match config.spot_price_limit {
        SpotPriceLimit::OnDemand => -1.0,
        // Of five decimal places.
        #[expect(clippy::cast_precision_loss, reason = "prices have few digits")]
        SpotPriceLimit::Price => (request.instance_type.price.as_micros() / 10) as f64 / 1e5,
    }
}

fn storage(config: &AzureConfig, name: &str, request: &CreateRequest) -> Result<StorageProfile, AzureError> {
    let Some(image) = &request.image else {
        let problem = "Azure has no default image: configure one, such as Debian:debian-12:12-gen2:latest";
        return Err(AzureError::bad_request("image", problem));
    };
    let mut os_disk = OsDisk::new(CreateOption::FromImage);
    os_disk.name = Some(names::os_disk(name));
    os_disk.managed_disk = Some(disk_of_type(&config.os_disk_type));
    os_disk.delete_option = Some(DeleteOption::Delete);
    os_disk.disk_size_gb = config.os_disk_size.map(|size| gib(whole_gib(size)));
    let scratch = scratch_disk(config, name, request)?;
    Ok(StorageProfile {
        image_reference: Some(image_reference(config, image)?),
        os_disk: Some(os_disk),
        data_disks: scratch.into_iter().collect(),
        ..StorageProfile::default()
    })
}

/// None where none is to be added.
fn scratch_disk(
    config: &AzureConfig,
    name: &str,
    request: &CreateRequest,
) -> Result<Option<DataDisk>, AzureError> {
    let wanted = request.instance_type.added_scratch;
    let disk_type = &config.scratch_disk_type;
    let Some(sizes) = limits::disk_gib(disk_type).filter(|_| wanted.0 > 0) else { return Ok(None) };
    let size = whole_gib(wanted).max(*sizes.start());
    if !sizes.contains(&size) {
        let problem = format!("{size} GiB are more than the {} GiB of a disk of {disk_type}", sizes.end());
        return Err(AzureError::bad_request("added_scratch", problem));
    }
    let mut disk = DataDisk::new(0, CreateOption::Empty);
    disk.name = Some(names::scratch_disk(name));
    disk.managed_disk = Some(disk_of_type(disk_type));
    disk.delete_option = Some(DeleteOption::Delete);
    disk.disk_size_gb = Some(gib(size));
    Ok(Some(disk))
}

fn disk_of_type(disk_type: &str) -> ManagedDiskParameters {
    let known = serde_json::from_value(disk_type.into());
    let storage_account_type =
        known.unwrap_or_else(|_| StorageAccountType::UnknownValue(disk_type.to_owned()));
    ManagedDiskParameters {
        storage_account_type: Some(storage_account_type),
        ..ManagedDiskParameters::default()
    }
}

/// No disk has more GiB than fit.
fn gib(size: u64) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// `publisher:offer:sku:version` of the marketplace; the id of an image or of a version in a gallery (`/subscriptions/…`); the
/// name of an image of the resource group.
fn image_reference(config: &AzureConfig, image: &ImageId) -> Result<ImageReference, AzureError> {
    let text = image.as_str();
    let mut reference = ImageReference::default();
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [publisher, offer, sku, version] if parts.iter().all(|part| !part.is_empty()) => {
            reference.publisher = Some(publisher.to_owned());
            reference.offer = Some(offer.to_owned());
            reference.sku = Some(sku.to_owned());
            reference.version = Some(version.to_owned());
        }
        [id] if id.starts_with('/') => reference.sub_resource.id = Some(id.to_owned()),
        [name] if !name.contains('/') => {
            let id = format!(
                "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/images/{name}",
                config.subscription_id, config.resource_group
            );
            reference.sub_resource.id = Some(id);
        }
        _ => {
            let problem = format!(
                "{text:?} is no image: use publisher:offer:sku:version, the id of an image or gallery version \
                 (/subscriptions/…), or the name of an image of the resource group"
            );
            return Err(AzureError::bad_request("image", problem));
        }
    }
    Ok(reference)
}

fn os_profile(config: &AzureConfig, name: &str, request: &CreateRequest) -> Result<OsProfile, AzureError> {
    let script = format!("{FIRST_LINE}{}", request.init_command.expose());
    if script.len() > limits::CUSTOM_DATA {
        let problem = format!(
            "with its first line it has {} bytes, and Azure takes {}: put the most of it into the image",
            script.len(),
            limits::CUSTOM_DATA
        );
        return Err(AzureError::bad_request("init_command", problem));
    }
    let key = request.public_key.0.trim();
    if key.split_whitespace().count() < 2 || key.chars().any(char::is_control) {
        return Err(AzureError::bad_request("public_key", "is not in OpenSSH's form, in one line"));
    }
    let admin = &config.admin_user;
    let key = SshPublicKey {
        path: Some(format!("/home/{admin}/.ssh/authorized_keys")),
        key_data: Some(key.to_owned()),
    };
    Ok(OsProfile {
        computer_name: Some(name.to_owned()),
        admin_username: Some(admin.clone()),
        custom_data: Some(STANDARD.encode(script)),
        linux_configuration: Some(LinuxConfiguration {
            disable_password_authentication: Some(true),
            ssh: Some(SshConfiguration { public_keys: vec![key] }),
            ..LinuxConfiguration::default()
        }),
        ..OsProfile::default()
    })
}

fn network(config: &AzureConfig, name: &str) -> NetworkProfile {
    let group = config.network_resource_group.as_ref().unwrap_or(&config.resource_group);
    let subnet = format!(
        "/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{}/subnets/{}",
        config.subscription_id, config.virtual_network, config.subnet
    );
    let mut address = VirtualMachineNetworkInterfaceIpConfiguration::new("primary".to_owned());
    address.properties = Some(VirtualMachineNetworkInterfaceIpConfigurationProperties {
        subnet: Some(SubResource { id: Some(subnet) }),
        primary: Some(true),
        ..VirtualMachineNetworkInterfaceIpConfigurationProperties::default()
    });
    let mut interface = VirtualMachineNetworkInterfaceConfiguration::new(names::interface(name));
    let mut properties = VirtualMachineNetworkInterfaceConfigurationProperties::new(vec![address]);
    properties.primary = Some(true);
    properties.delete_option = Some(interface_properties::DeleteOption::Delete);
    interface.properties = Some(properties);
    NetworkProfile {
        network_api_version: Some(NetworkApiVersion::N2020_11_01),
        network_interface_configurations: vec![interface],
        ..NetworkProfile::default()
    }
}
