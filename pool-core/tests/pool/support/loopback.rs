//! A loopback cloud in a directory of its own, and pools of it.

use super::runner_program;
use pool_core::{
    DriverContext, InstanceSet, InstanceSetLock, Pool, PoolBuilder, PoolConfig, PrivateKey, RunnerSource,
    SshConfig, SshConnector, Tags, WallClock, driver,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::SystemTime};
use tempfile::TempDir;

/// One type, and times that suit a test.
pub(crate) fn config() -> PoolConfig {
    config_with("")
}

/// The same with other fields before the types.
pub(crate) fn config_with(more: &str) -> PoolConfig {
    let text = format!(
        r#"
        instance_set = "test"
        sync_interval = "500ms"
        probe_interval = "500ms"
        timeout_idle = "10m"
        {more}

        [[instance_types]]
        name = "small"
        provider_type = "loop.small"
        vcpus = 4
        memory = "4 GiB"
        price = 0.01
        "#
    );
    PoolConfig::from_toml(&text).unwrap()
}

/// The directory of a cloud. Whatever is in it is destroyed with it, also when a test fails.
pub(crate) struct World {
    dir: TempDir,
    key: PrivateKey,
    cloud: Option<Arc<dyn InstanceSet>>,
}

impl World {
    pub(crate) async fn new(driver_config: Value) -> Self {
        let mut world = Self { dir: TempDir::new().unwrap(), key: PrivateKey::generate(), cloud: None };
        world.open(driver_config).await;
        world
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn cloud(&self) -> Arc<dyn InstanceSet> {
        self.cloud.clone().unwrap()
    }

    /// As a new program does, after the earlier one has stopped.
    pub(crate) async fn open(&mut self, driver_config: Value) {
        self.cloud = None;
        self.cloud = Some(open(self.dir.path(), driver_config).await);
    }

    pub(crate) fn lock(&self) -> InstanceSetLock {
        // By it each epoch is one more than the last.
        let clock = WallClock::from_fn(|| SystemTime::UNIX_EPOCH);
        InstanceSetLock::acquire_by(self.dir.path(), &"test".parse().unwrap(), &clock).unwrap()
    }

    pub(crate) fn builder(&self, config: PoolConfig) -> PoolBuilder {
        self.builder_for(self.cloud(), config)
    }

    /// A pool that sees the cloud through something else.
    pub(crate) fn builder_for(&self, cloud: Arc<dyn InstanceSet>, config: PoolConfig) -> PoolBuilder {
        let connector = SshConnector::new(SshConfig::new(self.key.clone()));
        Pool::builder(config, cloud, connector).runner(RunnerSource::file(runner_program()))
    }

    pub(crate) fn pool(&self, config: PoolConfig) -> Pool {
        self.builder(config).start().unwrap()
    }
}

async fn open(dir: &std::path::Path, config: Value) -> Arc<dyn InstanceSet> {
    let context = DriverContext { instance_set: "test".parse().unwrap(), state_dir: dir.join("loopback") };
    driver("loopback").unwrap().open(config, context).await.unwrap()
}

impl Drop for World {
    fn drop(&mut self) {
        let (dir, cloud) = (self.dir.path().to_owned(), self.cloud.take());
        // Not on the test's runtime, which is ending. Without the faults that the test had asked for.
        let destroying = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                if let Some(cloud) = cloud {
                    cloud.stop().await;
                }
                let cloud = open(&dir, json!({})).await;
                for instance in cloud.instances(&Tags::new()).await.unwrap() {
                    instance.destroy().await.unwrap();
                }
                cloud.stop().await;
            });
        });
        if destroying.join().is_err() && !std::thread::panicking() {
            panic!("the test's instances could not be destroyed");
        }
    }
}
