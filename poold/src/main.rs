//! `poold`: an elastic pool of cloud workers.
//!
//! The same program is the runner on the workers (`poold runner …`), so that one file is all there is to install.

use std::process::ExitCode;

fn main() -> ExitCode {
    pool_core::run_as_runner_if_asked();
    poold::main()
}
