//! Who reads a job's output while it runs, and who writes it.

use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// What the reader and the writer of a job's stored output share.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    progress: Arc<watch::Sender<u64>>,
    wanted: Arc<Notify>,
}

impl Tail {
    pub(crate) fn new() -> Self {
        Self { progress: Arc::new(watch::Sender::new(0)), wanted: Arc::default() }
    }

    /// Something was stored, or the job has moved on.
    pub(crate) fn moved(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// Wakes with every move from now on. Ends when the job does.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Somebody waits for output: it is to be fetched as it comes.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Waits until somebody wants it.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
