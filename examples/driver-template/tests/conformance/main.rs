//! Tries this driver as every driver is tried: `cargo test`, or `cargo test --test conformance -- --help`.

mod harness;

fn main() -> std::process::ExitCode {
    pool_conformance::main(harness::TemplateHarness::default())
}
