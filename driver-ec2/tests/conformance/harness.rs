//! EC2 as the suite sees it.

use crate::{
    cloud::{self, Cloud},
    faults,
};
use async_trait::async_trait;
use driver_ec2::{Ec2Config, Ec2Driver};
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{
    Architecture, ByteSize, Cpus, Driver as _, DriverContext, Executor, HourlyPrice, InstanceId,
    InstanceSetId, InstanceType, InstanceTypeName, ProviderType,
};
use pool_conformance::{
    Account, Created, Failure, Fault, Fixtures, Harness, Interruption, Missing, Opened, Prepared, Proxy,
    Reach, Refusal, Settings, Tried,
};
use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const LARGEST_PAGE: usize = 1000;

pub(crate) struct Ec2Harness {
    cloud: Prepared<Cloud>,
    /// With a key of this run.
    ssh: Arc<SshConfig>,
    /// What stands between each open set and the cloud.
    proxies: Mutex<HashMap<InstanceSetId, Proxy>>,
    /// Every request that the driver has sent, once.
    requests: Mutex<BTreeSet<String>>,
}

impl Ec2Harness {
    pub(crate) fn new() -> Self {
        Self {
            cloud: Prepared::default(),
            ssh: Arc::new(SshConfig::new(PrivateKey::generate())),
            proxies: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// Remembers what a proxy has seen, which then ends.
    fn collect(&self, proxy: &Proxy) {
        lock(&self.requests).extend(proxy.requests().iter().map(pool_conformance::Request::text));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::expect_used, reason = "constants that keep the rule")]
fn instance_type(name: &str) -> InstanceType {
    InstanceType {
        name: InstanceTypeName::new(name).expect("a valid name"),
        provider_type: ProviderType::new("m5.large").expect("a valid name"),
        vcpus: Cpus::whole(2),
        memory: ByteSize::gib(8),
        included_scratch: ByteSize(0),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::from_micros(115_000),
        preemptible: false,
        architecture: Architecture::X86_64,
        image: None,
    }
}

#[async_trait]
impl Harness for Ec2Harness {
    fn driver(&self) -> &str {
        "ec2"
    }

    async fn prepare(&self, settings: &Settings) -> Result<(), Missing> {
        let cloud = if settings.live {
            let account = Account::read(settings, |config| Ec2Config::from_value(config).map(drop))?;
            Tried::Live(Box::new(account))
        } else {
            Tried::Local(Box::new(Cloud::start().await?))
        };
        self.cloud.set(cloud)
    }

    fn fixtures(&self) -> Fixtures {
        let local = Fixtures {
            instance_type: instance_type("plain"),
            // Not a whole number of GiB.
            scratch_type: Some(InstanceType {
                added_scratch: ByteSize::mib(2500),
                ..instance_type("scratch")
            }),
            preemptible_type: Some(InstanceType { preemptible: true, ..instance_type("spot") }),
            image: self.cloud.local().ok().map(|cloud| cloud.image.clone()),
            public_key: self.ssh.key.public_key(),
            // The driver's limit is 10 s for each call, and a create is up to three.
            call_limit: Duration::from_secs(35),
            change_limit: Duration::from_secs(10),
            boot_limit: Duration::from_secs(600),
            many: 50,
        };
        self.cloud.fixtures(local, Duration::from_secs(120))
    }

    async fn open(&self, set: &InstanceSetId, wanted: &[Fault]) -> Result<Opened, Refusal> {
        let context = DriverContext { instance_set: set.clone(), state_dir: PathBuf::from("/nowhere") };
        let cloud = match self.cloud.tried()? {
            Tried::Local(cloud) => cloud,
            Tried::Live(account) if wanted.is_empty() => {
                return Ok(Opened::new(Ec2Driver.open(account.config.clone(), context).await?));
            }
            Tried::Live(_) => return Err(Refusal::excluded("nothing is broken in a real account")),
        };
        let mut rules = Vec::new();
        let mut page_size = LARGEST_PAGE;
        for fault in wanted {
            rules.extend(faults::rule(fault)?);
            if let Failure::SmallPages(size) = fault.failure {
                page_size = size;
            }
        }
        let proxy = Proxy::start(Some(cloud.moto.address()), rules)?;
        let opened = Ec2Driver.open(cloud.config(&proxy.url(), page_size), context).await?;
        let opened = Opened::new(opened).counting(proxy.counter(faults::is_of));
        let earlier = lock(&self.proxies).insert(set.clone(), proxy);
        if let Some(earlier) = earlier {
            self.collect(&earlier);
        }
        Ok(opened)
    }

    fn message(&self, _fault: &Fault) -> String {
        faults::MESSAGE.to_owned()
    }

    async fn inspect(&self, _set: &InstanceSetId, id: &InstanceId) -> Result<Created, Refusal> {
        self.cloud.local()?.inspect(id).await
    }

    async fn interrupt(
        &self,
        _set: &InstanceSetId,
        id: &InstanceId,
        interruption: Interruption,
    ) -> Result<(), Refusal> {
        match interruption {
            Interruption::Stop => self.cloud.local()?.stop(id).await,
            Interruption::Preempt => self.cloud.local()?.terminate(id).await,
        }
    }

    async fn leave_behind(&self, set: &InstanceSetId) -> Result<String, Refusal> {
        self.cloud.local()?.leave_volume(set).await
    }

    async fn left(&self, set: &InstanceSetId) -> Result<Vec<String>, Refusal> {
        self.cloud.local()?.left(set).await
    }

    async fn faulty_requests(&self) -> Result<Vec<String>, Refusal> {
        let cloud = self.cloud.local()?;
        let proxies = std::mem::take(&mut *lock(&self.proxies));
        proxies.values().for_each(|proxy| self.collect(proxy));
        let requests = std::mem::take(&mut *lock(&self.requests));
        if requests.is_empty() {
            return Err(Refusal::broken("no request was seen"));
        }
        cloud.moto.check(&requests).map_err(Refusal::broken)
    }

    fn secrets(&self) -> Vec<String> {
        vec![cloud::SECRET_KEY.to_owned()]
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
            Tried::Local(_) => Err(Refusal::excluded("there is no machine behind an instance of moto's")),
        }
    }
}
