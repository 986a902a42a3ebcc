//! The daemon on the EC2 driver, for a test of both together. Its instances are EC2's, but moto's server has no machines: so
//! the driver is told which process on this machine stands for each.

mod here;

use std::{process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    // The same program is the runner on the machines.
    pool_core::run_as_runner_if_asked();
    poold::run(vec![Arc::new(here::HereDriver)])
}
