//! Azure as the suite sees it.

use crate::{
    cloud::{self, Cloud},
    faults,
};
use async_trait::async_trait;
use azure_fake::Exchange;
use driver_azure::{AzureConfig, AzureDriver};
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{
    Architecture, ByteSize, Cpus, Driver as _, DriverContext, Executor, HourlyPrice, ImageId, InstanceId,
    InstanceSetId, InstanceType, InstanceTypeName, ProviderType,
};
use pool_conformance::{
    Account, Created, Fault, Fixtures, Harness, Interruption, Missing, Opened, Prepared, Proxy, Reach,
    Refusal, Settings, Tried,
};
use sha2::{Digest as _, Sha256};
use std::{path::PathBuf, sync::Arc, time::Duration};

pub(crate) struct AzureHarness {
    cloud: Prepared<Cloud>,
    /// With a key of this run.
    ssh: Arc<SshConfig>,
}

impl AzureHarness {
    pub(crate) fn new() -> Self {
        Self { cloud: Prepared::default(), ssh: Arc::new(SshConfig::new(PrivateKey::generate())) }
    }
}

/// With what the driver's names of a set begin.
fn prefix(set: &InstanceSetId) -> String {
    let digits: String = Sha256::digest(set.as_str()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("pool-{}-", &digits[..12])
}

/// It waits for a program in Python, and the first time for its installation.
async fn check(exchanges: Vec<Exchange>) -> Result<Vec<String>, String> {
    let checked = tokio::task::spawn_blocking(move || azure_fake::likeness::check(&exchanges)).await;
    checked.unwrap_or_else(|error| Err(error.to_string()))
}

#[expect(clippy::expect_used, reason = "constants that keep the rule")]
fn instance_type(name: &str) -> InstanceType {
    InstanceType {
        name: InstanceTypeName::new(name).expect("a valid name"),
        provider_type: ProviderType::new("Standard_D2s_v3").expect("a valid name"),
        vcpus: Cpus::whole(2),
        memory: ByteSize::gib(8),
        included_scratch: ByteSize(0),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::from_micros(96_000),
        preemptible: false,
        architecture: Architecture::X86_64,
        image: None,
    }
}

#[async_trait]
impl Harness for AzureHarness {
    fn driver(&self) -> &str {
        "azure"
    }

    async fn prepare(&self, settings: &Settings) -> Result<(), Missing> {
        let cloud = if settings.live {
            let account = Account::read(settings, |config| AzureConfig::from_value(config).map(drop))?;
            Tried::Live(Box::new(account))
        } else {
            // Found out at once, and not after all trials.
            check(Vec::new()).await.map_err(Missing)?;
            Tried::Local(Box::new(Cloud::start()?))
        };
        self.cloud.set(cloud)
    }

    fn fixtures(&self) -> Fixtures {
        let local = Fixtures {
            instance_type: instance_type("plain"),
            // Not a whole number of GiB.
            scratch_type: Some(InstanceType {
                added_scratch: ByteSize::mib(12_500),
                ..instance_type("scratch")
            }),
            preemptible_type: Some(InstanceType { preemptible: true, ..instance_type("spot") }),
            image: ImageId::new(cloud::IMAGE).ok(),
            public_key: self.ssh.key.public_key(),
            // The driver's limit is 10 s for each call, and a create is up to three.
            call_limit: Duration::from_secs(35),
            change_limit: Duration::from_secs(10),
            boot_limit: Duration::from_secs(600),
            many: 50,
        };
        self.cloud.fixtures(local, Duration::from_secs(300))
    }

    async fn open(&self, set: &InstanceSetId, wanted: &[Fault]) -> Result<Opened, Refusal> {
        let context = DriverContext { instance_set: set.clone(), state_dir: PathBuf::from("/nowhere") };
        let cloud = match self.cloud.tried()? {
            Tried::Local(cloud) => cloud,
            Tried::Live(account) if wanted.is_empty() => {
                return Ok(Opened::new(AzureDriver.open(account.config.clone(), context).await?));
            }
            Tried::Live(_) => return Err(Refusal::excluded("nothing is broken in a real account")),
        };
        let mut rules = Vec::new();
        for fault in wanted {
            rules.extend(faults::rules(fault)?);
        }
        let proxy = Proxy::start(Some(cloud.fake.address()), rules)?;
        let opened = Opened::new(AzureDriver.open(cloud.config(&proxy.url()), context).await?);
        let opened = opened.counting(proxy.counter(faults::is_of));
        cloud.keep(set, proxy);
        Ok(opened)
    }

    fn message(&self, fault: &Fault) -> String {
        faults::message(fault).to_owned()
    }

    async fn inspect(&self, _set: &InstanceSetId, id: &InstanceId) -> Result<Created, Refusal> {
        self.cloud.local()?.inspect(id)
    }

    async fn interrupt(
        &self,
        _set: &InstanceSetId,
        id: &InstanceId,
        interruption: Interruption,
    ) -> Result<(), Refusal> {
        match interruption {
            Interruption::Stop => self.cloud.local()?.stop(id),
            Interruption::Preempt => self.cloud.local()?.preempt(id),
        }
    }

    async fn leave_behind(&self, set: &InstanceSetId) -> Result<String, Refusal> {
        Ok(self.cloud.local()?.leave_disk(&format!("{}0123456789", prefix(set))))
    }

    async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal> {
        Ok(self.cloud.local()?.left(set, &prefix(set)))
    }

    async fn faulty_requests(&self) -> Result<Vec<String>, Refusal> {
        let exchanges = self.cloud.local()?.exchanges();
        if exchanges.is_empty() {
            return Err(Refusal::broken("no request was seen"));
        }
        check(exchanges).await.map_err(Refusal::broken)
    }

    fn secrets(&self) -> Vec<String> {
        self.cloud.local().map(|cloud| vec![cloud.secret().to_owned()]).unwrap_or_default()
    }

    fn reach(&self) -> Result<Arc<dyn Reach>, Refusal> {
        match self.cloud.tried()? {
            Tried::Live(_) => {
                let ssh = Arc::clone(&self.ssh);
                let over_ssh = move |target, verifier| -> Arc<dyn Executor> {
                    Arc::new(SshExecutor::new(Arc::clone(&ssh), Some(target), verifier))
                };
                Ok(Arc::new(over_ssh))
            }
            Tried::Local(_) => {
                Err(Refusal::excluded("there is no machine behind an instance of the stand-in's"))
            }
        }
    }
}
