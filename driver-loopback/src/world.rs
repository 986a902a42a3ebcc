//! The model and the body of a loopback cloud together: what the provider decides is carried out here.

use crate::{
    LoopbackConfig, LoopbackError, Operation,
    life::{self, Machine},
    machine::{ID_DIGITS, InstanceDir, StateDir, init_script},
    model::{Admission, Cloud, Record},
};
use pool_api::{CreateRequest, DriverConfigError, DriverContext, InstanceId, Lifecycle, Tags};
use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// How long `stop` waits for instances that are being destroyed. What is not done then, the next process does.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Everything about one open state directory.
pub(crate) struct World {
    config: Arc<LoopbackConfig>,
    /// Where the instances' directories are.
    path: PathBuf,
    state: Mutex<State>,
    /// True from the moment when the world is closed.
    closing: watch::Sender<bool>,
}

/// Changed together, so that the model never says what the disk does not.
struct State {
    cloud: Cloud,
    machines: HashMap<InstanceId, Arc<Machine>>,
    /// Destroys that go on.
    endings: JoinSet<()>,
    /// None when the world is closed: then nothing is done any more, because the directory may be another's.
    dir: Option<StateDir>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("path", &self.path).finish_non_exhaustive()
    }
}

impl World {
    /// Opens a state directory and takes up what is in it.
    pub(crate) async fn open(
        config: LoopbackConfig,
        context: DriverContext,
    ) -> Result<Arc<Self>, DriverConfigError> {
        let config = Arc::new(config);
        let opened = tokio::task::spawn_blocking(move || StateDir::open(&context)).await;
        let (dir, records) = opened
            .map_err(|error| DriverConfigError::new("state_dir", "could not be opened").because(error))??;
        let cloud = Cloud::new(Arc::clone(&config), records.clone(), Instant::now());
        let state = State { cloud, machines: HashMap::new(), endings: JoinSet::new(), dir: None };
        let world = Arc::new(Self {
            config,
            path: dir.path().to_owned(),
            state: Mutex::new(state),
            closing: watch::Sender::new(false),
        });
        let mut state = world.state();
        state.dir = Some(dir);
        for record in records {
            let machine = Arc::new(Machine::new(&world.path, record.id.clone()));
            state.machines.insert(record.id.clone(), Arc::clone(&machine));
            if record.lifecycle == Lifecycle::Stopping {
                drop(Self::begin_ending(&world, &mut state, machine, Duration::ZERO));
            } else {
                life::begin(&world, &machine, record, &mut state.cloud);
            }
        }
        drop(state);
        Ok(world)
    }

    pub(crate) fn config(&self) -> &LoopbackConfig {
        &self.config
    }

    /// [`Instance::root`](pool_api::Instance::root) of an instance.
    pub(crate) fn root_of(&self, id: &InstanceId) -> PathBuf {
        InstanceDir::new(&self.path, id).root()
    }

    /// Makes a call: the faults that are due come before and after what is done.
    pub(crate) async fn call<T>(
        &self,
        operation: Operation,
        carry_out: impl AsyncFnOnce() -> Result<T, LoopbackError>,
    ) -> Result<T, LoopbackError> {
        let mut call = self.state().cloud.call(operation, Instant::now());
        if !call.delay.is_zero() {
            sleep(call.delay).await;
        }
        call.arrive()?;
        call.respond(carry_out().await)
    }

    /// Creates an instance, or finds the one that the token has made. All of it happens at once: another create with
    /// the same token comes before or after, and a dropped future has done nothing or all.
    pub(crate) fn create(self: &Arc<Self>, request: &CreateRequest) -> Result<Record, LoopbackError> {
        russh::keys::PublicKey::from_openssh(request.public_key.0.trim())
            .map_err(LoopbackError::BadPublicKey)?;
        let mut state = self.open_state()?;
        let fresh = fresh_id(&state.cloud);
        let record = match state.cloud.admit(request, fresh, Instant::now(), SystemTime::now())? {
            Admission::Known(id) => {
                let known = state.cloud.get(&id).cloned();
                return known.ok_or(LoopbackError::NoSuchInstance { id });
            }
            Admission::New(record) => *record,
        };
        let machine = Arc::new(Machine::new(&self.path, record.id.clone()));
        let init = init_script(&request.init_command, record.fate.boot);
        if let Err(error) = machine.dir.create(&record, &init, &request.public_key) {
            state.cloud.withdraw(&record.id);
            if let Err(left) = machine.dir.remove() {
                tracing::warn!(error = %left, "a directory of a failed create stays until the next start");
            }
            return Err(error);
        }
        state.machines.insert(record.id.clone(), Arc::clone(&machine));
        life::begin(self, &machine, record.clone(), &mut state.cloud);
        Ok(record)
    }

    pub(crate) fn list(&self, filter: &Tags) -> Result<Vec<Record>, LoopbackError> {
        Ok(self.open_state()?.cloud.list(filter, Instant::now()))
    }

    pub(crate) fn set_tags(&self, id: &InstanceId, tags: &Tags) -> Result<(), LoopbackError> {
        let mut state = self.open_state()?;
        let record = state.cloud.set_tags(id, tags, Instant::now())?;
        InstanceDir::new(&self.path, id).save(&record)
    }

    /// The host key that was made for an instance.
    pub(crate) fn host_key(&self, id: &InstanceId) -> Result<russh::keys::PublicKey, LoopbackError> {
        let state = self.open_state()?;
        if state.cloud.get(id).is_none() {
            return Err(LoopbackError::NoSuchInstance { id: id.clone() });
        }
        Ok(InstanceDir::new(&self.path, id).host_key()?.public_key().clone())
    }

