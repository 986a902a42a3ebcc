//! Tries the EC2 driver as every driver is tried, against moto's server: `cargo xtask conformance --driver ec2`.
//!
//! At the end, every request that the driver has sent is held against botocore's model of the API.

mod cloud;
mod faults;
mod harness;
#[path = "../moto/moto.rs"]
mod moto;

fn main() -> std::process::ExitCode {
    pool_conformance::main(harness::Ec2Harness::new())
}
