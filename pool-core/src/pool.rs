//! The pool as its users see it.

use crate::{
    ConfigError, InstanceSetLock,
    calls::CallReport,
    cloud::{CallWatch, Cloud},
    config::PoolConfig,
    connector::Connector,
    link::{Read, ReadError},
    metrics::Metrics,
    program::{RunnerError, RunnerSource},
    secret::Chance,
    shell::{Shell, ShellParts},
    subscription::Subscription,
    sweep::sweep_now_and_then,
    wall_clock::WallClock,
};
use pool_api::{HourlyPrice, InstanceId, InstanceSet, InstanceTypeName, JobId, JobSpec, RunId};
use pool_protocol::{OutputChunk, OutputStream};
use pool_state::{
    CreateRefusal, FailingBoots, HoldOffView, IdleBehavior, InstanceCounts, InstanceRefusal, InstanceView,
    JobChanges, JobCursor, JobStart, JobStatus, Notice, Phase, PoolSetup, PoolState, PoolView, StartRefusal,
    TagNames, Time,
};
use prometheus::Registry;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, broadcast, oneshot},
    task::JoinHandle,
};

/// An elastic pool of workers. Cheap to clone; all clones are the same pool.
///
/// Operations return at once unless they are `async`; what takes time goes on behind them, and
/// [subscribers](Pool::subscribe) are woken when something has changed.
///
/// When the last clone is dropped, the pool stops by itself soon after; [`stop`](Pool::stop) waits for it. What is
/// asked of a stopped pool is not done, and whoever waits for something gets what is known.
#[derive(Clone)]
pub struct Pool {
    shell: Arc<Shell>,
    running: Arc<Running>,
}

/// What goes on for as long as somebody has the pool.
struct Running {
    shell: Arc<Shell>,
    tasks: Mutex<Option<[JoinHandle<()>; 3]>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shell.stop();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("instance_set", &self.shell.config.instance_set).finish_non_exhaustive()
    }
}

/// What a pool is made of.
#[must_use]
pub struct PoolBuilder {
    config: PoolConfig,
    instance_set: Arc<dyn InstanceSet>,
    connector: Arc<dyn Connector>,
    runner: RunnerSource,
    registry: Registry,
    epoch: u64,
    wall_clock: WallClock,
    chance: Chance,
    watch_calls: Option<CallWatch>,
}

