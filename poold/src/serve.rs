//! `poold serve`: the dispatcher, until it is told to stop.

use crate::{
    api::Service,
    assemble::{AssembleError, Assembled, Parts, assemble},
    config::{self, ServeConfig},
    dispatcher::{DispatchError, OutputStore},
    drivers::driver,
    http::{self, SocketError},
    job::JobState,
    program_config::InputError,
    queue::{Queue, QueueError, SqliteQueue},
    say::say,
    state_dir,
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
    #[error("the socket for the commands cannot be made")]
    Socket(#[from] SocketError),
    /// Nothing was started.
    #[error(
        "{jobs} jobs in {path} may run on instances of {bound}, and the configuration says {cloud}: they could be run a \
         second time. Start it with the earlier driver and instance set until they have ended, or use another state \
         directory"
    )]
    OtherCloud { path: PathBuf, bound: String, cloud: String, jobs: usize },
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    #[error("the socket for the commands failed")]
    Http(#[source] std::io::Error),
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
        !matches!(self, Self::Dispatch(_) | Self::Http(_))
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
    // From here on others see it, and may tell it to stop.
    let mut told_to_stop = std::pin::pin!(told_to_stop());
    let listener = http::listen(&state_dir)?;

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
    let Assembled { pool, dispatcher, handle, questions } = assemble(parts)?;
    // Ends with the dispatcher.
    tokio::spawn(handle.clone().record());
    let service: Arc<dyn Service> = Arc::new(handle);
    let (stop, stopping) = watch::channel(false);
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        // An error is the end of this function.
        drop(stopping.wait_for(|stop| *stop).await);
    };
    let mut server = tokio::spawn(http::serve(service, listener, stopped(stopping.clone())));
    let mut dispatching = tokio::spawn(dispatcher.run(questions, stopped(stopping)));
    tracing::info!(instance_set = %set, state_dir = %state_dir.display(), driver = chosen.name(), "serving");
    say(format!(
        "poold: serving instance set {set} ({}) from {}; Ctrl-C stops it, jobs go on",
        chosen.name(),
        state_dir.display()
    ));

    // Cancel safety: the tasks are kept, and signals lose nothing.
    let early = tokio::select! {
        () = told_to_stop => None,
        ended = &mut dispatching => Some(ended),
        ended = &mut server => {
            let error = ended.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            stop.send_replace(true);
            finish(dispatching.await)?;
            pool.stop().await;
            return error.map_err(ServeError::Http);
        }
    };
    say("poold: stopping; jobs go on and are taken up at the next start");
    stop.send_replace(true);
    let dispatched = match early {
        Some(ended) => ended,
        None => dispatching.await,
    };
    if timeout(LAST_ANSWERS, &mut server).await.is_err() {
        server.abort();
    }
    pool.stop().await;
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
