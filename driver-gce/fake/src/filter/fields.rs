//! Which fields there are to filter by.

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Instance,
    Operation,
    MachineType,
    Zone,
}

impl Kind {
    /// Whether a filter may name this field: that of a field that the resource does not have is an "Invalid
    /// list filter expression", and so is one by metadata, although instances have them.
    pub(crate) fn has(self, field: &str) -> bool {
        let fields: &[&str] = match self {
            Kind::Instance => &[
                "canIpForward",
                "cpuPlatform",
                "creationTimestamp",
                "deletionProtection",
                "description",
                "disks",
                "guestAccelerators",
                "hostname",
                "id",
                "kind",
                "labels",
                "lastStartTimestamp",
                "lastStopTimestamp",
                "machineType",
                "minCpuPlatform",
                "name",
                "networkInterfaces",
                "reservationAffinity",
                "resourcePolicies",
                "scheduling",
                "selfLink",
                "serviceAccounts",
                "startRestricted",
                "status",
                "statusMessage",
                "tags",
                "zone",
            ],
            Kind::Operation => &[
                "clientOperationId",
                "creationTimestamp",
                "description",
                "endTime",
                "httpErrorMessage",
                "httpErrorStatusCode",
                "id",
                "insertTime",
                "kind",
                "name",
                "operationGroupId",
                "operationType",
                "progress",
                "region",
                "selfLink",
                "startTime",
                "status",
                "statusMessage",
                "targetId",
                "targetLink",
                "user",
                "zone",
            ],
            Kind::MachineType => &[
                "architecture",
                "creationTimestamp",
                "description",
                "guestCpus",
                "id",
                "imageSpaceGb",
                "isSharedCpu",
                "kind",
                "maximumPersistentDisks",
                "maximumPersistentDisksSizeGb",
                "memoryMb",
                "name",
                "selfLink",
                "zone",
            ],
            Kind::Zone => {
                &["creationTimestamp", "description", "id", "kind", "name", "region", "selfLink", "status"]
            }
        };
        fields.contains(&field)
    }
}
