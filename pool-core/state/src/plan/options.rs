//! How the scheduler chooses.

use pool_api::JobGroup;
use std::collections::BTreeMap;

/// How the scheduler chooses.
#[derive(Clone, PartialEq, Debug)]
pub struct PlanOptions {
    /// A job takes a type that costs up to this many times as much as the cheapest that fits. Less than 1 is 1.
    pub price_factor: f64,
    /// Most jobs of a group at once. A group that is not named has no limit.
    pub group_limits: BTreeMap<JobGroup, u32>,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { price_factor: 1.5, group_limits: BTreeMap::new() }
    }
}
