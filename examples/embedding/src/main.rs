//! A scheduler of one's own around `pool-core`: runs steps that depend on one another, as `make` does, each on a worker
//! of the pool.
//!
//! `cargo run -p embedding` runs it on the loopback driver. With another driver only the configuration changes.

mod scheduler;
mod steps;

use pool_core::{
    DriverContext, InstanceSetLock, Pool, PoolConfig, PrivateKey, SshConfig, SshConnector, driver,
};
use scheduler::Scheduler;
use std::{error::Error, process::ExitCode};

const CONFIG: &str = r#"
    instance_set = "embedding"
    max_instances = 3
    max_concurrent_instance_create_ops = 3
    timeout_idle = "30s"

    [[instance_types]]
    name = "small"
    provider_type = "loop.small"
    vcpus = 1
    memory = "1 GiB"
    price = 0.01
"#;

fn main() -> ExitCode {
    // First of all: workers get the runner from this very program, which then is called as one.
    pool_core::run_as_runner_if_asked();
    let result =
        tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(run()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("embedding: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let config = PoolConfig::from_toml(CONFIG)?;
    // A real program keeps its state directory: the pool finds its instances and jobs again by it.
    let state = tempfile::tempdir()?;
    let lock = InstanceSetLock::acquire(state.path(), &config.instance_set)?;
    let context =
        DriverContext { instance_set: config.instance_set.clone(), state_dir: state.path().join("loopback") };
    let cloud = driver("loopback")?.open(Default::default(), context).await?;
    let connector = SshConnector::new(SshConfig::new(PrivateKey::generate()));
    let pool = Pool::builder(config, cloud, connector).lock(&lock).start()?;

    let mut scheduler = Scheduler::new(pool.clone(), steps::all());
    let result = scheduler.run().await;

    // Whatever has happened: nothing is left that costs money.
    let mut changes = pool.subscribe();
    loop {
        let instances = pool.instances();
        if instances.is_empty() {
            break;
        }
        for id in instances.iter().filter_map(|view| view.id.as_ref()) {
            // An error means that it has just gone.
            drop(pool.kill_instance(id, "all steps are done"));
        }
        changes.changed().await;
    }
    pool.stop().await;
    for (name, output) in result? {
        print!("{name}: {output}");
    }
    Ok(())
}
