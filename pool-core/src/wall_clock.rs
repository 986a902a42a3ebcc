//! The time of day, as it is told to the pool.

use std::{fmt, sync::Arc, time::SystemTime};

/// Where the time of day comes from: the system, or for simulations and tests anything else.
///
/// Only what people and providers wrote down is compared with it, such as when an instance was created. What is waited
/// for goes by the runtime's clock.
#[derive(Clone, Default)]
pub struct WallClock(Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>);

impl WallClock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that shows what a function says. It is called from any thread, and must not call the pool.
    pub fn from_fn(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// What it shows. It may go back: wall clocks jump.
    pub fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |read| read())
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_none() { "WallClock::system()" } else { "WallClock::from_fn(..)" })
    }
}
