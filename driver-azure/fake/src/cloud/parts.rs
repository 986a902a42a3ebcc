//! What disks, interfaces and addresses have in common.

use super::{
    Cloud,
    operation::{Effect, Told},
    state::{Key, not_found},
};
use crate::{
    body::tags,
    http::{Answer, ApiError, Kind, Name},
};
use serde_json::Value;

impl Cloud {
    /// Deletes a part that nothing uses.
    pub(super) fn delete_part(&mut self, kind: Kind, name: &Name, version: &str) -> Result<Answer, ApiError> {
        let key = Key::new(&name.group, &name.name);
        let Some(found) = self.parts_mut(kind).get_mut(&key) else { return Ok(Answer::empty(204)) };
        let (resource, serial) = (&mut found.resource, found.serial);
        let id = resource["id"].as_str().unwrap_or_default().to_owned();
        let name = resource["name"].as_str().unwrap_or_default().to_owned();
        match kind {
            Kind::Disk => {
                if let Some(machine) = resource["managedBy"].as_str() {
                    // As in https://github.com/ansible/ansible/pull/54644.
                    return Err(ApiError::not_allowed(format!("Disk {name} is attached to VM {machine}.")));
                }
            }
            Kind::Interface => {
                if let Some(machine) = resource["properties"]["virtualMachine"]["id"].as_str() {
                    // As in https://github.com/pulumi/pulumi-azure/issues/441.
                    let message = format!(
                        "Network Interface {id} is used by existing resource {machine}. In order to delete \
                         the network interface, it must be dissociated from the resource. To learn more, see \
                         aka.ms/deletenic."
                    );
                    return Err(ApiError::new(400, "NicInUse", message));
                }
            }
            Kind::Address | Kind::Machine => {
                if let Some(user) = resource["properties"]["ipConfiguration"]["id"].as_str() {
                    let message = format!(
                        "Public IP address {id} can not be deleted since it is still allocated to resource \
                         {user}. In order to delete the public IP, disassociate/detach the Public IP address \
                         from the resource. To learn how to do this, see aka.ms/deletepublicip."
                    );
                    return Err(ApiError::new(400, "PublicIPAddressCannotBeDeleted", message));
                }
            }
        }
        resource["properties"]["provisioningState"] = "Deleting".into();
        let effect = Effect::DeletePart { kind, key, serial };
        let operation = self.start(kind.area(), effect, None);
        Ok(self.watched(Answer::empty(202), kind.area(), &operation, Told::Both, version))
    }

    /// Replaces the tags of a part:
    /// <https://learn.microsoft.com/en-us/rest/api/virtualnetwork/network-interfaces/update-tags>.
    pub(super) fn patch_part(&mut self, kind: Kind, name: &Name, body: &Value) -> Result<Answer, ApiError> {
        let tags = tags(body)?;
        let found = self.parts_mut(kind).get_mut(&Key::new(&name.group, &name.name));
        let found = found.ok_or_else(|| not_found(kind, name))?;
        if let Some(tags) = tags {
            found.resource["tags"] = tags.into();
        }
        Ok(Answer::ok(found.resource.clone()))
    }

    /// Takes a part away, and with an interface its addresses: the private ones go back to their subnets, the
    /// public ones go, or stay unused.
    pub(super) fn vanish_part(&mut self, kind: Kind, key: &Key) {
        let Some(part) = self.parts_mut(kind).remove(key) else { return };
        self.addresses.give_back(&part.taken);
        let configurations = part.resource["properties"]["ipConfigurations"].as_array().into_iter().flatten();
        for configuration in configurations {
            let public = configuration["properties"]["publicIPAddress"]["id"].as_str();
            let Some(public) = public.and_then(|id| Key::of_id(id, Kind::Address)) else { continue };
            if self.public.get(&public).is_some_and(|public| public.is_deleted) {
                self.public.remove(&public);
            } else if let Some(properties) = self
                .public
                .get_mut(&public)
                .and_then(|public| public.resource.get_mut("properties").and_then(Value::as_object_mut))
            {
                properties.remove("ipConfiguration");
            }
        }
    }

    /// The machine is gone, and the part is not.
    pub(super) fn detach(&mut self, kind: Kind, key: &Key) {
        let Some(resource) = self.parts_mut(kind).get_mut(key).and_then(|part| part.resource.as_object_mut())
        else {
            return;
        };
        resource.remove("managedBy");
        if let Some(properties) = resource.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove("virtualMachine");
            if kind == Kind::Disk {
                properties.insert("diskState".into(), "Unattached".into());
            }
        }
    }
}
