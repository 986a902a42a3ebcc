//! The one map from Azure's codes to what the pool should do about them.

use pool_api::{ErrorKind, FailureScope, PlacementReach, Reach};

/// What a code is about. The driver has one location, and its placements are the location's zones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Quota(FailureScope),
    Capacity(FailureScope),
    RateLimit,
    Auth,
    NotFound,
    InvalidRequest,
    Transient,
    Unknown,
}

impl Class {
    /// What the pool calls it.
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::Quota(_) => ErrorKind::Quota,
            Self::Capacity(_) => ErrorKind::Capacity,
            Self::RateLimit => ErrorKind::RateLimit,
            Self::Auth => ErrorKind::Auth,
            Self::NotFound => ErrorKind::NotFound,
            Self::InvalidRequest => ErrorKind::InvalidRequest,
            Self::Transient => ErrorKind::Transient,
            Self::Unknown => ErrorKind::Unknown,
        }
    }
}

/// Where a code is documented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Page {
    /// The Resource Manager's:
    /// <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>, and the
    /// pages that it links to.
    Manager,
    /// Those of virtual machines:
    /// <https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/error-messages>.
    Machines,
    /// <https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/allocation-failure>, and with
    /// constraints
    /// <https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/error-codes/zonalallocation-allocationfailed-error>.
    Allocation,
    /// <https://learn.microsoft.com/azure/virtual-machines/error-codes-spot>
    Spot,
    /// <https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling>, and of
    /// machines <https://learn.microsoft.com/troubleshoot/azure/virtual-machines/troubleshooting-throttling-errors>.
    Rates,
    /// Those that managed clusters pass on:
    /// <https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/error-codes>.
    Clusters,
    /// Not documented, or not as a code; others have met it: the provider for Azure of Karpenter
    /// (<https://github.com/Azure/karpenter-provider-azure>, with
    /// <https://github.com/Azure/azure-sdk-for-go-extensions>), that of Terraform
    /// (<https://github.com/hashicorp/terraform-provider-azurerm>), and those who report to them.
    Seen,
}

/// How a code is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    /// Whatever the message.
    Is(Class),
    /// No machines of a size, where the message says.
    Stock,
    /// The quota that the message names; else what is given here.
    Quota(Class),
    /// A quota or a rate, if the message names one; what passes, if it says so; else a human must mend something.
    Operation,
    /// A value is wrong, unless it is a size that is not offered here, or a quota.
    Bad,
    /// The resource that the message names does not exist.
    Missing,
}

const TYPE_HERE: Class = Class::Capacity(FailureScope::new(Reach::InstanceType, PlacementReach::This));
const TYPE_EVERYWHERE: Class = Class::Capacity(FailureScope::new(Reach::InstanceType, PlacementReach::Every));
/// A zone that there is not, for one.
const ALL_HERE: Class = Class::Capacity(FailureScope::new(Reach::All, PlacementReach::This));
/// Quotas are a location's.
const GROUP_QUOTA: Class = Class::Quota(FailureScope::new(Reach::QuotaGroup, PlacementReach::Every));
/// What every machine needs: an address, for example. A subnet is in all zones.
const QUOTA_OF_ALL: Class = Class::Quota(FailureScope::new(Reach::All, PlacementReach::Every));

const AUTH: Rule = Rule::Is(Class::Auth);
const INVALID: Rule = Rule::Is(Class::InvalidRequest);
/// Said to creates alone: of no machine it says that it is gone.
const NO_IMAGE: Rule = Rule::Is(Class::NotFound);
const RATE: Rule = Rule::Is(Class::RateLimit);
const PASSES: Rule = Rule::Is(Class::Transient);

