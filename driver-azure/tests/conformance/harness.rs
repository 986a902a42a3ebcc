//! Azure as the suite sees it.

use crate::{
    cloud::{self, Cloud},
    faults,
    live::OverSsh,
};
use async_trait::async_trait;
use azure_fake::Exchange;
use driver_azure::{AzureConfig, AzureDriver};
use pool_api::{
    Architecture, ByteSize, Cpus, Driver as _, DriverContext, HourlyPrice, ImageId, InstanceId,
    InstanceSetId, InstanceType, InstanceTypeName, ProviderType,
};
use pool_conformance::{
    Account, Created, Fault, Fixtures, Harness, Interruption, Missing, Opened, Proxy, Reach, Refusal,
    Settings,
};
use sha2::{Digest as _, Sha256};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

pub(crate) struct AzureHarness {
    cloud: OnceLock<Tried>,
    ssh: OverSsh,
}

/// What the trials are made against.
enum Tried {
    Local(Box<Cloud>),
    Live(Box<Account>),
}

impl AzureHarness {
    pub(crate) fn new() -> Self {
        Self { cloud: OnceLock::new(), ssh: OverSsh::new() }
    }

    fn tried(&self) -> Result<&Tried, Refusal> {
        self.cloud.get().ok_or_else(|| Refusal::broken("the harness was not prepared"))
    }

    fn cloud(&self) -> Result<&Cloud, Refusal> {
        match self.tried()? {
            Tried::Local(cloud) => Ok(cloud),
            Tried::Live(_) => {
                Err(Refusal::excluded("in a real account nothing is seen or done but through the driver"))
            }
        }
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
        self.cloud.set(cloud).map_err(|_| Missing("the harness was prepared twice".to_owned()))
    }

    fn fixtures(&self) -> Fixtures {
        let of_account = |local: Fixtures| match self.cloud.get() {
            Some(Tried::Live(account)) => Fixtures {
                instance_type: account.instance_type.clone(),
                scratch_type: None,
                preemptible_type: None,
                image: Some(account.image.clone()),
                call_limit: Duration::from_secs(300),
                change_limit: Duration::from_secs(300),
                many: 2,
                ..local
            },
            _ => local,
        };
        of_account(Fixtures {
            instance_type: instance_type("plain"),
            // Not a whole number of GiB.
            scratch_type: Some(InstanceType {
                added_scratch: ByteSize::mib(12_500),
                ..instance_type("scratch")
            }),
            preemptible_type: Some(InstanceType { preemptible: true, ..instance_type("spot") }),
            image: ImageId::new(cloud::IMAGE).ok(),
            public_key: self.ssh.public_key(),
            // The driver's limit is 10 s for each call, and a create is up to three.
            call_limit: Duration::from_secs(35),
            change_limit: Duration::from_secs(10),
            boot_limit: Duration::from_secs(600),
            many: 50,
        })
    }

    async fn open(&self, set: &InstanceSetId, wanted: &[Fault]) -> Result<Opened, Refusal> {
        let context = DriverContext { instance_set: set.clone(), state_dir: PathBuf::from("/nowhere") };
        let cloud = match self.tried()? {
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
        self.cloud()?.inspect(id)
    }

    async fn interrupt(
        &self,
        _set: &InstanceSetId,
        id: &InstanceId,
        interruption: Interruption,
    ) -> Result<(), Refusal> {
        match interruption {
            Interruption::Stop => self.cloud()?.stop(id),
            Interruption::Preempt => self.cloud()?.preempt(id),
        }
    }

    async fn leave_behind(&self, set: &InstanceSetId) -> Result<String, Refusal> {
        Ok(self.cloud()?.leave_disk(&format!("{}0123456789", prefix(set))))
    }

    async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal> {
        Ok(self.cloud()?.left(set, &prefix(set)))
    }

    async fn faulty_requests(&self) -> Result<Vec<String>, Refusal> {
        let exchanges = self.cloud()?.exchanges();
        if exchanges.is_empty() {
            return Err(Refusal::broken("no request was seen"));
        }
        check(exchanges).await.map_err(Refusal::broken)
    }

    fn secrets(&self) -> Vec<String> {
        self.cloud().map(|cloud| vec![cloud.secret().to_owned()]).unwrap_or_default()
    }

    fn reach(&self) -> Result<Arc<dyn Reach>, Refusal> {
        match self.tried()? {
            Tried::Live(_) => Ok(Arc::new(self.ssh.clone())),
            Tried::Local(_) => {
                Err(Refusal::excluded("there is no machine behind an instance of the stand-in's"))
            }
        }
    }
}
