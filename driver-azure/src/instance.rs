//! A machine, as it was when it was listed or created.

use crate::{
    AzureError,
    error::unreadable,
    list::{Listed, pool_tags, tags_of},
    set::Shared,
    tags,
};
use async_trait::async_trait;
use azure_mgmt_compute::models::{UpdateResource, VirtualMachineUpdate};
use pool_api::{
    BoxCloudError, HostKey, HostKeyVerdict, Instance, InstanceId, Lifecycle, Placement, ProviderType,
    RemoteUser, Tags,
};
use std::{fmt, sync::Arc, time::SystemTime};

/// One virtual machine on Azure. See [`Instance`] for what its methods do. Its id is its name.
pub struct AzureInstance {
    shared: Arc<Shared>,
    id: InstanceId,
    provider_type: ProviderType,
    placement: Placement,
    address: Option<String>,
    tags: Tags,
    lifecycle: Lifecycle,
    created: Option<SystemTime>,
}

impl AzureInstance {
    /// From Azure's description.
    ///
    /// # Errors
    /// [`AzureError::BadAnswer`] when it has no name or size.
    pub(crate) fn new(shared: Arc<Shared>, call: &'static str, listed: Listed) -> Result<Self, AzureError> {
        let Listed { machine, tags, address, power } = listed;
        // Names are the same whatever their case, and ours are in lower case.
        let id =
            machine.resource.name.as_deref().and_then(|name| InstanceId::new(name.to_ascii_lowercase()).ok());
        let properties = machine.properties.unwrap_or_default();
        let size = properties.hardware_profile.and_then(|hardware| hardware.vm_size);
        let size = size.and_then(|size| serde_json::to_value(size).ok());
        let provider_type = size.as_ref().and_then(serde_json::Value::as_str);
        let provider_type = provider_type.and_then(|size| ProviderType::new(size).ok());
        let (Some(id), Some(provider_type)) = (id, provider_type) else {
            return Err(unreadable(call, "a machine has no name or size"));
        };
        let state = properties.provisioning_state.unwrap_or_default();
        let zone = machine.zones.into_iter().next().unwrap_or_default();
        // Without configured zones it is in the placement without a name, whatever Azure has chosen.
        let zone = if shared.config.zones.is_empty() { String::new() } else { zone };
        let placement = shared.placements().into_iter().find(|placement| placement.as_str() == zone);
        Ok(Self {
            lifecycle: lifecycle(&state, power.as_deref()),
            placement: placement.unwrap_or_else(|| Placement::new(zone)),
            created: properties.time_created.map(SystemTime::from),
            shared,
            id,
            provider_type,
            address,
            tags,
        })
    }

    async fn save(&self, tags: &Tags) -> Result<(), AzureError> {
        let Shared { arm, config, .. } = &*self.shared;
        // A PATCH replaces all tags, and is refused when the machine has changed since it was read.
        let machine = arm.machine(self.id.as_str()).await?;
        let all = tags_of(&machine);
        let mut wanted = pool_tags(&all);
        if wanted.matches(tags) {
            return Ok(());
        }
        wanted.extend(tags);
        self.shared
            .tag_limits()
            .check(&wanted.iter().filter(|(name, _)| config.tags.get(name).is_none()).collect())
            .map_err(|bad| AzureError::bad_request(format!("tags.{}", bad.name), bad.problem))?;
        let mut encoded = tags::encode(&wanted);
        // Those of others, and the driver's own.
        encoded.extend(all.into_iter().filter(|(name, _)| tags::is_foreign(name)));
        let tags = serde_json::to_value(encoded).unwrap_or_default();
        let update = VirtualMachineUpdate {
            update_resource: UpdateResource { tags: Some(tags) },
            ..VirtualMachineUpdate::default()
        };
        let accepted = arm.patch_machine(self.id.as_str(), machine.etag, update).await?;
        accepted.done(arm, config.operation_timeout).await
    }

    async fn delete(&self) -> Result<(), AzureError> {
        match self.shared.arm.delete_machine(self.id.as_str()).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

/// From the provisioning state (<https://learn.microsoft.com/azure/virtual-machines/states-billing>) and the power state.
fn lifecycle(state: &str, power: Option<&str>) -> Lifecycle {
    match (state.to_ascii_lowercase().as_str(), power) {
        ("deleting", _) => Lifecycle::Stopping,
        (_, Some("deallocated" | "stopped")) => Lifecycle::Stopped,
        (_, Some("deallocating" | "stopping")) => Lifecycle::Stopping,
        // A change that has failed, of its tags for example, does not end a machine that runs.
        ("failed" | "canceled", Some("running" | "starting")) => Lifecycle::Running,
        ("failed" | "canceled", _) => Lifecycle::Failed,
        ("creating", _) | (_, Some("starting")) => Lifecycle::Pending,
        // Also what a later version of the API has: it is there, and the pool's probes find out what it is good for.
        _ => Lifecycle::Running,
    }
}

impl fmt::Debug for AzureInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureInstance")
            .field("id", &self.id)
            .field("placement", &self.placement)
            .field("lifecycle", &self.lifecycle)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Instance for AzureInstance {
    fn id(&self) -> &InstanceId {
        &self.id
    }

    fn provider_type(&self) -> &ProviderType {
        &self.provider_type
    }

    /// Its zone.
    fn placement(&self) -> &Placement {
        &self.placement
    }

    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    fn remote_user(&self) -> RemoteUser {
        let config = &self.shared.config;
        RemoteUser { name: config.admin_user.clone(), privilege: config.admin_privilege }
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    fn created(&self) -> Option<SystemTime> {
        self.created
    }

    /// Reads the tags, replaces them and waits for the operation's end. When another has changed the machine meanwhile, the
    /// error is transient: the pool asks again.
    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        Ok(self.save(tags).await?)
    }

    async fn destroy(&self) -> Result<(), BoxCloudError> {
        Ok(self.delete().await?)
    }

    /// "Unsupported", always: Azure knows no host keys.
    async fn verify_host_key(&self, _key: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        Ok(HostKeyVerdict::Unsupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifecycle_is_made_of_two_states() {
        let cases = [
            ("Creating", None, Lifecycle::Pending),
            ("Creating", Some("starting"), Lifecycle::Pending),
            ("Succeeded", Some("running"), Lifecycle::Running),
            ("Succeeded", None, Lifecycle::Running),
            ("Updating", Some("running"), Lifecycle::Running),
            ("Updating", Some("starting"), Lifecycle::Pending),
            ("Succeeded", Some("deallocated"), Lifecycle::Stopped),
            ("Succeeded", Some("stopped"), Lifecycle::Stopped),
            ("Succeeded", Some("deallocating"), Lifecycle::Stopping),
            ("Deleting", Some("running"), Lifecycle::Stopping),
            ("Failed", None, Lifecycle::Failed),
            ("Failed", Some("running"), Lifecycle::Running),
            ("Failed", Some("deallocated"), Lifecycle::Stopped),
            ("Dreaming", Some("hovering"), Lifecycle::Running),
        ];
        for (state, power, expected) in cases {
            assert_eq!(lifecycle(state, power), expected, "{state} {power:?}");
        }
    }
}
