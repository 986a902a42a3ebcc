//! Over real TCP, with and without TLS.

use super::fake::{self, Fake};
use crate::{
    access::Role,
    config::{ApiConfig, Listening},
    http::{self, NetworkListener},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// For whatever is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const MAX_CONNECTIONS: usize = 4;

struct Network {
    dir: TempDir,
    address: SocketAddr,
    token: String,
    _stop: oneshot::Sender<()>,
    _task: JoinHandle<()>,
}

impl Network {
    async fn serve(dir: TempDir, tls: Option<(PathBuf, PathBuf)>) -> Self {
        let token = fake::token(dir.path(), "one", Role::Admin, None);
        let listening = Listening { address: "127.0.0.1:0".parse().unwrap(), tls };
        let listener = NetworkListener::bind(&listening).await.unwrap();
        let address = listener.address().unwrap();
        let router = fake::router(&Fake::new(), dir.path(), &ApiConfig::default());
        let (stop, task) = fake::on_network(router, listener, MAX_CONNECTIONS);
        Self { dir, address, token, _stop: stop, _task: task }
    }

    fn request(&self) -> String {
        let (address, token) = (self.address, &self.token);
        format!(
            "GET /v1/session HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        )
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// A certificate authority of one's own, a certificate of it for `localhost` and its key.
fn certificates(dir: &std::path::Path) -> (RootCertStore, PathBuf, PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (certificate_file, key_file) = (dir.join("tls.pem"), dir.join("tls.key"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    (roots, certificate_file, key_file)
}

#[tokio::test]
async fn over_plain_tcp_a_token_is_needed() {
    let network = Network::serve(tempfile::tempdir().unwrap(), None).await;
    let answer = ask(network.connect().await, &network.request()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""role":"admin""#), "{answer}");
    let answer = ask(network.connect().await, "GET /v1/status HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 401") && answer.contains("www-authenticate: Bearer"), "{answer}");
}

#[tokio::test]
async fn over_tls_the_same_and_without_it_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (roots, certificate, key) = certificates(dir.path());
    let network = Network::serve(dir, Some((certificate, key))).await;
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, network.connect().await).await.unwrap();
    let answer = ask(stream, &network.request()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut plain = network.connect().await;
    plain.write_all(network.request().as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    drop(timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap());
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
    assert!(network.dir.path().exists());
}

#[tokio::test]
async fn clients_that_never_begin_tls_let_others_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let (_, certificate, key) = certificates(dir.path());
    let network = Network::serve(dir, Some((certificate, key))).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(network.connect().await);
    }
    // Each is let go when its time for a handshake is over.
    for mut stream in silent {
        let mut nothing = Vec::new();
        drop(timeout(PATIENCE, stream.read_to_end(&mut nothing)).await.expect("it is let go"));
        assert!(nothing.is_empty());
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (_, certificate, key) = certificates(dir.path());
    let other = tempfile::tempdir().unwrap();
    let (_, _, other_key) = certificates(other.path());
    let bad = |certificate: &PathBuf, key: &PathBuf| http::Tls::read(certificate, key).unwrap_err();
    assert_eq!(bad(&key, &key).field(), "tls_certificate");
    assert_eq!(bad(&certificate, &certificate).field(), "tls_key");
    assert_eq!(bad(&certificate, &dir.path().join("none")).field(), "tls_key");
    let mismatch = bad(&certificate, &other_key);
    assert!(mismatch.to_string().contains("not that of the certificate"), "{mismatch}");
}
