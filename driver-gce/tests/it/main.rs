//! The driver, from outside: against the stand-in for Compute Engine's API, with a proxy between them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cloud;
mod configuration;
mod create;
mod failures;
mod host_keys;
mod list;
mod tags;
