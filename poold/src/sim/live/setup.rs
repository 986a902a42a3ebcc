//! A large pool in which there is something of everything, and what its jobs do.

use super::super::draw::{instance_type, serve_config};
use crate::{
    config::{GroupLimit, SchedulerConfig, ServeConfig},
    simulation::Chance,
};
use driver_loopback::{
    BootFaults, CapacityLimit, Faults, LoopbackConfig, MachineFault, OperationFaults, Quota,
    sim::{SimEnd, SimJob, SimOptions},
};
use pool_core::{ByteSize, InstanceType, JobSpec, Placement, PoolConfig, QuotaGroup, RunId};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// The group that may have few jobs with workers at once.
pub(super) const BOUNDED_GROUP: &str = "bounded";
const MINUTE: Duration = Duration::from_secs(60);

/// A pool of so many workers. Most are there at all times; no more are allowed.
#[expect(clippy::expect_used, reason = "names that are given in the code")]
pub(super) fn config(workers: u32) -> ServeConfig {
    let types = vec![
        instance_type("small", 2, ByteSize::gib(4), 0.02),
        instance_type("medium", 4, ByteSize::gib(8), 0.04),
        InstanceType { preemptible: true, ..instance_type("spot", 4, ByteSize::gib(8), 0.025) },
        instance_type("large", 16, ByteSize::gib(64), 0.2),
        InstanceType { gpus: 1, ..instance_type("gpu", 8, ByteSize::gib(32), 0.9) },
    ];
    let [small, medium] = ["small", "medium"].map(|name| name.parse().expect("a name"));
    let mut pool = PoolConfig::new("live".parse().expect("a name"), types);
    pool.max_instances = workers;
    pool.min_idle = BTreeMap::from([(small, workers / 2), (medium, workers / 10)]);
    pool.max_concurrent_instance_create_ops = 0;
    pool.max_cloud_ops_per_second = 0;
    pool.max_probes_per_second = 500;
    pool.sync_interval = Duration::from_secs(30);
    pool.probe_interval = MINUTE;
    pool.timeout_idle = 5 * MINUTE;
    pool.timeout_booting = 2 * MINUTE;
    pool.timeout_probe = 5 * MINUTE;
    let bounded = GroupLimit { max_jobs: Some((workers / 20).max(1)), max_share: None };
    let groups = BTreeMap::from([(BOUNDED_GROUP.parse().expect("a name"), bounded)]);
    serve_config(pool, SchedulerConfig { groups, ..SchedulerConfig::default() })
}

/// The provider: without capacity for one type, with a quota for another, and not without faults.
#[expect(clippy::expect_used, reason = "names that are given in the code")]
pub(super) fn cloud(seed: u64, workers: u32) -> LoopbackConfig {
    let name = |name: &str| name.try_into().expect("a name");
    let large: QuotaGroup = "large".try_into().expect("a name");
    let of =
        |every: u64, fault: MachineFault| MachineFault { every: Some(every), nth: Some(every / 2), ..fault };
    let faults = Faults {
        create: OperationFaults {
            error_rate: 0.001,
            delay: Duration::from_millis(500),
            ..OperationFaults::default()
        },
        list: OperationFaults { error_rate: 0.02, ..OperationFaults::default() },
        quota: Quota {
            instances: None,
            groups: BTreeMap::from([(large.clone(), (workers as usize / 50).max(1))]),
        },
        capacity: vec![
            CapacityLimit {
                provider_type: Some(name("gpu")),
                quota_group: None,
                placement: None,
                instances: 0,
            },
            CapacityLimit {
                provider_type: Some(name("spot")),
                quota_group: None,
                placement: Some(Placement::new("zone-a")),
                instances: workers as usize / 20,
            },
        ],
        boots: BootFaults {
            slow_boot_rate: 0.05,
            slow_boot: Duration::from_secs(40),
            failed_boot_rate: 0.005,
            ..BootFaults::default()
        },
        machines: vec![
            MachineFault {
                provider_type: Some(name("spot")),
                rate: Some(0.2),
                stop_after: Some(8 * MINUTE),
                ..MachineFault::default()
            },
            of(400, MachineFault { break_after: Some(5 * MINUTE), ..MachineFault::default() }),
            of(1000, MachineFault { vanish_after: Some(7 * MINUTE), ..MachineFault::default() }),
        ],
        ..Faults::default()
    };
    LoopbackConfig {
        user: "pool".to_owned(),
        boot_time: Duration::from_secs(8),
        shutdown_time: Duration::from_secs(5),
        placements: vec![Placement::new("zone-a"), Placement::new("zone-b")],
        quota_groups: BTreeMap::from([(name("large"), large)]),
        seed,
        faults,
        ..LoopbackConfig::default()
    }
}

/// Jobs of a few seconds to many minutes, most of which go well.
pub(super) fn options(seed: u64) -> SimOptions {
    SimOptions::new(SystemTime::now(), move |run: &RunId, _: &JobSpec| {
        let mut chance = Chance::new(seed, &run.to_string());
        let end = match chance.number(0, 99) {
            0 => SimEnd::NotStarted("no such program".to_owned()),
            1 => SimEnd::Signal("KILL".to_owned()),
            2..6 => SimEnd::Exit(1),
            _ => SimEnd::Exit(0),
        };
        SimJob {
            duration: Duration::from_secs(3) + chance.around(Duration::from_secs(90)),
            end,
            ignores_term: chance.happens(0.02),
            stdout: if chance.happens(0.5) { chance.number(100, 20_000) } else { 0 },
            stderr: if chance.happens(0.1) { chance.number(10, 1000) } else { 0 },
        }
    })
}
