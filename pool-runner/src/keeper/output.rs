//! The job's two streams, from its pipes to the run's files.

use crate::layout::RunDir;
use pool_protocol::{OutputStream, StreamSize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

/// Most bytes that are still taken after the job has ended, in case that a process which could not be ended goes
/// on writing.
const MOST_AFTER_END: u64 = 16 * 1024 * 1024;

/// Both streams.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
}

impl Streams {
    /// `limit` is in bytes, for each.
    pub(super) fn new(dir: &RunDir, limit: u64) -> Self {
        let stream = |stream| Stream::new(dir.output(stream), limit);
        let (stdout, stderr) = (stream(OutputStream::Stdout), stream(OutputStream::Stderr));
        Self { stdout, stderr }
    }

    pub(super) fn connect(&mut self, stdout: File, stderr: File) {
        self.stdout.pipe = Some(stdout);
        self.stderr.pipe = Some(stderr);
    }

    pub(super) fn of(&self, stream: OutputStream) -> &Stream {
        match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        }
    }

    /// Moves one chunk. Call it when the stream's pipe is readable.
    ///
    /// # Errors
    /// The file could not be written. The pipe is emptied nevertheless, now and later, so that the job does not
    /// hang.
    pub(super) fn pump(&mut self, stream: OutputStream, buffer: &mut [u8]) -> io::Result<()> {
        let stream = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        stream.pump(buffer).map(|_| ())
    }

    /// Takes what is left in the pipes, and adds the notes.
    pub(super) fn finish(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let stdout = self.stdout.finish(buffer);
        let stderr = self.stderr.finish(buffer);
        stdout.and(stderr)
    }
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// None once all writers have closed it.
    pub(super) pipe: Option<File>,
    path: PathBuf,
    /// None until there is something to be written.
    file: Option<File>,
    limit: u64,
    size: StreamSize,
    ends_line: bool,
    /// Nothing more is written once a write has failed: a gap inside the output would be worse than its end.
    failed: bool,
}

impl Stream {
    fn new(path: PathBuf, limit: u64) -> Self {
        Self {
            pipe: None,
            path,
            file: None,
            limit,
            size: StreamSize::default(),
            ends_line: true,
            failed: false,
        }
    }

    pub(super) fn size(&self) -> StreamSize {
        self.size
    }

    /// The number of bytes that were taken; 0 at the end.
    fn pump(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        match pipe.read(buffer) {
            Ok(0) => {
                self.pipe = None;
                Ok(0)
            }
            Ok(length) => self.take(&buffer[..length]).map(|()| length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => {
                self.pipe = None;
                Err(error)
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.limit.saturating_sub(self.size.kept)).unwrap_or(usize::MAX);
        let (keep, cut) = bytes.split_at(if self.failed { 0 } else { room.min(bytes.len()) });
        self.size.cut += cut.len() as u64;
        self.write(keep)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_some(bytes) {
                Ok(length) if length > 0 => {
                    self.size.kept += length as u64;
                    self.ends_line = bytes[length - 1] == b'\n';
                    bytes = &bytes[length..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    self.failed = true;
                    self.size.cut += bytes.len() as u64;
                    return Err(other.err().unwrap_or_else(|| io::ErrorKind::WriteZero.into()));
                }
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                none.insert(OpenOptions::new().append(true).create_new(true).mode(0o600).open(&self.path)?)
            }
        };
        file.write(bytes)
    }

    fn finish(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut result = Ok(());
        if let Some(pipe) = &self.pipe {
            // Whoever still holds the other end (handed out of the run, or not to be killed) is not waited for.
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let mut taken = 0;
        while self.pipe.is_some() && taken < MOST_AFTER_END {
            match self.pump(buffer) {
                Ok(length) => taken += length as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.pipe = None,
                Err(error) => result = Err(error),
            }
        }
        self.pipe = None;
        if self.size.cut > 0 && !self.failed {
            let line_end = if self.ends_line { "" } else { "\n" };
            let note = format!("{line_end}[pool: {} bytes cut]\n", self.size.cut);
            result = result.and(self.write(note.as_bytes()));
        }
        result
    }
}
