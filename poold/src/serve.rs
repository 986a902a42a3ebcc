//! `poold serve`: the dispatcher, until it is told to stop.

use crate::{
    assemble::{AssembleError, Assembled, Parts, assemble_traced},
    config::{self, ServeConfig},
    dispatcher::{DispatchError, OutputStore},
    doors::{DoorError, Doors},
    drivers::driver,
    http::{AuditLog, Measured},
    job::JobState,
    open_files, process_metrics,
    program_config::InputError,
    queue::{Queue, QueueError, SqliteQueue},
    say::say,
    state_dir,
    stopping::stopped,
    telemetry::{TelemetryError, Traces},
};
use pool_core::{DriverContext, InstanceSetLock, SshConfig, SshConnector, WallClock};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};

/// How long answers that are under way may take once it is to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Connections are not given up for less silence than this, however short `timeout_probe` is: what is slow is not dead.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);

/// What the command line says.
#[derive(Clone, Debug)]
pub(crate) struct ServeOptions {
    pub(crate) config: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
    /// Nothing but the log is written to standard error.
    pub(crate) only_log: bool,
}

/// Why it ended by itself, or did not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Nothing was started.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Nothing was started.
    #[error("the queue cannot be opened")]
    Queue(#[from] QueueError),
    /// Nothing was started.
    #[error(
        "{jobs} jobs in {path} may run on instances of {bound}, and the configuration says {cloud}: they could be run a \
         second time. Start it with the earlier driver and instance set until they have ended, or use another state \
         directory"
    )]
    OtherCloud { path: PathBuf, bound: String, cloud: String, jobs: usize },
    /// Nothing was started.
    #[error("traces cannot be sent")]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// Nothing was started.
    #[error(transparent)]
    Door(#[from] DoorError),
}

impl From<AssembleError> for ServeError {
    fn from(error: AssembleError) -> Self {
        match error {
            AssembleError::Input(error) => error.into(),
            AssembleError::Dispatch(error) => error.into(),
        }
    }
}

impl ServeError {
    /// What it was given cannot be used, and nothing was started.
    pub(crate) fn is_bad_input(&self) -> bool {
        !matches!(self, Self::Dispatch(_))
    }
}

