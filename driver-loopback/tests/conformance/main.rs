//! Tries the loopback driver as every driver is tried: `cargo xtask conformance --driver loopback`.

mod faults;
mod harness;

fn main() -> std::process::ExitCode {
    pool_conformance::main(harness::LoopbackHarness::new())
}
