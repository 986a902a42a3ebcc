//! The one map from Compute Engine's reasons and codes to what the pool should do about them.

use pool_api::{ErrorKind, Reach};

/// Where a refusal holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Area {
    /// In the zone that was asked for.
    Zone,
    /// In all zones of its region.
    Region,
    /// In all regions.
    Project,
}

/// What a code is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Quota(Reach, Area),
    Capacity(Reach, Area),
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
            Self::Quota(..) => ErrorKind::Quota,
            Self::Capacity(..) => ErrorKind::Capacity,
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
    /// Compute Engine's catalog: <https://cloud.google.com/compute/docs/reference/rest/v1/errors>.
    Catalog,
    /// <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability>
    Stock,
    /// Allocation quotas: <https://cloud.google.com/compute/resource-usage>.
    Quotas,
    /// <https://cloud.google.com/compute/docs/api-rate-limits>, and for operations
    /// <https://cloud.google.com/compute/docs/troubleshooting/troubleshoot-operation-limits>.
    Rates,
    /// <https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-bulk-vm-creation>
    Bulk,
    /// The reasons of all of Google's JSON APIs: <https://cloud.google.com/resource-manager/docs/core_errors>.
    Core,
    /// The reasons of what stands before the APIs:
    /// <https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto>.
    Reason,
    /// The status of all of Google's APIs, where an answer has no reason:
    /// <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>.
    Status,
    /// Not documented; others have met it: the autoscaler of Kubernetes
    /// (<https://github.com/kubernetes/autoscaler>, `autoscaling_gce_client.go`), SkyPilot
    /// (<https://github.com/skypilot-org/skypilot>), and those who report to them.
    Seen,
}

/// How a code is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    /// Whatever the message.
    Is(Class),
    /// A quota of things, unless the message speaks of the rate of calls.
    Quota,
    /// The rate of calls, unless the message names a quota of things.
    Rate,
    /// No permission, unless the message names a quota or a rate: both come with the same HTTP status.
    Denied,
    /// What the message names does not exist.
    Missing,
    /// A value is wrong, unless it is what one zone does not offer.
    Bad,
    /// A conflict that passes, unless the message names a policy of the organization.
    Condition,
    /// With HTTP status 401 a login is missing, else a field.
    Required,
}

const AUTH: Rule = Rule::Is(Class::Auth);
const INVALID: Rule = Rule::Is(Class::InvalidRequest);
const RATE: Rule = Rule::Is(Class::RateLimit);
const PASSES: Rule = Rule::Is(Class::Transient);
const TYPE_HERE: Class = Class::Capacity(Reach::InstanceType, Area::Zone);
const ALL_HERE: Class = Class::Capacity(Reach::All, Area::Zone);
const STOCK: Rule = Rule::Is(TYPE_HERE);
/// A subnetwork is one region's, and so are its addresses.
const SUBNET_FULL: Class = Class::Quota(Reach::All, Area::Region);
/// A quota whose metric is not known.
const SOME_QUOTA: Class = Class::Quota(Reach::QuotaGroup, Area::Region);

