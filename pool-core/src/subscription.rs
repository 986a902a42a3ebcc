//! Being told that something has changed.

use tokio::sync::broadcast::{self, error::RecvError};

/// Wakes after every change that may matter to a scheduler. Dropping it unsubscribes.
///
/// Changes while it is already woken are dropped, never queued, and however slow its holder is, the pool does not
/// wait for it.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<()>);

impl Subscription {
    pub(crate) fn new(receiver: broadcast::Receiver<()>) -> Self {
        Self(receiver)
    }

    /// Waits for a change since the last call, or since it was made. Never ends when the pool has stopped, after the
    /// one change that this is.
    ///
    /// # Cancel safety
    /// Loses nothing: a dropped future has taken no change.
    pub async fn changed(&mut self) {
        loop {
            match self.0.recv().await {
                Ok(()) => return,
                // There were several: the last is still there.
                Err(RecvError::Lagged(_)) => {}
                // The pool is gone: nothing will change any more.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
