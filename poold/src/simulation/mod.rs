//! The program in simulated time: pool, dispatcher and queue as `poold serve` makes them, on the loopback's `sim` body.

mod chance;
mod jobs;
mod program;
mod time;

#[cfg(feature = "sim")]
pub(crate) use chance::Chance;
pub(crate) use jobs::{command, place_of};
pub(crate) use program::{Program, ProgramPlan};
pub(crate) use time::{begin_life, beginning_of_time, memory_directory, paused_runtime};
