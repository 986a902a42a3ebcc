//! Network interfaces.

use super::{read, url};
use crate::{Settings, http::ApiError};
use serde_json::{Map, Value, json};

/// An instance has at most as many:
/// <https://cloud.google.com/vpc/docs/create-use-multiple-interfaces#specifications>.
const MOST: usize = 8;

/// The interfaces of a new instance as the API shows them, still without addresses: those are
/// [`set_addresses`]'.
pub(super) fn interfaces(body: &Value, region: &str, settings: &Settings) -> Result<Vec<Value>, ApiError> {
    let field = "resource.networkInterfaces";
    let list = read::list(body, "networkInterfaces", "resource")?;
    if list.is_empty() {
        return Err(ApiError::invalid(field, "", "At least one network interface is required."));
    }
    if list.len() > MOST {
        return Err(ApiError::invalid(field, "", &format!("At most {MOST} network interfaces are allowed.")));
    }
    let each = list.iter().enumerate();
    each.map(|(index, interface)| interface_of(index, interface, region, settings)).collect()
}

fn interface_of(index: usize, given: &Value, region: &str, settings: &Settings) -> Result<Value, ApiError> {
    let path = format!("resource.networkInterfaces[{index}]");
    let mut interface = Map::new();
    interface.insert("kind".into(), "compute#networkInterface".into());
    interface.insert("name".into(), format!("nic{index}").into());
    // "if neither the network nor the subnetwork is specified, the default network global/networks/default is
    // used […] If the network is not specified but the subnetwork is specified, the network is inferred."
    let subnetwork = read::some_text(given, "subnetwork", &path)?;
    let network = read::some_text(given, "network", &path)?.unwrap_or("global/networks/default");
    let network = network_link(network, &format!("{path}.network"), settings)?;
    let subnetwork = match subnetwork {
        Some(url) => subnetwork_link(url, region, &format!("{path}.subnetwork"), settings)?,
        None => link(settings, &format!("regions/{region}/subnetworks/{}", last(&network))),
    };
    interface.insert("network".into(), network.into());
    interface.insert("subnetwork".into(), subnetwork.into());
    let stack = read::some_text(given, "stackType", &path)?.unwrap_or("IPV4_ONLY");
    interface.insert("stackType".into(), stack.into());
    if let Some(kind) = read::some_text(given, "nicType", &path)? {
        interface.insert("nicType".into(), kind.into());
    }
    if let Some(address) = read::some_text(given, "networkIP", &path)? {
        interface.insert("networkIP".into(), address.into());
    }
    let fingerprint = crate::cloud::fingerprint(&json!([index, region]));
    interface.insert("fingerprint".into(), fingerprint.into());
    let configs = read::list(given, "accessConfigs", &path)?;
    if configs.len() > 1 {
        let why = "At most one access config currently supported.";
        return Err(ApiError::invalid(&format!("{path}.accessConfigs"), "", why));
    }
    if let Some(config) = configs.first() {
        interface.insert("accessConfigs".into(), json!([access_config(config, &path)?]));
    }
    Ok(Value::Object(interface))
}

fn access_config(given: &Value, path: &str) -> Result<Value, ApiError> {
    let path = format!("{path}.accessConfigs[0]");
    let kind = read::some_text(given, "type", &path)?.unwrap_or("ONE_TO_ONE_NAT");
    if kind != "ONE_TO_ONE_NAT" {
        let why = "The type of an access config must be ONE_TO_ONE_NAT.";
        return Err(ApiError::invalid(&format!("{path}.type"), kind, why));
    }
    let tier = read::some_text(given, "networkTier", &path)?.unwrap_or("PREMIUM");
    if !["PREMIUM", "STANDARD"].contains(&tier) {
        return Err(ApiError::invalid(&format!("{path}.networkTier"), tier, "Unknown network tier."));
    }
    let name = read::some_text(given, "name", &path)?.unwrap_or("External NAT");
    let mut config =
        json!({ "kind": "compute#accessConfig", "type": kind, "name": name, "networkTier": tier });
    if let Some(address) = read::some_text(given, "natIP", &path)? {
        config["natIP"] = address.into();
    }
    Ok(config)
}

fn network_link(url: &str, field: &str, settings: &Settings) -> Result<String, ApiError> {
    let (project, parts) = url::parts(url);
    let ["global", "networks", name] = parts.as_slice() else {
        return Err(ApiError::malformed_url(field, url));
    };
    let project = project.unwrap_or(&settings.project);
    if project != settings.project || !settings.networks.iter().any(|known| known == name) {
        return Err(ApiError::not_found(&format!("projects/{project}/global/networks/{name}")));
    }
    Ok(link(settings, &format!("global/networks/{name}")))
}

fn subnetwork_link(url: &str, region: &str, field: &str, settings: &Settings) -> Result<String, ApiError> {
    let (project, parts) = url::parts(url);
    let ["regions", of_region, "subnetworks", name] = parts.as_slice() else {
        return Err(ApiError::malformed_url(field, url));
    };
    if *of_region != region {
        let why = format!("The subnetwork must be in the instance's region '{region}'.");
        return Err(ApiError::invalid(field, url, &why));
    }
    let project = project.unwrap_or(&settings.project);
    if project != settings.project || !settings.subnetworks.iter().any(|known| known == name) {
        return Err(ApiError::not_found(&format!("projects/{project}/regions/{region}/subnetworks/{name}")));
    }
    Ok(link(settings, &format!("regions/{region}/subnetworks/{name}")))
}

fn link(settings: &Settings, path: &str) -> String {
    crate::cloud::link(&settings.project, path)
}

fn last(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
