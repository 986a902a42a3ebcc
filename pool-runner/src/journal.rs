//! What is known of a run, beside its output: a file with a line of JSON for each thing that has become known.
//!
//! The daemon writes the first line, the run's keeper the others; of a run whose keeper was killed, the daemon writes the last. What
//! follows the last whole line does not count: it is zeros, which were written to have the space for further lines, or a line that is being
//! written, or was when its writer was killed.
//!
//! One file, for a file is what costs most of a short job on many file systems. It survives the death of any process, not the loss of
//! power: that ends all jobs of the machine as well.

use crate::files;
use pool_api::{InstanceSetId, JobSpec, RunId};
use pool_protocol::RunEnd;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

/// More than all lines after the first can be long, in bytes: their texts are bounded (see the test below).
const RESERVED: usize = 2048;
/// Most journals are shorter, in bytes.
const USUAL: usize = 4096;
/// All are shorter, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The first: there before the start is acknowledged, and before anything is started.
    Accepted(RunRecord),
    /// Its keeper has it. As long as this is not there, no job was started.
    Kept(ProcessId),
    /// Its process runs.
    Started {
        /// Milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// The last.
    Ended(RunEnd),
}

/// What is to be run. It holds the job's environment, secrets included, in a file that only its owner can read, until the
/// run is forgotten.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) instance_set: InstanceSetId,
    pub(crate) run: RunId,
    pub(crate) spec: JobSpec,
    /// Milliseconds since the Unix epoch.
    pub(crate) accepted_ms: u64,
}

/// A process, such that a later one with the same number is not taken for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// When it was started, in clock ticks since boot: `/proc/<pid>/stat`, field 22.
    pub(crate) start_ticks: u64,
    /// Which boot.
    pub(crate) boot_id: String,
}

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// Where the next line goes.
    end: u64,
}

impl Journal {
    /// Makes one with its first line, in the place of what there was, and takes the disk space for the others, so that a full
    /// disk cannot prevent them: by zeros, for these never reach the disk if the run is forgotten soon. Returns where that line
    /// ends.
    pub(crate) fn create(path: &Path, entry: &Entry) -> io::Result<u64> {
        let mut bytes = line(entry)?;
        let end = bytes.len();
        bytes.resize(end + RESERVED, 0);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(&bytes)?;
        Ok(end as u64)
    }

    /// Opens one to add to it. Gives what it holds, too.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Content)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let content = Content::read(&file, 0)?;
        Ok((Self { file, end: content.end }, content))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// It may be there in part; the next one takes its place.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let line = line(entry)?;
        self.file.write_all_at(&line, self.end)?;
        self.end += line.len() as u64;
        Ok(())
    }

    /// Whether this is the file of that name. A job can have deleted it, or moved it away.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match fs::symlink_metadata(path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes it anew, in the place of what there is, and goes on there.
    pub(crate) fn restore(&mut self, path: &Path) -> io::Result<()> {
        let bytes = read_at(&self.file, 0)?;
        files::remove(path)?;
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&bytes)?;
        self.file = file;
        Ok(())
    }
}

fn line(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// What was read of a journal.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) entries: Vec<Entry>,
    /// Where the last whole line ends.
    pub(crate) end: u64,
    /// The first line is whole and makes no sense. Others that make none are of another release, or were torn.
    pub(crate) damaged: bool,
}

impl Content {
    /// Reads the whole lines from this place on; none where there is no file.
    pub(crate) fn of(path: &Path, from: u64) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Self::read(&file, from).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(file: &File, from: u64) -> io::Result<Self> {
        let bytes = read_at(file, from)?;
        let mut content = Self { end: from, ..Self::default() };
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What was reserved, or a line that was just being written: its writer tells when it is whole.
            if !line.ends_with(b"\n") || line.contains(&0) {
                break;
            }
            match serde_json::from_slice(line) {
                Ok(entry) => content.entries.push(entry),
                Err(_) => content.damaged |= content.end == 0,
            }
            content.end += line.len() as u64;
        }
        Ok(content)
    }
}

