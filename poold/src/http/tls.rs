//! TLS with a certificate from a file, read again when it was renewed.

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};
use tokio_rustls::TlsAcceptor;

/// The files are looked at no more often.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{path} holds no certificate that can be used: give it as PEM (-----BEGIN CERTIFICATE-----)")]
    Certificate {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("{path} holds no private key that can be used: give it as PEM, without a password")]
    Key {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("the key {path} is not that of the certificate, or is of an unknown kind")]
    Pair {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
}

impl TlsError {
    /// Which field of the section `api` named it.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "tls_certificate",
            Self::Key { .. } | Self::Pair { .. } => "tls_key",
        }
    }
}

/// Certificate and key, as they are in their files.
#[derive(Debug)]
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    read: Mutex<Read>,
}

struct Read {
    acceptor: TlsAcceptor,
    of: [Option<SystemTime>; 2],
    looked: Instant,
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").field("of", &self.of).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads both.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let of = changed(certificate, key);
        let acceptor = acceptor(certificate, key)?;
        let read = Mutex::new(Read { acceptor, of, looked: Instant::now() });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), read })
    }

    /// For the next connection. New files that cannot be used are reported, and the old ones serve on.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.looked.elapsed() >= LOOK_AGAIN {
            read.looked = Instant::now();
            let of = changed(&self.certificate, &self.key);
            if of != read.of {
                match acceptor(&self.certificate, &self.key) {
                    Ok(acceptor) => {
                        tracing::info!(certificate = %self.certificate.display(), "the certificate was read again");
                        (read.acceptor, read.of) = (acceptor, of);
                    }
                    // It may be half written: it is looked at again.
                    Err(error) => tracing::error!(%error, "the new certificate is not used"),
                }
            }
        }
        read.acceptor.clone()
    }
}

fn changed(certificate: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [certificate, key].map(|path| fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let bad = |source| TlsError::Certificate { path: certificate.to_owned(), source };
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(bad)?;
    if chain.is_empty() {
        return Err(bad(pem::Error::NoItemsFound));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Key { path: key.to_owned(), source })?;
    let pair = |source| TlsError::Pair { path: key.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What an acceptor's failure is, as an I/O error.
pub(super) fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time")
}
