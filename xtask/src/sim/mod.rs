//! `cargo xtask sim`: the program of the simulation, built and run on as many seeds as are asked for; and with changes
//! in the code that its checks must find.

mod args;
mod batch;
mod crew;
mod mutants;
mod program;
mod progress;
mod regressions;
mod report;
mod scenarios;
mod seeds;
mod summary;
mod task;
mod twice;

pub(crate) use args::SimArgs;
pub(crate) use mutants::{LIST, ListError};
pub(crate) use regressions::REGRESSIONS;
pub(crate) use task::run;
