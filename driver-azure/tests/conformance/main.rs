//! Tries the Azure driver as every driver is tried, against a stand-in for the Resource Manager:
//! `cargo xtask conformance --driver azure`.
//!
//! At the end, every request and every response is held against what Microsoft publishes of the API.

mod cloud;
mod faults;
mod harness;

fn main() -> std::process::ExitCode {
    pool_conformance::main(harness::AzureHarness::new())
}
