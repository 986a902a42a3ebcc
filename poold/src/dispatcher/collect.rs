//! Fetching a run's output from its worker into the state directory.

use super::{
    outputs::{OutputStore, OutputWriter},
    tail::Tail,
};
use pool_core::{JobId, OutputStream, Pool, ReadError, RequestError};
use prometheus::IntCounter;
use std::{io, time::Duration};
use tokio::time::{sleep, timeout};

/// The output of a run that is not over by then is fetched as it comes, so that it is not lost with its worker. Most
/// jobs are shorter and need no more than one read of each stream.
const FETCH_AFTER: Duration = Duration::from_secs(1);
/// From one small piece of output to the next.
const BETWEEN_PIECES: Duration = Duration::from_secs(1);
/// A piece that is as large is followed by the next at once.
const LARGE_PIECE: usize = 64 * 1024;
/// First pause before a read is tried again that failed; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A runner that says so often in a row that it cannot read a run's output will never be able to.
const MAX_REFUSALS: u32 = 10;

/// Which run's output is fetched, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Collect {
    pub(crate) pool: Pool,
    pub(crate) outputs: OutputStore,
    pub(crate) number: u64,
    pub(crate) id: JobId,
    pub(crate) run: u32,
    pub(crate) tail: Tail,
    /// The run is over: there is nothing to wait for.
    pub(crate) over: bool,
    /// Counts bytes.
    pub(crate) fetched: IntCounter,
}

/// What was stored of a run's output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Collected {
    pub(crate) number: u64,
    pub(crate) run: u32,
    pub(crate) stdout: u64,
    pub(crate) stderr: u64,
    /// All that the runner had; else its worker was lost on the way.
    pub(crate) complete: bool,
}

/// Why a stream could not be stored (yet).
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{0}")]
    Write(#[from] io::Error),
}

impl StoreError {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Read(ReadError::Refused(_)))
    }

    /// No more of the output will come, after so many refusals in a row.
    ///
    /// A runner that knows the run and cannot read its output may be short of something: what it has is deleted once
    /// it is given up here, so it is asked again.
    fn is_final(&self, refusals: u32) -> bool {
        match self {
            Self::Read(ReadError::Gone | ReadError::Refused(RequestError::UnknownRun)) => true,
            Self::Read(_) | Self::Write(_) => refusals >= MAX_REFUSALS,
        }
    }
}

impl Collect {
    /// Fetches until all is stored and durable, or the worker is gone. A full disk, or a worker that cannot be reached,
    /// is waited for. Never ends once the pool has stopped.
    ///
    /// # Cancel safety
    /// May be dropped at any time: what is stored stays, and another one begins anew.
    pub(crate) async fn run(self) -> Collected {
        if !self.over {
            self.pause(FETCH_AFTER).await;
        }
        let (stdout, stderr) =
            tokio::join!(self.stream(OutputStream::Stdout), self.stream(OutputStream::Stderr));
        let complete = stdout.is_some() && stderr.is_some();
        let stored = |size: Option<u64>, stream| {
            size.unwrap_or_else(|| self.outputs.size(self.number, self.run, stream))
        };
        Collected {
            number: self.number,
            run: self.run,
            stdout: stored(stdout, OutputStream::Stdout),
            stderr: stored(stderr, OutputStream::Stderr),
            complete,
        }
    }

    /// Waits until somebody wants the output, or the run has ended, but no longer than this.
    async fn pause(&self, most: Duration) {
        // Cancel safety: all three lose nothing that matters when dropped.
        tokio::select! {
            biased;
            () = self.tail.wanted() => {}
            () = sleep(most) => {}
            () = self.tail.over(self.run) => {}
        }
    }

    /// The size of what was stored; none when the worker is gone before all was, or cannot read it.
    async fn stream(&self, stream: OutputStream) -> Option<u64> {
        let mut writer = None;
        let mut pause = FIRST_PAUSE;
        let (mut failures, mut refusals) = (0_u32, 0_u32);
        loop {
            let before = writer.as_ref().map_or(0, OutputWriter::written);
            let error = match self.fetch(stream, &mut writer).await {
                Ok(size) => return Some(size),
                // Nothing is to be learnt from that: the next process begins anew.
                Err(StoreError::Read(ReadError::Stopped)) => std::future::pending().await,
                Err(error) => error,
            };
            if writer.as_ref().map_or(0, OutputWriter::written) > before {
                (pause, failures, refusals) = (FIRST_PAUSE, 0, 0);
            }
            refusals = if error.is_refusal() { refusals + 1 } else { 0 };
            if error.is_final(refusals) {
                return None;
            }
            failures = failures.saturating_add(1);
            // A full disk is tried on for as long as it lasts: once is enough to say so there.
            if failures == 1 {
                tracing::warn!(job = %self.id, %stream, %error, "output could not be stored: trying on");
            }
            if matches!(error, StoreError::Read(_)) {
                // Ends early when there is news of the job: its worker may be back, or gone.
                let mut changes = self.pool.subscribe();
                drop(timeout(pause, changes.changed()).await);
                sleep(FIRST_PAUSE).await;
            } else {
                sleep(pause).await;
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn fetch(
        &self,
        stream: OutputStream,
        writer: &mut Option<OutputWriter>,
    ) -> Result<u64, StoreError> {
        let writer = match writer {
            Some(writer) => writer,
            None => writer.insert(OutputWriter::open(self.outputs.file(self.number, self.run, stream))?),
        };
        loop {
            let chunk = self.pool.read_output(&self.id, stream, writer.written(), true).await?;
            if !chunk.data.is_empty() {
                writer.append(&chunk.data)?;
                self.fetched.inc_by(chunk.data.len() as u64);
                self.tail.moved();
            }
            if chunk.last {
                return Ok(writer.finish()?);
            }
            if chunk.data.len() < LARGE_PIECE && !self.tail.is_followed() {
                // A job that prints all the time must not be asked all the time, unless somebody looks on.
                self.pause(BETWEEN_PIECES).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_given_up_only_when_it_cannot_come_any_more() {
        let read = |error| StoreError::Read(error);
        let refused = |error| read(ReadError::Refused(error));
        let cannot_read = refused(RequestError::Invalid { detail: "too many open files".to_owned() });
        assert!(!cannot_read.is_final(1) && cannot_read.is_final(MAX_REFUSALS));
        assert!(refused(RequestError::UnknownRun).is_final(1));
        assert!(read(ReadError::Gone).is_final(0));
        assert!(!read(ReadError::Unreachable("no route".to_owned())).is_final(0));
        assert!(!StoreError::Write(io::ErrorKind::StorageFull.into()).is_final(0));
    }
}
