//! Tries the Compute Engine driver as every driver is tried, against a stand-in for its API:
//! `cargo xtask conformance --driver gce`.
//!
//! At the end, every request and every response is held against Google's published description of the API.

mod cloud;
mod faults;
mod harness;

fn main() -> std::process::ExitCode {
    pool_conformance::main(harness::GceHarness::new())
}
