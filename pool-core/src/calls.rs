//! What came of a call to the cloud, for those who count and trace.

use pool_api::{ErrorKind, InstanceTypeName};
use pool_state::{CallKind, Failure, FailureClass};
use std::{fmt, time::Duration};

/// What came of it: a bounded set of words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallOutcome {
    /// It was carried out.
    Ok,
    /// It failed, and the kind of failure.
    Failed(ErrorKind),
}

impl CallOutcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Failed(ErrorKind::Quota),
        Self::Failed(ErrorKind::Capacity),
        Self::Failed(ErrorKind::RateLimit),
        Self::Failed(ErrorKind::Auth),
        Self::Failed(ErrorKind::NotFound),
        Self::Failed(ErrorKind::InvalidRequest),
        Self::Failed(ErrorKind::Transient),
        Self::Failed(ErrorKind::Unknown),
    ];

    pub(crate) fn of<T>(result: &Result<T, Failure>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(failure) => Self::Failed(match failure.class {
                FailureClass::Quota(_) => ErrorKind::Quota,
                FailureClass::Capacity(_) => ErrorKind::Capacity,
                FailureClass::RateLimit(_) => ErrorKind::RateLimit,
                FailureClass::Other(kind) => kind,
            }),
        }
    }

    /// The word, as in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(ErrorKind::Quota) => "quota",
            Self::Failed(ErrorKind::Capacity) => "capacity",
            Self::Failed(ErrorKind::RateLimit) => "rate_limit",
            Self::Failed(ErrorKind::Auth) => "auth",
            Self::Failed(ErrorKind::NotFound) => "not_found",
            Self::Failed(ErrorKind::InvalidRequest) => "invalid_request",
            Self::Failed(ErrorKind::Transient) => "transient",
            Self::Failed(ErrorKind::Unknown) => "unknown",
        }
    }
}

impl fmt::Display for CallOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A call that has ended.
#[derive(Clone, PartialEq, Debug)]
pub struct CallReport {
    /// What it was to do.
    pub operation: CallKind,
    /// What came of it.
    pub outcome: CallOutcome,
    /// Of a create: the configured type.
    pub instance_type: Option<InstanceTypeName>,
    /// How long it took.
    pub took: Duration,
}
