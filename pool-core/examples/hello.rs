//! The front page's example

use pool_core::{
    DriverContext, InstanceSetLock, JobId, JobSpec, JobStatus, OutputStream, Pool, PoolConfig, PrivateKey, SshConfig,
    SshConnector, StartJob, driver,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Workers get the runner from this very program: first of all, be the runner when called as one.
    pool_core::run_as_runner_if_asked();
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_writer(std::io::stderr).init();

    let config = PoolConfig::from_toml(
        r#"
        instance_set = "example"

        [[instance_types]]
        name = "small"
        provider_type = "loop.small"
        vcpus = 1
        memory = "1 GiB"
        price = 0.01
        "#,
    )?;
    let state = tempfile::tempdir()?;
    let lock = InstanceSetLock::acquire(state.path(), &config.instance_set)?;
    let context = DriverContext {
        instance_set: config.instance_set.clone(),
        state_dir: state.path().join("loopback"),
    };
    let cloud = driver("loopback")?.open(serde_json::Value::Null, context).await?;
    let connector = SshConnector::new(SshConfig::new(PrivateKey::generate()));
    let pool = Pool::builder(config, cloud, connector).lock(&lock).start()?;

    // An instance. Nothing is created before the pool knows which instances there are.
    pool.count_workers().await;
    let small = "small".parse()?;
    pool.create(&small)?;

    // A job, as soon as there is a worker for it.
    let job: JobId = "hello".parse()?;
    let mut changes = pool.subscribe();
    let spec = JobSpec::new(["sh", "-c", "echo Hello from $POOL_JOB_ID"]);
    let start = StartJob { job: job.clone(), attempt: 1, spec, waited: None };
    let instance = loop {
        match pool.start_job_on_type(&small, start.clone()) {
            Ok(instance) => break instance,
            Err(_) => changes.changed().await,
        }
    };

    let output = pool.read_all(&job, OutputStream::Stdout, 1024).await?;
    assert_eq!(output, b"Hello from hello\n");
    let ended = pool.wait_for_job(&job).await;
    assert!(matches!(ended, Some(JobStatus::Ended { .. })));
    pool.forget_job(&job);

    // The end: the instance is destroyed, and the pool stopped once it is gone.
    pool.kill_instance(&instance, "the example is over")?;
    while !pool.instances().is_empty() {
        changes.changed().await;
    }
    pool.stop().await;
    Ok(())
}
