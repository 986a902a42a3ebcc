//! How a call is made: within a time limit, and with credentials that may be had anew.

use crate::{
    GceConfig, GceError,
    client::Clients,
    error::{Failures, SdkError},
};
use pool_api::DriverConfigError;
use std::{fmt, future::Future, time::Duration};
use tokio::sync::Mutex;

/// The clients, and how they are used.
pub(crate) struct Calls {
    config: GceConfig,
    /// None after the credentials were refused for good: the SDK never asks for a token again then, though it may have
    /// been the metadata server that was not ready yet. The next call makes new ones.
    clients: Mutex<Option<Clients>>,
    pub(crate) failures: Failures,
}

impl Calls {
    /// Makes the clients. See [`Clients::new`].
    pub(crate) async fn new(config: GceConfig) -> Result<Self, DriverConfigError> {
        let clients = Mutex::new(Some(Clients::new(&config).await?));
        let failures = Failures { one_region: config.single_region().is_some() };
        Ok(Self { config, clients, failures })
    }

    /// Makes a call, within `call_timeout` with all that it takes: a token may have to be fetched first, for which the
    /// SDK has no limit.
    ///
    /// # Errors
    /// [`GceError`] with this name of the call.
    pub(crate) async fn make<T, F>(
        &self,
        call: &'static str,
        send: impl FnOnce(&Clients) -> F,
    ) -> Result<T, GceError>
    where
        F: Future<Output = Result<T, SdkError>>,
    {
        self.make_within(self.config.call_timeout, call, send).await
    }

    /// The same within another time limit.
    pub(crate) async fn make_within<T, F>(
        &self,
        limit: Duration,
        call: &'static str,
        send: impl FnOnce(&Clients) -> F,
    ) -> Result<T, GceError>
    where
        F: Future<Output = Result<T, SdkError>>,
    {
        let clients = self.clients(call).await?;
        let answer = match tokio::time::timeout(limit, send(&clients)).await {
            Ok(answer) => answer.map_err(|error| self.failures.of_call(call, error)),
            Err(source) => Err(GceError::TimedOut { call, limit, source: source.into() }),
        };
        if matches!(answer, Err(GceError::NoCredentials { passes: false, .. })) {
            *self.clients.lock().await = None;
        }
        answer
    }

    async fn clients(&self, call: &'static str) -> Result<Clients, GceError> {
        let mut current = self.clients.lock().await;
        if let Some(clients) = &*current {
            return Ok(clients.clone());
        }
        let made = Clients::new(&self.config).await;
        let made =
            made.map_err(|error| GceError::NoCredentials { call, passes: false, source: error.into() })?;
        *current = Some(made.clone());
        Ok(made)
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}
