//! A setting from a seed: configuration, jobs, what people do.

use super::{
    draw_faults,
    setting::{Action, JobExit, JobRun, Lines, PlannedAction, PlannedJob, Setting},
};
use crate::{
    config::{QueueConfig, SchedulerConfig, ServeConfig, TelemetryConfig},
    job::JobRequest,
    program_config::{DriverChoice, RunnerChoice, SshChoice},
    simulation::{Chance, command},
};
use driver_loopback::LoopbackConfig;
use pool_core::{ByteSize, Cpus, HourlyPrice, InstanceType, Placement, PoolConfig};
use std::{collections::BTreeMap, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);
/// Jobs are submitted until then.
const SUBMITTED_BY: Duration = MINUTE.saturating_mul(35);
/// From then on nothing goes wrong.
pub(super) const QUIET_FROM: Duration = MINUTE.saturating_mul(45);
/// So long after that all must be done: longer than the longest jobs, time limits and time-outs, one after the other.
const PATIENCE: Duration = MINUTE.saturating_mul(60);
const JOBS: usize = 300;
const WORKERS: u32 = 30;

/// A run with everything drawn.
pub(crate) fn random(seed: u64) -> Setting {
    let pool = pool(&mut Chance::new(seed, "pool"));
    let mut chance = Chance::new(seed, "cloud");
    let cloud = cloud(&mut chance);
    let lines = Lines {
        call: (Duration::from_millis(20), chance.millis(50, 3000)),
        frame: (Duration::from_millis(1), chance.millis(1, 200)),
        page_size: *chance.pick(&[3, 10, 1000]),
    };
    let scheduler = SchedulerConfig { max_attempts: chance.small(3, 10), ..SchedulerConfig::default() };
    let config = serve_config(pool, scheduler);
    let faults = draw_faults::draw(seed, &config, &cloud);
    let jobs = jobs(&mut Chance::new(seed, "jobs"), &config);
    Setting {
        name: format!("seed {seed}"),
        seed,
        // Longer where there are few machines for much work.
        patience: PATIENCE + jobs.iter().map(|job| job.run(1).duration).sum::<Duration>() / 2,
        jobs,
        actions: actions(&mut Chance::new(seed, "actions")),
        config,
        cloud,
        lines,
        faults,
        quiet_from: QUIET_FROM,
    }
}

/// A program's configuration with this pool.
pub(super) fn serve_config(pool: PoolConfig, scheduler: SchedulerConfig) -> ServeConfig {
    ServeConfig {
        pool,
        driver: DriverChoice::default(),
        ssh: SshChoice::default(),
        runner: RunnerChoice::default(),
        scheduler,
        queue: QueueConfig::default(),
        telemetry: TelemetryConfig::default(),
    }
}

/// A type of instance whose provider type has the same name.
#[expect(clippy::expect_used, reason = "names that are given in the code")]
pub(super) fn instance_type(name: &str, vcpus: u32, memory: ByteSize, price: f64) -> InstanceType {
    InstanceType {
        name: name.parse().expect("a name"),
        provider_type: name.parse().expect("a name"),
        vcpus: Cpus::whole(vcpus),
        memory,
        included_scratch: ByteSize::gib(10),
        added_scratch: ByteSize(0),
        gpus: 0,
        price: HourlyPrice::try_from(price).expect("a price"),
        preemptible: false,
        architecture: pool_core::Architecture::X86_64,
        image: None,
    }
}

fn pool(chance: &mut Chance) -> PoolConfig {
    let types = vec![
        instance_type("small", 1, ByteSize::gib(2), 0.01),
        instance_type("medium", 2, ByteSize::gib(4), 0.02),
        InstanceType { preemptible: true, ..instance_type("spot", 4, ByteSize::gib(8), 0.015) },
        instance_type("large", 8, ByteSize::gib(16), 0.08),
    ];
    #[expect(clippy::expect_used, reason = "a name that is given in the code")]
    let mut pool = PoolConfig::new("sim".parse().expect("a name"), types);
    pool.max_instances = if chance.happens(0.7) { WORKERS } else { chance.small(4, WORKERS) };
    pool.max_concurrent_instance_create_ops = chance.small(1, 8);
    pool.max_cloud_ops_per_second = chance.small(3, 20);
    pool.max_probes_per_second = chance.small(5, 30);
    pool.sync_interval = chance.seconds(10, 60);
    pool.probe_interval = chance.seconds(5, 20);
    pool.timeout_idle = chance.seconds(20, 180);
    pool.timeout_booting = chance.seconds(90, 240);
    pool.timeout_probe = chance.seconds(45, 180);
    pool.timeout_shutdown = chance.seconds(10, 30);
    pool.timeout_term = chance.seconds(5, 60);
    pool.timeout_signal = chance.seconds(1, 5);
    pool.timeout_orphan = chance.seconds(300, 3600);
    pool.timeout_stale_run_lock = chance.seconds(5, 30);
    pool.quota_error_ttl = chance.seconds(20, 90);
    pool.capacity_error_ttl = chance.seconds(20, 90);
    pool.cloud_call_timeout = chance.seconds(20, 120);
    // Gauges that nobody reads.
    pool.metrics_interval = MINUTE;
    if chance.happens(0.2) {
        pool.max_jobs_per_instance = chance.small(1, 5);
    }
    if chance.happens(0.2) {
        pool.max_lifetime = Some(chance.seconds(300, 1200));
    }
    if chance.happens(0.2) {
        // At least two of the dearest.
        pool.max_price_per_hour = HourlyPrice::try_from(chance.share(0.16, 0.6)).ok();
    }
    if chance.happens(0.15) {
        pool.min_idle = BTreeMap::from([(pool.instance_types[0].name.clone(), chance.small(1, 2))]);
    }
    pool
}

