//! What the operator configures.

use crate::limits;
use pool_api::{ByteSize, DriverConfigError, Placement, Privilege, QuotaGroup};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

/// The driver's own table of a configuration. Durations are texts such as `5m` or `2m 30s`.
///
/// `project`, `zones` and `admin_user` are required.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GceConfig {
    /// The id of the project that the instances are made in and paid by.
    pub project: String,
    /// The zones that instances are put in, in the order of preference: `europe-west1-b`. Each is a
    /// [placement](pool_api::InstanceSet::placements).
    pub zones: Vec<Placement>,
    /// The URL of the Compute Engine API, in place of `https://compute.googleapis.com`: a private endpoint, or a server to
    /// test against.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// As whom calls are made. Default: `default`.
    #[serde(default)]
    pub credentials: GceCredentials,
    /// The VPC network: its name in the project, or its path (`projects/P/global/networks/N`). Default: the subnetwork's;
    /// without a subnetwork, `default`.
    #[serde(default)]
    pub network: Option<String>,
    /// The subnetwork: its name, which it must have in the region of each zone, or its path
    /// (`projects/P/regions/R/subnetworks/S`). Needed where the network has no automatic ones.
    #[serde(default)]
    pub subnetwork: Option<String>,
    /// Network tags of each instance, which firewall rules refer to.
    #[serde(default)]
    pub network_tags: Vec<String>,
    /// Whether each instance gets an external address for its life. Without one it reaches the internet through a
    /// Cloud NAT alone. Default: false.
    #[serde(default)]
    pub external_address: bool,
    /// At which of an instance's addresses the pool reaches it. Default: `private`; `public` needs `external_address`.
    #[serde(default)]
    pub address: AddressKind,
    /// The service account that programs on an instance act as: its e-mail address, or `default` for the project's own.
    /// Default: none, so that jobs can call no API of Google's.
    #[serde(default)]
    pub service_account: Option<String>,
    /// What that service account may be used for, as URLs of scopes. Default: everything that its roles allow
    /// (`https://www.googleapis.com/auth/cloud-platform`).
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The size of the boot disk, rounded up to whole GiB. Default: the image's.
    #[serde(default)]
    pub boot_disk_size: Option<ByteSize>,
    /// The type of the boot disk. Default: `pd-balanced`.
    #[serde(default = "default_disk_type")]
    pub boot_disk_type: String,
    /// The type of the disks that are added for scratch space. Default: `pd-balanced`.
    #[serde(default = "default_disk_type")]
    pub scratch_disk_type: String,
    /// The user that is let in with the pool's key: the guest agent of Google's images makes it, with `sudo`.
    pub admin_user: String,
    /// How that user comes to the rights of root. Default: `sudo`.
    #[serde(default = "default_privilege")]
    pub admin_privilege: Privilege,
    /// Labels that every instance and disk gets beside the driver's own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whether the host keys that the guest agent publishes as guest attributes are believed. Whoever runs programs on an
    /// instance can write those too. Default: false: the pool checks the instance's secret instead.
    #[serde(default)]
    pub host_keys: bool,
    /// Quota groups by beginnings of machine types: `n2- = "n2"`, `a2-highgpu = "a100"`. The longest that fits wins. A type
    /// that none fits is in the group of its family's CPU quota. Spot instances have groups of their own.
    #[serde(default)]
    pub quota_groups: BTreeMap<String, QuotaGroup>,
    /// What [`Capabilities::list_settle_time`](pool_api::Capabilities::list_settle_time) says. Google promises no bound for
    /// how far lists lag. Default: 30 seconds.
    #[serde(default = "default_list_settle_time", with = "humantime_serde")]
    pub list_settle_time: Duration,
    /// How many instances may be on one page of a list, from 1 to 500. Default: 500.
    #[serde(default = "default_page_size")]
    pub page_size: u32,
    /// The time limit of a call, the access token included that may have to be fetched first, and of each page of a list.
    /// Default: 30 s.
    #[serde(default = "default_call_timeout", with = "humantime_serde")]
    pub call_timeout: Duration,
    /// For how long the driver follows an operation that Compute Engine has accepted. What becomes of it later is found
    /// by the pool's lists. Default: 10 minutes.
    #[serde(default = "default_operation_timeout", with = "humantime_serde")]
    pub operation_timeout: Duration,
}

/// As whom calls are made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GceCredentials {
    /// Where Google's own tools look: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, that of `gcloud auth
    /// application-default login`, and the metadata server of the machine that this runs on
    /// (<https://cloud.google.com/docs/authentication/application-default-credentials>).
    #[default]
    Default,
    /// None: for a server to test against. Needs `endpoint`.
    Anonymous,
    /// The key file of a service account, in JSON.
    KeyFile(PathBuf),
}

/// Which of an instance's addresses is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// The internal IPv4 address.
    #[default]
    Private,
    /// The external IPv4 address.
    Public,
}

