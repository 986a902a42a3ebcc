//! Carries out what the decisions ask for, and tells them what came of it.

use crate::{
    cloud::Cloud,
    config::PoolConfig,
    connector::Connector,
    link::{Ask, Link},
    metrics::Metrics,
    program::{Loaded, RunnerError, RunnerProgram, RunnerSource},
    secret::{self, Chance},
    verify::PoolVerifier,
    wall_clock::WallClock,
};
use pool_api::{
    Architecture, CreateRequest, IdempotencyToken, Instance, InstanceId, InstanceTypeName, JobSpec, RunId,
    Target,
};
use pool_state::{
    CreateInstance, Effect, Event, Failure, ListedInstance, Notice, OpId, PoolState, StartAnswer, Time,
};
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tokio::{
    sync::{Notify, broadcast, mpsc, watch},
    task::JoinSet,
    time::Instant,
};

/// Everything of a pool but its decisions, and those.
pub(crate) struct Shell {
    pub(crate) config: PoolConfig,
    pub(crate) cloud: Cloud,
    pub(crate) epoch: u64,
    pub(crate) metrics: Arc<Metrics>,
    /// Says that something has changed, and no more: a subscriber that has not taken one change gets no second. Not a
    /// watch channel, which wakes its receivers in an order that the runtime leaves to chance.
    pub(crate) changes: broadcast::Sender<()>,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) stopped: watch::Sender<bool>,
    pub(crate) runner: RunnerSource,
    pub(crate) chance: Chance,
    wall_clock: WallClock,
    started: Instant,
    /// Always the first lock that is taken; no other is held while one of the rest is.
    state: Mutex<PoolState>,
    effects: mpsc::UnboundedSender<Effect>,
    /// Says that a timer may be due earlier than before.
    wake: Notify,
    connector: Arc<dyn Connector>,
    links: Mutex<BTreeMap<InstanceId, Arc<Link>>>,
    /// The secrets of creates in flight: the decisions know only their hashes.
    secrets: Mutex<BTreeMap<IdempotencyToken, SecretString>>,
    /// What the runs are that were given to workers and not confirmed: the decisions know only their names.
    specs: Mutex<BTreeMap<RunId, Arc<JobSpec>>>,
    architectures: BTreeMap<InstanceTypeName, Architecture>,
    /// Held while one is loaded: many workers that want it at once share what the first has loaded.
    programs: tokio::sync::Mutex<BTreeMap<Architecture, (ProgramVersion, Loaded)>>,
}

/// What tells a runner program from the one that was loaded before.
type ProgramVersion = Option<(u64, SystemTime)>;

