//! What the operator configures.

use crate::{faults::Faults, model::TAG_LIMITS};
use pool_api::{Capabilities, DriverConfigError, Idempotency, Placement, ProviderType, QuotaGroup};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

/// The loopback's own table of a configuration. Every field may be left out; durations are texts such as
/// `150ms` or `2m 30s`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoopbackConfig {
    /// The login name that the instances' SSH servers accept. Commands run as the current user whatever it is.
    /// Default: `$USER`, or `pool` where that is not set.
    pub user: String,
    /// From the acceptance of a create until the init command starts.
    #[serde(with = "humantime_serde")]
    pub boot_time: Duration,
    /// From the acceptance of a destroy until the instance's processes are killed. With zero, `destroy` returns when
    /// the instance is gone; else it returns at once and the instance is listed as stopping for so long.
    #[serde(with = "humantime_serde")]
    pub shutdown_time: Duration,
    /// What [`Capabilities::list_settle_time`](pool_api::Capabilities::list_settle_time) says.
    #[serde(with = "humantime_serde")]
    pub list_settle_time: Duration,
    /// Whether the driver says if a host key is an instance's own. Else the pool must ask for the secret.
    pub vouch_for_host_keys: bool,
    /// Where instances can be "put", in the order of preference. Default: one unnamed placement.
    pub placements: Vec<Placement>,
    /// The quota group of each provider type. One that is not named here is in the group `loopback`.
    pub quota_groups: BTreeMap<ProviderType, QuotaGroup>,
    /// Seeds everything that is left to chance: the faults, and what depends on them. (Instance ids and host keys are
    /// random all the same.)
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
}

impl Default for LoopbackConfig {
    fn default() -> Self {
        Self {
            user: std::env::var("USER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "pool".into()),
            boot_time: Duration::ZERO,
            shutdown_time: Duration::ZERO,
            list_settle_time: Duration::ZERO,
            vouch_for_host_keys: false,
            placements: vec![Placement::unnamed()],
            quota_groups: BTreeMap::new(),
            seed: 0,
            faults: Faults::default(),
        }
    }
}

/// The group of every provider type that [`LoopbackConfig::quota_groups`] does not name.
const DEFAULT_GROUP: &str = "loopback";

impl LoopbackConfig {
    /// Reads and checks a driver's table. `null` is the default.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field's path.
    pub fn from_value(value: serde_json::Value) -> Result<Self, DriverConfigError> {
        if value.is_null() {
            return Ok(Self::default());
        }
        if !value.is_object() {
            return Err(DriverConfigError::new("loopback", "must be a table"));
        }
        let config: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            DriverConfigError::new(error.path().to_string(), error.into_inner().to_string())
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the path of the first field that is wrong.
    pub fn validate(&self) -> Result<(), DriverConfigError> {
        if self.user.is_empty() || self.user.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(DriverConfigError::new("user", "must be a login name without white space"));
        }
        if self.placements.is_empty() {
            return Err(DriverConfigError::new(
                "placements",
                "must name at least one; leave it out for one unnamed",
            ));
        }
        let distinct: BTreeSet<_> = self.placements.iter().collect();
        if distinct.len() < self.placements.len() {
            return Err(DriverConfigError::new("placements", "must name each placement once"));
        }
        self.faults.validate(self)
    }

    /// What both bodies can do.
    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency: Idempotency::Token,
            tags: TAG_LIMITS,
            preemptible: true,
            added_scratch: true,
            host_keys: self.vouch_for_host_keys,
            list_settle_time: self.list_settle_time,
        }
    }

    /// The quota group of a provider type.
    pub(crate) fn group(&self, provider_type: &ProviderType) -> QuotaGroup {
        self.quota_groups.get(provider_type).cloned().unwrap_or_else(default_group)
    }

    /// True when some provider type is in this group.
    pub(crate) fn knows_group(&self, group: &QuotaGroup) -> bool {
        *group == default_group() || self.quota_groups.values().any(|known| known == group)
    }
}

#[expect(clippy::expect_used, reason = "a constant that keeps the rule")]
fn default_group() -> QuotaGroup {
    QuotaGroup::new(DEFAULT_GROUP).expect("a valid name")
}
