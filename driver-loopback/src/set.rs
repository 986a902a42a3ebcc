//! The instances of one pool on this machine.

use crate::{LoopbackConfig, LoopbackInstance, Operation, world::World};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, Capabilities, CreateRequest, DriverConfigError, DriverContext, Instance, InstanceId,
    InstanceSet, InstanceType, Placement, QuotaGroup, Tags,
};
use std::sync::Arc;

/// The loopback's instances of one instance set. See [`InstanceSet`] for what its methods do.
///
/// Dropping it ends its background work and its SSH servers soon afterwards; [`stop`](InstanceSet::stop) waits for
/// that. Neither ends an instance: processes go on, and the next to open the state directory finds them again.
#[derive(Debug)]
pub struct LoopbackInstanceSet {
    world: Arc<World>,
}

impl LoopbackInstanceSet {
    /// Opens the state directory, which is made if need be, and takes up the instances in it: their SSH servers are
    /// started again, what was being booted or destroyed goes on. An init command that was running when the last
    /// process ended is not waited for and not run again.
    ///
    /// Must be called within a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// [`DriverConfigError`] when the configuration is wrong, or the directory is not the loopback's, is another
    /// instance set's, is served by another process, or cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing running.
    pub async fn open(config: LoopbackConfig, context: DriverContext) -> Result<Self, DriverConfigError> {
        config.validate()?;
        Ok(Self { world: World::open(config, context).await? })
    }
}

impl LoopbackInstanceSet {
    /// Stops an instance as a provider does that preempts it, or a human with the provider's own tools. It is listed as
    /// stopping, and as stopped when its processes have ended.
    pub fn preempt(&self, id: &InstanceId) {
        World::begin_stopping(&self.world, id);
    }
}

impl Drop for LoopbackInstanceSet {
    fn drop(&mut self) {
        self.world.close();
    }
}

#[async_trait]
impl InstanceSet for LoopbackInstanceSet {
    /// `image` is not used. Once the returned future has begun to carry the call out, dropping it changes nothing.
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        let answer = async || self.world.create(&request);
        let record = self.world.call(Operation::Create, answer).await?;
        Ok(Arc::new(LoopbackInstance::new(Arc::clone(&self.world), record)))
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        let records = self.world.call(Operation::List, async || self.world.list(filter)).await?;
        let listed = records.into_iter().map(|record| {
            Arc::new(LoopbackInstance::new(Arc::clone(&self.world), record)) as Arc<dyn Instance>
        });
        Ok(listed.collect())
    }

    fn quota_group(&self, instance_type: &InstanceType) -> QuotaGroup {
        self.world.config().group(&instance_type.provider_type)
    }

    fn placements(&self) -> Vec<Placement> {
        self.world.config().placements.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.world.config().capabilities()
    }

    async fn stop(&self) {
        self.world.stop().await;
    }
}