impl std::fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a pool did not start. Nothing was started then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The runner program cannot be had.
    #[error("workers cannot be given a runner program")]
    Runner(#[from] RunnerError),
    /// The metrics cannot be registered, for example because another pool of this instance set has them.
    #[error("the metrics cannot be registered: give each pool an instance set, or a registry, of its own")]
    Metrics(#[from] prometheus::Error),
    /// The driver names no placement.
    #[error("the driver has no placement to put instances in")]
    NoPlacement,
}

/// A job to be started.
#[derive(Clone, PartialEq, Debug)]
pub struct StartJob {
    /// The job.
    pub job: JobId,
    /// Which attempt at it, counted from 1.
    pub attempt: u32,
    /// What to run, and what it reserves.
    pub spec: JobSpec,
    /// How long it has waited in the queue, for the metrics.
    pub waited: Option<Duration>,
}

impl PoolBuilder {
    /// Registers the metrics here, until the pool and its last clone are gone. Default: a registry of the pool's own.
    pub fn registry(mut self, registry: &Registry) -> Self {
        self.registry = registry.clone();
        self
    }

    /// Where workers get the runner program from. Default: the running program itself, where that is compiled in.
    pub fn runner(mut self, source: RunnerSource) -> Self {
        self.runner = source;
        self
    }

    /// Uses the epoch of a lock: workers refuse programs that had it before. Keep the lock for as long as the pool
    /// runs. Default: epoch 0, for a pool whose instances no other program knows.
    pub fn lock(mut self, lock: &InstanceSetLock) -> Self {
        self.epoch = lock.epoch();
        self
    }

    /// Where the time of day comes from, by which the pool tells how old an instance is that it finds. Default: the
    /// system's clock.
    pub fn wall_clock(mut self, clock: WallClock) -> Self {
        self.wall_clock = clock;
        self
    }

    /// Where the secrets of instances and the tokens of creates come from. For simulations: secrets from a source that
    /// can be guessed prove nothing. Default: the system's source.
    pub fn chance(mut self, rng: impl rand::Rng + Send + 'static) -> Self {
        self.chance = Chance::Given(std::sync::Mutex::new(Box::new(rng)));
        self
    }

    /// Tells of each call to the cloud once it has ended. Called from any task, and must neither wait nor call the pool.
    pub fn watch_calls(mut self, watch: impl Fn(CallReport) + Send + Sync + 'static) -> Self {
        self.watch_calls = Some(Box::new(watch));
        self
    }

    /// p01: validates the configuration, then starts the pool.
    ///
    /// # Errors
    /// [`StartError`]; nothing was started then.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Result<Pool, StartError> {
        let Self {
            config,
            instance_set,
            connector,
            runner,
            registry,
            epoch,
            wall_clock,
            chance,
            watch_calls,
        } = self;
        config.validate()?;
        config.validate_for(&instance_set.capabilities())?;
        let placements = instance_set.placements();
        if placements.is_empty() {
            return Err(StartError::NoPlacement);
        }
        for instance_type in &config.instance_types {
            runner.check(instance_type.architecture)?;
        }
        let metrics = Arc::new(Metrics::new(&registry, &config)?);
        let tags = config.instance_tags();
        let setup = PoolSetup {
            instance_set: config.instance_set.clone(),
            settings: config.settings(),
            instance_types: config
                .instance_types
                .iter()
                .map(|t| (Arc::new(t.clone()), instance_set.quota_group(t)))
                .collect(),
            placements,
            capabilities: instance_set.capabilities(),
            tag_names: TagNames::new(&config.tag_prefix),
        };
        let cloud = Cloud::new(instance_set, tags, config.cloud_call_timeout, metrics.clone(), watch_calls);
        let interval = config.metrics_interval;
        let state = PoolState::new(setup, Time::ZERO);
        let parts =
            ShellParts { config, cloud, epoch, metrics, runner, connector, state, wall_clock, chance };
        let (shell, effects) = Shell::new(parts);
        let metrics = tokio::spawn(update_metrics(shell.clone(), interval));
        let sweeps = tokio::spawn(sweep_now_and_then(shell.clone()));
        let main = tokio::spawn(shell.clone().run(effects));
        // Lets out the first list.
        shell.step(PoolState::handle_timeout);
        let running = Running { shell: shell.clone(), tasks: Mutex::new(Some([main, metrics, sweeps])) };
        Ok(Pool { shell, running: Arc::new(running) })
    }
}

/// Brings the gauges up to date now and then.
async fn update_metrics(shell: Arc<Shell>, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stopped = shell.stopped.subscribe();
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return,
            _ = ticks.tick() => {}
        }
        let gauges = shell.look(|state| state.gauges(shell.now()));
        shell.metrics.update(&gauges);
    }
}

impl Pool {
    /// A pool of a driver's instances, reached by a connector.
    pub fn builder(
        config: PoolConfig,
        instance_set: Arc<dyn InstanceSet>,
        connector: impl Connector,
    ) -> PoolBuilder {
        #[cfg(feature = "runner")]
        let runner = RunnerSource::ThisProgram;
        #[cfg(not(feature = "runner"))]
        let runner = RunnerSource::Files(BTreeMap::new());
        let connector = Arc::new(connector);
        PoolBuilder {
            config,
            instance_set,
            connector,
            runner,
            registry: Registry::new(),
            epoch: 0,
            wall_clock: WallClock::system(),
            chance: Chance::System,
            watch_calls: None,
        }
    }

