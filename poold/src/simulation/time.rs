//! Simulated time, and where files are kept meanwhile.

use driver_loopback::sim::SimCloud;
use std::{
    fs, io,
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
    let memory = Path::new("/dev/shm");
    sweep(memory, prefix);
    let named = format!("{prefix}{}-", std::process::id());
    let builder = || {
        let mut builder = Builder::new();
        builder.prefix(&named);
        builder
    };
    builder().tempdir_in(memory).or_else(|_| builder().tempdir())
}

/// Removes directories of processes that were killed: they would use up memory until the machine is started anew.
fn sweep(memory: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(memory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(prefix)?.split_once('-'));
        let process = process.and_then(|(process, _)| process.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            // Another may be doing the same; it is tried again at the next start.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_processes_that_are_gone_are_removed_and_no_others() {
        let memory = tempfile::tempdir().unwrap();
        let ours = format!("p-{}-a", std::process::id());
        // No process has so high a number.
        for name in [ours.as_str(), "p-4294967295-a", "p-other", "q-4294967295-a"] {
            fs::create_dir_all(memory.path().join(name).join("inner")).unwrap();
        }
        sweep(memory.path(), "p-");
        let left = |name: &str| memory.path().join(name).exists();
        assert!(left(&ours) && left("p-other") && left("q-4294967295-a"));
        assert!(!left("p-4294967295-a"));
    }
}
