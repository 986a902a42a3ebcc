//! An instance, as it was when it was listed.

use super::{SimSeat, calls::Request, machine};
use crate::model::Record;
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, DEFAULT_ROOT, HostKey, HostKeyVerdict, Instance, InstanceId, Lifecycle, Placement,
    Privilege, ProviderType, RemoteUser, Tags,
};
use std::{fmt, time::SystemTime};

/// The command that stops a machine, where there is one.
const POWER_OFF: &str = "/sbin/poweroff";

pub(super) struct SimInstance {
    seat: SimSeat,
    record: Record,
    address: Option<String>,
    user: String,
    power_off: Option<&'static str>,
}

impl SimInstance {
    pub(super) fn new(seat: SimSeat, record: Record) -> Self {
        let state = seat.world().lock();
        let user = state.config.user.clone();
        let power_off = state.options.power_off.then_some(POWER_OFF);
        drop(state);
        let address = record.port.map(|_| machine::address(record.serial));
        Self { seat, record, address, user, power_off }
    }
}

impl fmt::Debug for SimInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimInstance")
            .field("id", &self.record.id)
            .field("lifecycle", &self.record.lifecycle)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Instance for SimInstance {
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
        RemoteUser { name: self.user.clone(), privilege: Privilege::Own }
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
        DEFAULT_ROOT
    }

    fn power_off(&self) -> Option<&str> {
        self.power_off
    }

    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        self.seat.call(Request::SetTags(self.record.id.clone(), tags.clone())).await?;
        Ok(())
    }

    async fn destroy(&self) -> Result<(), BoxCloudError> {
        self.seat.call(Request::Destroy(self.record.id.clone())).await?;
        Ok(())
    }

    async fn verify_host_key(&self, key: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        let answer = {
            let mut state = self.seat.world().lock();
            if !state.config.vouch_for_host_keys {
                return Ok(HostKeyVerdict::Unsupported);
            }
            state.ask_about_host_key(self.record.id.clone(), key.openssh.clone())
        };
        Ok(answer.await.unwrap_or(Err(crate::LoopbackError::Stopped))?)
    }
}