/// Every code that the driver's calls and their operations can meet and that needs more than the rules of
/// [`by_shape`]. In the order of the alphabet, upper case before lower case.
const CODES: &[(&str, Rule, Page)] = &[
    ("ABORTED", PASSES, Page::Status),
    // The name is taken, by what is not the instance that the driver looks for: a new create has a new name.
    ("ALREADY_EXISTS", PASSES, Page::Status),
    ("BILLING_DISABLED", AUTH, Page::Reason),
    ("CANCELLED", PASSES, Page::Status),
    ("CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", RATE, Page::Rates),
    ("CONDITION_NOT_MET", Rule::Condition, Page::Seen),
    ("CONSUMER_INVALID", AUTH, Page::Reason),
    ("CONSUMER_SUSPENDED", AUTH, Page::Reason),
    ("DEADLINE_EXCEEDED", PASSES, Page::Status),
    ("FAILED_PRECONDITION", Rule::Condition, Page::Status),
    ("GCP_SUSPENDED", AUTH, Page::Reason),
    ("INTERNAL", PASSES, Page::Status),
    ("INTERNAL_ERROR", PASSES, Page::Seen),
    ("INVALID_ARGUMENT", Rule::Bad, Page::Status),
    ("INVALID_FIELD_VALUE", Rule::Bad, Page::Catalog),
    ("INVALID_USAGE", Rule::Bad, Page::Seen),
    ("IP_IN_USE_BY_ANOTHER_RESOURCE", PASSES, Page::Seen),
    ("IP_SPACE_EXHAUSTED", Rule::Is(SUBNET_FULL), Page::Seen),
    ("IP_SPACE_EXHAUSTED_WITH_DETAILS", Rule::Is(SUBNET_FULL), Page::Seen),
    ("LIMIT_EXCEEDED", Rule::Quota, Page::Seen),
    // Not the answer that the instance is gone, whatever was asked for.
    ("NETWORK_NOT_FOUND", INVALID, Page::Catalog),
    ("NOT_FOUND", Rule::Missing, Page::Status),
    ("OPERATION_CANCELED_BY_USER", PASSES, Page::Seen),
    ("OUT_OF_RANGE", INVALID, Page::Status),
    ("PERMISSIONS_ERROR", AUTH, Page::Catalog),
    ("PERMISSION_DENIED", Rule::Denied, Page::Status),
    ("PROJECT_NOT_FOUND", INVALID, Page::Catalog),
    ("QUOTA_EXCEEDED", Rule::Quota, Page::Quotas),
    ("RATE_LIMIT_EXCEEDED", RATE, Page::Reason),
    (
        "REGION_RESOURCE_POOL_EXHAUSTED",
        Rule::Is(Class::Capacity(Reach::InstanceType, Area::Region)),
        Page::Seen,
    ),
    ("RESOURCE_ALREADY_EXISTS", PASSES, Page::Seen),
    ("RESOURCE_EXHAUSTED", Rule::Rate, Page::Status),
    ("RESOURCE_IN_USE", PASSES, Page::Seen),
    ("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", PASSES, Page::Seen),
    ("RESOURCE_NOT_FOUND", Rule::Missing, Page::Seen),
    ("RESOURCE_NOT_READY", PASSES, Page::Seen),
    // "Too frequent operations from the source resource": many instances of one image at once.
    ("RESOURCE_OPERATION_RATE_EXCEEDED", RATE, Page::Seen),
    ("RESOURCE_POOL_EXHAUSTED", STOCK, Page::Seen),
    ("RESOURCE_QUOTA_EXCEEDED", Rule::Quota, Page::Reason),
    // `iam.serviceAccounts.actAs` is missing.
    ("SERVICE_ACCOUNT_ACCESS_DENIED", AUTH, Page::Seen),
    ("SERVICE_DISABLED", AUTH, Page::Reason),
    // "... in location ... cannot accept requests": the zone is down, and others need not be. Nothing was accepted, so
    // this is a refusal although its HTTP status is 500.
    ("SERVICE_UNAVAILABLE_FOR_LOCATION", Rule::Is(ALL_HERE), Page::Catalog),
    ("STOCKOUT", STOCK, Page::Seen),
    ("UNAUTHENTICATED", AUTH, Page::Status),
    ("UNAVAILABLE", PASSES, Page::Status),
    ("UNIMPLEMENTED", INVALID, Page::Status),
    // What the zone cannot do with such a type, or a spot instance that was taken back while it was being made. Both say
    // to try another zone; where no zone can, the operator sees the message each time.
    ("UNSUPPORTED_OPERATION", STOCK, Page::Seen),
    ("USER_PROJECT_DENIED", AUTH, Page::Reason),
    ("VM_MIN_COUNT_NOT_REACHED", STOCK, Page::Bulk),
    ("ZONE_RESOURCE_POOL_EXHAUSTED", STOCK, Page::Stock),
    ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", STOCK, Page::Stock),
    ("accessNotConfigured", AUTH, Page::Core),
    ("alreadyExists", PASSES, Page::Seen),
    ("authError", AUTH, Page::Core),
    ("backendError", PASSES, Page::Core),
    ("badRequest", Rule::Bad, Page::Core),
    ("concurrentLimitExceeded", RATE, Page::Core),
    // "Supplied fingerprint does not match": another has changed the instance since it was read.
    ("conditionNotMet", Rule::Condition, Page::Core),
    ("conflict", PASSES, Page::Core),
    ("dailyLimitExceeded", RATE, Page::Core),
    ("dailyLimitExceededUnreg", AUTH, Page::Core),
    ("forbidden", Rule::Denied, Page::Core),
    ("insufficientCapacity", STOCK, Page::Bulk),
    ("insufficientPermissions", AUTH, Page::Core),
    ("internalError", PASSES, Page::Core),
    ("invalid", Rule::Bad, Page::Core),
    ("invalidParameter", Rule::Bad, Page::Core),
    ("keyExpired", AUTH, Page::Core),
    ("keyInvalid", AUTH, Page::Core),
    ("limitExceeded", Rule::Rate, Page::Core),
    ("notFound", Rule::Missing, Page::Core),
    ("operationRateExceeded", RATE, Page::Rates),
    ("quotaExceeded", Rule::Quota, Page::Core),
    ("rateLimitExceeded", RATE, Page::Rates),
    ("rateLimitExceededUnreg", AUTH, Page::Core),
    ("required", Rule::Required, Page::Core),
    ("resourceInUseByAnotherResource", PASSES, Page::Seen),
    ("resourceNotFound", Rule::Missing, Page::Seen),
    ("resourceNotReady", PASSES, Page::Seen),
    ("resourceOperationRateExceeded", RATE, Page::Rates),
    // The reason in the details of an exhausted zone's error.
    ("resource_availability", STOCK, Page::Seen),
    ("responseTooLarge", INVALID, Page::Core),
    ("servingLimitExceeded", RATE, Page::Core),
    ("userRateLimitExceeded", RATE, Page::Core),
];

