//! What carries requests: the Unix socket, or TCP with or without TLS.

use super::{
    listen::Listener,
    tls::{self, Tls},
};
use crate::config::Listening;
use socket2::{SockRef, TcpKeepalive};
use std::{io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixStream},
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;

/// For a client's part of the TLS handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// A client that takes nothing of an answer for so long is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// A client that is gone without a word is noticed after this much silence and three probes.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_PROBE: Duration = Duration::from_secs(10);

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Peer {
    /// A process of this machine that may open the socket.
    Socket {
        /// Its user, if the system says so.
        user: Option<u32>,
    },
    /// Somebody on the network.
    Network(SocketAddr),
}

/// Bytes to and from a client. One that does not read is an error after a while.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for Pin<Box<TimeoutStream<S>>> {}

/// Where connections come from.
#[derive(Debug)]
pub(crate) enum Carrier {
    Socket(Listener),
    Network(NetworkListener),
}

/// A TCP port.
#[derive(Debug)]
pub(crate) struct NetworkListener {
    socket: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl NetworkListener {
    /// Listens.
    ///
    /// # Errors
    /// The address is not this machine's, or is in use, or the certificate cannot be used.
    pub(crate) async fn bind(listening: &Listening) -> io::Result<Self> {
        let tls = match &listening.tls {
            Some((certificate, key)) => {
                Some(Arc::new(Tls::read(certificate, key).map_err(io::Error::other)?))
            }
            None => None,
        };
        Ok(Self { socket: TcpListener::bind(listening.address).await?, tls })
    }

    /// Whether it is asked over TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Where it listens: a port that was chosen by the system is known now.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A connection that has come, and is not open yet.
pub(super) enum Accepted {
    Socket(UnixStream),
    Network(TcpStream, Option<Arc<Tls>>),
}

impl Carrier {
    /// The next connection.
    ///
    /// # Cancel safety
    /// Dropping it loses none.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match self {
            Self::Socket(listener) => {
                let (stream, _) = listener.socket.accept().await?;
                let user = stream.peer_cred().ok().map(|of| of.uid());
                Ok((Accepted::Socket(stream), Peer::Socket { user }))
            }
            Self::Network(listener) => {
                let (stream, address) = listener.socket.accept().await?;
                Ok((Accepted::Network(stream, listener.tls.clone()), Peer::Network(address)))
            }
        }
    }
}

impl Accepted {
    /// Does what is to be done before the first request.
    pub(super) async fn open(self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Socket(stream) => Ok(patient(stream)),
            Self::Network(stream, tls) => {
                // Answers are written whole: waiting for more to send with them helps nobody.
                stream.set_nodelay(true)?;
                let keepalive =
                    TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_PROBE).with_retries(3);
                let socket = SockRef::from(&stream);
                socket.set_tcp_keepalive(&keepalive)?;
                // Keepalive is for silence: this is for what was sent and is not acknowledged.
                socket.set_tcp_user_timeout(Some(WRITE_LIMIT))?;
                match tls {
                    None => Ok(patient(stream)),
                    Some(tls) => {
                        let handshake = tls.acceptor().accept(stream);
                        let stream =
                            timeout(HANDSHAKE_LIMIT, handshake).await.map_err(|_| tls::too_late())??;
                        Ok(patient(stream))
                    }
                }
            }
        }
    }
}

fn patient<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S) -> Box<dyn Stream> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_LIMIT));
    Box::new(Box::pin(stream))
}