/// Every code that the driver's calls and their operations can meet and that needs more than the rules of
/// [`by_shape`]. In the order of the alphabet in lower case: Azure is not of one mind about the case of its codes
/// (`OverConstrainedAllocationRequest`, `NicReservedForAnotherVM`).
const CODES: &[(&str, Rule, Page)] = &[
    ("AllocationFailed", Rule::Stock, Page::Allocation),
    ("AnotherOperationInProgress", PASSES, Page::Manager),
    ("AttachDiskWhileBeingDetached", PASSES, Page::Machines),
    ("AuthenticationFailed", AUTH, Page::Seen),
    ("AuthorizationFailed", AUTH, Page::Manager),
    ("BadRequest", Rule::Bad, Page::Manager),
    // "... that isn't allowed in the resource's current state": states pass.
    ("Conflict", Rule::Quota(Class::Transient), Page::Manager),
    // "Disk '...' cannot be attached as the disk is already owned by VM '...'": the name is taken, by what an earlier
    // machine has left behind. A new create has a new name.
    ("ConflictingUserInput", PASSES, Page::Machines),
    ("DiskImageNotReady", PASSES, Page::Machines),
    // Not the answer that the machine is gone.
    ("DiskNotFound", INVALID, Page::Seen),
    ("DiskPreparationError", PASSES, Page::Machines),
    ("DiskProcessingError", PASSES, Page::Machines),
    ("ExpiredAuthenticationToken", AUTH, Page::Seen),
    ("GalleryImageNotFound", NO_IMAGE, Page::Seen),
    ("ImageNotFound", NO_IMAGE, Page::Manager),
    ("InternalServerError", PASSES, Page::Manager),
    ("InvalidAuthenticationToken", AUTH, Page::Seen),
    ("InvalidAuthenticationTokenTenant", AUTH, Page::Manager),
    ("InvalidParameter", Rule::Bad, Page::Machines),
    ("InvalidRequestContent", INVALID, Page::Manager),
    ("InvalidResourceReference", INVALID, Page::Manager),
    ("InvalidTemplate", INVALID, Page::Manager),
    ("InvalidTemplateDeployment", Rule::Bad, Page::Manager),
    // On one of the resources that a call needs there is no permission.
    ("LinkedAuthorizationFailed", AUTH, Page::Manager),
    ("LocationNotAvailableForResourceType", INVALID, Page::Seen),
    ("LocationNotSupportAvailabilityZones", Rule::Is(ALL_HERE), Page::Seen),
    // The image's terms have not been accepted.
    ("MarketplacePurchaseEligibilityFailed", INVALID, Page::Seen),
    ("MissingRegistrationForLocation", AUTH, Page::Manager),
    ("MissingSubscriptionRegistration", AUTH, Page::Manager),
    ("NetworkingInternalOperationError", PASSES, Page::Machines),
    ("NicInUse", PASSES, Page::Seen),
    // For 180 seconds after its machine: <https://aka.ms/deletenic>.
    ("NicReservedForAnotherVm", PASSES, Page::Seen),
    ("NoRegisteredProviderFound", INVALID, Page::Manager),
    ("NotAvailableForSubscription", Rule::Is(TYPE_HERE), Page::Seen),
    // "The Image ... cannot be found", and a path that does not exist. Of a machine the code is `ResourceNotFound`.
    ("NotFound", INVALID, Page::Machines),
    ("OperationNotAllowed", Rule::Operation, Page::Machines),
    // A newer one has taken its place: a delete, for example.
    ("OperationPreempted", PASSES, Page::Seen),
    // These three are of a machine that was made. It "may still finish provisioning successfully", or has failed.
    ("OSProvisioningClientError", PASSES, Page::Machines),
    ("OSProvisioningInternalError", PASSES, Page::Machines),
    ("OSProvisioningTimedOut", PASSES, Page::Machines),
    ("OverconstrainedAllocationRequest", Rule::Is(TYPE_EVERYWHERE), Page::Allocation),
    ("OverconstrainedZonalAllocationRequest", Rule::Is(TYPE_HERE), Page::Allocation),
    // Of a subnet, its network is missing: not the answer that the machine is gone.
    ("ParentResourceNotFound", INVALID, Page::Manager),
    ("PlatformImageNotFound", NO_IMAGE, Page::Seen),
    // Another has changed the machine since it was read.
    ("PreconditionFailed", PASSES, Page::Seen),
    ("PropertyChangeNotAllowed", INVALID, Page::Manager),
    ("ProvisioningFailed", PASSES, Page::Seen),
    ("PublicIPAddressCannotBeDeleted", PASSES, Page::Seen),
    ("PublicIPCountLimitReached", Rule::Is(QUOTA_OF_ALL), Page::Manager),
    ("QuotaExceeded", Rule::Quota(GROUP_QUOTA), Page::Clusters),
    ("ReadOnlyDisabledSubscription", AUTH, Page::Seen),
    ("RegionDoesNotAllowProvisioning", INVALID, Page::Manager),
    ("RequestDisallowedByAzure", INVALID, Page::Seen),
    ("RequestDisallowedByPolicy", INVALID, Page::Manager),
    ("ResourceCollectionRequestsThrottled", RATE, Page::Seen),
    ("ResourceGroupBeingDeleted", INVALID, Page::Manager),
    // Of the configuration: not the answer that the machine is gone.
    ("ResourceGroupNotFound", INVALID, Page::Manager),
    ("ResourceNotFound", Rule::Missing, Page::Manager),
    ("ResourceNotPermittedOnDelegatedSubnet", INVALID, Page::Clusters),
    ("ResourcePurchaseValidationFailed", INVALID, Page::Seen),
    // "... would exceed the quota of 800 resources of type ... per resource group."
    ("ResourceQuotaExceeded", Rule::Quota(QUOTA_OF_ALL), Page::Manager),
    ("ResourceUpdateBlockedOnPlatformUpdate", PASSES, Page::Machines),
    ("RetryableError", PASSES, Page::Seen),
    // With 429, but "when the target resource is locked by another operation": it is not the rate of calls.
    ("RetryableErrorDueToAnotherOperation", PASSES, Page::Rates),
    ("ScopeLocked", INVALID, Page::Seen),
    ("ServiceUnavailable", PASSES, Page::Seen),
    // "... currently not available in location ... zones ..., try another size or deploy to a different location or
    // zones". Also where no zone is named another is asked, for one call each. All that Azure says of spot machines
    // that it does not have.
    ("SkuNotAvailable", Rule::Is(TYPE_HERE), Page::Manager),
    ("SubnetIsFull", Rule::Is(QUOTA_OF_ALL), Page::Manager),
    ("SubnetsNotInSameVnet", INVALID, Page::Manager),
    ("SubscriptionNotAuthorizedForImage", AUTH, Page::Machines),
    // "It could be the subscription ID is wrong", which is of the configuration.
    ("SubscriptionNotFound", INVALID, Page::Manager),
    ("SubscriptionNotRegistered", AUTH, Page::Manager),
    ("SubscriptionRequestsThrottled", RATE, Page::Manager),
    ("TooManyRequests", RATE, Page::Rates),
    // The configured `price` is less than what the size costs on the spot market now, which is a location's.
    ("VariablePriceGreaterThanProvidedMaxPrice", Rule::Is(TYPE_EVERYWHERE), Page::Spot),
    ("VariablePricingIsNotSupportedForThisVMSize", INVALID, Page::Spot),
    ("VMMarketplaceInvalidInput", INVALID, Page::Machines),
    ("VMNotFound", Rule::Is(Class::NotFound), Page::Machines),
    ("VMStartTimedOut", PASSES, Page::Machines),
    ("ZonalAllocationFailed", Rule::Is(TYPE_HERE), Page::Allocation),
];

