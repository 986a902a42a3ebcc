//! A real account.

use async_trait::async_trait;
use driver_ec2::Ec2Config;
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{Executor, HostVerifier, ImageId, InstanceType, PublicKey, Target};
use pool_conformance::{Missing, Reach, Settings};
use serde::Deserialize;
use std::{fs, sync::Arc};

/// What the trials need to know beside the driver's own table, in the table `conformance` of the same file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trials {
    /// An image that lets `admin_user` in and runs cloud-init.
    pub(crate) image: ImageId,
    /// The cheapest type that boots it.
    pub(crate) instance_type: InstanceType,
}

/// The driver's table and the table `conformance` of the file that the command line names.
pub(crate) fn read(settings: &Settings) -> Result<(serde_json::Value, Trials), Missing> {
    const HOW: &str = "a real account needs --config FILE: the driver's own table, and a table `conformance` with `image` \
                       and `instance_type`";
    let path = settings.config.as_ref().ok_or_else(|| Missing(HOW.to_owned()))?;
    let in_file = |problem: String| Missing(format!("{}: {problem}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| in_file(error.to_string()))?;
    let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| in_file(error.to_string()))?;
    let trials = table.remove("conformance").ok_or_else(|| in_file(HOW.to_owned()))?;
    let trials = trials.try_into().map_err(|error| in_file(format!("conformance: {error}")))?;
    let config = serde_json::to_value(table)?;
    Ec2Config::from_value(config.clone())?;
    Ok((config, trials))
}

/// Reaches instances over SSH with a key of this run.
#[derive(Clone, Debug)]
pub(crate) struct OverSsh(Arc<SshConfig>);

impl OverSsh {
    pub(crate) fn new() -> Self {
        Self(Arc::new(SshConfig::new(PrivateKey::generate())))
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.0.key.public_key()
    }
}

#[async_trait]
impl Reach for OverSsh {
    fn executor(&self, target: Target, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        Arc::new(SshExecutor::new(Arc::clone(&self.0), Some(target), verifier))
    }
}
