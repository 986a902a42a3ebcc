//! Limits of how often something is done.

use crate::{
    Time,
    settings::{BACKOFF_FIRST, BACKOFF_LONGEST},
};
use std::{collections::VecDeque, time::Duration};

/// Allows at most `limit` in any window of a second: never more, also not as a burst at its border.
#[derive(Debug)]
pub(crate) struct RateWindow {
    limit: u32,
    recent: VecDeque<Time>,
}

impl RateWindow {
    const WINDOW: Duration = Duration::from_secs(1);

    /// `limit` of 0: no limit.
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, recent: VecDeque::new() }
    }

    /// Takes a place now, or says when there will be one.
    pub(crate) fn take(&mut self, now: Time) -> Result<(), Time> {
        if self.limit == 0 {
            return Ok(());
        }
        while self.recent.front().is_some_and(|&t| t + Self::WINDOW <= now) {
            self.recent.pop_front();
        }
        if self.recent.len() < self.limit as usize {
            self.recent.push_back(now);
            Ok(())
        } else {
            Err(self.recent[0] + Self::WINDOW)
        }
    }
}

/// Doubles from 1 s to 1 min while failures follow each other.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let pause = doubled(BACKOFF_FIRST, self.failures, BACKOFF_LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// `first` doubled `times`, at most `longest`.
pub(crate) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(longest)
}

/// `base` and up to a tenth more, the same for the same `seed`: spreads what would otherwise happen at once.
pub(crate) fn with_jitter(base: Duration, seed: (&str, u64)) -> Duration {
    // FNV-1a: small, and all that is asked of it is that neighbours differ.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in seed.0.bytes().chain(seed.1.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    base.saturating_add(base / 10_000 * u32::try_from(hash % 1000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_window_never_holds_more_than_its_limit() {
        let mut window = RateWindow::new(2);
        assert_eq!(window.take(at(900)), Ok(()));
        assert_eq!(window.take(at(950)), Ok(()));
        assert_eq!(window.take(at(1100)), Err(at(1900)));
        assert_eq!(window.take(at(1900)), Ok(()));
        assert_eq!(window.take(at(1901)), Err(at(1950)));
    }

    #[test]
    fn backoff_doubles_from_a_second_to_a_minute() {
        let mut backoff = Backoff::default();
        let seconds: Vec<u64> = (0..8).map(|_| backoff.next().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next().as_secs(), 1);
    }

    #[test]
    fn jitter_adds_at_most_a_tenth() {
        let spread: std::collections::BTreeSet<_> =
            (0..100).map(|n| with_jitter(Duration::from_secs(10), ("i-1", n)).as_millis()).collect();
        assert!(spread.len() > 50 && spread.iter().all(|ms| (10_000..=11_000).contains(ms)), "{spread:?}");
    }
}
