//! What becomes of the instances of each type.

use pool_core::{HourlyPrice, InstanceType, InstanceTypeName};
use std::time::Duration;

/// A type's instances, taken together.
#[derive(Clone, Debug)]
pub(super) struct TypeTally {
    pub(super) name: InstanceTypeName,
    pub(super) price: HourlyPrice,
    pub(super) created: u64,
    pub(super) most: u64,
    /// Runs of jobs that were started on them.
    pub(super) runs: u64,
    pub(super) instances: u64,
    pub(super) busy: u64,
    /// In milliseconds, from creation until they were gone.
    pub(super) lived: u128,
    /// In milliseconds with a job.
    pub(super) worked: u128,
    /// Until then they are counted.
    until: Duration,
}

impl TypeTally {
    pub(super) fn new(of: &InstanceType) -> Self {
        Self {
            name: of.name.clone(),
            price: of.price,
            created: 0,
            most: 0,
            runs: 0,
            instances: 0,
            busy: 0,
            lived: 0,
            worked: 0,
            until: Duration::ZERO,
        }
    }

    /// Counts what was until now. Comes before each change.
    pub(super) fn settle(&mut self, now: Duration) {
        let lasted = now.saturating_sub(self.until).as_millis();
        self.lived += u128::from(self.instances) * lasted;
        self.worked += u128::from(self.busy) * lasted;
        self.until = self.until.max(now);
    }

    /// Price times lifetime, in the currency of the price.
    pub(super) fn cost(&self) -> f64 {
        self.price.as_f64() * hours(self.lived)
    }
}

/// Of milliseconds.
pub(super) fn hours(millis: u128) -> f64 {
    millis as f64 / 3_600_000.0
}
