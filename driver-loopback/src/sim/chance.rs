//! Chance, from the seed, in one stream for each thing, so that none changes what another brings.

use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use std::{ops::RangeInclusive, time::Duration};

/// Tells these streams from the model's, which begin with the same seed.
const SALT: u64 = 0x5ca1_ab1e_00fc_10d5;

/// The streams.
#[derive(Debug)]
pub(super) struct Chance {
    pub(super) calls: Xoshiro256PlusPlus,
    pub(super) lists: Xoshiro256PlusPlus,
    /// Seeds the chance of each connection.
    lines: u64,
    pub(super) machines: Xoshiro256PlusPlus,
    /// Of the programs' key.
    pub(super) keys: Xoshiro256PlusPlus,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let mut seeder = Xoshiro256PlusPlus::seed_from_u64(seed ^ SALT);
        let mut stream = || Xoshiro256PlusPlus::seed_from_u64(seeder.next_u64());
        Self {
            calls: stream(),
            lists: stream(),
            lines: stream().next_u64(),
            machines: stream(),
            keys: stream(),
        }
    }

    /// The chance of a connection, apart from all others': when a program crashes, its runtime drops its tasks in an order
    /// that nobody seeds.
    pub(super) fn line(&self, connection: u64) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.lines ^ connection.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The chance of closing a connection or a part of it at a time, the same for all parts.
    pub(super) fn closing(&self, connection: u64, at: Duration) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.line(connection).next_u64() ^ millis(at))
    }
}

/// A time out of a range, in whole milliseconds. One number is drawn whatever the range is.
pub(super) fn draw(rng: &mut Xoshiro256PlusPlus, range: &RangeInclusive<Duration>) -> Duration {
    let (from, to) = (millis(*range.start()), millis(*range.end()));
    let width = to.saturating_sub(from) + 1;
    Duration::from_millis(from + rng.next_u64() % width)
}

/// Whether something happens that happens to this share.
pub(super) fn happens(rng: &mut Xoshiro256PlusPlus, rate: f64) -> bool {
    rng.random::<f64>() < rate
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4)
}
