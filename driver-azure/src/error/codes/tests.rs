use super::*;

#[test]
fn codes_are_in_order_and_there_once() {
    assert!(CODES.is_sorted_by(|(a, ..), (b, ..)| a.to_ascii_lowercase() < b.to_ascii_lowercase()));
}

#[test]
fn a_code_that_needs_no_message_is_judged_alike_whatever_its_case_and_the_status() {
    for (code, rule, _) in CODES {
        if let Rule::Is(expected) = rule {
            for status in [0, 400, 403, 404, 409, 429, 500, 503] {
                for code in [(*code).to_owned(), code.to_ascii_uppercase(), code.to_ascii_lowercase()] {
                    assert_eq!(class(&code, "", status), *expected, "{code}");
                }
            }
        }
    }
}

/// What the codes of these calls mean for the pool, in other words than the table's.
#[test]
fn well_known_codes_have_their_kinds() {
    let cases = [
        ("SkuNotAvailable", 409, ErrorKind::Capacity),
        ("ZonalAllocationFailed", 0, ErrorKind::Capacity),
        ("PublicIPCountLimitReached", 400, ErrorKind::Quota),
        ("SubnetIsFull", 400, ErrorKind::Quota),
        ("QuotaExceeded", 409, ErrorKind::Quota),
        ("TooManyRequests", 429, ErrorKind::RateLimit),
        ("AuthorizationFailed", 403, ErrorKind::Auth),
        ("ExpiredAuthenticationToken", 401, ErrorKind::Auth),
        ("MissingSubscriptionRegistration", 409, ErrorKind::Auth),
        ("ResourceNotFound", 404, ErrorKind::NotFound),
        ("ResourceGroupNotFound", 404, ErrorKind::InvalidRequest),
        ("RequestDisallowedByPolicy", 403, ErrorKind::InvalidRequest),
        ("InternalServerError", 500, ErrorKind::Transient),
        ("PreconditionFailed", 412, ErrorKind::Transient),
        ("Conflict", 409, ErrorKind::Transient),
        ("BrandNew", 400, ErrorKind::Unknown),
    ];
    for (code, status, kind) in cases {
        assert_eq!(class(code, "", status).kind(), kind, "{code}");
    }
}

/// As Azure words them, and as Karpenter's tests have them.
fn exceeded(quota: &str) -> String {
    format!(
        "Operation could not be completed as it results in exceeding approved {quota} quota. Additional details - Deployment \
         Model: Resource Manager, Location: westus2, Current Limit: 0, Current Usage: 0, Additional Required: 32, (Minimum) New \
         Limit Required: 32. Submit a request for Quota increase at https://aka.ms/ProdportalCRP"
    )
}

#[test]
fn a_quota_of_processors_is_a_group_s() {
    let quotas =
        ["standardDLSv5Family Cores", "LowPriorityCores", "Total Regional Cores", "Total Regional vCPUs"];
    for quota in quotas {
        for code in [
            "OperationNotAllowed",
            "QuotaExceeded",
            "InvalidTemplateDeployment",
            "BadRequest",
            "Conflict",
            "BrandNew",
        ] {
            for status in [0, 400, 403, 409] {
                assert_eq!(class(code, &exceeded(quota), status), GROUP_QUOTA, "{code}: {quota}");
            }
        }
    }
    let older = "Operation results in exceeding quota limits of Core. Maximum allowed: 4, Current in use: 4, \
        Additional requested: 2.";
    assert_eq!(class("OperationNotAllowed", older, 409), GROUP_QUOTA);
    let clusters = "Insufficient vcpu quota requested 48, remaining 32 for family standardDSv5Family for region \
        qatarcentral";
    assert_eq!(class("ErrCode_InsufficientVCPUQuota", clusters, 400), GROUP_QUOTA);
    assert_eq!(class("QuotaExceeded", "", 409), GROUP_QUOTA);
    assert_eq!(class("SubscriptionQuotaExceeded", "", 409), GROUP_QUOTA);
}

