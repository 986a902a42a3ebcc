//! The instances of one pool on Compute Engine.

use crate::{
    GceConfig, GceError, GceInstance, calls::Calls, create, limits, list::list, operation,
    quota_group::quota_group, tags,
};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, Capabilities, CreateRequest, DriverConfigError, DriverContext, Idempotency, Instance,
    InstanceSet, InstanceSetId, InstanceType, Placement, QuotaGroup, Tags,
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What an instance set and its instances use together.
pub(crate) struct Shared {
    pub(crate) calls: Calls,
    pub(crate) config: GceConfig,
    /// By which the set's instances are found.
    pub(crate) labels: BTreeMap<String, String>,
    set: InstanceSetId,
}

/// Compute Engine's instances of one instance set. See [`InstanceSet`] for what its methods do.
///
/// Nothing of it is kept on this machine.
pub struct GceInstanceSet {
    shared: Arc<Shared>,
}

impl fmt::Debug for GceInstanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GceInstanceSet")
            .field("set", &self.shared.set)
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl GceInstanceSet {
    /// Checks the configuration and makes the clients. No call to Compute Engine is made.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field that is wrong.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing running but Google's library, which may be fetching a token.
    pub async fn open(config: GceConfig, context: DriverContext) -> Result<Self, DriverConfigError> {
        config.validate()?;
        let labels = tags::set_labels(&context.instance_set).map_err(|error| {
            DriverConfigError::new("instance_set", "cannot be made a label").because(error)
        })?;
        let calls = Calls::new(config.clone()).await?;
        Ok(Self { shared: Arc::new(Shared { calls, config, labels, set: context.instance_set }) })
    }

    async fn run(&self, request: &CreateRequest) -> Result<GceInstance, GceError> {
        const CALL: &str = "instances.insert";
        let Shared { calls, config, labels, .. } = &*self.shared;
        let body = create::instance(config, labels, request)?;
        let zone = request.placement.as_str();
        let accepted = calls.make(CALL, |clients| {
            let call = clients.instances.insert().set_project(&config.project).set_zone(zone);
            // Compute Engine knows a request id for a limited time; beyond it the name protects.
            call.set_request_id(request.token.to_uuid()).set_body(body).send()
        });
        let done = match accepted.await {
            Ok(accepted) => operation::done(&self.shared, CALL, zone, accepted).await,
            Err(error) => Err(error),
        };
        match done {
            // The name is made from the token: it is the instance that was asked for before.
            Err(error) if !error.is_name_taken() => Err(error),
            _ => self.made(request).await,
        }
    }

    /// The instance of a create that Compute Engine has carried out.
    async fn made(&self, request: &CreateRequest) -> Result<GceInstance, GceError> {
        const CALL: &str = "instances.get";
        let Shared { calls, config, .. } = &*self.shared;
        let name = create::name(&request.token);
        let found = calls.make(CALL, |clients| {
            let call = clients.instances.get().set_project(&config.project);
            call.set_zone(request.placement.as_str()).set_instance(&name).send()
        });
        let made = found.await.and_then(|described| {
            let tags = tags::from_metadata(described.metadata.as_ref()).unwrap_or_default();
            GceInstance::new(Arc::clone(&self.shared), CALL, &described, tags)
        });
        made.map_err(|error| GceError::not_followed("instances.insert", name, error))
    }

    async fn all(&self, wanted: &Tags) -> Result<Vec<GceInstance>, GceError> {
        let described = list(&self.shared, wanted).await?;
        described
            .into_iter()
            .map(|(instance, tags)| {
                GceInstance::new(Arc::clone(&self.shared), "instances.aggregatedList", &instance, tags)
            })
            .collect()
    }
}

#[async_trait]
impl InstanceSet for GceInstanceSet {
    /// Follows the operation to its end, for at most `operation_timeout`, and reads the instance then.
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        Ok(Arc::new(self.run(&request).await?))
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        let instances = self.all(filter).await?;
        Ok(instances.into_iter().map(|instance| Arc::new(instance) as Arc<dyn Instance>).collect())
    }

    fn quota_group(&self, instance_type: &InstanceType) -> QuotaGroup {
        let config = &self.shared.config;
        quota_group(&config.quota_groups, config.single_region(), instance_type)
    }

    /// The configured zones.
    fn placements(&self) -> Vec<Placement> {
        self.shared.config.zones.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let config = &self.shared.config;
        Capabilities {
            idempotency: Idempotency::UniqueName,
            tags: limits::TAGS,
            preemptible: true,
            added_scratch: true,
            host_keys: config.host_keys,
            list_settle_time: config.list_settle_time,
        }
    }

    /// The driver does nothing in the background. The task of Google's library that keeps an access token fresh ends by
    /// itself some time after the set is dropped.
    async fn stop(&self) {}
}
