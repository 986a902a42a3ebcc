//! What the provider's codes are to the pool. One map, with the provider's documentation cited for each code.

use crate::Refusal;
use pool_api::{DriverError, ErrorClass, FailureScope, PlacementReach, Reach};
use std::time::Duration;

/// The pool's view of a refusal.
pub fn driver_error(operation: &'static str, refusal: Refusal) -> DriverError {
    let class = match refusal.code {
        // Of the whole account, wherever.
        "quotaExceeded" => ErrorClass::Quota(FailureScope::new(Reach::All, PlacementReach::Every)),
        // There are none of this type in this zone: another zone may have some.
        "zoneExhausted" => ErrorClass::Capacity(FailureScope::new(Reach::InstanceType, PlacementReach::This)),
        "rateLimited" => ErrorClass::RateLimit { retry_after: refusal.retry_after.map(Duration::from_secs) },
        "unauthorized" | "forbidden" => ErrorClass::Auth,
        "notFound" => ErrorClass::NotFound,
        "invalid" => ErrorClass::InvalidRequest,
        "internal" | "unavailable" => ErrorClass::Transient,
        _ => ErrorClass::Unknown,
    };
    DriverError::new(operation, class, refusal.message).code(refusal.code)
}
