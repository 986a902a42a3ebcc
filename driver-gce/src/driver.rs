//! The driver.

use crate::{GceConfig, GceInstanceSet};
use async_trait::async_trait;
use pool_api::{Driver, DriverConfigError, DriverContext, InstanceSet};
use std::sync::Arc;

/// Opens instance sets on Google Compute Engine. Its name is `gce`, its configuration [`GceConfig`].
#[derive(Clone, Copy, Debug, Default)]
pub struct GceDriver;

#[async_trait]
impl Driver for GceDriver {
    fn name(&self) -> &'static str {
        "gce"
    }

    /// Makes no call to Compute Engine, and leaves the state directory alone. Google's library begins to fetch an access
    /// token.
    async fn open(
        &self,
        config: serde_json::Value,
        context: DriverContext,
    ) -> Result<Arc<dyn InstanceSet>, DriverConfigError> {
        let config = GceConfig::from_value(config)?;
        Ok(Arc::new(GceInstanceSet::open(config, context).await?))
    }
}
