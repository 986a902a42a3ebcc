//! `poold-sim`: the program in simulated time. See `cargo xtask sim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    poold::sim::main()
}
