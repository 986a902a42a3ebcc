//! The program that runs: its hash, and how it is started again in another of its faces.

use crate::{cli, error::RunnerError, files, layout::Layout};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    process::Command,
};

/// Means the program that runs even after its file was replaced.
const OWN: &str = "/proc/self/exe";

/// A command that runs this program as a runner.
pub(crate) fn command(face: &str, layout: &Layout) -> Result<Command, RunnerError> {
    if !cli::can_run_self() {
        return Err(RunnerError::CannotRunSelf);
    }
    let mut command = Command::new(OWN);
    command.args(["runner", face, "--root"]).arg(layout.root());
    Ok(command)
}

/// SHA-256 of the program that runs, as hexadecimal digits.
pub(crate) fn hash() -> Result<String, RunnerError> {
    let mut hasher = Sha256::new();
    let mut file = File::open(OWN).map_err(RunnerError::file("read", OWN))?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(RunnerError::file("read", OWN))? {
            0 => return Ok(hex::encode(hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// Like [`hash`], but reads the program only if it is not the one that was read the last time: a program of some
/// ten megabytes would else cost every attach tens of milliseconds.
pub(crate) fn hash_cached(layout: &Layout) -> Result<String, RunnerError> {
    let identity = identity().map_err(RunnerError::file("read", OWN))?;
    let cache = layout.program_hash();
    // The cache is only a help: whatever is wrong with it, the program itself is read.
    let cached = files::read_small(&cache, 1000).ok().flatten().unwrap_or_default();
    if let Some((known, hash)) = std::str::from_utf8(&cached).ok().and_then(|text| text.split_once(' '))
        && known == identity
        && hash.len() == 64
    {
        return Ok(hash.to_owned());
    }
    let hash = hash()?;
    let _ = files::replace(&layout.dir(), "program-hash", format!("{identity} {hash}").as_bytes());
    Ok(hash)
}

/// Changes whenever the file's content does. The change time cannot be set back, unlike the modification time.
fn identity() -> io::Result<String> {
    let meta = fs::metadata(OWN)?;
    let (changed, nanos) = (meta.ctime(), meta.ctime_nsec());
    Ok(format!("{}:{}:{}:{changed}.{nanos}", meta.dev(), meta.ino(), meta.size()))
}
