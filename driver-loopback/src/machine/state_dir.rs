//! The directory that holds an instance set's instances.

use super::{InstanceDir, directory::write_private};
use crate::model::Record;
use pool_api::{DriverConfigError, DriverContext, InstanceId, InstanceSetId};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// The file by which a state directory is recognised.
const MARKER: &str = "LOOPBACK";
/// The marker while it is being written.
const NEW_MARKER: &str = "LOOPBACK.new";
/// The file that the process which serves the instances has locked.
const LOCK: &str = "lock";
/// What this code writes. A directory of another format is refused.
const FORMAT: u32 = 1;
/// The longest root of an instance, in bytes. Runners put sockets there, whose paths have 107 bytes at most.
const LONGEST_ROOT: usize = 88;
/// Hexadecimal digits in an instance id.
pub(crate) const ID_DIGITS: usize = 12;

/// What the marker says.
#[derive(Serialize, Deserialize)]
struct Marker {
    format: u32,
    instance_set: InstanceSetId,
}

/// A state directory that no other process serves while this exists.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    lock: File,
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // To close the file is not enough: a child that another thread is starting just now holds it too, until it runs
        // its program.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "a state directory stays locked until this process ends");
        }
    }
}

impl StateDir {
    /// Opens or makes the directory, locks it, and reads which instances it holds. Removes what a crash has left of
    /// creates that were never accepted.
    pub(crate) fn open(context: &DriverContext) -> Result<(Self, Vec<Record>), DriverConfigError> {
        let path = make(&context.state_dir)?;
        if path.to_str().is_none() {
            return Err(wrong(&path, "is not valid UTF-8; choose a directory that is"));
        }
        let longest = path.as_os_str().len() + "/i-/root".len() + ID_DIGITS;
        if longest > LONGEST_ROOT {
            let problem = format!(
                "is {} bytes too long for the paths of the sockets in it; choose a shorter one",
                longest - LONGEST_ROOT
            );
            return Err(wrong(&path, problem));
        }
        let lock = lock(&path)?;
        check_marker(&path, &context.instance_set)?;
        let records = load(&path)?;
        Ok((Self { path, lock }, records))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn wrong(path: &Path, problem: impl Into<String>) -> DriverConfigError {
    DriverConfigError::new(path.display().to_string(), problem)
}

fn failed(path: &Path, what: &str) -> impl FnOnce(io::Error) -> DriverConfigError {
    let error = wrong(path, format!("cannot be {what}"));
    move |source| error.because(source)
}

/// Makes the directory if need be, and refuses one with anything in it that is not ours.
fn make(wanted: &Path) -> Result<PathBuf, DriverConfigError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(wanted).map_err(failed(wanted, "made"))?;
    let path = wanted.canonicalize().map_err(failed(wanted, "found"))?;
    if path.join(MARKER).exists() {
        return Ok(path);
    }
    for entry in fs::read_dir(&path).map_err(failed(&path, "read"))? {
        let name = entry.map_err(failed(&path, "read"))?.file_name();
        // A crash may have left these two of a first start.
        if name != LOCK && name != NEW_MARKER {
            let problem = format!(
                "is not empty and has no file {MARKER}, so it is not the loopback driver's; name an empty directory or one that \
                 does not exist"
            );
            return Err(wrong(&path, problem));
        }
    }
    Ok(path)
}

fn lock(path: &Path) -> Result<File, DriverConfigError> {
    let file = path.join(LOCK);
    let lock = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file)
        .map_err(failed(&file, "opened"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(wrong(
            path,
            "is served by another process, or by another part of this one; stop that first, or name another directory",
        )),
        Err(TryLockError::Error(error)) => Err(failed(&file, "locked")(error)),
    }
}

/// Reads the marker, or writes it into a directory that is new.
fn check_marker(path: &Path, instance_set: &InstanceSetId) -> Result<(), DriverConfigError> {
    let file = path.join(MARKER);
    match fs::read(&file) {
        Ok(text) => {
            let marker: Marker = serde_json::from_slice(&text).map_err(|error| {
                wrong(&file, "is not the loopback driver's; name another directory").because(error)
            })?;
            if marker.format != FORMAT {
                let problem = format!("has format {}, and this program knows only {FORMAT}", marker.format);
                return Err(wrong(&file, problem));
            }
            if marker.instance_set != *instance_set {
                let problem = format!(
                    "holds the instances of the instance set {}, not of {instance_set}; name another directory",
                    marker.instance_set
                );
                return Err(wrong(path, problem));
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let marker = Marker { format: FORMAT, instance_set: instance_set.clone() };
            let new = path.join(NEW_MARKER);
            serde_json::to_vec(&marker)
                .map_err(io::Error::from)
                .and_then(|text| write_private(&new, &text))
                .and_then(|()| fs::rename(&new, &file))
                .map_err(failed(&file, "written"))
        }
        Err(error) => Err(failed(&file, "read")(error)),
    }
}

fn load(path: &Path) -> Result<Vec<Record>, DriverConfigError> {
    let mut records = Vec::new();
    for entry in fs::read_dir(path).map_err(failed(path, "read"))? {
        let name = entry.map_err(failed(path, "read"))?.file_name();
        let Some(id) = instance_id(name.as_bytes()) else { continue };
        let dir = InstanceDir::new(path, &id);
        match dir.load() {
            Ok(Some(record)) if record.id == id => records.push(record),
            Ok(Some(record)) => {
                let problem = format!("is the record of {}; move the directory back or remove it", record.id);
                return Err(wrong(&dir.path().join("instance.json"), problem));
            }
            Ok(None) => dir.remove().map_err(|error| {
                wrong(dir.path(), "is left of a create that was never accepted, and cannot be removed")
                    .because(error)
            })?,
            Err(error) => return Err(failed(&dir.path().join("instance.json"), "read")(error)),
        }
    }
    Ok(records)
}

/// The id that a directory's name is, if it is one of ours.
fn instance_id(name: &[u8]) -> Option<InstanceId> {
    let digits = name.strip_prefix(b"i-")?;
    let ours = digits.len() == ID_DIGITS && digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    ours.then(|| std::str::from_utf8(name).ok().and_then(|name| InstanceId::new(name).ok())).flatten()
}
