//! What a pass has come to, counted once it is durable.

use super::{board::Move, core::Dispatcher};
use crate::{
    job::{JobState, Moment},
    queue::Change,
};

impl Dispatcher {
    /// The changes of the pass are on disk, and the board holds them still.
    pub(super) fn count_what_is_durable(&self, now: Moment) {
        self.metrics.committed(now);
        for change in self.board.changes() {
            if let Change::Submit { jobs, .. } = change {
                self.metrics.submitted(jobs.len());
            }
        }
        for Move { number, record, .. } in self.board.moves() {
            if let Some(finish) = &record.finish {
                self.metrics.ended(record, finish);
            } else if record.state == JobState::Locked
                && let Some(job) = self.board.get(number)
            {
                self.metrics.given(job.submitted, record);
            }
        }
        for cause in &self.after.lost {
            self.metrics.lost(cause);
        }
    }
}
