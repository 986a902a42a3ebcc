//! How the provider behaves.

use crate::{config::ServeConfig, say::with_causes};
use driver_loopback::LoopbackConfig;
use pool_core::{ConfigError, DriverConfigError, read_toml_file};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where nothing says how long a machine boots.
const BOOT_TIME: &str = "60s";
const LOOPBACK: &str = "loopback";

/// Why it cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error(transparent)]
    File(#[from] ConfigError),
    #[error("{path} cannot be used:\n  {}", with_causes(.problem))]
    Options { path: PathBuf, problem: DriverConfigError },
    #[error("driver.options: {}", with_causes(.0))]
    Driver(DriverConfigError),
}

/// The provider, and who says so.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) config: LoopbackConfig,
    /// For people.
    pub(super) source: String,
}

impl Provider {
    /// What the file says; else what the configuration says of the loopback, if that is its driver; else the default.
    ///
    /// # Errors
    /// [`ProviderError`], with the field.
    pub(super) fn choose(
        file: Option<&Path>,
        seed: Option<u64>,
        config: &ServeConfig,
    ) -> Result<Self, ProviderError> {
        let mut provider = match file {
            Some(path) => {
                let mut options: Value = read_toml_file(path)?;
                if let Some(table) = options.as_object_mut() {
                    table.entry("boot_time").or_insert_with(|| json!(BOOT_TIME));
                }
                let config = LoopbackConfig::from_value(options)
                    .map_err(|problem| ProviderError::Options { path: path.to_owned(), problem })?;
                Self { config, source: path.display().to_string() }
            }
            None if config.driver.name == LOOPBACK => {
                let options = config.driver.options.clone();
                let config = LoopbackConfig::from_value(options).map_err(ProviderError::Driver)?;
                Self { config, source: "[driver.options] of the configuration".to_owned() }
            }
            None => {
                let options = json!({"boot_time": BOOT_TIME});
                let config = LoopbackConfig::from_value(options).map_err(ProviderError::Driver)?;
                Self { config, source: "the default".to_owned() }
            }
        };
        if let Some(seed) = seed {
            provider.config.seed = seed;
        }
        Ok(provider)
    }

    /// What makes the answer another than the one that was meant, for people.
    pub(super) fn remarks(&self, config: &ServeConfig) -> Vec<String> {
        let (boot, most) = (self.config.boot_time, config.pool.timeout_booting);
        let mut remarks = Vec::new();
        if boot >= most {
            remarks.push(format!(
                "instances boot in {} and are given up after {} (pool.timeout_booting): none will ever be ready",
                humantime::format_duration(boot),
                humantime::format_duration(most)
            ));
        }
        remarks
    }
}
