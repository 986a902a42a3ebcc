//! What may still be created, and what stands against it.

use super::types::Kind;
use crate::views::{PoolView, TypeView};
use pool_api::{HourlyPrice, JobId, Reach};

/// Why no instance of a type may be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Block {
    Capacity,
    /// Its last boots have all failed.
    Boots,
    Quota(Reach),
    MaxInstances,
    /// The spend cap leaves too little.
    Price,
    /// What it leaves is kept for this job.
    PriceKept(JobId),
    /// As many creates are in flight as are allowed.
    CreateSlots,
}

impl Block {
    /// Whether the end of another instance could lift it.
    pub(super) fn yields_to_ends(&self) -> bool {
        matches!(self, Self::Quota(_) | Self::MaxInstances | Self::Price)
    }
}

/// The limits, less what this plan has asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Limits {
    at_quota: bool,
    instances_left: Option<u32>,
    creates_left: Option<u32>,
    pub(super) price_left: Option<HourlyPrice>,
    price_kept: Option<JobId>,
}

impl Limits {
    pub(super) fn new(pool: &PoolView) -> Self {
        Self {
            at_quota: pool.at_quota,
            instances_left: pool.instances_left,
            creates_left: pool.creates_left,
            price_left: pool.price_left,
            price_kept: None,
        }
    }

    /// Why no instance of this type may be asked for; none if one may.
    pub(super) fn block(&self, view: &TypeView) -> Option<Block> {
        let price = view.instance_type.price;
        let quota_of_all = view.quota_scope == Some(Reach::All);
        if view.at_capacity {
            return Some(Block::Capacity);
        }
        if view.boots_fail {
            return Some(Block::Boots);
        }
        if self.instances_left == Some(0) && !quota_of_all {
            return Some(Block::MaxInstances);
        }
        if quota_of_all || self.at_quota {
            return Some(Block::Quota(Reach::All));
        }
        if view.at_quota || view.quota_scope.is_some() {
            return Some(Block::Quota(view.quota_scope.unwrap_or(Reach::InstanceType)));
        }
        if let Some(left) = self.price_left.filter(|_| price > HourlyPrice::ZERO) {
            if price > left {
                return Some(Block::Price);
            }
            if let Some(job) = &self.price_kept {
                return Some(Block::PriceKept(job.clone()));
            }
        }
        (self.creates_left == Some(0)).then_some(Block::CreateSlots)
    }

    /// One more of this type is asked for.
    pub(super) fn count(&mut self, view: &TypeView) {
        for left in [&mut self.instances_left, &mut self.creates_left].into_iter().flatten() {
            *left = left.saturating_sub(1);
        }
        if let Some(left) = &mut self.price_left {
            *left = less(*left, view.instance_type.price);
        }
    }

    /// What the spend cap leaves is for this job, unless it is for another already.
    pub(super) fn keep_price(&mut self, job: &JobId) {
        self.price_kept.get_or_insert_with(|| job.clone());
    }
}

fn less(price: HourlyPrice, by: HourlyPrice) -> HourlyPrice {
    HourlyPrice::from_micros(price.as_micros().saturating_sub(by.as_micros()))
}

/// Whether the end of an instance of type `ending` helps to lift what stands against `wanted`.
pub(super) fn relieves(block: &Block, wanted: &TypeView, ending: &TypeView) -> bool {
    let (a, b) = (&wanted.instance_type, &ending.instance_type);
    match block {
        Block::Quota(Reach::All) | Block::MaxInstances => true,
        Block::Quota(Reach::QuotaGroup) => wanted.quota_group == ending.quota_group,
        Block::Quota(Reach::InstanceType) => {
            a.provider_type == b.provider_type && a.preemptible == b.preemptible
        }
        Block::Price => b.price > HourlyPrice::ZERO,
        Block::Capacity | Block::Boots | Block::PriceKept(_) | Block::CreateSlots => false,
    }
}

/// What all instances cost that may get free some time, and what the spend cap leaves beside them: an instance that costs
/// more will not be allowed, however long one waits.
pub(super) fn price_within_reach(limits: &Limits, kinds: &[Kind<'_>]) -> HourlyPrice {
    let known = kinds.iter().map(|kind| {
        let count = kind.view.instances + kind.coming.len() - kind.booting;
        let each = kind.view.instance_type.price.as_micros();
        HourlyPrice::from_micros(each.saturating_mul(count as u64))
    });
    limits.price_left.unwrap_or_default() + known.sum()
}
