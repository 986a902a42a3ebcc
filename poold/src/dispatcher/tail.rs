//! Who reads a job's output while it runs, and who writes it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, broadcast},
    time::Instant,
};

/// Who has asked for output so lately is about to ask again.
const LATELY: Duration = Duration::from_secs(30);

/// What the reader and the writer of a job's stored output share.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    /// Of one place: a reader asks anew, however often there was a move. Not a watch channel, which wakes its readers in
    /// an order left to chance.
    progress: broadcast::Sender<()>,
    wanted: Arc<Notify>,
    wanted_at: Arc<Mutex<Option<Instant>>>,
    over: Arc<Notify>,
    /// The last run of which it is known that it is over.
    over_run: Arc<Mutex<Option<u32>>>,
}

impl Tail {
    pub(crate) fn new() -> Self {
        Self {
            progress: broadcast::Sender::new(1),
            wanted: Arc::default(),
            wanted_at: Arc::default(),
            over: Arc::default(),
            over_run: Arc::default(),
        }
    }

    /// Something was stored, or the job has moved on.
    pub(crate) fn moved(&self) {
        // Fails when nobody reads.
        drop(self.progress.send(()));
    }

    /// Wakes with the next move from now on, or when the job ends.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<()> {
        self.progress.subscribe()
    }

    /// Somebody waits for output: it is to be fetched as it comes.
    pub(crate) fn want(&self) {
        *self.wanted_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        // Both streams' writers that pause, or the one that has not begun.
        self.wanted.notify_waiters();
        self.wanted.notify_one();
    }

    /// Whether somebody follows the output.
    pub(crate) fn is_followed(&self) -> bool {
        let at = *self.wanted_at.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < LATELY)
    }

    /// Waits until somebody wants it.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// A run of the job is over: what is left of its output is to be fetched.
    pub(super) fn is_over(&self, run: u32) {
        *self.over_run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
        self.over.notify_waiters();
    }

    /// Waits until this run is over.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    pub(crate) async fn over(&self, run: u32) {
        let mut told = std::pin::pin!(self.over.notified());
        loop {
            // Before the look, so that nothing that is told after it is missed.
            told.as_mut().enable();
            if *self.over_run.lock().unwrap_or_else(PoisonError::into_inner) >= Some(run) {
                return;
            }
            told.as_mut().await;
            told.set(self.over.notified());
        }
    }
}
