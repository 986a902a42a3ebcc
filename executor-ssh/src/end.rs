//! That a connection has ended, and why: known to all who use it.

use crate::shared_error::SharedError;
use pool_api::ExecutorError;
use std::sync::Arc;
use tokio::sync::watch;

/// Why a connection has ended.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// The peer or the network ended it.
    Lost(Option<SharedError>),
    /// The executor was given another target.
    Retargeted,
    /// The executor was closed, or dropped.
    Closed,
}

/// The mark on the connection's own side. The first cause stays.
#[derive(Clone, Debug)]
pub(crate) struct EndMarker(Arc<watch::Sender<Option<Cause>>>);

impl EndMarker {
    /// Of a connection that is alive.
    pub(crate) fn new() -> (Self, End) {
        let (sender, receiver) = watch::channel(None);
        (Self(Arc::new(sender)), End(receiver))
    }

    /// Says that the connection has ended; without effect when it already had.
    pub(crate) fn mark(&self, cause: Cause) {
        self.0.send_if_modified(|present| {
            let first = present.is_none();
            if first {
                *present = Some(cause);
            }
            first
        });
    }
}

/// Tells the connection's users when it ends.
#[derive(Clone, Debug)]
pub(crate) struct End(watch::Receiver<Option<Cause>>);

impl End {
    /// True from the end on.
    pub(crate) fn has_come(&self) -> bool {
        self.0.borrow().is_some() || self.0.has_changed().is_err()
    }

    /// Waits for the end. Cancel safe.
    pub(crate) async fn come(&self) {
        // An error means that all markers are gone: nothing is left that could be alive.
        let _ = self.0.clone().wait_for(Option::is_some).await;
    }

    /// What to say to who used the connection. Where no end has been marked (a single channel was closed
    /// without a word), that is a loss without a cause.
    pub(crate) fn error(&self) -> ExecutorError {
        match &*self.0.borrow() {
            None | Some(Cause::Lost(None)) => ExecutorError::Lost(None),
            Some(Cause::Lost(Some(source))) => ExecutorError::Lost(Some(Box::new(source.clone()))),
            Some(Cause::Retargeted) => ExecutorError::Lost(Some(Box::new(AnotherTarget))),
            Some(Cause::Closed) => ExecutorError::Closed,
        }
    }
}

/// Why the connection to the former target was dropped.
#[derive(Debug, thiserror::Error)]
#[error("the instance has another address or user now")]
struct AnotherTarget;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_stays() {
        let (marker, end) = EndMarker::new();
        assert!(!end.has_come());
        marker.mark(Cause::Closed);
        marker.mark(Cause::Retargeted);
        assert!(end.has_come());
        assert!(matches!(end.error(), ExecutorError::Closed));
    }

    #[tokio::test]
    async fn the_end_comes_even_when_nobody_marks_it() {
        let (marker, end) = EndMarker::new();
        drop(marker);
        end.come().await;
        assert!(end.has_come());
    }
}
