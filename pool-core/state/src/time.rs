//! Time as a plain value that comes in.

use std::{fmt, ops, time::Duration};

/// A moment, counted from when the pool's process started, by a clock that never goes back.
///
/// Not a wall-clock time: those are shown and stored, not compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(Duration);

impl Time {
    /// When the process started.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment that is `since_start` after the process started.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// How long after the process started.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long after `earlier`; zero when it is not after it.
    pub const fn since(self, earlier: Time) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl ops::Add<Duration> for Time {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}s", self.0.as_secs_f64())
    }
}