/// What an answer is about. `code` is the code of a call's or an operation's error, empty if there is none; `status` is
/// the HTTP status, 0 for an operation: it was accepted, whatever came of it.
pub(crate) fn class(code: &str, message: &str, status: u16) -> Class {
    let code = code.to_ascii_lowercase();
    let message = message.to_ascii_lowercase();
    let found = CODES.binary_search_by(|(known, ..)| known.to_ascii_lowercase().as_str().cmp(&code));
    let Ok(index) = found else {
        return by_shape(&code, &message, status);
    };
    match CODES[index].1 {
        Rule::Is(class) => class,
        Rule::Stock => stock(&message),
        Rule::Quota(class) => quota(&message).unwrap_or(class),
        Rule::Operation => operation(&message, status),
        Rule::Bad => bad(&message),
        Rule::Missing => missing(&message),
    }
}

/// What is not known is judged by the parts of its code, by its message, and in the end by the HTTP status alone:
/// `IPv4BasicSkuPublicIpCountLimitReached`, `OverconstrainedZonalAllocationRequestFailure` and some hundred like them.
///
/// 404 alone is not [`Class::NotFound`]: that says that a machine is gone, and a wrong endpoint answers 404 as well.
fn by_shape(code: &str, message: &str, status: u16) -> Class {
    let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    let ends = |parts: &[&str]| parts.iter().any(|part| code.ends_with(part));
    let begins = |parts: &[&str]| parts.iter().any(|part| code.starts_with(part));
    if has(&["zonalallocation", "skunotavailable"]) {
        TYPE_HERE
    } else if has(&["allocationfailed", "allocationrequest"]) {
        stock(message)
    } else if status == 429 || has(&["ratelimit", "throttled", "toomanyrequests"]) {
        Class::RateLimit
    } else if has(&["countlimit", "limitreached"]) {
        quota(message).unwrap_or(QUOTA_OF_ALL)
    } else if has(&["quota"]) {
        quota(message).unwrap_or(GROUP_QUOTA)
    } else if has(&["authentication", "authorization", "authorized", "forbidden"]) {
        Class::Auth
    } else if status < 500 && has(&["availabilityzone", "invalidzone"]) {
        ALL_HERE
    } else if has(&["internal", "inprogress", "inuse", "retryable", "unavailable"])
        || ends(&["timedout", "timeout", "canceled", "notready"])
    {
        Class::Transient
    } else if status < 500
        && (ends(&["notallowed", "notfound", "notsupported", "required", "toolarge"])
            || begins(&["disallowed", "invalid", "linked", "missing", "toomany", "unsupported"]))
    {
        bad(message)
    } else if let Some(class) = quota(message).or_else(|| size_not_offered(message)) {
        class
    } else {
        match status {
            401 | 403 => Class::Auth,
            // No answer in time, and a caller that hung up.
            408 | 499 | 500.. => Class::Transient,
            _ => Class::Unknown,
        }
    }
}

