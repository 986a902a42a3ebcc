//! One error for many: all who waited for a connection get the error of the one attempt.

use pool_api::{
    BoxCloudError, CapacityError, CloudError, Effect, ErrorKind, ExecutorError, FailureScope, QuotaError,
    RateLimit, RateLimitError, VerifyError,
};
use std::{error::Error, fmt, sync::Arc, time::Duration};

/// An error that several results hold; shown as it is.
#[derive(Clone)]
pub(crate) struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl From<Box<dyn Error + Send + Sync>> for SharedError {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self(Arc::from(error))
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// An [`ExecutorError`] that can be given to several callers, each time as if it were the only one.
#[derive(Clone, Debug)]
pub(crate) enum SharedExecutorError {
    NoAddress,
    BadAddress { address: String },
    Connect { address: String, source: SharedError },
    Auth { address: String, user: String },
    HostRefused(SharedRefusal),
    TimedOut { what: &'static str, limit: Duration },
    Lost(Option<SharedError>),
    Refused,
    Closed,
}

impl From<ExecutorError> for SharedExecutorError {
    fn from(error: ExecutorError) -> Self {
        match error {
            ExecutorError::NoAddress => Self::NoAddress,
            ExecutorError::BadAddress { address } => Self::BadAddress { address },
            ExecutorError::Connect { address, source } => Self::Connect { address, source: source.into() },
            ExecutorError::Auth { address, user } => Self::Auth { address, user },
            ExecutorError::HostRefused(refusal) => Self::HostRefused(refusal.into()),
            ExecutorError::TimedOut { what, limit } => Self::TimedOut { what, limit },
            ExecutorError::Lost(source) => Self::Lost(source.map(Into::into)),
            ExecutorError::Refused => Self::Refused,
            ExecutorError::Closed => Self::Closed,
            // Whatever the contract adds: a loss promises nothing.
            other => Self::Lost(Some(SharedError::new(other))),
        }
    }
}

impl From<SharedExecutorError> for ExecutorError {
    fn from(error: SharedExecutorError) -> Self {
        use SharedExecutorError as Shared;
        match error {
            Shared::NoAddress => Self::NoAddress,
            Shared::BadAddress { address } => Self::BadAddress { address },
            Shared::Connect { address, source } => Self::Connect { address, source: Box::new(source) },
            Shared::Auth { address, user } => Self::Auth { address, user },
            Shared::HostRefused(refusal) => Self::HostRefused(refusal.into()),
            Shared::TimedOut { what, limit } => Self::TimedOut { what, limit },
            Shared::Lost(source) => Self::Lost(source.map(|source| Box::new(source) as _)),
            Shared::Refused => Self::Refused,
            Shared::Closed => Self::Closed,
        }
    }
}

/// A [`VerifyError`] that can be given to several callers.
#[derive(Clone, Debug)]
pub(crate) enum SharedRefusal {
    Changed { found: String, pinned: String },
    Forged { found: String },
    WrongSecret,
    NoSecret { detail: String },
    Provider(SharedCloudError),
    Command(Box<SharedExecutorError>),
}

impl From<VerifyError> for SharedRefusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Changed { found, pinned } => Self::Changed { found, pinned },
            VerifyError::Forged { found } => Self::Forged { found },
            VerifyError::WrongSecret => Self::WrongSecret,
            VerifyError::NoSecret { detail } => Self::NoSecret { detail },
            VerifyError::Provider(error) => Self::Provider(SharedCloudError(Arc::new(error))),
            VerifyError::Command(error) => Self::Command(Box::new((*error).into())),
            // Whatever the contract adds keeps its text.
            other => Self::NoSecret { detail: other.to_string() },
        }
    }
}

impl From<SharedRefusal> for VerifyError {
    fn from(refusal: SharedRefusal) -> Self {
        match refusal {
            SharedRefusal::Changed { found, pinned } => Self::Changed { found, pinned },
            SharedRefusal::Forged { found } => Self::Forged { found },
            SharedRefusal::WrongSecret => Self::WrongSecret,
            SharedRefusal::NoSecret { detail } => Self::NoSecret { detail },
            SharedRefusal::Provider(error) => Self::Provider(BoxCloudError::new(error)),
            SharedRefusal::Command(error) => Self::Command(Box::new((*error).into())),
        }
    }
}

/// A driver's error that several results hold: every answer is the driver's.
#[derive(Clone)]
pub(crate) struct SharedCloudError(Arc<BoxCloudError>);

impl fmt::Debug for SharedCloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SharedCloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for SharedCloudError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl QuotaError for SharedCloudError {
    fn quota(&self) -> Option<FailureScope> {
        self.0.quota()
    }
}

impl CapacityError for SharedCloudError {
    fn capacity(&self) -> Option<FailureScope> {
        self.0.capacity()
    }
}

impl RateLimitError for SharedCloudError {
    fn rate_limit(&self) -> Option<RateLimit> {
        self.0.rate_limit()
    }
}

impl CloudError for SharedCloudError {
    fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    fn effect(&self) -> Effect {
        self.0.effect()
    }

    fn provider_code(&self) -> Option<&str> {
        self.0.provider_code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// What a person would see: the text and those of all sources.
    fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
        std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
    }

    #[test]
    fn a_shared_error_reads_like_the_first() {
        let all = || -> Vec<ExecutorError> {
            let source = || Box::new(io::Error::other("no route"));
            let verify = ExecutorError::HostRefused;
            vec![
                ExecutorError::NoAddress,
                ExecutorError::BadAddress { address: "a b".into() },
                ExecutorError::Connect { address: "a".into(), source: source() },
                ExecutorError::Auth { address: "a".into(), user: "root".into() },
                ExecutorError::TimedOut { what: "connect", limit: Duration::from_secs(1) },
                ExecutorError::Lost(None),
                ExecutorError::Lost(Some(source())),
                ExecutorError::Refused,
                ExecutorError::Closed,
                verify(VerifyError::Changed { found: "f".into(), pinned: "p".into() }),
                verify(VerifyError::Forged { found: "f".into() }),
                verify(VerifyError::WrongSecret),
                verify(VerifyError::NoSecret { detail: "d".into() }),
                verify(VerifyError::Command(Box::new(ExecutorError::Lost(Some(source()))))),
            ]
        };
        for (first, shared) in all().into_iter().zip(all()) {
            let shared = SharedExecutorError::from(shared);
            let (one, two) = (ExecutorError::from(shared.clone()), ExecutorError::from(shared));
            assert_eq!(chain(&first), chain(&one));
            assert_eq!(chain(&first), chain(&two));
            assert_eq!(std::mem::discriminant(&first), std::mem::discriminant(&one));
        }
    }
}
