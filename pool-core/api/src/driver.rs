//! Where instance sets come from.

use crate::{InstanceSet, InstanceSetId};
use async_trait::async_trait;
use std::{error::Error, path::PathBuf, sync::Arc};

/// What a driver gets beside its own configuration.
#[derive(Clone, Debug)]
pub struct DriverContext {
    /// Whose instances these are.
    pub instance_set: InstanceSetId,
    /// A directory for what the driver must keep on this machine, of this instance set alone. It may not exist yet.
    pub state_dir: PathBuf,
}

/// A driver's configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct DriverConfigError {
    /// The field, as a path from the driver's own table (`faults.create.error_rate`); the file or directory
    /// where that is at fault.
    pub field: String,
    /// What is wrong with it and what to do.
    pub problem: String,
    /// What went wrong below, if anything.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl DriverConfigError {
    /// A field and what is wrong with it.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), source: None }
    }

    /// The same, with what went wrong below.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// One kind of cloud.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// The name that selects it in a configuration: `ec2`, `azure`, `gce`, `loopback`.
    fn name(&self) -> &'static str;

    /// Checks a configuration and opens an instance set with it. Creates no instance.
    ///
    /// `config` is the driver's own table of the configuration, `null` where there is none. Unknown fields
    /// are errors.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field that is wrong. Nothing was started then.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing running.
    async fn open(
        &self,
        config: serde_json::Value,
        context: DriverContext,
    ) -> Result<Arc<dyn InstanceSet>, DriverConfigError>;
}
