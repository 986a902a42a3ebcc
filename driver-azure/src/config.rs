//! What the operator configures.

use crate::limits;
use pool_api::{ByteSize, DriverConfigError, Placement, Privilege, QuotaGroup, Tags};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

/// The driver's own table of a configuration. Durations are texts such as `5m` or `2m 30s`.
///
/// `subscription_id`, `resource_group`, `location`, `virtual_network`, `subnet` and `admin_user` are required.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureConfig {
    /// The id of the subscription that pays for the machines.
    pub subscription_id: String,
    /// The resource group that the machines, their interfaces and their disks are made in. Let the pool have one for
    /// itself.
    pub resource_group: String,
    /// Where: `westeurope`.
    pub location: String,
    /// The availability zones that machines are put in, in the order of preference: `1`, `2`, `3`. Each is a
    /// [placement](pool_api::InstanceSet::placements). Empty, as it is by default: Azure chooses, in one placement without a
    /// name.
    #[serde(default)]
    pub zones: Vec<Placement>,
    /// The virtual network.
    pub virtual_network: String,
    /// The subnet in it.
    pub subnet: String,
    /// The resource group of the virtual network. Default: `resource_group`.
    #[serde(default)]
    pub network_resource_group: Option<String>,
    /// As whom calls are made. Default: the managed identity of the machine that this runs on.
    #[serde(default)]
    pub credentials: AzureCredentials,
    /// Which of Microsoft's clouds. Default: `public`.
    #[serde(default)]
    pub cloud: AzureCloud,
    /// The URL of the Resource Manager, in place of the cloud's own: a private link, or a server to test against.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The URL that access tokens come from, in place of the cloud's own.
    #[serde(default)]
    pub authority: Option<String>,
    /// The user that is let in with the pool's key: the machine's agent makes it, with `sudo`.
    pub admin_user: String,
    /// How that user comes to the rights of root. Default: `sudo`.
    #[serde(default = "default_privilege")]
    pub admin_privilege: Privilege,
    /// The type of the disk that a machine boots from. Default: `StandardSSD_LRS`.
    #[serde(default = "default_disk_type")]
    pub os_disk_type: String,
    /// The size of that disk, rounded up to whole GiB. Default: the image's.
    #[serde(default)]
    pub os_disk_size: Option<ByteSize>,
    /// The type of the disks that are added for scratch space. Default: `StandardSSD_LRS`.
    #[serde(default = "default_disk_type")]
    pub scratch_disk_type: String,
    /// The most that a spot machine may cost before it is taken away. Default: `on_demand`.
    #[serde(default)]
    pub spot_price_limit: SpotPriceLimit,
    /// Quota groups by beginnings of sizes: `Standard_NC = "gpu"`. The longest that fits wins. A size that none fits is in the
    /// group of its family. All spot machines are in one.
    #[serde(default)]
    pub quota_groups: BTreeMap<String, QuotaGroup>,
    /// Tags that every machine gets beside the pool's; its disks get them too.
    #[serde(default)]
    pub tags: Tags,
    /// What [`Capabilities::list_settle_time`](pool_api::Capabilities::list_settle_time) says. Default: 1 minute.
    #[serde(default = "default_list_settle_time", with = "humantime_serde")]
    pub list_settle_time: Duration,
    /// The time limit of a call, the access token included that may have to be fetched first, and of each page of a list.
    /// Default: 30 s.
    #[serde(default = "default_call_timeout", with = "humantime_serde")]
    pub call_timeout: Duration,
    /// For how long the driver follows an operation that Azure has accepted. What becomes of it later is found by the
    /// pool's lists. Default: 10 minutes.
    #[serde(default = "default_operation_timeout", with = "humantime_serde")]
    pub operation_timeout: Duration,
    /// How old an interface or disk without a machine must be before [`sweep`](pool_api::InstanceSet::sweep) takes it for left
    /// behind. Default: 20 minutes.
    #[serde(default = "default_leftover_age", with = "humantime_serde")]
    pub leftover_age: Duration,
}