/// What an answer is about. `code` is the code of an operation's error (`ZONE_RESOURCE_POOL_EXHAUSTED`) or the reason of a
/// call's (`rateLimitExceeded`), empty if there is none; `status` is the HTTP status, 0 if there is none.
pub(crate) fn class(code: &str, message: &str, status: u16) -> Class {
    let Ok(index) = CODES.binary_search_by_key(&code, |(known, ..)| known) else {
        return by_shape(code, message, status);
    };
    match CODES[index].1 {
        Rule::Is(class) => class,
        Rule::Quota => quota_or_rate(message).unwrap_or(SOME_QUOTA),
        Rule::Rate => quota_or_rate(message).unwrap_or(Class::RateLimit),
        Rule::Denied => quota_or_rate(message).unwrap_or(Class::Auth),
        Rule::Missing => missing(message),
        Rule::Bad => bad(message),
        Rule::Condition => condition(message),
        Rule::Required if status == 401 => Class::Auth,
        Rule::Required => Class::InvalidRequest,
    }
}

/// What is not known is judged by the parts of its code, by its message, and in the end by the HTTP status alone:
/// `ACCESS_TOKEN_EXPIRED` and some dozen like it come with 401 or 403.
///
/// 404 alone is not [`Class::NotFound`]: that says that an instance is gone, and a wrong endpoint answers 404 as well.
fn by_shape(code: &str, message: &str, status: u16) -> Class {
    let code = code.replace('_', "").to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    let begins = |parts: &[&str]| parts.iter().any(|part| code.starts_with(part));
    if has(&["poolexhausted", "stockout"]) {
        TYPE_HERE
    } else if has(&["ipspaceexhausted"]) {
        SUBNET_FULL
    } else if has(&["ratelimit", "rateexceeded"]) {
        Class::RateLimit
    } else if has(&["quota"]) {
        quota_or_rate(message).unwrap_or(SOME_QUOTA)
    } else if begins(&["accesstoken", "apikey", "billing", "permission"]) {
        Class::Auth
    } else if status == 404 && message.starts_with("The resource '") && collection(message).is_some() {
        missing(message)
    } else if status < 500
        && (code.ends_with("notfound") || begins(&["field", "invalid", "missing", "unsupported"]))
    {
        Class::InvalidRequest
    } else if let Some(class) = quota_or_rate(message) {
        class
    } else if message.contains("does not have enough resources available") {
        TYPE_HERE
    } else if status == 400 && message.starts_with("Invalid value for field") {
        bad(message)
    } else {
        match status {
            401 | 403 => Class::Auth,
            429 => Class::RateLimit,
            // No answer in time, and a caller that hung up.
            408 | 499 | 500.. => Class::Transient,
            _ => Class::Unknown,
        }
    }
}