fn default_scopes() -> Vec<String> {
    vec!["https://www.googleapis.com/auth/cloud-platform".into()]
}
fn default_disk_type() -> String {
    "pd-balanced".into()
}
fn default_privilege() -> Privilege {
    Privilege::Sudo
}
const fn default_list_settle_time() -> Duration {
    Duration::from_secs(30)
}
const fn default_page_size() -> u32 {
    500
}
const fn default_call_timeout() -> Duration {
    Duration::from_secs(30)
}
const fn default_operation_timeout() -> Duration {
    Duration::from_secs(600)
}

impl GceConfig {
    /// Reads and checks a driver's table.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field's path.
    pub fn from_value(value: serde_json::Value) -> Result<Self, DriverConfigError> {
        if !value.is_object() {
            return Err(DriverConfigError::new("gce", "must be a table with project, zones and admin_user"));
        }
        let config: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            unreadable(&path, error.into_inner().to_string())
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the path of the first field that is wrong.
    pub fn validate(&self) -> Result<(), DriverConfigError> {
        self.check_project()?;
        self.check_zones()?;
        self.check_endpoint()?;
        self.check_network()?;
        self.check_identity()?;
        self.check_disks()?;
        self.check_labels()?;
        if let Some(prefix) = self.quota_groups.keys().find(|prefix| !is_visible(prefix)) {
            let problem = "must be the beginning of a machine type, such as n2- or a2-highgpu";
            return Err(DriverConfigError::new(format!("quota_groups.{prefix:?}"), problem));
        }
        if !(1..=limits::LARGEST_PAGE).contains(&self.page_size) {
            let problem = format!("must be from 1 to {}", limits::LARGEST_PAGE);
            return Err(DriverConfigError::new("page_size", problem));
        }
        let times = [("call_timeout", self.call_timeout), ("operation_timeout", self.operation_timeout)];
        match times.iter().find(|(_, limit)| limit.is_zero()) {
            Some((field, _)) => Err(DriverConfigError::new(*field, "must be more than zero")),
            None => Ok(()),
        }
    }

    /// The region of all zones, if they are in one.
    pub(crate) fn single_region(&self) -> Option<&str> {
        let mut regions = self.zones.iter().map(|zone| region_of(zone.as_str()));
        let first = regions.next()??;
        regions.all(|region| region == Some(first)).then_some(first)
    }

    fn check_project(&self) -> Result<(), DriverConfigError> {
        // Ids of old projects may begin with a domain: `example.com:project`.
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b':');
        let letter_first = self.project.starts_with(|c: char| c.is_ascii_lowercase());
        if !letter_first || !self.project.bytes().all(plain) {
            let problem = "must be the id of a project, such as my-project-123 (not its name or number)";
            return Err(DriverConfigError::new("project", problem));
        }
        Ok(())
    }

    fn check_zones(&self) -> Result<(), DriverConfigError> {
        if self.zones.is_empty() {
            return Err(DriverConfigError::new("zones", "must name at least one zone"));
        }
        let mut seen = BTreeSet::new();
        for (index, zone) in self.zones.iter().enumerate() {
            let field = || format!("zones[{index}]");
            if region_of(zone.as_str()).is_none() {
                let problem = "must be the name of a zone: a region and a letter, such as europe-west1-b";
                return Err(DriverConfigError::new(field(), problem));
            }
            if !seen.insert(zone) {
                return Err(DriverConfigError::new(field(), "is there twice"));
            }
        }
        Ok(())
    }

    fn check_endpoint(&self) -> Result<(), DriverConfigError> {
        if let Some(endpoint) = &self.endpoint {
            DriverConfigError::check_endpoint(endpoint, "https://compute-example.p.googleapis.com")?;
            let plain_text = endpoint.starts_with("http://");
            if plain_text && self.credentials != GceCredentials::Anonymous {
                let problem = "credentials are not sent over plain http: use https, or credentials = \"anonymous\" for a server to test against";
                return Err(DriverConfigError::new("endpoint", problem));
            }
        } else if self.credentials == GceCredentials::Anonymous {
            let problem = "Compute Engine lets nobody in without credentials: \"anonymous\" is for a test server that endpoint names";
            return Err(DriverConfigError::new("credentials", problem));
        }
        Ok(())
    }

    fn check_network(&self) -> Result<(), DriverConfigError> {
        for (field, value) in [("network", &self.network), ("subnetwork", &self.subnetwork)] {
            if value.as_ref().is_some_and(|text| !is_name_or_path(text)) {
                return Err(DriverConfigError::new(
                    field,
                    "must be a name or a path such as projects/P/…/NAME",
                ));
            }
        }
        if let Some(index) = self.network_tags.iter().position(|tag| !limits::is_name(tag)) {
            let problem = "must be 1 to 63 lower-case letters, digits and -, a letter first";
            return Err(DriverConfigError::new(format!("network_tags[{index}]"), problem));
        }
        if self.network_tags.len() > limits::NETWORK_TAGS {
            let problem = format!("{} are the most that an instance can have", limits::NETWORK_TAGS);
            return Err(DriverConfigError::new("network_tags", problem));
        }
        if self.address == AddressKind::Public && !self.external_address {
            let problem = "an instance has no public address: set external_address = true";
            return Err(DriverConfigError::new("address", problem));
        }
        Ok(())
    }

