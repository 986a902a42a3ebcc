//! The machines of one pool on Azure.

use crate::{
    AzureConfig, AzureError, AzureInstance,
    arm::Arm,
    limits,
    list::{Listed, list, pool_tags, tags_of},
    machine::machine,
    names::Names,
    quota_group::quota_group,
    sweep::{self, Seen},
};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, Capabilities, CreateRequest, DriverConfigError, DriverContext, Idempotency, Instance,
    InstanceSet, InstanceSetId, InstanceType, Placement, QuotaGroup, TagLimits, Tags,
};
use std::{fmt, sync::Arc};
use tokio::sync::Mutex;

/// What an instance set and its instances use together.
pub(crate) struct Shared {
    pub(crate) arm: Arm,
    pub(crate) config: AzureConfig,
    pub(crate) names: Names,
    pub(crate) set: InstanceSetId,
    pub(crate) seen: Mutex<Seen>,
}

impl Shared {
    /// The configured zones; without any, one placement without a name.
    pub(crate) fn placements(&self) -> Vec<Placement> {
        match &self.config.zones[..] {
            [] => vec![Placement::unnamed()],
            zones => zones.to_vec(),
        }
    }

    /// What is left of Azure's tags for the pool.
    pub(crate) fn tag_limits(&self) -> TagLimits {
        TagLimits { count: limits::TAGS.count - self.config.tags.len(), ..limits::TAGS }
    }
}

/// Azure's virtual machines of one instance set. See [`InstanceSet`] for what its methods do.
///
/// Nothing of it is kept on this machine.
pub struct AzureInstanceSet {
    shared: Arc<Shared>,
}

impl fmt::Debug for AzureInstanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureInstanceSet")
            .field("set", &self.shared.set)
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl AzureInstanceSet {
    /// Checks the configuration and makes a client. No call is made.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field that is wrong.
    pub fn open(config: AzureConfig, context: DriverContext) -> Result<Self, DriverConfigError> {
        config.validate()?;
        let arm = Arm::new(&config)?;
        let names = Names::of(&context.instance_set);
        let shared = Shared { arm, config, names, set: context.instance_set, seen: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    async fn run(&self, request: &CreateRequest) -> Result<AzureInstance, AzureError> {
        const CALL: &str = "create the virtual machine";
        let Shared { arm, config, names, .. } = &*self.shared;
        let name = names.machine(&request.token);
        let body = machine(&self.shared, &name, request)?;
        match arm.put_machine(&name, body).await {
            Ok(accepted) => accepted.done(arm, config.operation_timeout).await?,
            // The name is made from the token: it is the machine that was asked for before.
            Err(AzureError::Answered { status: 412, .. }) => {}
            Err(error) => return Err(error),
        }
        // Its address is known by its interface, which the pool's next list shows.
        let made = arm.machine(&name).await.and_then(|machine| {
            let tags = pool_tags(&tags_of(&machine));
            let listed = Listed { machine, tags, address: None, power: None };
            AzureInstance::new(Arc::clone(&self.shared), CALL, listed)
        });
        made.map_err(|error| AzureError::not_followed(CALL, &name, error))
    }

    async fn all(&self, wanted: &Tags) -> Result<Vec<AzureInstance>, AzureError> {
        let listed = list(&self.shared, wanted).await?;
        listed
            .into_iter()
            .map(|listed| AzureInstance::new(Arc::clone(&self.shared), "list the virtual machines", listed))
            .collect()
    }
}

#[async_trait]
impl InstanceSet for AzureInstanceSet {
    /// Follows the operation to its end, for at most `operation_timeout`, and reads the machine then. What a failed create
    /// leaves behind is listed as failed. Asked again, it answers with the machine as it is, be it unfinished or failed.
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        Ok(Arc::new(self.run(&request).await?))
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        let instances = self.all(filter).await?;
        Ok(instances.into_iter().map(|instance| Arc::new(instance) as Arc<dyn Instance>).collect())
    }

    fn quota_group(&self, instance_type: &InstanceType) -> QuotaGroup {
        quota_group(&self.shared.config.quota_groups, instance_type)
    }

    /// The configured zones.
    fn placements(&self) -> Vec<Placement> {
        self.shared.placements()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency: Idempotency::UniqueName,
            tags: self.shared.tag_limits(),
            preemptible: true,
            added_scratch: true,
            host_keys: false,
            list_settle_time: self.shared.config.list_settle_time,
        }
    }

    async fn sweep(&self) -> Result<usize, BoxCloudError> {
        Ok(sweep::sweep(&self.shared).await?)
    }

    /// Nothing runs in the background.
    async fn stop(&self) {}
}
