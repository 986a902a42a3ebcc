//! `networkProfile`.

use super::read;
use crate::{
    http::ApiError,
    names::{NAME_RULE, is_part_name},
};
use serde_json::{Map, Value};

/// An interface that is made with its machine.
#[derive(Clone, Debug)]
pub(crate) struct NewInterface {
    pub(crate) name: String,
    pub(crate) is_primary: bool,
    /// What becomes of it when the machine is deleted.
    pub(crate) is_deleted: bool,
    pub(crate) ips: Vec<NewIp>,
    pub(crate) tags: Option<Value>,
    /// Properties that are shown as they were given.
    pub(crate) as_given: Map<String, Value>,
}

/// An address of an interface.
#[derive(Clone, Debug)]
pub(crate) struct NewIp {
    pub(crate) name: String,
    pub(crate) is_primary: bool,
    /// The ID of the subnet.
    pub(crate) subnet: String,
    pub(crate) public: Option<NewAddress>,
    pub(crate) as_given: Map<String, Value>,
}

/// A public address that is made with its interface.
#[derive(Clone, Debug)]
pub(crate) struct NewAddress {
    pub(crate) name: String,
    /// What becomes of it when the interface is deleted.
    pub(crate) is_deleted: bool,
    pub(crate) sku: Option<Value>,
    pub(crate) as_given: Map<String, Value>,
}

/// Interfaces that are made with the machine, and those that are there: IDs, and whether they go with it.
pub(super) struct NewNetwork {
    pub(super) inline: Vec<NewInterface>,
    pub(super) existing: Vec<(String, bool)>,
}

const PATH: &str = "properties.networkProfile";

/// Interfaces that are made with a machine can have tags from this version on.
const TAGS_FROM: &str = "2024-11-01";

pub(super) fn network(properties: &Value, version: &str) -> Result<NewNetwork, ApiError> {
    let profile = read::object(properties, "networkProfile", "properties")?
        .ok_or_else(|| ApiError::required("networkProfile"))?;
    let members = ["networkApiVersion", "networkInterfaceConfigurations", "networkInterfaces"];
    read::only(profile, "NetworkProfile", PATH, &members)?;
    let given = read::list(profile, "networkInterfaceConfigurations", PATH)?;
    let references = read::list(profile, "networkInterfaces", PATH)?;
    match (given.is_empty(), references.is_empty()) {
        (true, true) => return Err(ApiError::required("networkProfile")),
        (false, false) => {
            let message = "The properties 'networkInterfaces' and 'networkInterfaceConfigurations' cannot be \
                           used together.";
            return Err(ApiError::invalid("networkProfile", message));
        }
        (false, true) if read::text(profile, "networkApiVersion", PATH)?.is_none() => {
            return Err(ApiError::required("networkProfile.networkApiVersion"));
        }
        _ => {}
    }
    let only_one = given.len() == 1;
    let inline = given.iter().map(|one| interface(one, only_one, version)).collect::<Result<Vec<_>, _>>()?;
    if !inline.is_empty() && inline.iter().filter(|one| one.is_primary).count() != 1 {
        let message = "Virtual machine must have one network interface set as the primary.";
        return Err(ApiError::new(400, "VirtualMachineMustHaveOneNetworkInterfaceSetAsPrimary", message));
    }
    let existing = references.iter().map(reference).collect::<Result<_, _>>()?;
    Ok(NewNetwork { inline, existing })
}

fn is_deleted(object: &Value, path: &str) -> Result<bool, ApiError> {
    Ok(read::one_of(object, "deleteOption", path, &["Delete", "Detach"])? == Some("Delete"))
}

fn reference(given: &Value) -> Result<(String, bool), ApiError> {
    const PATH: &str = "properties.networkProfile.networkInterfaces";
    read::only(given, "NetworkInterfaceReference", PATH, &["id", "properties"])?;
    let id = read::text(given, "id", PATH)?.ok_or_else(|| ApiError::required("networkInterface.id"))?;
    let properties = read::object(given, "properties", PATH)?.unwrap_or(&Value::Null);
    read::only(properties, "NetworkInterfaceReferenceProperties", PATH, &["deleteOption", "primary"])?;
    Ok((id.to_owned(), is_deleted(properties, PATH)?))
}

fn name(object: &Value, path: &str) -> Result<String, ApiError> {
    let name = read::text(object, "name", path)?
        .ok_or_else(|| ApiError::required(&format!("{}.name", path.trim_start_matches("properties."))))?;
    if is_part_name(name) {
        return Ok(name.to_owned());
    }
    let message = format!(
        "Resource name {name} is invalid. The name can be up to 80 characters long and must match \
         {NAME_RULE}."
    );
    Err(ApiError::new(400, "InvalidResourceName", message))
}

