//! What jobs print, and answers to who reads it, at once or when there is something.

use super::{Due, Runner, Scene, runs::Run};
use crate::sim::line::ChannelId;
use pool_api::RunId;
use pool_protocol::{MAX_READ, OutputChunk, OutputStream, RequestError, RequestId, ToPool};
use std::{fmt::Write as _, ops::Range};

/// Most reads that wait at once. Further ones are answered at once, with nothing.
const MOST_WAITING: usize = 1000;
/// How long a line of output is, its end included.
const LINE: u64 = 64;

/// A read that waits for output.
#[derive(Debug)]
pub(super) struct WaitingRead {
    pub(super) channel: ChannelId,
    request: RequestId,
    read: Read,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) run: RunId,
    pub(super) stream: OutputStream,
    pub(super) offset: u64,
    pub(super) limit: u64,
}

impl Runner {
    pub(super) fn read(
        &mut self,
        channel: ChannelId,
        request: RequestId,
        read: Read,
        wait: bool,
        scene: &mut Scene,
    ) {
        let answer = self.chunk(&read, scene);
        let nothing_yet = matches!(&answer, Ok(chunk) if chunk.data.is_empty() && !chunk.last);
        if wait && nothing_yet && read.limit > 0 && self.reads.len() < MOST_WAITING {
            // A locked record is told of when it is unlocked, the rest at the run's end.
            let at = self.runs.get(&read.run).filter(|run| run.goes_on());
            if let Some(at) = at.and_then(|run| run.goes_beyond(read.stream, read.offset)) {
                scene.due.push((at.max(scene.now), Due::Read { channel, request }));
            }
            self.reads.push(WaitingRead { channel, request, read });
            return;
        }
        let frame = match answer {
            Ok(chunk) => ToPool::Output { request, chunk },
            Err(error) => ToPool::Failed { request, error },
        };
        scene.say(channel, &frame);
    }

    /// There should be something for a read that waits.
    pub(super) fn try_read(&mut self, channel: ChannelId, request: RequestId, scene: &mut Scene) {
        let at = self.reads.iter().position(|it| it.channel == channel && it.request == request);
        if let Some(at) = at {
            let WaitingRead { read, .. } = self.reads.remove(at);
            self.read(channel, request, read, true, scene);
        }
    }

    /// To be called when there is news of a run.
    pub(super) fn look_after_reads(&mut self, run: &RunId, scene: &mut Scene) {
        let (about, others) =
            std::mem::take(&mut self.reads).into_iter().partition(|waiting| waiting.read.run == *run);
        self.reads = others;
        for WaitingRead { channel, request, read } in about {
            self.read(channel, request, read, true, scene);
        }
    }

    fn chunk(&self, read: &Read, scene: &Scene) -> Result<OutputChunk, RequestError> {
        let run: &Run = self.runs.get(&read.run).ok_or(RequestError::UnknownRun)?;
        let size = run.size(read.stream, scene.now).kept;
        let end = read.offset.saturating_add(read.limit.min(MAX_READ)).min(size);
        let data = sim_output(&read.run, read.stream, read.offset..end);
        let last = run.end().is_some() && end.max(read.offset) >= size;
        Ok(OutputChunk { offset: read.offset, data, last })
    }
}

/// The byte at an offset of what a run prints: text, in lines.
pub fn sim_byte(run: &RunId, stream: OutputStream, offset: u64) -> u8 {
    byte(seed(run, stream), offset)
}

/// A part of what a run prints.
pub fn sim_output(run: &RunId, stream: OutputStream, range: Range<u64>) -> Vec<u8> {
    let seed = seed(run, stream);
    range.map(|offset| byte(seed, offset)).collect()
}

fn byte(seed: u64, offset: u64) -> u8 {
    if offset % LINE == LINE - 1 {
        return b'\n';
    }
    // The last steps of SplitMix64.
    let mut bits = seed.wrapping_add(offset.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [low, ..] = (bits ^ (bits >> 31)).to_le_bytes();
    b'a' + low % 26
}

/// FNV-1a of the run's and the stream's names.
fn seed(run: &RunId, stream: OutputStream) -> u64 {
    let mut name = String::new();
    // Writing to a string does not fail.
    let _ = write!(name, "{run} {stream}");
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