#[test]
fn a_quota_of_what_every_machine_needs_is_of_everything() {
    for quota in ["Virtual Machines", "PremiumDiskCount"] {
        assert_eq!(class("OperationNotAllowed", &exceeded(quota), 409), QUOTA_OF_ALL, "{quota}");
    }
    let addresses = "Cannot create more than 10 public IP addresses for this subscription in this region.";
    let interfaces = "Cannot create more than 65536 network interfaces for this subscription in this region.";
    let resources = "Creating the resource of type 'Microsoft.Network/networkInterfaces' would exceed the quota of '800' resources of type \
         'Microsoft.Network/networkInterfaces' per resource group. The current resource count is '800'.";
    let cases = [
        ("PublicIPCountLimitReached", addresses),
        ("IPv4StandardSkuPublicIpCountLimitReached", addresses),
        ("NetworkInterfaceCountLimitReached", interfaces),
        ("NetworkInterfaceCountLimitReached", ""),
        ("BrandNew", addresses),
        ("ResourceQuotaExceeded", resources),
        ("ResourceQuotaExceeded", ""),
        ("QuotaExceeded", resources),
        (
            "SubnetIsFull",
            "Subnet workers with address prefix 10.0.0.0/29 does not have enough capacity for 1 IP addresses.",
        ),
    ];
    for (code, message) in cases {
        assert_eq!(class(code, message, 400), QUOTA_OF_ALL, "{code}: {message}");
    }
}

#[test]
fn a_lack_of_machines_is_of_a_type_where_the_message_says() {
    let region = "Allocation failed. We do not have sufficient capacity for the requested VM size in this \
        region. Read more";
    let zone = "Allocation failed. We do not have sufficient capacity for the requested VM size in this zone. \
        Read more";
    let internal = "The VM allocation failed due to an internal error. Please retry later or try deploying to a \
        different location.";
    let constraints = "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too restrictive. \
         Please remove some constraints and try again. Constraints applied are:  - Low Priority VMs  - VM Size";
    let sold_out = "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: Standard_B2s' is currently not \
         available in location 'eastus'. Please try another size or deploy to a different location or different zone.";
    let zones = "The requested size for resource '/subscriptions/s/m' is currently not available in location \
        'westeurope' zones '1' for subscription 's'.";
    let cases = [
        ("AllocationFailed", region, TYPE_EVERYWHERE),
        ("AllocationFailed", internal, TYPE_HERE),
        ("AllocationFailed", "", TYPE_HERE),
        ("ZonalAllocationFailed", zone, TYPE_HERE),
        ("OverconstrainedAllocationRequest", constraints, TYPE_EVERYWHERE),
        ("OverConstrainedAllocationRequest", "", TYPE_EVERYWHERE),
        ("OverconstrainedZonalAllocationRequest", constraints, TYPE_HERE),
        ("OverconstrainedZonalAllocationRequestFailure", constraints, TYPE_HERE),
        ("NewAllocationFailed", region, TYPE_EVERYWHERE),
        ("SkuNotAvailable", sold_out, TYPE_HERE),
        ("SkuNotAvailable", zones, TYPE_HERE),
        ("InvalidTemplateDeployment", zones, TYPE_HERE),
        ("VariablePriceGreaterThanProvidedMaxPrice", "", TYPE_EVERYWHERE),
    ];
    for (code, message, expected) in cases {
        for status in [0, 409] {
            assert_eq!(class(code, message, status), expected, "{code}: {message}");
        }
    }
}

/// Others may be offered: what is held off is the type.
#[test]
fn a_size_that_is_not_offered_is_no_reason_to_stop_asking_for_others() {
    let region = "The requested VM size Standard_D9 is not available in the current region. The sizes available \
        in the current region are: A";
    let zone = "The requested VM size Standard_D9 is not available in the current availability zone. The sizes \
        available in the current availability zone are: A";
    let unknown = "The value Standard_D9 provided for the VM size is not valid. The valid sizes in the current \
        region are: A";
    for code in ["InvalidParameter", "BadRequest", "OperationNotAllowed", "InvalidVMSize", "BrandNew"] {
        assert_eq!(class(code, region, 400), TYPE_EVERYWHERE, "{code}");
        assert_eq!(class(code, zone, 400), TYPE_HERE, "{code}");
        assert_eq!(class(code, unknown, 400), TYPE_EVERYWHERE, "{code}");
    }
    let wrong = "The value of parameter osDisk.diskSizeGB is invalid.";
    assert_eq!(class("InvalidParameter", wrong, 400), Class::InvalidRequest);
}

