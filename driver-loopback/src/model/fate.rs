//! What becomes of a machine, decided when it is created and kept with its record.

use super::dice::Dice;
use crate::{
    LoopbackConfig,
    faults::{MachineFault, Newcomer},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a boot turns out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BootFate {
    /// As it should.
    Well,
    /// The lifecycle becomes `failed`.
    Fails,
    /// Another host answers at the address: with a key and a secret from this seed.
    AnotherHost(u64),
}

/// What becomes of a machine. Times count from its creation, where nothing else is said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Fate {
    /// From the creation to the init command.
    #[serde(with = "humantime_serde")]
    pub(crate) boot_time: Duration,
    pub(crate) boot: BootFate,
    #[serde(with = "humantime_serde")]
    pub(crate) break_after: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(crate) vanish_after: Option<Duration>,
    #[serde(default, with = "humantime_serde")]
    pub(crate) stop_after: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(crate) hang_after: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(crate) drop_connections_after: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(crate) change_host_key_after: Option<Duration>,
    #[serde(with = "humantime_serde")]
    pub(crate) reboot_after: Option<Duration>,
    #[serde(default, with = "humantime_serde")]
    pub(crate) kill_jobs_after: Option<Duration>,
    /// No runner can be put on it or started.
    #[serde(default)]
    pub(crate) without_runner: bool,
}

impl Fate {
    pub(crate) fn decide(config: &LoopbackConfig, dice: &mut Dice, newcomer: &Newcomer<'_>) -> Self {
        let boots = &config.faults.boots;
        // All are rolled, so that one rate does not change what another brings.
        let slow = dice.fate(boots.slow_boot_rate);
        let fails = dice.fate(boots.failed_boot_rate);
        let wrong_host = dice.fate(boots.wrong_host_rate);
        let seed = dice.seed();
        let mut draws = dice.machine();
        let mut is_meant = |fault: &&MachineFault| {
            // Each entry draws, also one that is not meant for this instance, or has no rate.
            let drawn = draws.happens(fault.rate.unwrap_or(1.0));
            drawn && fault.covers(newcomer)
        };
        let machines: Vec<_> = config.faults.machines.iter().filter(|fault| is_meant(fault)).collect();
        let earliest = |after: fn(&MachineFault) -> Option<Duration>| {
            machines.iter().filter_map(|fault| after(fault)).min()
        };
        Self {
            boot_time: config.boot_time + if slow { boots.slow_boot } else { Duration::ZERO },
            boot: match (fails, wrong_host) {
                (true, _) => BootFate::Fails,
                (false, true) => BootFate::AnotherHost(seed),
                (false, false) => BootFate::Well,
            },
            break_after: earliest(|fault| fault.break_after),
            vanish_after: earliest(|fault| fault.vanish_after),
            stop_after: earliest(|fault| fault.stop_after),
            hang_after: earliest(|fault| fault.hang_after),
            drop_connections_after: earliest(|fault| fault.drop_connections_after),
            change_host_key_after: earliest(|fault| fault.change_host_key_after),
            reboot_after: earliest(|fault| fault.reboot_after),
            kill_jobs_after: earliest(|fault| fault.kill_jobs_after),
            without_runner: machines.iter().any(|fault| fault.without_runner),
        }
    }
}
