//! What the dispatcher is told by the configuration.

use super::board::Limits;
use crate::config::ServeConfig;
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
    /// Instances are kept or made although no job waits.
    pub(crate) keeps_idle: bool,
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

/// A job that is refused so often in a row is given up.
const MAX_REFUSALS: u32 = 20;

impl DispatchSettings {
    /// `list_settle_time` is the driver's.
    pub(crate) fn new(config: &ServeConfig, list_settle_time: Duration) -> Self {
        let (pool, scheduler, queue) = (&config.pool, &config.scheduler, &config.queue);
        Self {
            instance_set: pool.instance_set.to_string(),
            driver: config.driver.name.clone(),
            instance_types: pool.instance_types.iter().cloned().map(Arc::new).collect(),
            plan: scheduler.plan_options(pool.max_instances),
            limits: Limits {
                max_attempts: scheduler.max_attempts,
                max_preemptions: scheduler.max_preemptions,
                max_refusals: MAX_REFUSALS,
            },
            keeps_idle: pool.min_idle.values().any(|count| *count > 0),
            output_limit: queue.output_limit,
            max_output_limit: queue.max_output_limit,
            max_jobs: queue.max_jobs,
            keep_finished: queue.keep_finished,
            max_finished: queue.max_finished,
            list_settle_time,
        }
    }
}