#[test]
fn a_zone_that_is_not_there_is_held_off_alone() {
    for code in [
        "InvalidAvailabilityZone",
        "AvailabilityZoneNotSupported",
        "InvalidZones",
        "LocationNotSupportAvailabilityZones",
    ] {
        assert_eq!(
            class(code, "The zone(s) '3' for resource 'm' is not supported.", 400),
            ALL_HERE,
            "{code}"
        );
    }
}

#[test]
fn an_operation_that_is_not_allowed_may_be_so_for_many_reasons() {
    let cases = [
        (
            "The server rejected the request because too many requests have been received for this subscription.",
            Class::RateLimit,
        ),
        (
            "Operation 'update' is not allowed on VM 'm' since the VM is marked for deletion. You can only \
                retry the Delete operation",
            Class::Transient,
        ),
        (
            "Operation 'update' is not allowed on VM 'm' since another operation is in progress.",
            Class::Transient,
        ),
        (
            "An ongoing operation is changing power state of Virtual Machine m to off. Please perform operation \
                x after some time.",
            Class::Transient,
        ),
        (
            "Management operations on VM 'm' are disallowed because VM disks are being converted to managed disks.",
            Class::Transient,
        ),
        (
            "The resource m cannot be created from Image i until Image has been successfully created.",
            Class::Transient,
        ),
        (
            "The maximum number of data disks allowed to be attached to a VM of this size is 0.",
            Class::InvalidRequest,
        ),
        (
            "Disk with size 1GB, which is smaller than the size 30GB of corresponding disk in Image, is not allowed.",
            Class::InvalidRequest,
        ),
        ("Operation 'x' is not allowed on VM 'm' since the VM is running.", Class::InvalidRequest),
    ];
    for (message, expected) in cases {
        assert_eq!(class("OperationNotAllowed", message, 409), expected, "{message}");
    }
    assert_eq!(class("OperationNotAllowed", "", 429), Class::RateLimit);
    assert_eq!(class("OperationNotAllowed", &exceeded("standardBSFamily Cores"), 409), GROUP_QUOTA);
}

#[test]
fn the_rate_of_calls_is_told_from_a_lock() {
    for code in [
        "TooManyRequests",
        "SubscriptionRequestsThrottled",
        "TenantRequestsThrottled",
        "RateLimitExceeded",
        "BrandNew",
        "",
    ] {
        assert_eq!(class(code, "", 429), Class::RateLimit, "{code}");
    }
    for code in ["RetryableError", "RetryableErrorDueToAnotherOperation"] {
        assert_eq!(
            class(code, "Operation x was canceled and superseded by operation y.", 429),
            Class::Transient,
            "{code}"
        );
        assert!(is_refusal(Class::Transient, 429));
    }
}

