//! Reaching the instances of a real account.

use async_trait::async_trait;
use executor_ssh::{PrivateKey, SshConfig, SshExecutor};
use pool_api::{Executor, HostVerifier, PublicKey, Target};
use pool_conformance::Reach;
use std::sync::Arc;

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
