//! Simulated time, and where files are kept meanwhile.

use driver_loopback::sim::SimCloud;
use std::{
    io,
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::{Builder, TempDir};
use tokio::runtime;

/// A runtime of one thread whose clock stands still while anything is done, and jumps to the next timer when nothing
/// is. It has no I/O.
///
/// # Errors
/// The system has no room for it.
pub(crate) fn paused_runtime() -> io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        // The outermost future gets its turn between any two steps of any tasks: so it can end them all there.
        .event_interval(1)
        .build()
}

/// What all clocks show at first: some day in the past, so that no clock of this machine has to do with it.
pub(crate) fn beginning_of_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// Lets the world go on in this runtime, before anything else is done in it.
pub(crate) fn begin_life(world: &SimCloud) {
    world.enter();
    let world = world.clone();
    tokio::spawn(async move { world.run().await });
}

/// A directory for a while, in memory where there is such a file system: what is synced there is as good as on a disk,
/// and faster.
///
/// # Errors
/// It cannot be made.
pub(crate) fn memory_directory(prefix: &str) -> io::Result<TempDir> {
    let builder = || {
        let mut builder = Builder::new();
        builder.prefix(prefix);
        builder
    };
    builder().tempdir_in(Path::new("/dev/shm")).or_else(|_| builder().tempdir())
}
