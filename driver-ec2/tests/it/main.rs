//! The driver, from outside: against moto's server where there must be a cloud, against a script where there must be none.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cloud;
mod configuration;
mod create;
mod failures;
mod key_pairs;
mod list;
mod model;
#[path = "../moto/moto.rs"]
mod moto;
mod spot;
mod sweep;
