//! What can go wrong in a cloud, told apart by what the pool should do about it.
//!
//! A refusal for lack of *quota* is about the account and ends when instances go away or a human asks for
//! more; one for lack of *capacity* is about the provider's machines and ends by itself, sooner elsewhere;
//! one for the *rate* of calls says nothing about instances at all. To mistake one for another either stops a
//! pool that could grow or hammers a provider that has said no.

use std::{error::Error, fmt, time::Duration};

/// Which instance types a refusal speaks of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// Only the provider type (spot and on-demand apart) that was asked for.
    InstanceType,
    /// Every type of the same [quota group](crate::InstanceSet::quota_group).
    QuotaGroup,
    /// Every type.
    All,
}

/// Which placements a refusal speaks of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PlacementReach {
    /// Only the placement that was asked for: another may still say yes.
    This,
    /// All placements.
    Every,
}

/// What a refusal speaks of: a GPU quota must not stop CPU work, and a full subnet stops only itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FailureScope {
    /// Which instance types.
    pub reach: Reach,
    /// In which placements.
    pub placements: PlacementReach,
}

impl FailureScope {
    /// The scope of a refusal that speaks of `reach` in `placements`.
    pub const fn new(reach: Reach, placements: PlacementReach) -> Self {
        Self { reach, placements }
    }
}

/// Tells refusals for lack of quota apart.
pub trait QuotaError {
    /// The scope of the refusal, if it is for lack of quota; else none.
    fn quota(&self) -> Option<FailureScope>;
}

/// Tells refusals for lack of capacity apart.
pub trait CapacityError {
    /// The scope of the refusal, if the provider has no machine to give; else none.
    fn capacity(&self) -> Option<FailureScope>;
}

/// A refusal because calls came too fast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RateLimit {
    /// How long to wait before the next call of this kind, if the provider said so. Otherwise the pool
    /// backs off by itself, from 1 s to 1 min.
    pub retry_after: Option<Duration>,
}

/// Tells refusals for the rate of calls apart.
pub trait RateLimitError {
    /// The refusal, if it is for the rate of calls; else none.
    fn rate_limit(&self) -> Option<RateLimit>;
}

/// What is none of quota, capacity and rate limit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// A refusal for lack of quota: see [`QuotaError`].
    Quota,
    /// A refusal for lack of capacity: see [`CapacityError`].
    Capacity,
    /// A refusal for the rate of calls: see [`RateLimitError`].
    RateLimit,
    /// Credentials are missing, wrong, expired, or lack a permission.
    Auth,
    /// What was asked about does not exist.
    NotFound,
    /// The request cannot succeed as it is: a configuration to be mended by a human.
    InvalidRequest,
    /// Passes by itself: connections, time-outs, the provider's own failures.
    Transient,
    /// A code that the driver does not know.
    Unknown,
}

/// Whether a failed call may have taken effect nevertheless.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// The provider has refused: nothing was done.
    NotDone,
    /// No answer, or one that does not tell: it may have been done. A lost response is not a refusal.
    Unknown,
}

/// Each driver's error type implements this, and hands its errors over as [`BoxCloudError`].
///
/// `Display` is one lower-case line that keeps the provider's own message and adds none of the sources':
/// those are reached through [`Error::source`].
pub trait CloudError: Error + QuotaError + CapacityError + RateLimitError + Send + Sync + 'static {
    /// The class of the failure. Quota, capacity and rate-limit errors answer with their own kind.
    fn kind(&self) -> ErrorKind;

    /// Whether the call may have taken effect nevertheless.
    fn effect(&self) -> Effect;

    /// The provider's own code (`InsufficientInstanceCapacity`, `QUOTA_EXCEEDED`), where there is one.
    fn provider_code(&self) -> Option<&str> {
        None
    }
}

/// Any driver's error.
///
/// Made with `?` or `BoxCloudError::new` from whatever implements [`CloudError`].
pub struct BoxCloudError(Box<dyn CloudError>);

impl BoxCloudError {
    /// Wraps a driver's error.
    pub fn new(error: impl CloudError) -> Self {
        Self(Box::new(error))
    }

    /// The error as the driver made it.
    pub fn as_cloud_error(&self) -> &dyn CloudError {
        &*self.0
    }
}

impl<E: CloudError> From<E> for BoxCloudError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Debug for BoxCloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for BoxCloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

impl Error for BoxCloudError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl std::ops::Deref for BoxCloudError {
    type Target = dyn CloudError;
    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the provider has no m7i.large in subnet-1")]
    struct Full(#[source] std::io::Error);

    impl QuotaError for Full {
        fn quota(&self) -> Option<FailureScope> {
            None
        }
    }
    impl CapacityError for Full {
        fn capacity(&self) -> Option<FailureScope> {
            Some(FailureScope::new(Reach::InstanceType, PlacementReach::This))
        }
    }
    impl RateLimitError for Full {
        fn rate_limit(&self) -> Option<RateLimit> {
            None
        }
    }
    impl CloudError for Full {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Capacity
        }
        fn effect(&self) -> Effect {
            Effect::NotDone
        }
    }

    #[test]
    fn a_boxed_error_keeps_its_answers_its_text_and_its_source() {
        fn fails() -> Result<(), BoxCloudError> {
            Err(Full(std::io::Error::other("full")))?;
            Ok(())
        }
        let error = fails().unwrap_err();
        assert_eq!(error.capacity().map(|s| s.placements), Some(PlacementReach::This));
        assert_eq!(error.quota(), None);
        assert_eq!(error.to_string(), "the provider has no m7i.large in subnet-1");
        assert_eq!(Error::source(&error).map(ToString::to_string), Some("full".into()));
    }
}
