//! The driver and its configuration.

use crate::{Cloud, set::TemplateSet};
use async_trait::async_trait;
use pool_api::{Driver, DriverConfigError, DriverContext, InstanceSet, LabelCodec, LabelLimits};
use serde::Deserialize;
use std::sync::Arc;

/// What the operator configures: the table `[driver.template]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateConfig {
    /// Where machines can be put, in the order of preference.
    pub zones: Vec<String>,
    /// Whom to log in as.
    pub admin_user: String,
    /// Machines on one page of a list.
    pub page_size: usize,
}

impl Default for TemplateConfig {
    fn default() -> Self {
        Self { zones: vec!["a".into(), "b".into()], admin_user: "root".into(), page_size: 100 }
    }
}

impl TemplateConfig {
    /// Reads and checks it: errors name the field, and come before any call.
    fn read(table: serde_json::Value) -> Result<Self, DriverConfigError> {
        if table.is_null() {
            return Ok(Self::default());
        }
        let config: Self = serde_path_to_error::deserialize(table).map_err(|error| {
            DriverConfigError::new(error.path().to_string(), error.into_inner().to_string())
        })?;
        if config.zones.is_empty() {
            return Err(DriverConfigError::new("zones", "name at least one"));
        }
        if config.page_size == 0 {
            return Err(DriverConfigError::new("page_size", "must be at least 1"));
        }
        Ok(config)
    }
}

/// Opens instance sets. Its name is `template`.
#[derive(Clone, Debug, Default)]
pub struct TemplateDriver {
    cloud: Arc<Cloud>,
}

impl TemplateDriver {
    /// On this cloud. (A real driver makes its client in `open`, from the configuration.)
    pub fn new(cloud: Arc<Cloud>) -> Self {
        Self { cloud }
    }
}

#[async_trait]
impl Driver for TemplateDriver {
    fn name(&self) -> &'static str {
        "template"
    }

    async fn open(
        &self,
        config: serde_json::Value,
        _context: DriverContext,
    ) -> Result<Arc<dyn InstanceSet>, DriverConfigError> {
        let config = TemplateConfig::read(config)?;
        let codec = LabelCodec::new("pool", LabelLimits::GCE)
            .map_err(|error| DriverConfigError::new("template", "no label codec").because(error))?;
        Ok(Arc::new(TemplateSet::new(Arc::clone(&self.cloud), codec, config)))
    }
}
