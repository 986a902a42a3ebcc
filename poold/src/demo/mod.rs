//! `poold demo`: the pool at work on this machine.

mod dispatcher;
mod inputs;
mod instances;
mod load;
mod progress;
mod queue;
mod run;
mod summary;

pub(crate) use load::DemoConfig;
pub(crate) use run::{DEFAULT_CONFIG, DemoOptions, run};
