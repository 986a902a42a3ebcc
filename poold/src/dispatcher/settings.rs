//! What the dispatcher is told by the configuration.

use super::board::Limits;
use pool_core::{ByteSize, InstanceType, PlanOptions};
use std::{sync::Arc, time::Duration};

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct DispatchSettings {
    pub(crate) instance_set: String,
    pub(crate) driver: String,
    pub(crate) instance_types: Vec<Arc<InstanceType>>,
    pub(crate) plan: PlanOptions,
    pub(crate) limits: Limits,
    /// For jobs that name no limit, per stream.
    pub(crate) output_limit: ByteSize,
    /// More is refused, per stream.
    pub(crate) max_output_limit: ByteSize,
    /// Most jobs that are not final.
    pub(crate) max_jobs: u64,
    /// Final jobs are kept for this long.
    pub(crate) keep_finished: Duration,
    /// Most final jobs that are kept.
    pub(crate) max_finished: u64,
    /// A list that began this long after the start shows every instance that was there then.
    pub(crate) list_settle_time: Duration,
}