fn interface(given: &Value, only_one: bool, version: &str) -> Result<NewInterface, ApiError> {
    const PATH: &str = "properties.networkProfile.networkInterfaceConfigurations";
    const TYPE: &str = "VirtualMachineNetworkInterfaceConfiguration";
    let members: &[&str] =
        if version >= TAGS_FROM { &["name", "properties", "tags"] } else { &["name", "properties"] };
    read::only(given, TYPE, PATH, members)?;
    let properties = read::object(given, "properties", PATH)?.unwrap_or(&Value::Null);
    let as_given = [
        "auxiliaryMode",
        "auxiliarySku",
        "disableTcpStateTracking",
        "dnsSettings",
        "enableAcceleratedNetworking",
        "enableIPForwarding",
        "networkSecurityGroup",
    ];
    let others = ["deleteOption", "dscpConfiguration", "enableFpga", "ipConfigurations", "primary"];
    let members: Vec<&str> = as_given.iter().chain(&others).copied().collect();
    read::only(properties, &format!("{TYPE}Properties"), PATH, &members)?;
    let given_ips = read::list(properties, "ipConfigurations", PATH)?;
    if given_ips.is_empty() {
        return Err(ApiError::required("networkInterfaceConfiguration.ipConfigurations"));
    }
    let one_ip = given_ips.len() == 1;
    Ok(NewInterface {
        name: name(given, PATH)?,
        is_primary: read::flag(properties, "primary", PATH)?.unwrap_or(only_one),
        is_deleted: is_deleted(properties, PATH)?,
        ips: given_ips.iter().map(|ip| self::ip(ip, one_ip)).collect::<Result<_, _>>()?,
        tags: read::object(given, "tags", PATH)?.cloned(),
        as_given: read::as_given(properties, &as_given),
    })
}

fn ip(given: &Value, only_one: bool) -> Result<NewIp, ApiError> {
    const PATH: &str = "properties.networkProfile.networkInterfaceConfigurations.ipConfigurations";
    const TYPE: &str = "VirtualMachineNetworkInterfaceIPConfiguration";
    read::only(given, TYPE, PATH, &["name", "properties"])?;
    let properties = read::object(given, "properties", PATH)?.unwrap_or(&Value::Null);
    let as_given = [
        "applicationGatewayBackendAddressPools",
        "applicationSecurityGroups",
        "loadBalancerBackendAddressPools",
    ];
    let others = ["primary", "privateIPAddressVersion", "publicIPAddressConfiguration", "subnet"];
    let members: Vec<&str> = as_given.iter().chain(&others).copied().collect();
    read::only(properties, &format!("{TYPE}Properties"), PATH, &members)?;
    let subnet = read::object(properties, "subnet", PATH)?.unwrap_or(&Value::Null);
    let subnet = read::text(subnet, "id", &format!("{PATH}.subnet"))?
        .ok_or_else(|| ApiError::required("ipConfiguration.subnet"))?;
    let public = read::object(properties, "publicIPAddressConfiguration", PATH)?;
    Ok(NewIp {
        name: name(given, PATH)?,
        is_primary: read::flag(properties, "primary", PATH)?.unwrap_or(only_one),
        subnet: subnet.to_owned(),
        public: public.map(address).transpose()?,
        as_given: read::as_given(properties, &as_given),
    })
}

fn address(given: &Value) -> Result<NewAddress, ApiError> {
    const PATH: &str = "properties.networkProfile.networkInterfaceConfigurations.ipConfigurations.publicIPAddressConfiguration";
    const TYPE: &str = "VirtualMachinePublicIPAddressConfiguration";
    read::only(given, TYPE, PATH, &["name", "properties", "sku", "tags"])?;
    let properties = read::object(given, "properties", PATH)?.unwrap_or(&Value::Null);
    let as_given = ["idleTimeoutInMinutes", "ipTags", "publicIPAddressVersion", "publicIPAllocationMethod"];
    let others = ["deleteOption", "dnsSettings", "publicIPPrefix"];
    let members: Vec<&str> = as_given.iter().chain(&others).copied().collect();
    read::only(properties, &format!("{TYPE}Properties"), PATH, &members)?;
    Ok(NewAddress {
        name: name(given, PATH)?,
        is_deleted: is_deleted(properties, PATH)?,
        sku: read::object(given, "sku", PATH)?.cloned(),
        as_given: read::as_given(properties, &as_given),
    })
}
