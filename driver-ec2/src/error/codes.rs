//! The one map from EC2's error codes to what the pool should do about them.

use pool_api::{ErrorKind, FailureScope, PlacementReach, Reach};

/// What a code is about.
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
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html#CommonErrors>
    Common,
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html#api-error-codes-table-client>
    Client,
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html#api-error-codes-table-server>
    Server,
    /// The throttling and transient codes of all of AWS's services, as its SDKs know them:
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>, and `THROTTLING_ERRORS` and
    /// `TRANSIENT_ERRORS` of the crate aws-runtime.
    Sdk,
}

const TYPE_HERE: FailureScope = FailureScope::new(Reach::InstanceType, PlacementReach::This);
const GROUP_EVERYWHERE: FailureScope = FailureScope::new(Reach::QuotaGroup, PlacementReach::Every);
const ALL_HERE: FailureScope = FailureScope::new(Reach::All, PlacementReach::This);
const ALL_EVERYWHERE: FailureScope = FailureScope::new(Reach::All, PlacementReach::Every);

/// Every code that the driver's calls can meet and that needs more than the rules of [`class`] for what is not here. In
/// the order of the alphabet.
const CODES: &[(&str, Class, Page)] = &[
    ("AccountDisabled", Class::Auth, Page::Client),
    // Elastic addresses: only where a subnet's policy gives each instance one.
    ("AddressLimitExceeded", Class::Quota(ALL_EVERYWHERE), Page::Client),
    ("AttachmentLimitExceeded", Class::InvalidRequest, Page::Client),
    ("AuthFailure", Class::Auth, Page::Common),
    // EC2 documents it for an instance's network; the SDKs take it for throttling, and so does what retries after it.
    ("BandwidthLimitExceeded", Class::RateLimit, Page::Server),
    ("Blocked", Class::Auth, Page::Common),
    ("BootForVolumeTypeUnsupported", Class::InvalidRequest, Page::Client),
    ("ClientInvalidParameterValue", Class::InvalidRequest, Page::Client),
    ("ConcurrentTagAccess", Class::Transient, Page::Client),
    ("CustomerKeyHasBeenRevoked", Class::Auth, Page::Client),
    ("DryRunOperation", Class::InvalidRequest, Page::Common),
    ("EC2ThrottledException", Class::RateLimit, Page::Sdk),
    ("EncryptedVolumesNotSupported", Class::InvalidRequest, Page::Client),
    ("FilterLimitExceeded", Class::InvalidRequest, Page::Client),
    // The create that is asked for again has been answered, and its instance is gone: nothing is made, and a new
    // create needs a new token.
    ("IdempotentInstanceTerminated", Class::Transient, Page::Client),
    ("IdempotentParameterMismatch", Class::InvalidRequest, Page::Common),
    ("IncompleteSignature", Class::Auth, Page::Common),
    ("IncorrectInstanceState", Class::Transient, Page::Client),
    ("IncorrectState", Class::Transient, Page::Client),
    // "The limit ... for the required instance type": limits are kept by groups of types.
    ("InstanceLimitExceeded", Class::Quota(GROUP_EVERYWHERE), Page::Client),
    ("InsufficientAddressCapacity", Class::Quota(ALL_EVERYWHERE), Page::Server),
    ("InsufficientCapacity", Class::Capacity(TYPE_HERE), Page::Server),
    ("InsufficientCapacityOnHost", Class::Capacity(TYPE_HERE), Page::Client),
    ("InsufficientFreeAddressesInSubnet", Class::Quota(ALL_HERE), Page::Client),
    ("InsufficientHostCapacity", Class::Capacity(TYPE_HERE), Page::Server),
    ("InsufficientInstanceCapacity", Class::Capacity(TYPE_HERE), Page::Server),
    ("InsufficientReservedInstanceCapacity", Class::Capacity(TYPE_HERE), Page::Server),
    ("InsufficientReservedInstancesCapacity", Class::Capacity(TYPE_HERE), Page::Client),
    // "... EBS volume in a different availability zone".
    ("InsufficientVolumeCapacity", Class::Quota(ALL_HERE), Page::Server),
    ("InternalError", Class::Transient, Page::Server),
    ("InternalFailure", Class::Transient, Page::Server),
    ("InvalidAMIID.Unavailable", Class::InvalidRequest, Page::Client),
    ("InvalidAvailabilityZone", Class::Capacity(ALL_HERE), Page::Client),
    ("InvalidClientTokenId", Class::Auth, Page::Common),
    ("InvalidInstanceID.NotFound", Class::NotFound, Page::Client),
    // A subnet that is not there stops only itself.
    ("InvalidSubnetID.Malformed", Class::Capacity(ALL_HERE), Page::Client),
    ("InvalidSubnetID.NotFound", Class::Capacity(ALL_HERE), Page::Client),
    ("InvalidZone.NotFound", Class::Capacity(ALL_HERE), Page::Client),
    ("KeyPairLimitExceeded", Class::InvalidRequest, Page::Client),
    ("LimitExceededException", Class::RateLimit, Page::Sdk),
    ("MaxIOPSLimitExceeded", Class::Quota(ALL_EVERYWHERE), Page::Client),
    ("MaxSpotInstanceCountExceeded", Class::Quota(GROUP_EVERYWHERE), Page::Client),
    ("MissingAuthenticationToken", Class::Auth, Page::Common),
    ("NetworkInterfaceLimitExceeded", Class::Quota(ALL_EVERYWHERE), Page::Client),
    ("OperationNotPermitted", Class::InvalidRequest, Page::Client),
    ("OptInRequired", Class::Auth, Page::Common),
    ("PendingVerification", Class::Auth, Page::Common),
    ("PriorRequestNotComplete", Class::RateLimit, Page::Sdk),
    ("PrivateIpAddressLimitExceeded", Class::InvalidRequest, Page::Client),
    ("ProvisionedThroughputExceededException", Class::RateLimit, Page::Sdk),
    // The clock of this machine is wrong, or temporary credentials have run out.
    ("RequestExpired", Class::Auth, Page::Common),
    ("RequestLimitExceeded", Class::RateLimit, Page::Server),
    // "The frequency with which you requested the data ...": the driver asks for one instance at a time.
    ("RequestResourceCountExceeded", Class::RateLimit, Page::Client),
    ("RequestThrottled", Class::RateLimit, Page::Sdk),
    ("RequestThrottledException", Class::RateLimit, Page::Sdk),
    ("RequestTimeout", Class::Transient, Page::Sdk),
    ("RequestTimeoutException", Class::Transient, Page::Sdk),
    ("ReservationCapacityExceeded", Class::Capacity(TYPE_HERE), Page::Client),
    ("ResourceCountExceeded", Class::InvalidRequest, Page::Client),
    ("ResourceLimitExceeded", Class::Quota(ALL_EVERYWHERE), Page::Client),
    ("RetryableError", Class::Transient, Page::Client),
    ("SecurityGroupLimitExceeded", Class::InvalidRequest, Page::Client),
    ("SecurityGroupsPerInstanceLimitExceeded", Class::InvalidRequest, Page::Client),
    ("SecurityGroupsPerInterfaceLimitExceeded", Class::InvalidRequest, Page::Client),
    ("ServerInternal", Class::Transient, Page::Server),
    ("ServiceUnavailable", Class::Transient, Page::Server),
    ("SignatureDoesNotMatch", Class::Auth, Page::Client),
    ("SlowDown", Class::RateLimit, Page::Sdk),
    // The spot price is another in another zone, and for another type.
    ("SpotMaxPriceTooLow", Class::Capacity(TYPE_HERE), Page::Client),
    ("TagLimitExceeded", Class::InvalidRequest, Page::Client),
    ("TagPolicyViolation", Class::InvalidRequest, Page::Common),
    ("ThrottledException", Class::RateLimit, Page::Sdk),
    ("Throttling", Class::RateLimit, Page::Sdk),
    ("ThrottlingException", Class::RateLimit, Page::Sdk),
    ("TooManyRequestsException", Class::RateLimit, Page::Sdk),
    ("TransactionInProgressException", Class::RateLimit, Page::Sdk),
    ("UnauthorizedOperation", Class::Auth, Page::Common),
    ("Unavailable", Class::Transient, Page::Server),
    ("UnfulfillableCapacity", Class::Capacity(TYPE_HERE), Page::Client),
    ("UnknownParameter", Class::InvalidRequest, Page::Common),
    ("UnknownVolumeType", Class::InvalidRequest, Page::Client),
    // "... in an Availability Zone that currently has constraints on that instance type".
    ("Unsupported", Class::Capacity(TYPE_HERE), Page::Client),
    ("UnsupportedOperation", Class::InvalidRequest, Page::Common),
    ("UnsupportedProtocol", Class::InvalidRequest, Page::Common),
    ("VPCIdNotSpecified", Class::InvalidRequest, Page::Client),
    ("VPCResourceNotSpecified", Class::InvalidRequest, Page::Client),
    ("ValidationError", Class::InvalidRequest, Page::Common),
    // The quota of running vCPUs is one of a group of types. It is not given as a number of instances, and ends when
    // instances of any size end: as capacity it is tried again after a while, whatever this pool's own count.
    ("VcpuLimitExceeded", Class::Capacity(GROUP_EVERYWHERE), Page::Client),
    ("VolumeIOPSLimit", Class::InvalidRequest, Page::Client),
    ("VolumeLimitExceeded", Class::Quota(ALL_EVERYWHERE), Page::Client),
    ("VolumeTypeNotAvailableInZone", Class::Capacity(ALL_HERE), Page::Client),
];

