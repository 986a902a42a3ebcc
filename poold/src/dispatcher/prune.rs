//! Final jobs are not kept for ever.

use super::core::Dispatcher;
use crate::{job::Moment, queue::Change};
use std::time::Duration;
use tokio::time::Instant;

const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// While there is more to prune, so that nothing else waits for long.
const PRUNE_AGAIN: Duration = Duration::from_millis(100);
const JOBS_AT_ONCE: usize = 500;

impl Dispatcher {
    /// Deletes some of what is too old or too much: outputs first, so that what fails half-way is found again.
    pub(super) fn prune_if_due(&mut self, now: Moment) {
        if Instant::now() < self.prune_at {
            return;
        }
        let keep = u64::try_from(self.settings.keep_finished.as_millis()).unwrap_or(u64::MAX);
        let before = Moment(now.0.saturating_sub(keep));
        let numbers = match self.queue.prunable(before, self.settings.max_finished, JOBS_AT_ONCE) {
            Ok(numbers) => numbers,
            Err(error) => {
                tracing::error!(error = %crate::api::ServiceError::from(&error), "the queue cannot be pruned");
                Vec::new()
            }
        };
        self.prune_at = Instant::now() + if numbers.len() < JOBS_AT_ONCE { PRUNE_EVERY } else { PRUNE_AGAIN };
        let mut changes = Vec::new();
        for number in numbers {
            match self.outputs.delete(number) {
                Ok(()) => changes.push(Change::Prune { number }),
                Err(error) => tracing::warn!(number, %error, "the output of an old job cannot be deleted"),
            }
        }
        if changes.is_empty() {
            return;
        }
        match self.queue.commit(&changes) {
            Ok(()) => tracing::info!(jobs = changes.len(), "old jobs were deleted"),
            Err(error) => {
                tracing::error!(error = %crate::api::ServiceError::from(&error), "the queue cannot be pruned");
            }
        }
    }
}
