//! One pool at a time for an instance set, and the epochs by which workers tell its programs apart.

use pool_api::InstanceSetId;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Holding it is the right to use an instance set from this state directory. Released when dropped, and by the
/// kernel when the process dies.
#[derive(Debug)]
pub struct InstanceSetLock {
    file: File,
    epoch: u64,
}

/// The right to use an instance set was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another program uses instance set {set} from {path}: stop it first")]
    Taken {
        /// The instance set.
        set: InstanceSetId,
        /// The lock file.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{path} cannot be used: check that the directory is ours and can be written")]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The epoch's file holds something else.
    #[error(
        "{path} does not hold an epoch: it is damaged, or not ours. Write a number into it that is higher than any \
         epoch before; a worker that is given a lower one names the highest that it has seen"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
    },
}

impl InstanceSetLock {
    /// Takes the lock in a state directory, which is made if need be, and raises the epoch on disk.
    ///
    /// # Errors
    /// [`LockError`]; nothing was changed then, but for the directory.
    pub fn acquire(state_dir: &Path, set: &InstanceSetId) -> Result<Self, LockError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| LockError::File { path, source }
        };
        fs::create_dir_all(state_dir).map_err(failed(state_dir))?;
        let path = state_dir.join(format!("{set}.lock"));
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(LockError::Taken { set: set.clone(), path }),
            Err(fs::TryLockError::Error(source)) => return Err(LockError::File { path, source }),
        }
        let path = state_dir.join(format!("{set}.epoch"));
        let last = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse::<u64>().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(0),
            Err(source) => return Err(LockError::File { path, source }),
        };
        let next = last.and_then(|last| last.checked_add(1));
        let epoch = next.ok_or_else(|| LockError::Damaged { path: path.clone() })?;
        write_durably(&path, epoch.to_string().as_bytes()).map_err(failed(&path))?;
        Ok(Self { file, epoch })
    }

    /// Higher than that of every program that had the lock before.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Drop for InstanceSetLock {
    fn drop(&mut self) {
        // Closing would do, were there no process that was forked by another thread and shares the file until it
        // executes its program. An error leaves it to the closing.
        drop(self.file.unlock());
    }
}

/// Replaces a file so that after a power loss it has the old content or the new, never a part.
fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_each_with_a_higher_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let set: InstanceSetId = "a".try_into().unwrap();
        let first = InstanceSetLock::acquire(dir.path(), &set).unwrap();
        assert_eq!(first.epoch(), 1);
        let error = InstanceSetLock::acquire(dir.path(), &set).unwrap_err();
        assert!(matches!(error, LockError::Taken { .. }), "{error}");
        InstanceSetLock::acquire(dir.path(), &"b".try_into().unwrap()).unwrap();
        drop(first);
        assert_eq!(InstanceSetLock::acquire(dir.path(), &set).unwrap().epoch(), 2);
    }

    #[test]
    fn a_damaged_epoch_is_not_guessed() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["seven", "", "-1", "18446744073709551615"] {
            fs::write(dir.path().join("a.epoch"), damaged).unwrap();
            let error = InstanceSetLock::acquire(dir.path(), &"a".try_into().unwrap()).unwrap_err();
            assert!(matches!(error, LockError::Damaged { .. }), "{damaged}: {error}");
        }
    }
}