/// As whom calls are made. `Debug` shows no secret.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AzureCredentials {
    /// The managed identity of the machine that this runs on, the one that its system has.
    #[default]
    ManagedIdentity,
    /// A managed identity that was assigned to the machine by a user.
    UserAssignedIdentity {
        /// The id of the identity's application.
        client_id: String,
    },
    /// A service principal with a secret.
    ClientSecret {
        /// The id of its tenant.
        tenant_id: String,
        /// The id of its application.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
    },
    /// A service principal with a certificate.
    ClientCertificate {
        /// The id of its tenant.
        tenant_id: String,
        /// The id of its application.
        client_id: String,
        /// A file with the certificate and its RSA key (PKCS #8), both in PEM.
        certificate_file: PathBuf,
    },
}

/// Which of Microsoft's clouds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AzureCloud {
    /// Azure.
    #[default]
    Public,
    /// Azure Government.
    UsGovernment,
    /// Azure operated by 21Vianet.
    China,
}

/// The most that a spot machine may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpotPriceLimit {
    /// What the size costs on demand: it is never taken away for its price.
    #[default]
    OnDemand,
    /// The instance type's `price`.
    Price,
}

impl AzureCloud {
    /// The URL of the Resource Manager: <https://learn.microsoft.com/azure/developer/identity/national-clouds>.
    pub(crate) fn endpoint(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::UsGovernment => "https://management.usgovcloudapi.net",
            Self::China => "https://management.chinacloudapi.cn",
        }
    }

    /// Where access tokens come from; the same page.
    pub(crate) fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// What a token is for.
    pub(crate) fn scope(self) -> String {
        format!("{}/.default", self.endpoint())
    }
}

fn default_privilege() -> Privilege {
    Privilege::Sudo
}
fn default_disk_type() -> String {
    "StandardSSD_LRS".into()
}
const fn default_list_settle_time() -> Duration {
    Duration::from_secs(60)
}
const fn default_call_timeout() -> Duration {
    Duration::from_secs(30)
}
const fn default_operation_timeout() -> Duration {
    Duration::from_secs(600)
}
const fn default_leftover_age() -> Duration {
    Duration::from_secs(1200)
}

