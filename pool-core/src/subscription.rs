//! Being told that something has changed.

use tokio::sync::watch;

/// Wakes after every change that may matter to a scheduler. Dropping it unsubscribes.
///
/// Changes while it is already woken are dropped, never queued, and however slow its holder is, the pool does not
/// wait for it.
#[derive(Debug)]
pub struct Subscription(watch::Receiver<u64>);

impl Subscription {
    pub(crate) fn new(receiver: watch::Receiver<u64>) -> Self {
        Self(receiver)
    }

    /// Waits for a change since the last call, or since it was made. Never ends when the pool has stopped, after the
    /// one change that this is.
    ///
    /// # Cancel safety
    /// Loses nothing: a dropped future has taken no change.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The pool is gone: nothing will change any more.
            std::future::pending::<()>().await;
        }
    }
}
