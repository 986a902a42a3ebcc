//! A server on a network before a fake: TLS or plain, with one token.

use crate::{
    api::{ErrorCode, Problem, ServiceError},
    client::{Client, Server, Target},
    http::socket_path,
};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
};
use hyper::{client::conn::http1 as client, server::conn::http1 as server};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

pub(crate) const TOKEN: &str = "poold_sesame";

/// A certificate authority and a server's certificate of it.
pub(crate) struct Certificates {
    dir: TempDir,
    config: Arc<ServerConfig>,
}

impl Certificates {
    pub(crate) fn new(names: &[&str]) -> Self {
        Self::changed(names, |_| {})
    }

    /// With something about the server's certificate that is not as it should be.
    pub(crate) fn changed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &authority).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Self { dir, config: Arc::new(config) }
    }

    /// The authority's certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

/// Listens. Dropping it breaks all off.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicUsize>,
    certificates: Option<Certificates>,
    _task: JoinSet<()>,
}

impl Front {
    /// Before the socket of a state directory.
    pub(crate) async fn new(state_dir: &Path, certificates: Option<Certificates>) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), state_dir, certificates).await
    }

    async fn at(address: SocketAddr, state_dir: &Path, certificates: Option<Certificates>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut task = JoinSet::new();
        let acceptor = certificates.as_ref().map(|all| TlsAcceptor::from(Arc::clone(&all.config)));
        let (count, socket) = (Arc::clone(&accepted), socket_path(state_dir));
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                connections.spawn(async move {
                    match acceptor {
                        // Clients that do not believe it go away.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, socket).await;
                            }
                        }
                        None => serve(stream, socket).await,
                    }
                });
            }
        });
        Self { address, accepted, certificates, _task: task }
    }

    /// Another at the same address.
    pub(crate) async fn restarted(self, state_dir: &Path) -> Self {
        let Self { address, certificates, _task: mut task, .. } = self;
        task.shutdown().await;
        Self::at(address, state_dir, certificates).await
    }

    /// One that asks it with this token, by this host's name.
    pub(crate) fn client_by(&self, host: &str, token: Option<&str>, ca_file: Option<PathBuf>) -> Client {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{host}:{}", self.address.port());
        let server = Server::new(&url, token.map(Into::into), ca_file, false).unwrap();
        Client::new(Target::Server(server))
    }

    pub(crate) fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        let ca_file = self.certificates.as_ref().map(Certificates::ca_file);
        self.client_by("127.0.0.1", Some(TOKEN), ca_file)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, socket: PathBuf) {
    let router = Router::new().fallback(move |request| forward(request, socket));
    let served =
        server::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    drop(served.await);
}

async fn forward(request: Request, socket: PathBuf) -> Response {
    if request.headers().get(AUTHORIZATION).is_none_or(|value| value != &format!("Bearer {TOKEN}")) {
        let error = ServiceError::new(ErrorCode::Unauthorized, "who are you");
        let problem = Problem::new(401, "Unauthorized", error);
        return (StatusCode::UNAUTHORIZED, axum::Json(problem)).into_response();
    }
    let Ok(stream) = UnixStream::connect(socket).await else {
        return (StatusCode::BAD_GATEWAY, "no upstream").into_response();
    };
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    match sender.send_request(request).await {
        Ok(response) => response.map(Body::new),
        Err(_) => (StatusCode::BAD_GATEWAY, "no answer of the upstream").into_response(),
    }
}
