//! How connections to workers are made.

use pool_api::{Executor, HostVerifier, PublicKey, Target};
use std::sync::Arc;

/// Makes the executors of workers. [`SshConnector`] is the one that people use.
pub trait Connector: Send + Sync + 'static {
    /// The key that instances must let in.
    fn public_key(&self) -> PublicKey;

    /// An executor for one worker. It connects when it is first used.
    fn executor(&self, target: Option<Target>, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor>;
}

/// Reaches simulated workers.
#[cfg(feature = "loopback")]
impl Connector for driver_loopback::sim::SimSeat {
    fn public_key(&self) -> PublicKey {
        Self::public_key(self)
    }

    fn executor(&self, target: Option<Target>, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        Self::executor(self, target, verifier)
    }
}

/// Reaches workers over SSH.
#[cfg(feature = "ssh")]
#[derive(Clone, Debug)]
pub struct SshConnector(Arc<executor_ssh::SshConfig>);

#[cfg(feature = "ssh")]
impl SshConnector {
    /// With a key of the pool's own, and what else there is to configure.
    pub fn new(config: executor_ssh::SshConfig) -> Self {
        Self(Arc::new(config))
    }
}

#[cfg(feature = "ssh")]
impl Connector for SshConnector {
    fn public_key(&self) -> PublicKey {
        self.0.key.public_key()
    }

    fn executor(&self, target: Option<Target>, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        Arc::new(executor_ssh::SshExecutor::new(self.0.clone(), target, verifier))
    }
}