/// Whether a message names a quota of things, or says that calls came too fast; none if neither.
///
/// `quotaExceeded` and 403 are used for both: "Quota 'CPUS' exceeded. Limit: 24.0 in region us-central1." ends when
/// instances do; "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service ..." in a minute.
fn quota_or_rate(message: &str) -> Option<Class> {
    if let Some(metric) =
        quoted(message, "Quota '", "' exceeded").or_else(|| quoted(message, "xceeded limit '", "'"))
    {
        return Some(quota_of(metric, message));
    }
    const RATES: [&str; 8] = [
        "rate limit exceeded",
        " per minute",
        " per second",
        " per 100 seconds",
        " per day",
        "insufficient tokens for quota",
        "concurrent operations",
        "too many requests",
    ];
    let message = message.to_ascii_lowercase();
    RATES.iter().any(|rate| message.contains(rate)).then_some(Class::RateLimit)
}

/// What stands between two texts, if it is one word.
fn quoted<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    let (word, _) = rest.split_once(after)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
    (!word.is_empty() && word.bytes().all(plain)).then_some(word)
}

/// Whom a metric counts: <https://cloud.google.com/compute/resource-usage>. Processors, accelerators and local disks are
/// counted by families of types; the rest (instances, addresses, disks) is what every instance needs.
fn quota_of(metric: &str, message: &str) -> Class {
    const OF_EVERY_INSTANCE: [&str; 8] =
        ["CPUS_ALL_", "DISKS", "EXTERNAL_", "HDB_", "INSTANCES", "IN_USE_", "SSD_TOTAL_", "STATIC_"];
    let metric = metric.replace('-', "_").to_ascii_uppercase();
    let metric = metric.strip_prefix("COMPUTE.GOOGLEAPIS.COM/").unwrap_or(&metric);
    let every = OF_EVERY_INSTANCE.iter().any(|start| metric.starts_with(start));
    // "... Limit: 32.0 globally."; a network is in all regions.
    let everywhere = message.contains(" globally")
        || metric.ends_with("_ALL_REGIONS")
        || ["_PER_NETWORK", "_PER_VPC", "_PER_PROJECT"].iter().any(|part| metric.contains(part));
    Class::Quota(
        if every { Reach::All } else { Reach::QuotaGroup },
        if everywhere { Area::Project } else { Area::Region },
    )
}

/// "The resource 'projects/p/zones/z/machineTypes/t' was not found": only what is of no zone, subnetwork or project may be
/// taken for the instance that a call was about.
fn missing(message: &str) -> Class {
    match collection(message) {
        Some("projects" | "networks") => Class::InvalidRequest,
        Some(name) => not_offered(name).unwrap_or(Class::NotFound),
        None => Class::NotFound,
    }
}

