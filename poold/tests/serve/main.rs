//! `poold serve` and its commands, as their users run them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod commands;
mod crash;
mod disk;
mod losses;
mod placing;
mod refused;
mod remote;
mod review;
mod superseded;
mod support;
mod top;
