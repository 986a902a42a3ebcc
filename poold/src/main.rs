//! `poold`: an elastic pool of cloud workers.
//!
//! The same program is the runner on the workers (`poold runner …`), so that one file is all there is to install.

mod cli;
mod demo;
mod program_config;
mod state_dir;

use std::process::ExitCode;

fn main() -> ExitCode {
    pool_core::run_as_runner_if_asked();
    cli::run()
}
