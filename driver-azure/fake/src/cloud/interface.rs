//! Network interfaces, and their public addresses:
//! <https://learn.microsoft.com/en-us/rest/api/virtualnetwork/network-interfaces>.

use super::{
    Cloud,
    create::delete_option,
    id::uuid,
    operation::{Effect, Told},
    state::{Key, Part},
};
use crate::{
    body::{NewAddress, NewInterface, NewIp, read, tags},
    http::{Answer, ApiError, Area, Kind, Name},
    names::{NAME_RULE, is_part_name},
};
use serde_json::{Map, Value, json};

impl Cloud {
    /// An interface, with the addresses that it takes.
    pub(super) fn interface(&mut self, new: &NewInterface, group: &str, machine: Option<&str>) -> Part {
        let serial = self.number();
        let id = self.id(group, Kind::Interface, &new.name);
        let etag = format!("W/\"{}\"", uuid(serial));
        let mut taken = Vec::new();
        let mut ips = Vec::new();
        for ip in &new.ips {
            let subnet = self.addresses.find(&ip.subnet, &self.settings.subscription).unwrap_or(usize::MAX);
            let (number, address) = self.addresses.take(subnet);
            taken.push((subnet, number));
            ips.push(self.ip_configuration(ip, &address, group, &id, &etag));
        }
        let [_, _, _, _, _, a, b, c] = serial.to_be_bytes();
        let mut properties = json!({
            "provisioningState": "Succeeded",
            "resourceGuid": uuid(serial),
            "ipConfigurations": ips,
            "dnsSettings": { "dnsServers": [], "appliedDnsServers": [] },
            "macAddress": format!("00-0D-3A-{a:02X}-{b:02X}-{c:02X}"),
            "primary": new.is_primary,
            "enableAcceleratedNetworking": false,
            "vnetEncryptionSupported": false,
            "enableIPForwarding": false,
            "disableTcpStateTracking": false,
            "hostedWorkloads": [],
            "tapConfigurations": [],
            "nicType": "Standard",
            "auxiliaryMode": "None",
            "auxiliarySku": "None",
        });
        for (name, value) in &new.as_given {
            properties[name.as_str()] = value.clone();
        }
        if let Some(machine) = machine {
            properties["virtualMachine"] = json!({ "id": machine });
        }
        let mut resource = json!({
            "name": new.name,
            "id": id,
            "etag": etag,
            "type": "Microsoft.Network/networkInterfaces",
            "location": self.settings.location,
            "properties": properties,
        });
        if let Some(tags) = &new.tags {
            resource["tags"] = tags.clone();
        }
        Part { taken, ..Part::new(resource, serial) }
    }

    fn ip_configuration(
        &mut self,
        ip: &NewIp,
        address: &str,
        group: &str,
        interface: &str,
        etag: &str,
    ) -> Value {
        let id = format!("{interface}/ipConfigurations/{}", ip.name);
        let mut properties = json!({
            "provisioningState": "Succeeded",
            "privateIPAddress": address,
            "privateIPAllocationMethod": "Dynamic",
            "privateIPAddressVersion": "IPv4",
            "subnet": { "id": ip.subnet },
            "primary": ip.is_primary,
        });
        for (name, value) in &ip.as_given {
            properties[name.as_str()] = value.clone();
        }
        if let Some(public) = &ip.public {
            let public = self.public_address(public, group, &id);
            properties["publicIPAddress"] = json!({ "id": public });
        }
        json!({
            "name": ip.name,
            "id": id,
            "etag": etag,
            "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
            "properties": properties,
        })
    }

    /// Makes a public address, and says its ID.
    fn public_address(&mut self, new: &NewAddress, group: &str, configuration: &str) -> String {
        let serial = self.number();
        let id = self.id(group, Kind::Address, &new.name);
        let [_, _, _, _, _, b, c, d] = serial.to_be_bytes();
        let mut properties = json!({
            "provisioningState": "Succeeded",
            "resourceGuid": uuid(serial),
            "ipAddress": format!("20.{b}.{c}.{d}"),
            "publicIPAddressVersion": "IPv4",
            "publicIPAllocationMethod": "Static",
            "idleTimeoutInMinutes": 4,
            "ipTags": [],
            "ipConfiguration": { "id": configuration },
            "deleteOption": delete_option(new.is_deleted),
        });
        for (name, value) in &new.as_given {
            properties[name.as_str()] = value.clone();
        }
        let mut sku = json!({ "name": "Standard", "tier": "Regional" });
        for (name, value) in new.sku.as_ref().and_then(Value::as_object).into_iter().flatten() {
            sku[name.as_str()] = value.clone();
        }
        let resource = json!({
            "name": new.name,
            "id": id,
            "etag": format!("W/\"{}\"", uuid(serial)),
            "type": "Microsoft.Network/publicIPAddresses",
            "location": self.settings.location,
            "sku": sku,
            "properties": properties,
        });
        let part = Part { is_deleted: new.is_deleted, ..Part::new(resource, serial) };
        self.public.insert(Key::new(group, &new.name), part);
        id
    }

