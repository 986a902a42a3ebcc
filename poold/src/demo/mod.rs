//! `poold demo`: the pool at work on this machine.

mod dispatcher;
mod inputs;
mod instances;
mod load;
mod progress;
mod queue;
mod restart;
mod run;
mod summary;

pub(crate) use load::DemoConfig;
pub(crate) use restart::{RestartError, run as restart};
pub(crate) use run::{DEFAULT_CONFIG, DemoEnd, DemoOptions, run};
