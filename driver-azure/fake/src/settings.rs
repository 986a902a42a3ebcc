//! What the stand-in is told at its start.

use std::{fmt, time::Duration};

/// How a stand-in behaves, and what there is in its cloud.
#[derive(Clone)]
pub struct Settings {
    /// The only subscription. Calls for another one find nothing.
    pub subscription: String,
    /// The directory that tokens are of.
    pub tenant: String,
    /// The application that may ask for tokens.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The assertion that is as good as the secret; without one, every assertion is.
    pub client_assertion: Option<String>,
    /// The managed identity of the machine that the stand-in runs on.
    pub identity_client_id: String,
    /// The resource groups.
    pub resource_groups: Vec<String>,
    /// The only location, such as `westeurope`.
    pub location: String,
    /// The location's availability zones.
    pub zones: Vec<String>,
    /// The sizes of machines.
    pub sizes: Vec<Size>,
    /// The images of the marketplace.
    pub images: Vec<PlatformImage>,
    /// The IDs of managed images and of versions of gallery images.
    pub image_ids: Vec<String>,
    /// The subnets.
    pub subnets: Vec<Subnet>,
    /// How long every operation takes.
    pub operation_time: Duration,
    /// How many seconds `Retry-After` says between two looks at an operation.
    pub retry_after: u64,
    /// How many seconds `Retry-After` says when there were too many calls.
    pub throttled_for: u64,
    /// How many resources a page of a list has.
    pub page_size: usize,
    /// Whether calls of the Resource Manager must bring a token that has been issued.
    pub check_tokens: bool,
    /// For how long a token is valid.
    pub token_lifetime: Duration,
    /// Whether lists of machines show the names of resource groups in capitals, as Azure's often do:
    /// <https://github.com/Azure/azure-sdk-for-java/issues/29607>.
    pub capital_groups_in_lists: bool,
    /// The versions of the API that there are for machines.
    pub machine_versions: Vec<String>,
    /// The versions of the API that there are for disks.
    pub disk_versions: Vec<String>,
    /// The versions of the API that there are for network interfaces and public addresses.
    pub network_versions: Vec<String>,
    /// How many exchanges are kept: the oldest go first.
    pub exchanges_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let sizes = [
            ("Standard_B1s", "standardBSFamily", 1),
            ("Standard_B2s", "standardBSFamily", 2),
            ("Standard_D2s_v3", "standardDSv3Family", 2),
            ("Standard_D4s_v3", "standardDSv3Family", 4),
            ("Standard_D8s_v3", "standardDSv3Family", 8),
            ("Standard_D2s_v5", "standardDSv5Family", 2),
            ("Standard_D4s_v5", "standardDSv5Family", 4),
            ("Standard_E2s_v5", "standardESv5Family", 2),
            ("Standard_F2s_v2", "standardFSv2Family", 2),
        ];
        let zones = ["1", "2", "3"].map(String::from);
        let subscription = "00000000-0000-0000-0000-000000000001";
        let image = |group: &str, rest: &str| {
            format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/{rest}")
        };
        let versions = |versions: &[&str]| versions.iter().map(|&version| version.to_owned()).collect();
        Settings {
            subscription: subscription.into(),
            tenant: "00000000-0000-0000-0000-000000000002".into(),
            client_id: "00000000-0000-0000-0000-000000000003".into(),
            client_secret: "fake-secret".into(),
            client_assertion: None,
            identity_client_id: "00000000-0000-0000-0000-000000000004".into(),
            resource_groups: ["fake-group", "fake-network-group"].map(String::from).into(),
            location: "westeurope".into(),
            sizes: sizes
                .map(|(name, family, cores)| Size {
                    name: name.into(),
                    family: family.into(),
                    cores,
                    zones: zones.to_vec(),
                })
                .into(),
            zones: zones.into(),
            images: vec![
                PlatformImage::new("Debian", "debian-12", "12-gen2", &["0.20260817.1", "0.20260914.1"]),
                PlatformImage::new("Debian", "debian-13", "13-gen2", &["0.20260914.1"]),
                PlatformImage::new("Canonical", "ubuntu-24_04-lts", "server", &["24.04.202609110"]),
                PlatformImage::new(
                    "Canonical",
                    "0001-com-ubuntu-server-jammy",
                    "22_04-lts-gen2",
                    &["22.04.202609090"],
                ),
            ],
            image_ids: vec![
                image("fake-group", "images/fake-image"),
                image("fake-group", "galleries/fake_gallery/images/fake-image/versions/1.0.0"),
                image("fake-group", "galleries/fake_gallery/images/fake-image"),
            ],
            subnets: vec![
                Subnet::new("fake-network-group", "fake-network", "default", [10, 0]),
                Subnet::new("fake-group", "fake-network", "default", [10, 1]),
            ],
            operation_time: Duration::from_millis(20),
            retry_after: 0,
            throttled_for: 1,
            page_size: 50,
            check_tokens: false,
            token_lifetime: Duration::from_secs(3599),
            capital_groups_in_lists: false,
            machine_versions: versions(&[
                "2022-03-01",
                "2022-08-01",
                "2022-11-01",
                "2023-03-01",
                "2023-07-01",
                "2023-09-01",
                "2024-03-01",
                "2024-07-01",
                "2024-11-01",
                "2025-04-01",
                "2025-11-01",
            ]),
            disk_versions: versions(&[
                "2022-03-02",
                "2022-07-02",
                "2023-01-02",
                "2023-04-02",
                "2023-10-02",
                "2024-03-02",
                "2025-01-02",
            ]),
            network_versions: versions(&[
                "2020-11-01",
                "2022-11-01",
                "2023-09-01",
                "2023-11-01",
                "2024-01-01",
                "2024-03-01",
                "2024-05-01",
                "2024-07-01",
                "2024-10-01",
                "2025-01-01",
            ]),
            exchanges_kept: 100_000,
        }
    }
}