/// The pool takes it for the end of an instance.
#[test]
fn only_what_the_driver_makes_is_not_found() {
    let cases = [
        ("Microsoft.Compute/virtualMachines/pool-1", Class::NotFound),
        ("microsoft.compute/virtualmachines/POOL-1", Class::NotFound),
        ("Microsoft.Compute/disks/pool-1-os", Class::NotFound),
        ("Microsoft.Network/networkInterfaces/pool-1-nic", Class::NotFound),
        ("Microsoft.Network/publicIPAddresses/pool-1-ip", Class::NotFound),
        ("Microsoft.Network/virtualNetworks/workers", Class::InvalidRequest),
        ("Microsoft.Compute/images/worker", Class::InvalidRequest),
        ("Microsoft.Compute/virtualMachinesets/x", Class::InvalidRequest),
    ];
    for (resource, expected) in cases {
        let message = format!(
            "The Resource '{resource}' under resource group 'g' was not found. For more details please go to x"
        );
        assert_eq!(class("ResourceNotFound", &message, 404), expected, "{resource}");
    }
    assert_eq!(class("ResourceNotFound", "", 404), Class::NotFound);
    assert_eq!(class("VMNotFound", "The VM 'm' cannot be found.", 404), Class::NotFound);
    for image in ["ImageNotFound", "GalleryImageNotFound", "PlatformImageNotFound"] {
        assert_eq!(class(image, "", 404), Class::NotFound);
    }
    let others = [
        ("ResourceGroupNotFound", "Resource group 'g' could not be found."),
        ("SubscriptionNotFound", "The subscription 's' could not be found."),
        (
            "ParentResourceNotFound",
            "Can not perform requested operation on nested resource. Parent resource 'v' not found.",
        ),
        ("NotFound", "The Image '/subscriptions/s/i' cannot be found in 'westeurope' region."),
        ("NotFound", "The requested resource does not exist."),
        ("DiskNotFound", ""),
        ("BrandNewNotFound", ""),
        ("InvalidResourceType", ""),
        ("InvalidResourceNamespace", ""),
    ];
    for (code, message) in others {
        assert_eq!(class(code, message, 404), Class::InvalidRequest, "{code}");
    }
    assert_eq!(class("", "<html>Not Found</html>", 404), Class::Unknown);
}

#[test]
fn what_is_not_known_is_judged_by_its_shape_and_status() {
    let cases = [
        ("NewRequestsThrottled", 503, Class::RateLimit),
        ("InvalidAuthenticationTokenAudience", 401, Class::Auth),
        ("NotAuthorized", 400, Class::Auth),
        ("DiskServiceInternalError", 0, Class::Transient),
        ("InternalOperationError", 400, Class::Transient),
        ("NewOperationInProgress", 409, Class::Transient),
        ("InUseNetworkSecurityGroup", 400, Class::Transient),
        ("ServerTimeout", 503, Class::Transient),
        ("VMRedeploymentTimedOut", 0, Class::Transient),
        ("OperationCanceled", 0, Class::Transient),
        ("InvalidTagNameCharacters", 400, Class::InvalidRequest),
        ("TooManyTags", 400, Class::InvalidRequest),
        ("TagValueTooLarge", 400, Class::InvalidRequest),
        ("MissingApiVersionParameter", 400, Class::InvalidRequest),
        ("LinkedInvalidPropertyId", 400, Class::InvalidRequest),
        ("LocationRequired", 400, Class::InvalidRequest),
        ("MethodNotAllowed", 405, Class::InvalidRequest),
        ("InvalidNewThing", 500, Class::Transient),
        ("BrandNew", 0, Class::Unknown),
        ("BrandNew", 400, Class::Unknown),
        ("BrandNew", 409, Class::Unknown),
        ("BrandNew", 403, Class::Auth),
        ("", 401, Class::Auth),
        ("", 408, Class::Transient),
        ("", 502, Class::Transient),
        ("", 0, Class::Unknown),
    ];
    for (code, status, expected) in cases {
        assert_eq!(class(code, "", status), expected, "{code} {status}");
    }
}

#[test]
fn only_failures_of_azure_s_own_leave_the_outcome_open() {
    assert!(is_refusal(TYPE_HERE, 0));
    assert!(is_refusal(GROUP_QUOTA, 500));
    assert!(is_refusal(Class::RateLimit, 503));
    assert!(is_refusal(Class::InvalidRequest, 0));
    assert!(is_refusal(Class::Transient, 409));
    assert!(!is_refusal(Class::Transient, 500));
    assert!(!is_refusal(Class::Transient, 0));
    assert!(!is_refusal(Class::Transient, 408));
    assert!(!is_refusal(Class::Unknown, 200));
    // The machine is there, whatever it is good for.
    assert!(!is_refusal(class("OSProvisioningTimedOut", "", 0), 0));
}
