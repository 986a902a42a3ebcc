//! The driver.

use crate::{Ec2Config, Ec2InstanceSet};
use async_trait::async_trait;
use pool_api::{Driver, DriverConfigError, DriverContext, InstanceSet};
use std::sync::Arc;

/// Opens instance sets on Amazon EC2. Its name is `ec2`, its configuration [`Ec2Config`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Ec2Driver;

#[async_trait]
impl Driver for Ec2Driver {
    fn name(&self) -> &'static str {
        "ec2"
    }

    /// Makes no call to EC2, and leaves the state directory alone.
    async fn open(
        &self,
        config: serde_json::Value,
        context: DriverContext,
    ) -> Result<Arc<dyn InstanceSet>, DriverConfigError> {
        let config = Ec2Config::from_value(config)?;
        Ok(Arc::new(Ec2InstanceSet::open(config, context).await?))
    }
}
