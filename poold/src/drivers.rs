//! Which drivers this program has: those that were compiled in, and those of the program around it.

use crate::{cli, say::say};
use pool_core::{Driver, UnknownDriver};
use std::{
    process::ExitCode,
    sync::{Arc, OnceLock},
};

/// The drivers that [`run`] was given. Set once, before the command line is read.
static MORE: OnceLock<Vec<Arc<dyn Driver>>> = OnceLock::new();

/// [`main`](crate::main) with more drivers than those that were compiled in: the daemon, and all its commands, for drivers
/// of third parties. A configuration chooses one by its [name](Driver::name).
///
/// Ends with exit code 2, and does nothing, if two drivers have the same name.
///
/// To be called once, from `main`, after [`pool_core::run_as_runner_if_asked`].
pub fn run(drivers: Vec<Arc<dyn Driver>>) -> ExitCode {
    let known = pool_core::drivers();
    let names = known.iter().map(|driver| driver.name());
    let mut names: Vec<&str> = names.chain(drivers.iter().map(|driver| driver.name())).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        say(format!("poold: this program has two drivers with the name {:?}", twice[0]));
        return ExitCode::from(cli::BAD_INPUT);
    }
    if MORE.set(drivers).is_err() {
        say("poold: this program was given its drivers twice");
        return ExitCode::from(cli::BAD_INPUT);
    }
    cli::run()
}

/// The driver of a name.
///
/// # Errors
/// [`UnknownDriver`], with the names that there are.
pub(crate) fn driver(name: &str) -> Result<Arc<dyn Driver>, UnknownDriver> {
    let more = MORE.get().map(Vec::as_slice).unwrap_or_default();
    if let Some(driver) = more.iter().find(|driver| driver.name() == name) {
        return Ok(Arc::clone(driver));
    }
    pool_core::driver(name).map(Arc::from).map_err(|mut unknown| {
        unknown.known.extend(more.iter().map(|driver| driver.name()));
        unknown
    })
}
