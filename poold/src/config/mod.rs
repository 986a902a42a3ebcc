//! The configuration of the program.

mod api;
pub(crate) mod commands;
mod common;
mod load;
mod reader;
mod scheduler;
mod section;
mod storage;
mod telemetry;
mod variables;

#[cfg(test)]
mod tests;

pub(crate) use api::{ApiConfig, Listening};
pub(crate) use common::{Common, CommonSections};
pub(crate) use load::{ServeConfig, load, load_settings};
pub(crate) use reader::Reader;
#[cfg(feature = "sim")]
pub(crate) use scheduler::GroupLimit;
pub(crate) use scheduler::SchedulerConfig;
pub(crate) use storage::QueueConfig;
pub(crate) use telemetry::TelemetryConfig;
pub(crate) use variables::Variables;
