//! What is known of a run, beside its output: a file with a line of JSON for each thing that has become known.
//!
//! The daemon writes the first line, the run's keeper the others; of a run whose keeper was killed, the daemon writes the last. What
//! follows the last end of line was being written when its writer was killed, and does not count.
//!
//! One file, for a file is what costs most of a short job on many file systems. It survives the death of any process, not the loss of
//! power: that ends all jobs of the machine as well.

use pool_api::{InstanceSetId, JobSpec, RunId};
use pool_protocol::RunEnd;
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// More than all lines after the first can be long: their texts are bounded.
const RESERVED: u64 = 3 * 4096;
/// A journal is shorter than this.
const LARGEST: u64 = 4 * 1024 * 1024;

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
    /// The last line has no end: somebody was killed, or the disk is full.
    torn: bool,
}

impl Journal {
    /// Makes one with its first line, and takes the disk space for the others, so that a full disk cannot prevent them.
    pub(crate) fn create(path: &Path, record: RunRecord) -> io::Result<RunRecord> {
        let entry = Entry::Accepted(record);
        let line = line(&entry)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, line.len() as u64 + RESERVED) {
            // Some file systems cannot promise room.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        file.write_all(&line)?;
        match entry {
            Entry::Accepted(record) => Ok(record),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Opens one to add to it. Gives what it holds, too.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Content)> {
        let mut file = OpenOptions::new().read(true).append(true).open(path)?;
        let content = Content::read(&mut file, 0)?;
        let torn = content.end < file.metadata()?.len();
        Ok((Self { file, torn }, content))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// It may be there in part; the next one does not suffer from that.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = line(entry)?;
        if self.torn {
            line.insert(0, b'\n');
        }
        self.torn = true;
        self.file.write_all(&line)?;
        self.torn = false;
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
            Ok(mut file) => Self::read(&mut file, from).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(file: &mut File, from: u64) -> io::Result<Self> {
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut content = Self { end: from + whole as u64, ..Self::default() };
        for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(entry) => content.entries.push(entry),
                Err(_) => content.damaged |= from == 0 && number == 0,
            }
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_api::JobId;
    use std::fs;

    fn record() -> RunRecord {
        RunRecord {
            instance_set: InstanceSetId::new("set").unwrap(),
            run: RunId::new(JobId::new("a").unwrap(), 1),
            spec: JobSpec::new(["true"]),
            accepted_ms: 7,
        }
    }

    #[test]
    fn what_is_added_is_read_from_where_the_last_reading_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert!(Content::of(&path, 0).unwrap().is_none());
        Journal::create(&path, record()).unwrap();
        assert!(Journal::create(&path, record()).is_err(), "a second one in its place");
        let first = Content::of(&path, 0).unwrap().unwrap();
        assert!(matches!(&first.entries[..], [Entry::Accepted(found)] if found.accepted_ms == 7));

        let (mut journal, content) = Journal::open(&path).unwrap();
        assert_eq!((content.entries.len(), content.end), (1, first.end));
        journal.append(&Entry::Started { at_ms: 8 }).unwrap();
        let more = Content::of(&path, first.end).unwrap().unwrap();
        assert!(matches!(more.entries[..], [Entry::Started { at_ms: 8 }]), "{more:?}");
        assert_eq!(more.end, fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn a_torn_line_does_not_count_and_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        Journal::create(&path, record()).unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"started\":{\"at").unwrap();
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
    fn a_first_line_that_makes_no_sense_is_told_from_one_that_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        fs::write(&path, "{").unwrap();
        assert!(matches!(Content::of(&path, 0).unwrap().unwrap(), Content { damaged: false, end: 0, .. }));
        fs::write(&path, "{\n").unwrap();
        assert!(Content::of(&path, 0).unwrap().unwrap().damaged);
    }
}
