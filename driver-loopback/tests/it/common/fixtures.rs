//! An open instance set in a directory of its own.

use driver_loopback::{LoopbackConfig, LoopbackInstanceSet};
use pool_api::{
    Cpus, CreateRequest, DriverConfigError, DriverContext, HourlyPrice, IdempotencyToken, InitCommand,
    Instance, InstanceSet, InstanceSetId, InstanceType, Lifecycle, Placement, PublicKey, Tags,
};
use russh::keys::{Algorithm, PrivateKey};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Cloud {
    pub(crate) set: LoopbackInstanceSet,
    pub(crate) dir: TempDir,
    pub(crate) key: Arc<PrivateKey>,
}

pub(crate) fn config(value: serde_json::Value) -> LoopbackConfig {
    LoopbackConfig::from_value(value).unwrap()
}

pub(crate) fn context(dir: &Path) -> DriverContext {
    DriverContext { instance_set: InstanceSetId::new("test").unwrap(), state_dir: dir.to_owned() }
}

pub(crate) async fn open(
    dir: &Path,
    value: serde_json::Value,
) -> Result<LoopbackInstanceSet, DriverConfigError> {
    LoopbackInstanceSet::open(config(value), context(dir)).await
}

impl Cloud {
    pub(crate) async fn new(value: serde_json::Value) -> Self {
        let dir = TempDir::new().unwrap();
        let set = open(dir.path(), value).await.unwrap();
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap();
        Self { set, dir, key: Arc::new(key) }
    }

    /// As after a restart of the program.
    pub(crate) async fn reopen(self, value: serde_json::Value) -> Self {
        self.set.stop().await;
        let Self { set, dir, key } = self;
        drop(set);
        let set = open(dir.path(), value).await.unwrap();
        Self { set, dir, key }
    }

    pub(crate) fn request(&self, init: &str) -> CreateRequest {
        CreateRequest {
            instance_type: instance_type("small"),
            image: None,
            placement: Placement::unnamed(),
            tags: tags(&[("set", "test")]),
            init_command: InitCommand::new(init.into()),
            public_key: PublicKey(self.key.public_key().to_openssh().unwrap()),
            token: IdempotencyToken::from_bits(rand::random()),
        }
    }

    /// A new instance, when it is running.
    pub(crate) async fn running(&self, init: &str) -> Arc<dyn Instance> {
        let created = self.set.create(self.request(init)).await.unwrap();
        self.until(created.id().as_str(), |instance| instance.lifecycle() == Lifecycle::Running).await
    }

    pub(crate) async fn list(&self) -> Vec<Arc<dyn Instance>> {
        self.set.instances(&Tags::new()).await.unwrap()
    }

    /// The instance as it is listed, when it is as it should be. A list is the only way to learn of a change.
    pub(crate) async fn until(&self, id: &str, is_so: impl Fn(&dyn Instance) -> bool) -> Arc<dyn Instance> {
        let wait = async {
            loop {
                let listed = self.list().await.into_iter().find(|i| i.id().as_str() == id && is_so(&**i));
                match listed {
                    Some(instance) => return instance,
                    None => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        timeout(PATIENCE, wait).await.expect("the instance is not listed as it should be")
    }

    pub(crate) async fn until_gone(&self, id: &str) {
        let wait = async {
            while self.list().await.iter().any(|instance| instance.id().as_str() == id) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the instance is still listed");
    }

    pub(crate) async fn connect(&self, instance: &dyn Instance) -> super::client::Client {
        super::client::Client::connect(instance, &self.key).await.unwrap()
    }
}

pub(crate) fn instance_type(provider_type: &str) -> Arc<InstanceType> {
    Arc::new(InstanceType {
        name: provider_type.try_into().unwrap(),
        provider_type: provider_type.try_into().unwrap(),
        vcpus: Cpus::whole(1),
        memory: pool_api::ByteSize(1 << 30),
        included_scratch: pool_api::ByteSize(0),
        added_scratch: pool_api::ByteSize(0),
        gpus: 0,
        price: HourlyPrice::ZERO,
        preemptible: false,
        architecture: pool_api::Architecture::X86_64,
        image: None,
    })
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().copied().collect()
}

/// True when a process is there and has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_ascii_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Waits until a file is there and holds a whole line; its content without that line's end.
pub(crate) async fn file(path: &Path) -> String {
    let wait = async {
        loop {
            match fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text.trim_end().to_owned(),
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{} does not appear", path.display()))
}

/// Waits until a file holds the number of a process.
pub(crate) async fn pid(path: &Path) -> u32 {
    file(path).await.parse().unwrap()
}
