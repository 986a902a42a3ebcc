//! Answers to reads of output, at once or when there is something.

use super::{Daemon, session::SessionId};
use crate::order::{self, Act, Order};
use pool_api::RunId;
use pool_protocol::{MAX_READ, OutputChunk, OutputStream, RequestError, RequestId, ToPool};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

/// Most reads that wait at once. Further ones are answered at once, with nothing.
const MOST_WAITING: usize = 1000;

/// A read that waits for output.
#[derive(Debug)]
pub(super) struct WaitingRead {
    pub(super) session: SessionId,
    pub(super) request: RequestId,
    pub(super) read: Read,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) run: RunId,
    pub(super) stream: OutputStream,
    pub(super) offset: u64,
    pub(super) limit: u64,
}

impl Daemon {
    pub(super) fn read(&mut self, session: SessionId, request: RequestId, read: Read, wait: bool) {
        let answer = self.chunk(&read);
        let nothing_yet = matches!(&answer, Ok(chunk) if chunk.data.is_empty() && !chunk.last);
        if wait
            && nothing_yet
            && read.limit > 0
            && self.reads.len() < MOST_WAITING
            && self.ask_to_be_told(&read)
        {
            self.reads.push(WaitingRead { session, request, read });
            return;
        }
        let frame = match answer {
            Ok(chunk) => ToPool::Output { request, chunk },
            Err(error) => ToPool::Failed { request, error },
        };
        self.say(session, &frame);
    }

    /// To be called when there is news of a run.
    pub(super) fn look_after_reads(&mut self, run: &RunId) {
        let (about, others) =
            std::mem::take(&mut self.reads).into_iter().partition(|waiting| waiting.read.run == *run);
        self.reads = others;
        for WaitingRead { session, request, read } in about {
            self.read(session, request, read, true);
        }
    }

    /// Asks the keeper to notify when there is something to read. It does so at once if there is already.
    fn ask_to_be_told(&self, read: &Read) -> bool {
        let act = Act::Tell { stream: read.stream, beyond: read.offset };
        let order = Order { run: read.run.clone(), act };
        match self.runs.get(&read.run) {
            Some(run) => match run.control() {
                Some(control) => match order::send(control, &order) {
                    Ok(()) => true,
                    // Just ended: that will be noticed, and is news.
                    Err(error) => error.kind() == io::ErrorKind::BrokenPipe,
                },
                // Being cleared: its end is news.
                None => run.end().is_none(),
            },
            None => false,
        }
    }

    fn chunk(&self, read: &Read) -> Result<OutputChunk, RequestError> {
        let run = self.runs.get(&read.run).ok_or(RequestError::UnknownRun)?;
        // Known before the file is read: an ended run's output is complete.
        let ended = run.end().is_some();
        let path = self.layout.run(&read.run).output(read.stream);
        let read_file = || {
            let mut file = match File::open(path) {
                Ok(file) => file,
                // Nothing was written yet.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(OutputChunk { offset: read.offset, data: Vec::new(), last: ended });
                }
                Err(error) => return Err(error),
            };
            let size = file.metadata()?.len();
            file.seek(SeekFrom::Start(read.offset))?;
            let mut data = Vec::new();
            file.take(read.limit.min(MAX_READ)).read_to_end(&mut data)?;
            let last = ended && read.offset.saturating_add(data.len() as u64) >= size;
            Ok(OutputChunk { offset: read.offset, data, last })
        };
        read_file().map_err(|error: io::Error| RequestError::Invalid {
            detail: format!("{} of {} cannot be read at {}: {error}", read.stream, read.run, read.offset),
        })
    }
}
