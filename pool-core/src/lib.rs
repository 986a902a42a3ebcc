//! An elastic pool of cloud workers: creates VMs through pluggable drivers, waits until they boot, verifies them,
//! runs jobs on them over SSH, and destroys them when they are not needed.
//!
//! A [`Pool`] is made of a [configuration](PoolConfig), a driver's [`InstanceSet`], and a [`Connector`] that reaches
//! workers. Your scheduler asks it for instances and gives it jobs; [`plan`](plan()) is one that you may use.
//!
//! Here is all of it on the loopback driver, whose cloud is this machine: a pool is started, an instance is
//! created, a job runs on it, its output is read, and all is cleaned up.
#![cfg_attr(all(feature = "loopback", feature = "ssh"), doc = "```standalone_crate")]
#![cfg_attr(
    not(all(feature = "loopback", feature = "ssh")),
    doc = "```ignore (needs the features loopback and ssh)"
)]
//! use pool_core::{
//!     DriverContext, InstanceSetLock, JobId, JobSpec, JobStatus, OutputStream, Pool, PoolConfig, PrivateKey, SshConfig,
//!     SshConnector, StartJob, driver,
//! };
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Workers get the runner from this very program: first of all, be the runner when called as one.
//!     pool_core::run_as_runner_if_asked();
//!     tokio::runtime::Runtime::new()?.block_on(run())
//! }
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let config = PoolConfig::from_toml(
//!         r#"
//!         instance_set = "example"
//!
//!         [[instance_types]]
//!         name = "small"
//!         provider_type = "loop.small"
//!         vcpus = 1
//!         memory = "1 GiB"
//!         price = 0.01
//!         "#,
//!     )?;
//!     let state = tempfile::tempdir()?;
//!     let lock = InstanceSetLock::acquire(state.path(), &config.instance_set)?;
//!     let context = DriverContext {
//!         instance_set: config.instance_set.clone(),
//!         state_dir: state.path().join("loopback"),
//!     };
//!     let cloud = driver("loopback")?.open(serde_json::Value::Null, context).await?;
//!     let connector = SshConnector::new(SshConfig::new(PrivateKey::generate()));
//!     let pool = Pool::builder(config, cloud, connector).lock(&lock).start()?;
//!
//!     // An instance. Nothing is created before the pool knows which instances there are.
//!     pool.count_workers().await;
//!     let small = "small".parse()?;
//!     pool.create(&small)?;
//!
//!     // A job, as soon as there is a worker for it.
//!     let job: JobId = "hello".parse()?;
//!     let mut changes = pool.subscribe();
//!     let spec = JobSpec::new(["sh", "-c", "echo Hello from $POOL_JOB_ID"]);
//!     let start = StartJob { job: job.clone(), attempt: 1, spec, waited: None };
//!     let instance = loop {
//!         match pool.start_job_on_type(&small, start.clone()) {
//!             Ok(instance) => break instance,
//!             Err(_) => changes.changed().await,
//!         }
//!     };
//!
//!     let output = pool.read_all(&job, OutputStream::Stdout, 1024).await?;
//!     assert_eq!(output, b"Hello from hello\n");
//!     let ended = pool.wait_for_job(&job).await;
//!     assert!(matches!(ended, Some(JobStatus::Ended { .. })));
//!     pool.forget_job(&job);
//!
//!     // The end: the instance is destroyed, and the pool stopped once it is gone.
//!     pool.kill_instance(&instance, "the example is over")?;
//!     while !pool.instances().is_empty() {
//!         changes.changed().await;
//!     }
//!     pool.stop().await;
//!     Ok(())
//! }
//! ```
//!
//! # Features
//! None by default. `loopback`: the driver that runs everything on this machine. `ssh`: the executor that reaches
//! workers over SSH. `runner`: the runner inside your own program (`loopback` has it).
//!
//! # What a pool remembers
//! Nothing that matters: the cloud's tags and the runners on the workers are the truth. A pool that starts finds its
//! instances by their tags, and their jobs by asking their runners. What must survive beside that is a number, the
//! epoch, which an [`InstanceSetLock`] keeps.

mod calls;
mod cloud;
mod config;
mod connector;
mod deploy;
mod drivers;
mod link;
mod lock;
mod metrics;
mod pool;
mod program;
mod secret;
mod session;
mod shell;
mod subscription;
mod sweep;
mod verify;
mod wall_clock;

pub use crate::{
    calls::{CallOutcome, CallReport},
    config::{ConfigError, FieldProblem, PoolConfig, read_toml, read_toml_file},
    connector::Connector,
    drivers::{UnknownDriver, driver, drivers},
    link::ReadError,
    lock::{InstanceSetLock, LockError, LockHolder},
    pool::{Pool, PoolBuilder, StartError, StartJob, TagsSaved},
    program::{RunnerError, RunnerSource},
    subscription::Subscription,
    wall_clock::WallClock,
};
pub use pool_api::*;
pub use pool_protocol::{Outcome, OutputChunk, OutputStream, RequestError, RunEnd, StreamSize};
pub use pool_state::{
    CallKind, Category, Covered, CoveredTypes, CreateRefusal, FailingBoots, Failure, FailureClass,
    ForeignInstance, HeldOff, HoldOffEnd, HoldOffView, IdleBehavior, InstanceCounts, InstanceRefusal,
    InstanceView, JobChanges, JobCursor, JobEnd, JobStatus, Missing, NoFit, Notice, Phase, Plan, PlanOptions,
    PoolView, QueuedJob, QuotaScope, Shortage, ShutdownReason, StartRefusal, Time, TypeView, WaitReason,
    WaitingJobs, WorkerView, fits, plan,
};

#[cfg(feature = "ssh")]
pub use crate::connector::SshConnector;
#[cfg(feature = "runner")]
pub use crate::program::run_as_runner_if_asked;
#[cfg(feature = "ssh")]
pub use executor_ssh::{KeyError, PrivateKey, SshConfig};
