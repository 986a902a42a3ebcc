//! What goes wrong, as data: the `faults` table of the configuration.

use crate::LoopbackConfig;
use pool_api::{DriverConfigError, Placement, ProviderType, QuotaGroup};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// A share of all cases, from 0 (never) to 1 (always).
pub type Rate = f64;

/// Everything that can go wrong. By default, nothing does.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Of [`create`](pool_api::InstanceSet::create).
    pub create: OperationFaults,
    /// Of [`instances`](pool_api::InstanceSet::instances).
    pub list: OperationFaults,
    /// Of [`destroy`](pool_api::Instance::destroy).
    pub destroy: OperationFaults,
    /// Of [`set_tags`](pool_api::Instance::set_tags).
    pub set_tags: OperationFaults,
    /// For so long a new instance is missing from the list, and changed tags are listed as they were before. At most
    /// [`list_settle_time`](LoopbackConfig::list_settle_time), which is what the driver promises.
    #[serde(with = "humantime_serde")]
    pub stale_list: Duration,
    /// How many instances the account may have.
    pub quota: Quota,
    /// How many machines the provider has. Every entry that fits a create must have room.
    pub capacity: Vec<CapacityLimit>,
    /// Of booting.
    pub boots: BootFaults,
    /// Of single machines. All entries that fit an instance apply to it; of the same fault, the earliest.
    pub machines: Vec<MachineFault>,
}

/// What goes wrong with the calls of one operation.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationFaults {
    /// How many calls the provider refuses for no good reason. Nothing is done.
    pub error_rate: Rate,
    /// How many calls get lost on their way. Nothing is done, but the caller cannot know.
    pub lost_request_rate: Rate,
    /// How many calls are carried out, and their answer gets lost. The caller cannot know that either.
    pub lost_response_rate: Rate,
    /// How long each call takes before it arrives.
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
    /// How many calls a second the provider allows, above 0. It allows a burst of as many (of one at least).
    pub calls_per_second: Option<f64>,
    /// Whether a refusal for the rate of calls says when the next call may come.
    pub says_retry_after: bool,
    /// Whether others have used up what the rate allows at the moment when the set is opened, so that the first call is
    /// refused already.
    pub starts_exhausted: bool,
    /// The three rates hold for so many calls from the first on; then they are zero. Left out: they hold for ever.
    pub first_calls: Option<usize>,
}

/// How many instances the account may have, whatever their lifecycle.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Of all types.
    pub instances: Option<usize>,
    /// Of the types of one quota group.
    pub groups: BTreeMap<QuotaGroup, usize>,
}

/// How many machines the provider has of what an entry names; what it leaves out stands for any.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityLimit {
    /// Of this type. Not together with `quota_group`.
    #[serde(default)]
    pub provider_type: Option<ProviderType>,
    /// Of the types of this quota group.
    #[serde(default)]
    pub quota_group: Option<QuotaGroup>,
    /// In this placement.
    #[serde(default)]
    pub placement: Option<Placement>,
    /// How many. 0: it is out of them.
    pub instances: usize,
}

/// What goes wrong when instances boot.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootFaults {
    /// How many boots are slow.
    pub slow_boot_rate: Rate,
    /// How much longer a slow boot takes.
    #[serde(with = "humantime_serde")]
    pub slow_boot: Duration,
    /// How many boots end with the lifecycle `failed`. (A boot that never ends is a machine that hangs after `0s`.)
    pub failed_boot_rate: Rate,
    /// How many instances turn out to be another host at that address: with another host key, and with another secret
    /// (each run of 32 or more hexadecimal digits in their init command is replaced by others).
    pub wrong_host_rate: Rate,
}

