//! The states of a worker and the one table of their transitions.

use crate::Time;
use pool_api::Lifecycle;
use std::fmt;

/// Which state a worker is in, without the state's data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Found in the list; created by an earlier process.
    Unknown,
    /// Created by this process, not ready yet.
    Booting,
    /// Ready, without a job.
    Idle,
    /// With jobs.
    Running,
    /// Being destroyed.
    Shutdown,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Booting, Self::Idle, Self::Running, Self::Shutdown];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Booting => "booting",
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Shutdown => "shutdown",
        })
    }
}

/// What can change a worker's phase.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// Boot probe and run probe have succeeded, and no job was found.
    ReadyIdle,
    /// Boot probe and run probe have succeeded, and jobs were found.
    ReadyRunning,
    /// A first job was given to it or found on it.
    JobStarted,
    /// Its last job has ended.
    LastJobEnded,
    /// It was decided to destroy it.
    ShutDown,
}

impl Input {
    /// All inputs.
    pub const ALL: [Self; 5] =
        [Self::ReadyIdle, Self::ReadyRunning, Self::JobStarted, Self::LastJobEnded, Self::ShutDown];
}

/// The phase that follows; none where the input changes nothing.
///
/// Jobs that are found on a worker that is unknown or booting are kept and shown, but do not make it
/// `running`: only its readiness does. Nothing leads out of `shutdown` but the disappearance of the instance.
pub const fn next(phase: Phase, input: Input) -> Option<Phase> {
    match (phase, input) {
        (Phase::Unknown | Phase::Booting, Input::ReadyIdle) => Some(Phase::Idle),
        (Phase::Unknown | Phase::Booting, Input::ReadyRunning) => Some(Phase::Running),
        (Phase::Unknown | Phase::Booting, Input::JobStarted | Input::LastJobEnded) => None,
        (Phase::Idle, Input::JobStarted) => Some(Phase::Running),
        (Phase::Idle, Input::ReadyIdle | Input::ReadyRunning | Input::LastJobEnded) => None,
        (Phase::Running, Input::LastJobEnded) => Some(Phase::Idle),
        (Phase::Running, Input::ReadyIdle | Input::ReadyRunning | Input::JobStarted) => None,
        (Phase::Unknown | Phase::Booting | Phase::Idle | Phase::Running, Input::ShutDown) => {
            Some(Phase::Shutdown)
        }
        (Phase::Shutdown, _) => None,
    }
}

/// Why a worker is destroyed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShutdownReason {
    /// It had no job for long enough.
    Idle,
    /// It was to be drained and has no job.
    Drained,
    /// It did not get ready in time.
    BootTimeout,
    /// It did not answer for too long.
    ProbeTimeout,
    /// The scheduler does not need it.
    NotNeeded,
    /// It was to be drained, and its remaining jobs could not be ended.
    JobsGivenUp,
    /// The cloud says that it has stopped or failed.
    Lifecycle(Lifecycle),
    /// A second instance of one create.
    Duplicate,
    /// Somebody asked for it.
    Requested(String),
}

impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Drained => f.write_str("drained"),
            Self::BootTimeout => f.write_str("did not boot in time"),
            Self::ProbeTimeout => f.write_str("did not answer in time"),
            Self::NotNeeded => f.write_str("not needed"),
            Self::JobsGivenUp => f.write_str("its jobs could not be ended"),
            Self::Lifecycle(lifecycle) => write!(f, "{lifecycle} at the provider"),
            Self::Duplicate => f.write_str("second instance of one create"),
            Self::Requested(why) => write!(f, "requested: {why}"),
        }
    }
}

/// The state of a worker with the data that it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Unknown,
    Booting,
    Idle { since: Time },
    Running,
    Shutdown { reason: ShutdownReason, requested: Time },
}

impl State {
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Unknown => Phase::Unknown,
            Self::Booting => Phase::Booting,
            Self::Idle { .. } => Phase::Idle,
            Self::Running => Phase::Running,
            Self::Shutdown { .. } => Phase::Shutdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_table_is_this_one() {
        use Phase::{Booting, Idle, Running, Shutdown, Unknown};
        let expected = |phase, input| match input {
            Input::ReadyIdle => [Some(Idle), Some(Idle), None, None, None][phase as usize],
            Input::ReadyRunning => [Some(Running), Some(Running), None, None, None][phase as usize],
            Input::JobStarted => [None, None, Some(Running), None, None][phase as usize],
            Input::LastJobEnded => [None, None, None, Some(Idle), None][phase as usize],
            Input::ShutDown => {
                [Some(Shutdown), Some(Shutdown), Some(Shutdown), Some(Shutdown), None][phase as usize]
            }
        };
        for phase in [Unknown, Booting, Idle, Running, Shutdown] {
            for input in Input::ALL {
                assert_eq!(next(phase, input), expected(phase, input), "{phase:?} on {input:?}");
            }
        }
    }

    #[test]
    fn nothing_comes_back_from_shutdown_and_nothing_becomes_unknown_or_booting() {
        for phase in Phase::ALL {
            for input in Input::ALL {
                let to = next(phase, input);
                assert!(!matches!(to, Some(Phase::Unknown | Phase::Booting)));
                assert!(phase != Phase::Shutdown || to.is_none());
                assert_ne!(to, Some(phase), "a transition to itself is none");
            }
        }
    }
}
