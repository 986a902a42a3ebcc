//! Connections to `poold serve`: over its socket, or a network.

use super::{
    error::ClientError,
    server::{Authority, Server},
    tls,
};
use crate::http::{Reach, socket_path};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use rustls::ClientConfig;
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, sleep, timeout},
};

/// For the name's look-up and the connection, on whichever of its addresses.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For the TLS handshake.
const TLS_LIMIT: Duration = Duration::from_secs(10);
/// How long a full queue of connections is waited for.
const FULL_LIMIT: Duration = Duration::from_secs(10);
const FULL_PAUSE: Duration = Duration::from_millis(100);
/// A server that is gone without a word is noticed after a minute of silence, also where an answer may take for ever.
const SILENCE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
const UNANSWERED: Duration = Duration::from_secs(60);

/// What is asked goes in here.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Which `poold serve`.
#[derive(Debug)]
pub(crate) enum Target {
    /// Of this state directory, over its socket.
    Socket(PathBuf),
    /// On a network.
    Server(Server),
}

/// Connects, again and again.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) target: Target,
    /// Made when it is needed: to read the system's authorities takes longer than a question.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Dialer {
    pub(super) fn new(target: Target) -> Self {
        Self { target, tls: OnceLock::new() }
    }

    /// A new connection.
    pub(super) async fn dial(&self) -> Result<Sender, ClientError> {
        match &self.target {
            Target::Socket(state_dir) => begin(connect_socket(state_dir).await?).await,
            Target::Server(server) => {
                let stream = connect_server(server).await?;
                if !server.tls {
                    return begin(stream).await;
                }
                let config = match self.tls.get() {
                    Some(config) => config,
                    None => {
                        let config = tls::config(server)?;
                        self.tls.get_or_init(|| config)
                    }
                };
                let stream =
                    timeout(TLS_LIMIT, tls::handshake(Arc::clone(config), &server.authority, stream));
                begin(stream.await.map_err(|_| slow(&server.authority, TLS_LIMIT))??).await
            }
        }
    }
}

/// Speaks HTTP on it.
async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, ClientError> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| ClientError::Lost(error.into()))?;
    // Ends with the sender and the last answer's body. Its error is the body's error.
    tokio::spawn(async { drop(connection.await) });
    Ok(sender)
}

async fn connect_socket(state_dir: &Path) -> Result<UnixStream, ClientError> {
    let connect = async {
        let deadline = Instant::now() + FULL_LIMIT;
        let reach = Reach::new(state_dir)?;
        loop {
            match UnixStream::connect(reach.path()).await {
                // As many wait as may wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                    sleep(FULL_PAUSE).await;
                }
                result => return result,
            }
        }
    };
    connect.await.map_err(|source: io::Error| {
        let (state_dir, socket) = (state_dir.to_owned(), socket_path(state_dir));
        match source.kind() {
            io::ErrorKind::NotFound => ClientError::NoSocket { state_dir, socket },
            io::ErrorKind::ConnectionRefused => ClientError::NobodyThere { state_dir, socket },
            _ => ClientError::Unreachable { socket, source },
        }
    })
}

fn slow(server: &Authority, limit: Duration) -> ClientError {
    ClientError::Slow { server: server.clone(), limit }
}

async fn connect_server(server: &Server) -> Result<TcpStream, ClientError> {
    let authority = &server.authority;
    timeout(CONNECT_LIMIT, connect_any(server)).await.map_err(|_| slow(authority, CONNECT_LIMIT))?
}

async fn connect_any(server: &Server) -> Result<TcpStream, ClientError> {
    let Authority { host, port } = &server.authority;
    let found = lookup_host((host.as_str(), *port))
        .await
        .map_err(|source| ClientError::NoSuchHost { host: host.clone(), source })?;
    let addresses: Vec<SocketAddr> =
        found.filter(|address| !server.loopback_only || address.ip().is_loopback()).collect();
    let stream = TcpStream::connect(&addresses[..]).await.map_err(|source| {
        let server = server.authority.clone();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => ClientError::NobodyListens { server },
            _ => ClientError::Unreached { server, source },
        }
    })?;
    watch_over(&stream)
        .map_err(|source| ClientError::Unreached { server: server.authority.clone(), source })?;
    Ok(stream)
}

/// Small questions go out at once, and a peer that is gone is noticed.
fn watch_over(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENCE)?;
    sockopt::set_tcp_keepintvl(stream, SILENCE)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(UNANSWERED.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}
