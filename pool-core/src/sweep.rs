//! Has the driver look for what failed creates have left behind.

use crate::shell::Shell;
use pool_state::PoolState;
use std::{sync::Arc, time::Duration};

/// From one sweep to the next. Leftovers cost little, and a driver takes nothing for one that is not old.
const EVERY: Duration = Duration::from_secs(600);

/// Sweeps now and then, until the pool is stopped or another program has taken the instance set over. The calls of a sweep
/// are not counted among those that `max_cloud_ops_per_second` limits: they are few.
pub(crate) async fn sweep_now_and_then(shell: Arc<Shell>) {
    let mut stopped = shell.stopped.subscribe();
    let sweeps = async {
        loop {
            tokio::time::sleep(EVERY).await;
            if shell.look(PoolState::superseded).is_some() {
                return;
            }
            match shell.cloud.sweep().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "swept what creates had left behind that failed"),
                Err(failure) => tracing::warn!(error = failure.message, "the sweep of leftovers has failed"),
            }
        }
    };
    // A sweep may be dropped at any time.
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = sweeps => {}
    }
}
