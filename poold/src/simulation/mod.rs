//! The program in simulated time: pool, dispatcher and queue as `poold serve` makes them, on the loopback's `sim` body.

mod chance;
mod program;
mod time;

pub(crate) use chance::Chance;
pub(crate) use program::{Program, ProgramPlan};
pub(crate) use time::{memory_directory, paused_runtime};