/// "Invalid value for field 'resource.machineType': '...'. Machine type with name 't' does not exist in zone 'z'."
fn bad(message: &str) -> Class {
    // Where the reason is lost: `resourceNotReady` and `resourceInUseByAnotherResource` are 400 too.
    if message.contains(" is not ready") || message.contains("is already being used by") {
        return Class::Transient;
    }
    const ABSENT: [&str; 4] = ["does not exist", "not found", "cannot be found", "is not available"];
    if !ABSENT.iter().any(|text| message.contains(text)) {
        let no_zone = message.contains("Unknown zone");
        return if no_zone { ALL_HERE } else { Class::InvalidRequest };
    }
    let of_the_zone = message.contains("does not exist in zone").then_some(TYPE_HERE);
    collection(message).and_then(not_offered).or(of_the_zone).unwrap_or(Class::InvalidRequest)
}

/// What is held off where a place has no such thing, as for a subnetwork of EC2's: another place may have it.
fn not_offered(collection: &str) -> Option<Class> {
    match collection {
        "machineTypes" | "acceleratorTypes" => Some(TYPE_HERE),
        // The type of disk is the same for all instances.
        "diskTypes" | "zones" => Some(ALL_HERE),
        "regions" | "subnetworks" => Some(Class::Capacity(Reach::All, Area::Region)),
        _ => None,
    }
}

/// What kind of thing the first path or URL in a message is about: the last part but one.
fn collection(message: &str) -> Option<&str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | '(' | ')');
    let path = message.split(ends).find(|word| word.contains('/'))?;
    path.trim_end_matches(['.', ':']).rsplit('/').nth(1)
}

/// "Constraint constraints/compute.vmExternalIpAccess violated ..." stays until a human mends something; a policy of
/// places holds for one of them.
fn condition(message: &str) -> Class {
    if message.contains("constraints/gcp.resourceLocations") {
        ALL_HERE
    } else if message.to_ascii_lowercase().contains("constraint") {
        Class::InvalidRequest
    } else {
        Class::Transient
    }
}

