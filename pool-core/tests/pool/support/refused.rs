//! A cloud's refusal that says nothing.

use pool_core::{
    CapacityError, CloudError, Effect, ErrorKind, FailureScope, QuotaError, RateLimit, RateLimitError,
};

#[derive(Debug, thiserror::Error)]
#[error("the cloud does not want to")]
pub(crate) struct Refused;

impl QuotaError for Refused {
    fn quota(&self) -> Option<FailureScope> {
        None
    }
}
impl CapacityError for Refused {
    fn capacity(&self) -> Option<FailureScope> {
        None
    }
}
impl RateLimitError for Refused {
    fn rate_limit(&self) -> Option<RateLimit> {
        None
    }
}
impl CloudError for Refused {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Transient
    }
    fn effect(&self) -> Effect {
        Effect::NotDone
    }
}
