//! The instances of one pool on EC2.

use crate::{
    Ec2Config, Ec2Error, Ec2Instance,
    client::client,
    create,
    error::{from_sdk, unreadable},
    key_pair::KeyPairs,
    limits,
    list::list,
    prices::Prices,
    quota_group::quota_group,
    sweep,
};
use async_trait::async_trait;
use aws_sdk_ec2::Client;
use pool_api::{
    BoxCloudError, Capabilities, CreateRequest, DriverConfigError, DriverContext, Idempotency, Instance,
    InstanceSet, InstanceSetId, InstanceType, Placement, QuotaGroup, TagLimits, Tags,
};
use std::{fmt, sync::Arc, time::SystemTime};

/// What an instance set and its instances use together.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) config: Ec2Config,
    pub(crate) prices: Arc<Prices>,
    set: InstanceSetId,
    key_pairs: KeyPairs,
}

/// EC2's instances of one instance set. See [`InstanceSet`] for what its methods do.
///
/// Nothing of it is kept on this machine.
pub struct Ec2InstanceSet {
    shared: Arc<Shared>,
}

impl fmt::Debug for Ec2InstanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2InstanceSet")
            .field("set", &self.shared.set)
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Ec2InstanceSet {
    /// Checks the configuration and makes a client. No call is made.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field that is wrong.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing running.
    pub async fn open(config: Ec2Config, context: DriverContext) -> Result<Self, DriverConfigError> {
        config.validate()?;
        let client = client(&config).await;
        let shared = Shared {
            client,
            config,
            prices: Arc::default(),
            set: context.instance_set,
            key_pairs: KeyPairs::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    async fn run(&self, request: &CreateRequest) -> Result<Ec2Instance, Ec2Error> {
        let Shared { client, config, set, key_pairs, .. } = &*self.shared;
        let plan = create::plan(config, set, request)?;
        let key_name = key_pairs.name(client, set, &config.tags, &plan.key).await?;
        let call = plan.run_instances(config, request, key_name);
        let answer = call.send_with(client).await.map_err(|error| from_sdk("RunInstances", error));
        if let Err(error) = &answer
            && error.is_code("InvalidKeyPair.NotFound")
        {
            key_pairs.forget(&plan.key).await;
        }
        let answer = answer?;
        match answer.instances() {
            [instance] => Ec2Instance::new(Arc::clone(&self.shared), "RunInstances", instance),
            _ => Err(unreadable("RunInstances", "one instance was asked for")),
        }
    }

    async fn all(&self, wanted: &Tags) -> Result<Vec<Ec2Instance>, Ec2Error> {
        let Shared { client, config, prices, .. } = &*self.shared;
        let described = list(client, config, wanted).await?;
        let instances = described
            .iter()
            .map(|instance| Ec2Instance::new(Arc::clone(&self.shared), "DescribeInstances", instance))
            .collect::<Result<Vec<_>, _>>()?;
        let spot = || instances.iter().filter(|instance| instance.spot_market().is_some());
        let oldest = spot().filter_map(Instance::created).min().unwrap_or_else(SystemTime::now);
        let markets = spot().filter_map(Ec2Instance::spot_market).cloned().collect();
        prices.refresh(client, config.spot_price_interval, markets, oldest);
        Ok(instances)
    }
}

#[async_trait]
impl InstanceSet for Ec2InstanceSet {
    /// Dropping the future before its call has been answered may have made the instance, or imported the key pair.
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

    /// The configured subnets.
    fn placements(&self) -> Vec<Placement> {
        self.shared.config.subnets.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let config = &self.shared.config;
        let ours = config.tags.len() + limits::OWN_TAGS;
        Capabilities {
            idempotency: Idempotency::Token,
            tags: TagLimits { count: limits::TAGS.count - ours, ..limits::TAGS },
            preemptible: true,
            added_scratch: true,
            host_keys: false,
            list_settle_time: config.list_settle_time,
        }
    }

    async fn sweep(&self) -> Result<usize, BoxCloudError> {
        let Shared { client, config, set, .. } = &*self.shared;
        Ok(sweep::sweep(client, set, config.leftover_age).await?)
    }

    async fn stop(&self) {
        self.shared.prices.stop().await;
    }
}
