//! Why an answer did not come, or was no.

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

impl ClientError {
    /// The answer may come when it is asked again, as while `poold serve` starts anew.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoSocket { .. } | Self::NobodyThere { .. } | Self::Lost(_) => true,
            Self::Refused(error) => error.code == ErrorCode::Stopping,
            Self::Unreachable { .. } | Self::NoAnswer(_) | Self::Strange { .. } | Self::Request(_) => false,
        }
    }
}
