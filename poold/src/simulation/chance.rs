//! Chance from a seed, one stream a purpose: what one purpose draws does not change what another does.

#[cfg(feature = "sim")]
use rand::RngExt as _;
use rand::{SeedableRng as _, rngs::Xoshiro256PlusPlus};
#[cfg(feature = "sim")]
use std::time::Duration;

/// A stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Chance(Xoshiro256PlusPlus);

impl Chance {
    /// The stream of a seed for a purpose.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a: a hash that is the same in every process and release.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(Xoshiro256PlusPlus::seed_from_u64(seed.rotate_left(32) ^ hash))
    }

    /// The generator itself.
    pub(crate) fn into_rng(self) -> Xoshiro256PlusPlus {
        self.0
    }
}

#[cfg(feature = "sim")]
impl Chance {
    /// True in a share of all cases.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    /// A whole number from a range, both ends included.
    pub(crate) fn number(&mut self, from: u64, to: u64) -> u64 {
        self.0.random_range(from..=to)
    }

    /// The same, for small numbers.
    pub(crate) fn small(&mut self, from: u32, to: u32) -> u32 {
        self.0.random_range(from..=to)
    }

    /// The same, for places and counts.
    pub(crate) fn count(&mut self, from: usize, to: usize) -> usize {
        self.0.random_range(from..=to)
    }

    /// A share from a range.
    pub(crate) fn share(&mut self, from: f64, to: f64) -> f64 {
        // In whole percents, so that it can be read.
        (self.0.random_range(from..=to) * 100.0).round() / 100.0
    }

    /// Whole seconds from a range, both ends included.
    pub(crate) fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(self.number(from, to))
    }

    /// Whole milliseconds from a range, both ends included.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.number(from, to))
    }

    /// A duration with this mean, at most ten times as long: many short ones, few long ones.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        let times = -(1.0 - self.0.random::<f64>()).ln();
        Duration::from_millis((mean.as_secs_f64() * times.min(10.0) * 1000.0) as u64)
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.count(0, from.len() - 1)]
    }
}
