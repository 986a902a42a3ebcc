//! The EC2 driver, whose instances are reached on this machine.

use async_trait::async_trait;
use driver_ec2::Ec2Driver;
use pool_core::{
    BoxCloudError, Capabilities, CreateRequest, Driver, DriverConfigError, DriverContext, HostKey,
    HostKeyVerdict, Instance, InstanceId, InstanceSet, InstanceType, Lifecycle, Placement, PriceChange,
    ProviderType, QuotaGroup, RemoteUser, Tags,
};
use std::{fs, path::PathBuf, sync::Arc, time::SystemTime};

/// The file in a machine's directory that says where its sshd listens.
const ADDRESS: &str = "address";

/// Named `ec2-here`. Its options are the EC2 driver's, and `machines`: the directory of the machines.
pub(crate) struct HereDriver;

#[async_trait]
impl Driver for HereDriver {
    fn name(&self) -> &'static str {
        "ec2-here"
    }

    async fn open(
        &self,
        mut config: serde_json::Value,
        context: DriverContext,
    ) -> Result<Arc<dyn InstanceSet>, DriverConfigError> {
        let machines = config.as_object_mut().and_then(|options| options.remove("machines"));
        let machines = machines.as_ref().and_then(serde_json::Value::as_str).map(PathBuf::from);
        let machines = machines.ok_or_else(|| DriverConfigError::new("machines", "must be a directory"))?;
        Ok(Arc::new(HereSet { ec2: Ec2Driver.open(config, context).await?, machines }))
    }
}

struct HereSet {
    ec2: Arc<dyn InstanceSet>,
    machines: PathBuf,
}

impl HereSet {
    fn here(&self, ec2: Arc<dyn Instance>) -> Arc<dyn Instance> {
        let dir = self.machines.join(ec2.id().as_str());
        let address = fs::read_to_string(dir.join(ADDRESS)).ok();
        Arc::new(HereInstance { ec2, address, root: dir.join("root").display().to_string() })
    }
}

#[async_trait]
impl InstanceSet for HereSet {
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        Ok(self.here(self.ec2.create(request).await?))
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        Ok(self.ec2.instances(filter).await?.into_iter().map(|instance| self.here(instance)).collect())
    }

    fn quota_group(&self, instance_type: &InstanceType) -> QuotaGroup {
        self.ec2.quota_group(instance_type)
    }

    fn placements(&self) -> Vec<Placement> {
        self.ec2.placements()
    }

    fn capabilities(&self) -> Capabilities {
        self.ec2.capabilities()
    }

    async fn sweep(&self) -> Result<usize, BoxCloudError> {
        self.ec2.sweep().await
    }

    async fn stop(&self) {
        self.ec2.stop().await;
    }
}

#[derive(Debug)]
struct HereInstance {
    ec2: Arc<dyn Instance>,
    address: Option<String>,
    root: String,
}

#[async_trait]
impl Instance for HereInstance {
    fn id(&self) -> &InstanceId {
        self.ec2.id()
    }
    fn provider_type(&self) -> &ProviderType {
        self.ec2.provider_type()
    }
    fn placement(&self) -> &Placement {
        self.ec2.placement()
    }
    /// Where the machine's sshd listens, once it has booted.
    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
    fn remote_user(&self) -> RemoteUser {
        self.ec2.remote_user()
    }
    fn tags(&self) -> &Tags {
        self.ec2.tags()
    }
    fn lifecycle(&self) -> Lifecycle {
        self.ec2.lifecycle()
    }
    fn created(&self) -> Option<SystemTime> {
        self.ec2.created()
    }
    /// All machines share this one's files.
    fn root(&self) -> &str {
        &self.root
    }
    /// This machine is not to be powered off.
    fn power_off(&self) -> Option<&str> {
        None
    }
    fn price_history(&self) -> Vec<PriceChange> {
        self.ec2.price_history()
    }
    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        self.ec2.set_tags(tags).await
    }
    async fn destroy(&self) -> Result<(), BoxCloudError> {
        self.ec2.destroy().await
    }
    async fn verify_host_key(&self, key: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        self.ec2.verify_host_key(key).await
    }
}