/// The parts that a [`Shell`] is made of.
pub(crate) struct ShellParts {
    pub(crate) config: PoolConfig,
    pub(crate) cloud: Cloud,
    pub(crate) epoch: u64,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) runner: RunnerSource,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) state: PoolState,
    pub(crate) wall_clock: WallClock,
    pub(crate) chance: Chance,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in an operation leaves the decisions as they were after their last whole step but one; going on is
    // better than to lose sight of the machines.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shell {
    pub(crate) fn new(parts: ShellParts) -> (Arc<Self>, mpsc::UnboundedReceiver<Effect>) {
        let (effects, queue) = mpsc::unbounded_channel();
        let architectures =
            parts.config.instance_types.iter().map(|t| (t.name.clone(), t.architecture)).collect();
        let shell = Self {
            config: parts.config,
            cloud: parts.cloud,
            epoch: parts.epoch,
            metrics: parts.metrics,
            changes: broadcast::Sender::new(1),
            notices: broadcast::Sender::new(1024),
            stopped: watch::Sender::new(false),
            runner: parts.runner,
            chance: parts.chance,
            wall_clock: parts.wall_clock,
            started: Instant::now(),
            state: Mutex::new(parts.state),
            effects,
            wake: Notify::new(),
            connector: parts.connector,
            links: Mutex::default(),
            secrets: Mutex::default(),
            specs: Mutex::default(),
            architectures,
            programs: tokio::sync::Mutex::default(),
        };
        (Arc::new(shell), queue)
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_start(self.started.elapsed())
    }

    /// Looks at the decisions without changing them.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&PoolState) -> R) -> R {
        look(&lock(&self.state))
    }

    /// Lets the decisions take a step, and passes on what they ask for, in order.
    pub(crate) fn step<R>(&self, step: impl FnOnce(&mut PoolState, Time) -> R) -> R {
        let mut state = lock(&self.state);
        // Read under the lock, so that time does not go back from one step to the next.
        let result = step(&mut state, self.now());
        while let Some(effect) = state.poll_effect() {
            // Fails only after stop(): nothing is done any more then.
            drop(self.effects.send(effect));
        }
        drop(state);
        self.wake.notify_one();
        result
    }

    pub(crate) fn handle(&self, event: Event) {
        self.step(|state, now| state.handle(now, event));
    }

    pub(crate) fn keep_secret(&self, token: IdempotencyToken, secret: SecretString) {
        lock(&self.secrets).insert(token, secret);
    }

    pub(crate) fn drop_secret(&self, token: &IdempotencyToken) {
        lock(&self.secrets).remove(token);
    }

    pub(crate) fn keep_spec(&self, run: RunId, spec: JobSpec) {
        lock(&self.specs).insert(run, Arc::new(spec));
    }

    pub(crate) fn link(&self, id: &InstanceId) -> Option<Arc<Link>> {
        lock(&self.links).get(id).cloned()
    }

    /// The loop: does what is due and what is asked for, until the pool is stopped.
    pub(crate) async fn run(self: Arc<Self>, mut effects: mpsc::UnboundedReceiver<Effect>) {
        // Also when something here panics.
        let _stop = StopOnDrop(self.clone());
        let mut tasks = JoinSet::new();
        let mut stopped = self.stopped.subscribe();
        loop {
            let due = self.look(PoolState::poll_timeout).map(|due| self.started + due.since_start());
            // Cancel safety: each branch is a receive or a timer; a branch that is dropped has taken nothing.
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break,
                Some(effect) = effects.recv() => self.carry_out(effect, &mut tasks),
                () = sleep_until(due) => self.step(PoolState::handle_timeout),
                () = self.wake.notified() => {}
                Some(_) = tasks.join_next() => {}
            }
        }
        // Dropped tasks end where they are: whatever they began is found by its tags.
        tasks.shutdown().await;
        let links = std::mem::take(&mut *lock(&self.links));
        drop(links);
        self.cloud.stop().await;
    }

    /// Ends the loop, and lets everybody who waits for a change see that there will be none.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
        self.tell_of_a_change();
    }

    fn tell_of_a_change(&self) {
        // Fails when nobody subscribes.
        drop(self.changes.send(()));
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    fn carry_out(self: &Arc<Self>, effect: Effect, tasks: &mut JoinSet<()>) {
        let shell = self.clone();
        match effect {
            Effect::List { op } => {
                tasks.spawn(async move { shell.list(op).await });
            }
            Effect::Create { op, create } => {
                tasks.spawn(async move { shell.create(op, *create).await });
            }
            Effect::Destroy { op, instance } => {
                tasks.spawn(async move {
                    let result = shell.cloud.destroy(&instance).await;
                    shell.handle(done(op, result));
                });
            }
            Effect::SetTags { op, instance, tags } => {
                tasks.spawn(async move {
                    let result = shell.cloud.set_tags(&instance, &tags).await;
                    shell.handle(done(op, result));
                });
            }
            Effect::SetAddress { instance, address } => self.set_address(&instance, address),
            Effect::Probe { instance, probe, boot } => self.ask(&instance, Ask::Probe { probe, boot }),
            Effect::Start { instance, run } => {
                // Not in a match: the lock would be held to its end, and another thread may hold the state's and
                // wait for this one.
                let spec = lock(&self.specs).remove(&run);
                if let Some(spec) = spec {
                    self.ask(&instance, Ask::Start { run, spec });
                } else {
                    let answer = StartAnswer::Refused("the job's specification is not known".to_owned());
                    self.handle(Event::StartAnswered { instance, run, answer });
                }
            }
            Effect::Kill { instance, run, reason, times } => {
                self.ask(&instance, Ask::Kill { run, reason, times });
            }
            Effect::Forget { instance, run } => self.ask(&instance, Ask::Forget { run }),
            Effect::SetHeld { instance, held } => self.ask(&instance, Ask::SetHeld { held }),
            Effect::Close { instance } => {
                lock(&self.links).remove(&instance);
                self.cloud.forget(&instance);
            }
            Effect::Notify => self.tell_of_a_change(),
            Effect::Observe(observation) => self.metrics.observe(&observation),
            Effect::Report(notice) => self.report(notice),
        }
    }

    fn ask(&self, instance: &InstanceId, ask: Ask) {
        match self.link(instance) {
            Some(link) => link.ask(ask),
            None => tracing::warn!(%instance, ?ask, "there is no line to this worker"),
        }
    }

    async fn list(&self, op: OpId) {
        match self.cloud.instances().await {
            Ok(instances) => {
                let clock = self.wall_clock.now();
                // Kept until the step is over: to free a large list takes as long as to look at it.
                let listed: Arc<[ListedInstance]> =
                    instances.iter().map(|instance| describe(&**instance, clock)).collect();
                // In one step, so that a create that ends meanwhile keeps its instance's description.
                self.step(|state, now| {
                    self.cloud.learn(&instances);
                    state.handle(now, Event::Listed { op, instances: listed.clone() });
                    // Those that were left alone, and those that are gone, are not kept.
                    let views = state.instances();
                    self.cloud.retain(&views.iter().filter_map(|view| view.id.clone()).collect());
                    // A lost create whose instance was found, or given up, is not asked for again.
                    if views.iter().all(|view| view.id.is_some()) {
                        lock(&self.secrets).clear();
                    }
                });
            }
            Err(failure) => self.handle(Event::CallFailed { op, failure }),
        }
    }

    async fn create(&self, op: OpId, create: CreateInstance) {
        let secret = lock(&self.secrets).get(&create.token).cloned();
        let Some(secret) = secret else {
            let failure = Failure {
                class: pool_state::FailureClass::Other(pool_api::ErrorKind::InvalidRequest),
                effect: pool_api::Effect::NotDone,
                message: "the secret of this create is not known".to_owned(),
            };
            return self.handle(Event::CallFailed { op, failure });
        };
        let request = CreateRequest {
            image: create.instance_type.image.clone().or_else(|| self.config.image.clone()),
            placement: create.placement,
            tags: create.tags,
            init_command: secret::init_command(&secret, &self.config.init_command),
            public_key: self.connector.public_key(),
            token: create.token.clone(),
            instance_type: create.instance_type,
        };
        match self.cloud.create(request).await {
            Ok(instance) => {
                self.drop_secret(&create.token);
                let clock = self.wall_clock.now();
                self.step(|state, now| {
                    self.cloud.learn(std::slice::from_ref(&instance));
                    state.handle(now, Event::Created { op, instance: describe(&*instance, clock) });
                });
            }
            Err(failure) => {
                // A lost create may be asked for again, with the same secret.
                if failure.effect == pool_api::Effect::NotDone {
                    self.drop_secret(&create.token);
                }
                self.handle(Event::CallFailed { op, failure });
            }
        }
    }

    fn set_address(self: &Arc<Self>, id: &InstanceId, address: Option<String>) {
        let user = self.cloud.instance(id).map(|instance| instance.remote_user());
        let target = address.zip(user).map(|(address, user)| Target { address, user });
        if let Some(link) = self.link(id) {
            link.set_target(target);
            return;
        }
        let verifier = PoolVerifier { shell: Arc::downgrade(self), instance: id.clone() };
        let executor = self.connector.executor(target, Arc::new(verifier));
        let link = Arc::new(Link::new(self, id.clone(), executor));
        lock(&self.links).insert(id.clone(), link);
    }

    /// The runner program for a worker. Loaded when it is not at hand, and again when its file has changed.
    pub(crate) async fn runner_program(&self, id: &InstanceId) -> Result<RunnerProgram, RunnerError> {
        // There is nothing to read, and so no thread to read it on: a paused clock goes on.
        if let RunnerSource::Installed(path) = &self.runner {
            return Ok(RunnerProgram::Installed(path.clone()));
        }
        let instances = self.look(|state| state.instance_type(id));
        let architecture =
            instances.and_then(|name| self.architectures.get(&name).copied()).unwrap_or_default();
        let version = self.runner.version(architecture);
        let mut programs = self.programs.lock().await;
        if let Some((loaded, program)) = programs.get(&architecture)
            && *loaded == version
            && let Some(program) = program.get()
        {
            return Ok(program);
        }
        let source = self.runner.clone();
        let loading = tokio::task::spawn_blocking(move || source.load(architecture));
        let program = loading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        programs.insert(architecture, (version, program.remember()));
        Ok(program)
    }

    /// Whether the runner program could be deployed on workers of every configured type.
    pub(crate) fn check_runner(&self) -> Result<(), RunnerError> {
        let architectures: std::collections::BTreeSet<_> = self.architectures.values().copied().collect();
        architectures.into_iter().try_for_each(|architecture| self.runner.check(architecture))
    }

    fn report(&self, notice: Notice) {
        match &notice {
            Notice::Appeared { instance, created_here } => {
                tracing::info!(%instance, created_here, "new worker");
            }
            Notice::Ready { instance } => tracing::info!(%instance, "worker is ready"),
            Notice::Shutdown { instance, reason } => {
                tracing::info!(%instance, %reason, "worker is shut down");
            }
            Notice::Gone { instance } => tracing::info!(%instance, "worker is gone"),
            Notice::LeftAlone { instance, why } => {
                tracing::warn!(%instance, %why, "an instance with our set's tag is not ours to use: it is left alone");
            }
            Notice::CallFailed { kind, failure } => {
                tracing::warn!(%kind, class = ?failure.class, message = failure.message, "call to the cloud failed");
            }
            Notice::RateLimited { kind, until, message } => {
                tracing::warn!(%kind, ?until, message, "the cloud limits the rate of calls");
            }
            Notice::ProbeFailed { instance, reason } => tracing::debug!(%instance, reason, "probe failed"),
            Notice::Broken { instance, reason } => {
                tracing::warn!(%instance, reason, "worker says that it is broken");
            }
            Notice::GaveUp { run, instance } => {
                tracing::warn!(%run, %instance, "job did not end in time: its worker is drained");
            }
            Notice::RunsTwice { run, instance } => {
                tracing::error!(%run, %instance, "job runs on a worker that should not have it: it is ended there");
            }
            Notice::TakenOver { instance, highest } => {
                tracing::error!(%instance, highest, "another program has taken this worker over: it is left alone");
            }
            Notice::Superseded { highest } => {
                tracing::error!(
                    highest,
                    ours = self.epoch,
                    "another program has taken the instance set over: this pool does nothing any more"
                );
            }
            Notice::IdleBehavior { instance, to } => tracing::info!(%instance, %to, "idle behavior changed"),
        }
        // Fails only when nobody listens.
        drop(self.notices.send(notice));
    }
}

/// A pool whose loop has ended is stopped.
struct StopOnDrop(Arc<Shell>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn done(op: OpId, result: Result<(), Failure>) -> Event {
    match result {
        Ok(()) => Event::CallDone { op },
        Err(failure) => Event::CallFailed { op, failure },
    }
}

/// `clock` is what the wall clock shows.
fn describe(instance: &dyn Instance, clock: SystemTime) -> ListedInstance {
    ListedInstance {
        id: instance.id().clone(),
        provider_type: instance.provider_type().clone(),
        placement: instance.placement().clone(),
        address: instance.address().map(str::to_owned),
        tags: instance.tags().clone(),
        lifecycle: instance.lifecycle(),
        created: instance.created(),
        // The one place where a wall clock has a say: the decisions believe it once for each instance.
        age: instance.created().map(|at| clock.duration_since(at).unwrap_or_default()),
    }
}