impl AzureConfig {
    /// Reads and checks a driver's table.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field's path. No secret is in it.
    pub fn from_value(value: serde_json::Value) -> Result<Self, DriverConfigError> {
        if !value.is_object() {
            let problem = "must be a table with subscription_id, resource_group, location, virtual_network, subnet and \
                           admin_user";
            return Err(DriverConfigError::new("azure", problem));
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
        self.check_place()?;
        self.check_access()?;
        self.check_machine()?;
        if let Some(prefix) = self.quota_groups.keys().find(|prefix| !is_visible(prefix)) {
            let problem = "must be the beginning of a size, such as Standard_NC";
            return Err(DriverConfigError::new(format!("quota_groups.{prefix:?}"), problem));
        }
        limits::check_shared_tags(&self.tags)
            .map_err(|bad| DriverConfigError::new(format!("tags.{}", bad.name), bad.problem))?;
        let times = [("call_timeout", self.call_timeout), ("operation_timeout", self.operation_timeout)];
        match times.iter().find(|(_, limit)| limit.is_zero()) {
            Some((field, _)) => Err(DriverConfigError::new(*field, "must be more than zero")),
            None => Ok(()),
        }
    }

    fn check_place(&self) -> Result<(), DriverConfigError> {
        if !limits::is_uuid(&self.subscription_id) {
            let problem = "must be the id of a subscription: 00000000-0000-0000-0000-000000000000";
            return Err(DriverConfigError::new("subscription_id", problem));
        }
        let groups = [
            ("resource_group", Some(&self.resource_group)),
            ("network_resource_group", self.network_resource_group.as_ref()),
        ];
        for (field, group) in groups {
            if group.is_some_and(|group| !limits::is_resource_group(group)) {
                return Err(DriverConfigError::new(field, "must be the name of a resource group"));
            }
        }
        if !limits::is_location(&self.location) {
            let problem = "must be a location in Azure's short form, such as westeurope";
            return Err(DriverConfigError::new("location", problem));
        }
        let mut seen = BTreeSet::new();
        for (index, zone) in self.zones.iter().enumerate() {
            let field = || format!("zones[{index}]");
            if !limits::is_zone(zone.as_str()) {
                return Err(DriverConfigError::new(
                    field(),
                    "must be the number of an availability zone: 1, 2 or 3",
                ));
            }
            if !seen.insert(zone) {
                return Err(DriverConfigError::new(field(), "is there twice"));
            }
        }
        for (field, name) in [("virtual_network", &self.virtual_network), ("subnet", &self.subnet)] {
            if !limits::is_network_name(name) {
                return Err(DriverConfigError::new(field, "must be a name of letters, digits, -, _ and ."));
            }
        }
        Ok(())
    }

    fn check_access(&self) -> Result<(), DriverConfigError> {
        let example = "https://management.azure.com";
        for (field, url) in [("endpoint", &self.endpoint), ("authority", &self.authority)] {
            let Some(url) = url else { continue };
            DriverConfigError::check_endpoint(url, example)
                .map_err(|error| DriverConfigError::new(field, error.problem))?;
            if url.starts_with("http://") && !is_this_machine(url) {
                let problem =
                    "tokens are not sent over plain http, unless to a server on this machine: use https";
                return Err(DriverConfigError::new(field, problem));
            }
        }
        let ids: &[(&str, &String)] = match &self.credentials {
            AzureCredentials::ManagedIdentity => &[],
            AzureCredentials::UserAssignedIdentity { client_id } => {
                &[("user_assigned_identity.client_id", client_id)]
            }
            AzureCredentials::ClientSecret { tenant_id, client_id, client_secret } => {
                if !is_visible(client_secret.expose_secret()) {
                    let problem = "must be a text without white space, and not empty";
                    return Err(DriverConfigError::new("credentials.client_secret.client_secret", problem));
                }
                &[("client_secret.tenant_id", tenant_id), ("client_secret.client_id", client_id)]
            }
            AzureCredentials::ClientCertificate { tenant_id, client_id, .. } => {
                &[("client_certificate.tenant_id", tenant_id), ("client_certificate.client_id", client_id)]
            }
        };
        match ids.iter().find(|(_, id)| !limits::is_uuid(id)) {
            Some((field, _)) => {
                let problem = "must be an id: 00000000-0000-0000-0000-000000000000";
                Err(DriverConfigError::new(format!("credentials.{field}"), problem))
            }
            None => Ok(()),
        }
    }

    fn check_machine(&self) -> Result<(), DriverConfigError> {
        limits::check_admin_user(&self.admin_user)
            .map_err(|problem| DriverConfigError::new("admin_user", problem))?;
        let types = [("os_disk_type", &self.os_disk_type), ("scratch_disk_type", &self.scratch_disk_type)];
        for (field, disk_type) in types {
            if limits::disk_gib(disk_type).is_none() {
                let problem = format!("must be one of {}", limits::DISK_TYPES.join(", "));
                return Err(DriverConfigError::new(field, problem));
            }
        }
        if let (Some(size), Some(allowed)) = (self.os_disk_size, limits::os_disk_gib(&self.os_disk_type))
            && !allowed.contains(&whole_gib(size))
        {
            let problem = format!("must be from {} GiB to {} GiB", allowed.start(), allowed.end());
            return Err(DriverConfigError::new("os_disk_size", problem));
        }
        Ok(())
    }
}

/// Rounded up.
pub(crate) fn whole_gib(size: ByteSize) -> u64 {
    size.0.div_ceil(1 << 30)
}

/// What serde says of a table, with the field that it is about.
fn unreadable(path: &str, problem: String) -> DriverConfigError {
    // What is of the wrong type is quoted, and may be a secret.
    if path.starts_with("credentials") && !problem.starts_with("missing field") {
        let problem = "must be \"managed_identity\", { user_assigned_identity = { client_id = … } }, { client_secret = { \
                       tenant_id = …, client_id = …, client_secret = … } } or { client_certificate = { tenant_id = …, \
                       client_id = …, certificate_file = … } }";
        return DriverConfigError::new("credentials", problem);
    }
    DriverConfigError::unreadable(path, problem)
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn is_this_machine(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}
