//! One connection: TCP, key exchange, login, verification, and then as many channels as there are places.

use crate::{
    SshConfig,
    address::Address,
    client::{Client, SeenHostKey},
    command,
    end::{Cause, End, EndMarker},
    slots::Slots,
    socket::Socket,
};
use async_trait::async_trait;
use pool_api::{
    Command, CommandOutput, ExecutorError, HostVerifier, Privilege, RemoteUser, Target, UnverifiedHost,
};
use russh::{
    cipher,
    client::{self, AuthResult},
    keys::{Algorithm, EcdsaCurve},
};
use std::{borrow::Cow, future::Future, sync::Arc, time::Duration};
use tokio::{io::BufReader, net::TcpStream, time::timeout};

/// A connection that is logged in. Dropping it ends it.
pub(crate) struct Connection {
    pub(crate) handle: client::Handle<Client>,
    pub(crate) privilege: Privilege,
    pub(crate) slots: Arc<Slots>,
    pub(crate) end: End,
    marker: EndMarker,
    socket: Socket,
}

impl Connection {
    /// Connects, logs in and has the host verified.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection.
    pub(crate) async fn make(
        config: &SshConfig,
        target: &Target,
        verifier: &dyn HostVerifier,
    ) -> Result<Arc<Self>, ExecutorError> {
        let address: Address = target.address.parse()?;
        let stream = within("connect", config.connect_timeout, async {
            let connecting = TcpStream::connect((address.host.as_str(), address.port));
            connecting.await.map_err(|source| connect_error(&address, source))
        });
        let stream = stream.await?;
        stream.set_nodelay(true).map_err(|source| connect_error(&address, source))?;

        let host_key = SeenHostKey::default();
        let login = Self::log_in(config, &address, &target.user, stream, &host_key);
        let connection = within("handshake", config.handshake_timeout, login).await?;

        let Some(key) = host_key.get() else {
            return Err(connect_error(&address, russh::Error::UnknownKey));
        };
        let host = Unverified(&connection);
        let verifying = async { Ok(verifier.verify(key, &host).await) };
        let verdict = within("host verification", config.verify_timeout, verifying);
        if let Err(refusal) = verdict.await? {
            tracing::warn!(%address, host_key = %key, %refusal, "host refused");
            return Err(ExecutorError::HostRefused(refusal));
        }
        if connection.end.has_come() {
            return Err(connection.end.error());
        }
        tracing::info!(%address, user = %target.user.name, host_key = %key, "connected");
        Ok(connection)
    }

    /// From a TCP connection to one that is logged in.
    async fn log_in(
        config: &SshConfig,
        address: &Address,
        user: &RemoteUser,
        stream: TcpStream,
        host_key: &SeenHostKey,
    ) -> Result<Arc<Self>, ExecutorError> {
        let (socket, stream) = Socket::new(stream, config.dead_after());
        let (marker, end) = EndMarker::new();
        let slots = Slots::new(config.max_channels);
        let client = Client::new(Arc::clone(host_key), Arc::clone(&slots), marker.clone());
        // The library reads each packet in two pieces: one call of the system gets all that have come.
        let stream = BufReader::new(stream);
        let connecting = client::connect_stream(Arc::new(protocol_config(config)), stream, client);
        let handle = connecting.await.map_err(|source| connect_error(address, source))?;
        let mut connection = Self { handle, privilege: user.privilege, slots, end, marker, socket };
        let login = connection.handle.authenticate_publickey(&user.name, config.key.for_login());
        match login.await.map_err(|source| connect_error(address, source))? {
            AuthResult::Success => Ok(Arc::new(connection)),
            // The library reports a connection that ended during login as a refusal of the key.
            AuthResult::Failure { .. } if connection.end.has_come() => {
                Err(connect_error(address, connection.end.error()))
            }
            AuthResult::Failure { .. } => {
                Err(ExecutorError::Auth { address: address.to_string(), user: user.name.clone() })
            }
        }
    }

    /// Ends the connection and tells all who use it why. Waits for nobody.
    pub(crate) fn end(&self, cause: Cause) {
        self.marker.mark(cause);
        self.socket.shutdown();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end(Cause::Closed);
    }
}

/// Runs the verifier's commands.
struct Unverified<'a>(&'a Arc<Connection>);

#[async_trait]
impl UnverifiedHost for Unverified<'_> {
    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError> {
        let limit = command.time_limit;
        within("command", limit, command::run(self.0, command)).await
    }
}

/// Gives `work` up after `limit`.
pub(crate) async fn within<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, ExecutorError>>,
) -> Result<T, ExecutorError> {
    timeout(limit, work).await.unwrap_or(Err(ExecutorError::TimedOut { what, limit }))
}

fn connect_error(
    address: &Address,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ExecutorError {
    ExecutorError::Connect { address: address.to_string(), source: source.into() }
}

fn protocol_config(config: &SshConfig) -> client::Config {
    let default = client::Config::default();
    client::Config {
        // Without this a command waits for the peer's delayed acknowledgement: 23 a second instead of 5,000.
        nodelay: true,
        keepalive_interval: Some(config.keepalive_interval),
        keepalive_max: config.questions(),
        preferred: russh::Preferred {
            // Twice as fast as the library's first choice where the processor has AES.
            cipher: Cow::Borrowed(&[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR]),
            // What can be checked without RSA (which is not compiled in), so that a host that has nothing
            // else is told apart from one that signs wrongly.
            key: Cow::Borrowed(&[
                Algorithm::Ed25519,
                Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
                Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
                Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
            ]),
            ..default.preferred.clone()
        },
        ..default
    }
}