    /// Changes what is recorded of an instance; the record as it is then. `None` when it is gone or the world closed.
    pub(crate) fn update(&self, id: &InstanceId, change: impl FnOnce(&mut Record)) -> Option<Record> {
        let mut state = self.open_state().ok()?;
        let record = state.cloud.update(id, change)?;
        if let Err(error) = InstanceDir::new(&self.path, id).save(&record) {
            tracing::error!(instance = %id, %error, source = ?std::error::Error::source(&error), "an instance's record is not saved");
        }
        Some(record)
    }

    /// Destroys an instance: see [`LoopbackInstance`](crate::LoopbackInstance)'s `destroy`.
    pub(crate) async fn destroy(self: &Arc<Self>, id: &InstanceId) -> Result<(), LoopbackError> {
        let shutdown_time = self.config.shutdown_time;
        let ended = {
            let mut state = self.open_state()?;
            let Some(machine) = state.machines.get(id).map(Arc::clone) else { return Ok(()) };
            if let Some(record) = state.cloud.update(id, |record| record.lifecycle = Lifecycle::Stopping) {
                machine.dir.save(&record)?;
            }
            Self::begin_ending(self, &mut state, machine, shutdown_time)
        };
        if !shutdown_time.is_zero() {
            return Ok(());
        }
        // The sender goes without a word only when the world is closed.
        ended.await.unwrap_or(Err(LoopbackError::Stopped))
    }

    /// Ends an instance as a machine that goes by itself would.
    pub(crate) fn vanish(self: &Arc<Self>, id: &InstanceId) {
        let Ok(mut state) = self.open_state() else { return };
        let Some(machine) = state.machines.get(id).map(Arc::clone) else { return };
        drop(Self::begin_ending(self, &mut state, machine, Duration::ZERO));
    }

    /// Stops an instance as a provider does that preempts it: listed as stopping, and as stopped when its processes have
    /// ended.
    pub(crate) fn begin_stopping(world: &Arc<Self>, id: &InstanceId) {
        let Ok(mut state) = world.open_state() else { return };
        let Some(machine) = state.machines.get(id).map(Arc::clone) else { return };
        let Some(record) = state.cloud.update(id, |record| record.lifecycle = Lifecycle::Stopping) else {
            return;
        };
        life::log_failure(id, machine.dir.save(&record));
        let (world, id) = (Arc::clone(world), id.clone());
        state.endings.spawn(async move {
            match machine.power_off().await {
                Ok(()) => {
                    world.update(&id, |record| {
                        record.lifecycle = Lifecycle::Stopped;
                        record.port = None;
                    });
                }
                Err(error) => life::log_failure(&id, Err(error)),
            }
        });
    }

    /// Ends a machine after `shutdown_time`, in the background. The result comes through the channel.
    fn begin_ending(
        world: &Arc<Self>,
        state: &mut State,
        machine: Arc<Machine>,
        shutdown_time: Duration,
    ) -> oneshot::Receiver<Result<(), LoopbackError>> {
        let (report, ended) = oneshot::channel();
        let mut closing = world.closing.subscribe();
        let world = Arc::clone(world);
        while state.endings.try_join_next().is_some() {}
        state.endings.spawn(async move {
            if !shutdown_time.is_zero() {
                tokio::select! {
                    () = sleep(shutdown_time) => {}
                    // The record says "stopping": the next process goes on with it.
                    _ = closing.wait_for(|closing| *closing) => return,
                }
            }
            let result = machine.end().await;
            match &result {
                Ok(()) => {
                    let mut state = world.state();
                    state.cloud.remove(&machine.id);
                    state.machines.remove(&machine.id);
                }
                Err(error) => {
                    let source = std::error::Error::source(error).map(ToString::to_string);
                    tracing::warn!(instance = %machine.id, %error, source, "an instance could not be destroyed");
                }
            }
            // Nobody may be waiting.
            let _ = report.send(result);
        });
        ended
    }

    /// Ends the background work at once, as far as that goes without waiting.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        self.closing.send_replace(true);
        state.endings.abort_all();
        state.machines.values().for_each(|machine| machine.abandon());
        state.dir = None;
    }

    /// Ends the background work, and waits for it.
    pub(crate) async fn stop(&self) {
        self.closing.send_replace(true);
        let (mut endings, machines) = {
            let mut state = self.state();
            (std::mem::take(&mut state.endings), state.machines.values().map(Arc::clone).collect::<Vec<_>>())
        };
        let all = async { while endings.join_next().await.is_some() {} };
        if timeout(STOP_PATIENCE, all).await.is_err() {
            tracing::warn!("instances are still being destroyed; the next start goes on with it");
        }
        for machine in machines {
            machine.leave().await;
        }
        self.close();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing that the next one could not see in the records.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, LoopbackError> {
        let state = self.state();
        if state.dir.is_some() { Ok(state) } else { Err(LoopbackError::Stopped) }
    }
}

/// An id that no instance has.
fn fresh_id(cloud: &Cloud) -> InstanceId {
    loop {
        let bits: u64 = rand::random::<u64>() >> (64 - 4 * ID_DIGITS);
        #[expect(clippy::expect_used, reason = "hexadecimal digits are printable")]
        let id = InstanceId::new(format!("i-{bits:0ID_DIGITS$x}")).expect("a valid id");
        if cloud.get(&id).is_none() {
            return id;
        }
    }
}
