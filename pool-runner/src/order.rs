//! What the daemon asks of a keeper, one JSON line each, through the keeper's FIFO.
//!
//! A line is shorter than `PIPE_BUF`, so that it arrives as a whole or not at all. The FIFO is the keeper's standard
//! input from its very beginning and open for reading nowhere else: so a daemon, this one or a later one, knows that
//! the keeper lives as long as it can open the FIFO for writing, and `poll` tells when that ends. No process number
//! is trusted for that. Each run's directory has a name for the FIFO of its keeper, so that a later daemon finds it.
//!
//! A keeper may keep another run by the time when an order arrives: each names its run.
//!
//! What a keeper has to say, it says in the line to the daemon that has started it, a byte each.

use crate::text;
use pool_api::RunId;
use pool_protocol::{KillTimes, OutputStream};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// A keeper says: there is news of its run.
pub(crate) const NEWS: u8 = b'.';
/// A keeper says: its run has ended, and it waits for the next.
pub(crate) const NEXT: u8 = b'\n';

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) run: RunId,
    #[serde(flatten)]
    pub(crate) act: Act,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Act {
    /// End the run.
    Kill { reason: String, times: KillTimes },
    /// Notify the daemon, once, when the stream's file is longer than this.
    Tell { stream: OutputStream, beyond: u64 },
}

impl Act {
    pub(crate) fn kill(reason: &str, times: KillTimes) -> Self {
        Self::Kill { reason: text::reason(reason), times }
    }
}

/// Makes a FIFO that none but the owner can use.
pub(crate) fn make_fifo(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, Mode, mkfifoat};
    Ok(mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?)
}

/// Both ends of a FIFO. Opening it so never blocks, and it never ends.
pub(crate) fn open_both(path: &Path) -> io::Result<File> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).write(true).custom_flags(nonblock).open(path)
}

/// The writing end of a FIFO; none when nobody has it open for reading.
pub(crate) fn open_writer(path: &Path) -> io::Result<Option<File>> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    match OpenOptions::new().write(true).custom_flags(nonblock).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends an order. Fails when the keeper has ended, or does not read.
pub(crate) fn send(mut control: &File, order: &Order) -> io::Result<()> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    control.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_order_is_written_at_once() {
        let times = KillTimes { signal_every_ms: u64::MAX, kill_after_ms: u64::MAX };
        let run = RunId::new(pool_api::JobId::new("j".repeat(128)).unwrap(), u32::MAX);
        let act = Act::kill(&"\"".repeat(100_000), times);
        let line = serde_json::to_vec(&Order { run, act }).unwrap();
        // PIPE_BUF on Linux.
        assert!(line.len() < 4096, "{}", line.len());
    }

    #[test]
    fn a_fifo_tells_whether_somebody_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        make_fifo(&path).unwrap();
        assert!(open_writer(&path).unwrap().is_none());
        let both = open_both(&path).unwrap();
        assert!(open_writer(&path).unwrap().is_some());
        drop(both);
        assert!(open_writer(&path).unwrap().is_none());
    }
}
