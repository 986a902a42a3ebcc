//! Why there is no figure.

use std::error::Error;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A part of the measured system, or of what it is measured beside, has failed.
    #[error("cannot {what}")]
    Failed {
        /// What was tried, in the words after "cannot".
        what: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It ran, but did not do what it should: a figure of it would be of something else.
    #[error("{0}")]
    Wrong(String),
    /// Standard output is closed.
    #[error("cannot write a figure")]
    Output(#[from] std::io::Error),
}

impl BenchError {
    /// For `map_err`.
    pub(crate) fn failed<E: Into<Box<dyn Error + Send + Sync>>>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Failed { what, source: source.into() }
    }
}
