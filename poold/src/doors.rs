//! Where a running program is asked: its socket, and a port if it is to have one.

use crate::{
    access::{Tokens, TokensError},
    api::Service,
    config::ApiConfig,
    http::{self, AuditLog, Carrier, Gate, Measured, NetworkListener, SocketError},
    job::Moment,
    stopping::stopped,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

/// Connections on the socket at once: of commands, each with a few. More wait.
const MAX_SOCKET_CONNECTIONS: usize = 1024;

/// Why nobody could ask. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error("the socket for the commands cannot be made")]
    Socket(#[from] SocketError),
    #[error("nothing can listen on {address} (api.listen)")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "api.listen is {address}, and there is no token that counts, so nobody could be let in: make one with `poold token create \
         NAME --role admin --state-dir {state_dir}`"
    )]
    NoToken { address: SocketAddr, state_dir: PathBuf },
    #[error(transparent)]
    Tokens(#[from] TokensError),
}

/// Where it is asked.
pub(crate) struct Doors {
    socket: Carrier,
    network: Option<NetworkListener>,
    gate: Gate,
    max_connections: usize,
}

impl Doors {
    /// Opens them; nobody is answered yet.
    ///
    /// # Errors
    /// [`DoorError`].
    pub(crate) async fn open(api: &ApiConfig, state_dir: &Path) -> Result<Self, DoorError> {
        let network = match api.listening() {
            None => None,
            Some(listening) => {
                let address = listening.address;
                let known = Tokens::of(state_dir).all()?;
                if known.iter().all(|token| token.is_expired(Moment::now())) {
                    return Err(DoorError::NoToken { address, state_dir: state_dir.to_owned() });
                }
                let bound = NetworkListener::bind(&listening).await;
                Some(bound.map_err(|source| DoorError::Listen { address, source })?)
            }
        };
        let gate = Gate::new(state_dir, api);
        let socket = Carrier::Socket(http::listen(state_dir)?);
        Ok(Self { socket, network, gate, max_connections: api.max_connections as usize })
    }

    /// Most connections from clients.
    pub(crate) fn max_connections(api: &ApiConfig) -> u64 {
        MAX_SOCKET_CONNECTIONS as u64 + api.listen.map_or(0, |_| u64::from(api.max_connections))
    }

    /// Where on the network it is asked, for people.
    pub(crate) fn describe(&self) -> String {
        let Some(network) = &self.network else { return String::new() };
        let scheme = if network.has_tls() { "https" } else { "http" };
        network.address().map(|address| format!(" and {scheme}://{address}")).unwrap_or_default()
    }

    /// Answers until `stopping` says so.
    pub(crate) async fn serve(
        self,
        service: Arc<dyn Service>,
        audit: AuditLog,
        measured: Measured,
        stopping: watch::Receiver<bool>,
    ) {
        let router = measured.around(http::router(service, Arc::new(self.gate), Arc::new(audit)));
        let socket = http::serve(
            router.clone(),
            self.socket,
            MAX_SOCKET_CONNECTIONS,
            measured.clone(),
            stopped(stopping.clone()),
        );
        let network = async {
            if let Some(listener) = self.network {
                let carrier = Carrier::Network(listener);
                http::serve(router, carrier, self.max_connections, measured.clone(), stopped(stopping)).await;
            }
        };
        tokio::join!(socket, network);
    }
}
