//! `cargo xtask bench`: measures the program and its parts, each by the program that knows how, and holds the figures
//! against `poold/bench/limits.toml`.

mod args;
mod commit;
mod criterion;
mod document;
mod figure;
mod gate;
mod group;
mod limits;
mod machine;
mod quantity;
mod row;
mod run;
mod table;

pub(crate) use args::BenchArgs;
pub(crate) use limits::{LIMITS, LimitsError};
pub(crate) use run::run;
