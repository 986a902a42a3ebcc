//! `cargo xtask conformance`: tries drivers, each with its own conformance program.

mod drivers;
mod program;
mod report;
mod run;
mod table;

pub(crate) use run::{ConformanceArgs, run};
