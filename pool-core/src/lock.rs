//! One pool at a time for an instance set, and the epochs by which workers tell its programs apart.

use crate::WallClock;
use pool_api::InstanceSetId;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

/// How long a lock that another has is waited for. A program that was killed no longer has it, but a process that it was
/// just forking has the same open file until it executes its own program: for milliseconds, on a busy machine for
/// longer. Who starts the program again at once must not be told that it still runs.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// More than a holder ever writes.
const MOST_BYTES: u64 = 4096;

/// Holding it is the right to use an instance set from this state directory. Released when dropped, and by the
/// kernel when the process dies.
///
/// It covers one state directory on one machine: it cannot see a program elsewhere, nor one with another state
/// directory. Should two such programs use one instance set, the workers tell them apart by their epochs, and the one
/// with the lower is [superseded](crate::Pool::superseded).
#[derive(Debug)]
pub struct InstanceSetLock {
    file: File,
    epoch: u64,
}

/// The right to use an instance set was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("instance set {set} is used by {}: stop it first", who(holder.as_ref(), path))]
    Taken {
        /// The instance set.
        set: InstanceSetId,
        /// The lock file.
        path: PathBuf,
        /// Who has it, if that can be read.
        holder: Option<LockHolder>,
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

/// Who has a lock, as it wrote into the lock file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its process.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// Since when, by the wall clock of then, to the second.
    #[serde(with = "humantime_serde")]
    pub since: SystemTime,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, program, since } = self;
        write!(f, "{program}, process {pid}, since {}", humantime::format_rfc3339_seconds(*since))
    }
}

impl LockHolder {
    fn this_process() -> Self {
        let exe = std::env::current_exe().ok();
        let name = exe.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        // Without what a terminal would not show as it is.
        let program = name.unwrap_or_default().replace(char::is_control, "?");
        Self { pid: std::process::id(), program, since: SystemTime::now() }
    }

    /// None for anything but a holder: it is only for people, and the lock holds without it.
    fn read(file: &File) -> Option<Self> {
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        let holder: Self = serde_json::from_str(&text).ok()?;
        (!holder.program.contains(char::is_control)).then_some(holder)
    }

    fn write(&self, mut file: &File) -> io::Result<()> {
        file.set_len(0)?;
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        file.write_all(&line)
    }
}

fn who(holder: Option<&LockHolder>, path: &Path) -> String {
    match holder {
        Some(holder) => holder.to_string(),
        None => format!("another program, which has {} locked", path.display()),
    }
}

