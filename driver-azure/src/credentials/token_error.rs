//! Why there is no access token.

use std::time::Duration;

/// Why there is no access token. No secret, no assertion and no token is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The answer is no, and stays so until somebody changes something.
    #[error("an access token was refused: {description} ({code}, HTTP {status})")]
    Refused {
        /// Of the answer.
        status: u16,
        /// `invalid_client`; empty when the answer has none.
        code: String,
        /// In one line.
        description: String,
    },
    /// The answer is that it cannot be done at the moment.
    #[error("no access token can be had at the moment: {description} ({code}, HTTP {status})")]
    Unavailable {
        /// Of the answer.
        status: u16,
        /// As above.
        code: String,
        /// In one line.
        description: String,
        /// How long to wait, if the answer says so.
        retry_after: Option<Duration>,
    },
    /// No answer has come, or not the whole of it.
    #[error("a request for an access token was not answered")]
    NoAnswer {
        /// What the HTTP client says.
        #[source]
        source: azure_core::Error,
    },
    /// The answer has no token that could be used.
    #[error("the answer to a request for an access token {problem}")]
    BadAnswer {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The assertion could not be signed.
    #[error("what proves the certificate to be ours could not be signed")]
    NotSigned,
}

impl TokenError {
    /// Whether it may pass by itself. What is refused, a human must mend.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::NotSigned => false,
            Self::Unavailable { .. } | Self::NoAnswer { .. } | Self::BadAnswer { .. } => true,
        }
    }
}
