//! A machine's life: its boot, what happens to it at its time, its end.

use crate::{
    LoopbackError,
    machine::{Environment, InstanceDir, end_processes, end_runs, run_init},
    model::{Boot, BootFate, Cloud, Record},
    ssh::{Host, Server},
    world::World,
};
use pool_api::{InstanceId, Lifecycle};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use russh::keys::{PrivateKey, ssh_key::private::Ed25519Keypair};
use std::{
    error::Error,
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

/// One machine: a directory, an SSH server, and what is yet to happen to it.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) id: InstanceId,
    pub(crate) dir: InstanceDir,
    server: Mutex<Slot>,
    /// What goes on by itself.
    life: Mutex<Option<JoinHandle<()>>>,
    /// Its SSH server says nothing (any more).
    hangs: AtomicBool,
    /// Holds true when the machine is gone.
    end: tokio::sync::Mutex<bool>,
}

/// A machine's SSH server.
#[derive(Debug)]
enum Slot {
    NotYet,
    Up(Server),
    /// There will be none any more.
    Closed,
}

/// Takes a machine up: from the beginning, or from where an earlier process has left it. One that has booted answers
/// at once. Must be called with the lock of the world's state, whose model is `cloud`.
pub(crate) fn begin(world: &Arc<World>, machine: &Arc<Machine>, record: Record, cloud: &mut Cloud) {
    if record.lifecycle == Lifecycle::Stopped {
        return;
    }
    let record = if record.boot == Boot::Waiting || record.lifecycle == Lifecycle::Failed {
        record
    } else {
        // An init command that was running when the last process ended may go on by itself.
        let up = machine.start_server(world, &record);
        let updated = cloud.update(&record.id, |record| record.booted(up));
        let record = updated.unwrap_or(record);
        log_failure(&record.id, machine.dir.save(&record));
        record
    };
    let life = tokio::spawn(live(Arc::clone(world), Arc::clone(machine), record));
    *lock(&machine.life) = Some(life);
}

async fn live(world: Arc<World>, machine: Arc<Machine>, record: Record) {
    // The clock may have been set back since the creation: then the times count from now.
    let age = SystemTime::now().duration_since(record.created).unwrap_or_default();
    let at = |time: Option<Duration>| async move {
        match time {
            Some(time) => sleep(time.saturating_sub(age)).await,
            None => std::future::pending().await,
        }
    };
    // What happens once has happened already, or not, if its time is past.
    let once = |time: Option<Duration>| at(time.filter(|time| *time >= age));
    let fate = &record.fate;
    let boots = async {
        if record.boot == Boot::Waiting && record.lifecycle == Lifecycle::Pending {
            at(Some(fate.boot_time)).await;
            boot(&world, &machine).await;
        }
    };
    let breaks = async {
        at(fate.break_after).await;
        log_failure(&machine.id, break_down(&machine.dir));
    };
    let hangs = async {
        at(fate.hang_after).await;
        machine.hang();
    };
    let vanishes = async {
        at(fate.vanish_after).await;
        world.vanish(&machine.id);
    };
    let loses_connections = async {
        once(fate.drop_connections_after).await;
        machine.with_server(Server::drop_connections);
    };
    let changes_key = async {
        once(fate.change_host_key_after).await;
        log_failure(&machine.id, machine.change_host_key(&world));
    };
    let stops = async {
        at(fate.stop_after).await;
        World::begin_stopping(&world, &machine.id);
    };
    let reboots = async {
        once(fate.reboot_after).await;
        log_failure(&machine.id, machine.reboot().await);
    };
    let loses_jobs = async {
        once(fate.kill_jobs_after).await;
        log_failure(&machine.id, machine.end_runs().await);
    };
    tokio::join!(boots, breaks, hangs, vanishes, stops, loses_connections, changes_key, reboots, loses_jobs);
}

/// Runs the init command and starts the SSH server.
async fn boot(world: &World, machine: &Machine) {
    let Some(record) = world.update(&machine.id, |record| record.boot = Boot::Started) else { return };
    if record.fate.boot == BootFate::Fails {
        world.update(&machine.id, |record| record.lifecycle = Lifecycle::Failed);
        return;
    }
    let environment = Environment::new(&machine.dir, &world.config().user);
    match run_init(&machine.dir, &environment).await {
        Ok(status) if status.success() => {}
        // A real machine is reachable then too; whether it is of use, the pool finds out.
        Ok(status) => {
            tracing::warn!(instance = %machine.id, %status, "the init command has failed: see boot.log");
        }
        Err(error) => log_failure(&machine.id, Err(error)),
    }
    let up = machine.start_server(world, &record);
    world.update(&machine.id, |record| record.booted(up));
}

/// What a runner takes for the word of the machine that it is broken.
fn break_down(dir: &InstanceDir) -> Result<(), LoopbackError> {
    let file = dir.root().join("broken");
    fs::write(&file, "the loopback's faults say that this machine breaks\n")
        .map_err(LoopbackError::storage("write", file))
}

