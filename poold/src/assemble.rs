//! The pool, the dispatcher and who asks it, as `poold serve` and simulations have them.

use crate::{
    config::ServeConfig,
    dispatcher::{Asked, DispatchError, DispatchSettings, Dispatcher, Handle, OutputStore},
    program_config::InputError,
    queue::Queue,
    telemetry::Tracer,
};
use pool_core::{Connector, InstanceSet, InstanceSetLock, Pool, RunnerSource, WallClock};
use prometheus::Registry;
use rand::Rng;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Questions that wait for the dispatcher. More make who asks wait.
const QUESTIONS: usize = 1024;

/// What it is made of.
pub(crate) struct Parts<'a, C> {
    pub(crate) config: ServeConfig,
    pub(crate) cloud: Arc<dyn InstanceSet>,
    pub(crate) connector: C,
    pub(crate) runner: RunnerSource,
    pub(crate) lock: &'a InstanceSetLock,
    pub(crate) queue: Box<dyn Queue>,
    pub(crate) outputs: OutputStore,
    pub(crate) clock: WallClock,
    /// Where secrets come from; none: the system's source.
    pub(crate) chance: Option<Box<dyn Rng + Send>>,
}

/// All of it. The pool works already; the dispatcher does once it [runs](Dispatcher::run) with the questions.
pub(crate) struct Assembled {
    pub(crate) pool: Pool,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) handle: Handle,
    pub(crate) questions: mpsc::Receiver<Asked>,
    /// What is scraped: whoever else has something to count registers it here.
    pub(crate) registry: Registry,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssembleError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
}

/// Puts the parts together.
///
/// # Errors
/// [`AssembleError`]; nothing goes on then.
pub(crate) fn assemble<C: Connector>(parts: Parts<'_, C>) -> Result<Assembled, AssembleError> {
    assemble_traced(parts, Tracer::default())
}

/// The same, with traces of jobs and of calls to the cloud.
///
/// # Errors
/// [`AssembleError`]; nothing goes on then.
pub(crate) fn assemble_traced<C: Connector>(
    parts: Parts<'_, C>,
    tracer: Tracer,
) -> Result<Assembled, AssembleError> {
    let Parts { config, cloud, connector, runner, lock, queue, outputs, clock, chance } = parts;
    let settings = DispatchSettings::new(&config, cloud.capabilities().list_settle_time);
    let registry = Registry::new();
    let mut builder = Pool::builder(config.pool, cloud, connector)
        .runner(runner)
        .registry(&registry)
        .wall_clock(clock.clone())
        .lock(lock);
    if let Some(chance) = chance {
        builder = builder.chance(chance);
    }
    if tracer.is_on() {
        let (tracer, driver) = (tracer.clone(), settings.driver.clone());
        builder = builder.watch_calls(move |call| tracer.call(&driver, &call));
    }
    let pool = builder.start().map_err(InputError::from)?;
    let (asked, questions) = mpsc::channel(QUESTIONS);
    let mut dispatcher =
        Dispatcher::new(pool.clone(), queue, outputs.clone(), settings.clone(), &registry, clock)?;
    dispatcher.trace_with(tracer);
    let handle = Handle::new(asked, pool.clone(), outputs, settings, registry.clone());
    Ok(Assembled { pool, dispatcher, handle, questions, registry })
}
