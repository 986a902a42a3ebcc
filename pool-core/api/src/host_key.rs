//! Who is at the other end of a connection.

use crate::{BoxCloudError, ExecutorError, UnverifiedHost};
use async_trait::async_trait;
use std::fmt;

/// The public key that a host showed when a connection was made.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HostKey {
    /// In OpenSSH's one-line form: `ssh-ed25519 AAAA…`, without a comment.
    pub openssh: String,
    /// In OpenSSH's form: `SHA256:` and 43 characters of base64.
    pub fingerprint: String,
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.fingerprint)
    }
}

/// What a driver can say about a host key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostKeyVerdict {
    /// The provider vouches for it: it is this instance's.
    Genuine,
    /// The provider knows this instance's keys, and this is none of them.
    Forged,
    /// The provider cannot tell (or cannot yet): the pool falls back to the instance's secret.
    Unsupported,
}

/// Why a host was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The pinned fingerprint is another.
    #[error("the host key is {found}, but {pinned} was pinned when this instance was first verified")]
    Changed {
        /// What the host shows now.
        found: String,
        /// What was pinned.
        pinned: String,
    },
    /// The provider says that this key is none of the instance's.
    #[error("the provider says that host key {found} is not this instance's")]
    Forged {
        /// What the host shows.
        found: String,
    },
    /// The host does not hold the secret that the instance was created with.
    #[error("the host does not know the instance's secret")]
    WrongSecret,
    /// The secret could not be read, for example because the init command has not run yet.
    #[error("the instance's secret could not be read back: {detail}")]
    NoSecret {
        /// What the host said.
        detail: String,
    },
    /// The provider could not be asked.
    #[error("the provider could not be asked about the host key")]
    Provider(#[source] BoxCloudError),
    /// The command that reads the secret could not be run.
    #[error("the command that reads the instance's secret failed")]
    Command(#[source] Box<ExecutorError>),
}

/// Decides whether the host at the other end is the instance that it should be.
///
/// An [`Executor`](crate::Executor) calls it once for each new connection, after authentication and before
/// any command of its caller. Refusal closes the connection.
#[async_trait]
pub trait HostVerifier: Send + Sync + 'static {
    /// Accepts or refuses the host.
    ///
    /// `host` runs commands on it; nothing but the reading of the secret may be run there before this
    /// returns `Ok`.
    ///
    /// # Errors
    /// [`VerifyError`] when the host is not to be used. The executor's caller gets it as
    /// [`ExecutorError::HostRefused`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the host unverified and has no other effect.
    async fn verify(&self, key: &HostKey, host: &dyn UnverifiedHost) -> Result<(), VerifyError>;
}