/// What an answer with this code, message and HTTP status is about.
pub(crate) fn class(code: &str, message: &str, status: u16) -> Class {
    if let Some(scope) = about_one_placement(code, message) {
        return Class::Capacity(scope);
    }
    if let Ok(index) = CODES.binary_search_by_key(&code, |(known, ..)| known) {
        return CODES[index].1;
    }
    // `InvalidAMIID.Malformed`, `MissingParameter`, `MalformedQueryString`, `UnsupportedTenancy`: some hundred codes, all of
    // them about what was asked for.
    let about_the_request =
        ["Invalid", "Missing", "Malformed", "Unsupported"].iter().any(|start| code.starts_with(start));
    match status {
        // What a create names and is not there: an image, a security group, a key pair.
        _ if code.starts_with("Invalid") && code.ends_with(".NotFound") => Class::NotFound,
        _ if about_the_request && status < 500 => Class::InvalidRequest,
        401 | 403 => Class::Auth,
        429 => Class::RateLimit,
        500.. => Class::Transient,
        _ => Class::Unknown,
    }
}

/// `InvalidParameter` and its kin say in their message alone that they speak of the zone or of the subnet that was asked
/// for: there a type is not offered, or a security group is not in the subnet's network. Another subnet may do.
fn about_one_placement(code: &str, message: &str) -> Option<FailureScope> {
    if !matches!(code, "InvalidParameter" | "InvalidParameterValue" | "InvalidParameterCombination") {
        return None;
    }
    let message = message.to_ascii_lowercase();
    if message.contains("availability zone") && message.contains("instance type") {
        Some(TYPE_HERE)
    } else if message.contains("subnet") || message.contains("availability zone") {
        Some(ALL_HERE)
    } else {
        None
    }
}

