//! What a stand-in can be told to fail with.

/// How [`crate::Fake::fail_creates`] lets new machines fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateFailure {
    /// Such as `AllocationFailed`.
    pub code: String,
    /// What is said about it.
    pub message: String,
    /// When it is said.
    pub at: FailAt,
    /// How many machines fail. After that, they are made again.
    pub times: usize,
}

/// When a new machine fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailAt {
    /// The call is refused with this status, and nothing is made.
    Call(u16),
    /// The call is accepted, and its operation fails. The machine stays, with its interfaces and disks.
    Operation,
}

impl CreateFailure {
    /// Every call is refused with this status.
    #[must_use]
    pub fn in_call(status: u16, code: &str, message: &str) -> Self {
        CreateFailure {
            code: code.into(),
            message: message.into(),
            at: FailAt::Call(status),
            times: usize::MAX,
        }
    }

    /// Every operation fails.
    #[must_use]
    pub fn in_operation(code: &str, message: &str) -> Self {
        CreateFailure { code: code.into(), message: message.into(), at: FailAt::Operation, times: usize::MAX }
    }

    /// Only the next `times` machines fail.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        CreateFailure { times, ..self }
    }

    /// 409 `SkuNotAvailable`: <https://aka.ms/azureskunotavailable>.
    #[must_use]
    pub fn sku_not_available(size: &str, location: &str) -> Self {
        // As in https://github.com/Azure-Samples/azuresandbox/issues/70.
        let message = format!(
            "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: \
             {size}' is currently not available in location '{location}'. Please try another size or deploy \
             to a different location or different zone. See https://aka.ms/azureskunotavailable for details."
        );
        Self::in_call(409, "SkuNotAvailable", &message)
    }

    /// 409 `QuotaExceeded`, which calls that come with a deployment have in place of `OperationNotAllowed`:
    /// <https://learn.microsoft.com/en-us/azure/azure-resource-manager/troubleshooting/error-resource-quota>.
    #[must_use]
    pub fn quota_exceeded(location: &str) -> Self {
        let message = format!(
            "Operation could not be completed as it results in exceeding approved Total Regional Cores \
             quota. Additional details - Deployment Model: Resource Manager, Location: {location}, Current \
             Limit: 4, Current Usage: 4, Additional Required: 2, (Minimum) New Limit Required: 6."
        );
        Self::in_call(409, "QuotaExceeded", &message)
    }

    /// The quota of Spot machines, found to be used up only when the machine gets its place.
    #[must_use]
    pub fn spot_quota(location: &str) -> Self {
        let message = format!(
            "Operation could not be completed as it results in exceeding approved LowPriorityCores quota. \
             Additional details - Deployment Model: Resource Manager, Location: {location}, Current Limit: \
             4, Current Usage: 4, Additional Required: 2, (Minimum) New Limit Required: 6."
        );
        Self::in_operation("OperationNotAllowed", &message)
    }

    /// `AllocationFailed`:
    /// <https://learn.microsoft.com/en-us/troubleshoot/azure/virtual-machines/windows/allocation-failure>.
    #[must_use]
    pub fn allocation_failed() -> Self {
        let message = "Allocation failed. We do not have sufficient capacity for the requested VM size in \
                       this region. Read more about improving likelihood of allocation success at \
                       http://aka.ms/allocation-guidance";
        Self::in_operation("AllocationFailed", message)
    }

    /// `ZonalAllocationFailed`, which is the same in one zone.
    #[must_use]
    pub fn zonal_allocation_failed() -> Self {
        let message = "Allocation failed. We do not have sufficient capacity for the requested VM size in \
                       this zone. Read more about improving likelihood of allocation success at \
                       http://aka.ms/allocation-guidance";
        Self::in_operation("ZonalAllocationFailed", message)
    }

    /// `OverconstrainedAllocationRequest`.
    #[must_use]
    pub fn overconstrained() -> Self {
        Self::in_operation("OverconstrainedAllocationRequest", &constraints(&["VM Size"]))
    }

    /// `OverconstrainedZonalAllocationRequest`.
    #[must_use]
    pub fn overconstrained_zonal() -> Self {
        let message = constraints(&["Availability Zone", "VM Size"]);
        Self::in_operation("OverconstrainedZonalAllocationRequest", &message)
    }
}

/// As in <https://github.com/jenkins-infra/helpdesk/issues/3584>.
fn constraints(constraints: &[&str]) -> String {
    let list: String = constraints.iter().map(|constraint| format!("  - {constraint}\n")).collect();
    format!(
        "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition \
         is too restrictive. Please remove some constraints and try again. Constraints applied are:\n{list}"
    )
}

/// How [`crate::Fake::refuse_calls`] refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 429 of Microsoft.Compute, with `Retry-After` and an empty bucket in
    /// `x-ms-ratelimit-remaining-resource`.
    TooManyRequests,
    /// 429 of the Resource Manager, with `Retry-After` and none of the subscription's calls remaining.
    SubscriptionThrottled,
    /// 500 `InternalServerError`.
    InternalError,
    /// 503 `ServiceUnavailable`, with `Retry-After`.
    Unavailable,
    /// 401 `ExpiredAuthenticationToken`.
    ExpiredToken,
    /// 403 `AuthorizationFailed`.
    Forbidden,
}