impl Record {
    /// The boot has ended, with an SSH server on a port or without one.
    fn booted(&mut self, up: Result<u16, LoopbackError>) {
        self.boot = Boot::Done;
        match up {
            Ok(port) => {
                self.port = Some(port);
                if self.lifecycle == Lifecycle::Pending {
                    self.lifecycle = Lifecycle::Running;
                }
            }
            Err(LoopbackError::Stopped) => {}
            Err(error) => {
                log_failure(&self.id, Err(error));
                self.lifecycle = Lifecycle::Failed;
            }
        }
    }
}

impl Machine {
    pub(crate) fn new(state_dir: &Path, id: InstanceId) -> Self {
        Self {
            dir: InstanceDir::new(state_dir, &id),
            id,
            server: Mutex::new(Slot::NotYet),
            life: Mutex::new(None),
            hangs: AtomicBool::new(false),
            end: tokio::sync::Mutex::new(false),
        }
    }

    /// Starts its SSH server; the port.
    fn start_server(&self, world: &World, record: &Record) -> Result<u16, LoopbackError> {
        let key = match record.fate.boot {
            BootFate::AnotherHost(seed) => another_key(seed),
            BootFate::Well | BootFate::Fails => self.dir.host_key()?,
        };
        let host = self.host(world, key)?;
        let mut slot = lock(&self.server);
        if matches!(*slot, Slot::Closed) {
            return Err(LoopbackError::Stopped);
        }
        let server = Server::start(host, record.port)
            .map_err(LoopbackError::storage("listen on a port for", self.dir.path()))?;
        let port = server.port();
        if self.hangs.load(Ordering::SeqCst) {
            server.hang();
        }
        *slot = Slot::Up(server);
        Ok(port)
    }

    fn host(&self, world: &World, key: PrivateKey) -> Result<Arc<Host>, LoopbackError> {
        let user = &world.config().user;
        let environment = Environment::new(&self.dir, user);
        Ok(Arc::new(Host::new(key, user.clone(), self.dir.authorized_key()?, environment)))
    }

    /// Does something to its SSH server if it has one now.
    fn with_server(&self, act: impl FnOnce(&Server)) {
        if let Slot::Up(server) = &*lock(&self.server) {
            act(server);
        }
    }

    fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
        self.with_server(Server::hang);
    }

    fn change_host_key(&self, world: &World) -> Result<(), LoopbackError> {
        self.dir.make_host_key()?;
        let host = self.host(world, self.dir.host_key()?)?;
        self.with_server(|server| server.replace_host(host));
        Ok(())
    }

    async fn reboot(&self) -> Result<(), LoopbackError> {
        self.with_server(Server::close);
        let ended = self.end_processes().await;
        self.with_server(Server::open);
        ended
    }

    async fn end_processes(&self) -> Result<(), LoopbackError> {
        let (id, dir) = (self.id.clone(), self.dir.clone());
        self.blocking(move || end_processes(&id, dir.path())).await
    }

    async fn end_runs(&self) -> Result<(), LoopbackError> {
        let dir = self.dir.clone();
        self.blocking(move || end_runs(&dir)).await
    }

    async fn blocking(
        &self,
        work: impl FnOnce() -> Result<(), LoopbackError> + Send + 'static,
    ) -> Result<(), LoopbackError> {
        spawn_blocking(work)
            .await
            .map_err(|error| LoopbackError::storage("end the processes of", self.dir.path())(error.into()))?
    }

    /// Ends what goes on by itself, and its SSH server; its processes go on.
    pub(crate) fn abandon(&self) {
        if let Some(life) = &*lock(&self.life) {
            life.abort();
        }
        *lock(&self.server) = Slot::Closed;
    }

    /// The same, and waits until it is so.
    pub(crate) async fn leave(&self) {
        self.abandon();
        let life = lock(&self.life).take();
        if let Some(life) = life {
            // An error says that it was aborted.
            let _ = life.await;
        }
    }

    /// Ends it with all its processes; its files stay.
    pub(crate) async fn power_off(&self) -> Result<(), LoopbackError> {
        let gone = self.end.lock().await;
        if *gone {
            return Ok(());
        }
        self.leave().await;
        self.end_processes().await
    }

    /// Ends it with all its processes and files. Does nothing when that was done before.
    ///
    /// Cancel safety: when dropped, a part may be done; the next call goes on.
    pub(crate) async fn end(&self) -> Result<(), LoopbackError> {
        let mut gone = self.end.lock().await;
        if *gone {
            return Ok(());
        }
        self.leave().await;
        self.end_processes().await?;
        let dir = self.dir.clone();
        spawn_blocking(move || dir.remove())
            .await
            .map_err(|error| LoopbackError::storage("remove", self.dir.path())(io::Error::from(error)))??;
        *gone = true;
        Ok(())
    }
}

/// The key of the host that is there in place of the right one.
fn another_key(seed: u64) -> PrivateKey {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    PrivateKey::from(Ed25519Keypair::from_seed(&rng.random()))
}

pub(crate) fn log_failure(id: &InstanceId, result: Result<(), LoopbackError>) {
    if let Err(error) = result {
        let source = error.source().map(ToString::to_string);
        tracing::warn!(instance = %id, %error, source, "something went wrong with an instance");
    }
}

/// A panic elsewhere leaves no invariant broken here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
