//! The command line of a driver's conformance program.

use crate::Settings;
use clap::Parser;
use std::path::PathBuf;

/// Tries whether a driver keeps the contract of the pool.
///
/// Exit codes: 0 every trial that ran has passed; 1 one has failed; 2 the command line is wrong; 3 something that the run
/// needs is missing.
#[derive(Parser, Clone, Debug)]
#[command(max_term_width = 100)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) libtest: libtest_mimic::Arguments,
    /// Prints the report as one JSON document, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes the report as JUnit XML to a file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Uses the real account of --config: instances boot, are verified, run a command, and cost money
    #[arg(long)]
    pub(crate) live: bool,
    /// The driver's own table of a configuration, as TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Options {
    pub(crate) fn settings(&self) -> Settings {
        Settings { live: self.live, config: self.config.clone() }
    }
}
