//! `poold serve` and its commands, as their users run them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod crash;
mod review;
mod support;
