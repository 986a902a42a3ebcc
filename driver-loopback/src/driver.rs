//! The driver.

use crate::{LoopbackConfig, LoopbackInstanceSet};
use async_trait::async_trait;
use pool_api::{Driver, DriverConfigError, DriverContext, InstanceSet};
use std::sync::Arc;

/// Opens instance sets on this machine. Its name is `loopback`, its configuration [`LoopbackConfig`].
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopbackDriver;

#[async_trait]
impl Driver for LoopbackDriver {
    fn name(&self) -> &'static str {
        "loopback"
    }

    async fn open(
        &self,
        config: serde_json::Value,
        context: DriverContext,
    ) -> Result<Arc<dyn InstanceSet>, DriverConfigError> {
        let config = LoopbackConfig::from_value(config)?;
        Ok(Arc::new(LoopbackInstanceSet::open(config, context).await?))
    }
}
