//! How fast a worker goes from one job to the next, over SSH on this machine, and what 16 idle workers cost.
//!
//! `cargo run --release -p pool-core --features loopback,ssh --example latency [JOBS]`. `RUST_LOG` says what to log.

use pool_core::{
    DriverContext, InstanceId, JobEnd, JobId, JobSpec, JobStatus, Phase, Pool, PoolConfig, PrivateKey,
    SshConfig, SshConnector, StartJob, Subscription, driver,
};
use std::{
    error::Error,
    time::{Duration, Instant},
};

const IDLE_WORKERS: usize = 16;
const IDLE_TIME: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    pool_core::run_as_runner_if_asked();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let jobs = std::env::args().nth(1).map_or(Ok(1000), |text| text.parse())?;
    tokio::runtime::Runtime::new()?.block_on(run(jobs))
}

async fn run(jobs: u32) -> Result<(), Box<dyn Error>> {
    let config = PoolConfig::from_toml(
        r#"
        instance_set = "latency"
        timeout_idle = "1h"
        max_concurrent_instance_create_ops = 0

        [[instance_types]]
        name = "small"
        provider_type = "loop.small"
        vcpus = 1
        memory = "1 GiB"
        price = 0.01
        "#,
    )?;
    let state = tempfile::tempdir()?;
    let context =
        DriverContext { instance_set: config.instance_set.clone(), state_dir: state.path().join("loopback") };
    let cloud = driver("loopback")?.open(serde_json::Value::Null, context).await?;
    let connector = SshConnector::new(SshConfig::new(PrivateKey::generate()));
    let pool = Pool::builder(config, cloud, connector).start()?;
    pool.count_workers().await;
    let mut changes = pool.subscribe();

    let instance = workers(&pool, 1, &mut changes).await?.remove(0);
    let mut gaps = one_after_the_other(&pool, &instance, jobs, &mut changes).await?;
    gaps.sort_unstable();
    let at = |share: f64| gaps[((gaps.len() - 1) as f64 * share) as usize];
    println!(
        "from the exit of a job to the next one's start, {} times: median {:.1?}, p99 {:.1?}, longest {:.1?}",
        gaps.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );

    workers(&pool, IDLE_WORKERS, &mut changes).await?;
    // What booting leaves to be done is done by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = cpu_time()?;
    tokio::time::sleep(IDLE_TIME).await;
    let used = cpu_time()? - before;
    println!(
        "{IDLE_WORKERS} idle workers, their SSH servers in this process: {:.2} % of a core",
        used.as_secs_f64() / IDLE_TIME.as_secs_f64() * 100.0
    );

    for view in pool.instances() {
        if let Some(id) = view.id {
            pool.kill_instance(&id, "the measurement is over")?;
        }
    }
    while !pool.instances().is_empty() {
        changes.changed().await;
    }
    pool.stop().await;
    Ok(())
}

/// Creates workers until so many are idle.
async fn workers(
    pool: &Pool,
    count: usize,
    changes: &mut Subscription,
) -> Result<Vec<InstanceId>, Box<dyn Error>> {
    for _ in pool.instances().len()..count {
        pool.create(&"small".parse()?)?;
    }
    loop {
        let idle = pool.instances().into_iter().filter(|view| view.phase == Some(Phase::Idle));
        let ids: Vec<InstanceId> = idle.filter_map(|view| view.id).collect();
        if ids.len() >= count {
            return Ok(ids);
        }
        changes.changed().await;
    }
}

/// Starts each job as soon as the pool says that the one before has ended. Returns, for each, how long it took from
/// the end of the job before to its own start, as the runner has noted them: milliseconds of this machine's clock.
async fn one_after_the_other(
    pool: &Pool,
    instance: &InstanceId,
    jobs: u32,
    changes: &mut Subscription,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut gaps = Vec::new();
    let mut ended: Option<u64> = None;
    let begin = Instant::now();
    for number in 0..=jobs {
        let job: JobId = format!("job-{number}").parse()?;
        let start = StartJob { job: job.clone(), attempt: 1, spec: JobSpec::new(["true"]), waited: None };
        pool.start_job(instance, start)?;
        let end = loop {
            match pool.job(&job) {
                Some(JobStatus::Ended { end: JobEnd::Finished(end), .. }) => break end,
                Some(JobStatus::Ended { end, .. }) => return Err(format!("{job}: {end:?}").into()),
                Some(_) => changes.changed().await,
                None => return Err(format!("{job} was just started and is not known").into()),
            }
        };
        pool.forget_job(&job);
        let started = end.started_ms.ok_or("a job that has ended has never started")?;
        if let Some(ended) = ended.replace(end.ended_ms) {
            gaps.push(Duration::from_millis(started.saturating_sub(ended)));
        }
    }
    let each = begin.elapsed() / (jobs + 1);
    println!("{} jobs, one after the other: {each:.1?} each, the job included", jobs + 1);
    Ok(gaps)
}

/// User and system time of this process.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    // The fields after the name, which may have spaces and is in parentheses; in ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Ok(Duration::from_millis(ticks.sum::<Result<u64, _>>()? * 10))
}
