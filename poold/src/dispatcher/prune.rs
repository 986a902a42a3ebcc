//! Final jobs are not kept for ever.

use super::core::Dispatcher;
use crate::{
    api::ServiceError,
    job::Moment,
    queue::{Change, QueueError},
};
use std::time::Duration;
use tokio::time::Instant;

const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// While there is more to prune, so that nothing else waits for long.
const PRUNE_AGAIN: Duration = Duration::from_millis(100);
const JOBS_AT_ONCE: usize = 500;
/// Who follows the jobs is told of their ends before they are gone.
const RECENT: Moment = Moment(10_000);

impl Dispatcher {
    /// Deletes some of what is too old or too much: outputs first, so that what fails half-way is found again.
    pub(super) fn prune_if_due(&mut self, now: Moment) {
        if Instant::now() < self.prune_at {
            return;
        }
        // What cannot be deleted now is not tried at once again.
        let pruned = self.prune(now);
        self.prune_at = Instant::now() + if pruned < JOBS_AT_ONCE { PRUNE_EVERY } else { PRUNE_AGAIN };
    }

    /// How many jobs were deleted.
    fn prune(&mut self, now: Moment) -> usize {
        let keep = u64::try_from(self.settings.keep_finished.as_millis()).unwrap_or(u64::MAX);
        let before = Moment(now.0.saturating_sub(keep));
        let failed = |error: &QueueError| {
            tracing::error!(error = %ServiceError::from(error), "the queue cannot be pruned");
            0
        };
        let recent = Moment(now.0.saturating_sub(RECENT.0));
        let numbers = match self.queue.prunable(before, recent, self.settings.max_finished, JOBS_AT_ONCE) {
            Ok(numbers) => numbers,
            Err(error) => return failed(&error),
        };
        let mut changes = Vec::new();
        for number in numbers {
            match self.outputs.delete(number) {
                Ok(()) => changes.push(Change::Prune { number }),
                Err(error) => tracing::warn!(number, %error, "the output of an old job cannot be deleted"),
            }
        }
        if changes.is_empty() {
            return 0;
        }
        match self.queue.commit(&changes) {
            Ok(()) => {
                tracing::info!(jobs = changes.len(), "old jobs were deleted");
                changes.len()
            }
            Err(error) => failed(&error),
        }
    }
}
