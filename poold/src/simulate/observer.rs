//! Who watches the simulation: counts what happens, shows how far it is, and says when it is over.

use super::{ledger::Ledger, progress::Progress};
use crate::dispatcher::PassReport;
use driver_loopback::sim::SimEvent;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Cheap to clone; all clones count in the same ledger.
#[derive(Clone, Debug)]
pub(super) struct Observer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<(Ledger, Progress)>,
    wake: Notify,
    /// Somebody wants no answer any longer.
    interrupted: Arc<AtomicBool>,
}

impl Observer {
    pub(super) fn new(ledger: Ledger, progress: Progress, interrupted: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Inner { state: Mutex::new((ledger, progress)), wake: Notify::new(), interrupted }))
    }

    fn state(&self) -> MutexGuard<'_, (Ledger, Progress)> {
        // A panic while counting ends the simulation.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has happened in the world.
    pub(super) fn see(&self, now: Duration, event: &SimEvent) {
        let mut state = self.state();
        state.0.see(now, event);
        // Nothing else ends it while there are no passes.
        if matches!(event, SimEvent::Gone { .. }) && state.0.is_done() || self.is_interrupted() {
            self.0.wake.notify_one();
        }
    }

    /// The scheduler has made a pass.
    pub(super) fn pass(&self, now: Duration, report: &PassReport<'_>) {
        let mut state = self.state();
        let (ledger, progress) = &mut *state;
        ledger.pass(now, report);
        progress.update(ledger, ledger.time(now));
        if !ledger.has_begun() || ledger.is_done() || self.is_interrupted() {
            self.0.wake.notify_one();
        }
    }

    /// Looks at, or adds to, what is counted.
    pub(super) fn ledger<R>(&self, step: impl FnOnce(&mut Ledger) -> R) -> R {
        step(&mut self.state().0)
    }

    /// Takes the progress away from who sees it.
    pub(super) fn finish(&self) {
        self.state().1.finish();
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.0.interrupted.load(Ordering::Relaxed)
    }

    /// Ends when it may be over. May end for nothing.
    pub(super) async fn woken(&self) {
        self.0.wake.notified().await;
    }
}