/// Whether an answer of this class and HTTP status says for certain that nothing was done.
pub(crate) fn is_refusal(class: Class, status: u16) -> bool {
    match class {
        // "An internal error has occurred": before or after it was done.
        Class::Transient | Class::Unknown => (400..500).contains(&status),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_there_once() {
        assert!(CODES.is_sorted_by(|(a, ..), (b, ..)| a < b));
    }

    #[test]
    fn every_code_is_found_whatever_the_status() {
        for (code, expected, _) in CODES {
            for status in [400, 500, 503] {
                assert_eq!(class(code, "", status), *expected, "{code}");
            }
        }
    }

    /// What the reference pool tells apart, and what is easily mistaken for something else.
    #[test]
    fn quota_capacity_and_rate_have_their_scopes() {
        let cases = [
            ("InstanceLimitExceeded", Class::Quota(GROUP_EVERYWHERE)),
            ("InsufficientAddressCapacity", Class::Quota(ALL_EVERYWHERE)),
            ("InsufficientFreeAddressesInSubnet", Class::Quota(ALL_HERE)),
            ("InsufficientVolumeCapacity", Class::Quota(ALL_HERE)),
            ("MaxSpotInstanceCountExceeded", Class::Quota(GROUP_EVERYWHERE)),
            ("VcpuLimitExceeded", Class::Capacity(GROUP_EVERYWHERE)),
            ("InsufficientInstanceCapacity", Class::Capacity(TYPE_HERE)),
            ("Unsupported", Class::Capacity(TYPE_HERE)),
            ("SpotMaxPriceTooLow", Class::Capacity(TYPE_HERE)),
            ("InvalidSubnetID.NotFound", Class::Capacity(ALL_HERE)),
            ("RequestLimitExceeded", Class::RateLimit),
            ("Throttling", Class::RateLimit),
            ("AuthFailure", Class::Auth),
            ("UnauthorizedOperation", Class::Auth),
            ("InvalidInstanceID.NotFound", Class::NotFound),
            ("InvalidAMIID.NotFound", Class::NotFound),
            ("InvalidAMIID.Malformed", Class::InvalidRequest),
            ("InvalidKeyPair.NotFound", Class::NotFound),
            ("UnsupportedOperation", Class::InvalidRequest),
            ("InternalError", Class::Transient),
        ];
        for (code, expected) in cases {
            assert_eq!(class(code, "", 400), expected, "{code}");
        }
    }

    #[test]
    fn an_invalid_parameter_may_be_about_one_placement_alone() {
        let cases = [
            (
                "InvalidParameterValue",
                "The requested instance type (m9x.large) is not supported in your requested Availability Zone (eu-central-1c).",
                Class::Capacity(TYPE_HERE),
            ),
            (
                "InvalidParameter",
                "Security group sg-0a and subnet subnet-0b belong to different networks.",
                Class::Capacity(ALL_HERE),
            ),
            ("InvalidParameterCombination", "The Subnet is in no default VPC.", Class::Capacity(ALL_HERE)),
            (
                "InvalidParameterValue",
                "Value (x) for parameter volumeType is invalid.",
                Class::InvalidRequest,
            ),
            ("InvalidAMIID.NotFound", "The image id is not in this subnet", Class::NotFound),
        ];
        for (code, message, expected) in cases {
            assert_eq!(class(code, message, 400), expected, "{message}");
        }
    }

    #[test]
    fn a_code_that_is_not_known_is_judged_by_its_beginning_and_status() {
        assert_eq!(class("InvalidNewThing.Malformed", "", 400), Class::InvalidRequest);
        assert_eq!(class("InvalidNewThing", "", 500), Class::Transient);
        assert_eq!(class("BrandNew", "", 400), Class::Unknown);
        assert_eq!(class("BrandNew", "", 403), Class::Auth);
        assert_eq!(class("BrandNew", "", 429), Class::RateLimit);
        assert_eq!(class("BrandNew", "", 503), Class::Transient);
    }

    #[test]
    fn only_failures_of_the_server_itself_leave_the_outcome_open() {
        assert!(is_refusal(Class::Capacity(TYPE_HERE), 500));
        assert!(is_refusal(Class::RateLimit, 503));
        assert!(!is_refusal(Class::Transient, 500));
        assert!(!is_refusal(Class::Unknown, 200));
        assert!(is_refusal(Class::Transient, 400));
    }
}
