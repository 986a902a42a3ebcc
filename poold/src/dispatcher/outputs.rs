//! The output of jobs in the state directory.

use bytes::Bytes;
use pool_core::OutputStream;
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Jobs in one directory: a million entries in one are slow to list on some file systems.
const JOBS_A_DIRECTORY: u64 = 1000;
/// Most bytes that are read at once.
const MAX_PIECE: u64 = 256 * 1024;

/// Where outputs are: `DIR/<thousands>/<job's number>/<run>.stdout` and `.stderr`.
#[derive(Clone, Debug)]
pub(crate) struct OutputStore {
    dir: PathBuf,
}

impl OutputStore {
    /// Keeps outputs in this directory, which is made for this user alone if need be: jobs print what they like.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self { dir })
    }

    /// Where they are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn job(&self, number: u64) -> PathBuf {
        self.dir.join((number / JOBS_A_DIRECTORY).to_string()).join(number.to_string())
    }

    /// The file of a run's stream.
    pub(crate) fn file(&self, number: u64, run: u32, stream: OutputStream) -> PathBuf {
        self.job(number).join(format!("{run}.{stream}"))
    }

    /// How much is stored of a run's stream.
    pub(crate) fn size(&self, number: u64, run: u32, stream: OutputStream) -> u64 {
        fs::metadata(self.file(number, run, stream)).map_or(0, |metadata| metadata.len())
    }

    /// A piece of a run's stream; empty where there is nothing (yet).
    pub(crate) fn read(&self, number: u64, run: u32, stream: OutputStream, offset: u64) -> io::Result<Bytes> {
        let mut file = match File::open(self.file(number, run, stream)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Bytes::new()),
            Err(error) => return Err(error),
        };
        // No file can be asked for a place beyond the largest signed number.
        if offset >= file.metadata()?.len() {
            return Ok(Bytes::new());
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut data = Vec::new();
        file.take(MAX_PIECE).read_to_end(&mut data)?;
        Ok(data.into())
    }

    /// Deletes all that is stored of a job.
    pub(crate) fn delete(&self, number: u64) -> io::Result<()> {
        let dir = self.job(number);
        match fs::remove_dir_all(&dir) {
            Ok(()) => {
                // The last of its thousand takes their directory with it.
                dir.parent().map_or(Ok(()), fs::remove_dir).or_else(|error| match error.kind() {
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Writes one stream of one run.
///
/// What an earlier process has stored of it is read again from its beginning, into a second file that takes the first
/// one's place as soon as it holds as much: after a loss of power the first may hold anything, and if the worker is lost
/// before, what it holds is all there is.
#[derive(Debug)]
pub(crate) struct OutputWriter {
    path: PathBuf,
    new: Option<PathBuf>,
    /// How much an earlier process has stored.
    earlier: u64,
    written: u64,
}

impl OutputWriter {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let earlier = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let new = (earlier > 0).then(|| path.with_extension(format!("{}.new", extension(&path))));
        if let Some(new) = &new {
            File::create(new)?;
        }
        Ok(Self { path, new, earlier, written: 0 })
    }

    /// Where the next piece begins.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn append(&mut self, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let path = self.new.as_ref().unwrap_or(&self.path);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file = File::options().create(true).truncate(false).write(true).open(path)?;
        // At its place, so that asking again after a full disk leaves no half piece behind.
        file.seek(SeekFrom::Start(self.written))?;
        file.write_all(data)?;
        self.written += data.len() as u64;
        if self.written >= self.earlier {
            self.take_place()?;
        }
        Ok(())
    }

    fn take_place(&mut self) -> io::Result<()> {
        if let Some(new) = &self.new {
            fs::rename(new, &self.path)?;
            self.new = None;
        }
        Ok(())
    }

    /// All has come: makes it durable. Returns its size.
    pub(crate) fn finish(&mut self) -> io::Result<u64> {
        self.take_place()?;
        match File::open(&self.path) {
            Ok(file) => {
                file.sync_all()?;
                // The job's, that of its thousand, and the one that holds those: each may be new.
                for dir in self.path.ancestors().skip(1).take(3) {
                    File::open(dir)?.sync_all()?;
                }
            }
            // A stream without output has no file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(self.written)
    }
}

impl Drop for OutputWriter {
    fn drop(&mut self) {
        if let Some(new) = &self.new {
            // Holds less than what it was to replace.
            drop(fs::remove_file(new));
        }
    }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: OutputStream = OutputStream::Stdout;

    #[test]
    fn what_is_written_is_read_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let store = OutputStore::open(dir.path().join("outputs")).unwrap();
        let mut writer = OutputWriter::open(store.file(1700, 1, OUT)).unwrap();
        assert!(store.read(1700, 1, OUT, 0).unwrap().is_empty());
        writer.append(b"one ").unwrap();
        writer.append(b"two").unwrap();
        assert_eq!(writer.finish().unwrap(), 7);
        assert_eq!(store.read(1700, 1, OUT, 4).unwrap(), "two");
        assert!(store.read(1700, 1, OUT, u64::MAX).unwrap().is_empty());
        assert_eq!(store.size(1700, 1, OUT), 7);
        store.delete(1700).unwrap();
        store.delete(1700).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("outputs")).unwrap().count(), 0);
    }

    #[test]
    fn nobody_else_can_read_outputs() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let outputs = dir.path().join("outputs");
        OutputStore::open(outputs.clone()).unwrap();
        assert_eq!(fs::metadata(outputs).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_an_earlier_process_stored_stays_until_as_much_has_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = OutputStore::open(dir.path().to_owned()).unwrap();
        let path = store.file(1, 2, OUT);
        let mut first = OutputWriter::open(path.clone()).unwrap();
        first.append(b"hello wo").unwrap();
        drop(first);
        let mut lost = OutputWriter::open(path.clone()).unwrap();
        lost.append(b"hello").unwrap();
        assert_eq!(store.read(1, 2, OUT, 0).unwrap(), "hello wo");
        drop(lost);
        let mut second = OutputWriter::open(path.clone()).unwrap();
        second.append(b"hello").unwrap();
        second.append(b" world").unwrap();
        assert_eq!(store.read(1, 2, OUT, 0).unwrap(), "hello world");
        assert_eq!(second.finish().unwrap(), 11);
        drop(second);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn an_append_after_a_failed_one_leaves_no_half_piece() {
        let dir = tempfile::tempdir().unwrap();
        let store = OutputStore::open(dir.path().to_owned()).unwrap();
        let path = store.file(1, 1, OUT);
        let mut writer = OutputWriter::open(path.clone()).unwrap();
        writer.append(b"abc").unwrap();
        // As a write that ran out of room half-way leaves it.
        File::options().append(true).open(&path).unwrap().write_all(b"de").unwrap();
        writer.append(b"def").unwrap();
        writer.finish().unwrap();
        assert_eq!(store.read(1, 1, OUT, 0).unwrap(), "abcdef");
    }
}