impl InstanceSetLock {
    /// Takes the lock in a state directory, which is made if need be, and raises the epoch on disk.
    ///
    /// The epoch is the time of day in microseconds since 1970, or one more than the last where that is higher. So of two
    /// programs that use an instance set from two state directories, which should not be, the one that was started
    /// last has the higher epoch: never both the same one, with which each would take the workers from the other for ever.
    ///
    /// Blocks for up to about a second while another process has it.
    ///
    /// # Errors
    /// [`LockError`]; nothing was changed then, but for the directory.
    pub fn acquire(state_dir: &Path, set: &InstanceSetId) -> Result<Self, LockError> {
        Self::acquire_by(state_dir, set, &WallClock::system())
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_by(state_dir: &Path, set: &InstanceSetId, clock: &WallClock) -> Result<Self, LockError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| LockError::File { path, source }
        };
        fs::create_dir_all(state_dir).map_err(failed(state_dir))?;
        let path = state_dir.join(format!("{set}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            // Who can read it can hold it.
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let holder = LockHolder::read(&file);
                    return Err(LockError::Taken { set: set.clone(), path, holder });
                }
                Err(TryLockError::Error(source)) => return Err(LockError::File { path, source }),
            }
        }
        // An error leaves a lock that does not say whose it is.
        drop(LockHolder::this_process().write(&file));
        let path = state_dir.join(format!("{set}.epoch"));
        let last = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse::<u64>().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(0),
            Err(source) => return Err(LockError::File { path, source }),
        };
        let now = clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or_default();
        let next = last.and_then(|last| last.checked_add(1)).map(|next| next.max(now));
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
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By it each epoch is one more than the last.
    fn beginning_of_time() -> WallClock {
        WallClock::from_fn(|| SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn p54_one_at_a_time_and_each_with_a_higher_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let set: InstanceSetId = "a".try_into().unwrap();
        let acquire = || InstanceSetLock::acquire_by(dir.path(), &set, &beginning_of_time());
        let first = acquire().unwrap();
        assert_eq!(first.epoch(), 1);
        let error = InstanceSetLock::acquire(dir.path(), &set).unwrap_err();
        assert!(matches!(error, LockError::Taken { .. }), "{error}");
        InstanceSetLock::acquire(dir.path(), &"b".try_into().unwrap()).unwrap();
        drop(first);
        assert_eq!(acquire().unwrap().epoch(), 2);
    }

    #[test]
    fn p54_the_epoch_follows_the_clock_and_never_goes_back() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let set: InstanceSetId = "a".try_into().unwrap();
        let at = |seconds| WallClock::from_fn(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let epoch = |dir: &Path, clock| InstanceSetLock::acquire_by(dir, &set, &clock).unwrap().epoch();
        let first = epoch(dir.path(), at(1000));
        assert!(epoch(other.path(), at(1001)) > first, "who starts later has the higher one, wherever");
        assert_eq!(epoch(dir.path(), at(10)), first + 1, "clocks jump");
    }

    #[test]
    fn p54_who_is_refused_is_told_who_has_the_lock_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let set: InstanceSetId = "a".try_into().unwrap();
        let before = SystemTime::now();
        let _lock = InstanceSetLock::acquire(dir.path(), &set).unwrap();
        let begun = Instant::now();
        let error = InstanceSetLock::acquire(dir.path(), &set).unwrap_err();
        assert!(begun.elapsed() >= PATIENCE, "{:?}", begun.elapsed());
        let text = error.to_string();
        let LockError::Taken { holder: Some(holder), .. } = error else { panic!("{text}") };
        assert_eq!(holder.pid, std::process::id());
        assert!(holder.program.starts_with("pool_core"), "{holder}");
        let second = Duration::from_secs(1);
        assert!(holder.since + second >= before && holder.since <= SystemTime::now(), "{holder}");
        assert_eq!(text, format!("instance set a is used by {holder}: stop it first"));
        let expected = format!("{}, process {}, since 20", holder.program, std::process::id());
        assert!(text.contains(&expected), "{text}");
    }

    #[test]
    fn p54_a_lock_whose_holder_cannot_be_read_is_taken_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let set: InstanceSetId = "a".try_into().unwrap();
        let lock = InstanceSetLock::acquire(dir.path(), &set).unwrap();
        let path = dir.path().join("a.lock");
        let escapes = r#"{"pid":1,"program":"\u001b[2J","since":"2026-01-01T00:00:00Z"}"#;
        for content in
            [b"".as_slice(), b"{", b"\xff\xfe", b"{\"pid\":-1}", escapes.as_bytes(), &[b'x'; 10_000]]
        {
            fs::write(&path, content).unwrap();
            let error = InstanceSetLock::acquire(dir.path(), &set).unwrap_err();
            assert!(matches!(error, LockError::Taken { holder: None, .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("another program") && text.contains("a.lock"), "{text}");
        }
        drop(lock);
        // What an earlier holder left is longer than a new one writes.
        let _lock = InstanceSetLock::acquire(dir.path(), &set).unwrap();
        let holder: LockHolder = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(holder.pid, std::process::id());
    }

    #[test]
    fn p54_a_lock_that_is_given_back_within_a_moment_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let set: InstanceSetId = "a".try_into().unwrap();
        let clock = beginning_of_time();
        let acquire = || InstanceSetLock::acquire_by(dir.path(), &set, &clock);
        let lock = acquire().unwrap();
        thread::scope(|scope| {
            let next = scope.spawn(|| acquire().map(|lock| lock.epoch()));
            // Most often it has met the lock by then; whether it has is not what is asserted.
            thread::sleep(PAUSE * 5);
            drop(lock);
            assert_eq!(next.join().unwrap().unwrap(), 2);
        });
    }

    #[test]
    fn nobody_else_can_hold_the_lock_or_read_the_epoch() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let set = InstanceSetId::new("set").unwrap();
        let _lock = InstanceSetLock::acquire(dir.path(), &set).unwrap();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{:?}",
                entry.file_name()
            );
        }
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