/// Whether an answer of this class and HTTP status says for certain that nothing was done. An operation that ends with an
/// error of Google's own leaves that open, and so does a call.
pub(crate) fn is_refusal(class: Class, status: u16) -> bool {
    match class {
        Class::Transient | Class::Unknown => (400..500).contains(&status) && !matches!(status, 408 | 499),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Class = SOME_QUOTA;
    const GROUP_EVERYWHERE: Class = Class::Quota(Reach::QuotaGroup, Area::Project);
    const ALL: Class = Class::Quota(Reach::All, Area::Region);
    const ALL_EVERYWHERE: Class = Class::Quota(Reach::All, Area::Project);
    const NO_SUBNET: Class = Class::Capacity(Reach::All, Area::Region);

    #[test]
    fn codes_are_in_order_and_there_once() {
        assert!(CODES.is_sorted_by(|(a, ..), (b, ..)| a < b));
    }

    #[test]
    fn a_code_that_needs_no_message_is_judged_alike_whatever_the_status() {
        for (code, rule, _) in CODES {
            if let Rule::Is(expected) = rule {
                for status in [0, 400, 403, 404, 500, 503] {
                    assert_eq!(class(code, "", status), *expected, "{code}");
                }
            }
        }
    }

    #[test]
    fn a_quota_has_the_scope_of_its_metric() {
        let cases = [
            ("Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1.", GROUP),
            ("Quota 'T2D_CPUS' exceeded.  Limit: 8.0 in region asia-northeast1.", GROUP),
            ("Quota 'PREEMPTIBLE_NVIDIA_L4_GPUS' exceeded.  Limit: 1.0 in region us-east4.", GROUP),
            ("Quota 'CPUS_PER_VM_FAMILY' exceeded. Limit: 0.0 in region us-west1.", GROUP),
            ("Quota 'LOCAL_SSD_TOTAL_GB' exceeded.  Limit: 750.0 in region us-east4.", GROUP),
            ("Quota 'CPUS_ALL_REGIONS' exceeded. Limit: 32.0 globally.", ALL_EVERYWHERE),
            ("Quota 'GPUS_ALL_REGIONS' exceeded.  Limit: 0.0 globally.", GROUP_EVERYWHERE),
            ("Quota 'INSTANCES' exceeded.  Limit: 72.0 in region europe-west1.", ALL),
            ("Quota 'IN_USE_ADDRESSES' exceeded.  Limit: 8.0 in region us-central1.", ALL),
            ("Quota 'SSD_TOTAL_GB' exceeded.  Limit: 500.0 in region us-central1.", ALL),
            ("Quota 'DISKS_TOTAL_GB' exceeded.  Limit: 4096.0 in region us-central1.", ALL),
            ("Exceeded limit 'INSTANCES_PER_VPC_NETWORK' on resource 'n'. Limit: 15000.0", ALL_EVERYWHERE),
            ("Quota 'BRAND_NEW' exceeded. Limit: 1.0 in region us-west1.", GROUP),
            ("Quota 'BRAND_NEW' exceeded. Limit: 1.0 globally.", GROUP_EVERYWHERE),
            ("no words for it", GROUP),
        ];
        for (message, expected) in cases {
            for code in ["QUOTA_EXCEEDED", "quotaExceeded", "LIMIT_EXCEEDED", "NEW_QUOTA_EXCEEDED"] {
                assert_eq!(class(code, message, 403), expected, "{code}: {message}");
            }
        }
        // The reason is lost, the message is not.
        assert_eq!(class("PERMISSION_DENIED", cases[0].0, 403), GROUP);
        assert_eq!(class("RESOURCE_EXHAUSTED", cases[7].0, 429), ALL);
        assert_eq!(class("", cases[7].0, 403), ALL);
    }

    #[test]
    fn a_quota_of_calls_is_a_rate() {
        let messages = [
            "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'compute.x'",
            "Quota exceeded for quota group 'ReadGroup' and limit 'Read requests per 100 seconds' of service",
            "Insufficient tokens for quota 'ReadGroup' and limit 'CLIENT_PROJECT-100s' of service 'x'",
            "Quota on concurrent operations exceeded for project 1 in us-central1.",
            "Rate Limit Exceeded",
        ];
        let codes =
            ["rateLimitExceeded", "quotaExceeded", "QUOTA_EXCEEDED", "PERMISSION_DENIED", "forbidden", ""];
        for message in messages {
            for code in codes {
                for status in [403, 429] {
                    assert_eq!(class(code, message, status), Class::RateLimit, "{code}: {message}");
                }
            }
        }
        assert_eq!(class("RESOURCE_EXHAUSTED", "", 429), Class::RateLimit);
        assert_eq!(class("forbidden", "Required 'compute.instances.create' permission", 403), Class::Auth);
    }

    /// What one place does not offer is no reason to stop asking others, and never the end of an instance.
    #[test]
    fn what_is_missing_is_told_apart() {
        let cases = [
            ("zones/us-east4-a/instances/w-1", Class::NotFound),
            ("zones/us-east4-a/operations/operation-1", Class::NotFound),
            ("global/images/family/worker", Class::NotFound),
            ("zones/us-east4-a/machineTypes/n9-standard-4", TYPE_HERE),
            ("zones/us-east4-a/acceleratorTypes/nvidia-l4", TYPE_HERE),
            ("zones/us-east4-a/diskTypes/hyperdisk-balanced", ALL_HERE),
            ("zones/us-east4-z", ALL_HERE),
            ("regions/us-east4/subnetworks/workers", NO_SUBNET),
            ("global/networks/none", Class::InvalidRequest),
        ];
        for (path, expected) in cases {
            let message = format!("The resource 'projects/p/{path}' was not found");
            for code in ["notFound", "RESOURCE_NOT_FOUND", "NEW_NOT_FOUND", "UNKNOWN"] {
                assert_eq!(class(code, &message, 404), expected, "{code}: {path}");
            }
        }
        assert_eq!(class("notFound", "The resource 'projects/p' was not found", 404), Class::InvalidRequest);
        assert_eq!(class("PROJECT_NOT_FOUND", "The resource 'p' was not found", 404), Class::InvalidRequest);
        assert_eq!(class("NEW_NOT_FOUND", "", 404), Class::InvalidRequest);
        assert_eq!(class("", "<html>Not Found</html>", 404), Class::Unknown);
    }

    #[test]
    fn a_wrong_value_may_be_about_one_place_alone() {
        let cases = [
            ("zones/z/machineTypes/t'. Machine type with name 't' does not exist in zone 'z'.", TYPE_HERE),
            ("https://x/zones/z/machineTypes/t'. The referenced resource cannot be found.", TYPE_HERE),
            ("zones/z/machineTypes/n2-custom-3-1'. Memory is too small.", Class::InvalidRequest),
            ("projects/p/regions/r/subnetworks/s'. The referenced resource cannot be found.", NO_SUBNET),
            ("global/images/i'. The referenced image resource cannot be found.", Class::InvalidRequest),
            ("nowhere-a'. Unknown zone.", ALL_HERE),
            ("A'. Must be a match of regex '[a-z]'", Class::InvalidRequest),
        ];
        for (value, expected) in cases {
            for code in ["invalid", "INVALID_FIELD_VALUE", "UNKNOWN"] {
                let message = format!("Invalid value for field 'resource.some': '{value}");
                assert_eq!(class(code, &message, 400), expected, "{message}");
            }
        }
    }

    #[test]
    fn a_condition_is_a_conflict_or_a_policy() {
        let fingerprint = "Supplied fingerprint does not match current metadata fingerprint.";
        assert_eq!(class("conditionNotMet", fingerprint, 412), Class::Transient);
        assert!(is_refusal(Class::Transient, 412));
        let disk = "The disk resource 'projects/p/zones/z/disks/d' is already being used by 'w'";
        assert_eq!(class("INVALID_ARGUMENT", disk, 400), Class::Transient);
        let policy = "Constraint constraints/compute.vmExternalIpAccess violated for project 1.";
        assert_eq!(class("CONDITION_NOT_MET", policy, 412), Class::InvalidRequest);
        let place = "Location ZONE:z violates constraint constraints/gcp.resourceLocations on the resource";
        assert_eq!(class("conditionNotMet", place, 412), ALL_HERE);
    }

    #[test]
    fn what_is_not_known_is_judged_by_its_shape_and_status() {
        let cases = [
            ("NEW_RESOURCE_POOL_EXHAUSTED", 503, TYPE_HERE),
            ("NEW_IP_SPACE_EXHAUSTED", 400, SUBNET_FULL),
            ("NEW_RATE_LIMIT", 403, Class::RateLimit),
            ("API_KEY_INVALID", 400, Class::Auth),
            ("ACCESS_TOKEN_EXPIRED", 401, Class::Auth),
            ("MISSING_REQUIRED_FIELD", 400, Class::InvalidRequest),
            ("invalidNewThing", 500, Class::Transient),
            ("brandNew", 0, Class::Unknown),
            ("brandNew", 400, Class::Unknown),
            ("brandNew", 403, Class::Auth),
            ("brandNew", 429, Class::RateLimit),
            ("", 408, Class::Transient),
            ("", 502, Class::Transient),
            ("required", 401, Class::Auth),
            ("required", 400, Class::InvalidRequest),
        ];
        for (code, status, expected) in cases {
            assert_eq!(class(code, "", status), expected, "{code} {status}");
        }
    }

    #[test]
    fn only_failures_of_google_s_own_leave_the_outcome_open() {
        assert!(is_refusal(TYPE_HERE, 503));
        assert!(is_refusal(ALL_HERE, 500));
        assert!(is_refusal(Class::RateLimit, 503));
        assert!(!is_refusal(Class::Transient, 500));
        assert!(!is_refusal(Class::Transient, 0));
        assert!(!is_refusal(Class::Transient, 408));
        assert!(!is_refusal(Class::Unknown, 200));
        assert!(is_refusal(Class::Transient, 400));
    }
}
