//! What the tests share.

mod fixtures;
mod loopback;
mod refused;
mod runner;
pub(crate) mod scripted;

pub(crate) use fixtures::*;
pub(crate) use loopback::{World, config, config_with};
pub(crate) use runner::runner_program;
