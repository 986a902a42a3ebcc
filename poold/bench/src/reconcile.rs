//! Ten thousand workers that are found at start: how soon all are probed and in service.

use crate::{
    error::BenchError,
    report::{Unit, say},
};
use driver_loopback::{
    LoopbackConfig,
    sim::{SimCloud, SimJob, SimOptions},
};
use nix::sys::resource::{UsageWho, getrusage};
use pool_core::{InstanceSetLock, InstanceTypeName, Phase, Pool, PoolConfig, RunnerSource, WallClock};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, timeout},
};

const WORKERS: usize = 10_000;
/// Probes that the pool may make in a second.
const PROBES_PER_SECOND: u32 = 500;
/// Of simulated time, and of real time.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(dir: &Path) -> Result<(), BenchError> {
    let world = World::new(dir);
    // The program that creates them, and ends.
    world.live(paused()?, 0, Begins::WithNothing)?;

    let allowed = WORKERS as f64 / f64::from(PROBES_PER_SECOND);
    // That the decisions lose no time: nothing that is computed takes any.
    let before = processor_time()?;
    let took = world.live(paused()?, PROBES_PER_SECOND, Begins::WithAll)?.as_secs_f64();
    say("reconcile.ten_thousand", took, Unit::Seconds)?;
    say("reconcile.ten_thousand.ratio", took / allowed, Unit::Ratio)?;
    let computed = processor_time()?.saturating_sub(before);
    say("reconcile.ten_thousand.processor_time", computed.as_secs_f64(), Unit::Seconds)?;

    // That the machine keeps up with them.
    let took = world.live(real()?, PROBES_PER_SECOND, Begins::WithAll)?.as_secs_f64();
    say("reconcile.ten_thousand.in_real_time.ratio", took / allowed, Unit::Ratio)?;
    let took = world.live(real()?, 0, Begins::WithAll)?;
    say("reconcile.ten_thousand.without_limit", took.as_secs_f64(), Unit::Seconds)?;
    Ok(())
}

/// Time goes on when there is nothing left to do, to whatever is next.
fn paused() -> Result<Runtime, BenchError> {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(BenchError::failed("start a runtime"))
}

fn real() -> Result<Runtime, BenchError> {
    Runtime::new().map_err(BenchError::failed("start a runtime"))
}

/// Of this process so far.
fn processor_time() -> Result<Duration, BenchError> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(BenchError::failed("read the processor time"))?;
    let micros = [usage.user_time(), usage.system_time()]
        .map(|time| u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default());
    Ok(Duration::from_micros(micros.iter().sum()))
}

/// The loopback driver's simulated cloud, and a program's state directory.
struct World<'a> {
    cloud: SimCloud,
    dir: &'a Path,
}

/// What a program finds at its start.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// No worker: it creates them.
    WithNothing,
    /// All workers, by their tags.
    WithAll,
}

impl<'a> World<'a> {
    fn new(dir: &'a Path) -> Self {
        let options = SimOptions::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000), |_, _| {
            SimJob::quiet(Duration::ZERO)
        });
        Self { cloud: SimCloud::new(LoopbackConfig::default(), options), dir }
    }

    /// A program begins, and ends when all workers are in service. Says how long that took.
    fn live(
        &self,
        runtime: Runtime,
        max_probes_per_second: u32,
        begins: Begins,
    ) -> Result<Duration, BenchError> {
        let took = runtime.block_on(async {
            self.cloud.enter();
            let world = self.cloud.clone();
            tokio::spawn(async move { world.run().await });
            let began = Instant::now();
            let (pool, instance_type) = self.start(max_probes_per_second)?;
            if begins == Begins::WithNothing {
                // Creates are refused until what is there was listed.
                pool.count_workers().await;
                for _ in 0..WORKERS {
                    pool.create(&instance_type).map_err(BenchError::failed("create an instance"))?;
                }
            }
            let in_service = timeout(PATIENCE, self.until_all_are_in_service(&pool)).await;
            let took = began.elapsed();
            pool.stop().await;
            // The world's clock goes with the runtime's.
            self.cloud.now();
            let too_late = |_| {
                let counts = format!("{:?}", self.cloud.counters());
                BenchError::Wrong(format!("not all workers were in service after {PATIENCE:?}: {counts}"))
            };
            in_service.map_err(too_late).map(|()| took)
        });
        drop(runtime);
        took
    }

    fn start(&self, max_probes_per_second: u32) -> Result<(Pool, InstanceTypeName), BenchError> {
        let mut config = PoolConfig::from_toml(&format!(
            "instance_set = 'bench'\nmax_instances = {WORKERS}\ntimeout_idle = '1h'\n\
             max_concurrent_instance_create_ops = 0\nmax_cloud_ops_per_second = 0\n\
             [[instance_types]]\nname = 'measured'\nprovider_type = 'loop.measured'\n\
             vcpus = 4\nmemory = '4 GiB'\nprice = 0.01\n"
        ))
        .map_err(BenchError::failed("make a configuration"))?;
        config.max_probes_per_second = max_probes_per_second;
        let cloud = self.cloud.clone();
        let clock = WallClock::from_fn(move || cloud.wall_clock());
        // Released when this ends, for the next program: its epoch is all that is needed of it.
        let lock = InstanceSetLock::acquire_by(self.dir, &config.instance_set, &clock)
            .map_err(BenchError::failed("lock a state directory"))?;
        let instance_type = config.instance_types[0].name.clone();
        let seat = self.cloud.seat(0);
        let pool = Pool::builder(config, seat.instance_set(), seat)
            .runner(RunnerSource::Installed("/usr/lib/poold/pool-runner".to_owned()))
            .wall_clock(clock)
            .lock(&lock)
            .start()
            .map_err(BenchError::failed("start a pool"))?;
        Ok((pool, instance_type))
    }

    async fn until_all_are_in_service(&self, pool: &Pool) {
        let mut changes = pool.subscribe();
        while pool.count_workers().await.get(&Phase::Idle) != Some(&WORKERS) {
            changes.changed().await;
        }
    }
}
