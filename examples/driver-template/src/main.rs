//! The daemon with this driver in it, beside those that are built in.

use driver_template::TemplateDriver;
use std::{process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    // The same program is the runner on the workers.
    pool_core::run_as_runner_if_asked();
    poold::run(vec![Arc::new(TemplateDriver::default())])
}
