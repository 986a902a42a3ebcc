//! The runner as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    pool_runner::run_if_asked();
    pool_runner::main(std::env::args_os().skip(1))
}