/// Serves until SIGINT or SIGTERM. Jobs and instances go on then.
///
/// # Errors
/// [`ServeError`].
pub(crate) async fn run(options: &ServeOptions) -> Result<(), ServeError> {
    let config = config::load(options.config.as_deref())?;
    // All that can be wrong is found before anything is made.
    let chosen = driver(&config.driver.name).map_err(InputError::from)?;
    let runner = config.runner.source();
    runner.check_types(&config.pool.instance_types).map_err(InputError::Runner)?;
    config.ssh.check()?;
    let state_dir = state_dir::open(&options.state_dir).map_err(InputError::from)?;
    let set = config.pool.instance_set.clone();
    let lock = InstanceSetLock::acquire(&state_dir, &set).map_err(InputError::from)?;
    let key = config.ssh.key(&state_dir)?;
    let queue = open_queue(&state_dir, &config)?;
    let outputs_dir = state_dir.join("outputs");
    let outputs = OutputStore::open(outputs_dir.clone()).map_err(InputError::file(&outputs_dir))?;
    let audit = AuditLog::open(&state_dir).map_err(InputError::file(&state_dir))?;
    // One each; with no limit to instances, as many as a large pool has.
    let workers = match config.pool.max_instances {
        0 => 10_000,
        most => most,
    };
    open_files::allow(u64::from(workers) + Doors::max_connections(&config.api));
    // From here on others see it, and may tell it to stop.
    let mut told_to_stop = std::pin::pin!(told_to_stop());
    let doors = Doors::open(&config.api, &state_dir).await?;

    let traces = Traces::new(&config.telemetry, set.as_str())?;

    let context = DriverContext { instance_set: set.clone(), state_dir: state_dir.join(chosen.name()) };
    // Cancel safety: what is half opened is closed, and signals lose nothing.
    let cloud = tokio::select! {
        cloud = chosen.open(config.driver.options.clone(), context) => cloud.map_err(InputError::DriverOptions)?,
        () = &mut told_to_stop => return Ok(()),
    };
    // Else a silent worker would be noticed only by limits that are longer than the time that it has to answer.
    let patience = config.pool.timeout_probe.max(SHORTEST_PATIENCE);
    let parts = Parts {
        config,
        cloud,
        connector: SshConnector::new(SshConfig::new(key).patient_for(patience)),
        runner,
        lock: &lock,
        reader: Some(queue.reader()),
        queue: Box::new(queue),
        outputs,
        clock: WallClock::system(),
        chance: None,
    };
    let Assembled { pool, dispatcher, handle, questions, registry } =
        assemble_traced(parts, traces.tracer())?;
    traces.register(&registry).map_err(DispatchError::Metrics)?;
    process_metrics::register(&registry, set.as_str(), chosen.name()).map_err(DispatchError::Metrics)?;
    let measured = Measured::new(&registry, set.as_str()).map_err(DispatchError::Metrics)?;
    let asked_at = doors.describe();
    // Ends with the dispatcher.
    tokio::spawn(handle.clone().record());
    let (stop, stopping) = watch::channel(false);
    let traces = traces.start();
    let mut server = tokio::spawn(doors.serve(Arc::new(handle), audit, measured, stopping.clone()));
    let mut dispatching = tokio::spawn(dispatcher.run(questions, stopped(stopping)));
    tracing::info!(instance_set = %set, state_dir = %state_dir.display(), driver = chosen.name(), "serving");
    if !options.only_log {
        say(format!(
            "poold: serving instance set {set} ({}) from {}{asked_at}; Ctrl-C stops it, jobs go on",
            chosen.name(),
            state_dir.display()
        ));
    }

    // Cancel safety: the tasks are kept, and signals lose nothing.
    let early = tokio::select! {
        () = told_to_stop => None,
        ended = &mut dispatching => Some(ended),
        ended = &mut server => {
            // It ends only when it is told to.
            if let Err(error) = ended {
                std::panic::resume_unwind(error.into_panic());
            }
            return Ok(());
        }
    };
    if options.only_log {
        tracing::info!("stopping; jobs go on and are taken up at the next start");
    } else {
        say("poold: stopping; jobs go on and are taken up at the next start");
    }
    stop.send_replace(true);
    let dispatched = match early {
        Some(ended) => ended,
        None => dispatching.await,
    };
    if timeout(LAST_ANSWERS, &mut server).await.is_err() {
        server.abort();
    }
    pool.stop().await;
    traces.stop().await;
    finish(dispatched)
}

fn finish(dispatched: Result<Result<(), DispatchError>, tokio::task::JoinError>) -> Result<(), ServeError> {
    match dispatched {
        Ok(result) => Ok(result?),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Where the queue of a state directory is.
pub(crate) fn queue_path(state_dir: &Path) -> PathBuf {
    state_dir.join("queue.sqlite")
}

/// To what a queue is bound: driver and instance set.
pub(crate) fn cloud_of(config: &ServeConfig) -> String {
    format!("{}/{}", config.driver.name, config.pool.instance_set)
}

/// The queue of a state directory, bound to the instance set.
fn open_queue(state_dir: &Path, config: &ServeConfig) -> Result<SqliteQueue, ServeError> {
    let path = queue_path(state_dir);
    let mut queue = SqliteQueue::open(&path)?;
    let cloud = cloud_of(config);
    match queue.cloud()? {
        Some(bound) if bound == cloud => {}
        Some(bound) => {
            let unfinished = queue.unfinished()?;
            let jobs = unfinished.iter().filter(|job| job.record.state != JobState::Queued).count();
            if jobs > 0 {
                return Err(ServeError::OtherCloud { path, bound, cloud, jobs });
            }
            queue.bind_to_cloud(&cloud)?;
        }
        None => queue.bind_to_cloud(&cloud)?,
    }
    Ok(queue)
}

/// Ctrl-C, or what a service manager sends, from this call on: not only once the future is polled.
pub(crate) fn told_to_stop() -> impl Future<Output = ()> {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        match (interrupt, terminate) {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be received: stop it with SIGKILL, nothing is lost by that");
                std::future::pending::<()>().await;
            }
        }
    }
}
