//! Runs with a name: what a seed does not bring by chance.

use super::{
    draw::{instance_type, serve_config},
    faults::{Fault, Window},
    setting::{JobExit, JobRun, Lines, PlannedJob, Setting},
};
use crate::{
    config::SchedulerConfig,
    job::JobRequest,
    simulation::{Chance, command},
};
use driver_loopback::{LoopbackConfig, MachineFault, Operation, sim::Strike};
use pool_core::{ByteSize, Cpus, InstanceType, Placement, PoolConfig};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const OPERATIONS: [Operation; 4] =
    [Operation::Create, Operation::List, Operation::Destroy, Operation::SetTags];

/// A run that has a name.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    make: fn(&'static str) -> Setting,
}

/// All of them.
pub(crate) const ALL: &[Scenario] = &[
    Scenario { name: "burst", about: "from nothing to 2,000 workers and back", make: burst },
    Scenario { name: "drought", about: "no capacity for one type for three hours", make: drought },
    Scenario {
        name: "flaky-api",
        about: "30 % of all calls fail for an hour, in three ways",
        make: flaky_api,
    },
    Scenario { name: "crash-loop", about: "the program is killed every 5 s for 10 min", make: crash_loop },
    Scenario {
        name: "spot-storm",
        about: "half of the workers vanish at once, three times",
        make: spot_storm,
    },
    Scenario {
        name: "restart-at-scale",
        about: "a program that starts finds 10,000 workers with a job each",
        make: restart_at_scale,
    },
    Scenario {
        name: "reference",
        about: "200 jobs on machines of which half are of no use, at intervals of milliseconds",
        make: reference,
    },
];

/// The scenario of this name.
pub(crate) fn by_name(name: &str) -> Option<Setting> {
    ALL.iter().find(|scenario| scenario.name == name).map(|scenario| (scenario.make)(scenario.name))
}

/// A pool of these types, larger and faster than most.
#[expect(clippy::expect_used, reason = "a name that is given in the code")]
fn pool(types: Vec<InstanceType>, max_instances: u32) -> PoolConfig {
    let mut pool = PoolConfig::new("sim".parse().expect("a name"), types);
    pool.max_instances = max_instances;
    pool.max_concurrent_instance_create_ops = 20;
    pool.max_cloud_ops_per_second = 100;
    pool.max_probes_per_second = 200;
    pool.sync_interval = 30 * SECOND;
    pool.probe_interval = 10 * SECOND;
    pool.timeout_idle = MINUTE;
    pool.timeout_booting = 3 * MINUTE;
    pool.timeout_probe = 2 * MINUTE;
    pool.metrics_interval = MINUTE;
    pool
}

fn one_type() -> Vec<InstanceType> {
    vec![instance_type("small", 1, ByteSize::gib(2), 0.01)]
}

/// `count` jobs of about `mean`, submitted evenly until `until`.
fn jobs(seed: u64, count: usize, mean: Duration, until: Duration) -> Vec<PlannedJob> {
    let mut chance = Chance::new(seed, "jobs");
    let job = |place: usize| {
        let mut request = JobRequest::new(command(place));
        request.cpus = Cpus::whole(1);
        request.preemptible = true;
        request.rerun_if_unknown = true;
        request.attempts = Some(50);
        // In steps of ten seconds, so that many come at once.
        let at = until.mul_f64(place as f64 / count as f64).as_secs() / 10 * 10;
        let run = JobRun { stdout: 100, ..JobRun::well(chance.around(mean).max(SECOND)) };
        PlannedJob { at: SECOND + Duration::from_secs(at), request, runs: vec![run] }
    };
    (0..count).map(job).collect()
}