/// What goes wrong with a machine, counted from its creation. The first five fields say with which; what is left out
/// stands for any, and all that is there must fit.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MachineFault {
    /// Only the nth instance that is created, counted from 1. A new process goes on from the highest number that
    /// still exists.
    pub nth: Option<u64>,
    /// Of each so many instances that are created, the `nth`: with 7 and `nth` 3 those with the numbers 3, 10, 17 and
    /// so on.
    pub every: Option<u64>,
    /// Only instances of this type.
    pub provider_type: Option<ProviderType>,
    /// Only instances that are created sooner than this after the set was opened.
    #[serde(with = "humantime_serde")]
    pub created_within: Option<Duration>,
    /// Only this share of them. Each entry draws for each instance on its own, and once: all that the entry says
    /// happens to an instance, or nothing.
    pub rate: Option<Rate>,
    /// No runner can be put on it or started on it.
    pub without_runner: bool,
    /// After this long the file `broken` with a reason appears in the instance's root, so that its runner reports it.
    #[serde(with = "humantime_serde")]
    pub break_after: Option<Duration>,
    /// After this long it is gone, with its processes and files, and no longer listed.
    #[serde(with = "humantime_serde")]
    pub vanish_after: Option<Duration>,
    /// After this long it is stopped, as by a provider that preempts it: its processes end, its files stay, and it is
    /// listed as stopped until it is destroyed.
    #[serde(with = "humantime_serde")]
    pub stop_after: Option<Duration>,
    /// After this long its SSH server takes connections and says nothing, also on those that exist. Its processes go
    /// on.
    #[serde(with = "humantime_serde")]
    pub hang_after: Option<Duration>,
    /// After this long all connections to it are dropped, once. This and the next three do not happen if no process has
    /// the instance set open at that time.
    #[serde(with = "humantime_serde")]
    pub drop_connections_after: Option<Duration>,
    /// After this long it has a new host key, which the driver vouches for if it vouches at all.
    #[serde(with = "humantime_serde")]
    pub change_host_key_after: Option<Duration>,
    /// After this long all its processes end and all connections are dropped, as when a machine reboots. Its files stay,
    /// and the init command is not run again.
    #[serde(with = "humantime_serde")]
    pub reboot_after: Option<Duration>,
    /// After this long all runs on it are killed, each with the process of the runner that watches it, so that nobody
    /// can tell how they ended. The rest of the runner stays.
    #[serde(with = "humantime_serde")]
    pub kill_jobs_after: Option<Duration>,
}

/// What there is to know of an instance when it is decided which faults are meant for it.
#[derive(Debug)]
pub(crate) struct Newcomer<'a> {
    /// Counts the instances from 1.
    pub(crate) serial: u64,
    pub(crate) provider_type: &'a ProviderType,
    /// From the opening of the set to its creation.
    pub(crate) since_open: Duration,
}

impl Faults {
    pub(crate) fn validate(&self, config: &LoopbackConfig) -> Result<(), DriverConfigError> {
        for (name, operation) in [
            ("create", &self.create),
            ("list", &self.list),
            ("destroy", &self.destroy),
            ("set_tags", &self.set_tags),
        ] {
            operation.validate(&format!("faults.{name}"))?;
        }
        if self.stale_list > config.list_settle_time {
            let problem = "must not be longer than list_settle_time, which is what the driver promises";
            return Err(DriverConfigError::new("faults.stale_list", problem));
        }
        for group in self.quota.groups.keys() {
            require_group(config, group, || format!("faults.quota.groups.{group}"))?;
        }
        for (at, limit) in self.capacity.iter().enumerate() {
            limit.validate(config, &format!("faults.capacity[{at}]"))?;
        }
        check_rate("faults.boots.slow_boot_rate", self.boots.slow_boot_rate)?;
        check_rate("faults.boots.failed_boot_rate", self.boots.failed_boot_rate)?;
        check_rate("faults.boots.wrong_host_rate", self.boots.wrong_host_rate)?;
        for (at, fault) in self.machines.iter().enumerate() {
            fault.validate(&format!("faults.machines[{at}]"))?;
        }
        Ok(())
    }
}

impl OperationFaults {
    fn validate(&self, path: &str) -> Result<(), DriverConfigError> {
        check_rate(&format!("{path}.error_rate"), self.error_rate)?;
        check_rate(&format!("{path}.lost_request_rate"), self.lost_request_rate)?;
        check_rate(&format!("{path}.lost_response_rate"), self.lost_response_rate)?;
        match self.calls_per_second {
            Some(rate) if !rate.is_finite() || !(0.001..=1_000_000.0).contains(&rate) => {
                Err(DriverConfigError::new(
                    format!("{path}.calls_per_second"),
                    format!("must be from 0.001 to 1000000, not {rate}"),
                ))
            }
            None if self.says_retry_after => Err(DriverConfigError::new(
                format!("{path}.says_retry_after"),
                "has no effect without calls_per_second",
            )),
            None if self.starts_exhausted => Err(DriverConfigError::new(
                format!("{path}.starts_exhausted"),
                "has no effect without calls_per_second",
            )),
            _ => Ok(()),
        }
    }
}

