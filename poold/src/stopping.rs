//! How parts of the program are told to stop.

use tokio::sync::watch;

/// Ends when it is to stop, or when whoever would say so is gone: that is the end of the program, too.
pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // What it returns holds a lock.
    drop(stopping.wait_for(|stop| *stop).await);
}
