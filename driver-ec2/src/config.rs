//! What the operator configures.

use crate::{limits, regions};
use pool_api::{DriverConfigError, HourlyPrice, Placement, Privilege, QuotaGroup, Tags};
use secrecy::SecretString;
use serde::Deserialize;
use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

/// The driver's own table of a configuration. Durations are texts such as `5m` or `2m 30s`.
///
/// `region`, `subnets` and `admin_user` are required.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ec2Config {
    /// The region, for example `eu-central-1`. One that this version of the driver does not know needs an
    /// [`endpoint`](Self::endpoint).
    pub region: String,
    /// The URL of the EC2 API, in place of the region's own: a VPC endpoint, or a server to test against.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Fixed credentials. Without them they are looked for where AWS's own tools look: environment, profile files, web
    /// identity, container, and the instance's own role (with IMDSv2).
    #[serde(default)]
    pub credentials: Option<Ec2Credentials>,
    /// The subnets that instances are put in, in the order of preference. Each is a
    /// [placement](pool_api::InstanceSet::placements).
    pub subnets: Vec<Placement>,
    /// The ids of the security groups of each instance. Empty: the default group of the subnet's VPC.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// The user that the images let in with the pool's key: `ec2-user`, `ubuntu`, `admin`.
    pub admin_user: String,
    /// How that user comes to the rights of root. Default: `sudo`.
    #[serde(default = "default_privilege")]
    pub admin_privilege: Privilege,
    /// At which of an instance's addresses the pool reaches it. Default: `private`.
    #[serde(default)]
    pub address: AddressKind,
    /// The type of the volumes that are added for scratch space: `gp2`, `gp3`, `st1`, `sc1` or `standard`. Default: `gp3`.
    #[serde(default = "default_ebs_type")]
    pub ebs_type: String,
    /// What one GiB of such a volume costs for a month, to be added to the price history of spot instances. Default: 0.
    #[serde(default)]
    pub ebs_price: HourlyPrice,
    /// The name, or the ARN, of the instance profile whose role each instance gets.
    #[serde(default)]
    pub iam_instance_profile: Option<String>,
    /// How often the spot prices of running instances are asked for. Zero: never. Default: 5 minutes.
    #[serde(default = "default_spot_price_interval", with = "humantime_serde")]
    pub spot_price_interval: Duration,
    /// Quota groups by beginnings of instance types: `g = "gpu"`, `g5 = "new gpu"`. The longest that fits wins. A type
    /// that none fits is in the group of its first letters (`m7i.large`: `m`). Spot instances have groups of their own.
    #[serde(default)]
    pub quota_groups: BTreeMap<String, QuotaGroup>,
    /// Tags that every instance, volume and key pair gets beside the pool's.
    #[serde(default)]
    pub tags: Tags,
    /// What [`Capabilities::list_settle_time`](pool_api::Capabilities::list_settle_time) says. EC2 promises no bound: its
    /// documentation has clients ask again for up to five minutes
    /// (<https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>). Default: 1 minute.
    #[serde(default = "default_list_settle_time", with = "humantime_serde")]
    pub list_settle_time: Duration,
    /// How many instances EC2 may put on one page of a list, from 5 to 1000. Default: 1000.
    #[serde(default = "default_page_size")]
    pub page_size: i32,
    /// The time limit of a connection attempt. Default: 5 s.
    #[serde(default = "default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// The time limit of a call, and of each page of a list. Default: 30 s.
    #[serde(default = "default_call_timeout", with = "humantime_serde")]
    pub call_timeout: Duration,
    /// How old a volume or spot request must be before [`sweep`](pool_api::InstanceSet::sweep) takes it for left behind.
    /// Default: 10 minutes.
    #[serde(default = "default_leftover_age", with = "humantime_serde")]
    pub leftover_age: Duration,
}

/// Fixed credentials. `Debug` shows the key's id alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ec2Credentials {
    /// The id of the access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// The session token, where the credentials are temporary.
    #[serde(default)]
    pub session_token: Option<SecretString>,
}

/// Which of an instance's addresses is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// The private IPv4 address; the IPv6 address where there is none.
    #[default]
    Private,
    /// The public IPv4 address: the subnet must assign one.
    Public,
}

/// The volume types that need no more than a size. `io1` and `io2` need a number of I/O operations too.
const EBS_TYPES: [&str; 5] = ["gp2", "gp3", "st1", "sc1", "standard"];

fn default_privilege() -> Privilege {
    Privilege::Sudo
}
fn default_ebs_type() -> String {
    "gp3".into()
}
const fn default_spot_price_interval() -> Duration {
    Duration::from_secs(300)
}
const fn default_list_settle_time() -> Duration {
    Duration::from_secs(60)
}
const fn default_page_size() -> i32 {
    1000
}
const fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}
const fn default_call_timeout() -> Duration {
    Duration::from_secs(30)
}
const fn default_leftover_age() -> Duration {
    Duration::from_secs(600)
}

