//! Simulated time, and where files are kept meanwhile.

use std::{io, path::Path};
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
