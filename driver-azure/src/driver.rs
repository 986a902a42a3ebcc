//! The driver.

use crate::{AzureConfig, AzureInstanceSet};
use async_trait::async_trait;
use pool_api::{Driver, DriverConfigError, DriverContext, InstanceSet};
use std::sync::Arc;

/// Opens instance sets on Microsoft Azure. Its name is `azure`, its configuration [`AzureConfig`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AzureDriver;

#[async_trait]
impl Driver for AzureDriver {
    fn name(&self) -> &'static str {
        "azure"
    }

    /// Makes no call to Azure, and leaves the state directory alone.
    async fn open(
        &self,
        config: serde_json::Value,
        context: DriverContext,
    ) -> Result<Arc<dyn InstanceSet>, DriverConfigError> {
        let config = AzureConfig::from_value(config)?;
        Ok(Arc::new(AzureInstanceSet::open(config, context)?))
    }
}
