//! Why an answer did not come, or was no.

use super::{server::Authority, tls::TlsError};
use crate::api::{ErrorCode, ServiceError};
use std::{error::Error, io, path::PathBuf, time::Duration};

/// What became of a question.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(
        "poold serve does not run in {state_dir} (no socket {socket}): start it with `poold serve --state-dir \
         {state_dir}`, or say with --state-dir where it runs"
    )]
    NoSocket { state_dir: PathBuf, socket: PathBuf },
    #[error(
        "poold serve does not run in {state_dir} any more (nobody answers on {socket}): start it with `poold serve \
         --state-dir {state_dir}`"
    )]
    NobodyThere { state_dir: PathBuf, socket: PathBuf },
    #[error("the socket {socket} cannot be used: does poold serve run as another user?")]
    Unreachable {
        socket: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "nobody listens on {server}: does poold serve run there, with [api] listen, and is the port the right one?"
    )]
    NobodyListens { server: Authority },
    #[error("there is no address of the host {host}: is its name right, and is there a network?")]
    NoSuchHost {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("{server} cannot be reached: is the address right, and is there a network?")]
    Unreached {
        server: Authority,
        #[source]
        source: io::Error,
    },
    #[error(
        "{server} has not taken the connection within {limit:?}: is the address right, and does a firewall stand between?"
    )]
    Slow { server: Authority, limit: Duration },
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// 401, from a server on a network.
    #[error("{}", unauthorized(*has_token))]
    Unauthorized {
        /// We have shown one.
        has_token: bool,
        #[source]
        source: Option<ServiceError>,
    },
    #[error("poold serve has broken the connection off: it has ended, or is stopping")]
    Lost(#[source] Box<dyn Error + Send + Sync>),
    #[error("poold serve has not answered within {0:?}")]
    NoAnswer(Duration),
    #[error(transparent)]
    Refused(ServiceError),
    #[error(
        "poold serve answers {status} with what this poold does not understand: are both of one release?"
    )]
    Strange {
        status: u16,
        #[source]
        source: serde_json::Error,
    },
    #[error("what was to be asked cannot be written down")]
    Request(#[source] Box<dyn Error + Send + Sync>),
}

fn unauthorized(has_token: bool) -> &'static str {
    match has_token {
        true => "401: the token is wrong, expired or revoked: have another made with `poold token create`",
        false => {
            "401: the server wants a token, and there is none: give the file that it is in with --token-file or \
             POOLD_TOKEN_FILE, or itself in the variable POOLD_TOKEN"
        }
    }
}

impl ClientError {
    /// The answer may come when it is asked again, as while `poold serve` starts anew.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoSocket { .. }
            | Self::NobodyThere { .. }
            | Self::NobodyListens { .. }
            | Self::Unreached { .. }
            | Self::Tls(TlsError::Handshake { .. })
            | Self::Lost(_) => true,
            Self::Refused(error) => error.code == ErrorCode::Stopping,
            // A proxy before a server that starts anew.
            Self::Strange { status, .. } => matches!(status, 502..=504),
            Self::Unreachable { .. }
            | Self::NoSuchHost { .. }
            | Self::Slow { .. }
            | Self::Tls(_)
            | Self::Unauthorized { .. }
            | Self::NoAnswer(_)
            | Self::Request(_) => false,
        }
    }
}