    /// Shows an interface's public addresses in it.
    pub(super) fn expand_addresses(&self, interface: &mut Value) {
        let configurations =
            interface.pointer_mut("/properties/ipConfigurations").and_then(Value::as_array_mut);
        for configuration in configurations.into_iter().flatten() {
            let Some(shown) = configuration.pointer_mut("/properties/publicIPAddress") else { continue };
            let key = shown["id"].as_str().and_then(|id| Key::of_id(id, Kind::Address));
            if let Some(found) = key.and_then(|key| self.public.get(&key)) {
                *shown = found.resource.clone();
            }
        }
    }

    /// Makes an interface without a machine, or changes the tags of one.
    pub(super) fn put_interface(
        &mut self,
        name: &Name,
        body: &Value,
        version: &str,
    ) -> Result<Answer, ApiError> {
        let key = Key::new(&name.group, &name.name);
        if !is_part_name(&name.name) {
            let message = format!(
                "Resource name {} is invalid. The name can be up to 80 characters long and must match \
                 {NAME_RULE}.",
                name.name
            );
            return Err(ApiError::new(400, "InvalidResourceName", message));
        }
        if read::text(body, "location", "")?.is_none() {
            let message = "The location property is required for this definition.";
            return Err(ApiError::new(400, "LocationRequired", message));
        }
        let tags = tags(body)?;
        let status = if let Some(found) = self.interfaces.get_mut(&key) {
            if let Some(tags) = tags {
                found.resource["tags"] = tags.into();
            }
            200
        } else {
            let new = self.new_interface(name, body, tags)?;
            let part = self.interface(&new, &name.group, None);
            self.interfaces.insert(key.clone(), part);
            201
        };
        let resource = self.interfaces.get(&key).map(|part| part.resource.clone()).unwrap_or_default();
        let operation = self.start(Area::Network, Effect::Nothing, Some((Kind::Interface, key)));
        Ok(self.watched(Answer::new(status, resource), Area::Network, &operation, Told::Status, version))
    }

    fn new_interface(
        &self,
        name: &Name,
        body: &Value,
        tags: Option<Map<String, Value>>,
    ) -> Result<NewInterface, ApiError> {
        const PATH: &str = "properties.ipConfigurations";
        let properties = read::object(body, "properties", "")?.unwrap_or(&Value::Null);
        let given = read::list(properties, "ipConfigurations", "properties")?;
        if given.is_empty() {
            let message = "The network interface must have at least one IP configuration.";
            return Err(ApiError::new(400, "NetworkInterfaceMustHaveOneIpConfiguration", message));
        }
        let mut ips = Vec::new();
        for ip in given {
            let properties = read::object(ip, "properties", PATH)?.unwrap_or(&Value::Null);
            let id = self.id(&name.group, Kind::Interface, &name.name);
            let subnet = properties["subnet"]["id"].as_str().unwrap_or_default();
            let found = self.addresses.find(subnet, &self.settings.subscription);
            self.addresses.has(found.ok_or_else(|| ApiError::reference(subnet, &id))?, given.len())?;
            ips.push(NewIp {
                name: read::text(ip, "name", PATH)?.unwrap_or("ipconfig").to_owned(),
                is_primary: read::flag(properties, "primary", PATH)?.unwrap_or(given.len() == 1),
                subnet: subnet.to_owned(),
                public: None,
                as_given: Map::new(),
            });
        }
        Ok(NewInterface {
            name: name.name.clone(),
            is_primary: false,
            is_deleted: false,
            ips,
            tags: tags.map(Value::from),
            as_given: read::as_given(properties, &["enableAcceleratedNetworking", "networkSecurityGroup"]),
        })
    }
}