/// "We do not have sufficient capacity for the requested VM size in this region." In all zones then; of one the code is
/// `ZonalAllocationFailed`. "VM allocation failed due to an internal error" does not say where.
fn stock(message: &str) -> Class {
    if message.contains("in this region") { TYPE_EVERYWHERE } else { TYPE_HERE }
}

/// The quota that a message names. All are a location's.
///
/// "... as it results in exceeding approved standardDSv3Family Cores quota. Additional details - ...", and the older
/// "Operation results in exceeding quota limits of Core.":
/// <https://learn.microsoft.com/azure/quotas/per-vm-quota-requests>. Processors are counted by families, and those of
/// all spot machines together (`LowPriorityCores`): these are groups. `Total Regional Cores` are those of all families,
/// but not of spot machines (<https://learn.microsoft.com/azure/quotas/spot-quota>): to hold off everything for it
/// would stop them for nothing, so it is the group's as well, and other groups find out by themselves.
///
/// Whatever else is counted (machines, disks, interfaces, addresses) every machine needs.
fn quota(message: &str) -> Option<Class> {
    let limits = [("exceeding approved ", " quota"), ("exceeding quota limits of ", ".")];
    if let Some(counted) = limits.iter().find_map(|(before, after)| between(message, before, after)) {
        return Some(if counted.contains("core") || counted.contains("vcpu") {
            GROUP_QUOTA
        } else {
            QUOTA_OF_ALL
        });
    }
    // "Cannot create more than 10 public IP addresses for this subscription in this region."
    let of_all = message.contains("would exceed the quota of")
        || message.contains("cannot create more than") && message.contains("for this subscription");
    if of_all {
        Some(QUOTA_OF_ALL)
    } else {
        // "Insufficient vcpu quota requested 48, remaining 32 for family standardDSv5Family for region ..."
        message.contains("vcpu quota").then_some(GROUP_QUOTA)
    }
}

fn between<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// `OperationNotAllowed`: "There can be several reasons for this error message."
fn operation(message: &str, status: u16) -> Class {
    // The page of rates says so: the code of the answer with 429 is this one.
    if status == 429 || message.contains("too many requests") {
        return Class::RateLimit;
    }
    const PASS: [&str; 9] = [
        "after some time",
        "another operation",
        "are being ",
        "concurrent",
        "has been successfully created",
        "is being ",
        "marked for deletion",
        "ongoing",
        "retry",
    ];
    if let Some(class) = quota(message).or_else(|| size_not_offered(message)) {
        class
    } else if PASS.iter().any(|text| message.contains(text)) {
        Class::Transient
    } else {
        Class::InvalidRequest
    }
}

/// A value that is wrong, wherever it is asked for; but a size that is not offered, or a quota, leaves others.
fn bad(message: &str) -> Class {
    quota(message).or_else(|| size_not_offered(message)).unwrap_or(Class::InvalidRequest)
}

/// "The requested VM size ... is not available in the current region. The sizes available in the current region are:
/// ...", or "availability zone" in its place; "The value ... provided for the VM size is not valid. The valid sizes in
/// the current region are: ..."; and what `SkuNotAvailable` says, where that code is lost.
fn size_not_offered(message: &str) -> Option<Class> {
    let offered_elsewhere =
        message.contains("requested vm size") && message.contains("not available in the current");
    let unknown = message.contains("provided for the vm size is not valid");
    let sold_out =
        message.contains("the requested") && message.contains("is currently not available in location");
    let class =
        if message.contains("in the current availability zone") { TYPE_HERE } else { TYPE_EVERYWHERE };
    if sold_out { Some(TYPE_HERE) } else { (offered_elsewhere || unknown).then_some(class) }
}

/// "The Resource 'Microsoft.Compute/virtualMachines/m' under resource group 'g' was not found.": only what the driver
/// itself makes may be taken for what a call was about.
fn missing(message: &str) -> Class {
    const OURS: [&str; 4] = [
        "microsoft.compute/disks/",
        "microsoft.compute/virtualmachines/",
        "microsoft.network/networkinterfaces/",
        "microsoft.network/publicipaddresses/",
    ];
    match between(message, "the resource '", "'") {
        Some(resource) if !OURS.iter().any(|kind| resource.starts_with(kind)) => Class::InvalidRequest,
        _ => Class::NotFound,
    }
}

/// Whether an answer of this class and HTTP status says for certain that nothing was done. An operation that ends with
/// an error of Azure's own leaves that open, and so does a call. One that ends for lack of quota or capacity may leave
/// a machine behind that has failed: it is listed as such.
pub(crate) fn is_refusal(class: Class, status: u16) -> bool {
    match class {
        Class::Transient | Class::Unknown => (400..500).contains(&status) && !matches!(status, 408 | 499),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
