//! An instance, as it was when it was listed.

use crate::{LoopbackError, Operation, model::Record, world::World};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, HostKey, HostKeyVerdict, Instance, InstanceId, Lifecycle, Placement, Privilege,
    ProviderType, RemoteUser, Tags,
};
use std::{fmt, sync::Arc, time::SystemTime};

/// One instance of the loopback. See [`Instance`] for what its methods do.
pub struct LoopbackInstance {
    world: Arc<World>,
    record: Record,
    address: Option<String>,
    root: String,
}

impl LoopbackInstance {
    pub(crate) fn new(world: Arc<World>, record: Record) -> Self {
        let address = record.port.map(|port| format!("127.0.0.1:{port}"));
        // The state directory was checked to be text when it was opened.
        let root = world.root_of(&record.id).display().to_string();
        Self { world, record, address, root }
    }
}

impl fmt::Debug for LoopbackInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackInstance")
            .field("id", &self.record.id)
            .field("lifecycle", &self.record.lifecycle)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Instance for LoopbackInstance {
    fn id(&self) -> &InstanceId {
        &self.record.id
    }

    fn provider_type(&self) -> &ProviderType {
        &self.record.provider_type
    }

    fn placement(&self) -> &Placement {
        &self.record.placement
    }

    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    fn remote_user(&self) -> RemoteUser {
        RemoteUser { name: self.world.config().user.clone(), privilege: Privilege::Own }
    }

    fn tags(&self) -> &Tags {
        &self.record.tags
    }

    fn lifecycle(&self) -> Lifecycle {
        self.record.lifecycle
    }

    fn created(&self) -> Option<SystemTime> {
        Some(self.record.created)
    }

    fn root(&self) -> &str {
        &self.root
    }

    /// None: the machine is shared.
    fn power_off(&self) -> Option<&str> {
        None
    }

    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        let answer = async || self.world.set_tags(&self.record.id, tags);
        Ok(self.world.call(Operation::SetTags, answer).await?)
    }

    /// With [`shutdown_time`](crate::LoopbackConfig::shutdown_time) zero, `Ok` means that it is gone, its processes and
    /// files too. Dropping the future leaves it being destroyed.
    async fn destroy(&self) -> Result<(), BoxCloudError> {
        let answer = async || self.world.destroy(&self.record.id).await;
        Ok(self.world.call(Operation::Destroy, answer).await?)
    }

    async fn verify_host_key(&self, key: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        if !self.world.config().vouch_for_host_keys {
            return Ok(HostKeyVerdict::Unsupported);
        }
        let own = self.world.host_key(&self.record.id)?;
        let shown =
            russh::keys::PublicKey::from_openssh(&key.openssh).map_err(LoopbackError::BadPublicKey)?;
        let genuine = own.key_data() == shown.key_data();
        Ok(if genuine { HostKeyVerdict::Genuine } else { HostKeyVerdict::Forged })
    }
}
