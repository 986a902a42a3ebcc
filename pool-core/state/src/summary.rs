//! The pool in short, for people: cheap, however many workers there are.

use crate::{FailingBoots, HoldOffView, PoolState, Time, views::InstanceCounts};
use pool_api::{HourlyPrice, InstanceId, InstanceType};
use std::sync::Arc;

/// All of a moment that is not about single workers.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PoolSummary {
    /// Whether a first complete list has come.
    pub loaded: bool,
    /// Instances by type and phase, creates in flight included.
    pub instances: InstanceCounts,
    /// What all of them cost an hour.
    pub price: HourlyPrice,
    /// The configured types, by name.
    pub types: Vec<TypeSummary>,
    /// `max_instances` is reached.
    pub at_max_instances: bool,
    /// The provider's quota of all instances is used up.
    pub at_provider_quota: bool,
    /// What is not asked of the provider.
    pub hold_offs: Vec<HoldOffView>,
    /// Types whose last boots have all failed.
    pub failing_boots: Vec<FailingBoots>,
    /// Instances with our set's tag that are [left alone](crate::Notice::LeftAlone).
    pub left_alone: Vec<InstanceId>,
}

/// One configured type.
#[derive(Clone, PartialEq, Debug)]
pub struct TypeSummary {
    /// The type.
    pub instance_type: Arc<InstanceType>,
    /// No placement has capacity for it.
    pub at_capacity: bool,
    /// A quota that covers it is used up, or no more instances of any type are allowed.
    pub at_quota: bool,
}

impl PoolState {
    /// The pool in short.
    pub fn summary(&self, now: Time) -> PoolSummary {
        let (instances, price) = self.instance_counts();
        let limit = self.settings().max_instances as usize;
        let types = self.types.values().map(|(instance_type, _)| TypeSummary {
            instance_type: instance_type.clone(),
            at_capacity: self.at_capacity(now, &instance_type.name),
            at_quota: self.at_quota_for(now, &instance_type.name),
        });
        PoolSummary {
            loaded: self.loaded,
            instances,
            price,
            types: types.collect(),
            at_max_instances: limit > 0 && self.instances_and_creates() >= limit,
            at_provider_quota: self.holdoffs.quota_of_all(&self.counts, now),
            hold_offs: self.hold_offs(now),
            failing_boots: self.failing_boots(now),
            left_alone: self.left_alone.iter().cloned().collect(),
        }
    }
}
