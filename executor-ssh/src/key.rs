//! The pool's own key, with which it logs in.

use pool_api::PublicKey;
use russh::keys::{self, Algorithm, PrivateKeyWithHashAlg, ssh_key};
use secrecy::SecretString;
use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Private keys take a few hundred bytes; what is longer is not one, and is not read into memory.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// How PKCS#8 names RSA (rsaEncryption, RFC 8017 appendix C).
const RSA_OID: &str = "1.2.840.113549.1.1.1";

/// The key with which the pool logs in: Ed25519 (recommended) or ECDSA.
///
/// **RSA keys are refused**, with a [`KeyError::Unsupported`] that says so. Signing with the only RSA
/// implementation that is at hand leaks timing (RUSTSEC-2023-0071, Marvin); it is not compiled in. For the
/// same reason a host that has nothing but an RSA host key cannot be reached.
///
/// `Debug` shows the public half. Clones share one key.
#[derive(Clone)]
pub struct PrivateKey(Arc<keys::PrivateKey>);

impl PrivateKey {
    /// A new Ed25519 key from the operating system's randomness.
    pub fn generate() -> Self {
        let pair = ssh_key::private::Ed25519Keypair::random(&mut keys::key::safe_rng());
        Self(Arc::new(pair.into()))
    }

    /// Reads a key in OpenSSH's form (what `ssh-keygen` writes), PKCS#8 or SEC1 PEM.
    ///
    /// # Errors
    /// [`KeyError`], but for its `Unreadable`.
    pub fn from_openssh(text: &str) -> Result<Self, KeyError> {
        Self::parse(text, KeyOrigin::Text)
    }

    /// Reads a key from a file, in the forms of [`from_openssh`](Self::from_openssh). Blocks on the disk.
    ///
    /// # Errors
    /// [`KeyError`]; it names the file and what to do.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(MAX_KEY_BYTES).read_to_end(&mut bytes));
        read.map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
        let origin = KeyOrigin::File(path.to_owned());
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, origin),
            Err(source) => Err(KeyError::NotAKey { origin, source: Box::new(source) }),
        }
    }

    fn parse(text: &str, origin: KeyOrigin) -> Result<Self, KeyError> {
        if ssh_key::PublicKey::from_openssh(text.trim()).is_ok() {
            return Err(KeyError::PublicKey { origin });
        }
        let key = match keys::decode_secret_key(text, None) {
            Ok(key) => key,
            Err(keys::Error::KeyIsEncrypted) => return Err(KeyError::Encrypted { origin }),
            Err(keys::Error::UnsupportedKeyType { key_type_string, .. }) => {
                return Err(KeyError::Unsupported { origin, algorithm: key_type_string });
            }
            Err(keys::Error::UnknownAlgorithm(oid)) => {
                let algorithm = if oid.to_string() == RSA_OID { "RSA".into() } else { oid.to_string() };
                return Err(KeyError::Unsupported { origin, algorithm });
            }
            // PKCS#8 and the old PEM forms say so in their headers; the decoder then wants a password.
            Err(_) if text.contains("ENCRYPTED") => return Err(KeyError::Encrypted { origin }),
            Err(source) => return Err(KeyError::NotAKey { origin, source: Box::new(source) }),
        };
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(Self(Arc::new(key))),
            other => Err(KeyError::Unsupported { origin, algorithm: other.to_string() }),
        }
    }

    /// The public half, as instances are created with it: OpenSSH's one-line form, without a comment.
    pub fn public_key(&self) -> PublicKey {
        let bare = ssh_key::PublicKey::from(self.0.public_key().key_data().clone());
        PublicKey(bare.to_openssh().expect("an Ed25519 or ECDSA key that was parsed or made can be written"))
    }

    /// The key in OpenSSH's form, to be stored (with mode 0600) and read by
    /// [`from_openssh`](Self::from_openssh).
    pub fn to_openssh(&self) -> SecretString {
        let text = self.0.to_openssh(ssh_key::LineEnding::LF);
        let text = text.expect("an Ed25519 or ECDSA key that was parsed or made can be written");
        SecretString::from(text.as_str())
    }

    /// The key as the protocol's library wants it. The hash only matters for RSA.
    pub(crate) fn for_login(&self) -> PrivateKeyWithHashAlg {
        PrivateKeyWithHashAlg::new(Arc::clone(&self.0), None)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public_key().0)
    }
}

/// Where a key was read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyOrigin {
    /// A text that was handed over.
    Text,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("the given text"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why a private key could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the private key file {}: check that it exists and that this user may read it", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It is the public half.
    #[error("{origin} is a public key: give the private one (the file without .pub)")]
    PublicKey {
        /// Where it came from.
        origin: KeyOrigin,
    },
    /// It is no key at all, or a damaged one.
    #[error("{origin} is not a private key that can be read: make one with `ssh-keygen -t ed25519 -N ''`")]
    NotAKey {
        /// Where it came from.
        origin: KeyOrigin,
        /// What the parser says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A passphrase protects it, and nobody is there to type it.
    #[error("{origin} is encrypted with a passphrase: remove it from a copy with `ssh-keygen -p -N ''`")]
    Encrypted {
        /// Where it came from.
        origin: KeyOrigin,
    },
    /// RSA, DSA, or a key that lives in a security token.
    #[error(
        "{origin} is of type {algorithm}, which is not supported: make one with `ssh-keygen -t ed25519 -N ''`"
    )]
    Unsupported {
        /// Where it came from.
        origin: KeyOrigin,
        /// Which type it is.
        algorithm: String,
    },
}
