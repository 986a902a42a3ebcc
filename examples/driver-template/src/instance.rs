//! One machine.

use crate::{Cloud, Machine, error::driver_error, set::bad_tags};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, DriverError, ErrorClass, HostKey, HostKeyVerdict, IdError, Instance, InstanceId,
    LabelCodec, Lifecycle, Placement, Privilege, ProviderType, RemoteUser, Tags,
};
use std::{sync::Arc, time::SystemTime};

#[derive(Debug)]
pub(crate) struct TemplateInstance {
    cloud: Arc<Cloud>,
    codec: LabelCodec,
    id: InstanceId,
    provider_type: ProviderType,
    placement: Placement,
    tags: Tags,
    lifecycle: Lifecycle,
    user: String,
}

impl TemplateInstance {
    pub(crate) fn new(
        cloud: Arc<Cloud>,
        codec: LabelCodec,
        machine: Machine,
        user: String,
    ) -> Result<Self, DriverError> {
        let odd = |error: IdError| DriverError::new("read", ErrorClass::Unknown, error.to_string());
        Ok(Self {
            id: InstanceId::new(&machine.name).map_err(odd)?,
            provider_type: ProviderType::new(&machine.machine_type).map_err(odd)?,
            placement: Placement::new(&machine.zone),
            tags: codec.decode(machine.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
            lifecycle: if machine.stopped { Lifecycle::Stopped } else { Lifecycle::Running },
            cloud,
            codec,
            user,
        })
    }
}

#[async_trait]
impl Instance for TemplateInstance {
    fn id(&self) -> &InstanceId {
        &self.id
    }

    fn provider_type(&self) -> &ProviderType {
        &self.provider_type
    }

    fn placement(&self) -> &Placement {
        &self.placement
    }

    /// None: there is no machine behind it.
    fn address(&self) -> Option<&str> {
        None
    }

    fn remote_user(&self) -> RemoteUser {
        RemoteUser { name: self.user.clone(), privilege: Privilege::Own }
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    fn created(&self) -> Option<SystemTime> {
        None
    }

    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        // The provider replaces all labels: those of others, and tags that were set meanwhile, must stay. (A real
        // provider guards this by a fingerprint; a conflict is a transient error.)
        let failed = |refusal| driver_error("set_tags", refusal);
        let present = self.cloud.get(self.id.as_str()).map_err(failed)?.labels;
        let mut all = self.codec.decode(present.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        all.extend(tags);
        let mut labels = self.codec.encode(&all).map_err(bad_tags)?;
        labels.extend(present.into_iter().filter(|(name, _)| !self.codec.is_ours(name)));
        Ok(self.cloud.set_labels(self.id.as_str(), labels).map_err(failed)?)
    }

    async fn destroy(&self) -> Result<(), BoxCloudError> {
        match self.cloud.delete(self.id.as_str()) {
            // What is gone already is as good.
            Err(refusal) if refusal.code == "notFound" => Ok(()),
            result => Ok(result.map_err(|refusal| driver_error("destroy", refusal))?),
        }
    }

    async fn verify_host_key(&self, _: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        Ok(HostKeyVerdict::Unsupported)
    }
}
