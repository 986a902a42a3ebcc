//! The instances of one pool in this cloud.

use crate::{Cloud, Machine, TemplateConfig, cloud::Secret, error::driver_error, instance::TemplateInstance};
use async_trait::async_trait;
use pool_api::{
    BoxCloudError, Capabilities, CreateRequest, DriverError, ErrorClass, Idempotency, Instance, InstanceSet,
    InstanceType, LabelCodec, LabelError, Placement, QuotaGroup, TagLimits, Tags,
};
use std::{sync::Arc, time::Duration};

pub(crate) struct TemplateSet {
    cloud: Arc<Cloud>,
    codec: LabelCodec,
    config: TemplateConfig,
}

impl TemplateSet {
    pub(crate) fn new(cloud: Arc<Cloud>, codec: LabelCodec, config: TemplateConfig) -> Self {
        Self { cloud, codec, config }
    }

    fn instance(&self, machine: Machine) -> Result<Arc<dyn Instance>, DriverError> {
        let user = self.config.admin_user.clone();
        Ok(Arc::new(TemplateInstance::new(Arc::clone(&self.cloud), self.codec.clone(), machine, user)?))
    }
}

/// Tags that do not fit into labels.
pub(crate) fn bad_tags(error: LabelError) -> DriverError {
    DriverError::new("tags", ErrorClass::InvalidRequest, error.to_string())
}

#[async_trait]
impl InstanceSet for TemplateSet {
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        // The pool decides where: never fall back to another placement.
        if !self.placements().contains(&request.placement) {
            let message = format!("{} is none of the zones", request.placement);
            return Err(DriverError::new("create", ErrorClass::InvalidRequest, message).into());
        }
        let machine = Machine {
            // The same token, the same name: the provider makes no second one.
            name: format!("pool-{}", request.token),
            machine_type: request.instance_type.provider_type.to_string(),
            zone: request.placement.as_str().to_owned(),
            image: request.image.map(|image| image.to_string()).unwrap_or_default(),
            labels: self.codec.encode(&request.tags).map_err(bad_tags)?,
            startup_script: Secret(request.init_command.expose().to_owned()),
            ssh_key: request.public_key.0,
            stopped: false,
        };
        let made = match self.cloud.insert(machine.clone()) {
            Ok(()) => machine,
            Err(refusal) if refusal.code == "alreadyExists" => {
                self.cloud.get(&machine.name).map_err(|refusal| driver_error("create", refusal))?
            }
            Err(refusal) => return Err(driver_error("create", refusal).into()),
        };
        Ok(self.instance(made)?)
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        let labels = self.codec.encode(filter).map_err(bad_tags)?;
        let mut instances = Vec::new();
        let mut next = None;
        loop {
            // All or nothing: `?` gives the whole list up.
            let page = self.cloud.list(&labels, next, self.config.page_size);
            let (machines, more) = page.map_err(|refusal| driver_error("list", refusal))?;
            for machine in machines {
                instances.push(self.instance(machine)?);
            }
            next = more;
            if next.is_none() {
                return Ok(instances);
            }
        }
    }

    fn quota_group(&self, _: &InstanceType) -> QuotaGroup {
        #[expect(clippy::expect_used, reason = "a constant that keeps the rule")]
        QuotaGroup::new("account").expect("a valid name")
    }

    fn placements(&self) -> Vec<Placement> {
        self.config.zones.iter().map(Placement::new).collect()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency: Idempotency::UniqueName,
            tags: TagLimits { count: 16, name_length: 63, value_length: 128 },
            preemptible: false,
            added_scratch: false,
            host_keys: false,
            list_settle_time: Duration::ZERO,
        }
    }

    async fn stop(&self) {}
}