fn cloud(chance: &mut Chance) -> LoopbackConfig {
    let placements = ["a", "b", "c"];
    let groups = [("small", "standard"), ("medium", "standard"), ("spot", "spot"), ("large", "large")];
    LoopbackConfig {
        user: "pool".to_owned(),
        boot_time: chance.seconds(5, 45),
        shutdown_time: if chance.happens(0.5) { Duration::ZERO } else { chance.seconds(1, 30) },
        list_settle_time: chance.seconds(0, 20),
        vouch_for_host_keys: chance.happens(0.3),
        placements: placements[..chance.count(1, 3)].iter().map(|name| Placement::new(*name)).collect(),
        quota_groups: groups
            .iter()
            .filter_map(|(name, group)| Some((name.parse().ok()?, group.parse().ok()?)))
            .collect(),
        seed: chance.number(0, u64::MAX),
        ..LoopbackConfig::default()
    }
}

fn jobs(chance: &mut Chance, config: &ServeConfig) -> Vec<PlannedJob> {
    let mean = chance.seconds(5, 120);
    let mut at = chance.seconds(0, 60);
    let mut left_in_batch = 0;
    let types: Vec<&InstanceType> = config.pool.instance_types.iter().collect();
    let job = |place: usize| {
        if left_in_batch == 0 {
            left_in_batch = if chance.happens(0.2) { chance.count(10, 60) } else { chance.count(1, 5) };
            at = (at + chance.around(Duration::from_secs(45))).min(SUBMITTED_BY);
        }
        left_in_batch -= 1;
        let mut request = JobRequest::new(command(place));
        let fits = chance.pick(&types);
        request.preemptible = fits.preemptible || chance.happens(0.3);
        let whole = fits.vcpus.as_millis();
        // From a quarter of a CPU up to the whole instance.
        request.cpus = Cpus::from_millis((whole / u64::from(chance.small(1, 4))).max(250));
        request.memory = ByteSize(fits.memory.0 / chance.number(1, 4));
        request.priority = *chance.pick(&[100, 100, 100, 50, 200, 1000]);
        if chance.happens(0.1) {
            request.time_limit = Some(chance.seconds(5, 120));
        }
        if chance.happens(0.3) {
            request.rerun_if_unknown = true;
        }
        PlannedJob { at, request, runs: vec![job_run(chance, mean)] }
    };
    (0..JOBS).map(job).collect()
}

fn job_run(chance: &mut Chance, mean: Duration) -> JobRun {
    let end = match chance.number(0, 19) {
        0 => JobExit::Code(1),
        1 => JobExit::Code(137),
        2 => JobExit::Signal("SEGV"),
        3 => JobExit::NotStarted,
        _ => JobExit::Code(0),
    };
    let not_started = end == JobExit::NotStarted;
    let printed = |chance: &mut Chance| match chance.number(0, 39) {
        _ if not_started => 0,
        0 => chance.number(1, 400_000),
        1..=5 => chance.number(1, 2000),
        _ => 0,
    };
    JobRun {
        duration: chance.around(mean).max(Duration::from_millis(5)),
        end,
        ignores_term: chance.happens(0.1),
        stdout: printed(chance),
        stderr: printed(chance),
    }
}

fn actions(chance: &mut Chance) -> Vec<PlannedAction> {
    let last = QUIET_FROM - MINUTE;
    let mut actions: Vec<PlannedAction> = (0..chance.count(0, 30))
        .map(|_| {
            let at = chance.millis(30_000, last.as_millis() as u64);
            let action = match chance.number(0, 9) {
                0..=2 => Action::KillJob(chance.count(0, JOBS - 1)),
                3..=4 => Action::Priority(chance.count(0, JOBS - 1), chance.small(1, 500)),
                5..=6 => Action::Hold(chance.count(0, 30)),
                7 => Action::Drain(chance.count(0, 30)),
                8 => Action::KillInstance(chance.count(0, 30)),
                _ => Action::ReleaseAll,
            };
            PlannedAction { at, action }
        })
        .collect();
    // More than once: what was asked for last may be saved last.
    let releases = (0..3).map(|nth| QUIET_FROM + nth * MINUTE);
    actions.extend(releases.map(|at| PlannedAction { at, action: Action::ReleaseAll }));
    actions.sort_by_key(|planned| planned.at);
    actions
}