    /// p02: wakes after every change that may matter to a scheduler.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.shell.changes.subscribe())
    }

    /// What happens, for people: workers that come and go and why, failed calls. A slow reader misses the oldest
    /// and is told how many.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.shell.notices.subscribe()
    }

    /// p03: per type, instances that have no job, or will have none when they are ready.
    pub fn unallocated(&self) -> BTreeMap<InstanceTypeName, usize> {
        self.shell.look(PoolState::unallocated)
    }

    /// p04: asks for an instance of a type; returns at once.
    ///
    /// # Errors
    /// [`CreateRefusal`] when it was not asked for. A failure that comes later shows as a [notice](Self::notices)
    /// and in what the pool refuses next.
    pub fn create(&self, instance_type: &InstanceTypeName) -> Result<(), CreateRefusal> {
        if let Err(error) = self.shell.check_runner() {
            return Err(CreateRefusal::RunnerUnavailable(crate::link::chain(&error)));
        }
        let (secret, fresh) = self.shell.chance.fresh();
        let token = fresh.token.clone();
        self.shell.step(|state, now| {
            state.create(now, instance_type, fresh)?;
            self.shell.keep_secret(token, secret);
            Ok(())
        })
    }

    /// p08: true while no placement has capacity for the type.
    pub fn at_capacity(&self, instance_type: &InstanceTypeName) -> bool {
        self.shell.look(|state| state.at_capacity(self.shell.now(), instance_type))
    }

    /// p09: true while the provider's quota or `max_instances` is used up.
    pub fn at_quota(&self) -> bool {
        self.shell.look(|state| state.at_quota(self.shell.now()))
    }

    /// p10: says what becomes of a worker without a job. Takes effect at once; the returned value can be awaited
    /// for when it is saved to the cloud's tags and so survives this program.
    ///
    /// # Errors
    /// [`InstanceRefusal`].
    pub fn set_idle_behavior(
        &self,
        instance: &InstanceId,
        behavior: IdleBehavior,
    ) -> Result<TagsSaved, InstanceRefusal> {
        self.shell.step(|state, now| state.set_idle_behavior(now, instance, behavior))?;
        Ok(TagsSaved { pool: self.clone(), instance: instance.clone() })
    }

    /// p11: shuts down one worker of a type that is not needed, a booting one before an idle one. None if all are
    /// busy or held.
    pub fn shutdown(&self, instance_type: &InstanceTypeName) -> Option<InstanceId> {
        self.shell.step(|state, now| state.shutdown_type(now, instance_type))
    }

    /// p11: shuts a worker down unless it is busy or held. False if it is.
    pub fn shutdown_instance(&self, instance: &InstanceId) -> bool {
        self.shell.step(|state, now| state.shutdown_instance(now, instance))
    }

    /// p12: workers by phase. Waits until the instances have been listed once. None at all when the pool is stopped
    /// before that.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn count_workers(&self) -> BTreeMap<Phase, usize> {
        let mut changes = self.subscribe();
        loop {
            if let Some(counts) = self.shell.look(PoolState::count_workers) {
                return counts;
            }
            if self.shell.is_stopped() {
                return BTreeMap::new();
            }
            changes.changed().await;
        }
    }

    /// p13: jobs that are being prepared, that run, and that have ended and are not forgotten.
    pub fn running(&self) -> BTreeMap<JobId, JobStatus> {
        self.shell.look(PoolState::running)
    }

    /// What has become of the jobs of [`running`](Self::running) since somebody looked last: for a scheduler that has
    /// many, and follows them.
    pub fn job_changes(&self, since: JobCursor) -> JobChanges {
        self.shell.look(|state| state.job_changes(since))
    }

    /// One job of [`running`](Self::running).
    pub fn job(&self, job: &JobId) -> Option<JobStatus> {
        self.shell.look(|state| state.job(job))
    }

    /// Waits until a job has ended, and says how; none when the pool does not know it. Says that it still runs when
    /// the pool is stopped before that.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub async fn wait_for_job(&self, job: &JobId) -> Option<JobStatus> {
        let mut changes = self.subscribe();
        loop {
            match self.job(job) {
                Some(JobStatus::Preparing { .. } | JobStatus::Running { .. }) if !self.shell.is_stopped() => {
                    changes.changed().await;
                }
                other => return other,
            }
        }
    }

    /// p14: gives a job to a worker, at once or not at all.
    ///
    /// # Errors
    /// [`StartRefusal`]; no attempt was used.
    pub fn start_job(&self, instance: &InstanceId, start: StartJob) -> Result<(), StartRefusal> {
        self.give(start, |state, now, start| state.start_job(now, instance, start))
    }

    /// p14: gives a job to the most recently busy idle worker of a type.
    ///
    /// # Errors
    /// [`StartRefusal`]; no attempt was used.
    pub fn start_job_on_type(
        &self,
        instance_type: &InstanceTypeName,
        start: StartJob,
    ) -> Result<InstanceId, StartRefusal> {
        self.give(start, |state, now, start| state.start_job_on_type(now, instance_type, start))
    }

    fn give<R>(
        &self,
        start: StartJob,
        give: impl FnOnce(&mut PoolState, Time, JobStart) -> Result<R, StartRefusal>,
    ) -> Result<R, StartRefusal> {
        let StartJob { job, attempt, spec, waited } = start;
        let run = RunId::new(job, attempt);
        let resources = spec.resources;
        self.shell.step(|state, now| {
            let result = give(state, now, JobStart { run: run.clone(), resources, waited });
            // Kept only when it was given: a refusal must not touch the spec of the same run that was given before.
            if result.is_ok() {
                self.shell.keep_spec(run.clone(), spec);
            }
            result
        })
    }

    /// p15: begins to end a job: TERM, then KILL. False if it has ended already or is not known.
    pub fn kill_job(&self, job: &JobId, reason: &str) -> bool {
        self.shell.step(|state, now| state.kill_job(now, job, reason))
    }

    /// p16: clears the end of a job, and lets its worker delete its output. False, and no effect, before it has
    /// ended.
    pub fn forget_job(&self, job: &JobId) -> bool {
        self.shell.step(|state, now| state.forget_job(now, job))
    }

    /// Reads a piece of a job's output from its worker, which keeps it until the job is forgotten.
    ///
    /// With `wait` it waits until there is something after `offset` or the job has ended.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    pub async fn read_output(
        &self,
        job: &JobId,
        stream: OutputStream,
        offset: u64,
        wait: bool,
    ) -> Result<OutputChunk, ReadError> {
        let mut changes = self.subscribe();
        let (run, instance) = loop {
            if self.shell.is_stopped() {
                return Err(ReadError::Stopped);
            }
            match self.job(job).ok_or(ReadError::Gone)? {
                // The runner does not know the run before it has confirmed it.
                JobStatus::Preparing { .. } => changes.changed().await,
                JobStatus::Running { run, instance } | JobStatus::Ended { run, instance, .. } => {
                    break (run, instance);
                }
            }
        };
        let reads = self.shell.link(&instance).ok_or(ReadError::Gone)?.reads();
        let (reply, answer) = oneshot::channel();
        let read = Read { run, stream, offset, limit: pool_protocol::MAX_READ, wait, reply };
        // When the line is closed, the reply is dropped with it.
        drop(reads.send(read).await);
        drop(reads);
        let closed = || if self.shell.is_stopped() { ReadError::Stopped } else { ReadError::Gone };
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Reads all that a job has written to a stream, and waits for its end.
    ///
    /// At most `limit` bytes: what is over is not read.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    pub async fn read_all(
        &self,
        job: &JobId,
        stream: OutputStream,
        limit: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let mut output = Vec::new();
        loop {
            let chunk = self.read_output(job, stream, output.len() as u64, true).await?;
            let room = limit.saturating_sub(output.len());
            output.extend_from_slice(&chunk.data[..chunk.data.len().min(room)]);
            if chunk.last || output.len() >= limit {
                return Ok(output);
            }
        }
    }

    /// p17: every worker and every create in flight, by id.
    pub fn instances(&self) -> Vec<InstanceView> {
        self.shell.look(PoolState::instances)
    }

    /// Instances by type and phase, creates in flight without one, and what all of them cost an hour: cheaper than
    /// [`instances`](Self::instances).
    pub fn instance_counts(&self) -> (InstanceCounts, HourlyPrice) {
        self.shell.look(PoolState::instance_counts)
    }

    /// What is not asked of the provider now, because it has refused it.
    pub fn hold_offs(&self) -> Vec<HoldOffView> {
        self.shell.look(|state| state.hold_offs(self.shell.now()))
    }

    /// Types whose last boots have all failed.
    pub fn failing_boots(&self) -> Vec<FailingBoots> {
        self.shell.look(|state| state.failing_boots(self.shell.now()))
    }

    /// p18: destroys a worker at once, whatever it does.
    ///
    /// # Errors
    /// [`InstanceRefusal`].
    pub fn kill_instance(&self, instance: &InstanceId, reason: &str) -> Result<(), InstanceRefusal> {
        self.shell.step(|state, now| state.kill_instance(now, instance, reason))
    }

    /// p19: whether new workers could be given the runner program.
    ///
    /// # Errors
    /// [`RunnerError`] when it cannot be loaded.
    pub fn check_health(&self) -> Result<(), RunnerError> {
        self.shell.check_runner()
    }

    /// p54: the epoch of another program that has taken the instance set over; none while this pool has it.
    ///
    /// A pool that was superseded does nothing any more, for good: it refuses all operations, and what it says of jobs
    /// and workers is what it knew last. Its subscribers are woken once. [Stop](Self::stop) it, and let only one of the
    /// two programs run. Where there is no other program, the state directory with the epoch was lost: the file
    /// `<instance set>.epoch` must hold a number that is not lower than this one before the next start.
    pub fn superseded(&self) -> Option<u64> {
        self.shell.look(PoolState::superseded)
    }

    /// Whether it does nothing any more: [`stop`](Self::stop) was called, or its loop has panicked. Its subscribers are
    /// woken once.
    pub fn is_stopped(&self) -> bool {
        self.shell.is_stopped()
    }

    /// What a scheduler's [plan](pool_state::plan()) is made from.
    pub fn view(&self) -> PoolView {
        self.shell.look(|state| state.pool_view(self.shell.now()))
    }

    /// The pool's own time: what the times in its views are counted by.
    pub fn now(&self) -> Time {
        self.shell.now()
    }

    /// Brings the gauges up to date now, for example just before a scrape.
    pub fn update_metrics(&self) {
        let gauges = self.shell.look(|state| state.gauges(self.shell.now()));
        self.shell.metrics.update(&gauges);
    }

    /// p20: ends the pool's loops and connections. Destroys nothing: instances and jobs go on, and the next pool of
    /// this instance set finds them.
    ///
    /// # Cancel safety
    /// Must be awaited to its end for the driver to have stopped; calling it again waits for the same end.
    ///
    /// # Panics
    /// When the pool's own loop had panicked: with the same message, once.
    pub async fn stop(&self) {
        self.shell.stop();
        let mut tasks = self.running.tasks.lock().await;
        let Some([main, metrics, sweeps]) = tasks.as_mut() else { return };
        let results = [main.await, metrics.await, sweeps.await];
        *tasks = None;
        for error in results.into_iter().filter_map(Result::err) {
            if error.is_panic() {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

/// Tags on their way to the cloud.
#[derive(Debug)]
#[must_use = "await it to know that the change survives this program"]
pub struct TagsSaved {
    pool: Pool,
    instance: InstanceId,
}

impl TagsSaved {
    /// Waits until the cloud has the worker's present tags. False if the worker was gone, or the pool stopped, before.
    ///
    /// # Cancel safety
    /// May be dropped at any time; the tags are saved all the same.
    pub async fn saved(self) -> bool {
        let mut changes = self.pool.subscribe();
        loop {
            match self.pool.shell.look(|state| state.is_saved(&self.instance)) {
                Some(true) => return true,
                Some(false) if self.pool.shell.is_stopped() => return false,
                Some(false) => changes.changed().await,
                None => return false,
            }
        }
    }
}
