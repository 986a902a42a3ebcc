//! The driver, from outside: against the stand-in for the Resource Manager, with a proxy between them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cloud;
mod configuration;
mod create;
mod credentials;
mod failures;
mod list;
mod sweep;
mod tags;
