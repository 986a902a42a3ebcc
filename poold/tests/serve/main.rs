//! `poold serve` and its commands, as their users run them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod commands;
mod crash;
mod dashboard;
mod disk;
mod logs;
mod losses;
mod metrics;
mod placing;
mod refused;
mod review;
mod scrape;
mod superseded;
mod support;
mod traces;
