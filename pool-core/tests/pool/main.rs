//! The pool against a real loopback cloud, over real SSH, with a real runner; and against a scripted cloud with
//! scripted workers, where what must be shown is what the pool says to them and in which order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod determinism;
mod faults;
mod jobs;
mod metrics;
mod output;
mod peers;
mod policies;
mod restart;
mod runner_program;
mod start;
mod support;
mod verification;
mod wrapper;
