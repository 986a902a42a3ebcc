//! What the stand-in is told at its start.

use std::{fmt, time::Duration};

/// How a stand-in behaves, and what there is in its cloud.
#[derive(Clone)]
pub struct Settings {
    /// The only project. Calls for another one find nothing.
    pub project: String,
    /// The project's number, which default service accounts and links of some answers show.
    pub project_number: u64,
    /// The zones, such as `europe-west1-b`. A zone's region is its name without the last part.
    pub zones: Vec<String>,
    /// How long every operation takes.
    pub operation_time: Duration,
    /// After how long `wait` answers with an operation that is not done.
    pub longest_wait: Duration,
    /// For how long a request's ID is remembered.
    pub request_id_window: Duration,
    /// The machine types, which every zone has.
    pub machine_types: Vec<MachineType>,
    /// The images that disks can be made of.
    pub images: Vec<Image>,
    /// The names of the project's networks.
    pub networks: Vec<String>,
    /// The names of the project's subnetworks, which every region has.
    pub subnetworks: Vec<String>,
    /// Where an insert beyond a quota fails.
    pub over_quota: OverQuota,
    /// Which error an insert without capacity fails with.
    pub out_of_stock: OutOfStock,
    /// The access token that calls must bring; without one, calls need no authorization.
    pub token: Option<String>,
    /// Who the operations say has asked for them.
    pub user: String,
    /// How many exchanges are kept: the oldest go first.
    pub exchanges_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let types = [
            ("e2-micro", 2, 1024),
            ("e2-small", 2, 2048),
            ("e2-medium", 2, 4096),
            ("e2-standard-2", 2, 8192),
            ("e2-standard-4", 4, 16384),
            ("n1-standard-1", 1, 3840),
            ("n2-standard-2", 2, 8192),
            ("n2-standard-4", 4, 16384),
            ("n2-standard-8", 8, 32768),
            ("n2d-standard-2", 2, 8192),
            ("c3-standard-4", 4, 16384),
            ("c4-standard-2", 2, 7168),
        ];
        Settings {
            project: "fake-project".into(),
            project_number: 123_456_789_012,
            zones: ["europe-west1-b", "europe-west1-c", "us-central1-a"].map(String::from).into(),
            operation_time: Duration::from_millis(20),
            longest_wait: Duration::from_secs(120),
            request_id_window: Duration::from_secs(60 * 60),
            machine_types: types
                .map(|(name, vcpus, memory_mb)| MachineType { name: name.into(), vcpus, memory_mb })
                .into(),
            images: vec![
                Image::new("debian-cloud", "debian-12-bookworm-v20260817", "debian-12", 10),
                Image::new("debian-cloud", "debian-12-bookworm-v20260914", "debian-12", 10),
                Image::new("debian-cloud", "debian-13-trixie-v20260914", "debian-13", 10),
                Image::new(
                    "ubuntu-os-cloud",
                    "ubuntu-2404-noble-amd64-v20260911",
                    "ubuntu-2404-lts-amd64",
                    10,
                ),
            ],
            networks: vec!["default".into()],
            subnetworks: vec!["default".into()],
            over_quota: OverQuota::default(),
            out_of_stock: OutOfStock::default(),
            token: None,
            user: "tester@fake-project.iam.gserviceaccount.com".into(),
            exchanges_kept: 100_000,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("project", &self.project)
            .field("zones", &self.zones)
            .field("operation_time", &self.operation_time)
            .finish_non_exhaustive()
    }
}

/// A machine type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineType {
    /// Such as `n2-standard-2`.
    pub name: String,
    /// How many virtual CPUs.
    pub vcpus: u32,
    /// How much memory, in MB.
    pub memory_mb: u64,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Whose it is, such as `debian-cloud`.
    pub project: String,
    /// Such as `debian-12-bookworm-v20260914`.
    pub name: String,
    /// Such as `debian-12`. The newest image of a family is the last one in the settings.
    pub family: Option<String>,
    /// The smallest disk that it fits on, in GB.
    pub size_gb: u64,
}

impl Image {
    /// An image in a family.
    #[must_use]
    pub fn new(project: &str, name: &str, family: &str, size_gb: u64) -> Self {
        Image { project: project.into(), name: name.into(), family: Some(family.into()), size_gb }
    }
}

/// Where an insert beyond a quota fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverQuota {
    /// The call is accepted, and its operation ends with `QUOTA_EXCEEDED`.
    #[default]
    FailsOperation,
    /// The call is refused with 403 `quotaExceeded`.
    RefusesCall,
}

/// Which error an insert without capacity fails with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfStock {
    /// `ZONE_RESOURCE_POOL_EXHAUSTED`.
    #[default]
    Plain,
    /// `ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS`.
    WithDetails,
}

/// How [`crate::Fake::refuse_calls`] refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 403 `rateLimitExceeded`.
    RateLimit,
    /// 429 `rateLimitExceeded`.
    TooManyRequests,
    /// 503 `backendError`.
    Unavailable,
}
