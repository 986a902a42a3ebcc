use std::path::{Path, PathBuf};
use std::process::Command;

use crate::built;
use crate::error::TaskError;
use crate::process::{cargo, not_started};

/// The program of the simulation.
pub(crate) const PROGRAM: &str = "poold-sim";
/// Its package.
pub(crate) const PACKAGE: &str = "poold";

/// Builds the program; none if that fails, which the compiler has said why.
pub(crate) fn build() -> Result<Option<PathBuf>, TaskError> {
    build_with(cargo(["build"]), PROGRAM)
}

/// Adds to `cargo build` what is built and how, does it, and says where the program is.
pub(crate) fn build_with(mut command: Command, program: &str) -> Result<Option<PathBuf>, TaskError> {
    command.args(["--locked", "--profile", "sim", "--package", PACKAGE, "--features", "sim"]);
    command.args(["--bin", program, "--quiet"]);
    built::program(&mut command, program, "bin")
}

/// Runs the program on this terminal. Its exit code; none if a signal ended it.
pub(crate) fn run(program: &Path, arguments: &[String]) -> Result<Option<i32>, TaskError> {
    let mut command = Command::new(program);
    command.args(arguments);
    let status = command.status().map_err(|source| not_started(&command, source))?;
    Ok(status.code())
}
