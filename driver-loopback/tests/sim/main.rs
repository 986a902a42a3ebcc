//! The simulated body: what a program sees of it, in paused time.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod calls;
mod crash;
mod line;
mod pace;
mod runs;
mod support;
