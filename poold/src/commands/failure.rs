//! Why a command did not do what was asked, and its exit code.

use crate::{
    api::{ErrorCode, ServiceError},
    client::{ClientError, ServerError},
};
use serde_json::{Value, json};
use std::{error::Error, io};

/// All went as it should.
pub(crate) const OK: u8 = 0;
/// It was asked and did not work, or not for all.
pub(crate) const FAILED: u8 = 1;
/// The command line or an input makes no sense. Nothing was done.
pub(crate) const BAD_INPUT: u8 = 2;
/// `poold serve` does not run or does not answer.
pub(crate) const NOT_SERVING: u8 = 3;
/// It has not happened within the time that was given.
pub(crate) const TIMED_OUT: u8 = 124;
/// The job was cancelled.
pub(crate) const CANCELLED: u8 = 125;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Whom it was to ask.
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("{0}")]
    Input(String),
    /// It was begun, and did not come to its end.
    #[error("{0}")]
    Failed(String),
    /// Some of it was done before.
    #[error("{done}")]
    Partly {
        done: String,
        #[source]
        source: Box<Failure>,
    },
    /// Whoever read it has gone, and wants no more.
    #[error("standard output is closed")]
    Closed,
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) | Self::Server(_) => BAD_INPUT,
            Self::Partly { source, .. } => match source.exit_code() {
                NOT_SERVING => NOT_SERVING,
                // Something was done.
                _ => FAILED,
            },
            Self::Closed => OK,
            Self::Failed(_) | Self::Output(_) => FAILED,
            Self::Client(error) => match error {
                ClientError::NoSocket { .. }
                | ClientError::NobodyThere { .. }
                | ClientError::Unreachable { .. }
                | ClientError::NobodyListens { .. }
                | ClientError::NoSuchHost { .. }
                | ClientError::Unreached { .. }
                | ClientError::Slow { .. }
                | ClientError::Lost(_)
                | ClientError::NoAnswer(_) => NOT_SERVING,
                ClientError::Refused(error) => match error.code {
                    ErrorCode::InvalidRequest | ErrorCode::InvalidJob | ErrorCode::TooLarge => BAD_INPUT,
                    ErrorCode::Stopping => NOT_SERVING,
                    _ => FAILED,
                },
                ClientError::Tls(error) if error.is_bad_input() => BAD_INPUT,
                ClientError::Tls(_)
                | ClientError::Unauthorized { .. }
                | ClientError::Strange { .. }
                | ClientError::Request(_) => FAILED,
            },
        }
    }

    /// For people, with its causes.
    pub(crate) fn text(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            text.push_str(&format!("\n  because: {error}"));
            source = error.source();
        }
        text
    }

    /// For programs: the server's own error, or one of the same form.
    pub(crate) fn json(&self) -> Value {
        let refused = match self {
            Self::Client(ClientError::Refused(error)) => Some(error),
            Self::Partly { source, .. } => match &**source {
                Self::Client(ClientError::Refused(error)) => Some(error),
                _ => None,
            },
            _ => None,
        };
        let code = match (refused, self.exit_code()) {
            _ if matches!(self, Self::Client(ClientError::Unauthorized { .. })) => {
                json!(ErrorCode::Unauthorized)
            }
            (Some(ServiceError { code, .. }), _) => json!(code),
            (None, BAD_INPUT) => json!("invalid_input"),
            (None, NOT_SERVING) => json!("not_serving"),
            (None, _) => json!("failed"),
        };
        let mut error = json!({"code": code, "message": self.text()});
        if let Some(refused) = refused.filter(|refused| !refused.fields.is_empty()) {
            error["fields"] = json!(refused.fields);
        }
        json!({"error": error})
    }
}