impl Ec2Config {
    /// Reads and checks a driver's table.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field's path. No secret is in it.
    pub fn from_value(value: serde_json::Value) -> Result<Self, DriverConfigError> {
        if !value.is_object() {
            return Err(DriverConfigError::new("ec2", "must be a table with region, subnets and admin_user"));
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
        self.check_region()?;
        self.check_credentials()?;
        self.check_subnets()?;
        self.check_names()?;
        self.check_quota_groups()?;
        limits::check_tags(&self.tags, limits::SHARED_TAGS)
            .map_err(|bad| DriverConfigError::new(format!("tags.{}", bad.name), bad.problem))?;
        if !EBS_TYPES.contains(&self.ebs_type.as_str()) {
            return Err(DriverConfigError::new(
                "ebs_type",
                format!("must be one of {}", EBS_TYPES.join(", ")),
            ));
        }
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html, MaxResults
        if !(5..=1000).contains(&self.page_size) {
            return Err(DriverConfigError::new("page_size", "must be from 5 to 1000"));
        }
        for (field, limit) in [("connect_timeout", self.connect_timeout), ("call_timeout", self.call_timeout)]
        {
            if limit.is_zero() {
                return Err(DriverConfigError::new(field, "must be more than zero"));
            }
        }
        Ok(())
    }

    fn check_region(&self) -> Result<(), DriverConfigError> {
        if let Some(endpoint) = &self.endpoint {
            DriverConfigError::check_endpoint(endpoint, "https://ec2.eu-central-1.amazonaws.com")?;
        }
        if !is_plain(&self.region) {
            return Err(DriverConfigError::new(
                "region",
                "must be the name of a region, such as eu-central-1",
            ));
        }
        if self.endpoint.is_none() && !regions::is_known(&self.region) {
            let nearest = regions::nearest(&self.region);
            let problem = format!(
                "there is no region {:?} (did you mean {nearest}?); one that is newer than this program needs endpoint to be set",
                self.region
            );
            return Err(DriverConfigError::new("region", problem));
        }
        Ok(())
    }

    fn check_credentials(&self) -> Result<(), DriverConfigError> {
        use secrecy::ExposeSecret;
        let Some(credentials) = &self.credentials else { return Ok(()) };
        if !is_plain(&credentials.access_key_id) {
            let problem = "must be the id of an access key: letters and digits";
            return Err(DriverConfigError::new("credentials.access_key_id", problem));
        }
        let secrets = [
            ("credentials.secret_access_key", Some(&credentials.secret_access_key)),
            ("credentials.session_token", credentials.session_token.as_ref()),
        ];
        for (field, secret) in secrets {
            if secret.is_some_and(|secret| !is_visible(secret.expose_secret())) {
                return Err(DriverConfigError::new(
                    field,
                    "must be a text without white space, and not empty",
                ));
            }
        }
        Ok(())
    }

    fn check_subnets(&self) -> Result<(), DriverConfigError> {
        if self.subnets.is_empty() {
            return Err(DriverConfigError::new("subnets", "must name at least one subnet"));
        }
        let mut seen = BTreeSet::new();
        for (index, subnet) in self.subnets.iter().enumerate() {
            let field = || format!("subnets[{index}]");
            if !is_id("subnet-", subnet.as_str()) {
                return Err(DriverConfigError::new(field(), "must be the id of a subnet: subnet-0123abcd…"));
            }
            if !seen.insert(subnet) {
                return Err(DriverConfigError::new(field(), "is there twice"));
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), DriverConfigError> {
        for (index, group) in self.security_groups.iter().enumerate() {
            if !is_id("sg-", group) {
                let problem = "must be the id of a security group: sg-0123abcd…";
                return Err(DriverConfigError::new(format!("security_groups[{index}]"), problem));
            }
        }
        if !is_visible(&self.admin_user) {
            return Err(DriverConfigError::new("admin_user", "must be a login name without white space"));
        }
        if self.iam_instance_profile.as_ref().is_some_and(|profile| !is_visible(profile)) {
            return Err(DriverConfigError::new("iam_instance_profile", "must be a name or an ARN"));
        }
        Ok(())
    }

    fn check_quota_groups(&self) -> Result<(), DriverConfigError> {
        match self.quota_groups.keys().find(|prefix| !is_visible(prefix)) {
            Some(prefix) => Err(DriverConfigError::new(
                format!("quota_groups.{prefix:?}"),
                "must be the beginning of an instance type, such as g or g5",
            )),
            None => Ok(()),
        }
    }
}

/// What serde says of a table, with the field that it is about.
fn unreadable(path: &str, problem: String) -> DriverConfigError {
    // What is of the wrong type is quoted, and may be a secret.
    if path.starts_with("credentials") && problem.starts_with("invalid") {
        let problem = "must be a table of texts: access_key_id, secret_access_key and, for temporary credentials, \
                       session_token";
        return DriverConfigError::new(path, problem);
    }
    DriverConfigError::unreadable(path, problem)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(is_plain)
}
