//! Mutants: changes of the code that break a rule, to show that the simulation's checks find it.
//!
//! They are in `poold/sim/mutants.toml`. All are built into one copy of the code, each behind a question whether it is
//! switched on, and are switched on one at a time by an environment variable.

mod change;
mod copy;
mod files;
mod list;
mod manifest;
mod run;
mod table;
mod trial;

pub(crate) use list::{LIST, ListError};
pub(crate) use run::run;
