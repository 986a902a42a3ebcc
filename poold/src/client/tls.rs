//! TLS to a `poold serve` on a network: whom we believe, and what it means if we do not.

use super::server::{Authority, Server};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{
        CertificateDer, ServerName,
        pem::{self, PemObject as _},
    },
};
use std::{io, path::Path, path::PathBuf, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A server that was not believed, or nothing to believe it by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the file of certificate authorities {path} (--ca-file) cannot be read")]
    CaFile {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("the file of certificate authorities {path} (--ca-file) has no certificate in PEM form in it")]
    NoCertificate { path: PathBuf },
    #[error("the file of certificate authorities {path} (--ca-file) has a certificate that cannot be used")]
    BadCertificate {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "this machine has no certificate authorities that can be read{0}: install the package ca-certificates, or give \
         the server's authority with --ca-file"
    )]
    NoRoots(String),
    #[error("{0:?} can be in no certificate: name the server as its certificate does")]
    NoName(String),
    #[error(
        "the certificate of {server} is of an authority that is not known here: if it is your own, give its certificate \
         with --ca-file; if not, somebody may stand between"
    )]
    UnknownIssuer {
        server: Authority,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "the certificate of {server} is for another name: use a name that it is made for in --server, or have it made \
         for this one"
    )]
    OtherName {
        server: Authority,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "the certificate of {server} is not valid now: have it renewed, or set this machine's clock right"
    )]
    NotNow {
        server: Authority,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "the certificate of {server} is not that of a server: one that is an authority itself (CA:TRUE) cannot be used \
         as such"
    )]
    Certificate {
        server: Authority,
        #[source]
        source: rustls::Error,
    },
    #[error("{server} does not speak TLS: is it http:// there, or another port?")]
    NotTls {
        server: Authority,
        #[source]
        source: rustls::Error,
    },
    #[error("no TLS connection to {server} came about")]
    Handshake {
        server: Authority,
        #[source]
        source: io::Error,
    },
    #[error("TLS cannot be used")]
    Setup(#[source] rustls::Error),
}

impl TlsError {
    /// What we were given is no good; the server was not asked.
    pub(crate) fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::CaFile { .. } | Self::NoCertificate { .. } | Self::BadCertificate { .. } | Self::NoName(_)
        )
    }
}

/// Whom we believe: the authorities of the file, or of this system.
///
/// # Errors
/// [`TlsError`].
pub(super) fn config(server: &Server) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match &server.ca_file {
        Some(path) => from_file(path)?,
        None => of_the_system()?,
    };
    // Named, so that no other part of the program can choose for us.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn from_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let unreadable = |source| TlsError::CaFile { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots
            .add(certificate)
            .map_err(|source| TlsError::BadCertificate { path: path.to_owned(), source })?;
    }
    if roots.is_empty() { Err(TlsError::NoCertificate { path: path.to_owned() }) } else { Ok(roots) }
}

fn of_the_system() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems have some that rustls does not take: they are left out, as everywhere.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(TlsError::NoRoots(why));
    }
    Ok(roots)
}

/// # Errors
/// [`TlsError`].
pub(super) async fn handshake(
    config: Arc<ClientConfig>,
    server: &Authority,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let name =
        ServerName::try_from(server.host.clone()).map_err(|_| TlsError::NoName(server.host.clone()))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| explain(server.clone(), error))
}

fn explain(server: Authority, error: io::Error) -> TlsError {
    let Some(source) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned()
    else {
        return TlsError::Handshake { server, source: error };
    };
    match &source {
        rustls::Error::InvalidCertificate(problem) => match problem {
            // A signature is bad where the authority that is known has the same name and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsError::UnknownIssuer { server, source }
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsError::OtherName { server, source }
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsError::NotNow { server, source },
            _ => TlsError::Certificate { server, source },
        },
        rustls::Error::InvalidMessage(_) => TlsError::NotTls { server, source },
        _ => TlsError::Handshake { server, source: error },
    }
}