fn setting(name: &'static str, pool: PoolConfig, jobs: Vec<PlannedJob>, quiet_from: Duration) -> Setting {
    Setting {
        name: name.to_owned(),
        seed: 1,
        config: serve_config(pool, SchedulerConfig::default()),
        cloud: LoopbackConfig {
            user: "pool".to_owned(),
            boot_time: 20 * SECOND,
            placements: vec![Placement::new("a"), Placement::new("b")],
            seed: 1,
            ..LoopbackConfig::default()
        },
        lines: Lines {
            call: (Duration::from_millis(50), Duration::from_millis(500)),
            frame: (Duration::from_millis(1), Duration::from_millis(20)),
            page_size: 100,
        },
        jobs,
        actions: Vec::new(),
        faults: Vec::new(),
        quiet_from,
        patience: HOUR,
    }
}

/// Always the same latency, so that many things happen in the same moment: the scheduler has no pass for each of them.
fn in_step(page_size: usize) -> Lines {
    let ms = Duration::from_millis;
    Lines { call: (ms(100), ms(100)), frame: (ms(5), ms(5)), page_size }
}

fn burst(name: &'static str) -> Setting {
    let jobs = jobs(1, 2000, 10 * MINUTE, Duration::ZERO);
    let mut setting = setting(name, pool(one_type(), 2000), jobs, MINUTE);
    // Some jobs take more than an hour.
    setting.patience = 4 * HOUR;
    setting.lines = in_step(100);
    setting
}

fn drought(name: &'static str) -> Setting {
    let mut types = one_type();
    types.push(instance_type("large", 8, ByteSize::gib(16), 0.08));
    let mut jobs = jobs(1, 300, 2 * MINUTE, HOUR);
    for job in jobs.iter_mut().skip(1).step_by(3) {
        job.request.cpus = Cpus::whole(6);
    }
    let until = 3 * HOUR;
    let mut setting = setting(name, pool(types, 20), jobs, until);
    setting.faults.push(Fault::Capacity {
        window: Window { from: Duration::ZERO, until },
        provider_type: "small".parse().ok(),
        group: None,
        placement: None,
        instances: 0,
    });
    setting
}

fn flaky_api(name: &'static str) -> Setting {
    let mut setting = setting(name, pool(one_type(), 30), jobs(1, 400, MINUTE, 50 * MINUTE), HOUR);
    setting.cloud.list_settle_time = 10 * SECOND;
    let window = Window { from: Duration::ZERO, until: HOUR };
    setting.faults.push(Fault::StaleLists { by: 10 * SECOND });
    setting.faults.extend(OPERATIONS.map(|operation| Fault::Calls {
        operation,
        window,
        errors: 0.1,
        lost_requests: 0.1,
        lost_responses: 0.1,
    }));
    setting
}

fn crash_loop(name: &'static str) -> Setting {
    let mut setting = setting(name, pool(one_type(), 30), jobs(1, 200, MINUTE, 8 * MINUTE), 11 * MINUTE);
    let mut chance = Chance::new(1, "crashes");
    setting.faults.extend((1..=120).map(|nth| Fault::Crash {
        at: 5 * SECOND * nth,
        // At once: seldom does so much happen in 5 s that a later moment would come.
        events: 0,
        polls: chance.small(0, 60),
        down: Duration::from_millis(200),
    }));
    setting
}

fn spot_storm(name: &'static str) -> Setting {
    let mut types = one_type();
    types[0].preemptible = true;
    let mut setting = setting(name, pool(types, 60), jobs(1, 600, 3 * MINUTE, 20 * MINUTE), 30 * MINUTE);
    setting.faults.extend([8, 14, 20].map(|minute| Fault::Storm {
        at: minute * MINUTE,
        strike: Strike::Vanish,
        share: 0.5,
    }));
    setting
}

