//! Files that are either there as a whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Makes the directory with this mode if it is missing. Its parent must exist.
pub(crate) fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

/// Makes what a directory lists durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A new file that none but the owner can read.
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Replaces `dir/name` by `bytes`, so that a reader sees the old or the new, and durably.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!(".{name}.new"));
    let mut file = create_private(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    sync_dir(dir)
}

/// Takes the disk space for a later [`publish`] of up to `size` bytes, so that a full disk cannot prevent it.
pub(crate) fn reserve(dir: &Path, name: &str, size: usize) -> io::Result<()> {
    create_private(&dir.join(reserved(name)))?.write_all(&vec![0; size])
}

/// Lets `dir/name` appear with these bytes, durably, in the space that was [reserved](reserve) for it.
pub(crate) fn publish(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let reserved = dir.join(reserved(name));
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&reserved)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()?;
    fs::rename(&reserved, dir.join(name))?;
    sync_dir(dir)
}

fn reserved(name: &str) -> String {
    format!(".{name}.reserved")
}

/// Removes a file. That it is not there is as good.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A small file as a whole; none when it is not there.
pub(crate) fn read_small(path: &Path, largest: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(largest).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// A small JSON file; none when it is not there.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    const LARGEST: u64 = 4 * 1024 * 1024;
    let Some(bytes) = read_small(path, LARGEST)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_takes_the_place_of_what_was_reserved() {
        let dir = tempfile::tempdir().unwrap();
        reserve(dir.path(), "end", 4096).unwrap();
        assert_eq!(read_small(&dir.path().join("end"), 100).unwrap(), None);
        publish(dir.path(), "end", b"{}").unwrap();
        assert_eq!(read_small(&dir.path().join("end"), 100).unwrap().unwrap(), b"{}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_a_missing_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_json::<u32>(&dir.path().join("x")).unwrap().is_none());
        replace(dir.path(), "x", b"12").unwrap();
        assert_eq!(read_json::<u32>(&dir.path().join("x")).unwrap(), Some(12));
        replace(dir.path(), "x", b"12 apples").unwrap();
        assert!(read_json::<u32>(&dir.path().join("x")).is_err());
    }
}