impl CapacityLimit {
    fn validate(&self, config: &LoopbackConfig, path: &str) -> Result<(), DriverConfigError> {
        if self.provider_type.is_some() && self.quota_group.is_some() {
            let problem = "cannot go with provider_type: use two entries";
            return Err(DriverConfigError::new(format!("{path}.quota_group"), problem));
        }
        if let Some(group) = &self.quota_group {
            require_group(config, group, || format!("{path}.quota_group"))?;
        }
        match &self.placement {
            Some(placement) if !config.placements.contains(placement) => Err(DriverConfigError::new(
                format!("{path}.placement"),
                format!("{:?} is none of the configured placements", placement.as_str()),
            )),
            _ => Ok(()),
        }
    }

    /// True when a machine of this type, group and placement is one of those that are counted.
    pub(crate) fn covers(
        &self,
        provider_type: &ProviderType,
        group: &QuotaGroup,
        placement: &Placement,
    ) -> bool {
        self.provider_type.as_ref().is_none_or(|own| own == provider_type)
            && self.quota_group.as_ref().is_none_or(|own| own == group)
            && self.placement.as_ref().is_none_or(|own| own == placement)
    }
}

impl MachineFault {
    fn validate(&self, path: &str) -> Result<(), DriverConfigError> {
        if self.nth == Some(0) {
            return Err(DriverConfigError::new(format!("{path}.nth"), "instances are counted from 1"));
        }
        match (self.every, self.nth) {
            (Some(0), _) => {
                return Err(DriverConfigError::new(format!("{path}.every"), "must be above 0"));
            }
            (Some(_), None) => {
                let problem = "has no effect without nth, which says which of them";
                return Err(DriverConfigError::new(format!("{path}.every"), problem));
            }
            _ => {}
        }
        if self.created_within == Some(Duration::ZERO) {
            let problem = "must be above 0s: no instance is created before the set is open";
            return Err(DriverConfigError::new(format!("{path}.created_within"), problem));
        }
        if let Some(rate) = self.rate {
            check_rate(&format!("{path}.rate"), rate)?;
        }
        let times = [
            self.break_after,
            self.vanish_after,
            self.stop_after,
            self.hang_after,
            self.drop_connections_after,
            self.change_host_key_after,
            self.reboot_after,
            self.kill_jobs_after,
        ];
        if times.iter().all(Option::is_none) && !self.without_runner {
            let problem = "does not say what goes wrong: add without_runner, break_after, vanish_after, stop_after, \
                           hang_after, drop_connections_after, change_host_key_after, reboot_after or \
                           kill_jobs_after";
            return Err(DriverConfigError::new(path, problem));
        }
        Ok(())
    }

    /// True when it is meant for this instance, if the dice agree.
    pub(crate) fn covers(&self, newcomer: &Newcomer<'_>) -> bool {
        let numbered = match (self.nth, self.every) {
            (None, _) => true,
            (Some(nth), None) => newcomer.serial == nth,
            (Some(nth), Some(every)) => newcomer.serial % every == nth % every,
        };
        numbered
            && self.provider_type.as_ref().is_none_or(|own| own == newcomer.provider_type)
            && self.created_within.is_none_or(|within| newcomer.since_open < within)
    }
}

fn check_rate(path: &str, rate: Rate) -> Result<(), DriverConfigError> {
    if (0.0..=1.0).contains(&rate) {
        Ok(())
    } else {
        Err(DriverConfigError::new(path, format!("must be from 0 (never) to 1 (always), not {rate}")))
    }
}

fn require_group(
    config: &LoopbackConfig,
    group: &QuotaGroup,
    path: impl FnOnce() -> String,
) -> Result<(), DriverConfigError> {
    if config.knows_group(group) {
        Ok(())
    } else {
        Err(DriverConfigError::new(
            path(),
            format!("no provider type is in the quota group {group}: see quota_groups"),
        ))
    }
}