fn restart_at_scale(name: &'static str) -> Setting {
    let mut jobs = jobs(1, 10_000, MINUTE, Duration::ZERO);
    for job in &mut jobs {
        job.runs = vec![JobRun::well(HOUR)];
    }
    let mut pool = pool(one_type(), 10_000);
    pool.max_concurrent_instance_create_ops = 500;
    pool.max_cloud_ops_per_second = 1000;
    pool.max_probes_per_second = 1000;
    pool.probe_interval = MINUTE;
    pool.sync_interval = 2 * MINUTE;
    let mut setting = setting(name, pool, jobs, 30 * MINUTE);
    setting.lines = in_step(1000);
    setting.faults.push(Fault::Crash { at: 20 * MINUTE, events: 0, polls: 0, down: 10 * SECOND });
    setting.patience = 3 * HOUR;
    setting
}

/// A worker pool's own test, as it is described in the project's list of rows.
fn reference(name: &'static str) -> Setting {
    let ms = Duration::from_millis(1);
    let types = vec![
        // Always out of capacity, and the cheapest.
        instance_type("full", 8, ByteSize::gib(8), 0.01),
        // No use at first.
        instance_type("late", 8, ByteSize::gib(8), 0.011),
        instance_type("good", 8, ByteSize::gib(8), 0.012),
    ];
    let mut pool = pool(types, 0);
    pool.sync_interval = 10 * ms;
    pool.probe_interval = 5 * ms;
    pool.timeout_idle = 150 * ms;
    pool.timeout_booting = 150 * ms;
    pool.timeout_probe = 15 * ms;
    pool.timeout_term = 20 * ms;
    pool.timeout_signal = 5 * ms;
    pool.timeout_shutdown = 20 * ms;
    pool.quota_error_ttl = 50 * ms;
    pool.capacity_error_ttl = 50 * ms;
    pool.max_cloud_ops_per_second = 0;
    pool.max_probes_per_second = 0;
    pool.max_concurrent_instance_create_ops = 0;
    let mut chance = Chance::new(1, "reference");
    let jobs = (0..200).map(|place| {
        let mut request = JobRequest::new(command(place));
        request.priority = chance.small(1, 20);
        request.cpus = Cpus::whole(chance.small(1, 8));
        request.memory = ByteSize::gib(chance.number(1, 3));
        request.rerun_if_unknown = true;
        request.attempts = Some(100);
        let run = JobRun { end: JobExit::Code(0), ..JobRun::well(chance.millis(1, 80)) };
        PlannedJob { at: ms, request, runs: vec![run] }
    });
    let for_ever = 10 * MINUTE;
    let window = Window { from: Duration::ZERO, until: for_ever };
    let mut setting = setting(name, pool, jobs.collect(), for_ever);
    setting.cloud.boot_time = 20 * ms;
    setting.lines.call = (Duration::ZERO, 2 * ms);
    setting.lines.frame = (Duration::ZERO, ms);
    let failing =
        |operation| Fault::Calls { operation, window, errors: 0.1, lost_requests: 0.0, lost_responses: 0.0 };
    let machine = |nth: u64, every: u64, change: &dyn Fn(&mut MachineFault)| {
        let mut fault = MachineFault { nth: Some(nth), every: Some(every), ..MachineFault::default() };
        change(&mut fault);
        Fault::Machine(Box::new(fault))
    };
    setting.faults = vec![
        Fault::Quota { window, instances: 10 },
        failing(Operation::Create),
        failing(Operation::Destroy),
        Fault::Capacity {
            window,
            provider_type: "full".parse().ok(),
            group: None,
            placement: None,
            instances: 0,
        },
        Fault::Machine(Box::new(MachineFault {
            provider_type: "late".parse().ok(),
            created_within: Some(300 * ms),
            hang_after: Some(Duration::ZERO),
            ..MachineFault::default()
        })),
        machine(1, 7, &|fault| fault.hang_after = Some(90 * ms)),
        machine(2, 7, &|fault| fault.without_runner = true),
        machine(3, 7, &|fault| fault.break_after = Some(200 * ms)),
        // Runners that crash, and runners that are stuck.
        machine(5, 10, &|fault| fault.kill_jobs_after = Some(60 * ms)),
        machine(9, 10, &|fault| fault.hang_after = Some(60 * ms)),
    ];
    setting
}
