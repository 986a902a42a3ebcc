//! An instance, as it was when it was listed or created.

use crate::{AddressKind, GceError, error::unreadable, host_keys, limits, operation, set::Shared, tags};
use async_trait::async_trait;
use google_cloud_compute_v1::model::{Instance as Described, instance::Status};
use google_cloud_wkt::Timestamp;
use pool_api::{
    BoxCloudError, HostKey, HostKeyVerdict, Instance, InstanceId, Lifecycle, Placement, ProviderType,
    RemoteUser, Tags,
};
use std::{fmt, sync::Arc, time::SystemTime};

/// One instance on Compute Engine. See [`Instance`] for what its methods do. Its id is its name.
pub struct GceInstance {
    shared: Arc<Shared>,
    id: InstanceId,
    provider_type: ProviderType,
    placement: Placement,
    address: Option<String>,
    tags: Tags,
    lifecycle: Lifecycle,
    created: Option<SystemTime>,
}

impl GceInstance {
    /// From Compute Engine's description.
    ///
    /// # Errors
    /// [`GceError::BadAnswer`] when it has no name, zone, type or status.
    pub(crate) fn new(
        shared: Arc<Shared>,
        call: &'static str,
        described: &Described,
        tags: Tags,
    ) -> Result<Self, GceError> {
        let id = described.name.as_deref().and_then(|name| InstanceId::new(name).ok());
        let provider_type = last_part(described.machine_type.as_deref());
        let provider_type = provider_type.and_then(|name| ProviderType::new(name).ok());
        let zone = last_part(described.zone.as_deref());
        let (Some(id), Some(provider_type), Some(zone)) = (id, provider_type, zone) else {
            return Err(unreadable(call, "an instance has no name, machine type or zone"));
        };
        let status = described.status.as_ref();
        let status = status.ok_or_else(|| unreadable(call, "an instance has no status"))?;
        Ok(Self {
            address: address(shared.config.address, described),
            placement: Placement::new(zone),
            created: described.creation_timestamp.as_deref().and_then(time),
            lifecycle: lifecycle(status),
            shared,
            id,
            provider_type,
            tags,
        })
    }

    async fn save(&self, tags: &Tags) -> Result<(), GceError> {
        const CALL: &str = "instances.setMetadata";
        let Shared { calls, config, .. } = &*self.shared;
        let zone = self.placement.as_str();
        // Metadata is replaced as a whole, guarded by the fingerprint of what was read: what another has written since
        // is not lost, and this call is refused.
        let described = calls.make("instances.get", |clients| {
            let call = clients.instances.get().set_project(&config.project);
            call.set_zone(zone).set_instance(self.id.as_str()).send()
        });
        let metadata = described.await?.metadata.unwrap_or_default();
        let Ok(mut all) = tags::from_metadata(Some(&metadata)) else {
            let problem = format!("the item {} of the instance's metadata was overwritten", tags::TAGS_KEY);
            return Err(GceError::bad_request("tags", problem));
        };
        if all.matches(tags) {
            return Ok(());
        }
        all.extend(tags);
        limits::TAGS
            .check(&all)
            .map_err(|bad| GceError::bad_request(format!("tags.{}", bad.name), bad.problem))?;
        let accepted = calls.make(CALL, |clients| {
            let call = clients.instances.set_metadata().set_project(&config.project).set_zone(zone);
            call.set_instance(self.id.as_str()).set_body(tags::replaced(metadata, &all)).send()
        });
        operation::done(&self.shared, CALL, zone, accepted.await?).await
    }

    async fn delete(&self) -> Result<(), GceError> {
        let Shared { calls, config, .. } = &*self.shared;
        let accepted = calls.make("instances.delete", |clients| {
            let call = clients.instances.delete().set_project(&config.project);
            call.set_zone(self.placement.as_str()).set_instance(self.id.as_str()).send()
        });
        match accepted.await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

/// <https://cloud.google.com/compute/docs/instances/instance-lifecycle>.
fn lifecycle(status: &Status) -> Lifecycle {
    match status {
        Status::Pending | Status::Provisioning | Status::Staging => Lifecycle::Pending,
        // Compute Engine brings one that is being repaired back to where it was; the pool's probes decide.
        Status::Running | Status::Repairing => Lifecycle::Running,
        Status::PendingStop | Status::Stopping | Status::Suspending | Status::Deprovisioning => {
            Lifecycle::Stopping
        }
        Status::Stopped | Status::Terminated | Status::Suspended => Lifecycle::Stopped,
        // A later version of the API has it. It is there, and whether it is of use the pool's probes find out.
        unknown => {
            tracing::warn!(status = unknown.name().unwrap_or_default(), "an instance has an unknown status");
            Lifecycle::Running
        }
    }
}

/// The last part of a path or URL, which is a name.
fn last_part(url: Option<&str>) -> Option<&str> {
    url?.rsplit('/').next().filter(|name| !name.is_empty())
}

/// RFC 3339, with whatever offset.
fn time(text: &str) -> Option<SystemTime> {
    SystemTime::try_from(Timestamp::try_from(text).ok()?).ok()
}

fn address(kind: AddressKind, described: &Described) -> Option<String> {
    let interface = described.network_interfaces.first()?;
    let address = match kind {
        AddressKind::Private => interface.network_ip.as_ref(),
        AddressKind::Public => interface.access_configs.first().and_then(|access| access.nat_ip.as_ref()),
    };
    address.filter(|text| !text.is_empty()).cloned()
}

impl fmt::Debug for GceInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GceInstance")
            .field("id", &self.id)
            .field("placement", &self.placement)
            .field("lifecycle", &self.lifecycle)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Instance for GceInstance {
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

    /// Reads the metadata, replaces it and waits for the operation's end. When another has written metadata meanwhile, the
    /// error is transient: the pool asks again.
    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        Ok(self.save(tags).await?)
    }

    async fn destroy(&self) -> Result<(), BoxCloudError> {
        Ok(self.delete().await?)
    }

    /// Asks for the keys that the guest agent has published, where `host_keys` is set; else "unsupported".
    async fn verify_host_key(&self, key: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        if !self.shared.config.host_keys {
            return Ok(HostKeyVerdict::Unsupported);
        }
        Ok(host_keys::verify(&self.shared, &self.placement, &self.id, key).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_an_offset() {
        let utc = time("2026-11-26T18:00:00.123Z").unwrap();
        assert_eq!(time("2026-11-26T10:00:00.123-08:00"), Some(utc));
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn names_are_the_last_part_of_urls() {
        let url = "https://www.googleapis.com/compute/v1/projects/p/zones/europe-west1-b";
        assert_eq!(last_part(Some(url)), Some("europe-west1-b"));
        assert_eq!(last_part(Some("e2-small")), Some("e2-small"));
        assert_eq!(last_part(Some("a/")), None);
        assert_eq!(last_part(None), None);
    }
}