impl fmt::Debug for Settings {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("subscription", &self.subscription)
            .field("resource_groups", &self.resource_groups)
            .field("location", &self.location)
            .field("operation_time", &self.operation_time)
            .finish_non_exhaustive()
    }
}

/// A size of machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// Such as `Standard_D2s_v3`.
    pub name: String,
    /// The family, which has a quota of its own, such as `standardDSv3Family`.
    pub family: String,
    /// How many virtual CPUs.
    pub cores: u32,
    /// The zones that have it. A size without any is to be had without a zone only.
    pub zones: Vec<String>,
}

/// An image of the marketplace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformImage {
    /// Such as `Debian`.
    pub publisher: String,
    /// Such as `debian-12`.
    pub offer: String,
    /// Such as `12-gen2`.
    pub sku: String,
    /// The versions, the latest one last.
    pub versions: Vec<String>,
    /// The smallest disk that it fits on, in GB.
    pub size_gb: u64,
}

impl PlatformImage {
    /// An image that fits on 30 GB.
    #[must_use]
    pub fn new(publisher: &str, offer: &str, sku: &str, versions: &[&str]) -> Self {
        PlatformImage {
            publisher: publisher.into(),
            offer: offer.into(),
            sku: sku.into(),
            versions: versions.iter().map(|&version| version.into()).collect(),
            size_gb: 30,
        }
    }
}

/// A subnet of a virtual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The network's resource group.
    pub group: String,
    /// The network's name.
    pub network: String,
    /// The subnet's name.
    pub name: String,
    /// The first two numbers of its addresses.
    pub prefix: [u8; 2],
    /// How many addresses it has, of which Azure takes five; at most 65536.
    pub addresses: u32,
}

impl Subnet {
    /// A subnet with 65536 addresses.
    #[must_use]
    pub fn new(group: &str, network: &str, name: &str, prefix: [u8; 2]) -> Self {
        Subnet { group: group.into(), network: network.into(), name: name.into(), prefix, addresses: 65536 }
    }
}