/// All from this place on. Most journals need one read for that.
fn read_at(file: &File, from: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; USUAL];
    let mut length = 0;
    loop {
        match file.read_at(&mut bytes[length..], from + length as u64) {
            Ok(more) if length + more < bytes.len() => {
                bytes.truncate(length + more);
                return Ok(bytes);
            }
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length >= LARGEST {
            return Err(io::Error::other(format!("it is longer than {LARGEST} bytes")));
        }
        bytes.resize(length * 2, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_api::JobId;

    fn record() -> Entry {
        Entry::Accepted(RunRecord {
            instance_set: InstanceSetId::new("set").unwrap(),
            run: RunId::new(JobId::new("a").unwrap(), 1),
            spec: JobSpec::new(["true"]),
            accepted_ms: 7,
        })
    }

    #[test]
    fn what_is_added_is_read_from_where_the_last_reading_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert!(Content::of(&path, 0).unwrap().is_none());
        let end = Journal::create(&path, &record()).unwrap();
        let first = Content::of(&path, 0).unwrap().unwrap();
        assert!(matches!(&first.entries[..], [Entry::Accepted(found)] if found.accepted_ms == 7));

        let (mut journal, content) = Journal::open(&path).unwrap();
        assert_eq!((content.entries.len(), content.end, first.end), (1, end, end));
        journal.append(&Entry::Started { at_ms: 8 }).unwrap();
        let more = Content::of(&path, first.end).unwrap().unwrap();
        assert!(matches!(more.entries[..], [Entry::Started { at_ms: 8 }]), "{more:?}");
        assert!(more.end > end);
    }

    #[test]
    fn a_torn_line_does_not_count_and_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let end = Journal::create(&path, &record()).unwrap();
        let torn = b"{\"started\":{\"at_ms\":123456";
        File::options().write(true).open(&path).unwrap().write_all_at(torn, end).unwrap();
        let content = Content::of(&path, 0).unwrap().unwrap();
        assert_eq!((content.entries.len(), content.damaged), (1, false));
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&Entry::Started { at_ms: 8 }).unwrap();
        let content = Content::of(&path, 0).unwrap().unwrap();
        assert!(
            matches!(content.entries[..], [Entry::Accepted(_), Entry::Started { at_ms: 8 }]),
            "{content:?}"
        );
        assert!(!content.damaged);
    }

    #[test]
    fn a_line_that_is_read_while_it_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let end = Journal::create(&path, &record()).unwrap();
        let whole = line(&Entry::Started { at_ms: 8 }).unwrap();
        // The reader was ahead of the writer at first: it has the end of the line, and not its beginning.
        let half = [&vec![0; whole.len() / 2][..], &whole[whole.len() / 2..]].concat();
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&half, end).unwrap();
        let content = Content::of(&path, end).unwrap().unwrap();
        assert_eq!((content.entries.len(), content.end), (0, end));
        file.write_all_at(&whole, end).unwrap();
        let content = Content::of(&path, end).unwrap().unwrap();
        assert!(matches!(content.entries[..], [Entry::Started { at_ms: 8 }]), "{content:?}");
    }

    #[test]
    fn a_first_line_that_makes_no_sense_is_told_from_one_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        fs::write(&path, "{").unwrap();
        assert!(matches!(Content::of(&path, 0).unwrap().unwrap(), Content { damaged: false, end: 0, .. }));
        fs::write(&path, "{\n").unwrap();
        assert!(Content::of(&path, 0).unwrap().unwrap().damaged);
    }

    #[test]
    fn a_long_journal_is_read_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let Entry::Accepted(mut record) = record() else { panic!() };
        record.spec.command.push("x".repeat(3 * USUAL));
        let end = Journal::create(&path, &Entry::Accepted(record)).unwrap();
        let content = Content::of(&path, 0).unwrap().unwrap();
        assert_eq!((content.entries.len(), content.end), (1, end));
        assert!(Content::of(&path, end).unwrap().unwrap().entries.is_empty());
    }

    #[test]
    fn all_further_lines_have_room_in_what_was_reserved() {
        use pool_protocol::{Outcome, StreamSize};
        let reason = crate::text::reason(&"\"".repeat(10_000));
        let size = StreamSize { kept: u64::MAX, cut: u64::MAX };
        let process = ProcessId { pid: i32::MAX, start_ticks: u64::MAX, boot_id: "x".repeat(36) };
        let end = RunEnd {
            outcome: Outcome::OutputFailed { reason: reason.clone() },
            killed: Some(reason),
            started_ms: Some(u64::MAX),
            ended_ms: u64::MAX,
            peak_memory: Some(u64::MAX),
            cpu_time_ms: Some(u64::MAX),
            stdout: size,
            stderr: size,
        };
        let all = [Entry::Kept(process), Entry::Started { at_ms: u64::MAX }, Entry::Ended(end)];
        assert!(all.iter().map(|entry| line(entry).unwrap().len()).sum::<usize>() <= RESERVED);
    }
}
