//! Limits on the rate of calls.

use std::time::Duration;
use tokio::time::Instant;

/// A bucket that fills at a steady rate and from which each call takes one.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    per_second: f64,
    /// Most that the bucket holds, at least 1.
    burst: f64,
    /// What is in it at `at`.
    level: f64,
    at: Instant,
}

impl RateLimiter {
    /// A full bucket.
    pub(crate) fn new(per_second: f64, now: Instant) -> Self {
        let burst = per_second.max(1.0);
        Self { per_second, burst, level: burst, at: now }
    }

    /// An empty bucket.
    pub(crate) fn exhausted(per_second: f64, now: Instant) -> Self {
        Self { level: 0.0, ..Self::new(per_second, now) }
    }

    /// Takes a call, or says how long it is until there is room for one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.burst);
        self.at = now;
        if self.level >= 1.0 {
            self.level -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - self.level) / self.per_second))
        }
    }
}
