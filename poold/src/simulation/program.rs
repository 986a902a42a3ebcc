//! One life of one program: what `poold serve` makes, in simulated time.

use super::chance::Chance;
use crate::{
    assemble::{Assembled, Parts, assemble},
    config::ServeConfig,
    dispatcher::{DispatchError, Handle, OutputStore, PassReport},
    queue::SqliteQueue,
    say::with_causes,
    stopping::stopped,
};
use driver_loopback::sim::SimCloud;
use pool_core::{InstanceSetLock, Pool, RunnerSource, WallClock};
use std::{io, path::PathBuf, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// What a life begins with.
pub(crate) struct ProgramPlan {
    /// Which program.
    pub(crate) number: u32,
    /// Which life, of all programs' lives.
    pub(crate) life: u32,
    pub(crate) seed: u64,
    /// Its state directory.
    pub(crate) dir: PathBuf,
    pub(crate) config: ServeConfig,
    /// How far its machine's clock is ahead when it takes the instances over, in seconds.
    pub(crate) ahead: i64,
    /// The queue is read beside the dispatcher, as `poold serve` does: not the same way each time.
    pub(crate) reads_apart: bool,
}

/// A program that runs.
pub(crate) struct Program {
    pub(crate) pool: Pool,
    pub(crate) handle: Handle,
    dispatching: JoinHandle<Result<(), DispatchError>>,
    /// When it is dropped the program ends.
    #[cfg_attr(
        not(feature = "sim"),
        expect(dead_code, reason = "only kept: what-if runs end with their runtime")
    )]
    stop: watch::Sender<bool>,
    _lock: InstanceSetLock,
}

fn failed(error: &dyn std::error::Error) -> io::Error {
    io::Error::other(with_causes(error))
}

impl Program {
    /// Starts it, from its state directory and the cloud's tags alone.
    ///
    /// # Errors
    /// Its files cannot be used.
    pub(crate) fn start(
        plan: ProgramPlan,
        cloud: &SimCloud,
        watch_passes: impl FnMut(&PassReport<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let ProgramPlan { number, life, seed, dir, config, ahead, reads_apart } = plan;
        std::fs::create_dir_all(&dir)?;
        let set = config.pool.instance_set.clone();
        let skewed = cloud.clone();
        let clock = WallClock::from_fn(move || {
            let (now, by) = (skewed.wall_clock(), Duration::from_secs(ahead.unsigned_abs()));
            if ahead < 0 { now - by } else { now + by }
        });
        let lock = InstanceSetLock::acquire_by(&dir, &set, &clock).map_err(|error| failed(&error))?;
        let mut names = Chance::new(seed, &format!("names of program {number}")).into_rng();
        let queue =
            SqliteQueue::open_with(&dir.join("queue.sqlite"), &mut names).map_err(|error| failed(&error))?;
        let outputs = OutputStore::open(dir.join("outputs"))?;
        let (clock, seat) = (cloud.clone(), cloud.seat(number));
        let parts = Parts {
            config,
            cloud: seat.instance_set(),
            connector: seat,
            runner: RunnerSource::Installed("/usr/lib/poold/pool-runner".to_owned()),
            lock: &lock,
            reader: reads_apart.then(|| queue.reader()),
            queue: Box::new(queue),
            outputs,
            clock: WallClock::from_fn(move || clock.wall_clock()),
            chance: Some(Box::new(Chance::new(seed, &format!("secrets of life {life}")).into_rng())),
        };
        let Assembled { pool, mut dispatcher, handle, questions, registry: _ } =
            assemble(parts).map_err(|error| failed(&error))?;
        dispatcher.watch(Box::new(watch_passes));
        let (stop, stopping) = watch::channel(false);
        let dispatching = tokio::spawn(dispatcher.run(questions, stopped(stopping)));
        Ok(Self { pool, handle, dispatching, stop, _lock: lock })
    }

    /// Ends when the program does by itself, and says why.
    pub(crate) async fn ended(&mut self) -> String {
        match (&mut self.dispatching).await {
            Ok(Ok(())) => "it was told to".to_owned(),
            Ok(Err(error)) => with_causes(&error),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Ends it as a signal does.
    #[cfg(feature = "sim")]
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if !self.dispatching.is_finished() {
            drop(self.dispatching.await);
        }
        self.pool.stop().await;
    }
}
