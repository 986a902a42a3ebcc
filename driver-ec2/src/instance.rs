//! An instance, as it was when it was listed or created.

use crate::{
    AddressKind, Ec2Error,
    error::{from_sdk, unreadable},
    limits,
    prices::{self, SpotMarket},
    set::Shared,
    tags,
};
use async_trait::async_trait;
use aws_sdk_ec2::types::{Instance as Described, InstanceLifecycleType, InstanceStateName};
use pool_api::{
    BoxCloudError, HostKey, HostKeyVerdict, Instance, InstanceId, Lifecycle, Placement, PriceChange,
    ProviderType, RemoteUser, Tags,
};
use std::{fmt, sync::Arc, time::SystemTime};

/// One instance on EC2. See [`Instance`] for what its methods do.
pub struct Ec2Instance {
    shared: Arc<Shared>,
    id: InstanceId,
    provider_type: ProviderType,
    placement: Placement,
    address: Option<String>,
    tags: Tags,
    lifecycle: Lifecycle,
    created: Option<SystemTime>,
    spot_market: Option<SpotMarket>,
    price_history: Vec<PriceChange>,
}

impl Ec2Instance {
    /// From EC2's description.
    ///
    /// # Errors
    /// [`Ec2Error::BadAnswer`] when it has no id, type or state.
    pub(crate) fn new(
        shared: Arc<Shared>,
        call: &'static str,
        described: &Described,
    ) -> Result<Self, Ec2Error> {
        let id = described.instance_id().and_then(|id| InstanceId::new(id).ok());
        let provider_type = described.instance_type().and_then(|name| ProviderType::new(name.as_str()).ok());
        let state = described.state().and_then(|state| state.name());
        let (Some(id), Some(provider_type), Some(state)) = (id, provider_type, state) else {
            return Err(unreadable(call, "an instance has no id, type or state"));
        };
        let lifecycle =
            lifecycle(state).ok_or_else(|| unreadable(call, "an instance has an unknown state"))?;

        let mut tags = tags::from_sdk(described.tags());
        let scratch_gib = tags.get(tags::SCRATCH_GIB).and_then(|text| text.parse().ok()).unwrap_or(0);
        tags = tags.iter().filter(|(name, _)| *name != tags::SCRATCH_GIB).collect();

        let created = described.launch_time().and_then(|time| SystemTime::try_from(*time).ok());
        let is_spot = described.instance_lifecycle() == Some(&InstanceLifecycleType::Spot);
        let zone = described.placement().and_then(|placement| placement.availability_zone());
        let spot_market = zone
            .filter(|_| is_spot)
            .map(|zone| SpotMarket { provider_type: provider_type.clone(), zone: zone.into() });
        let scratch = prices::per_hour(shared.config.ebs_price, scratch_gib);
        let price_history = match (&spot_market, created) {
            (Some(market), Some(created)) => shared.prices.history(market, created, scratch),
            _ => Vec::new(),
        };
        Ok(Self {
            address: address(shared.config.address, described),
            placement: Placement::new(described.subnet_id().unwrap_or_default()),
            shared,
            id,
            provider_type,
            tags,
            lifecycle,
            created,
            spot_market,
            price_history,
        })
    }

    /// Where its price is made, if it is a spot instance.
    pub(crate) fn spot_market(&self) -> Option<&SpotMarket> {
        self.spot_market.as_ref()
    }
}

/// None for a state that this version of EC2's API does not have.
fn lifecycle(state: &InstanceStateName) -> Option<Lifecycle> {
    match state {
        InstanceStateName::Pending => Some(Lifecycle::Pending),
        InstanceStateName::Running => Some(Lifecycle::Running),
        // Terminated only in the answer to a create that was asked for again: the list leaves it out.
        InstanceStateName::ShuttingDown | InstanceStateName::Stopping | InstanceStateName::Terminated => {
            Some(Lifecycle::Stopping)
        }
        InstanceStateName::Stopped => Some(Lifecycle::Stopped),
        _ => None,
    }
}

fn address(kind: AddressKind, described: &Described) -> Option<String> {
    let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    match kind {
        AddressKind::Public => some(described.public_ip_address()),
        AddressKind::Private => some(described.private_ip_address())
            .or_else(|| some(described.ipv6_address()).map(|address| format!("[{address}]:22"))),
    }
}

impl fmt::Debug for Ec2Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2Instance")
            .field("id", &self.id)
            .field("lifecycle", &self.lifecycle)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Instance for Ec2Instance {
    fn id(&self) -> &InstanceId {
        &self.id
    }

    fn provider_type(&self) -> &ProviderType {
        &self.provider_type
    }

    /// Its subnet.
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

    fn price_history(&self) -> Vec<PriceChange> {
        self.price_history.clone()
    }

    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        limits::check_tags(tags, limits::TAGS.count)
            .map_err(|bad| Ec2Error::bad_request(format!("tags.{}", bad.name), bad.problem))?;
        if tags.is_empty() {
            return Ok(());
        }
        let call = self.shared.client.create_tags().resources(self.id.as_str());
        let answer = call.set_tags(Some(tags::to_sdk(tags))).send().await;
        answer.map_err(|error| from_sdk("CreateTags", error))?;
        Ok(())
    }

    async fn destroy(&self) -> Result<(), BoxCloudError> {
        let answer = self.shared.client.terminate_instances().instance_ids(self.id.as_str()).send().await;
        match answer.map_err(|error| from_sdk("TerminateInstances", error)) {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// "Unsupported", always.
    async fn verify_host_key(&self, _key: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        Ok(HostKeyVerdict::Unsupported)
    }
}