    fn check_identity(&self) -> Result<(), DriverConfigError> {
        // In the metadata it stands before a colon, in one line.
        let login = |text: &str| {
            !text.is_empty()
                && text.len() <= 32
                && !text.starts_with('-')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !login(&self.admin_user) {
            let problem = "must be a login name of letters, digits, -, _ and .";
            return Err(DriverConfigError::new("admin_user", problem));
        }
        let email = |text: &str| text == "default" || (text.contains('@') && is_visible(text));
        if self.service_account.as_ref().is_some_and(|account| !email(account)) {
            let problem = "must be the e-mail address of a service account, or default";
            return Err(DriverConfigError::new("service_account", problem));
        }
        let scope = |text: &String| text.starts_with("https://www.googleapis.com/auth/") && is_visible(text);
        if let Some(index) = self.scopes.iter().position(|text| !scope(text)) {
            let problem = "must be the URL of a scope: https://www.googleapis.com/auth/…";
            return Err(DriverConfigError::new(format!("scopes[{index}]"), problem));
        }
        if self.service_account.is_some() && self.scopes.is_empty() {
            return Err(DriverConfigError::new("scopes", "a service account is of no use without a scope"));
        }
        Ok(())
    }

    fn check_disks(&self) -> Result<(), DriverConfigError> {
        let types =
            [("boot_disk_type", &self.boot_disk_type), ("scratch_disk_type", &self.scratch_disk_type)];
        for (field, disk_type) in types {
            if limits::disk_gib(disk_type).is_none() {
                let problem = format!("must be one of {}", limits::DISK_TYPES.join(", "));
                return Err(DriverConfigError::new(field, problem));
            }
        }
        if let (Some(size), Some(allowed)) = (self.boot_disk_size, limits::disk_gib(&self.boot_disk_type))
            && !allowed.contains(&whole_gib(size))
        {
            let problem = format!("must be from {} GiB to {} GiB", allowed.start(), allowed.end());
            return Err(DriverConfigError::new("boot_disk_size", problem));
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), DriverConfigError> {
        for (key, value) in &self.labels {
            let problem = if key.starts_with(crate::tags::LABEL_PREFIX) {
                "labels that begin so are the driver's own"
            } else if !limits::is_label_key(key) {
                "a label's name is 1 to 63 lower-case letters, digits, - and _, a letter first"
            } else if !limits::is_label_value(value) {
                "a label's value is at most 63 lower-case letters, digits, - and _"
            } else {
                continue;
            };
            return Err(DriverConfigError::new(format!("labels.{key}"), problem));
        }
        if self.labels.len() > limits::SHARED_LABELS {
            let problem = format!("{} are the most: the rest is for the driver", limits::SHARED_LABELS);
            return Err(DriverConfigError::new("labels", problem));
        }
        Ok(())
    }
}

/// The region of a zone: its name without the last letter. None for what is no zone.
pub(crate) fn region_of(zone: &str) -> Option<&str> {
    let (region, letter) = zone.rsplit_once('-')?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let letter = !letter.is_empty() && letter.bytes().all(plain);
    let region_is = region.contains('-') && region.bytes().all(|b| plain(b) || b == b'-');
    (letter && region_is && !region.starts_with('-')).then_some(region)
}

/// Rounded up.
pub(crate) fn whole_gib(size: ByteSize) -> u64 {
    size.0.div_ceil(1 << 30)
}

/// What serde says of a table, with the field that it is about.
fn unreadable(path: &str, problem: String) -> DriverConfigError {
    // Somebody may have put the key itself there.
    if path.starts_with("credentials") {
        let problem = "must be \"default\", \"anonymous\" or { key_file = \"/path/of/the/key.json\" }";
        return DriverConfigError::new("credentials", problem);
    }
    DriverConfigError::unreadable(path, problem)
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn is_name_or_path(text: &str) -> bool {
    if text.contains('/') { is_visible(text) && !text.ends_with('/') } else { limits::is_name(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_region_and_a_letter() {
        let cases = [
            ("europe-west1-b", Some("europe-west1")),
            ("us-east4-ai1a", Some("us-east4")),
            ("northamerica-northeast2-c", Some("northamerica-northeast2")),
            ("europe", None),
            ("b", None),
            ("europe-", None),
            ("Europe-west1-b", None),
            ("europe-west1-b/../c", None),
        ];
        for (zone, expected) in cases {
            assert_eq!(region_of(zone), expected, "{zone}");
        }
    }
}
